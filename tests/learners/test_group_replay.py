"""The memory of a group against a Python list."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from toy_market import keys

from tacitlab.learners.parts.group import Transition
from tacitlab.learners.parts.memory import GroupReplay

AGENTS, OBSERVATION, ACTION, WORLD, STEPS = 3, 2, 1, 4, 23


def lives(copies):
    """Random steps, time first; rewards say which step, copy and agent they belong to."""
    random = np.random.default_rng(0)

    def some(*shape):
        return random.normal(size=(STEPS, *shape)).astype(np.float32)

    number = np.arange(STEPS * copies).reshape(STEPS, 1, copies) + 1000 * np.arange(AGENTS)[:, None]
    ended, cut = np.broadcast_to(random.integers(0, 2, (2, STEPS, 1, copies)) > 0, (2, STEPS, AGENTS, copies))
    return Transition(
        some(AGENTS, copies, OBSERVATION), some(AGENTS, copies, ACTION), number.astype(np.float32),
        some(AGENTS, copies, OBSERVATION), ended, cut, some(copies, WORLD), some(copies, WORLD),
    )  # fmt: skip


@cache
def remembered(capacity, copies, world=WORLD):
    """A memory and all that it saw after each step."""
    replay = GroupReplay(capacity, copies, AGENTS, OBSERVATION, ACTION, world)

    def add(rows, now):
        rows = replay.add(rows, *now)
        return rows, rows

    return replay, jax.jit(lambda x: jax.lax.scan(add, replay.empty(), (x, jnp.arange(STEPS)))[1])(lives(copies))


@pytest.mark.parametrize(("capacity", "copies"), [(8, 1), (12, 4), (200, 2)])
def test_samples_are_what_a_list_would_hold(capacity, copies):
    replay, history = remembered(capacity, copies)
    lived = jax.tree.map(np.asarray, lives(copies))
    draw = jax.jit(replay.sample, static_argnums=3)
    for count in (1, 3, STEPS - 1, STEPS):
        held = np.arange(count * copies)[-capacity:]
        assert int(replay.size(jnp.asarray(count))) == len(held)
        rows = jax.tree.map(lambda x, count=count: x[count - 1], history)
        sample = draw(rows, keys(1)[0], jnp.asarray(count), 2000)
        drawn = np.asarray(sample.reward[0]).astype(int)
        assert set(drawn) == set(held)
        assert len(held) == 1 or stats.chisquare(np.bincount(drawn)[held]).pvalue > 1e-3
        time, copy = np.divmod(drawn, copies)
        for name in ("observation", "action", "reward", "next_observation", "terminated", "truncated"):
            wanted = np.swapaxes(getattr(lived, name)[time, :, copy], 0, 1)
            np.testing.assert_array_equal(getattr(sample, name), wanted, err_msg=name)
        np.testing.assert_array_equal(sample.world, lived.world[time, copy])
        np.testing.assert_array_equal(sample.next_world, lived.next_world[time, copy])


@pytest.mark.parametrize(("capacity", "copies", "length"), [(12, 1, 4), (24, 2, 3), (24, 4, 1)])
def test_pieces_are_consecutive_steps_of_one_copy(capacity, copies, length):
    replay, history = remembered(capacity, copies)
    lived = jax.tree.map(np.asarray, lives(copies))
    for count in (length, STEPS):
        rows = jax.tree.map(lambda x, count=count: x[count - 1], history)
        found = replay.sequences(rows, keys(1)[0], jnp.asarray(count), 500, length)
        time, copy = np.divmod(np.asarray(found.reward[0]).astype(int), copies)
        assert (copy == copy[:, :1]).all()
        assert (np.diff(time, axis=1) == 1).all()
        whole = min(count, capacity // copies) // length - (count > capacity // copies and count % length > 0)
        assert len({*time[:, 0]}) == whole, "all pieces but the one that is being overwritten"
        assert set(copy[:, 0]) == set(range(copies))
        np.testing.assert_array_equal(found.observation, np.moveaxis(lived.observation[time, :, copy], 2, 0))
        np.testing.assert_array_equal(found.world, lived.world[time, copy])


def test_agents_may_draw_moments_of_their_own():
    replay, history = remembered(12, 4, 0)
    rows, lived = jax.tree.map(lambda x: x[-1], history), jax.tree.map(np.asarray, lives(4))
    sample = replay.sample_apart(rows, keys(AGENTS), jnp.asarray(STEPS), 2000)
    moments = np.asarray(sample.reward).astype(int) % 1000
    assert (moments[0] != moments[1]).mean() > 0.8
    for k in range(AGENTS):
        time, copy = np.divmod(moments[k], 4)
        np.testing.assert_array_equal(sample.observation[k], lived.observation[time, k, copy])
        np.testing.assert_array_equal(sample.reward[k], lived.reward[time, k, copy])
        alone = replay.sample(rows, keys(AGENTS)[k], jnp.asarray(STEPS), 2000)
        np.testing.assert_array_equal(sample.next_observation[k], alone.next_observation[k])
    assert sample.world is None


def test_copies_must_fit():
    with pytest.raises(ValueError, match="capacity: 10 is no multiple of 4 copies"):
        GroupReplay(10, 4, 1, 1, 1)
