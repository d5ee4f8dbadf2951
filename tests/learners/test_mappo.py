"""Central critics, shared critics, several copies of a market, memory: what PPO learns with them."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import experience, group, probe
from toy_market import fast, keys

from tacitlab.engine import deep
from tacitlab.errors import TacitError
from tacitlab.learners import MAPPO, PPO, QMIX
from tacitlab.learners.base import MarketSeat
from tacitlab.learners.exploration import Constant
from tacitlab.learners.parts.group import Transition
from tacitlab.learners.parts.networks import respond
from tacitlab.markets import TeamGame
from tacitlab.markets.base import Discrete, Role
from tacitlab.markets.motion import Dynamics, Outcome

STEPS = 8
SETTINGS = {
    "rollout": STEPS,
    "minibatches": 2,
    "epochs": 2,
    "rate": 1e-2,
    "hidden": (3,),
    "gamma": 0.9,
    "anneal": False,
}


def seat(market, copies=1, steps=10_000):
    dynamics = market.dynamics()
    role = dynamics.roles[0]
    return MarketSeat(market, dynamics, role, 0, role.agents, steps, False, copies)


def played(learner, market, steps, sessions=2, copies=1):
    some = learner.group(seat(market, copies, steps))
    crew = deep.Crew(deep.devices.mesh(1))
    table = deep.Table(some.dynamics, (some,), (deep.Seat(some.role.name, 0, some.agents),), copies)
    session_keys = crew.keys(1, 0, sessions)
    play, tally = crew.advance(table, session_keys, crew.begin(table, session_keys), 0, steps)
    assert not np.asarray(tally.failure).any()
    return some, play.learners[0], tally, crew.test(
        table, some.dynamics, session_keys, play.learners, 20, market.horizon, 0.0
    )  # fmt: skip


@cache
def updated(**changes):
    """A group of two at a team game before and after one update from random steps."""
    some = MAPPO(**SETTINGS | changes).group(seat(TeamGame()))
    random = np.random.default_rng(0)
    state = fast(some.init)(keys(2), jnp.asarray(0))
    begin, rows = state, state.rows
    for t in range(STEPS):
        seen = random.integers(0, 3, (2, 2, 1, 1)).astype(np.float32)
        ended = jnp.asarray(np.full((2, 1), random.uniform() < 0.3))
        lived = Transition(
            jnp.asarray(seen[0]), jnp.asarray(random.integers(0, 2, (2, 1, 1)), jnp.float32),
            jnp.asarray(random.normal(size=(2, 1)), jnp.float32), jnp.asarray(seen[1]), ended, jnp.zeros((2, 1), bool),
            *jnp.asarray(random.normal(size=(2, 1, 3)), jnp.float32),
        )  # fmt: skip
        rows = some.rollout.add(rows, lived, jnp.asarray(t))
    after, health = fast(some.update)(state._replace(rows=rows), keys(2), jnp.asarray(STEPS - 1))
    return some, begin, after, health


def test_one_critic_for_actors_of_their_own():
    _, begin, after, health = updated(parameters="own", critic="shared")
    for part, moved in zip(jax.tree.leaves(after.networks.critic), jax.tree.leaves(begin.networks.critic), strict=True):
        np.testing.assert_array_equal(part[0], part[1])
        assert np.abs(part - moved).max() > 1e-4, "else nothing is learned"
    actors = jax.tree.leaves(after.networks.actor)
    assert all((part[0] != part[1]).any() for part in actors if part[0].size > 1)
    assert (np.asarray(health.loss) > 0).all()
    _, _, own, _ = updated(parameters="own", critic="own")
    assert any((part[0] != part[1]).any() for part in jax.tree.leaves(own.networks.critic))


def test_critics_see_the_world_and_actors_do_not():
    _, begin, _, _ = updated(parameters="own", critic="own", critic_sees="world")
    assert begin.networks.critic.layers[0].weight.shape[-1] == 3
    assert begin.networks.actor.layers[0].weight.shape[-1] == 3
    both, *_ = updated(parameters="own", critic="own", critic_sees="both")
    assert both._sizes() == (3, 6)
    marked, *_ = updated(parameters="shared")
    assert marked._sizes() == (5, 8), "who shares a network is told apart"


@pytest.mark.parametrize("spec", [PPO(**SETTINGS), MAPPO(**SETTINGS), MAPPO(**SETTINGS, recurrent=4, sequence=4)])
def test_an_actor_does_not_see_what_others_see(spec):
    some = spec.group(seat(TeamGame()))
    policy = some.policy(fast(some.init)(keys(2), jnp.asarray(0)))
    policy = jax.tree.map(lambda x: jnp.asarray(np.random.default_rng(0).normal(size=x.shape), x.dtype), policy)
    seen = jnp.asarray(np.random.default_rng(1).integers(0, 3, (2, 50, 1)), jnp.float32)
    act = fast(lambda o: some.respond(policy, some.carry(50), o, keys(2), jnp.ones(())))
    one, other = act(seen), act(seen.at[1].set((seen[1] + 1) % 3))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a[0], b[0])
    assert (np.asarray(one[0][1]) != np.asarray(other[0][1])).any(), "its own observation matters"


def test_agents_that_share_a_network_may_be_permuted():
    some = MAPPO(**SETTINGS, agent_ids=False).group(seat(TeamGame()))
    policy = some.policy(fast(some.init)(keys(2), jnp.asarray(0)))
    seen = jnp.asarray(np.random.default_rng(1).integers(0, 3, (2, 50, 1)), jnp.float32)
    act = fast(lambda o, k: some.act(policy, o, k, jnp.ones(())))
    np.testing.assert_array_equal(act(seen, keys(2))[::-1], act(seen[::-1], keys(2)[::-1]))


def test_two_copies_teach_what_two_agents_with_one_network_do():
    settings = SETTINGS | {"parameters": "shared", "minibatches": 4}
    pair = group(PPO(**settings), probe("continuous"))
    alone = PPO(**settings).group(
        MarketSeat(None, (market := probe("continuous", 1)), market.roles[0], 0, 1, 10_000, True, copies=2)
    )
    lived = experience(np.random.default_rng(1), 2, STEPS, "continuous")
    ends = []
    for some, axis in ((pair, 2), (alone, 0)):  # agents or copies first
        state = fast(some.init)(keys(2)[: some.agents], jnp.asarray(0))
        rows = state.rows
        for t in range(STEPS):
            now = [jnp.expand_dims(jnp.asarray(x[:, t]), 1 if axis else 0) for x in lived[:6]]
            rows = some.rollout.add(rows, Transition(*now), jnp.asarray(t))
        ends.append(fast(some.update)(state._replace(rows=rows), keys(2)[: some.agents], jnp.asarray(STEPS - 1)))
    (one, _), (other, _) = ends
    for a, b in zip(jax.tree.leaves(one.networks), jax.tree.leaves(other.networks), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


# --- memory --------------------------------------------------------------------------------------------------------


class Recall(Dynamics):
    """Step 0 shows a sign, step 1 nothing: there both actions must be the sign that was."""

    roles: tuple[Role, ...] = eqx.field(static=True, default=(Role("player", 2, ("sign", "time"), Discrete(2)),))

    def reset(self, key):
        return jax.random.bernoulli(key).astype(jnp.float32), jnp.zeros((), jnp.int32)

    def observe(self, state):
        sign, time = state
        seen = jnp.stack([jnp.where(time == 0, 2 * sign - 1, 0.0), time.astype(jnp.float32)])
        return {"player": jnp.broadcast_to(seen, (2, 2))}

    def step(self, key, state, actions):
        sign, time = state
        right = jnp.all(actions["player"][:, 0] == sign)
        rewards = {"player": jnp.full(2, jnp.where((time == 1) & right, 1.0, 0.0))}
        return (sign, time + 1), Outcome(rewards, time == 1, jnp.zeros((), bool), {})

    def global_state(self, state):
        return jnp.stack([state[0], state[1].astype(jnp.float32)])


class RecallMarket(TeamGame):
    """As much of another team's market as a seat needs."""

    @property
    def horizon(self):
        return 2

    def dynamics(self):
        return Recall()


MEMORY = {"recurrent": 8, "sequence": 2, "gamma": 1.0}
LEARNERS = {
    "ppo": PPO(rollout=32, minibatches=2, rate=1e-2, hidden=(8,), parameters="shared", **MEMORY),
    "mappo": MAPPO(rollout=32, minibatches=2, rate=1e-2, hidden=(8,), **MEMORY),
    "qmix": QMIX(rate=5e-3, hidden=(8,), exploration=Constant(epsilon=0.5), capacity=1000, target_every=50, **MEMORY),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_with_a_memory_agents_know_what_they_saw(name):
    settings = LEARNERS[name].model_copy(update={"deterministic_test": True}) if name != "qmix" else LEARNERS[name]
    *_, tested = played(settings, RecallMarket(), 3000, copies=2)
    assert np.asarray(tested.returns).mean() > 0.95, "half of that without memory"


def test_what_was_likely_when_acting_is_recomputed_in_learning():
    """Ratios are 1 before the first gradient step: the hidden states of acting and of learning are the same."""
    some = PPO(**SETTINGS, recurrent=4, sequence=4).group(seat(TeamGame(), copies=2))
    state = fast(some.init)(keys(2), jnp.asarray(0))
    state = state._replace(networks=jax.tree.map(lambda x: x + 0.3, state.networks))
    carry, logs, random = some.carry(2), [], np.random.default_rng(0)
    carry = jnp.asarray(random.normal(size=carry.shape) * 0.1, jnp.float32)
    state = state._replace(memories=state.memories._replace(actor=carry))
    rows, ended = state.rows, np.zeros((2, 2), bool)
    for t in range(STEPS):
        seen = jnp.asarray(random.integers(0, 3, (2, 2, 1)), jnp.float32)
        carry = jnp.where(ended[..., None], 0.0, carry)
        action, after = some.respond(some.policy(state), carry, seen, keys(2), jnp.ones(()))
        for agent in range(2):
            actor = jax.tree.map(lambda x, agent=agent: x[agent], state.networks.actor)
            out, _ = respond(actor, carry[agent], some.inputs(seen)[0][agent], "tanh")
            logs.append(np.asarray(jax.nn.log_softmax(out))[np.arange(2), np.asarray(action)[agent, :, 0].astype(int)])
        ended = np.broadcast_to(random.uniform(size=2) < 0.3, (2, 2))
        lived = Transition(
            seen, action, jnp.zeros((2, 2)), seen, jnp.asarray(ended), jnp.zeros((2, 2), bool),
            jnp.zeros((2, 3)), jnp.zeros((2, 3)),
        )  # fmt: skip
        rows, carry = some.rollout.add(rows, lived, jnp.asarray(t)), after
    sight = some._rollout_inputs(some.rollout.read(rows), state, keys(2))
    batch, _, memories = jax.jit(
        lambda s, x: some._each(type(some)._judged, None, s.networks, None, None, s.memories, x)
    )(state, sight)
    wanted = np.moveaxis(np.stack(logs).reshape(STEPS, 2, 2), 0, 2)  # agent, copy, time
    np.testing.assert_allclose(np.asarray(batch.log_probability).reshape(2, 2, STEPS), wanted, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(memories.actor, jnp.where(ended[..., None], 0.0, carry), rtol=1e-3, atol=1e-5)


def test_numbers_are_data_a_sweep_over_them_is_one_compilation():
    market = TeamGame()
    rates = jnp.asarray([1e-3, 1e-2, 3e-2])
    some = MAPPO(**SETTINGS).group(seat(market))
    table = deep.Table(some.dynamics, (some,), (deep.Seat("player", 0, 2),))
    count = []

    def final(rate):
        count.append(1)
        changed = eqx.tree_at(lambda t: t.groups[0].rate, table, rate)
        play = deep.begin(changed, keys(1)[0], jnp.asarray(0))
        return deep.advance(changed, keys(1)[0], play, jnp.asarray(0), jnp.asarray(32), 32)[0].learners[0].networks

    together = jax.jit(jax.vmap(final))(rates)
    assert len(count) == 1, "traced once for all rates"
    alone = jax.jit(final)
    for k, rate in enumerate(rates):
        for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone(rate)), strict=True):
            np.testing.assert_allclose(a[k], b, rtol=1e-3, atol=1e-5)
    assert len(count) == 2, "and once for any single one"


def test_what_does_not_fit_is_refused():
    with pytest.raises(TacitError, match=r"minibatches: 3 do not divide 8 samples; set learners\.minibatches=2"):
        PPO(rollout=8, minibatches=3).group(seat(TeamGame()))
    with pytest.raises(TacitError, match="minibatches: 4 do not divide 2 sequences"):
        PPO(rollout=8, minibatches=4, recurrent=3, sequence=4).group(seat(TeamGame()))
