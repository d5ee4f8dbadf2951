"""Learning curves against gathering step by step."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacit.engine.curves import Curves

SESSIONS, AGENTS = 3, 2


def random_steps(random, count, ends=0.2):
    """What an engine would leave of so many steps, with sessions that nobody asked for at the end."""
    shape = (SESSIONS + 1, count, AGENTS)
    loss = np.where(random.uniform(size=shape) < 0.3, -1.0, random.exponential(size=shape)).astype(np.float32)
    return SimpleNamespace(
        rewards=random.normal(size=shape).astype(np.float32),
        ended=random.uniform(size=shape[:2]) < ends,
        health=(loss, np.where(loss < 0, -1, random.exponential(size=shape)).astype(np.float32)),
    )


def cut(steps, start, stop):
    part = slice(start, stop)
    return SimpleNamespace(
        rewards=steps.rewards[:, part], ended=steps.ended[:, part], health=[x[:, part] for x in steps.health]
    )


def gathered(steps, window, windows):
    """Returns by the window in which an episode ends, losses and values by that in which they are met."""
    found = {place: [] for place in np.ndindex(3, SESSIONS, windows, AGENTS)}
    for session in range(SESSIONS):
        for agent in range(AGENTS):
            total = 0.0
            for step in range(steps.rewards.shape[1]):
                place = min(step // window, windows - 1)
                total += float(steps.rewards[session, step, agent])
                if steps.ended[session, step]:
                    found[0, session, place, agent].append(total)
                    total = 0.0
                for k in (0, 1):
                    if steps.health[k][session, step, agent] >= 0:
                        found[1 + k, session, place, agent].append(float(steps.health[k][session, step, agent]))
    means = np.array([np.mean(v) if v else np.nan for v in found.values()])
    return means.reshape(3, SESSIONS, windows, AGENTS)


@given(
    st.integers(0, 2**32 - 1), st.lists(st.integers(1, 30), min_size=1, max_size=6),
    st.integers(1, 25), st.integers(1, 5), st.sampled_from([0.0, 0.05, 0.3, 1.0]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_curves_are_what_a_loop_gathers(seed, lengths, window, windows, ends):
    steps = random_steps(np.random.default_rng(seed), sum(lengths), ends)
    curves, done = Curves.empty(SESSIONS, windows, window, [np.inf] * AGENTS), 0
    for length in lengths:
        curves.add(done, cut(steps, done, done + length))
        done += length
        curves = Curves.empty(SESSIONS, windows, window, [np.inf] * AGENTS).restored(curves.arrays())
    wanted = gathered(steps, window, windows)
    for found, right in zip((curves.payoff(), curves.loss(), curves.value()), wanted, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12)
    assert not curves.failure.any()
    assert curves.failures(7)[1].tolist() == [-1] * SESSIONS


NOT_FINITE, TOO_LARGE = 1, 2


@pytest.mark.parametrize("cuts", [[40], [10, 40], [17, 18, 40], [13, 26, 40]])
@pytest.mark.parametrize(
    ("changes", "cause", "step"),
    [
        ([("loss", 17, np.nan)], NOT_FINITE, 17),
        ([("value", 17, np.inf)], NOT_FINITE, 17),
        ([("rewards", 0, np.nan)], NOT_FINITE, 0),
        ([("rewards", 39, -np.inf)], NOT_FINITE, 39),
        ([("value", 12, 5.5)], TOO_LARGE, 12),
        ([("value", 12, 5.5), ("loss", 13, np.nan)], TOO_LARGE, 12),
        ([("value", 14, 5.5), ("loss", 13, np.nan)], NOT_FINITE, 13),
        ([("value", 25, 5.5), ("rewards", 12, np.nan)], NOT_FINITE, 12),
        ([("rewards", 20, np.inf), ("rewards", 30, -np.inf)], NOT_FINITE, 20),
        ([("loss", 5, 1e30)], 0, -1),
        ([("value", 12, 4.9)], 0, -1),
    ],
)
def test_the_first_failure_of_a_session_is_found(cuts, changes, cause, step):
    random = np.random.default_rng(0)
    steps = random_steps(random, 40)
    values = np.minimum(steps.health[1], 4.0)
    steps.health = (steps.health[0], values)
    clean = Curves.empty(SESSIONS, 4, 10, [5.0, 1000.0])
    clean.add(0, steps)
    named = {"loss": steps.health[0], "value": values, "rewards": steps.rewards}
    values[2, :, 1] *= 100  # what is too large for one agent is not for the other
    for name, at, value in changes:
        named[name][1, at, 0] = value
    curves = Curves.empty(SESSIONS, 4, 10, [5.0, 1000.0])
    for start, stop in zip([0, *cuts], cuts, strict=False):
        curves.add(start, cut(steps, start, stop))
    assert curves.failure.tolist() == [0, cause, 0]
    assert curves.failed_at.tolist() == [-1, step, -1]
    assert curves.failures(10)[1].tolist() == [-1, step // 10 if cause else -1, -1]
    np.testing.assert_allclose(curves.payoff()[[0, 2]], clean.payoff()[[0, 2]], rtol=1e-9)
    np.testing.assert_allclose(curves.value()[0], clean.value()[0], rtol=1e-9)


def test_windows_without_entries_are_unknown():
    curves = Curves.empty(1, 3, 10, [np.inf])
    never = np.full((1, 10, 1), -1.0)
    steps = SimpleNamespace(rewards=np.ones((1, 10, 1)), ended=np.zeros((1, 10), bool), health=(never, never))
    curves.add(0, steps)
    assert np.isnan(curves.payoff()).all()
    assert np.isnan(curves.loss()).all()
    steps.ended[0, 4] = True
    curves.add(10, steps)
    assert curves.payoff().ravel()[1] == 15, "an episode that began in the window before"
    assert np.isnan(curves.payoff().ravel()[[0, 2]]).all()
