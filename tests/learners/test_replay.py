"""Memories against a Python list."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from toy_market import fill, keys, transitions

from tacitlab.learners.parts.group import Transition
from tacitlab.learners.parts.memory import Replay

ADDED = 3000


def numbered(count):
    """Transitions that say which they are."""
    lived = transitions(np.random.default_rng(0), count)
    return lived._replace(reward=np.arange(count, dtype=np.float32))


@eqx.filter_jit
def history(replay, lived):
    """Memory and size after each of the transitions."""

    def add(rows, at):
        transition, count = at
        rows = replay.add(rows, transition, count)
        return rows, (rows, replay.size(count + 1))

    return jax.lax.scan(add, replay.empty(), (lived, jnp.arange(len(lived.reward))))[1]


def remembered(capacity, halving, count):
    """Numbers of the transitions that a list would hold, the oldest first."""
    held = []
    for number in range(count):
        if len(held) == capacity:
            held = held[1::2] if halving else held[1:]
        held.append(number)
        yield held


@pytest.mark.parametrize("halving", [True, False])
@pytest.mark.parametrize("capacity", [2, 4, 10, 64])
def test_what_is_remembered(capacity, halving):
    replay, lived = Replay(capacity, halving, 2, 1), numbered(ADDED)
    rows, sizes = map(np.asarray, history(replay, lived))
    wanted = np.concatenate(
        [lived.observation, lived.action, lived.reward[:, None], lived.next_observation, lived.terminated[:, None]],
        axis=1,
    )
    for count, held in enumerate(remembered(capacity, halving, ADDED), start=1):
        assert sizes[count - 1] == len(held) == replay.size(jnp.asarray(count))
        order = np.arange(len(held)) if halving or count <= capacity else (count + np.arange(capacity)) % capacity
        np.testing.assert_array_equal(rows[count - 1][order], wanted[held])
        if count == 5 * capacity:
            break
    for count in (ADDED - 1, ADDED):
        held = list(remembered(capacity, halving, count))[-1]
        assert sorted(rows[count - 1][: len(held), 3]) == held


@pytest.mark.parametrize(
    ("halving", "count"), [(True, 5), (True, 16), (True, 17), (True, 39), (False, 9), (False, 16), (False, 50)]
)
def test_samples_are_drawn_uniformly_from_what_is_remembered(halving, count):
    replay, lived = Replay(16, halving, 2, 1), numbered(count)
    sample = jax.jit(replay.sample, static_argnums=3)(fill(replay, lived), keys(1)[0], jnp.asarray(count), 20_000)
    held = list(remembered(16, halving, count))[-1]
    drawn = np.asarray(sample.reward).astype(int)
    counts = np.bincount(drawn, minlength=count)
    assert set(np.flatnonzero(counts)) == set(held)
    assert stats.chisquare(counts[held]).pvalue > 1e-3
    right = Transition(*(x[drawn] for x in lived[:6]))
    for found, wanted in zip(sample[:5], right[:5], strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert not sample.truncated.any(), "only the rules end an episode"


def test_where_a_transition_goes_depends_on_the_clock_alone():
    replay = Replay(8, True, 2, 1)
    memories = jnp.stack([fill(replay, transitions(np.random.default_rng(seed), 40)) for seed in range(3)])
    new, count = jax.tree.map(jnp.asarray, transitions(np.random.default_rng(9), 3)), jnp.asarray(41)
    together = jax.jit(jax.vmap(replay.add, in_axes=(0, 0, None)))(memories, new, count)
    alone = jax.jit(replay.add)
    for k, found in enumerate(together):
        np.testing.assert_array_equal(found, alone(memories[k], jax.tree.map(lambda x, k=k: x[k], new), count))
        changed = (found != memories[k]).any(axis=1)
        assert np.flatnonzero(changed).tolist() == [int(replay.size(jnp.asarray(42))) - 1]
