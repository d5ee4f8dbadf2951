"""The study of market making: its statistics from quotes whose place is known, its verdicts, what it plays."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from tacitlab.audits.quoting import LearnedQuotes
from tacitlab.markets import MarketMaking, RequestForQuote
from tacitlab.markets.quoting.solutions import equilibrium, joint_optimum
from tacitlab.markets.quoting.theory import record
from tacitlab.measures.statistics import Estimate
from tacitlab.studies.base import Verdict
from tacitlab.studies.frame import scenario
from tacitlab.studies.market_making import evidence, figures, study
from tacitlab.studies.market_making.evidence import Classic, Evidence, Learned, Repeated
from tacitlab.studies.market_making.study import MarketMakingStudy

ALONE = MarketMaking(steps=10, dt=0.02, cap=6, grid=5)


def market(name):
    """Of a scenario of the study."""
    return scenario(study.__file__, name).market


PAIR = market("pair-ppo").model_copy(update={"steps": 6, "cap": 3})
SESSIONS = 6


def left_by(payoffs):
    """What the test and the training of a run would have left, as far as the study reads it."""
    curve = np.repeat(payoffs[:, None, None], 3, axis=1)
    data = xr.Dataset({"payoff": (("session", "time", "agent"), curve)}, coords={"time": [10, 20, 30]})
    return SimpleNamespace(outcomes=payoffs[:, None], data=data, failures=())


def learned(market, quotes, off=0.0):
    table = LearnedQuotes(market, np.repeat(quotes[None], SESSIONS, axis=0))
    return Learned(left_by(table.payoffs.mean(axis=1) + off), table)


def remembered(quote):
    market = RequestForQuote(requests=4, fills="expected", observes=("own-quote", "rival-quote"))
    path = xr.DataArray(np.full((SESSIONS, 4, 2), quote), dims=("session", "step", "agent"))
    data = {"test_half_spread_path": path, "session": xr.DataArray(np.arange(SESSIONS), dims="session")}
    return Repeated(SimpleNamespace(market=market, benchmarks=market.benchmarks(), data=data))


def simulated(gamma, rule, shift=0.0):
    """Sessions that scatter around the exact moments of a rule."""
    classic = market("classic").model_copy(update={"risk_aversion": gamma})
    exact, rng = record(classic.game, classic.tables()[rule]), np.random.default_rng(4)
    episodes = exact.gain[0] + shift + exact.gain_sd[0] * rng.standard_normal((20, 1000, 1))
    held = exact.inventory_sd[0] * math.sqrt(0.999) * (1 + 0.02 * rng.standard_normal((20, 2, 1)))
    data = xr.Dataset(
        {
            "test_payoff": (("session", "episode", "agent"), episodes),
            "test_inventory_sd": (("session", "step", "agent"), held),
            "test_half_spread": (("session", "step", "agent"), np.full((20, 2, 1), exact.half_spread[0])),
        }
    )
    test = SimpleNamespace(test=SimpleNamespace(episodes=1000))
    return Classic(gamma, rule, SimpleNamespace(outcomes=episodes.mean(axis=1), data=data, experiment=test))


@pytest.fixture(scope="module")
def found():
    game, tables = PAIR.game, ALONE.tables()
    dealers = market("request-q")
    return Evidence(
        MarketMakingStudy.sizes["quick"],
        {"PPO": learned(ALONE, tables["optimum"]), "Q-learning": learned(ALONE, tables["fixed-spread"])},
        learned(PAIR, equilibrium(game).quotes),
        np.zeros((2, 2)),
        {
            "Q-learning": learned(dealers, equilibrium(dealers.game).quotes),
            "PPO": learned(dealers, joint_optimum(dealers.game).quotes),
        },
        {"expected": remembered(0.92498), "drawn": remembered(0.47293)},
        tuple(simulated(gamma, rule) for gamma in (0.1,) for rule in ("avellaneda-stoikov", "symmetric")),
    )


def test_quotes_whose_value_is_known_are_judged_so(found):
    claims = {claim.name: claim for claim in study.examine(found).claims}
    share = claims["1 alone, PPO: utility, exact (share of the optimum)"]
    assert share.measured.mean == pytest.approx(1)
    assert share.judged() is Verdict.REPRODUCED
    fixed = ALONE.benchmarks().numbers["payoff of fixed-spread"] / ALONE.benchmarks().optimum.average
    other = claims["1 alone, Q-learning: utility, exact (share of the optimum)"]
    assert other.measured.mean == pytest.approx(fixed)
    assert other.judged() is Verdict.REPORTED
    assert claims["1 alone, PPO: part of what the optimum adds to a fixed spread (share)"].measured.mean == 1
    pair = claims["2 two makers, PPO: place, exact (0 to 1)"]
    assert pair.measured.mean == pytest.approx(0, abs=1e-9)
    assert pair.judged() is Verdict.REPRODUCED
    less = claims["2 two makers, PPO: mean half-spread less that of the equilibrium (currency)"]
    assert less.measured.mean == pytest.approx(0, abs=1e-9)
    assert claims["3 two dealers, Q-learning: place, exact (0 to 1)"].judged() is Verdict.REPRODUCED
    monopoly = claims["3 two dealers, PPO: place, exact (0 to 1)"]
    assert monopoly.measured.mean == pytest.approx(1)
    assert monopoly.judged() is Verdict.NOT
    memory = claims["3 two dealers who remember, each paid by its chance to win: place (0 to 1)"]
    assert memory.measured.mean == pytest.approx(1, abs=1e-4)
    drawn = claims["3 two dealers who remember, the winner alone paid: place (0 to 1)"]
    assert drawn.measured.mean == pytest.approx(0, abs=1e-4)


def test_a_maker_who_falls_short_fails():
    tables = ALONE.tables()
    short = {"PPO": learned(ALONE, 1.5 * tables["fixed-spread"])}
    claims = {claim.name: claim for claim in study.alone_claims(SimpleNamespace(alone=short))}
    assert claims["1 alone, PPO: utility, exact (share of the optimum)"].judged() is Verdict.NOT
    biased = {"PPO": learned(ALONE, tables["optimum"], off=0.5)}
    claims = {claim.name: claim for claim in study.alone_claims(SimpleNamespace(alone=biased))}
    name = "1 alone, PPO: utility in the simulated test less the exact one (currency)"
    assert claims[name].judged() is Verdict.NOT


def test_the_published_table_is_met_and_missed(found):
    claims = list(study.classic_claims(found))
    assert len(claims) == 6
    assert all(claim.judged() is Verdict.REPRODUCED for claim in claims), [claim.z for claim in claims]
    wrong = SimpleNamespace(classic=(simulated(0.1, "symmetric", shift=2.0),))
    verdicts = {claim.name: claim.judged() for claim in study.classic_claims(wrong)}
    assert verdicts["4 symmetric, γ = 0.1: gain (currency)"] is Verdict.NOT
    assert verdicts["4 symmetric, γ = 0.1: sd of the gain (currency)"] is Verdict.REPRODUCED


def test_the_answer_says_what_was_found(found):
    answer = study.examine(found).answer
    assert "With PPO yes: it reaches 100.0 %" in answer
    assert "Two makers under logit choice end at the equilibrium" in answer
    assert "PPO end above the equilibrium" in answer
    assert "noise disturbs what looks like collusion" in answer
    assert "6 of 6 published numbers" in answer
    assert "49 % of the risk of the symmetric strategy and 95 % of its gain" in answer


def test_the_answer_turns_with_what_was_found(found):
    tables = ALONE.tables()
    short = replace(found, alone={"PPO": learned(ALONE, 1.5 * tables["fixed-spread"]), **_others(found.alone)})
    assert "within 3 % of the optimum? With PPO no: it reaches" in study.alone(short)
    shares = np.array([study.BAR - 0.02, study.BAR + 0.03] * (SESSIONS // 2))
    between = SimpleNamespace(benchmarks=found.alone["PPO"].benchmarks, share=shares)
    assert "With PPO not for certain: it reaches" in study.alone(replace(found, alone={"PPO": between}))
    alike = replace(found, repeated=dict.fromkeys(("expected", "drawn"), remembered(0.47293)))
    assert "noise disturbs" not in study.dealers(alike)
    other = replace(found, repeated={"expected": remembered(0.47293), "drawn": remembered(0.92498)})
    assert "noise disturbs" not in study.dealers(other)


def _others(alone):
    return {name: one for name, one in alone.items() if name != "PPO"}


def test_figures_and_tables_hold_every_session(found):
    first, second, third = figures.sections(found)
    panels, _ = first.charts
    lines = [mark.name for mark in panels.panels[0].marks]
    assert lines.count("bid, a session") == lines.count("ask, a session") == SESSIONS
    assert lines.count("optimum") == 2
    assert first.table.rows[0][:3] == ("optimum", pytest.approx(ALONE.benchmarks().optimum.average), 1.0)
    assert [panel.title for panel in second.charts[0].panels] == [f"the other holds {k}" for k in (-3, 0, 3)]
    assert len(third.table.rows) == 4 * len(found.classic)
    shares = {row[0]: float(row[4]) for row in third.table.rows if row[4]}
    assert shares["γ = 0.1, avellaneda-stoikov"] == pytest.approx(62.787 / 65.248, abs=2e-3)
    assert shares["γ = 0.1, symmetric"] < 0.6


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_what_is_played(preset, monkeypatch):
    """Every run has a name of its own; PPO alone plays the sessions that the bar asks for."""
    size, runs = MarketMakingStudy.sizes[preset], []
    fake = SimpleNamespace(market=PAIR, table=SimpleNamespace(market=PAIR, quotes=equilibrium(PAIR.game).quotes[None]))
    monkeypatch.setattr(evidence, "examined", lambda result: fake)
    monkeypatch.setattr(evidence, "outcome_of", lambda result, cell=0: None)
    found = evidence.gather(size, lambda experiment: runs.append(experiment))
    assert len({run.name for run in runs}) == len(runs) == (10 if preset == "paper" else 8)
    sizes = {run.name: (run.sessions, run.length.episodes) for run in runs}
    assert sizes["alone-ppo"][0] == 20
    assert [(one.gamma, one.rule) for one in found.classic][1] == (0.01, "symmetric")
    classic = next(run for run in runs if run.name == "classic")
    cells = list(classic.cells())
    assert [(cell.market.risk_aversion, cell.learners[0].rule) for cell in cells] == [
        (one.gamma, one.rule) for one in found.classic
    ]
    assert np.abs(found.exploited).max() < 1e-8


def test_places_are_judged_by_their_interval():
    for mean, words in ((0.0, "end at"), (0.12, "end near"), (0.5, "end above"), (-0.5, "end below")):
        assert study.where(Estimate(mean, mean - 0.05, mean + 0.05, 0.02, 9)).startswith(words)
