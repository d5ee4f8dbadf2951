"""What `tacit show` says of markets and learners: values as one writes them, bounds, choices, benchmarks."""

import re

import pytest
from rich.console import Console

from tacitlab import catalogue, cli
from tacitlab.documents import descriptions
from tacitlab.lab.experiment import load
from tacitlab.markets.base import Market


@pytest.fixture
def show(capsys, monkeypatch):
    """What is printed about something on a very wide page, with runs of blanks as one."""
    monkeypatch.setattr(catalogue, "console", lambda: Console(width=500, highlight=False, markup=False))

    def printed(name, *overrides):
        catalogue.print_one(name, list(overrides))
        return re.sub(r" +", " ", capsys.readouterr().out)

    return printed


def test_a_market_shows_units_bounds_choices_and_benchmarks(show):
    text = show("execution")
    for line in (
        "environment.inventories [100, 100] shares",
        "environment.temporary 0.002 currency time/share² ≥ 0",
        "environment.order coin-toss simultaneous, coin-toss",
        "environment.observes [time, inventory, price] time, inventory, price,",
        "environment.kernel.kind permanent how impact decays",
        "environment.kernel={kind: exponential-decay, decay: 0.5}",
        "learners.exploration={kind: constant, epsilon: 0.1}",
        "environment.liquidity={reversion: 5, dt: 0.1,",
        "Nash 12.679 trades 29.595, 21.139,",
        "joint optimum 11.5 trades 10 ",
        "shortfall of TWAP: 11.5",
        "note: open-loop benchmarks",
    ):
        assert line in text
    assert "shared_temporary false" in text


def test_overrides_change_parameters_and_benchmarks(show):
    text = show("execution", "lag=2", "sessions=3")
    assert "sessions 3 " in text
    assert "lag 2 steps" in text
    assert "joint optimum 8.33333" in text
    assert "joint optimum 8.33333" in show("execution", "environment.lag=2")
    text = show("execution", "kernel.kind=power-decay", "inventories=[100, 50]")
    assert "environment.kernel.exponent 0.5 > 0 exponent, gamma" in text
    assert "environment.kernel={kind: permanent}" in text
    assert "by trader" in text  # payoffs differ
    assert "trades of trader 2" in text
    assert "by trader" not in show("execution")


def test_learners_show_their_nested_parts_and_alternatives(show):
    text = show("dqn")
    for line in ("exploration.kind geometric how the agent explores", "target_blend - > 0, ≤ 1",
                 "exploration={kind: exponential, start: 1, beta: null,", "memory.when_full halve halve, drop-oldest",
                 "largest_value 1000000 payoff > 0"):  # fmt: skip
        assert line in text
    assert "trades twap shares twap, nash, schied-zhang" in show("fixed-schedule")


def test_a_market_around_a_game_asks_for_it_and_shows_its_benchmarks(show):
    assert "game (required)" in show("repeated-game")
    text = show("repeated-game", "game.kind=bertrand")
    assert "game.mu 0.25 money" in text
    assert "monopoly 0.33749 price 1.925" in text


def test_benchmarks_without_theory_are_notes_alone(show):
    text = show("execution", "temporary=0.001", "permanent=0.01", "buying=true", "trades=whole")
    assert "benchmark mean" not in text
    assert "no equilibrium was computed" in text
    assert "error unknown" in show("execution", "shared_temporary=true", "steps=3")


@pytest.mark.parametrize("name", ["execution", "execution-simulated", "bertrand-dqn"])
def test_scenarios_of_markets_are_valid_and_described(name):
    experiment = load(name)
    assert isinstance(experiment.environment, Market)
    assert 20 < len(descriptions()[name]) < 120
    window, windows = experiment.recorded()
    assert window * windows == experiment.length.episodes


def test_the_simulated_game_differs_where_the_public_code_does():
    described, simulated = load("execution").market, load("execution-simulated").market
    changed = {k: v for k, v in simulated.model_dump().items() if described.model_dump()[k] != v}
    assert changed == {"lag": 2, "order": "simultaneous", "foresee_last_trade": False}


def test_an_error_prints_nothing_else(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["tacit", "show", "execution", "lag=3"])
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().out == ""
