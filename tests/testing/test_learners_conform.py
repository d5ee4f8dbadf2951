"""Every learner that plays markets keeps the contract; one that breaks it is told so in one line."""

import itertools
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from tacitlab import registry
from tacitlab.errors import TacitError
from tacitlab.games import PrisonersDilemma
from tacitlab.learners import (
    COMA,
    DDPG,
    DQN,
    MADDPG,
    MAPPO,
    PPO,
    QMIX,
    VDN,
    ActorCritic,
    Centralised,
    Constant,
    ConstantValue,
    FixedSchedule,
    JointQLearning,
    Memory,
    QLearning,
    QNetwork,
    Random,
    Rule,
    Trained,
)
from tacitlab.learners.base import Learner, MarketSeat
from tacitlab.learners.parts.group import Algorithm, Independent, Metrics
from tacitlab.markets import Execution, RepeatedGame, ResourceMarket, TeamGame
from tacitlab.testing import check_learner

SMALL = {"rollout": 8, "minibatches": 2, "epochs": 1, "hidden": (6,)}
MEMORY = {"batch": 4, "hidden": (6,)}
TEAM = TeamGame(horizon_steps=4)
TRADERS = Execution(inventories=(8.0, 5.0), steps=4, trades="parts", parts=3)
TABLE = {"initial": ConstantValue(value=0), "exploration": Constant(epsilon=0.3)}


def earlier(run, first, count):
    """Agents of a run that there has never been."""
    game = RepeatedGame(game=PrisonersDilemma(), horizon_periods=4)
    role = game.roles()[0]
    tables = jnp.asarray(jax.random.normal(jax.random.key(0), (3, count, 4, 2)))
    group = QLearning(**TABLE).group(MarketSeat(game, game.dynamics(), role, 0, role.agents, 10, True))
    return group, tables, role


#: A small case of each kind.
CASES = {
    "q-learning": (QLearning(**TABLE), {}),
    "joint-q": (JointQLearning(**TABLE), {}),
    "dqn": (DQN(batch=4, memory=Memory(capacity=16), network=QNetwork(width=6, layers=2)), {"market": TRADERS}),
    "ppo": (PPO(**SMALL), {}),
    "ppo, shared, with memory": (PPO(**SMALL, parameters="shared", recurrent=4, sequence=4, agent_ids=True), {}),
    "ppo, gaussian": (PPO(**SMALL), {"market": TRADERS}),
    "mappo": (MAPPO(**SMALL), {}),
    "mappo, one critic": (MAPPO(**SMALL, parameters="own"), {"alike": False}),
    "actor-critic": (ActorCritic(rollout=8, hidden=(6,)), {}),
    "vdn": (VDN(**MEMORY, capacity=16), {"market": TEAM}),
    "qmix": (QMIX(**MEMORY, capacity=16, mixing=4, hyper=4), {"market": TEAM}),
    "centralised": (Centralised(learner=PPO(**SMALL)), {"private": False, "alike": False}),
    "coma": (COMA(rollout=8, hidden=(6,), critic_steps=2), {}),
    "ddpg": (DDPG(**MEMORY, memory=16, warmup=4), {}),
    "maddpg": (MADDPG(**MEMORY, memory=16, warmup=4, update_every=2), {"alike": False}),
    "random": (Random(), {}),
    "rule": (Rule(rule="random"), {"market": ResourceMarket(steps=4)}),
    "fixed-schedule": (FixedSchedule(trades="twap"), {"market": TRADERS}),
    "trained": (Trained(run="earlier"), {"trained": earlier, "alike": False}),
}
#: The adversary of a resource market is a table of actions computed from a run: tests of its own look at it.
ELSEWHERE = {"best-response"}


def kind_of(learner):
    return learner.model_fields["kind"].default


@pytest.mark.parametrize("name", CASES)
def test_learners_keep_the_contract(name):
    learner, told = CASES[name]
    check_learner(learner, steps=16, **told)


def test_every_learner_that_plays_markets_has_a_case():
    tested = {learner.kind for learner, _ in CASES.values()} | ELSEWHERE
    for learner in (registry.find("learner", kind) for kind in registry.entries("learner")):
        if kind_of(learner) in tested:
            continue
        with pytest.raises(TacitError, match="plays stage games only"):
            learner().group(None)


# --- learners that do not ------------------------------------------------------------------------------------------

CALLS = itertools.count()
OF_GROUPS = ("others", "order", "part", "epsilon", "key", "flat", "eager")  # in functions of the whole group


class Tiny(Learner):
    """Counts its rewards, or breaks one promise."""

    kind: Literal["tiny"] = "tiny"
    broken: str = ""

    def group(self, seat):
        number = 1.0 if self.broken == "static number" else jnp.ones(())
        again = next(CALLS) if self.broken == "fields" else 0
        agents = 3 if self.broken == "agents" else seat.role.agents
        group = TinyGroup if self.broken in OF_GROUPS else Independent
        return group.of(TinyAlgorithm(self.broken, again, number), agents)


class TinyAlgorithm(Algorithm):
    broken: str = eqx.field(static=True)
    again: int = eqx.field(static=True)
    number: jax.Array
    update_every: int = eqx.field(static=True, default=1)

    def init(self, key):
        return jax.random.uniform(key)

    def policy(self, state):
        return jnp.where(state > 2, jnp.inf, state) if self.broken == "infinite" else state

    def epsilon(self, clock):
        return jnp.zeros(())

    def act(self, policy, observations, key, epsilon):
        if self.broken == "half":
            return jnp.full((len(observations), 1), 0.5)
        return jnp.floor(2 * jax.random.uniform(key, (len(observations), 1)))

    def observe(self, state, transition, clock):
        added = state + transition.reward + self.number * (next(CALLS) if self.broken == "chance" else 0)
        return added[None] if self.broken == "state" else added

    def update(self, state, key, clock):
        loss = jnp.full((), -1.0 if self.broken == "idle" else 0.0)
        if self.broken == "health":
            loss = loss[None]
        if self.broken == "nan":
            loss = loss / 0 * 0
        return state, Metrics(loss, jnp.abs(state))


class TinyGroup(Independent):
    @property
    def broken(self):
        return self.algorithm.broken

    def policy(self, state):
        return jax.random.split(jax.random.key(0)) if self.broken == "key" else super().policy(state)

    def epsilon(self, clock):
        return jnp.zeros(2) if self.broken == "epsilon" else super().epsilon(clock)

    def act(self, policy, observations, keys, epsilon):
        if self.broken == "others":
            return (observations[::-1, :, :1] > 0).astype(float)
        if self.broken == "part":
            return jnp.broadcast_to(jnp.arange(self.agents, dtype=float)[:, None, None], (*observations.shape[:2], 1))
        return super().act(policy, observations, keys, epsilon)

    def respond(self, policy, carry, observations, keys, epsilon):
        actions = self.act(policy, observations, keys, epsilon)
        return (actions[..., 0] if self.broken == "flat" else actions), carry

    def observe(self, state, transition, clock):
        state = super().observe(state, transition, clock)
        if self.broken == "eager":
            return state + 0.5 * isinstance(state, jax.core.Tracer)
        return state + jnp.arange(self.agents) if self.broken == "order" else state


def test_the_example_itself_keeps_the_contract():
    check_learner(Tiny(), steps=6)


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ("static number", "its group.algorithm.number is a float; make it an array, or static"),
        ("fields", "its group has other static fields each time, so that all compiles anew"),
        ("agents", "its group has 3 agents, but 2 sit here"),
        ("epsilon", "epsilon is float32[2]; make it one number"),
        ("key", "policy is key<fry>[2], which cannot be stored; make it numbers"),
        ("flat", "its actions are float32[2, 1]; make them float[2, 1, 1]"),
        ("state", "observe turns state from float32[2] into float32[2, 1]; keep it"),
        ("health", "the loss that update reports is float32[2, 1]; make it [2]"),
        ("nan", "loss or value is not finite"),
        ("idle", "nothing was learned in 6 steps; learn from more steps, or make rollouts and batches smaller"),
        ("infinite", "policy is not finite"),
        ("half", "an action is [0.5], which is not feasible; choose a candidate"),
        ("eager", "compiled, and beside another session, it learns otherwise than step by step"),
        ("others", "what agent 0 does depends on what others see; an actor may look at its own observations only"),
        ("part", "some of the agents act otherwise than among all; see part and policy_part"),
        ("order", "agents learn otherwise when they sit in another order"),
    ],
)
def test_a_broken_promise_is_named_in_one_line(broken, problem):
    with pytest.raises(AssertionError) as error:
        check_learner(Tiny(broken=broken), steps=6)
    line = str(error.value)
    assert problem in line
    assert line.startswith("tiny")
    assert "\n" not in line
