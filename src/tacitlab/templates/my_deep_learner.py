"""A deep learner of your own: one agent as pure functions on arrays; ``Independent`` makes a group of it."""

from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from tacitlab.learners.base import Learner, MarketSeat, refuse
from tacitlab.learners.parts.group import Algorithm, Group, Independent, Metrics, Transition, built
from tacitlab.learners.parts.networks import Mlp, create_mlp
from tacitlab.markets.base import Discrete, Role
from tacitlab.markets.motion import Dynamics
from tacitlab.schema import param


class MyDeepLearner(Learner):
    """One-step actor-critic with two small networks (Sutton and Barto 2018, section 13.5)."""

    kind: Literal["my-deep-learner"] = "my-deep-learner"  # its name in scenarios
    rate: float = param(0.02, "learning rate, alpha", gt=0)
    gamma: float = param(0.9, "discount factor", ge=0, le=1)
    width: int = param(16, "width of the hidden layer", ge=1, le=4096)

    def group(self, seat: MarketSeat) -> Group:
        if not isinstance(seat.role.actions, Discrete):
            raise refuse("kind", "it chooses one of some actions, and here they are real numbers", "take ppo")
        return Independent.of(built(MyDeepLearnerAlgorithm, self, seat, update_every=1), seat.agents)


class MyDeepLearnerState(NamedTuple):
    """Everything that one agent keeps."""

    actor: Mlp
    critic: Mlp
    last: Transition


class MyDeepLearnerAlgorithm(Algorithm):
    """Fields are filled by their names, from the learner above and from where it sits."""

    dynamics: Dynamics
    role: Role = eqx.field(static=True)
    rate: Float[Array, ""]
    gamma: Float[Array, ""]
    width: int = eqx.field(static=True)
    update_every: int = eqx.field(static=True)  # in steps

    def init(self, key):
        seen, zero, no = jnp.zeros(len(self.role.observes)), jnp.zeros(()), jnp.zeros((), bool)
        inputs = self.dynamics.features(self.role, seen).size
        first, second = jax.random.split(key)
        actor = create_mlp(first, inputs, self.width, 1, self.role.actions.size, False)
        critic = create_mlp(second, inputs, self.width, 1, 1, False)
        return MyDeepLearnerState(actor, critic, Transition(seen, jnp.zeros(1), zero, seen, no, no))

    def policy(self, state):  # what acts, and what is stored
        return state.actor

    def epsilon(self, step):  # how often an action is random: always while it learns, never in the test
        return jnp.ones(())

    def logits(self, actor, observation):
        feasible = self.dynamics.candidates(self.role, observation)[1]
        values = actor(self.dynamics.features(self.role, observation))
        return jnp.where(jnp.arange(len(values)) < feasible, values, -1e9)

    def act(self, policy, observations, key, epsilon):
        logits, (first, second) = jax.vmap(lambda o: self.logits(policy, o))(observations), jax.random.split(key)
        noisy = jax.random.uniform(first, (len(logits),)) < epsilon
        chosen = jnp.where(noisy, jax.random.categorical(second, logits), jnp.argmax(logits, axis=1))
        return chosen[:, None].astype(jnp.float32)

    def observe(self, state, transition, step):  # cheap, in every step
        return state._replace(last=transition)

    def update(self, state, key, step):  # expensive, every so many steps
        (_, error), gradient = jax.value_and_grad(self.loss, has_aux=True)(state[:2], state.last)
        actor, critic = jax.tree.map(lambda x, g: x - self.rate * g, state[:2], gradient)
        return MyDeepLearnerState(actor, critic, state.last), Metrics(
            error**2, jnp.abs(self.value(critic, state.last.observation))
        )

    def value(self, critic, observation):
        return critic(self.dynamics.features(self.role, observation))[0]

    def loss(self, networks, last):
        """Its gradient is that of the critic's squared error, and that of ``-log pi(a | s)`` times the error."""
        actor, critic = networks
        following = jnp.where(last.terminated, 0.0, self.value(critic, last.next_observation))  # also where it is cut
        target = jax.lax.stop_gradient(last.reward + self.gamma * following)
        error = target - self.value(critic, last.observation)
        log_probability = jax.nn.log_softmax(self.logits(actor, last.observation))[last.action[0].astype(int)]
        fixed = jax.lax.stop_gradient(error)
        return 0.5 * error**2 - log_probability * fixed, fixed
