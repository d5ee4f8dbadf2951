"""What a run says, whole: its page and what the terminal prints, of made-up sessions and of small games."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from test_market_answer import DONE, FIRMS, SELLERS, around, pretend
from test_market_wealth import ENDS, with_wealth
from test_run_page import DRIVERS, LEARNER
from test_run_page import FIRMS as DUOPOLY

from approved import approved
from tacitlab.lab.experiment import from_mapping
from tacitlab.lab.run import run
from tacitlab.markets import Portfolio
from tacitlab.measures.statistics import Estimate
from tacitlab.plot.chart import Axis, Chart, HeatMap, Line
from tacitlab.plot.panels import Panel, Panels
from tacitlab.report import page as pages
from tacitlab.report import run_page, terminal
from tacitlab.report.answer import answer
from tacitlab.report.page import Page, Section, Table
from tacitlab.studies.base import Claim, Finding, more_than
from tacitlab.sweep.sweep import Status


def tell(name, result, capsys, pictures):
    """Hold the page of a run, without what differs from day to day, and what the terminal prints of it."""
    manifest = {"seed": 7, "sessions": 3, "seconds": 0.25, "started": "today", "versions": {"tacitlab": "1"}}
    manifest |= {"content_hash": "abc", "anyway": [{"when": "later", "differs": "another numpy"}]}
    terminal.print_answer(result)
    built = run_page.build(replace(result, manifest=manifest))
    if not pictures:
        titles = [[chart.title for chart in section.charts] for section in built.sections]
        built = replace(built, sections=[replace(section, charts=()) for section in built.sections])
        approved(f"report/{name}", (built, titles, capsys.readouterr().out))
    else:
        approved(f"report/{name}", (built, capsys.readouterr().out))


def with_baselines(result, **levels):
    """Rules that were played beside the learners, a little apart in each session."""
    sessions = result.data.sizes["session"]
    apart = np.linspace(-0.03, 0.03, sessions)[:, None]
    variables = {"baseline_payoff": (("rule", "session", "agent"), np.stack([x + apart for x in levels.values()]))}
    for at, quantity in enumerate(q for q in result.experiment.market.quantities() if not q.by_agent):
        values = np.add.outer(np.linspace(1.25, 1.5, len(levels)) + at, np.linspace(0, 0.1, sessions))
        variables[f"baseline_{quantity.name}"] = (("rule", "session"), values)
    return replace(result, data=result.data.assign_coords(rule=list(levels)).assign(variables))


def learning(result):
    """What the market as a whole did while agents learned."""
    shape = result.data["payoff"].isel(agent=0).shape
    found = {}
    for at, quantity in enumerate(q for q in result.experiment.market.quantities() if not q.by_agent):
        values = np.linspace(1, 2, shape[1]) + 0.1 * np.arange(shape[0])[:, None] + at
        found[f"learning_{quantity.name}"] = (("session", "time"), values)
    return replace(result, data=result.data.assign(found))


def with_paths(result):
    """One episode of the test of each session, step by step."""
    found = {}
    for at, quantity in enumerate(result.experiment.market.quantities()):
        means = result.data[f"test_{quantity.name}"]
        found[f"test_{quantity.name}_path"] = (means.dims, 1 + at + means.values**2)
    return replace(result, data=result.data.assign(found))


TEAM = Portfolio().model_dump(mode="json")
TOKENS = {"kind": "token", "agents": 3, "steps": 4}
PAID = {"kind": "ppo", "agents": 11}
MIXED = [{**DONE, "agents": 1}, {"kind": "fixed-schedule", "trades": "nash"}]
MARKETS = {
    "two-traders": lambda: learning(pretend(around(11.3, 12.2, spread=0.4))),
    "traders-that-failed": lambda: pretend(around(11.5, 11.7), failed=(0, 3)),
    "all-failed": lambda: pretend(around(1, 1, sessions=3), failed=(0, 1, 2)),
    "one-trader": lambda: pretend(around(7.8), {"kind": "execution", "inventories": [100]}),
    "one-session": lambda: pretend([[11.1, 11.6]]),
    "three-sessions": lambda: pretend(around(11.2, 11.3, sessions=3)),
    "forty-sessions": lambda: pretend(around(12.05, 12.1, sessions=40)),
    "nobody-learned": lambda: pretend(around(11.0, 11.2), learners={"kind": "fixed-schedule"}, learned=False),
    "hardly-learned": lambda: pretend(around(11.1, 11.1), learners={"kind": "dqn", "batch": 512}, learned=False),
    "one-exploits": lambda: pretend(around(10.3, 13.8), learners=MIXED),
    "unequal-traders": lambda: pretend(around(8.0, 3.0), {**SELLERS, "inventories": [100, 50]}),
    "eight-traders": lambda: pretend(
        around(*np.linspace(30, 37, 8)), {**SELLERS, "inventories": [100] * 8},
        learners=[{"kind": "dqn", "agents": 3}, {"kind": "fixed-schedule"}],
    ),
    "elsewhere": lambda: pretend(
        around(9.0, 9.1), test={"environment": {"lag": 2}, "epsilon": 0.1, "episodes": 4}
    ),
    "coinciding": lambda: pretend(around(2.4, 2.5, spread=0.01), {**SELLERS, "permanent": 0}),
    "without-optimum": lambda: pretend(around(6.5, 6.6), {**SELLERS, "lag": 2, "buying": True}),
    "without-equilibrium": lambda: pretend(around(90.0, 91.0), {**SELLERS, "temporary": 1e-3, "permanent": 0.01}),
    "without-benchmarks": lambda: pretend(
        around(90.0, 91.0), {**SELLERS, "temporary": 1e-3, "permanent": 0.01, "buying": True}
    ),
    "firms": lambda: pretend(around(0.3, 0.31, spread=0.002), FIRMS),
    "firms-that-remember": lambda: pretend(around(0.22, 0.23, spread=0.002), {**FIRMS, "memory": 2}),
    "team": lambda: learning(
        with_baselines(pretend(around(0.79, 0.79, spread=0.003), TEAM), hold=(0.0, 0.0), radner=(0.8, 0.8))
    ),
    "own-sectors": lambda: pretend(around(0.5, 0.52, spread=0.002), Portfolio(reward="own").model_dump(mode="json")),
    "traders-of-tokens": lambda: learning(
        with_baselines(pretend(around(0.3, 0.4, 0.5), TOKENS), random=(-1, -1.1, -1.2), hold=(0.35, 0.4, 0.45))
    ),
    "eight-owners-step-by-step": lambda: with_paths(
        pretend(around(*np.linspace(0.3, 0.37, 8)), {**TOKENS, "agents": 8, "steps": 410})
    ),
    "buyers-and-sellers": lambda: pretend(
        around(*np.linspace(0.1, 0.3, 22)), {"kind": "double-auction"}, learners=[PAID, {**PAID, "kind": "ddpg"}]
    ),
    "two-buyers-and-two-sellers": lambda: pretend(
        around(0.1, 0.12, 0.2, 0.25), {"kind": "double-auction", "buyers": 2, "sellers": 2, "steps": 5},
        learners=[{**PAID, "agents": 2}, {**PAID, "agents": 2}],
    ),
    "wealth": lambda: with_wealth(np.concatenate([ENDS, [[-1.0, 1, 1, 1, 1]]])),
    "swept-lags": lambda: pretend(
        np.stack([around(11.5, 11.6), around(8.5, 8.7)]), failed=(4, 7), sweep={"environment.lag": [1, 2]}
    ),
    "swept-inventories": lambda: pretend(
        np.stack([around(11.5, 11.5), around(8, 3)]), sweep={"environment.inventories": [[100, 100], [100, 50]]}
    ),
    "swept-rates": lambda: pretend(
        np.stack([around(7.0), around(9.0)]), {"kind": "execution", "inventories": [100]},
        sweep={"learners.rate": [1e-3, 1e-4]},
    ),
}  # fmt: skip


DRAWN = {
    "two-traders", "traders-that-failed", "one-trader", "eight-traders", "elsewhere", "firms", "team",
    "eight-owners-step-by-step", "traders-of-tokens", "wealth", "swept-lags", "swept-rates", "drivers", "few-drivers",
    "drivers-in-a-network",
    "by-epsilon", "by-two", "by-ties", "by-cost", "firms-by-alpha", "too-many-lines",
}  # fmt: skip  # where pictures differ from those of the others


@pytest.mark.parametrize("name", MARKETS)
def test_of_markets(name, capsys):
    tell(f"market-{name}", MARKETS[name](), capsys, name in DRAWN)


NETWORK = {"environment": {"kind": "network", "players": 10}}
ROUTES = {"environment": {"kind": "braess", "players": 3}, "sessions": 1}
ALWAYS = {"kind": "strategy", "rule": "always"}
GAMES = {
    "drivers": DRIVERS,
    "few-drivers": {**DRIVERS, **ROUTES},
    "drivers-in-a-network": {**DRIVERS, **NETWORK},
    "firms": DUOPOLY,
    "firms-in-a-hurry": {**DUOPOLY, "length": {"periods": 2_000, "stable_for": 1_000_000}},
    "cartel": {**DUOPOLY, "learners": {"kind": "strategy", "rule": "grim-trigger"}, "start": {"history": ["optimum"]}},
    "exploited": {**DUOPOLY, "learners": [{**ALWAYS, "agents": 1}, {**ALWAYS, "cooperate": "nash", "agents": 1}]},
    "by-epsilon": {**DRIVERS, "sweep": {"learners.exploration.epsilon": [0, 0.001, 0.003, 0.01, 0.1, 1]}},
    "by-two": {**DRIVERS, "sweep": {"learners.ties": ["first", "random"], "learners.exploration.epsilon": [0.1, 0.5]}},
    "by-ties": {**DRIVERS, "sweep": {"learners.ties": ["first", "random"]}},
    "by-cost": {**DRIVERS, "sweep": {"environment.cost": [0.0, 0.2, 0.5]}},
    "firms-by-alpha": {**DUOPOLY, "sweep": {"learners.alpha": [0.1, 0.3]}},
    "by-whole-parts": {
        **DRIVERS,
        "sweep": {"learners.initial": [{"kind": "constant", "value": -2}, {"kind": "uniform", "low": -2, "high": -1}]},
    },
    "too-many-lines": {
        **DRIVERS, "sessions": 2,
        "sweep": {"learners.alpha": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
                  "learners.exploration.epsilon": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]},
    },
    "prisoners": {
        **DRIVERS, "environment": {"kind": "prisoners-dilemma"}, "sessions": 6,
        "learners": {**LEARNER, "exploration": {"kind": "boltzmann", "temperature": 10.0, "total_decay": 1.0}},
    },
    "mixing": {
        **DRIVERS, "environment": {"kind": "public-goods", "players": 3}, "learners": {"kind": "exp3"}, "sessions": 6,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", GAMES)
def test_of_stage_games(name, capsys):
    tell(f"game-{name}", run(from_mapping(GAMES[name])), capsys, name in DRAWN)


@pytest.mark.parametrize(
    ("memory", "seen"), [(0, "nothing of the past"), (1, "the last period"), (3, "the last 3 periods")]
)
def test_what_players_of_a_repeated_game_see(memory, seen):
    found = answer(pretend(around(0.3, 0.3), {**FIRMS, "memory": memory}, length={"episodes": 1}))
    assert found.notes[-1] == (
        "the stage game was played as a repeated game: 1 episode of 20 periods in training; players see " + seen
    )


def test_of_measures(capsys):
    gain = xr.DataArray(
        [[0.5, np.nan], [0.7, np.nan], [0.75, np.nan]], dims=("session", "agent"), name="gain",
        attrs={"units": "money", "long_name": "what an agent gains"},
    )  # fmt: skip
    price = xr.DataArray(
        [[1.5, 1.25], [1.75, 1.5]], dims=("session", "alpha"), name="price", coords={"alpha": [0.1, 0.3]},
        attrs={"units": "", "long_name": "what is paid"},
    )  # fmt: skip
    terminal.print_measures([gain, price])
    approved("report/measures", capsys.readouterr().out)


def test_of_sweeps_in_folders(capsys):
    causes = [("the market has no price", 2, "alpha=0.1"), ("no memory is left", 1, "alpha=0.3")]
    whole = Status(Path("sweep"), 1200, 1200, 0, 1200, [], 61.25, True)
    some = Status(Path("sweep"), 1200, 1000, 0, 9, [], 3.0, False)
    broken = Status(Path("sweep"), 1200, 1100, 3, 9, causes, 4.0, False)
    for one in (whole, some, broken):
        terminal.print_sweep(one)
    approved("report/sweeps-in-folders", capsys.readouterr().out)


def test_of_claims(capsys):
    claims = (
        Claim("gain", Estimate(0.5, 0.4, 0.6, 0.05, 30), margin=more_than(0)),
        Claim("price (money)", Estimate(1.5, 1.4, 1.6, 0.05, 30), 1.8, "the paper"),
        Claim("one session", Estimate(0.5, np.nan, np.nan, np.nan, 1)),
    )
    terminal.print_claims(Finding("It pays.", claims, (), ("A note.",)))
    approved("report/claims", capsys.readouterr().out)


def test_a_page_as_html():
    """All but the drawing library and its data: the policy, the style and the script are words as well."""
    curve = Line([0.0, 1.0], [2.0, 3.0], "firm")
    charts = (
        Chart("Prices <&>", Axis("period"), Axis("price", "money"), (curve,), "Means."),
        Chart("Colours", Axis("x"), Axis("y"), (HeatMap([0, 1], [0, 1], [[1, 2], [3, 4]], "z"),)),
        Panels("Panels", Axis("x"), Axis("y"), [Panel("one", (curve,))]),
    )
    wide = Table(tuple("abcdef"), (("x", 1, 2.5, True, None, "z"),), "Wide.", ("left", "right") * 3)
    sections = (Section("Data <&>", "One.\n\nTwo.", Table(("who", "gain"), (("firm", 0.25),)), charts),
                Section("", "Without a heading.", wide))  # fmt: skip
    text = pages.render(Page("Title <&>", "It pays.\n\nSays <who>?", sections))
    kept = re.sub(r"<script>/\*.*?</script>", "<script>the library</script>", text, flags=re.DOTALL)
    kept = re.sub(r"(draw\('chart-\d', ).*?\);</script>", r"\1...);</script>", kept, flags=re.DOTALL)
    assert len(kept) < 20_000
    approved("report/html", kept)
    assert "<script>" not in pages.render(Page("No chart", "", sections[1:]))
    assert text.count("</script") == 2 + 3  # nothing in the library or in a chart ends its script
