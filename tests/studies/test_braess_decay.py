"""The study of decaying exploration: its whole answer on travel times that are made up, and what it plays."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import recorder, told
from made_up_drivers import driven

from approved import approved
from tacitlab.studies.braess_exploration_decay import study as decay

SIZE = decay.Size(sessions=6, series_sessions=3, initial_sessions=4)
NOISE = 0.004 * np.convolve(np.random.default_rng(3).normal(size=11_000), np.ones(5), "same")
TABLES = [np.array([[[-2.0, -1.5, -1.1]]] * 6), np.array([[[-2.0, -1.5, -1.15]], [[-1.0, -2.0, -1.7]]] * 3)]


def player(end, dip=0.1, apart=0.03):
    """Runs whose welfare falls from 0.88 to a dip at a third of the time and a little later by session, and ends so."""

    def welfare(cell, time, session):
        share, low = time / 10_000, 0.3 + 0.02 * session
        down, up = 0.88 + (dip - 0.88) * share / low, dip + (end - dip) * (share - low) / (0.8 - low)
        found = np.where(share < low, down, np.where(share < 0.8, up, end)) + apart * (session % 5 - 1.7)
        table = np.resize(getattr(cell.learners[0].initial, "table", -2), 3)
        first = table @ [0.02, 0.035, 0.01] * {"initial-decay": 0.11, "initial-constant": 1.0}.get(cell.name, 0.0)
        return found + first + NOISE[time.astype(int) + 37 * session]

    def play(experiment):
        return driven(experiment, lambda *of: 2 - welfare(*of) / 2, limit=1.8, tables=TABLES)

    return play


@pytest.mark.parametrize(("variant", "end"), [("yes", 0.57), ("undecided", 0.02), ("no", -0.4)])
def test_what_is_found(variant, end, monkeypatch):
    study = decay.BraessExplorationDecay()
    monkeypatch.setattr(decay.BraessExplorationDecay, "sizes", {"small": SIZE})
    found = study.find("small", player(end))
    approved(f"braess_exploration_decay/{variant}", found if variant == "yes" else replace(found, sections=()))


def test_what_is_played(monkeypatch):
    seen, judged = [], []
    monkeypatch.setattr(decay.Welfare, "of", lambda run: f"welfare of {run.experiment.name}")
    monkeypatch.setattr(decay, "lyapunov_claims", lambda run: f"exponents of {run.experiment.name}")
    monkeypatch.setattr(decay, "_by_initial", lambda run: f"by initial values of {run.experiment.name}")
    monkeypatch.setattr(decay, "examine", lambda *found: judged.append(found))
    for preset in decay.BraessExplorationDecay.presets:
        decay.BraessExplorationDecay().find(preset, recorder(seen))
    approved("braess_exploration_decay/played", told(seen), exact=True)
    approved("braess_exploration_decay/gathered", judged, exact=True)


def test_numbers_by_hand():
    run = player(0.5)(decay.experiment("decay", 6))
    welfare = decay.Welfare.of(run)
    path = (2 + run.data["payoff"].values.mean(-1)) / 0.5
    np.testing.assert_allclose(welfare.path, path)
    np.testing.assert_allclose(welfare.closing, path[:, 800:].mean(1))
    np.testing.assert_allclose(welfare.spread, 0.03 * (1 + np.arange(6) / 7), rtol=0.1)
    np.testing.assert_allclose(welfare.one_shot, 0.4 - 0.02 * np.arange(6))
    assert welfare.groups.tolist() == [1, 2, 1, 2, 1, 2]
    assert (welfare.window, welfare.rate(5_000)) == (10, pytest.approx(np.exp(-4)))
    centres, smooth = welfare.smooth()
    np.testing.assert_allclose(centres[:2], [50, 150])
    np.testing.assert_allclose(smooth[:, 1], path[:, 10:20].mean(1))


def test_quantiles_have_bootstrap_intervals():
    values = np.arange(200.0)
    found = decay.quantile(values, 0.25)
    assert (found.mean, found.n) == (49.75, 200)
    assert found.se == pytest.approx(np.sqrt(0.25 * 0.75 * 200), rel=0.1)  # of order statistics of equal distances
    assert (found.low, found.high) == pytest.approx((49.75 - 1.96 * 6.12, 49.75 + 1.96 * 6.12), abs=2)
