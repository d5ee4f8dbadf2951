"""The study of order flow: its verdicts on paths with known answers, and gathering in small."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from tacitlab.measures.statistics import Estimate
from tacitlab.studies.base import Claim, Player, Verdict, more_than
from tacitlab.studies.order_flow import study
from tacitlab.studies.order_flow.study import Flow, Size
from tacitlab.studies.page import write_report

TINY = Size(runs=6, steps=300, sessions=2, episodes=5, bargains=5, flows=3, flow_steps=600)


def flow_of(changes, net):
    """A market whose middle moves by so many ticks in each step."""
    mid = 10_000 + np.cumsum(changes, axis=1)
    none = np.ones_like(mid)
    return Flow(mid, mid, none, np.abs(net), net, np.zeros((len(mid), 3)), 0.0)


def verdicts(flow):
    return [claim.judged() for claim in study.fact_claims("here", flow)]


def test_a_random_walk_with_linear_impact_shows_no_fact_but_that_it_has_no_memory():
    rng = np.random.default_rng(1)
    net = np.round(3 * rng.standard_normal((20, 20_000)))
    flow = flow_of(0.2 * net + 0.2 * rng.standard_normal(net.shape), net)
    found = verdicts(flow)
    assert found[0] is not Verdict.REPRODUCED
    assert found[1:3] == [Verdict.REPRODUCED, Verdict.NOT]
    assert flow.impact.exponent.mean == pytest.approx(1.0, abs=0.02)


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


@pytest.fixture(scope="module")
def gathered(tmp_path_factory):
    return study.gather(TINY, Player(tmp_path_factory.mktemp("order-flow")))


def test_each_market_has_those_who_belong_there(gathered):
    assert list(gathered.flows) == list(study.MARKETS)
    for name, flow in gathered.flows.items():
        maker, informed, noise = np.abs(flow.gains).sum(axis=0)
        assert (maker > 0) == (study.MARKETS[name][0] != "hold")
        assert (informed > 0) == (study.MARKETS[name][1] != "hold")
        assert noise > 0
        assert flow.mid.shape == (3, 540)
        np.testing.assert_allclose(flow.gains.sum(axis=1), 0, atol=1e-2)
    alone, known = (np.abs(gathered.flows[name].mid - gathered.flows[name].value).mean() for name in
                    ("zero intelligence", "with informed"))  # fmt: skip
    assert known < alone


def test_gains_and_efficiency_are_the_same_thing(gathered):
    found = gathered.gode_sunder
    np.testing.assert_allclose(found.found.outcomes.sum(axis=1) / 2.7, found.last("efficiency"), rtol=1e-5)
    assert gathered.rules["truthful"].last("trades").mean() > gathered.rules["zero-intelligence"].last("trades").mean()
    difference = gathered.learned.less(gathered.rules["truthful"], "efficiency")
    expected = gathered.learned.last("efficiency") - gathered.rules["truthful"].last("efficiency")
    assert difference.mean == pytest.approx(expected.mean())
    assert (gathered.learned.buyers_share() > 0).all()


def test_the_study_judges_and_reports(gathered, tmp_path):
    finding = study.examine(gathered)
    names = [claim.name for claim in finding.claims]
    assert len(set(names)) == len(names) == 5 + 8 + 4 * 4
    by_name = {claim.name: claim for claim in finding.claims}
    assert by_name["ZI-C: efficiency"].published == 0.958
    assert by_name["bilateral trade, PPO: efficiency"].published == pytest.approx(27 / 32)
    for market in study.MARKETS:
        assert market.capitalize() in finding.answer
    write_report(study.OrderFlow(), "quick", finding, tmp_path)
    assert len(json.loads((tmp_path / "claims.json").read_text())["claims"]) == len(names)


NEARER = "nearer the competitive price", "as near the competitive price, for all we see", "farther from the competitive"


@pytest.mark.parametrize(("alpha", "words"), list(zip((-0.1, 0.0, 0.1), NEARER, strict=True)))
def test_the_answer_turns_with_the_numbers(alpha, words):
    """Smith's alpha is a distance from the competitive price; facts are named by their verdicts."""
    interval = Estimate(alpha, alpha - 0.05, alpha + 0.05, 0.02, 9)
    names = ("ZI-C: efficiency", "ZI-C, everybody quotes: efficiency", "PPO: efficiency", study.ALPHA)
    more = ("PPO: efficiency more than ZI-C", f"{study.ALPHA} more than ZI-C", "bilateral trade, PPO: efficiency")
    claims = [Claim(name, interval) for name in (*names, *more)]
    facts = ("excess kurtosis", "autocorrelation of returns", "autocorrelation of absolute returns, lags 10 to 50",
             "power of price impact")  # fmt: skip
    facts = tuple(fact.replace("lags 10 to 50", f"lags {study.LATE} to {study.LAGS}") for fact in facts)
    found = {
        -1: Estimate(-1, -1.1, -0.9, 0.05, 9),
        0: Estimate(0, -0.5, 0.5, 0.2, 9),
        1: Estimate(1, 0.9, 1.1, 0.05, 9),
    }
    signs = ((1, 1, 1, 1), (-1, -1, -1, -1), (0, 0, 0, 0), (1, -1, 0, 1))
    for market, row in zip(study.MARKETS, signs, strict=True):
        claims += [
            Claim(f"{market}: {fact}", found[s], margin=more_than(0)) for fact, s in zip(facts, row, strict=True)
        ]
    rules = {study.RULES[0]: SimpleNamespace(last=lambda name: np.array([0.25]))}
    said = study.answer(SimpleNamespace(rules=rules), tuple(claims))
    assert f"Learners trade {words}" in said
    assert "where the reference has 0.958." in said
    everything = "fat tails, returns without memory, lasting clusters of volatility, concave impact"
    first, second, third, last = study.MARKETS
    assert f"{first.capitalize()}: {everything}. {second.capitalize()}: not {everything}." in said
    assert f"{third.capitalize()}: undecided: {everything}." in said
    assert f"{last.capitalize()}: fat tails, concave impact; not returns without memory; undecided: lasting" in said


def test_presets():
    assert set(study.OrderFlow.presets) == set(study.OrderFlow.sizes)
