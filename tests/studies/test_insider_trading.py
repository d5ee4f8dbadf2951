"""The study of insider trading: its statistics by hand and from theory, and everything in small."""

import json

import numpy as np
import pytest

from tacitlab.lab.experiment import Experiment, Length, Test, Trace
from tacitlab.learners import Rule
from tacitlab.markets import GlostenMilgrom, KyleMarket
from tacitlab.markets.kyle.theory import SingleAuction
from tacitlab.report.market_tested import outcome_of
from tacitlab.studies.base import Player
from tacitlab.studies.insider_trading.evidence import Auctions, Dealers, Size
from tacitlab.studies.insider_trading.study import InsiderTrading
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
