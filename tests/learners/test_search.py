"""The search for the best candidate against looking at all of them."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy_dqn import SLOPE, Net
from toy_market import agent, fast, network, observations

from tacitlab.learners.dqn import QNetwork
from tacitlab.learners.parts.search import BLOCK

MOST, BATCH = 100, 20  # actions of an observation, and observations
KINDS = {"embedding": QNetwork(width=5, layers=2), "none": QNetwork(width=5, layers=1, embedding=False)}


@cache
def searcher(kind="embedding", agents=0, one_by_one=False):
    """An agent, and its search; or that of several agents at once."""
    one = agent(most=MOST, network=KINDS[kind], one_by_one=one_by_one)
    return one, fast(jax.vmap(one.best) if agents else one.best)


def all_of(net, seen):
    """Values of actions 0 to MOST for each observation, feasible or not."""
    seen, actions = seen[..., None, :].astype(float), np.arange(MOST + 1.0)
    x = np.stack(np.broadcast_arrays(seen[..., 0], seen[..., 1], 0.2 * actions, actions * seen[..., 0]), axis=-1)
    for k, rectified in enumerate(net.rectified):
        x = x @ net.parameters[2 * k].T + net.parameters[2 * k + 1]
        x = np.where(x > 0, x, SLOPE * x) if rectified else x
    return x[..., 0]


def check(found, table, left, wanted):
    """Best feasible candidates; where two are within rounding either may be it."""
    action, value = np.asarray(found[0])[..., 0].astype(int), np.asarray(found[1])
    feasible = np.arange(MOST + 1) <= left[..., None]
    best = np.where(feasible, table, -np.inf).max(axis=-1)
    assert (action <= left).all()
    scale = np.abs(table).max()
    at = np.take_along_axis(table, action[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(at[wanted], best[wanted], atol=1e-5 * scale)
    np.testing.assert_allclose(value[wanted], best[wanted], atol=1e-5 * scale)
    assert not action[~wanted].any()
    assert (value[~wanted] == -np.inf).all()


@pytest.mark.parametrize(("kind", "batch"), [("embedding", BATCH), ("none", 5), ("none", 1)])
def test_any_number_of_candidates_in_all_is_searched(kind, batch):
    one, best = searcher(kind)
    random = np.random.default_rng(0)
    main, seen = network(one, random), observations(random, batch, MOST)
    most = -(-(MOST + 1) // BLOCK)
    for total in range(most * batch + 1):  # blocks that have to be looked at
        cuts = np.sort(random.integers(0, total + 1, batch - 1))
        blocks = np.minimum(most, np.diff(cuts, prepend=0, append=total))
        while blocks.sum() < total:
            blocks[random.choice(np.flatnonzero(blocks < most))] += 1
        seen[:, 1] = np.clip(BLOCK * blocks - random.integers(1, BLOCK + 1, batch), 0, MOST)
        check(best(main, seen, blocks > 0), all_of(Net(main), seen), seen[:, 1], blocks > 0)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(-1, MOST), min_size=BATCH, max_size=BATCH))
@settings(max_examples=100)
def test_the_best_feasible_candidate_is_found(seed, left):
    one, best = searcher()
    random = np.random.default_rng(seed)
    main, seen = network(one, random), observations(random, BATCH, MOST)
    wanted, seen[:, 1] = np.array(left) >= 0, np.maximum(left, 0)
    check(best(main, seen, wanted), all_of(Net(main), seen), seen[:, 1], wanted)


@pytest.mark.parametrize("one_by_one", [False, True])
def test_several_agents_search_as_each_does_alone(one_by_one):
    one, best = searcher(agents=3, one_by_one=one_by_one)
    for seed in range(5):
        random = np.random.default_rng(seed)
        mains = [network(one, random) for _ in range(3)]
        seen = np.stack([observations(random, BATCH, MOST) for _ in range(3)])
        seen[seed % 3, :, 1] = 0  # one has much less to do than the others
        wanted = random.uniform(size=(3, BATCH)) < [[0.1], [0.5], [1.0]]
        tables = np.stack([all_of(Net(main), o) for main, o in zip(mains, seen, strict=True)])
        together = jax.tree.map(lambda *x: jnp.stack(x), *mains)
        check(best(together, seen, wanted), tables, seen[..., 1], wanted)


def test_the_first_of_equals_is_found_among_many():
    one, best = searcher("none")
    main = jax.tree.map(jnp.zeros_like, network(one, np.random.default_rng(0)))
    hidden, last = main.layers  # whole numbers, without rounding: the value is 1 from action 23 on, less before
    hidden = hidden._replace(weight=hidden.weight.at[:2, 3].set(1), bias=hidden.bias.at[:2].set(jnp.array([-22, -23])))
    last = last._replace(weight=last.weight.at[0, :2].set(jnp.array([1, -1])))
    seen = np.stack([np.ones(BATCH), 5.0 * np.arange(BATCH)], axis=1, dtype=np.float32)
    action, value = best(main._replace(layers=(hidden, last)), seen, np.ones(BATCH, bool))
    enough = seen[:, 1] >= 23
    assert (np.asarray(action)[enough] == 23).all()
    assert (np.asarray(value)[enough] == 1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_folding_and_columns_change_nothing(kind):
    one, _ = searcher(kind)
    random = np.random.default_rng(1)
    main, x = network(one, random), random.normal(size=(7, 4)).astype(np.float32)
    wanted, x = [Net(main)(row) for row in x], jnp.asarray(x)
    for found in (main(x), main.folded()(x), main.columns(x.T).T, main.folded().columns(x.T).T):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    assert main.folded().embedding is None
