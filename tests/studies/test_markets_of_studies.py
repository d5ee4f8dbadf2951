"""Every market of a study can be played on its own: some shipped scenario is that market, with the study's learner."""

from functools import cache

import pytest

from tacitlab.documents import descriptions
from tacitlab.lab.experiment import Experiment, load
from tacitlab.learners import COMA, JointQLearning
from tacitlab.markets import Portfolio
from tacitlab.studies.auction_bidding.study import SETTINGS
from tacitlab.studies.insider_trading.study import InsiderTrading
from tacitlab.studies.marl_paradigms.plays import CLIMBING, DARE, GRADIENT, TWO_STEP, matching
from tacitlab.studies.marl_paradigms.study import HIDDEN

DEALERS = InsiderTrading.sizes["quick"]
AUCTIONS = {setting.key: setting for setting in SETTINGS}


@cache
def shipped() -> dict[str, Experiment]:
    return {name: load(name) for name in descriptions()}


def played(market) -> list[Experiment]:
    """Shipped scenarios in a market."""
    return [one for one in shipped().values() if one.environment == market]


@pytest.mark.parametrize(
    "market", [TWO_STEP, DARE, CLIMBING, matching(3), Portfolio(), HIDDEN],
    ids=["two-step", "dare", "climbing", "matching", "portfolio", "hidden"],
)  # fmt: skip
def test_markets_of_paradigms(market):
    assert played(market)


def test_learners_of_paradigms():
    for market, kind in ((CLIMBING, JointQLearning), (matching(3), COMA)):
        assert [type(one.learners[0]) for one in played(market)] == [kind]
    (noisy,) = played(HIDDEN)
    told = noisy.learners[0].model_dump()
    study = {**GRADIENT, "rollout": HIDDEN.steps, "minibatches": 4, "recurrent": 32, "sequence": HIDDEN.steps}
    assert {name: told[name] for name in study} == study


@pytest.mark.parametrize("key", ["second", "all-pay", "wallet-first", "uniform-two"])
def test_auctions_and_who_bids_there(key):
    (found,) = played(AUCTIONS[key].market)
    assert found.learners == (AUCTIONS[key].learner,)
    assert found.copies * found.length.episodes == 409_600 * AUCTIONS[key].longer


def test_first_price():
    assert played(AUCTIONS["first"].market)


@pytest.mark.parametrize("name", ["two", "two-rational", "day"])
def test_auctions_with_insiders(name):
    (found,) = played(DEALERS.auctioned()[name])
    wanted = DEALERS.auction("x", DEALERS.auctioned()[name])
    assert found.length.episodes * found.market.auctions <= wanted.length.episodes * wanted.market.auctions * 1.01
    for ours, theirs in zip(found.learners, wanted.learners, strict=True):
        fields = {f for f in type(ours).model_fields if getattr(ours, f) != getattr(theirs, f)}
        assert fields <= {"agents"}


def test_dealers():
    assert any(one.environment.kind == "glosten-milgrom" for one in shipped().values())
