"""Deterministic policy gradients against plain NumPy; what each network sees; who is who."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_ddpg import Agent, layers_of
from probes import experience, group, probe
from scipy import special, stats
from toy_market import Toy, fast, keys

from tacitlab.errors import TacitError
from tacitlab.learners import DDPG, MADDPG
from tacitlab.learners.base import MarketSeat
from tacitlab.learners.parts.actions import UNIFORM
from tacitlab.learners.parts.group import Transition

STEPS, BATCH = 12, 5
SETTINGS = {
    "batch": BATCH, "memory": 16, "warmup": 0, "hidden": (3,), "rate": 1e-2, "actor_rate": 2e-2, "gamma": 0.9,
    "target_blend": 0.3, "clip_gradient": 0.5, "update_every": 1, "action_limit": 1.5, "reward_scale": 0.5,
    "output_penalty": 0.1, "activation": "tanh",
}  # fmt: skip
KINDS = {
    "linear": (DDPG, "continuous", {"bound": "none", "activation": "relu"}),
    "td3": (DDPG, "continuous", {"critics": 2, "actor_every": 2, "smoothing": 0.6}),
    "maddpg": (MADDPG, "continuous", {"output_penalty": 0.0}),
    "choices": (MADDPG, "discrete", {"critics": 2, "temperature": 0.7}),
}


def random_state(some, seed=0):
    """Random networks, far from their beginning, with nothing remembered; nothing is compiled."""
    random, shapes = np.random.default_rng(seed), jax.eval_shape(some.init, keys(some.agents), jnp.asarray(0))
    state = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def drawn(x):
        return jnp.asarray(random.normal(size=x.shape) * 0.7, x.dtype)

    return state._replace(networks=jax.tree.map(drawn, state.networks), targets=jax.tree.map(drawn, state.targets))


def lives(actions, agents=2, seed=1):
    """Random steps of a group, with a world around them, as the engine gives them: time first."""
    random = np.random.default_rng(seed)
    lived = experience(random, agents, STEPS, actions)
    lived = jax.tree.map(lambda x: np.swapaxes(x, 0, 1)[:, :, None], lived)
    return lived._replace(
        world=random.normal(size=(STEPS, 1, agents)).astype(np.float32),
        next_world=random.normal(size=(STEPS, 1, agents)).astype(np.float32),
    )


def sample_of(lived):
    """The first steps as a sample of a group."""
    own = Transition(*(jnp.asarray(np.swapaxes(x[:BATCH, :, 0], 0, 1)) for x in lived[:6]))
    return own._replace(**{name: jnp.asarray(getattr(lived, name)[:BATCH, 0]) for name in ("world", "next_world")})


def lived_through(some, state, lived):
    """With all this in the memory."""
    steps = (jax.tree.map(jnp.asarray, lived), jnp.arange(STEPS))
    return jax.lax.scan(lambda s, x: (some.observe(s, *x), None), state, steps)[0]


@cache
def learned(kind, one_by_one=True):
    """States, samples and health of a group over two updates."""
    learner, actions, changes = KINDS[kind]
    some = group(learner(**SETTINGS | changes), probe(actions), one_by_one)
    state = fast(lambda s: lived_through(some, s, lives(actions)))(random_state(some))
    states, samples, healths = [state], [], []
    for k in range(2):
        clock, now = jnp.asarray(STEPS - 1 + k), keys(6).reshape(3, 2)[k]
        draws = jnp.stack(
            [jax.random.uniform(jax.random.fold_in(key, 1), (2, BATCH, some.actions.size)) for key in now]
        )
        samples.append((some.sample(state.memory, now, clock), np.asarray(draws)))
        state, health = fast(some.update)(state, now, clock)
        states.append(state)
        healths.append(health)
    return states, samples, healths


def of_agent(tree, k):
    return jax.tree.map(lambda x: np.asarray(x[k]), tree)


def plain_samples(agents, lived, draws, central):
    """The sample as each agent's networks see it."""
    s, count = agents[0].s, len(agents)
    coded = [
        np.eye(2)[np.asarray(lived.action[k, :, 0], int)]
        if s.discrete
        else np.asarray(lived.action[k]) / s.action_limit
        for k in range(count)
    ]
    found = []
    for k in range(count):
        rows = []
        for b in range(BATCH):
            then = [agents[j].supposed(np.asarray(lived.next_observation[j, b]), draws[j, 0, b]) for j in range(count)]
            around, after = np.asarray(lived.observation[k, b]), np.asarray(lived.next_observation[k, b])
            if central:
                others = [j for j in range(count) if j != k]
                around = np.concatenate([np.asarray(lived.world[b]), *(coded[j][b] for j in others)])
                after = np.concatenate([np.asarray(lived.next_world[b]), *(then[j] for j in others)])
            rows.append({
                "seen": np.asarray(lived.observation[k, b], float), "around": around, "next_around": after,
                "action": coded[k][b], "next_action": then[k], "draws": draws[k, 1, b],
                "reward": float(lived.reward[k, b]), "terminated": bool(lived.terminated[k, b]),
            })  # fmt: skip
        found.append(rows)
    return found


@pytest.mark.parametrize(("kind", "one_by_one"), [(kind, kind != "maddpg") for kind in KINDS])
def test_two_updates_are_those_of_plain_numpy(kind, one_by_one):
    learner, actions, changes = KINDS[kind]
    states, samples, healths = learned(kind, one_by_one)
    settings = learner(**SETTINGS | changes)
    object.__setattr__(settings, "discrete", actions == "discrete")
    plain = [Agent(of_agent(states[0].networks, k), of_agent(states[0].targets, k), settings) for k in range(2)]
    ended = np.concatenate([np.ravel(sample.terminated) for sample, _ in samples])
    assert 0 < ended.sum() < len(ended)
    for step, (lived, draws) in enumerate(samples):
        late = (STEPS + step) % settings.actor_every == 0
        everything = plain_samples(plain, lived, draws, learner is MADDPG)
        for k, agent in enumerate(plain):
            wanted = agent.learn(everything[k], late)
            np.testing.assert_allclose([healths[step].loss[k], healths[step].value[k]], wanted, rtol=1e-3)
    for k, agent in enumerate(plain):
        for name, right in (
            ("networks", (agent.actor, *agent.critics)), ("targets", (agent.actor_target, *agent.critic_targets))
        ):  # fmt: skip
            found, before = (of_agent(getattr(state, name), k) for state in (states[2], states[0]))
            same(found, before, right)
        assert max(agent.of_critics.norms) > 0.5, "else the clip of the gradient is not seen"
        assert len(agent.of_actor.norms) == 2 // settings.actor_every


def same(found, before, right):
    """Networks are those of the plain implementation, and have moved."""
    count = len(right) - 1
    for network, old, arrays in zip(
        (found.actor, *(of_agent(found.critics, c) for c in range(count))),
        (before.actor, *(of_agent(before.critics, c) for c in range(count))), right, strict=True,
    ):  # fmt: skip
        for x, was, wanted in zip(layers_of(network), layers_of(old), arrays, strict=True):
            np.testing.assert_allclose(x, wanted, rtol=2e-3, atol=5e-5)
            assert np.abs(x - was).max() > 1e-3, "else nothing is learned"


def test_nothing_is_learned_before_it_is_time():
    some = group(DDPG(**SETTINGS | {"warmup": 8, "update_every": 3, "actor_every": 2}), probe("continuous"))
    state, update = lived_through(some, random_state(some), lives("continuous")), fast(some.update)
    for clock in range(24):
        after, health = update(state, keys(2), jnp.asarray(clock))
        due = clock >= 7 and (clock + 1) % 3 == 0
        moved = [
            any((a != b).any() for a, b in zip(jax.tree.leaves(new), jax.tree.leaves(old), strict=True))
            for new, old in (
                (after.networks.critics, state.networks.critics), (after.networks.actor, state.networks.actor),
                (after.targets, state.targets), (after.memory, state.memory),
            )
        ]  # fmt: skip
        late = due and (clock + 1) % 6 == 0
        assert moved == [due, late, late, False]
        assert (np.asarray(health.loss) > 0).all() == due
    few = group(DDPG(**SETTINGS), probe("continuous"))
    _, health = fast(few.update)(random_state(few), keys(2), jnp.asarray(BATCH - 2))
    assert (np.asarray(health.loss) == -1).all()


# --- what they do ----------------------------------------------------------------------------------------------------


def test_continuous_actions_are_bounded_noisy_or_uniform():
    some = group(DDPG(**SETTINGS), probe("continuous"))
    state, x = random_state(some), np.float32([[0.3, 1.0], [-2.0, 0.5]])
    act, seen = fast(some.act), jnp.tile(x[:, None], (1, 4000, 1))
    sure, noisy, uniform = (
        np.asarray(act(state.networks.actor, seen, keys(2), jnp.asarray(e)))[..., 0] for e in (0.0, 0.1, UNIFORM)
    )
    for k in range(2):
        actor = layers_of(of_agent(state.networks.actor, k))
        mean = np.tanh(actor[2] @ np.tanh(actor[0] @ x[k] + actor[1]) + actor[3])[0]
        np.testing.assert_allclose(sure[k], 1.5 * mean, rtol=1e-4)
        inside = np.abs(noisy[k]) < 1.5
        law = stats.truncnorm((-1 - mean) / 0.1, (1 - mean) / 0.1, mean, 0.1)
        assert stats.kstest(noisy[k, inside] / 1.5, law.cdf).pvalue > 1e-3
        assert (np.abs(noisy[k]) <= 1.5).all()
        assert stats.kstest(uniform[k], stats.uniform(-1.5, 3).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(noisy)[0, 1]) < 0.06
    assert [float(some.epsilon(jnp.asarray(t))) for t in (0, 5)] == [np.float32(0.1)] * 2
    warm = group(DDPG(warmup=5), probe("continuous"))
    assert [float(warm.epsilon(jnp.asarray(t))) >= UNIFORM for t in (4, 5)] == [True, False]


def test_choices_are_those_of_a_softmax_over_what_is_feasible():
    toy = Toy()
    learner = DDPG(**SETTINGS | {"actions": "discrete"})
    some = learner.group(MarketSeat(None, toy, toy.roles[0], 0, 1, 100, True))
    state, act = random_state(some), fast(some.act)
    x = np.float32([0.3, 4.0])  # five actions are feasible
    seen = jnp.tile(x, (1, 5000, 1))
    actor = layers_of(of_agent(state.networks.actor, 0))
    logits = (actor[2] @ np.tanh(actor[0] @ np.asarray(toy.features(None, x)) + actor[1]) + actor[3])[:5]
    drawn, uniform, half, sure = (
        np.asarray(act(state.networks.actor, seen, keys(1), jnp.asarray(e)))[0, :, 0] for e in (1.0, UNIFORM, 0.5, 0.0)
    )
    for found, p in ((drawn, special.softmax(logits)), (uniform, np.full(5, 0.2))):
        counts = np.bincount(found.astype(int), minlength=5)
        assert len(counts) == 5
        assert stats.chisquare(counts, 5000 * p / p.sum()).pvalue > 1e-3
    assert (sure == logits.argmax()).all()
    rare = 0.5 * (1 - special.softmax(logits).max())
    assert abs((half != logits.argmax()).mean() - rare) < 0.04
    assert float(some.epsilon(jnp.asarray(3))) == 1, "they learn from actions that are drawn"


# --- who sees what ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["linear", "maddpg", "choices"])
def test_actors_see_what_their_own_agents_see_and_nothing_else(kind):
    """Whatever the others see: the same bits."""
    learner, actions, changes = KINDS[kind]
    some = group(learner(**SETTINGS | changes), probe(actions, 3), agents=3)
    actor, act = random_state(some).networks.actor, fast(some.act)
    random = np.random.default_rng(4)
    seen = random.normal(size=(3, 20, 2)).astype(np.float32)
    for epsilon in (0.0, 0.5):
        before = np.asarray(act(actor, jnp.asarray(seen), keys(3), jnp.asarray(epsilon)))
        for k in range(3):
            other = random.normal(size=seen.shape).astype(np.float32) * 3
            other[k] = seen[k]
            after = np.asarray(act(actor, jnp.asarray(other), keys(3), jnp.asarray(epsilon)))
            np.testing.assert_array_equal(after[k], before[k])
            assert (after != before).any(), "else nothing was perturbed"


@pytest.mark.parametrize("kind", ["td3", "maddpg"])
def test_what_critics_see(kind):
    """Independent ones nothing but their own agents' lives; central ones the world and what the others did."""
    learner, actions, changes = KINDS[kind]
    some = group(learner(**SETTINGS | changes), probe(actions))
    state = random_state(some)._replace(memory=None)
    lived = sample_of(lives(actions))
    # The first step of Adam has one size whatever the slope, here too for critics; its memory tells slopes apart.
    learn = fast(lambda lived: some.learned(state, lived, keys(2), jnp.asarray(0))[0].optimisers)

    def differ(other):
        """Whether the first agent's actor and critics learn something else than before."""
        return [
            any((a != b).any() for a, b in zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True))
            for x, y in zip(of_agent(learn(lived), 0), of_agent(learn(other), 0), strict=True)
        ]

    central = kind == "maddpg"
    both, goals, nothing = [central, central], [False, central], [False, False]  # of actor and critics
    shifted = {
        "action": both, "next_observation": goals, "observation": nothing, "reward": nothing, "terminated": nothing
    }  # fmt: skip
    for name, seen in shifted.items():
        x = getattr(lived, name)
        other = lived._replace(**{name: x.at[1].set(~x[1] if x.dtype == bool else x[1] + 0.3)})
        assert differ(other) == seen, name
    assert differ(lived._replace(world=lived.world + 0.3)) == both
    assert differ(lived._replace(next_world=lived.next_world + 0.3)) == goals


@pytest.mark.parametrize("kind", ["td3", "choices"])
def test_permuted_agents_learn_permuted_networks(kind):
    learner, actions, changes = KINDS[kind]
    some = group(learner(**SETTINGS | changes | {"actor_every": 1}), probe(actions, 3), agents=3)
    state = random_state(some)._replace(memory=None)
    lived = sample_of(lives(actions, 3))
    order, width = np.array([2, 0, 1]), some.actions.size

    def columns(state, order):
        """Critics whose inputs from the others stand in the order in which these agents see them."""
        if learner is DDPG:
            return state
        moved = []
        for k, old in enumerate(order):
            others, before = ([j for j in range(3) if j != me] for me in (k, old))
            places = [before.index(order[j]) for j in others]
            head = some.replay.world
            moved.append([*range(head), *(head + width * p + i for p in places for i in range(width))])
            moved[-1] += range(head + 2 * width, head + 3 * width)

        def turned(critics):
            first = critics.hidden[0]
            weight = jnp.stack([first.weight[k][..., np.array(c)] for k, c in enumerate(moved)])
            return critics._replace(hidden=(first._replace(weight=weight), *critics.hidden[1:]))

        return state._replace(
            networks=state.networks._replace(critics=turned(state.networks.critics)),
            targets=state.targets._replace(critics=turned(state.targets.critics)),
        )

    def permuted(tree):
        return jax.tree.map(lambda x: x[order], tree)

    learn = fast(lambda state, lived, keys: some.learned(state, lived, keys, jnp.asarray(0)))
    after, health = learn(state, lived, keys(3))
    worlds = {"world": lived.world, "next_world": lived.next_world}
    mixed = permuted(lived._replace(world=None, next_world=None))._replace(**worlds)
    found, how = learn(columns(permuted(state), order), mixed, keys(3)[order])
    wanted = columns(permuted(after), order)
    for part in ("networks", "targets"):
        for x, y in zip(jax.tree.leaves(getattr(found, part)), jax.tree.leaves(getattr(wanted, part)), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(how.loss, health.loss[order], rtol=1e-4)
    assert np.ptp(np.asarray(health.loss)) > 0.01, "else all are alike"


def test_policies_of_some_agents():
    some = group(MADDPG(**SETTINGS), probe("continuous"))
    policy = some.policy(random_state(some))
    stored = jax.tree.map(lambda x: x[None], policy)
    part, one = some.part(1, 2), some.policy_part(stored, 1, 2)
    seen = jnp.asarray(np.random.default_rng(3).normal(size=(2, 4, 2)), jnp.float32)
    every = some.act(policy, seen, keys(2), jnp.ones(()))
    found = part.act(jax.tree.map(lambda x: x[0], one), seen[1:], keys(2)[1:], jnp.ones(()))
    np.testing.assert_allclose(found, every[1:], rtol=1e-5)


def test_numbers_are_swept_without_compiling_again():
    """Groups of other rates and discounts share one program, and may be vectorised."""
    market, traced = probe("continuous"), []
    sweep = [{}, {"rate": 0.1, "actor_rate": 0.3, "gamma": 0.2, "target_blend": 0.1, "reward_scale": 2.0,
                  "output_penalty": 0.5, "clip_gradient": 0.2, "warmup": 3, "action_limit": 1.2}]  # fmt: skip
    groups = [group(MADDPG(**SETTINGS | changes), market) for changes in sweep]
    state = lived_through(groups[0], random_state(groups[0]), lives("continuous"))

    @eqx.filter_jit
    def update(some, state):
        traced.append(1)
        return some.update(state, keys(2), jnp.asarray(STEPS - 1))

    alone = [update(some, state) for some in groups]
    assert len(traced) == 1
    together = jax.tree.map(lambda *x: jnp.stack(x) if eqx.is_array(x[0]) else x[0], *groups)
    both = eqx.filter_jit(eqx.filter_vmap(lambda some: some.update(state, keys(2), jnp.asarray(STEPS - 1))))(together)
    for k, single in enumerate(alone):
        for x, y in zip(jax.tree.leaves(both), jax.tree.leaves(single), strict=True):
            np.testing.assert_allclose(x[k], y, rtol=1e-4, atol=1e-5)
    assert np.abs(alone[0][1].loss - alone[1][1].loss).max() > 0.01


def test_what_does_not_fit_is_refused():
    with pytest.raises(TacitError, match=r"actions: player chooses among 2 actions; use discrete"):
        group(DDPG(actions="continuous"), probe("discrete"))
    with pytest.raises(TacitError, match=r"actions: this market names no candidates .* use continuous"):
        group(MADDPG(actions="discrete"), probe("continuous"))
    market = probe("continuous")
    with pytest.raises(TacitError, match=r"memory: 1000 is no multiple of 3 copies of the market"):
        DDPG(memory=1000).group(MarketSeat(None, market, market.roles[0], 0, 2, 100, True, 3))
