"""The study of insider trading: its statistics by hand and from theory, and everything in small."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from tacitlab.lab.experiment import Experiment, Length, Test, Trace
from tacitlab.learners import Rule
from tacitlab.markets import GlostenMilgrom, KyleMarket
from tacitlab.markets.kyle.theory import SingleAuction
from tacitlab.measures.statistics import Estimate
from tacitlab.report.market_tested import outcome_of
from tacitlab.studies.base import Claim, Player, between
from tacitlab.studies.insider_trading import study
from tacitlab.studies.insider_trading.evidence import Auctions, Dealers, Size
from tacitlab.studies.insider_trading.study import BAR, WORDS, InsiderTrading
from tacitlab.studies.page import write_report

TINY = Size(
    sessions=3, auctions=2048, entropy=(0.05, 0.05), tests=2000, customers=2500, ticks=(0.2, 0.3), rates=(0.1, 0.01),
    everything=False,
)  # fmt: skip


def ruled(tmp_path, market, rules, tests):
    """Sessions in which roles follow rules."""
    learners = tuple(Rule(rule=rule, agents=role.agents) for role, rule in zip(market.roles(), rules, strict=True))
    experiment = Experiment(
        name="ruled", environment=market, learners=learners, sessions=4, length=Length(episodes=5),
        trace=Trace(windows=5), test=Test(episodes=tests, baselines=False),
    )  # fmt: skip
    return outcome_of(Player(tmp_path)(experiment))


def test_slopes_of_scripted_play_are_theirs(tmp_path):
    """Insiders of equilibrium, a maker of the cartel: every statistic by closed form."""
    market = KyleMarket(insiders=2)
    found = Auctions(ruled(tmp_path, market, ("nash", "cartel"), 20_000), np.full((4, 2), 0.5))
    nash, cartel = SingleAuction(2).nash(), SingleAuction(2).cartel()
    np.testing.assert_allclose(found.orders, 0.70711, rtol=1e-4)
    np.testing.assert_allclose(found.impacts, 0.5, rtol=1e-5)
    np.testing.assert_allclose(found.regressions, nash.impact, rtol=0.03)
    np.testing.assert_allclose(found.linearity, 1, rtol=1e-4)
    np.testing.assert_allclose(found.place, 0, atol=1e-3)
    play = type(nash)(nash.orders, cartel.impact)
    np.testing.assert_allclose(found.profits, SingleAuction(2).profits(play).sum(), rtol=1e-4)
    np.testing.assert_allclose(found.errors[:, 0], SingleAuction(2).error(play), rtol=1e-4)
    gain = SingleAuction(2).exploitability(play)[0] / SingleAuction(2).profits(nash)[0]
    np.testing.assert_allclose(found.exploitability, gain, rtol=1e-2)
    np.testing.assert_allclose(found.noisy.orders, 0.70711 * np.sqrt(1.5), rtol=1e-4)
    assert found.noisy.impact == pytest.approx(nash.impact / np.sqrt(1.5))
    assert found.realised == pytest.approx(found.profits, abs=0.05)


def test_a_cartel_is_seen_by_its_slopes(tmp_path):
    market = KyleMarket(insiders=2, auctions=3, maker="fixed")
    found = Auctions(ruled(tmp_path, market, ("cartel",), 5000), np.zeros((4, 2)))
    np.testing.assert_allclose(found.orders.mean(axis=(0, 2)), market.cartel.orders, rtol=1e-3)
    np.testing.assert_allclose(found.place, 1, rtol=1e-3)
    assert (found.profits > 2 * market.outcome(market.nash)[0] * 1.1).all()
    assert (found.exploitability > 0.01).all(), "each could gain by leaving"


def test_quotes_of_scripted_dealers(tmp_path):
    market = GlostenMilgrom(tick=0.3, customers=5, payoffs="expected")
    found = Dealers(ruled(tmp_path, market, ("monopoly",), 1))
    np.testing.assert_allclose(found.equilibria, [0.3, 0.6])
    np.testing.assert_allclose(found.best, 0.6)
    assert found.settled.all()
    np.testing.assert_allclose(found.profit, market.theory.profit(0.6))
    wide = GlostenMilgrom(tick=0.2, customers=5)
    found = Dealers(ruled(tmp_path / "wide", wide, ("monopoly",), 1))
    np.testing.assert_allclose(found.best, 0.8)
    assert not found.settled.any()
    table = wide.theory.payoffs(0.2)
    np.testing.assert_allclose(found.gains, table[:, 3, 0].max() - table[3, 3, 0])


# --- words ---------------------------------------------------------------------------------------------------------


def slope(name, mean, half=0.01):
    found = Estimate(mean, mean - half, mean + half, half / 2, 20)
    return Claim(name, found, 1.0, margin=between(1 - BAR, 1 + BAR))


def learned(market, place=0.0, gain=0.01):
    """Sessions whose slopes are known."""
    noise = 0.001 * np.linspace(-1, 1, 8)
    orders, impacts = (np.full((8, 1), float(x[0])) + noise[:, None] for x in (market.nash.orders, market.nash.impacts))
    return SimpleNamespace(
        market=market, orders=orders[:, :, None], impacts=impacts, place=place + noise, exploitability=gain + noise,
        profits=np.full(8, 0.7),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("means", "words"),
    [
        ((1.0, 0.99, 1.01, 1.0), "learn Kyle's equilibrium"),
        ((1.0, 0.975, 1.0, 1.0), "may have learned Kyle's equilibrium"),
        ((1.0, 0.975, 1.0, 1.05), "do not quite learn Kyle's equilibrium"),
    ],
)
def test_whether_they_learn_turns_with_the_slopes(means, words):
    """All four slopes within the bar; regressions and other markets do not count."""
    names = [f"{WORDS[name]}: {which} slope over" for name in ("one", "two") for which in ("order", "price")]
    claims = [slope(name, mean) for name, mean in zip(names, means, strict=True)]
    claims += [slope(f"{WORDS['two-fixed']}: order slope over β", 0.5), slope(f"{WORDS['one']}: regression", 0.5)]
    e = SimpleNamespace(auctions={"one": learned(KyleMarket()), "two": learned(KyleMarket(insiders=2))})
    said = study.slopes(e, claims)
    assert said.startswith(f"Insiders and a maker who learn together {words}")
    assert f"The farthest mean is {100 * max(abs(m - 1) for m in means):.1f} % off, where 3 % are allowed" in said


@pytest.mark.parametrize(
    ("fixed", "learning", "words"),
    [
        (0.0, 0.1, "do not collude"),
        (0.0, 0.5, "are not shown to stay apart from a cartel"),
        (0.9, 0.0, "collude in part"),
        (0.0, 0.9, "collude in part"),
    ],
)
def test_whether_they_collude_turns_with_the_slopes(fixed, learning, words):
    two, at_fixed = KyleMarket(insiders=2), KyleMarket(insiders=2, maker="fixed")
    e = SimpleNamespace(
        auctions={"two-fixed": learned(at_fixed, fixed), "two": learned(two, learning), "two-rational": learned(two)}
    )
    said = study.collusion(e)
    assert said.startswith(f"Two insiders {words}: ")
    # By hand, two insiders together: 2 sqrt(2)/3 in equilibrium over 1 in a cartel that the maker expects.
    assert (
        f"earns only {100 * (1 / (2 * 2**0.5 / 3) - 1):.1f} % more than the equilibrium, and 12.5 % more at a" in said
    )
    assert "could gain 1.00 % of its equilibrium profit" in said


def quotes(best, gains, equilibria=(0.3, 0.6)):
    best, known = np.asarray(best), np.asarray(equilibria)
    settled = np.isclose(best[:, None], known).any(axis=1)
    gain = np.asarray(gains)[:, None] * np.ones(2)
    return SimpleNamespace(best=best, settled=settled, equilibria=known, gains=gain)


@pytest.mark.parametrize(
    ("gains", "reading"),
    [
        ([0.1, 0.2, 0.15], "Quotes from which dealers would gain by leaving are no agreement: noise teaches them."),
        ([0.0, 0.0, 0.0], "Nobody would gain by another quote."),
        ([0.0, 0.2, -0.1], None),
    ],
)
def test_what_wide_quotes_mean_turns_with_what_leaving_gains(gains, reading):
    e = SimpleNamespace(
        dealers={
            "Q, expected profits": {0.3: quotes([0.6, 0.6, 0.3, 0.9], [0] * 4)},
            "Q, realised profits": {0.3: quotes([0.9, 0.6, 0.9], gains)},
        }
    )
    said = study.dealers(e)
    assert "3 of 4 sessions end at an equilibrium of their tick, 2 of them at the highest." in said
    assert "Q, realised profits: 1 of 3 sessions at an equilibrium, half-spreads +33 % beside the highest" in said
    assert said.endswith(reading) if reading else said.endswith(f"gain {np.mean(gains):.3f}.")


def test_the_whole_study_in_small(tmp_path, monkeypatch):
    monkeypatch.setitem(InsiderTrading.sizes, "quick", TINY)
    study = InsiderTrading()
    finding = study.find("quick", Player(tmp_path))
    assert "Kyle's equilibrium" in finding.answer
    names = [claim.name for claim in finding.claims]
    assert len(set(names)) == len(names)
    assert "one insider, maker learns: order slope over β = 1.0000" in names
    quotes = "Q, realised profits, α = 0.01, tick 0.3: best half-spread, equilibria at 0.3 to 0.6 (currency)"
    assert quotes in names
    write_report(study, "quick", finding, tmp_path)
    stored = json.loads((tmp_path / "claims.json").read_text())
    assert len(stored["claims"]) == len(names)


def test_paper_markets_are_more():
    quick, paper = InsiderTrading.sizes["quick"], InsiderTrading.sizes["paper"]
    assert set(quick.auctioned()) < set(paper.auctioned())
    for size in (quick, paper):
        for name, market in size.auctioned().items():
            experiment = size.auction(name, market)
            assert experiment.length.episodes * market.auctions >= size.auctions
        dealers = size.dealers("q", "realised", size.rates)
        assert len(list(dealers.cells())) == len(size.ticks) * len(size.rates)
