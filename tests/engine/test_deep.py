"""The deep engine: what a session is must not depend on how it is cut, stored or played beside others."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tacitlab.engine import deep, devices
from tacitlab.engine.curves import Curves
from tacitlab.learners.base import MarketSeat
from tacitlab.learners.dqn import DQN, Memory, QNetwork
from tacitlab.learners.exploration import Constant
from tacitlab.learners.parts.group import Group, Transition
from tacitlab.learners.parts.scripted import ActRandomly, FollowSchedule
from tacitlab.markets.execution.market import Execution
from tacitlab.markets.repeated_game import RepeatedGame

STEPS, SESSIONS = 12, 4
GAME = {"inventories": (6.0, 6.0), "steps": 3, "volatility": 0.01, "temporary": 0.02, "permanent": 0.01}
MARKET = Execution(**GAME)


class Recorder(Group):
    """A group that also writes down what it lived through."""

    inner: Group
    length: int = eqx.field(static=True)
    agents: int = eqx.field(static=True)
    update_every: int = eqx.field(static=True)
    sizes: tuple[int, int] = eqx.field(static=True)  # of an observation and of an action

    @classmethod
    def of(cls, inner, dynamics, length=STEPS):
        role = dynamics.roles[0]
        candidates = jax.eval_shape(lambda o: dynamics.candidates(role, o)[0], jnp.zeros(len(role.observes)))
        return cls(inner, length, inner.agents, inner.update_every, (len(role.observes), candidates.shape[1]))

    def init(self, keys, session):
        many = (self.length, self.agents)
        seen, act = self.sizes
        log = Transition(
            jnp.zeros((*many, seen)), jnp.zeros((*many, act)), jnp.zeros(many), jnp.zeros((*many, seen)),
            jnp.zeros(many, bool), jnp.zeros(many, bool),
        )  # fmt: skip
        return self.inner.init(keys, session), log

    def policy(self, state):
        return self.inner.policy(state[0])

    def epsilon(self, clock):
        return self.inner.epsilon(clock)

    def limit(self):
        return self.inner.limit()

    def act(self, policy, observations, keys, epsilon):
        return self.inner.act(policy, observations, keys, epsilon)

    def observe(self, state, transition, clock):
        inner, log = state
        log = jax.tree.map(lambda rows, new: rows.at[clock % self.length].set(new), log, transition.own())
        return self.inner.observe(inner, transition, clock), log

    def update(self, state, keys, clock):
        inner, health = self.inner.update(state[0], keys, clock)
        return (inner, state[1]), health


def dqn(dynamics, first, last, **changes):
    settings = {
        "rate": 1e-2, "batch": 4, "memory": Memory(capacity=16), "exploration": Constant(epsilon=0.5),
        "target_every": 5, "network": QNetwork(width=4, layers=1, embedding=False),
    }  # fmt: skip
    seat = MarketSeat(MARKET, dynamics, dynamics.roles[0], first, last, STEPS, False)
    return DQN(**settings | changes).group(seat)


def twap(first, last):
    return FollowSchedule.of(MARKET.game.twap()[first:last])


def seats(*bounds):
    return tuple(deep.Seat("trader", *each) for each in bounds)


@cache
def table():
    """A learner who is recorded, against one who trades evenly."""
    dynamics = MARKET.dynamics()
    groups = (Recorder.of(dqn(dynamics, 0, 1), dynamics), twap(1, 2))
    return deep.Table(dynamics, groups, seats((0, 1), (1, 2)))


@cache
def crew():
    return deep.Crew(devices.mesh(1))


def played(table, first=0, cuts=range(1, STEPS + 1), change=lambda play: play, sessions=SESSIONS):
    """Sessions from the first on, in segments that end at the cuts: their end, and the tally of each segment."""
    keys = crew().keys(5, first, sessions)
    play, segments, done = change(crew().begin(table, keys, first)), [], 0
    for cut in cuts:
        play, tally = crew().advance(table, keys, play, done, cut - done)
        segments.append(tally)
        done = cut
    return play, jax.tree.map(lambda *x: np.stack(x, axis=1), *segments)


def same(one, other, sessions=slice(None), others=slice(None)):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(np.asarray(a)[sessions], np.asarray(b)[others])


def test_a_session_in_two_pieces_is_the_session_in_one():
    play, steps = played(table())
    same(play, played(table(), cuts=(6, 12))[0])
    same(play, played(table(), cuts=(STEPS,))[0])
    assert (steps.loss[:, 3:, 0] > 0).all(), "else nobody learns"
    assert not steps.learned[:, :, 1].any(), "who follows a schedule learns nothing"


def test_a_segment_is_the_sum_of_its_steps():
    _, steps = played(table())
    _, pieces = played(table(), cuts=(5, 12))
    for name in ("rewards", "returns", "episodes", "loss", "value", "learned"):
        found = getattr(steps, name)
        wanted = np.stack([found[:, :5].sum(axis=1), found[:, 5:].sum(axis=1)], axis=1)
        np.testing.assert_allclose(getattr(pieces, name), wanted, rtol=1e-5)
    np.testing.assert_allclose(pieces.returns.sum(axis=1), steps.rewards.sum(axis=1), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(pieces.info["price"].sum(axis=1), steps.info["price"].sum(axis=1), rtol=1e-5)


def test_sessions_do_not_depend_on_those_beside_them():
    first, shifted = played(table()), played(table(), first=2)
    same(first, shifted, slice(2, 4), slice(0, 2))
    assert not np.array_equal(first[1].rewards[0], first[1].rewards[1])


@cache
def log():
    """What the learner lived through, (sessions, steps, ...), and what the engine says of it."""
    play, steps = played(table())
    return jax.tree.map(lambda x: np.asarray(x)[:, :, 0], play.learners[0][1]), steps


def test_episodes_are_reset_exactly_when_they_end():
    lived, steps = log()
    last = np.arange(STEPS) % 3 == 2
    assert (steps.episodes == last).all()
    np.testing.assert_array_equal(lived.terminated, np.broadcast_to(last, (SESSIONS, STEPS)))
    assert not lived.truncated.any()
    np.testing.assert_array_equal(lived.observation[:, :, 0], np.tile(np.arange(STEPS) % 3, (SESSIONS, 1)))
    assert (lived.observation[:, ::3, 1] == 6).all(), "a new episode begins with the whole inventory"
    assert (lived.observation[:, ::3, 2] == 10).all(), "and with the first price"


def test_transitions_hold_what_came_next_and_not_the_next_episode():
    lived, steps = log()
    np.testing.assert_array_equal(lived.next_observation[:, 2::3, :2], np.broadcast_to([3, 0], (SESSIONS, 4, 2)))
    within = np.arange(STEPS - 1) % 3 != 2
    np.testing.assert_array_equal(lived.next_observation[:, :-1][:, within], lived.observation[:, 1:][:, within])
    np.testing.assert_allclose(lived.reward, steps.rewards[:, :, 0], rtol=1e-6)
    held, sold = lived.observation[..., 1], lived.action[..., 0]
    np.testing.assert_allclose(lived.next_observation[..., 1], held - sold, atol=1e-5)
    np.testing.assert_array_equal(sold[:, 2::3], held[:, 2::3])
    assert len(np.unique(sold)) > 10, "else nobody explores"


def test_the_memory_holds_the_transitions():
    lived, _ = log()
    memory = np.asarray(played(table())[0].learners[0][0].memory)[:, 0]
    wanted = [lived.observation, lived.action, lived.reward, lived.next_observation, lived.terminated]
    wanted = [x.reshape(SESSIONS, STEPS, -1) for x in wanted]
    np.testing.assert_allclose(memory[:, :STEPS], np.concatenate(wanted, axis=2), rtol=1e-6)  # compiled apart
    assert not memory[:, STEPS:].any()


def test_a_cut_episode_goes_on_for_learners_and_begins_anew_for_the_market():
    game = RepeatedGame(game={"kind": "bertrand", "n_prices": 3}, horizon_periods=5)
    dynamics = game.dynamics()
    group = Recorder.of(ActRandomly(dynamics, dynamics.roles[0], 2), dynamics)
    play, steps = played(deep.Table(dynamics, (group,), (deep.Seat("player", 0, 2),)))
    lived, last = jax.tree.map(np.asarray, play.learners[0][1]), np.arange(STEPS) % 5 == 4
    assert (steps.episodes == last).all()
    assert (lived.truncated == last[:, None]).all()
    assert not lived.terminated.any()
    actions = lived.action[:, :, :, 0]
    for player in range(2):
        np.testing.assert_array_equal(lived.next_observation[:, :, player], actions)
        np.testing.assert_array_equal(lived.observation[:, 1:, player][:, ~last[:-1]], actions[:, :-1][:, ~last[:-1]])
    fresh = lived.observation[:, 1:][:, last[:-1]] != lived.next_observation[:, :-1][:, last[:-1]]
    assert fresh.any(), "a new episode has a memory of its own"
    assert np.asarray(play.state.period).ravel().tolist() == [STEPS % 5] * SESSIONS


def test_it_does_not_matter_in_which_order_groups_are_listed():
    odd = Execution(inventories=(6.0, 3.0, 9.0), steps=3, volatility=0.0, temporary=0.02)
    plans = odd.game.twap() * np.array([[1.0], [0.5], [1.5]])[:, :, None]
    plans[:, 2] += odd.game.inventories - plans.sum(axis=1)
    whole = deep.Table(odd.dynamics(), (FollowSchedule.of(plans),), seats((0, 3)))
    bounds = [(2, 3), (0, 1), (1, 2)]
    groups = tuple(FollowSchedule.of(plans[first:last]) for first, last in bounds)
    parts = deep.Table(odd.dynamics(), groups, seats(*bounds))
    play, steps = played(parts)
    same(played(whole)[1], steps)
    found = crew().test(parts, odd.dynamics(), crew().keys(5, 0, SESSIONS), play.learners, 3, 3, 0.0)
    np.testing.assert_allclose(found.mean["trade"], np.tile(plans[:, :, 0].T, (SESSIONS, 1, 1)), rtol=1e-6)


def test_two_groups_of_one_learn_what_a_group_of_two_learns():
    dynamics, rare = MARKET.dynamics(), {"update_every": 2, "action": "output"}
    play, steps = played(deep.Table(dynamics, (dqn(dynamics, 0, 2, **rare),), seats((0, 2))))
    pair = (dqn(dynamics, 0, 1, **rare), dqn(dynamics, 1, 2, **rare))
    other, found = played(deep.Table(dynamics, pair, seats((0, 1), (1, 2))))
    learned = found.learned > 0
    assert (learned == ((np.arange(STEPS) % 2 == 1) & (np.arange(STEPS) >= 3))[:, None]).all(), "every other step"
    for one, two in zip(jax.tree.leaves(steps), jax.tree.leaves(found), strict=True):
        np.testing.assert_allclose(one, two, rtol=5e-3, atol=1e-4)
    networks = jax.tree.map(lambda *x: np.concatenate(x, axis=1), *(learner.main for learner in other.learners))
    for one, two in zip(jax.tree.leaves(play.learners[0].main), jax.tree.leaves(networks), strict=True):
        np.testing.assert_allclose(one, two, rtol=5e-2, atol=1e-2)  # Adam makes much of rounding


def test_frozen_policies_are_tested_in_another_market():
    even = deep.Table(MARKET.dynamics(), (twap(0, 2),), seats((0, 2)))
    other = Execution(**GAME | {"temporary": 0.05, "permanent": 0.03, "volatility": 0.0})
    keys = crew().keys(5, 0, SESSIONS)
    play = crew().begin(even, keys)
    found = crew().test(even, other.dynamics(), keys, play.learners, 400, 5, 0.0)
    assert found.returns.shape == (SESSIONS, 400, 2)
    costs = -np.asarray(found.returns).mean(axis=(0, 1))
    np.testing.assert_allclose(costs, other.game.costs(other.game.twap()), rtol=0.01)
    inventory, nothing = np.asarray(found.mean["inventory"]), np.full((SESSIONS, 2), np.nan)
    np.testing.assert_allclose(inventory[:, :3, 0], np.tile([4.0, 2, 0], (SESSIONS, 1)), atol=1e-5)
    np.testing.assert_array_equal(inventory[:, 3], nothing, "after the last step nobody plays any more")
    assert (np.asarray(found.spread["price"])[:, :3] < 1e-3).all(), "no noise there"


def test_testing_changes_nobody():
    play, _ = played(table())
    before, keys = jax.tree.map(np.array, play), crew().keys(5, 0, SESSIONS)
    quiet = Execution(**GAME | {"volatility": 0.0}).dynamics()
    greedy = crew().test(table(), quiet, keys, play.learners, 50, 3, 0.0)
    same(before, play)
    same(greedy, crew().test(table(), quiet, keys, play.learners, 50, 3, 0.0))
    assert (np.asarray(greedy.spread["trade"]) < 1e-5).all(), "a frozen greedy policy does the same in each episode"
    random = crew().test(table(), quiet, keys, play.learners, 50, 3, 1.0)
    assert (np.asarray(random.spread["trade"])[:, 0, 0] > 0.5).all()
    assert (np.asarray(random.spread["trade"])[:, 0, 1] < 1e-5).all(), "a schedule has nothing to explore"


# --- failures ------------------------------------------------------------------------------------------------------


def curves_of(steps):
    curves = Curves.empty(SESSIONS, 2, 6, 2, ("price",))
    for step in range(steps.episodes.shape[1]):
        curves.add(step, 1, jax.tree.map(lambda x, step=step: x[:, step], steps))
    return curves


def poisoned(play):
    """Session 1 has a network that is not a number any more."""
    network = lambda play: play.learners[0][0].main.layers[-1].bias  # noqa: E731
    return eqx.tree_at(network, play, network(play).at[1].set(jnp.nan))


def test_a_session_that_fails_leaves_the_others_alone():
    clean, ill = played(table()), played(table(), change=poisoned)
    others = [0, 2, 3]
    same(clean, ill, others, others)
    curves = curves_of(ill[1])
    assert curves.failure.tolist() == [0, 1, 0, 0]
    assert curves.failed_at.tolist() == [-1, 3, -1, -1], "the first gradient step, after four steps"
    assert np.isfinite(curves.payoff()[others]).all()
    np.testing.assert_array_equal(curves.value()[others], curves_of(clean[1]).value()[others])


def test_absurd_learning_rates_are_noticed():
    rate = lambda table: table.groups[0].inner.algorithm.rate  # noqa: E731
    _, steps = played(eqx.tree_at(rate, table(), jnp.float32(1e3)))
    curves = curves_of(steps)
    assert (curves.failure > 0).all()
    first = [int(np.argmax(bad)) for bad in (steps.value[:, :, 0] > 1e6) | (steps.failure == 1)]
    assert curves.failed_at.tolist() == first
    assert curves.failures(horizon=3)[1].tolist() == [at // 3 for at in first]


def test_limits_are_those_of_each_agent():
    assert table().limits().tolist() == [1e6, np.inf]
    swapped = deep.Table(table().dynamics, table().groups[::-1], table().seats[::-1])
    assert swapped.limits().tolist() == [1e6, np.inf]
    assert swapped.order() == [1, 0]
    _, steps = played(table())
    reached = steps.value[:, :, 0].max(axis=1)
    bound = np.sort(reached)[1:3].mean()  # two sessions go beyond it
    limit = lambda table: table.groups[0].inner.algorithm.largest_value  # noqa: E731
    curves = curves_of(played(eqx.tree_at(limit, table(), jnp.float32(bound)))[1])
    assert ((curves.failure == 2) == (reached > bound)).all()


# --- keys and devices ----------------------------------------------------------------------------------------------


def test_each_session_and_seed_has_its_own_key():
    data = lambda *given: jax.random.key_data(deep.session_keys(*given))  # noqa: E731
    np.testing.assert_array_equal(data(3, 0, 10)[4:7], data(3, 4, 3))
    seeds = [0, 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63 - 1]
    found = np.concatenate([data(seed, 0, 3) for seed in seeds])
    assert len(np.unique(found, axis=0)) == 3 * len(seeds)


def test_sessions_are_filled_up_to_the_devices():
    two = deep.crew(2)
    assert deep.crew(2) is two
    width = two.mesh.size
    keys = two.keys(5, 0, 3)
    assert len(keys) == -(-3 // width) * width
    np.testing.assert_array_equal(jax.random.key_data(keys)[:3], jax.random.key_data(deep.session_keys(5, 0, 3)))
    assert two.layout.startswith(f"{width} x ")
    even = deep.Table(MARKET.dynamics(), (twap(0, 2),), seats((0, 2)))
    play = two.begin(even, keys)
    _, tally = two.advance(even, keys, play, 0, STEPS)
    wanted = played(even, sessions=3, cuts=(STEPS,))[1].rewards[:, 0]
    np.testing.assert_allclose(np.asarray(tally.rewards)[:3], wanted, rtol=1e-4, atol=1e-4)
    leaves = two.place([np.arange(len(keys))])
    np.testing.assert_array_equal(leaves[0], np.arange(len(keys)))
