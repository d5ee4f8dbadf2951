"""Deep Q-learning finds what theory says is best: alone, and against an opponent who does not answer."""

import numpy as np
import pytest

from tacit.lab.experiment import from_mapping
from tacit.lab.market_work import MarketWork
from tacit.theory.liquidation import best_response

SESSIONS = 6
MARKET = {"kind": "execution", "steps": 4, "trades": "parts", "parts": 12, "reward": "trade"}
ALONE = {"inventories": [100.0]}
DUEL = {"inventories": [100.0, 100.0], "order": "simultaneous"}
FAST = {
    "kind": "dqn", "agents": 1, "rate": 1e-3, "batch": 32, "target_every": 50,
    "network": {"width": 16, "layers": 2, "embedding": False}, "memory": {"capacity": 4000, "when_full": "drop-oldest"},
    "exploration": {"kind": "geometric", "every": 50, "factor": 0.96},
}  # fmt: skip
TWAP = {"kind": "fixed-schedule", "agents": 1}


@pytest.mark.parametrize(
    ("market", "learners", "episodes"),
    [(ALONE, [FAST | {"action": "output", "dueling": True}], 1000), (DUEL, [FAST, TWAP], 1500)],
    ids=["alone", "against TWAP"],
)
def test_a_trader_learns_its_best_response(market, learners, episodes):
    experiment = from_mapping(
        {
            "environment": MARKET | market,
            "learners": learners,
            "length": {"episodes": episodes},
            "sessions": SESSIONS,
            "test": {"episodes": 300},
        }
    )
    work, game = MarketWork.of(experiment), experiment.market.game
    (played,) = work.play(work.layout.shards(), 1, None, lambda done: None)
    costs = -played.data["test_payoff"][:, :, 0].mean(axis=1)
    assert not played.data["failure"].any()
    twap, best = game.costs(game.twap())[0], best_response(game, 0, game.twap()).cost
    assert costs.mean() == pytest.approx(best, rel=0.02), f"{costs} instead of {best}"
    assert costs.max() < 1.04 * best
    if len(learners) > 1:
        assert costs.mean() < twap - 0.5 * (twap - best), "it does not just trade evenly, too"
        trades = played.data["test_trade"][:, :, 0].mean(axis=0)
        assert (np.diff(trades) < 0).all(), "the best response is to be first"
    assert played.data["loss"][:, -1, 0].mean() < played.data["loss"][:, 0, 0].mean()
