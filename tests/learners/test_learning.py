"""Deep Q-learning finds what theory says is best: alone, and against an opponent who does not answer."""

import numpy as np
import pytest

from tacitlab.lab.deep_play import MarketWork
from tacitlab.lab.experiment import from_mapping
from tacitlab.markets.execution.liquidation import best_response

SESSIONS = 6
MARKET = {"kind": "execution", "steps": 4, "trades": "parts", "parts": 12, "reward": "trade", "order": "simultaneous"}
LEARNER = {
    "kind": "dqn", "agents": 1, "rate": 1e-3, "batch": 32, "target_every": 50,
    "network": {"width": 16, "layers": 2, "embedding": False}, "memory": {"capacity": 4000, "when_full": "drop-oldest"},
    "exploration": {"kind": "geometric", "every": 50, "factor": 0.96},
}  # fmt: skip


@pytest.mark.parametrize("rival", [0.0, 100.0], ids=["alone", "against TWAP"])
def test_a_trader_learns_its_best_response(rival):
    experiment = from_mapping(
        {
            "environment": MARKET | {"inventories": [100.0, rival]},  # a rival without shares is none
            "learners": [LEARNER, {"kind": "fixed-schedule", "trades": "twap", "agents": 1}],
            "length": {"episodes": 1500},
            "sessions": SESSIONS,
            "test": {"episodes": 300},
        }
    )
    work, game = MarketWork.of(experiment), experiment.market.game
    (played,) = work.play(work.layout.shards(), 1, None, lambda done: None)
    costs = -played.data["test_payoff"][:, :, 0].mean(axis=1)
    assert not played.data["failure"].any()
    twap, (schedule, best) = game.costs(game.twap())[0], best_response(game, 0, game.twap())
    assert costs.mean() == pytest.approx(best, rel=0.02), f"{costs} instead of {best}"
    assert costs.max() < 1.04 * best
    trades = played.data["test_trade"][:, :, 0].mean(axis=0)
    np.testing.assert_allclose(trades, schedule[:, 0], atol=6)
    if rival:
        assert costs.mean() < twap - 0.5 * (twap - best), "it does not just trade evenly, too"
        assert (np.diff(trades) < 0).all(), "the best response is to be first"
    assert played.data["loss"][:, -1, 0].mean() < played.data["loss"][:, 0, 0].mean()
