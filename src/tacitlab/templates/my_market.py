"""A market of your own: above what it is (parameters, benchmarks), below how it moves. ``built`` joins the two."""

from typing import ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from tacitlab.markets import Continuous, Market, Quantity, Role
from tacitlab.markets.motion import Dynamics, Outcome, built
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Profile


class MyMarket(Market):
    """Firms choose quantities while demand is low or high, each as likely; the price is demand less all they bring.

    A firm's action is the logit of the share of demand d that it brings. Nobody moves demand, so that in equilibrium
    each brings d / (n + 1) (Cournot 1838); as a monopoly they would bring d / (2 n) each.
    """

    role: ClassVar[str] = "firm"
    kind: Literal["my-market"] = "my-market"  # its name in scenarios
    firms: int = param(2, "number of firms, n", "firms", ge=2, le=100)
    steps: int = param(4, "length of an episode", "steps", ge=1, le=10_000)
    low: float = param(1.0, "demand when it is low", "money", gt=0)
    high: float = param(2.0, "demand when it is high", "money", gt=0)

    @property
    def horizon(self) -> int:
        return self.steps

    def roles(self) -> tuple[Role, ...]:
        return (Role("firm", self.firms, ("demand",), Continuous(1)),)

    def quantities(self) -> tuple[Quantity, ...]:  # what is recorded
        return (Quantity("quantity", "units"), Quantity("price", "money", by_agent=False))

    def rules(self) -> dict[str, str]:  # scripted policies, for `kind: rule`
        return {"nash": "the equilibrium's share of demand", "joint": "a firm's part of the monopoly's share"}

    @property
    def nash(self) -> float:
        return 1 / (self.firms + 1)

    @property
    def joint(self) -> float:
        return 1 / (2 * self.firms)

    def benchmarks(self) -> Benchmarks:
        def profile(name: str, concept: Literal["nash", "joint-optimum"], share: float) -> Profile:
            earned = self.steps * (self.low**2 + self.high**2) / 2 * share * (1 - self.firms * share)
            return Profile(name, concept, np.full(self.firms, earned), "closed form")

        nash, joint = profile("Nash", "nash", self.nash), profile("monopoly", "joint-optimum", self.joint)
        return Benchmarks((nash,), (joint,), complete=False)

    def dynamics(self) -> "MyMarketDynamics":
        return built(MyMarketDynamics, self)


class MyMarketState(NamedTuple):
    step: Int[Array, ""]
    demand: Float[Array, ""]


class MyMarketDynamics(Dynamics):
    """Pure functions on arrays. Fields are filled by their names from the market above; shapes rest on static ones."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    low: Float[Array, ""]
    high: Float[Array, ""]
    nash: Float[Array, ""]
    joint: Float[Array, ""]

    def demand(self, key):
        return jnp.where(jax.random.bernoulli(key), self.high, self.low)

    def reset(self, key):
        return MyMarketState(jnp.zeros((), jnp.int32), self.demand(key))

    def observe(self, state):
        return {"firm": jnp.full((self.roles[0].agents, 1), state.demand)}

    def global_state(self, state):
        return (state.demand / self.high)[None]

    def step(self, key, state, actions):
        quantity = jax.nn.sigmoid(actions["firm"][:, 0]) * state.demand
        price = state.demand - quantity.sum()
        after, over = MyMarketState(state.step + 1, self.demand(key)), state.step + 1 >= self.steps
        info = {"quantity": quantity, "price": price}
        return after, Outcome({"firm": price * quantity}, over, jnp.zeros((), bool), info)

    def candidates(self, role, observation):  # what value-based learners compare: so many shares are feasible
        return jax.scipy.special.logit(jnp.arange(1, 20) / 20)[:, None], jnp.asarray(19)

    def follow(self, rule, role, observation, draws):
        return jax.scipy.special.logit(self.nash if rule == "nash" else self.joint)[None]
