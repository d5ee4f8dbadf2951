"""The study of bidding: its verdicts on bid functions that are known, what it plays, and one small real run."""

from types import SimpleNamespace

import numpy as np
import pytest
from made_up import around, asked

from approved import approved
from tacitlab.audits.auction_bids import continuous, on_grid
from tacitlab.errors import TacitError
from tacitlab.markets import Auction
from tacitlab.markets.auction.grid import GridEquilibrium
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


def test_two_units_by_hand():
    """Bidders alike, of whom the second bid is half of the value."""
    pair = Learned(BY_KEY[PAIR], "PPO", bidding(BY_KEY[PAIR], units=0.5))
    claims = {claim.name.partition(": ")[2]: claim for claim in study.pair_claims(pair)}
    assert claims["slope of the second bid, c"].measured.mean == pytest.approx(0.5, abs=0.01)
    wallet = study.asymmetry(Learned(BY_KEY["wallet-second"], "PPO", bidding(BY_KEY["wallet-second"])))
    assert wallet.measured.mean == pytest.approx(0, abs=1e-9)


def scattered(key, factor, apart, second=1.0, sessions=3):
    """Sessions whose bidders bid about so much of the equilibrium's bid, each its own."""
    setting = BY_KEY[key]
    game = setting.market.game
    own = np.stack([around(factor * (1 + k / 50), sessions, apart, 10 * k) for k in range(game.bidders)], axis=1)
    bids = own[:, :, None, None] * setting.theory.bids(SIGNALS)
    return continuous(game, bids * np.array([1.0, second])[: game.demand])


def stepped():
    """Half the signal on a small grid, taken as its equilibrium, and sessions that now and then bid nothing instead."""
    grid = Auction(bids=5).grid
    chosen = np.abs(grid.signals[:, None] / 2 - grid.levels).argmin(axis=1)
    half, nothing = np.eye(5)[chosen], np.eye(5)[np.zeros_like(chosen)]
    often = np.array([[0.0, 0.0], [0.02, 0.03], [0.05, 0.01]])[:, :, None, None]
    theory = GridEquilibrium(grid, half, grid.judge(np.stack([half, half])), 1)
    return theory, on_grid(grid, (1 - often) * half + often * nothing)


@pytest.fixture(scope="module")
def grid():
    return stepped()


#: Auction: factor of bids, scatter, factor of second bids, and sessions that failed.
VARIANTS = {
    "mixed": {"first": (1.0, 0.002), "all-pay": (0.8, 0.002), "wallet-second": (1.0, 0.03), PAIR: (1.0, 0.01, 0.5)},
    "kept": {"first": (1.0, 0.002), "second": (0.99, 0.001)},
    "missed": {"first": (1.3, 0.01), "uniform-one": (0.9, 0.01)},
    "unsure": {"first": (1.0, 0.1)},
}
FAILED = {"first": 1, "all-pay": 2}


@pytest.mark.parametrize("name", VARIANTS)
def test_what_it_says(name, grid):
    auctions = {key: Learned(BY_KEY[key], "PPO", scattered(key, *how), FAILED.get(key, 0))
                for key, how in VARIANTS[name].items()}  # fmt: skip
    others = {}
    if name == "mixed":
        others = {"shared": Learned(BY_KEY["first"], "PPO, one network for both", scattered("first", 1.02, 0.01)),
                  "dqn": Learned(BY_KEY["first"], "DQN over 5 bids", grid[1], 0, grid[0])}  # fmt: skip
    else:
        others = {"dqn": Learned(BY_KEY["first"], "DQN", scattered("first", *VARIANTS[name]["first"]))}
    finding = study.examine(study.Evidence(auctions, others))
    approved(f"auction_bidding/{name}", finding if name == "mixed" else [finding.answer, *finding.claims])


def test_theory_on_a_grid_is_that_of_the_grid(grid):
    found = Learned(BY_KEY["first"], "DQN", grid[1], 0, grid[0])
    assert found.gaps[0] == pytest.approx(0)
    assert (found.gaps[1:] < 0).all()
    assert found.exploited[0] == pytest.approx(100 * grid[0].certificate / grid[0].judged.surplus[0])
    np.testing.assert_allclose(found.theory, grid[0].bids[:, 0])


def nobody(experiment, sessions):
    """What is read out of a run that was not played."""
    return SimpleNamespace(bids=np.zeros((sessions, 2, 3, 1)), run=experiment.name)


def test_what_is_played(monkeypatch):
    seen = []
    monkeypatch.setattr(study, "learned", lambda run: nobody(run, run.sessions - 1))
    monkeypatch.setattr(study, "solve", lambda grid: len(grid.levels))  # of the theory's own tests
    found = [study.gather(size, lambda run: seen.append(run) or run) for size in study.AuctionBidding.sizes.values()]
    for experiment in seen:
        rollout = getattr(experiment.learners[0], "rollout", 1)
        assert experiment.length.episodes % rollout == 0  # no auction is played that nobody learns from
    approved("auction_bidding/played", asked(study.AuctionBidding, seen), exact=True)
    told = {one.who if k else key: f"{one.setting.words}; {one.bidding.run}; {one.failed} failed; grid {one.grid}"
            for k, group in enumerate((found[1].auctions, found[1].rivals)) for key, one in group.items()}  # fmt: skip
    approved("auction_bidding/judged", told, exact=True)
    assert set(found[0].auctions) == {setting.key for setting in SETTINGS if setting.quick}
    assert not found[0].rivals


def test_nothing_is_said_where_every_session_failed(monkeypatch):
    monkeypatch.setattr(study, "learned", lambda run: nobody(run, 0))
    with pytest.raises(TacitError, match="auction-bidding: every session failed; nothing can be said"):
        study.gather(study.AuctionBidding.sizes["quick"], lambda run: run)


def test_a_small_run(tmp_path):
    size = Size(sessions=3, episodes=8192, rival_episodes=0, everything=False)
    run = Player(tmp_path)(size.experiment("first", Auction(), study.LEARNER, size.episodes))
    found = Learned(BY_KEY["first"], "PPO", study.learned(run))
    assert found.bidding.bids.shape == (3, 2, 257, 1)
    assert found.bar.gap.n == 3
    assert (found.exploited > 0).all()  # so few auctions teach nobody to bid
