"""The study of constant exploration: its whole answer on travel times that are made up, and what it plays."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from made_up import recorder, told
from made_up_drivers import driven

from approved import approved
from tacitlab.studies.braess_exploration_fixed import study as fixed

GRID = (0.0, 0.003, 0.007, 0.01, 0.03, 0.1, 0.5, 1.0)
SIZE = fixed.Size(GRID, 6, (3_000, 10_000), (0.0, 0.001, 0.007, 0.02), 4, (0.0, 0.007, 0.03), 5)


def player(least, left=0.4, tied=1.56, best=0.007, apart=0.004):
    """Runs with a least travel time at some rate of exploration, of whose gain so much is left after a long time."""

    def times(cell, time, session):
        learner = cell.learners[0]
        rate, gain = learner.exploration.epsilon, np.where(time <= 10_000, 1.0, left) * (2 - least)
        if learner.ties == "random":
            found = tied + rate
        elif rate >= 0.1:
            found = fixed.GAME.epsilon_rational_time(rate) + 2e-4
        else:
            found = 2 - gain * max(0.0, 1 - abs(np.log((rate + 1e-5) / best)) / 3)
        early = np.where(time % 10_000 <= 2_000, 0.06 * (rate + 0.1), 0.0)  # before the last fifths
        return found + early + apart * np.sin(2 + 5 * session) * (rate > 0)

    moved = np.full((5, 1, 3), -2.0) + 0.01 * np.arange(5)[:, None, None] * [[[0.0, 1.0, -2.0]]]
    return lambda experiment: driven(experiment, times, tables=[moved, moved * 1.0])


VARIANTS = {
    "yes": (SIZE, player(1.618)),
    "gain-is-gone": (replace(SIZE, horizons=(10_000, 100_000)), player(1.7, left=0.1, best=0.003)),
    "gain-is-left": (replace(SIZE, horizons=(10_000, 100_000)), player(1.6, left=0.9)),
    "undecided": (replace(SIZE, horizons=(10_000, 100_000)), player(1.98, left=0.5, apart=0.1)),
    "no": (SIZE, player(2.05, best=0.01, tied=1.8)),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_found(variant):
    size, play = VARIANTS[variant]
    found = fixed.examine(fixed.gather(size, play))
    approved(f"braess_exploration_fixed/{variant}", found if variant == "yes" else replace(found, sections=()))


def test_numbers_by_hand():
    run = player(1.6)(fixed.experiment("epsilon", GRID, 6))
    curve = fixed.Curve.of(run)
    travel = -run.data["payoff"].values.mean(-1)  # (rates, sessions, 50 windows)
    np.testing.assert_allclose(curve.times, travel[..., 40:].mean(-1))
    np.testing.assert_allclose(fixed.Curve.of(run, 4_000).times, travel[..., 16:20].mean(-1))
    np.testing.assert_allclose(curve.at(0.03), curve.times[4])
    means = curve.times.mean(1)
    assert curve.best(1_000).mean == pytest.approx(7)
    assert curve.least().mean == pytest.approx(means[2])
    assert curve.saved().mean == pytest.approx(100 * (1 - means[2] / 2))
    assert curve.steepest().mean == pytest.approx(0.0085)
    assert curve.resolution() == pytest.approx(0.002)
    assert [fixed.continuum_time(x) for x in (0, 0.5, 1)] == pytest.approx([2, 2 - 1 / 3 + 1 / 18, 14 / 9])


def test_what_is_played(monkeypatch):
    seen = []
    monkeypatch.setattr(fixed.Curve, "of", lambda run, *which, **cell: f"{run.experiment.name} {which} {cell}")

    def play(experiment):
        values = [np.full((2, 1, 3), -2.5)]
        return SimpleNamespace(**vars(recorder(seen)(experiment)), values=lambda cell: values)

    found = [fixed.gather(size, play) for size in fixed.BraessExplorationFixed.sizes.values()]
    approved("braess_exploration_fixed/played", told(seen), exact=True)
    approved("braess_exploration_fixed/gathered", found, exact=True)
