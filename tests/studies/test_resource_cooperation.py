"""The study of cooperation in the resource market: statistics from moments, claims on runs whose answer is known."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_market import fake, optimum

from tacitlab import registry
from tacitlab.audits.trading import Exploitability
from tacitlab.markets.resource.optimum import joint_optimum
from tacitlab.markets.resource.theory import TradingGame
from tacitlab.measures import coordination, volatility
from tacitlab.measures.statistics import mean_interval
from tacitlab.studies.base import Verdict
from tacitlab.studies.page import write_report
from tacitlab.studies.resource_cooperation import evidence, study
from tacitlab.studies.resource_cooperation.evidence import (
    CAPPED,
    CASH10K,
    LIQUIDATED,
    SIZES,
    SOUND,
    STRONGER,
    Arena,
    Played,
    Size,
    conditional,
    gather,
    steadied,
)  # fmt: skip
from tacitlab.studies.resource_cooperation.study import ResourceCooperation, examine

SMALL = Size(sessions=4, exact_sessions=3, scale_sessions=2, agents=(3, 5), episodes=20, test_episodes=6, steps=12)
BRIEF = Size(sessions=4, exact_sessions=3, scale_sessions=2, agents=(5,), everything=False, episodes=20,
             test_episodes=6, steps=12)  # fmt: skip


@pytest.fixture
def played_by(monkeypatch):
    """All runs are faked, and so is what takes dynamic programming."""

    def exact(result, sessions):
        values = np.random.default_rng(0).normal(size=(sessions, 2))
        return Exploitability(values, values + 3.0, values - 1.0, values - 2.0)

    monkeypatch.setattr(evidence, "exploitability", exact)
    names = []

    def play(experiment):
        names.append(experiment.name)
        return fake(experiment)

    play.names = names
    return play


SIDES = np.array([-1.0, 0.4, 1.0, -0.4])  # of sessions around their mean


def arena(setting=CAPPED, **gains):
    """Learners and baselines with these gains in four sessions."""
    size = Size(sessions=4, exact_sessions=1, scale_sessions=1, agents=(), test_episodes=6, steps=12)
    luck = np.random.default_rng(2).normal(size=(4, 6, 1))
    by_name = {"hold": Played(fake(size.ruled(setting, "hold"), luck * np.ones(2)))}
    for number, (name, mean) in enumerate(gains.items(), 1):
        around = mean + 0.002 * number * SIDES[:, None, None] + luck * np.ones(2)
        by_name[name] = Played(fake(size.ruled(setting, "random", name), around))
    return Arena(setting, by_name.pop("learned"), by_name)


# --- statistics ----------------------------------------------------------------------------------------------------


def test_moments_give_what_measures_give_from_orders():
    experiment = SMALL.ruled(CAPPED, "random")
    rng = np.random.default_rng(3)
    shape = (4, 6, 12, 2)
    orders = np.clip(rng.integers(-1, 2, (*shape[:3], 1)) + rng.integers(-1, 2, shape), -1, 1)
    played = Played(fake(experiment, orders=orders))
    correlation, chance = conditional(played)
    times = np.arange(12)[:, None]
    np.testing.assert_allclose(correlation, coordination.trade_correlation(orders, given=times))
    np.testing.assert_allclose(played.pairs.sync, coordination.pair_shares(orders).sync)
    np.testing.assert_allclose(played.pairs.offset_given_both, coordination.pair_shares(orders).offset_given_both)
    # Chance: agents of different episodes, all pairs of them.
    buys, sells = (orders > 0).mean(1), (orders < 0).mean(1)
    opposed = buys[..., 0] * sells[..., 1] + sells[..., 0] * buys[..., 1]
    both = (buys + sells).prod(axis=-1)
    np.testing.assert_allclose(chance, opposed.mean(1) / both.mean(1))
    net = orders.sum(-1).reshape(4, -1)
    np.testing.assert_allclose(played.excess, volatility.excess_volatility(net, 0.01))


def test_volatility_is_that_of_the_price_path():
    one = Size(sessions=3, exact_sessions=1, scale_sessions=1, agents=(), test_episodes=1, steps=40)
    played = Played(fake(one.ruled(SOUND, "random")))
    prices = np.concatenate([np.full((3, 1), 100.0), played.path("price")], axis=1)
    np.testing.assert_allclose(played.volatility, volatility.volatility(prices), rtol=1e-9)


def test_autocorrelation_is_that_of_a_known_process():
    one = Size(sessions=2, exact_sessions=1, scale_sessions=1, agents=(), test_episodes=1, steps=4000)
    noise = np.random.default_rng(0).normal(size=(2, 1, 4001))
    played = Played(fake(one.ruled(SOUND, "hold")))
    moved = noise[..., 1:] + 0.5 * noise[..., :-1]  # a moving average: 0.5/(1 + 0.25)
    played.data["test_change_path"] = (("session", "step"), moved[:, 0])
    assert played.autocorrelation == pytest.approx([0.4, 0.4], abs=0.04)
    played.data["test_change_path"] = (("session", "step"), 0 * moved[:, 0])
    assert np.isnan(played.autocorrelation).all()


def test_luck_is_taken_off_and_no_bias_comes_in():
    rng = np.random.default_rng(0)
    luck = rng.normal(size=(200, 50))
    gains = 7 + 3 * luck + rng.normal(size=(200, 50))
    found = steadied(gains, luck)
    assert found.mean() == pytest.approx(7, abs=0.05)
    assert found.std() == pytest.approx(1 / np.sqrt(50), rel=0.2)
    np.testing.assert_array_equal(steadied(gains, np.zeros_like(luck)), gains.mean(1))


def test_ratio_agrees_with_the_weighted_mean():
    first, second = np.random.default_rng(0).uniform(1, 2, (2, 30))
    known = mean_interval(first / second, weights=second)
    found = study.share(first, second)
    assert (found.mean, found.se) == (pytest.approx(known.mean), pytest.approx(known.se))
    assert (found.low, found.high) == (pytest.approx(known.low, abs=0.02), pytest.approx(known.high, abs=0.02))


def test_windows_are_those_of_the_phases():
    played = Played(fake(SMALL.experiment(CAPPED)))
    curve = np.tile(np.arange(10.0), (4, 1))
    assert [played.between(*part, curve)[0] for part in study.PHASES] == [0.5, 3.5, 7.5]
    assert played.between(0.9, 1.0, curve)[0] == 9


# --- claims --------------------------------------------------------------------------------------------------------


def test_efficiency_is_judged_by_named_denominators(monkeypatch):
    monkeypatch.setattr(evidence, "benchmarks_of", optimum)
    names = ("random", "volume-matched", "trend-follower", "buy-to-limit", "myopic")
    gains = dict(zip(names, (100.0, -20.0, 145.0, 290.0, 0.0), strict=True))
    one = arena(learned=145.0, **gains)
    claims = list(study.efficiency_claims(SimpleNamespace(main=(one,))))
    found = {claim.name.split("over ")[-1].split(",")[0]: claim for claim in claims[:5]}
    assert found["random"].judged() is Verdict.REPRODUCED
    assert found["random"].measured.mean == pytest.approx(0.45, abs=1e-3)
    assert found["trend-follower"].judged() is Verdict.NOT
    assert found["buy-to-limit"].measured.mean == pytest.approx(-0.5, abs=1e-3)
    for name, verdict in (("volume-matched", Verdict.REPORTED), ("myopic", Verdict.UNDECIDED)):
        assert found[name].published is None, "no percentage of what is not positive"
        assert found[name].judged() is verdict
    worse = arena(learned=-50.0, **gains)
    claims_of_worse = list(study.efficiency_claims(SimpleNamespace(main=(worse,))))
    assert {claim.judged() for claim in claims_of_worse[:5]} == {Verdict.NOT}
    assert claims[5].measured.mean == pytest.approx(145 / one.optimum, abs=1e-4)


@pytest.mark.parametrize(("opposed", "verdict"), [(True, Verdict.REPRODUCED), (False, Verdict.NOT)])
def test_a_sells_when_b_buys(opposed, verdict):
    rng = np.random.default_rng(0)
    first = rng.integers(-1, 2, (6, 30, 12, 1))
    orders = np.concatenate([first, -first if opposed else first], axis=-1)
    orders = np.where(rng.uniform(size=orders.shape) < 0.2, rng.integers(-1, 2, orders.shape), orders)
    size = Size(sessions=6, exact_sessions=1, scale_sessions=1, agents=(), test_episodes=30, steps=12)
    played = Played(fake(size.experiment(CAPPED), orders=orders))
    claims = list(study.offset_claims(SimpleNamespace(pairs=(Arena(CAPPED, played, {}),), gains=())))
    judged = [claim.judged() for claim in claims if claim.source]
    assert judged == [verdict, verdict]


# --- theory ---------------------------------------------------------------------------------------------


def test_what_theory_says_in_the_answer():
    """Under literal fills the joint optimum trades together nearly always, and more than doubles volatility."""
    optimum = joint_optimum(CAPPED.environment.game)
    held, net = np.array([5, 5]), []
    for step in range(1000):
        orders = optimum.orders(step, held)
        held, net = held + orders, [*net, orders.sum()]
    moved = 0.01 * np.array(net)
    assert np.mean(np.abs(net) == 2) > 0.95
    assert np.sqrt(0.01**2 + np.mean(moved**2)) > 2 * 0.01
    sound = joint_optimum(TradingGame(execution="exact", law="exponential", valuation="liquidation"), agents=1)
    assert sound.value == pytest.approx(0, abs=1e-9)  # alone, a round trip gains nothing


# --- everything ----------------------------------------------------------------------------------------------------


def test_every_experiment_is_played_once_in_the_same_noise(played_by):
    found = gather(SMALL, played_by)
    assert len(played_by.names) == len(set(played_by.names))
    runs = [one for arena in found.arenas.values() for one in arena.everybody.values()]
    assert len({(run.result.experiment.seed, run.result.experiment.sessions) for run in runs}) == 1
    for one in found.main:
        markets = {played.result.experiment.environment for played in one.everybody.values()}
        assert len(markets) == 1
        assert one.baselines["myopic"].result.experiment.learners[0].gamma == 0
        rate = one.baselines["volume-matched"].result.experiment.learners[0].rate
        wanted = one.learned.turnover.mean() / one.baselines["random"].turnover.mean()
        assert rate == pytest.approx(min(1.0, wanted), abs=1e-4)
    assert found.sold.market.valuation == "final-liquidation"
    assert found.arenas[LIQUIDATED.key].learned.result.experiment.environment.valuation == "final-liquidation"
    assert {key[0] for key in found.crowds} == {3, 5}
    assert all(talk.scrambled.market.scrambled for talk in found.talks if talk.scrambled)


@pytest.mark.parametrize("size", [SMALL, BRIEF], ids=["everything", "brief"])
def test_a_finding_and_its_report(played_by, size, tmp_path):
    found = examine(gather(size, played_by))
    numbers = {claim.name.split()[0] for claim in found.claims}
    assert numbers == {str(number) for number in range(1, 11)}
    assert len({claim.name for claim in found.claims}) == len(found.claims)
    assert "nan" not in found.answer
    report = write_report(ResourceCooperation(), "quick", found, tmp_path)
    assert report.stat().st_size > 100_000
    assert json.loads((tmp_path / "claims.json").read_text())["study"] == "resource-cooperation"
    titles = [chart.title for section in found.sections for chart in section.charts]
    assert len(titles) == len(set(titles)) >= 12


def test_registered_with_both_presets():
    assert registry.find("study", "resource-cooperation") is ResourceCooperation
    assert ResourceCooperation.presets == tuple(SIZES)
    assert SIZES["paper"].sessions == 100
    assert {size.episodes for size in SIZES.values()} == {500}


def test_settings_are_those_of_the_reference():
    literal = CASH10K.environment
    assert (literal.execution, literal.law, literal.valuation) == ("pre", "linear", "mark-to-market")
    assert (literal.cash, literal.inventory, literal.levels, literal.highest) == (10_000, 0, (18, 37), None)
    assert STRONGER.environment == literal.model_copy(update={"impact": 0.0118})
    said = [study.shown(*counts) for counts in ((0, 3, 2), (3, 3, 0), (2, 3, 1), (3, 3, 1))]
    assert said == ["not shown", "not shown", "in part", "shown"]
