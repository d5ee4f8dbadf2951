"""Learning curves, from the tally of a segment to the mean of a window, against gathering step by step."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tacitlab.engine import tally
from tacitlab.engine.curves import Curves
from tacitlab.learners.parts.group import Metrics
from tacitlab.markets.motion import Outcome

SESSIONS, AGENTS, MOST = 3, 2, 40
LIMITS = jnp.array([5.0, 1000.0])


def random_steps(random, count, ends=0.2):
    """What happens in so many steps, with sessions that nobody asked for at the end."""
    shape = (SESSIONS + 1, count, AGENTS)
    loss = np.where(random.uniform(size=shape) < 0.3, -1.0, random.exponential(size=shape)).astype(np.float32)
    return {
        "rewards": random.normal(size=shape).astype(np.float32),
        "ended": random.uniform(size=shape[:2]) < ends,
        "loss": loss,
        "value": np.where(loss < 0, -1, np.minimum(random.exponential(size=shape), 4)).astype(np.float32),
        "price": random.normal(size=shape[:2]).astype(np.float32),
    }


@jax.jit
@partial(jax.vmap, in_axes=(0, None, None, 0))
def tallied(steps, start, stop, total):
    """The tally of a segment, in a loop of one length for all: what lies outside is left out."""

    def step(carry, now):
        (sums, total), (clock, at) = carry, now
        inside = (clock >= start) & (clock < stop)
        info = {"price": at["price"][None], "by agent": at["loss"][None]}  # of the only copy of the market
        outcome = Outcome({}, at["ended"][None], jnp.zeros(1, bool), info)
        new = total + at["rewards"]
        after = tally.add(
            sums, at["rewards"][None], new[None], outcome, Metrics(at["loss"], at["value"]), LIMITS, clock
        )
        after = (after, jnp.where(at["ended"], 0.0, new))
        return jax.tree.map(lambda one, other: jnp.where(inside, one, other), after, (sums, total)), None

    empty = tally.nothing(AGENTS, {"price": jnp.zeros(())})
    return jax.lax.scan(step, (empty, total), (jnp.arange(MOST), steps))[0]


def enter(curves, steps, cuts):
    """All steps, in segments that end at the cuts."""
    steps = {name: np.pad(x, [(0, 0), (0, MOST - x.shape[1])] + [(0, 0)] * (x.ndim - 2)) for name, x in steps.items()}
    total = jnp.zeros((SESSIONS + 1, AGENTS))
    for start, stop in zip([0, *cuts], cuts, strict=False):
        found, total = tallied(steps, start, stop, total)
        curves.add(start, stop - start, found)
        curves = Curves.empty(SESSIONS, len(curves.lengths), curves.steps, AGENTS, ("price",)).restored(curves.arrays())
    return curves


def gathered(steps, window, windows):
    """Returns by the window in which an episode ends, losses and values by that in which they are met."""
    found = {place: [] for place in np.ndindex(3, SESSIONS, windows, AGENTS)}
    for session in range(SESSIONS):
        for agent in range(AGENTS):
            total = 0.0
            for step in range(steps["rewards"].shape[1]):
                place = min(step // window, windows - 1)
                total += float(steps["rewards"][session, step, agent])
                if steps["ended"][session, step]:
                    found[0, session, place, agent].append(total)
                    total = 0.0
                for k, name in enumerate(("loss", "value")):
                    if steps[name][session, step, agent] >= 0:
                        found[1 + k, session, place, agent].append(float(steps[name][session, step, agent]))
    means = np.array([np.mean(v) if v else np.nan for v in found.values()])
    return means.reshape(3, SESSIONS, windows, AGENTS)


@given(st.integers(0, 2**32 - 1), st.integers(1, MOST), st.integers(1, 25), st.sampled_from([0.0, 0.05, 0.3, 1.0]))
@settings(max_examples=60)
def test_curves_are_what_a_loop_gathers(seed, count, window, ends):
    random = np.random.default_rng(seed)
    steps, windows = random_steps(random, count, ends), max(1, count // window)
    cuts = sorted({count, *range(window, windows * window, window), *random.integers(1, count + 1, 3).tolist()})
    curves = enter(Curves.empty(SESSIONS, windows, window, AGENTS, ("price",)), steps, cuts)
    wanted = gathered(steps, window, windows)
    for found, right in zip((curves.payoff(), curves.loss(), curves.value()), wanted, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5)
    for k in range(windows):
        part = steps["price"][:SESSIONS, k * window : count if k == windows - 1 else (k + 1) * window]
        np.testing.assert_allclose(curves.means()["price"][:, k], part.mean(axis=1), rtol=1e-4, atol=1e-5)
    assert not curves.failure.any()
    assert curves.failures(7)[1].tolist() == [-1] * SESSIONS


@pytest.mark.parametrize("cuts", [[10, 20, 30, 40], [10, 17, 18, 20, 30, 40], [10, 13, 20, 26, 30, 40]])
@pytest.mark.parametrize(
    ("changes", "cause", "step"),
    [
        ([("loss", 17, np.nan)], tally.NOT_FINITE, 17),
        ([("value", 17, np.inf)], tally.BEYOND, 17),  # beyond any number
        ([("rewards", 0, np.nan)], tally.NOT_FINITE, 0),
        ([("rewards", 39, -np.inf)], tally.NOT_FINITE, 39),
        ([("value", 12, 5.5)], tally.BEYOND, 12),
        ([("value", 12, 5.5), ("loss", 13, np.nan)], tally.BEYOND, 12),
        ([("value", 14, 5.5), ("loss", 13, np.nan)], tally.NOT_FINITE, 13),
        ([("value", 25, 5.5), ("rewards", 12, np.nan)], tally.NOT_FINITE, 12),
        ([("rewards", 20, np.inf), ("rewards", 30, -np.inf)], tally.NOT_FINITE, 20),
        ([("loss", 5, 1e30)], 0, -1),
        ([("value", 12, 4.9)], 0, -1),
    ],
)
def test_the_first_failure_of_a_session_is_found(cuts, changes, cause, step):
    steps, empty = random_steps(np.random.default_rng(0), 40), Curves.empty(SESSIONS, 4, 10, AGENTS, ("price",))
    clean = enter(empty, steps, [10, 20, 30, 40])
    steps["value"][2, :, 1] *= 100  # what is too large for one agent is not for the other
    for name, at, value in changes:
        steps[name][1, at, 0] = value
    curves = enter(Curves.empty(SESSIONS, 4, 10, AGENTS, ("price",)), steps, cuts)
    assert curves.failure.tolist() == [0, cause, 0]
    assert curves.failed_at.tolist() == [-1, step, -1]
    assert curves.failures(10)[1].tolist() == [-1, step // 10 if cause else -1, -1]
    np.testing.assert_allclose(curves.payoff()[[0, 2]], clean.payoff()[[0, 2]], rtol=1e-5)
    np.testing.assert_allclose(curves.value()[0], clean.value()[0], rtol=1e-5)


def test_windows_without_entries_are_unknown():
    steps = random_steps(np.random.default_rng(0), 20, ends=0.0)
    steps["rewards"][:] = 1.0
    steps["loss"][:] = steps["value"][:] = -1.0
    curves = enter(Curves.empty(SESSIONS, 3, 10, AGENTS, ("price",)), steps, [10, 20])
    assert np.isnan(curves.payoff()).all()
    assert np.isnan(curves.loss()).all()
    steps["ended"][0, 14] = True
    curves = enter(Curves.empty(SESSIONS, 3, 10, AGENTS, ("price",)), steps, [10, 20])
    assert (curves.payoff()[0, 1] == 15).all(), "an episode that began in the window before"
    assert np.isnan(curves.payoff()[0, [0, 2]]).all()
