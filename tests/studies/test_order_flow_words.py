"""The study of order flow on evidence that is made up: paths with known answers, every word, and what is played."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from made_up import around, asked

from approved import approved
from tacitlab.markets import DoubleAuction
from tacitlab.studies.base import Verdict
from tacitlab.studies.order_flow import study
from tacitlab.studies.order_flow.study import Auctions, Flow


def flow_of(changes, net):
    """A market whose middle moves by so many ticks in each step."""
    mid = 10_000 + np.cumsum(changes, axis=1)
    none = np.ones_like(mid)
    return Flow(mid, mid, none, np.abs(net), net, np.zeros((len(mid), 3)), 0.0)


def verdicts(flow):
    return [claim.judged() for claim in study.fact_claims("here", flow)]


def test_a_random_walk_with_linear_impact_shows_no_fact_but_that_it_has_no_memory():
    rng = np.random.default_rng(1)
    net = np.round(3 * rng.standard_normal((12, 8000)))
    flow = flow_of(0.2 * net + 0.2 * rng.standard_normal(net.shape), net)
    found = verdicts(flow)
    assert found[0] is not Verdict.REPRODUCED
    assert found[1:3] == [Verdict.REPRODUCED, Verdict.NOT]
    assert flow.impact.exponent.mean == pytest.approx(1.0, abs=0.04)


def test_facts_are_seen_where_they_are():
    rng, steps = np.random.default_rng(2), 20_000
    calm = np.repeat(rng.choice([0.3, 2.0], (20, steps // 2000)), 2000, axis=1)  # long clusters, and so fat tails
    net = np.zeros((20, steps))
    net[:, study.EVERY - 1 :: study.EVERY] = rng.standard_t(4, (20, steps // study.EVERY)) * 5
    moves = calm * rng.standard_normal((20, steps)) + 0.5 * np.sign(net) * np.sqrt(np.abs(net))
    found = list(study.fact_claims("here", flow_of(moves, net)))
    assert [claim.judged() for claim in found[:3]] == [Verdict.REPRODUCED] * 3
    # Steps are counted from the one after the first price, so a window holds just one of the orders.
    assert found[3].measured.mean == pytest.approx(0.5, abs=0.1)
    assert found[3].judged() is Verdict.REPRODUCED


def test_bouncing_prices_have_memory():
    rng = np.random.default_rng(3)
    level = rng.standard_normal((20, 4000))
    assert verdicts(flow_of(np.diff(level, axis=1, prepend=0), np.sign(level)))[1] is Verdict.NOT


def auctions(market, sessions, seed, efficiency=0.9, alpha=0.2, surplus=0.3):
    """Sessions of an auction that end in so much, each a little apart, and are elsewhere on the way."""
    n, agents = len(sessions), market.n_players
    ends = {"efficiency": efficiency, "mean_price": 0.49 + 0.01 * seed, "alpha": alpha, "trades": 5 + 0.3 * seed,
            "surplus": surplus}  # fmt: skip
    data = {
        f"test_{name}": (("step", "session"), np.array([[0.3], [0.6], [1.0]]) * around(value, n, seed=seed + k))
        for k, (name, value) in enumerate(ends.items())
    }
    apart = np.stack([around(1, n, 0.1, seed + agent) for agent in range(agents)], axis=1)
    gains = np.linspace(0.15, 0.05, agents) * apart * np.array([[[1]], [[1.5]], [[2.1]]])
    data["payoff"] = (("time", "session", "agent"), gains)
    dataset = xr.Dataset(data, coords={"session": sessions, "time": [400, 800, 1600]})
    return Auctions(SimpleNamespace(data=dataset, market=market, outcomes=gains[-1]))


@functools.cache
def books(sessions, steps=1600):
    """Four markets: nothing is decided in the first, all facts are seen, all are refuted, and some of each."""
    rng, blocks = np.random.default_rng(5), steps // study.EVERY
    often, size = (sessions, steps), (sessions, blocks)

    def market(signs, volumes, power, calm=1.0):
        """Orders come at the end of each interval, and move prices by a power of their volume."""
        net, change = np.zeros(often), 0.05 * rng.standard_normal(often)
        signs = np.resize(signs, blocks)
        net[:, study.EVERY :: study.EVERY] = (signs * volumes)[:, 1:]
        change[:, study.EVERY :: study.EVERY] += (calm * signs * volumes**power)[:, 1:]
        return np.where(rng.random(often) < 0.1 * power, 0, 1) * change, net

    wild = [np.roll(np.arange(blocks) < blocks // 3, 11 * k) for k in range(sessions)]
    calm = np.where(wild, 2.5, 0.2)
    few = np.arange(sessions)[:, None] % 3 == 0  # sessions with clusters of volatility
    some, mixed = np.where(few, calm, 0.6), np.where(few, calm, rng.permuted(calm, axis=1))
    walk = np.round(3 * rng.standard_normal(often))
    moves = {
        "zero intelligence": (np.repeat(some, study.EVERY, axis=1) * (0.05 * walk + rng.standard_normal(often)), walk),
        "with informed": market([1, 1, -1, -1], rng.uniform(2, 8, size), 0.5, calm),
        "with maker": market([1, -1], rng.uniform(4, 6, size), 2.0),
        "with both": market([1, -1], rng.uniform(1, 9, size), 0.7, mixed),
    }
    found = {}
    for k, (name, (change, net)) in enumerate(moves.items()):
        mid = 10_000 + 3 * k + np.cumsum(change, axis=1)
        level = around(1, sessions, 0.1, seed=k)[:, None]
        gains = np.column_stack([around(m, sessions, 0.2, seed=k) for m in (0.11, 0.21 + k / 10, -0.32 - k / 10)])
        spread, value = level * (k + 3.5) + 0 * mid, mid - level * (k + 2)
        found[name] = Flow(mid, value, spread, np.abs(net) + level, net, gains, 7.0 * k)
    return found


def evidence(ppo, sessions=6, steps=1600):
    """PPO's efficiency and Smith's alpha beside traders without intelligence."""
    every, kept = list(range(sessions)), [0, *range(2, sessions)]  # one of PPO's sessions failed
    return study.Evidence(
        auctions(DoubleAuction(), every, 1, efficiency=0.957, alpha=0.31),
        {
            "zero-intelligence": auctions(study.auction(), every, 2),
            "truthful": auctions(study.auction(), every, 3, 0.98),
        },
        auctions(study.auction(), kept, 4, *ppo),
        auctions(study.bilateral(), kept, 5, 0.7, surplus=0.1375),
        books(sessions, steps),
    )


@pytest.mark.parametrize(
    ("variant", "ppo", "sessions"),
    [("better", (0.97, 0.1), 6), ("worse", (0.8, 0.3), 6), ("alike", (0.91, 0.2), 6), ("alone", (0.95, 0.15), 1)],
)
def test_what_it_says(variant, ppo, sessions):
    finding = study.examine(evidence(ppo, sessions))
    whole = variant == "better"
    approved(f"order_flow/{variant}", finding if whole else [finding.answer, *finding.claims[:13], finding.claims[-4]])


@pytest.fixture
def played(monkeypatch):
    """What each preset plays, and what of it becomes evidence."""
    monkeypatch.setattr(study, "outcome_of", lambda run, cell=0: (run.name, cell))
    monkeypatch.setattr(Flow, "of", lambda run, cell: (run.name, cell))
    experiments = []

    def play(experiment):
        experiments.append(experiment)
        return experiment

    gathered = [study.gather(study.OrderFlow.sizes[preset], play) for preset in study.OrderFlow.presets]
    return experiments, gathered[0]


def test_what_is_played(played):
    experiments, found = played
    approved("order_flow/played", asked(study.OrderFlow, experiments), exact=True)
    assert [one.found for one in (found.gode_sunder, *found.rules.values(), found.learned, found.bargained)] == [
        ("zero-intelligence", 0), ("rules", 0), ("rules", 1), ("learned", 0), ("bilateral", 0),
    ]  # fmt: skip
    assert list(found.rules) == experiments[1].sweep["learners.rule"]
    book = experiments[4]
    assert [tuple(learner.rule for learner in cell.learners[:2]) for cell in book.cells()] == list(
        study.MARKETS.values()
    )
    assert found.flows == {name: ("order-book", cell) for cell, name in enumerate(study.MARKETS)}


def test_a_flow_is_what_comes_after_the_book_has_settled():
    rng, sizes = np.random.default_rng(7), {"x": 2, "session": 2, "step": 20}
    names = ("mid", "value", "spread", "volume", "flow", "refused")
    data = {f"test_{name}_path": (tuple(sizes), rng.uniform(size=tuple(sizes.values()))) for name in names}
    payoff = rng.normal(size=(2, 2, 3, 5))
    data["test_payoff"] = (("x", "session", "episode", "agent"), payoff)
    run = SimpleNamespace(data=xr.Dataset(data), experiment=SimpleNamespace(sweep_dimensions=lambda: {"x": [3, 4]}))
    flow = Flow.of(run, 1)
    for name in names[:-1]:
        np.testing.assert_array_equal(getattr(flow, name), data[f"test_{name}_path"][1][1, :, 2:])
    assert flow.refused == data["test_refused_path"][1][1].sum()
    by_step = payoff[1].mean(axis=1) / 20
    np.testing.assert_allclose(flow.gains, np.stack([by_step[:, 0], by_step[:, 1], by_step[:, 2:].sum(axis=1)], 1))


def test_spread_of_runs_against_the_normal_distribution():
    """The standard error of a standard deviation of n normal numbers is sd/sqrt(2n)."""
    found = auctions(DoubleAuction(), range(400), 1)
    spread = list(study.reference_claims(found))[-1].measured
    runs = found.last("efficiency")
    assert spread.mean == pytest.approx(runs.std())
    assert spread.se == pytest.approx(runs.std() / np.sqrt(2 * len(runs)), rel=0.15)
    assert spread.low < spread.mean < spread.high


def test_learners_meet_zero_intelligence_session_by_session():
    e = evidence((0.95, 0.15))
    ours, theirs = e.learned.last("efficiency"), e.rules["zero-intelligence"].last("efficiency")
    assert e.learned.less(e.rules["zero-intelligence"], "efficiency").mean == pytest.approx(
        (ours - theirs[[0, 2, 3, 4, 5]]).mean()
    )
    gains = e.learned.found.outcomes
    np.testing.assert_allclose(e.learned.buyers_share(), gains[:, :11].sum(axis=1) / gains.sum(axis=1))
    few = auctions(DoubleAuction(buyers=3, sellers=2), range(4), 1)
    gains = few.found.outcomes
    np.testing.assert_allclose(few.buyers_share(), gains[:, :3].sum(axis=1) / gains.sum(axis=1))
