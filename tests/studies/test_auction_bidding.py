"""The study of bidding: its verdicts on bid functions that are known, what it plays, and one small real run."""

from types import SimpleNamespace

import numpy as np
import pytest

from tacitlab.audits.auction_bids import continuous
from tacitlab.markets import Auction
from tacitlab.studies.auction_bidding import study
from tacitlab.studies.auction_bidding.study import PAIR, SETTINGS, Learned, Size
from tacitlab.studies.base import Player, Verdict

SIGNALS = np.linspace(0, 1, 129)
SESSIONS = 6
BY_KEY = {setting.key: setting for setting in SETTINGS}


def bidding(setting, factor=1.0, units=1.0):
    """Sessions whose bidders bid so much of the equilibrium's bid, a little apart from each other."""
    game = setting.market.game
    apart = 1 + 0.002 * np.linspace(-1, 1, SESSIONS)[:, None, None, None]
    bids = factor * np.broadcast_to(setting.theory.bids(SIGNALS), (SESSIONS, game.bidders, len(SIGNALS), game.demand))
    return continuous(game, apart * bids * np.array([1.0, units])[: game.demand])


def judged(key, factor=1.0):
    return [c.judged() for c in study.bar_claims(Learned(BY_KEY[key], "PPO", bidding(BY_KEY[key], factor)))[:2]]


@pytest.mark.parametrize("key", [key for key in BY_KEY if key != PAIR])
def test_the_equilibrium_keeps_the_bar(key):
    assert judged(key) == [Verdict.REPRODUCED, Verdict.REPRODUCED]


@pytest.mark.parametrize(
    ("key", "factor", "revenue", "exploitability"),
    [
        ("first", 1.05, Verdict.NOT, Verdict.REPRODUCED),  # payoffs are flat at the top: the loss is of second order
        ("first", 1.3, Verdict.NOT, Verdict.NOT),
        ("all-pay", 0.8, Verdict.NOT, Verdict.NOT),
        ("second", 0.95, Verdict.NOT, Verdict.REPRODUCED),  # own bids decide only who wins
    ],
)
def test_other_bids_do_not(key, factor, revenue, exploitability):
    assert judged(key, factor) == [revenue, exploitability]


def test_the_answer_names_who_missed_the_bar():
    auctions = {
        "first": Learned(BY_KEY["first"], "PPO", bidding(BY_KEY["first"])),
        "all-pay": Learned(BY_KEY["all-pay"], "PPO", bidding(BY_KEY["all-pay"], 0.8)),
        "wallet-second": Learned(BY_KEY["wallet-second"], "PPO", bidding(BY_KEY["wallet-second"])),
        PAIR: Learned(BY_KEY[PAIR], "PPO", bidding(BY_KEY[PAIR], units=0.5)),
    }
    found = study.examine(study.Evidence(auctions, {}))
    assert "2 of 3 auctions" in found.answer
    assert "all-pay" in found.answer.split("not shown: ")[1]
    apart = next(c for c in found.claims if "distance between the two slopes" in c.name)
    assert apart.measured.mean == pytest.approx(0, abs=1e-9)
    second = next(c for c in found.claims if "slope of the second bid" in c.name)
    assert second.measured.mean == pytest.approx(0.5, abs=0.01)
    assert [section.heading for section in found.sections] == [
        "Learned bid functions", "The bar, session by session", "Numbers",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("factor", "spread", "verdict", "words"),
    [
        (1.0, 0.002, Verdict.REPRODUCED, "keeps the bar (revenue"),
        (1.3, 0.002, Verdict.NOT, "misses the bar (revenue"),
        (1.0, 0.1, Verdict.UNDECIDED, "is not shown to keep the bar (revenue"),
    ],
)
def test_words_turn_with_the_intervals(factor, spread, verdict, words):
    setting = BY_KEY["first"]
    bids = setting.theory.bids(SIGNALS)[None, None] * factor * np.ones((SESSIONS, 2, 1, 1))
    apart = 1 + spread * np.linspace(-1, 1, SESSIONS)[:, None, None, None]
    one = Learned(setting, "Q", continuous(setting.market.game, apart * bids))
    assert study.kept(one) is verdict
    said = study.answer(study.Evidence({"first": one}, {"q": one}))
    assert f"At first price Q {words}" in said
    missed = {Verdict.NOT: "not shown: first price (misses it", Verdict.UNDECIDED: "not shown: first price (undecided"}
    assert missed.get(verdict, "in 1 of 1 auctions with one symmetric equilibrium.") in said


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_what_is_played(preset, monkeypatch):
    seen = {}

    def record(experiment):
        seen[experiment.name] = experiment
        return SimpleNamespace(experiment=experiment)

    monkeypatch.setattr(study, "learned", lambda run: bidding(BY_KEY.get(run.experiment.name, BY_KEY["first"])))
    monkeypatch.setattr(study, "solve", lambda grid: None)  # of the theory's own tests
    size = study.AuctionBidding.sizes[preset]
    study.gather(size, record)
    assert set(BY_KEY) <= set(seen) or preset == "quick"
    for key, experiment in seen.items():
        many = size.episodes * BY_KEY[key].longer if key in BY_KEY else size.rival_episodes
        assert experiment.length.episodes * experiment.copies == many
        rollout = getattr(experiment.learners[0], "rollout", 1)
        assert experiment.length.episodes % rollout == 0  # no auction is played that nobody learns from


def test_a_small_run(tmp_path):
    size = Size(sessions=3, episodes=8192, rival_episodes=0, everything=False)
    run = Player(tmp_path)(size.experiment("first", Auction(), study.LEARNER, size.episodes))
    found = Learned(BY_KEY["first"], "PPO", study.learned(run))
    assert found.bidding.bids.shape == (3, 2, 257, 1)
    assert found.bar.gap.n == 3
    assert (found.exploited > 0).all()  # so few auctions teach nobody to bid
