"""One learner for all agents: how joint actions are numbered, and what it learns that separate agents cannot see."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_market import Toy, keys

from tacitlab.engine import deep
from tacitlab.errors import TacitError
from tacitlab.learners import DQN, PPO, Centralised, QLearning
from tacitlab.learners.base import MarketSeat
from tacitlab.learners.centralised import Joint
from tacitlab.learners.dqn import Memory, QNetwork
from tacitlab.learners.exploration import Constant
from tacitlab.learners.initial import ConstantValue
from tacitlab.markets import TeamGame
from tacitlab.markets.base import Role

#: Three players; the best joint action is far from all others, so that who learns alone never finds it.
NEEDLE = np.full((1, 2, 2, 2), 0.0)
NEEDLE[0, 1, 0, 1], NEEDLE[0, 0, 0, 0] = 3.0, 1.0


def seat(market, copies=1):
    dynamics = market.dynamics()
    role = dynamics.roles[0]
    return MarketSeat(market, dynamics, role, 0, role.agents, 2000, False, copies)


def test_joint_actions_are_numbered_in_order():
    game = TeamGame(payoffs=NEEDLE.tolist(), following=None)
    joint = Joint.of(game.dynamics(), game.roles()[0], 3)
    assert joint.roles[0].actions.size == 8
    assert len(joint.roles[0].observes) == 3
    for number, choice in enumerate(itertools.product(range(2), repeat=3)):
        split = joint.split(jnp.asarray([float(number)]), jnp.zeros((3, 1)))
        assert split[:, 0].tolist() == list(choice)
        assert joint.join(split).tolist() == [number]
    assert joint.features(joint.roles[0], jnp.zeros(3)).shape == (3,)


def test_candidates_of_all_are_combinations_of_those_of_each():
    toy = Toy(most=2)
    joint = Joint.of(toy, Role("player", 2, ("x", "left"), toy.roles[0].actions), 2)
    values, feasible = joint.candidates(joint.roles[0], jnp.asarray([0.3, 1.0, -0.2, 2.0]))
    assert (values.shape, int(feasible)) == ((9, 2), 9)
    wanted = [(min(a, 1), b) for a, b in itertools.product(range(3), repeat=2)]  # the first may do 0 or 1 only
    assert [tuple(v) for v in np.asarray(values).tolist()] == wanted


INNER = {
    "ppo": PPO(rollout=32, minibatches=2, rate=1e-2, hidden=(8,), deterministic_test=True, entropy_weight=0.02),
    "q-learning": QLearning(alpha=0.2, gamma=0.0, initial=ConstantValue(value=0), exploration=Constant(epsilon=0.5)),
    "dqn": DQN(
        rate=5e-3, gamma=0.0, batch=16, memory=Memory(capacity=500), exploration=Constant(epsilon=0.5),
        action="output", network=QNetwork(width=8, layers=1, embedding=False),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INNER)
def test_the_best_joint_action_is_found(name):
    market = TeamGame(payoffs=NEEDLE.tolist(), following=None)
    some = Centralised(learner=INNER[name]).group(seat(market))
    crew = deep.Crew(deep.devices.mesh(1))
    table = deep.Table(
        some.dynamics if hasattr(some, "dynamics") else market.dynamics(), (some,), (deep.Seat("player", 0, 3),)
    )
    session_keys = crew.keys(1, 0, 2)
    play, tally = crew.advance(table, session_keys, crew.begin(table, session_keys), 0, 2000)
    assert not np.asarray(tally.failure).any()
    assert np.asarray(tally.loss).shape == (2, 3)
    tested = crew.test(table, market.dynamics(), session_keys, play.learners, 5, 1, 0.0)
    np.testing.assert_allclose(tested.returns, 3.0)


def test_what_one_agent_does_depends_on_what_another_sees():
    """That is the point of it, and what a decentralised policy must not do."""
    some = Centralised(learner=PPO(rollout=8, minibatches=2, hidden=(4,), deterministic_test=True)).group(
        seat(TeamGame())
    )
    policy = some.policy(some.init(keys(2), jnp.asarray(0)))
    policy = jax.tree.map(lambda x: jnp.asarray(np.random.default_rng(0).normal(size=x.shape), x.dtype), policy)
    seen = jnp.asarray(np.random.default_rng(1).integers(0, 3, (2, 60, 1)), jnp.float32)
    one, other = (some.act(policy, o, keys(2), jnp.zeros(())) for o in (seen, seen.at[1].set((seen[1] + 1) % 3)))
    assert (np.asarray(one[0]) != np.asarray(other[0])).any()


def test_too_many_joint_actions_are_refused():
    many = TeamGame(payoffs=np.zeros((1,) + (2,) * 13).tolist(), following=None)
    with pytest.raises(TacitError, match=r"learner: 2\^13 joint actions are more than 4096; take fewer"):
        Centralised().group(seat(many))
    with pytest.raises(TacitError, match="learner: dqn learns from one market at a time; set copies=1"):
        Centralised(learner=DQN(action="output")).group(seat(TeamGame(), copies=2))
