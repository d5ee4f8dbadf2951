"""The study of order flow: its verdicts on paths with known answers, and gathering in small."""

import json

import numpy as np
import pytest

from tacitlab.studies.base import Player
from tacitlab.studies.order_flow import study
from tacitlab.studies.order_flow.study import Size
from tacitlab.studies.page import write_report

TINY = Size(runs=6, steps=300, sessions=2, episodes=5, bargains=5, flows=3, flow_steps=600)


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
