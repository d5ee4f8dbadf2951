"""The first screen of every shipped scenario: what was played, what came out, compared with what, and how sure."""

from pathlib import Path

import numpy as np
import pytest
from test_market_answer import around, pretend

import tacitlab
from tacitlab.lab.experiment import from_mapping, load
from tacitlab.lab.run import run
from tacitlab.markets.base import Market
from tacitlab.report import terminal

SCENARIOS = sorted(path.stem for path in (Path(tacitlab.__file__).parent / "scenarios").glob("*.yaml"))
LINES = 25 - 2  # where data and report are stands below


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_is_short_and_says_everything(name, capsys):
    """Sessions in markets are made up, those of stage games very short: the words are looked at, not the numbers."""
    experiment = load(name)
    scenario = experiment.dump()
    if isinstance(experiment.environment, Market):
        more = {key: scenario[key] for key in ("learners", "copies")}
        outcomes = around(*np.linspace(0.1, 0.2, experiment.market.n_players))
        result = pretend(outcomes, scenario["environment"], **more)
    else:
        short = {"sessions": 4, "length": {"periods": 60}, "trace": {"window": 12, "windows": 5}, "keep_values": False}
        result = run(from_mapping({**scenario, **short}))
    terminal.print_answer(result)
    said = capsys.readouterr().out
    assert len(said.splitlines()) <= LINES, said
    assert max(map(len, said.splitlines())) <= 140
    assert any(f"{sessions} sessions" in said for sessions in (4, 10)), "how much was played"
    assert "95 % CI" in said or "the same in all" in said, "how sure"
    beside = ("Nash", "quilibri", "optimum", "ndependent", "monopoly", "nobody trades", "ompetitive", "etween")
    assert any(word in said for word in beside), "compared with what"
