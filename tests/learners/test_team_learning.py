"""Managers who learn for themselves find the team optimum if they share the reward, and ignore each other if not."""

import numpy as np
import pytest

from tacitlab.lab.deep_play import MarketWork
from tacitlab.lab.experiment import load

SESSIONS = 4
KNOWN = {"team": (0.8, 0.8), "own": (1.0, 0.75)}  # weight for a unit of signal, and what that is worth to the team


def test_what_is_rewarded_is_learned():
    experiment = load("portfolio", [
        f"sweep={{environment.reward: [{', '.join(KNOWN)}]}}", f"sessions={SESSIONS}", "length.episodes=20000",
        "test.episodes=10000", "test.baselines=false", "learners.hidden=[16]",
    ])  # fmt: skip
    work = MarketWork.of(experiment)
    found = work.play(work.layout.shards(), 2, None, lambda done: None)
    for played, (gain, value) in zip(found, KNOWN.values(), strict=True):
        assert not played.data["failure"].any()
        responses, utility = (played.data[f"test_{name}"].mean(axis=(1, 2)) for name in ("response", "payoff"))
        error = responses.std(ddof=1) / np.sqrt(SESSIONS)
        assert abs(responses.mean() - gain) < max(4 * error, 0.05)
        assert error < 0.04
        assert utility.mean() == pytest.approx(value, abs=0.025)
