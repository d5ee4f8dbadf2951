"""Actor-critic learning with noise in the parameters; and counterfactual multi-agent policy gradients (COMA).

A COMA critic values each own action given what the others did. What an action is worth beyond what the policy would
have earned on average, while the others do the same, is the advantage that its actor climbs.
"""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key, PRNGKeyArray
from pydantic import model_validator

from tacitlab.learners.base import MarketSeat
from tacitlab.learners.parts.group import Group, Step, Transition, others
from tacitlab.learners.parts.networks import Categorical, forward
from tacitlab.learners.parts.on_policy import Batch, Networks, OnPolicy, OnPolicyState, RolloutInputs
from tacitlab.learners.ppo import PolicyGradient
from tacitlab.schema import param


class ActorCritic(PolicyGradient):
    """Actor-critic with annealed noise in the parameters: after every rollout one gradient step and a random push.

    ``theta += alpha grad J(theta) + xi_t`` with ``xi_t ~ N(0, (noise * t**-noise_power)**2)`` in the t-th update, for
    every parameter of the actor; the critic is not pushed. The gradient is that of ``log pi(a | s) A``, with advantages
    A as in PPO; its norm is clipped, and Adam takes the step unless ``optimiser: sgd``.

    With ``noise_power: 0`` the noise never falls: then the parameters walk at random, and do not converge whatever the
    gradient says. With 1/2, the default, the pushes fall as fast as they may while still reaching any distance.

    References
    ----------
    R. Sutton, D. McAllester, S. Singh and Y. Mansour, NIPS 1999 (the policy gradient); S. Gelfand and S. Mitter, SIAM
    J. Control Optim. 29 (1991) 999-1018 (descent with falling noise).

    Examples
    --------
    >>> ActorCritic(noise=-1)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: noise: -1 is too small; it must be at least 0.0
    """

    kind: Literal["actor-critic"] = "actor-critic"
    rollout: int = param(32, "steps between updates, which are learned from", "steps", ge=1, le=1_000_000)
    rate: float = param(1e-3, "learning rate, alpha", gt=0)
    optimiser: Literal["adam", "sgd"] = param("adam", "how a gradient becomes a step")
    noise: float = param(0.01, "standard deviation of the first push of each parameter, sigma_xi", ge=0)
    noise_power: float = param(0.5, "power of time with which the pushes fall; 0: never", ge=0)

    def group(self, seat: MarketSeat) -> Group:
        return self.seated(NoisyActorCritic, seat, adam=self.optimiser == "adam")


class NoisyActorCritic(OnPolicy):
    """Agents whose actors are pushed about while they climb."""

    noise: Float[Array, ""]  # standard deviation of the first push
    noise_power: Float[Array, ""]  # with which it falls

    def learn(
        self, step: Step, networks: Networks, optimiser: Any, batch: Batch, key: PRNGKeyArray
    ) -> tuple[Networks, Any]:
        networks, optimiser = self.gradient_step(step, networks, optimiser, batch)
        theta, unravel = ravel_pytree((networks.actor, networks.log_sd))
        pushed = theta + self.deviation(step) * jax.random.normal(key, theta.shape)
        actor, log_sd = unravel(pushed)
        return Networks(actor, networks.critic, log_sd), optimiser

    def deviation(self, step: Step) -> Float[Array, ""]:
        """Standard deviation of the push after this step: ``noise * t**-noise_power`` in the t-th update."""
        return self.noise * ((step + 1) / self.rollout.steps) ** -self.noise_power

    def objective(
        self, log_probability: Float[Array, " samples"], batch: Batch, advantage: Float[Array, " samples"]
    ) -> Float[Array, ""]:
        """``mean log pi(a | s) A``, whose gradient is the policy gradient."""
        return jnp.mean(log_probability * advantage)

    def value_error(self, value: Float[Array, " samples"], batch: Batch) -> Float[Array, ""]:
        return jnp.mean((value - batch.value - batch.advantage) ** 2)


class COMA(PolicyGradient):
    """Counterfactual multi-agent policy gradients: what an own action adds, given what the others did.

    In training a critic sees the market's global state, what the agent itself sees and the others' actions, and values
    each own action. The actor climbs ``log pi(u | o) A`` with ``A = Q(u) - sum_a pi(a | o) Q(a)``: the others' actions
    stay what they were, so that each agent is credited with its own part of a common reward.

    After every rollout the critic makes some steps towards TD(lambda) returns of the joint actions taken, which it has
    estimated itself before them, and the actor makes one. Where a rollout or an episode is merely cut, returns go on
    with actions that the policies draw. Unlike in the source, agents have no memory, ``entropy_weight`` stands in place
    of a least probability of each action, and there is no target network.

    References
    ----------
    J. Foerster et al., "Counterfactual multi-agent policy gradients", AAAI 2018.

    Examples
    --------
    >>> COMA(recurrent=8)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: recurrent: coma acts without memory; set recurrent=0, or take mappo
    """

    kind: Literal["coma"] = "coma"
    parameters: Literal["own", "shared"] = param(
        "shared", "networks of each agent's own, or one actor and one critic for the whole group"
    )
    rollout: int = param(32, "steps between updates, which are learned from", "steps", ge=1, le=1_000_000)
    rate: float = param(5e-4, "learning rate of actor and critic, alpha", gt=0)
    trace: float = param(0.8, "weight of long returns in the critic's targets, lambda", ge=0, le=1)
    critic_steps: int = param(8, "gradient steps of the critic in an update", ge=1, le=10_000)
    normalise_advantages: bool = param(False, "advantages of a gradient step have mean 0 and deviation 1")
    agent_ids: bool = param(True, "agents that share a network are told apart by an input of their own each")
    distribution: Literal["categorical"] = param(  # type: ignore[assignment]
        "categorical", "of actions: discrete, or over the market's candidates"
    )

    @model_validator(mode="after")
    def _without_memory(self) -> "COMA":
        if self.recurrent:
            raise ValueError("recurrent: coma acts without memory; set recurrent=0, or take mappo")
        return self

    def group(self, seat: MarketSeat) -> Group:
        return self.seated(Coma, seat, "both")


class Coma(OnPolicy):
    """Agents whose critics see the world, what their actors see and what the others do."""

    critic_steps: int = eqx.field(static=True)

    @property
    def values(self) -> int:
        """One for each action."""
        return self.distribution.outputs

    def _sizes(self) -> tuple[int, int | None]:
        own, views = super()._sizes()
        assert views is not None
        return own, views + (self.agents - 1) * self.values

    def _optimisers(self, networks: Networks) -> tuple[Any, Any]:
        """Of the actor and of the critic."""
        return self._optimiser().init(networks.actor), self._optimiser().init(networks.critic)

    # --- what critics see --------------------------------------------------------------------------------------

    def _rollout_inputs(
        self, trajectory: Transition, state: OnPolicyState, keys: Key[Array, " agents"]
    ) -> RolloutInputs:
        """With the others' actions, now and next."""
        rollout, now = super()._rollout_inputs(trajectory, state, keys), self._choices(trajectory)
        then = self.following(trajectory, now, state, keys)

        def with_others(views: Array | None, choices: Array) -> Array:
            assert views is not None
            ones = jax.nn.one_hot(choices[..., 0].astype(int), self.values)
            return jnp.concatenate([views, self.fold(others(ones))], axis=-1)

        return rollout._replace(
            views=with_others(rollout.views, now),
            views_after=with_others(rollout.views_after, then),
            next_choices=self.fold(then),
        )

    def following(
        self,
        trajectory: Transition,
        choices: Float[Array, "agents copies steps 1"],
        state: OnPolicyState,
        keys: Key[Array, " agents"],
    ) -> Float[Array, "agents copies steps 1"]:
        """What everybody did next; where an episode or the rollout was cut, what their policies might have done."""
        after = trajectory.next_observation
        seen = after.reshape(self.agents, -1, after.shape[-1])
        actions = self.act(self.policy(state), seen, keys, jnp.ones(())).reshape(trajectory.action.shape)
        drawn = self._choices(trajectory._replace(observation=after, action=actions))
        later = jnp.concatenate([choices[:, :, 1:], drawn[:, :, -1:]], axis=2)
        return jnp.where(trajectory.ended[..., None], drawn, later)

    def _valued(self, outputs: Array, choices: Array | None) -> Array:
        """Values of what was done."""
        assert choices is not None
        return jnp.take_along_axis(outputs, choices.astype(int), axis=-1)[..., 0]

    # --- learning ----------------------------------------------------------------------------------------------

    def learn(
        self, step: Step, networks: Networks, optimiser: Any, batch: Batch, key: PRNGKeyArray
    ) -> tuple[Networks, Any]:
        """Some steps of the critic towards returns that it has estimated before them, and one of the actor."""
        batch = batch._replace(value=batch.value + batch.advantage)  # from here on what values should be

        def fit(now: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
            critic, memory = now
            gradient = jax.grad(lambda critic: self.loss(networks._replace(critic=critic), batch))(critic)
            return self._descended(step, critic, gradient, memory), None

        (critic, of_critic), _ = jax.lax.scan(fit, (networks.critic, optimiser[1]), None, self.critic_steps)
        networks = networks._replace(critic=critic)
        batch = batch._replace(advantage=self.counterfactual(networks, batch))
        gradient = jax.grad(lambda actor: self.loss(networks._replace(actor=actor), batch))(networks.actor)
        actor, of_actor = self._descended(step, networks.actor, gradient, optimiser[0])
        return networks._replace(actor=actor), (of_actor, of_critic)

    def counterfactual(self, networks: Networks, batch: Batch) -> Float[Array, "samples steps"]:
        """``Q(s, u) - sum_a pi(a | o) Q(s, (others' u, a))`` (Foerster et al. 2018, equation 4)."""
        assert isinstance(self.distribution, Categorical)
        assert batch.views is not None
        outputs = forward(networks.actor, batch.inputs, self.activation)
        chance = jnp.exp(jax.vmap(self.distribution.logs)(outputs, batch.feasible))
        values = forward(networks.critic, batch.views, self.activation)
        return self._valued(values, batch.choices) - jnp.sum(chance * values, axis=-1)

    def objective(
        self, log_probability: Float[Array, " samples"], batch: Batch, advantage: Float[Array, " samples"]
    ) -> Float[Array, ""]:
        """``mean log pi(u | o) A``, whose gradient is the policy gradient."""
        return jnp.mean(log_probability * advantage)

    def value_error(self, value: Float[Array, " samples"], batch: Batch) -> Float[Array, ""]:
        """Mean squared error of what was done."""
        return jnp.mean((value - batch.value) ** 2)
