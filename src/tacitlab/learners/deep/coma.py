"""Counterfactual multi-agent policy gradients (J. Foerster et al., AAAI 2018).

A central critic values each own action given what the others did. What an action is worth beyond what the policy would
have earned on average, while the others do the same, is the advantage that its actor climbs.
"""

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray

from tacitlab.learners.base import MarketSeat
from tacitlab.learners.deep.base import Clock, Transition
from tacitlab.learners.deep.joint import others
from tacitlab.learners.deep.on_policy import OnPolicy
from tacitlab.learners.deep.on_policy_build import common
from tacitlab.learners.deep.policy import Categorical, Networks
from tacitlab.learners.deep.samples import Batch, OnPolicyState, Sight
from tacitlab.learners.deep.trunk import forward

if TYPE_CHECKING:
    from tacitlab.learners.coma import COMA


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

    def _sight(self, lived: Transition, state: OnPolicyState, keys: Key[Array, " agents"]) -> Sight:
        """With the others' actions, now and next."""
        sight, now = super()._sight(lived, state, keys), self._choices(lived)
        then = self.following(lived, now, state, keys)

        def with_others(views: Array | None, choices: Array) -> Array:
            assert views is not None
            ones = jax.nn.one_hot(choices[..., 0].astype(int), self.values)
            return jnp.concatenate([views, self._fold(others(ones))], axis=-1)

        return sight._replace(
            views=with_others(sight.views, now),
            views_after=with_others(sight.views_after, then),
            next_choices=self._fold(then),
        )

    def following(
        self,
        lived: Transition,
        choices: Float[Array, "agents copies steps 1"],
        state: OnPolicyState,
        keys: Key[Array, " agents"],
    ) -> Float[Array, "agents copies steps 1"]:
        """What everybody did next; where an episode or the rollout was cut, what their policies might have done."""
        after = lived.next_observation
        seen = after.reshape(self.agents, -1, after.shape[-1])
        actions = self.act(self.policy(state), seen, keys, jnp.ones(())).reshape(lived.action.shape)
        drawn = self._choices(lived._replace(observation=after, action=actions))
        later = jnp.concatenate([choices[:, :, 1:], drawn[:, :, -1:]], axis=2)
        return jnp.where((lived.terminated | lived.truncated)[..., None], drawn, later)

    def _valued(self, outputs: Array, choices: Array | None) -> Array:
        """Values of what was done."""
        assert choices is not None
        return jnp.take_along_axis(outputs, choices.astype(int), axis=-1)[..., 0]

    # --- learning ----------------------------------------------------------------------------------------------

    def learn(
        self, clock: Clock, networks: Networks, optimiser: Any, batch: Batch, key: PRNGKeyArray
    ) -> tuple[Networks, Any]:
        """Some steps of the critic towards returns that it has estimated before them, and one of the actor."""
        batch = batch._replace(value=batch.value + batch.advantage)  # from here on what values should be

        def fit(now: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
            critic, memory = now
            slope = jax.grad(lambda critic: self.loss(networks._replace(critic=critic), batch))(critic)
            return self._descended(clock, critic, slope, memory), None

        (critic, of_critic), _ = jax.lax.scan(fit, (networks.critic, optimiser[1]), None, self.critic_steps)
        networks = networks._replace(critic=critic)
        batch = batch._replace(advantage=self.counterfactual(networks, batch))
        slope = jax.grad(lambda actor: self.loss(networks._replace(actor=actor), batch))(networks.actor)
        actor, of_actor = self._descended(clock, networks.actor, slope, optimiser[0])
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
        """``mean log pi(u | o) A``, whose slope is the policy gradient."""
        return jnp.mean(log_probability * advantage)

    def value_error(self, value: Float[Array, " samples"], batch: Batch) -> Float[Array, ""]:
        """Mean squared error of what was done."""
        return jnp.mean((value - batch.value) ** 2)


def build(learner: "COMA", seat: MarketSeat) -> Coma:
    """A group of agents as a scenario describes them."""
    return Coma(**common(learner, seat, "both"), adam=True, critic_steps=learner.critic_steps)
