"""The study of market making: its statistics from quotes whose place is known, its verdicts, what it plays."""

import functools
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from made_up import around, asked

from approved import approved
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
SAME = np.ones(SESSIONS)


def left_by(payoffs):
    """What the test and the training of a run would have left, as far as the study reads it."""
    curve = payoffs[:, None, None] * np.array([0.4, 0.7, 1.0])[:, None]
    data = xr.Dataset({"payoff": (("session", "time", "agent"), curve)}, coords={"time": [10, 20, 30]})
    return SimpleNamespace(outcomes=payoffs[:, None], data=data, failures=())


def learned(market, quotes, off=0.0, times=SAME):
    table = LearnedQuotes(market, quotes * times.reshape(-1, *[1] * quotes.ndim))
    return Learned(left_by(table.payoffs.mean(axis=1) + off), table)


def remembered(quote, apart=0.0):
    market = RequestForQuote(requests=4, fills="expected", observes=("own-quote", "rival-quote"))
    quotes = around(quote, SESSIONS, apart, 8)[:, None, None] * np.ones((4, 2))
    path = xr.DataArray(quotes, dims=("session", "step", "agent"))
    data = {"test_half_spread_path": path, "session": xr.DataArray(np.arange(SESSIONS), dims="session")}
    return Repeated(SimpleNamespace(market=market, benchmarks=market.benchmarks(), data=data))


@functools.cache
def moments(gamma, rule):
    classic = market("classic").model_copy(update={"risk_aversion": gamma})
    return record(classic.game, classic.tables()[rule])


def simulated(gamma, rule, shift=0.0):
    """Sessions that scatter around the exact moments of a rule."""
    exact, rng = moments(gamma, rule), np.random.default_rng(4)
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
        tuple(simulated(gamma, rule) for gamma in (0.01, 0.1) for rule in ("avellaneda-stoikov", "symmetric")),
    )


def test_quotes_whose_value_is_known_are_judged_so(found):
    claims = {claim.name: claim for claim in claims_of(found)}
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
    assert len(claims) == 9
    assert all(claim.judged() is Verdict.REPRODUCED for claim in claims), [claim.z for claim in claims]
    wrong = SimpleNamespace(classic=(simulated(0.1, "symmetric", shift=2.0),))
    verdicts = {claim.name: claim.judged() for claim in study.classic_claims(wrong)}
    assert verdicts["4 symmetric, γ = 0.1: gain (currency)"] is Verdict.NOT
    assert verdicts["4 symmetric, γ = 0.1: sd of the gain (currency)"] is Verdict.REPRODUCED


def claims_of(e):
    return (*study.alone_claims(e), *study.pair_claims(e), *study.dealer_claims(e), *study.classic_claims(e))


def scattered(times=1.0, apart=0.0, seed=0):
    """Factors of quotes, one for each session."""
    return around(times, SESSIONS, apart, seed)


def variant(found, preset, alone, pair, dealers, memory, shift):
    """Quotes that are (factor, scatter) times those whose value is known."""
    tables, game, ask = ALONE.tables(), PAIR.game, market("request-q")
    of = {"PPO": tables["optimum"], "Q-learning": tables["fixed-spread"], "DQN": 1.3 * tables["fixed-spread"]}
    return Evidence(
        MarketMakingStudy.sizes[preset],
        {name: learned(ALONE, quotes, 0.01, scattered(*alone, k)) for k, (name, quotes) in enumerate(of.items())},
        learned(PAIR, equilibrium(game).quotes, times=scattered(*pair, 5)),
        np.array([[0.11, 0.13], [0.16, 0.2], [0.1, 0.07]]),
        {name: learned(ask, times * equilibrium(ask.game).quotes, times=scattered(*dealers, 6)) for name, times in
         (("Q-learning", 1.0), ("PPO", 1.1))},
        {name: remembered(*one) for name, one in zip(("expected", "drawn"), memory, strict=True)},
        tuple(simulated(one.gamma, one.rule, shift) for one in found.classic) if shift else found.classic,
    )  # fmt: skip


VARIANTS = {
    "as-theory": ("quick", (1.0, 0.02), (1.01, 0.01), (1.01, 0.005), ((0.9, 0.01), (0.48, 0.01)), 0.0),
    "apart": ("paper", (1.6, 0.01), (1.5, 0.01), (0.8, 0.01), ((0.72, 0.01), (0.78, 0.01)), 2.0),
    "far": ("paper", (1.6, 0.01), (0.7, 0.01), (1.2, 0.01), ((0.5, 0.01), (0.3, 0.01)), 2.0),
    "unsure": ("quick", (1.15, 0.35), (1.1, 0.2), (1.0, 0.2), ((0.5, 0.1), (0.5, 0.12)), 0.0),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_what_it_says(found, name, monkeypatch):
    e = variant(found, *VARIANTS[name])
    if name == "as-theory":  # moments are compared in a market that is solved at once
        brief = market("classic").model_copy(update={"steps": 20, "cap": 8})
        monkeypatch.setattr(figures, "scenario", lambda *names: SimpleNamespace(market=brief))
        approved(f"market_making/{name}", study.examine(e))
    else:
        approved(
            f"market_making/{name}", [study.answer(e), *(claims_of(e) if name == "apart" else study.dealer_claims(e))]
        )


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


def test_what_is_played(monkeypatch):
    """Every run has a name of its own; PPO alone plays the sessions that the bar asks for."""
    table = SimpleNamespace(market=PAIR, quotes=equilibrium(PAIR.game).quotes[None])
    monkeypatch.setattr(evidence, "examined", lambda run: SimpleNamespace(market=PAIR, table=table, run=run.name))
    monkeypatch.setattr(evidence, "outcome_of", lambda result, cell=0: (result, cell))
    everything, runs = [], []

    def play(experiment):
        runs.append(experiment)
        return experiment

    for preset, many in (("quick", 8), ("paper", 10)):
        found = evidence.gather(MarketMakingStudy.sizes[preset], play)
        assert len({run.name for run in runs}) == len(runs) == many
        cells = list(next(run for run in runs if run.name == "classic").cells())
        for k, (cell, one) in enumerate(zip(cells, found.classic, strict=True)):
            assert (cell.market.risk_aversion, cell.learners[0].rule) == (one.gamma, one.rule)
            assert (one.found[0].name, one.found[1]) == ("classic", k)
        assert np.abs(found.exploited).max() < 1e-8
        everything += runs
        runs.clear()
    assert all(one.found[0].market.fills == fills for fills, one in found.repeated.items())
    groups = {"alone": found.alone, "pair": {"PPO": found.pair}, "requests": found.requests}
    told = {group: {name: one.run for name, one in many.items()} for group, many in groups.items()}
    approved("market_making/judged", told, exact=True)
    approved("market_making/played", asked(MarketMakingStudy, everything), exact=True)


def test_sessions_that_failed_are_left_out(monkeypatch):
    quotes = np.arange(5.0)[:, None] * np.ones(3)
    monkeypatch.setattr(evidence, "learned_quotes", lambda run: LearnedQuotes(PAIR, quotes))
    monkeypatch.setattr(evidence, "outcome_of", lambda run: SimpleNamespace(failures=[SimpleNamespace(session=1)]))
    assert list(evidence.examined(None).table.quotes[:, 0]) == [0, 2, 3, 4]


def test_a_best_response_is_asked_of_few_sessions(monkeypatch):
    """The others are left out: what it gains is computed for each."""
    quotes = equilibrium(PAIR.game).quotes
    many = SimpleNamespace(
        market=PAIR, table=SimpleNamespace(market=PAIR, quotes=np.stack([quotes, 1.2 * quotes, quotes]))
    )
    monkeypatch.setattr(evidence, "examined", lambda result: many)
    monkeypatch.setattr(evidence, "outcome_of", lambda result, cell=0: None)
    size = replace(MarketMakingStudy.sizes["quick"], responses=2)
    found = evidence.gather(size, lambda experiment: experiment)
    assert found.exploited.shape == (2, 2)
    assert found.exploited[1].min() > 1e-3


def test_places_are_judged_by_their_interval():
    for mean, words in ((0.0, "end at"), (0.12, "are shown neither"), (0.5, "end above"), (-0.5, "end below")):
        assert study.where(Estimate(mean, mean - 0.05, mean + 0.05, 0.02, 9)).startswith(words)
