"""The third paradigm: one policy over the joint action of a group, which sees what all of its agents see."""

import math
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from tacitlab.kinds import OfKind
from tacitlab.learners.actor_critic import ActorCritic
from tacitlab.learners.base import Learner, MarketSeat, refuse
from tacitlab.learners.dqn import DQN
from tacitlab.learners.parts.group import (
    Carry,
    Group,
    LearnerState,
    Metrics,
    Policy,
    Step,
    Transition,
    candidate_shape,
)
from tacitlab.learners.ppo import PPO
from tacitlab.learners.q_learning import QLearning
from tacitlab.markets.base import Continuous, Discrete, Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome, State
from tacitlab.schema import param

MOST_ACTIONS = 4096  # joint ones that are numbered


class Centralised(Learner):
    """Fully centralised control: one policy over the joint action, which sees what all agents of the group see.

    It learns from the mean of their rewards. Discrete joint actions are numbered, so that there are as many as the
    product of what each agent can choose from: they grow exponentially with the agents, and more
    than 4,096 are refused.

    Examples
    --------
    >>> Centralised(learner={"kind": "exp3"})
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: learner.kind: 'exp3' is unknown; choose from ppo, actor-critic, dqn, q-learning
    """

    kind: Literal["centralised"] = "centralised"
    learner: Annotated[
        PPO | ActorCritic | DQN | QLearning, OfKind("learner", among=("ppo", "actor-critic", "dqn", "q-learning"))
    ] = param(PPO(), "how the one that decides for all learns")

    many_copies: ClassVar[bool] = True  # the inner learner is asked when the group is built
    private: ClassVar[bool] = False
    alike: ClassVar[bool] = False

    def group(self, seat: MarketSeat) -> Group:
        agents, inner = seat.agents, self.learner
        if seat.copies > 1 and not inner.many_copies:
            raise refuse("learner", f"{inner.kind} learns from one market at a time", "set copies=1")
        numbered = not isinstance(inner, PPO | ActorCritic) or inner.distribution == "categorical"
        if numbered or isinstance(seat.role.actions, Discrete):
            problem = "this market names no candidates to choose from"
            each, _ = candidate_shape(seat, refuse("learner", problem, "use ppo with distribution: gaussian"))
            if agents * math.log(each) > math.log(MOST_ACTIONS):
                mend = "take fewer agents or actions, or a decentralised learner"
                raise refuse("learner", f"{each}^{agents} joint actions are more than {MOST_ACTIONS}", mend)
        joint = Joint.of(seat.dynamics, seat.role, agents)
        group = inner.group(replace(seat, dynamics=joint, role=joint.roles[0], first=0, last=1))
        return OneForAll(inner=group, joint=joint, agents=agents, update_every=group.update_every)


# --- the algorithm ---------------------------------------------------------------------------------------------------


class Joint(Dynamics):
    """A market as one decision maker sees it who acts for several agents of a role."""

    inner: Dynamics
    roles: tuple[Role, ...] = eqx.field(static=True)  # the decision maker's
    single: Role = eqx.field(static=True)
    agents: int = eqx.field(static=True)

    @classmethod
    def of(cls, inner: Dynamics, single: Role, agents: int) -> "Joint":
        observes = tuple(f"{name} of {k}" for k in range(agents) for name in single.observes)
        actions: Discrete | Continuous
        if isinstance(single.actions, Discrete):
            actions = Discrete(single.actions.size**agents)
        else:
            actions = Continuous(single.actions.size * agents)
        role = Role(single.name, 1, observes, actions, single.levels * agents)
        return cls(inner=inner, roles=(role,), single=single, agents=agents)

    def reset(self, key: Any) -> State:
        return self.inner.reset(key)

    def observe(self, state: State) -> dict[str, Array]:
        raise NotImplementedError

    def step(self, key: Any, state: State, actions: Actions) -> tuple[State, Outcome]:
        raise NotImplementedError

    def global_state(self, state: State) -> Float[Array, " features"]:
        return self.inner.global_state(state)

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        return jax.vmap(lambda o: self.inner.features(self.single, o))(self._apart(observation)).ravel()

    def candidates(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, "candidates size"], Int[Array, ""]]:
        """All combinations, the first agent's choice most significant; what is not feasible becomes what is."""
        if isinstance(role.actions, Discrete):
            return super().candidates(role, observation)
        values, feasible = jax.vmap(lambda o: self.inner.candidates(self.single, o))(self._apart(observation))
        each, number = values.shape[1], values.shape[1] ** self.agents
        chosen = jnp.minimum(self.digits(jnp.arange(number), each), feasible[:, None] - 1)
        return jnp.concatenate(list(jax.vmap(lambda v, k: v[k])(values, chosen)), axis=1), jnp.asarray(number)

    def digits(self, number: Int[Array, "..."], each: int) -> Int[Array, "agents ..."]:
        """What each agent chooses of so many in the joint choice of this number."""
        return jnp.stack([number // each ** (self.agents - 1 - k) % each for k in range(self.agents)])

    def split(
        self, action: Float[Array, " joint"], observations: Float[Array, "agents observation"]
    ) -> Float[Array, "agents size"]:
        """What each agent does."""
        if not isinstance(self.single.actions, Discrete):
            return action.reshape(self.agents, -1)
        chosen = self.digits(action[0].astype(int), self.single.actions.size)
        feasible = jax.vmap(lambda o: self.inner.candidates(self.single, o)[1])(observations)
        return jnp.minimum(chosen, feasible - 1)[:, None].astype(action.dtype)

    def join(self, actions: Float[Array, "agents size"]) -> Float[Array, " joint"]:
        """The joint action."""
        if not isinstance(self.single.actions, Discrete):
            return actions.ravel()
        weights = self.single.actions.size ** jnp.arange(self.agents - 1, -1, -1)
        return jnp.sum(actions[:, 0] * weights)[None]

    def _apart(self, observation: Float[Array, " observation"]) -> Float[Array, "agents single"]:
        return observation.reshape(self.agents, -1)


class OneForAll(Group):
    """A group that one learner decides for."""

    inner: Group  # of a single agent
    joint: Joint
    agents: int = eqx.field(static=True)
    update_every: int = eqx.field(static=True)

    def init(self, keys: Key[Array, " agents"], session: Int[Array, ""]) -> LearnerState:
        return self.inner.init(keys[:1], session)

    def policy(self, state: LearnerState) -> Policy:
        return self.inner.policy(state)

    def epsilon(self, step: Step) -> Float[Array, ""]:
        return self.inner.epsilon(step)

    def limit(self) -> Float[Array, ""]:
        return self.inner.limit()

    def part(self, first: int, last: int) -> Group:
        if (first, last) != (0, self.agents):
            raise refuse("agent", "one policy decides for all agents of a centralised group", "take all of them")
        return self

    def policy_part(self, policies: Policy, first: int, last: int) -> Policy:
        return policies

    def carry(self, batch: int) -> Carry:
        return self.inner.carry(batch)

    def act(
        self,
        policy: Policy,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Float[Array, ""],
    ) -> Float[Array, "agents batch size"]:
        return self.respond(policy, self.carry(observations.shape[1]), observations, keys, epsilon)[0]

    def respond(
        self,
        policy: Policy,
        carry: Carry,
        observations: Float[Array, "agents batch observation"],
        keys: Key[Array, " agents"],
        epsilon: Float[Array, ""],
    ) -> tuple[Float[Array, "agents batch size"], Carry]:
        actions, carry = self.inner.respond(policy, carry, _together(observations), keys[:1], epsilon)
        return jax.vmap(self.joint.split, (0, 1), 1)(actions[0], observations), carry

    def observe(self, state: LearnerState, transition: Transition, step: Step) -> LearnerState:
        t = transition
        joint = t._replace(
            observation=_together(t.observation),
            action=jax.vmap(self.joint.join, 1)(t.action)[None],
            reward=jnp.mean(t.reward, axis=0, keepdims=True),
            next_observation=_together(t.next_observation),
            terminated=t.terminated[:1],
            truncated=t.truncated[:1],
        )
        return self.inner.observe(state, joint, step)

    def update(self, state: LearnerState, keys: Key[Array, " agents"], step: Step) -> tuple[LearnerState, Metrics]:
        state, metrics = self.inner.update(state, keys[:1], step)
        return state, jax.tree.map(lambda x: jnp.broadcast_to(x[0], (self.agents,)), metrics)


def _together(observations: Float[Array, "agents batch observation"]) -> Float[Array, "one batch joint"]:
    """What all agents see, side by side."""
    return jnp.swapaxes(observations, 0, 1).reshape(1, observations.shape[1], -1)
