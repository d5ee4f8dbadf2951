"""A market of your own in one file: parameters and benchmarks above, and below them how it moves."""

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

LEAST = 1e-3  # least share that a boat can take


class Fishery(Market):
    """Boats each take a share of a stock; what is left grows by a power.

    A boat that takes c earns ln c; the stock x becomes (x - sum c)^growth (D. Levhari and L. Mirman, Bell Journal of
    Economics 11 (1980) 322-334). A boat's action is the logit of its share.
    """

    role: ClassVar[str] = "boat"
    kind: Literal["fishery"] = "fishery"
    boats: int = param(2, "number of boats, n", "boats", ge=2, le=100)
    steps: int = param(5, "seasons", "steps", ge=1, le=1000)
    growth: float = param(0.5, "power with which the stock grows back, alpha", gt=0, le=1)
    grid: int = param(19, "shares that value-based learners compare", ge=2, le=1000)

    @property
    def horizon(self) -> int:
        return self.steps

    def roles(self) -> tuple[Role, ...]:
        return (Role("boat", self.boats, ("season", "stock"), Continuous(1)),)

    def quantities(self) -> tuple[Quantity, ...]:
        return (Quantity("share"), Quantity("stock", "fish", by_agent=False))

    def rules(self) -> dict[str, str]:
        return {"nash": "the equilibrium's share", "joint": "the joint optimum's share"}

    def nash(self) -> np.ndarray:
        """Share of the stock that each boat takes in equilibrium, by seasons: x / c = n + alpha a."""
        return 1 / (self.boats + self._ahead())

    def joint(self) -> np.ndarray:
        """The same where they maximise the sum of what they earn: x / c = n (1 + alpha a)."""
        return 1 / (self.boats * (1 + self._ahead()))

    def _ahead(self) -> np.ndarray:
        """alpha times what a unit of ln(stock) is worth in the seasons to come, a = 1 + alpha a of the next one."""
        worth = [0.0]
        for _ in range(self.steps - 1):
            worth.append(1 + self.growth * worth[-1])
        return self.growth * np.array(worth[::-1])

    def benchmarks(self) -> Benchmarks:
        nash, optimum = self._profile("Nash", self.nash()), self._profile("joint optimum", self.joint())
        return Benchmarks((nash,), (optimum,), False)

    def _profile(self, name: str, shares: np.ndarray) -> Profile:
        log_stock = earned = 0.0
        for share in shares:
            earned += np.log(share) + log_stock
            log_stock = self.growth * (log_stock + np.log(max(1 - self.boats * share, 1e-9)))
        concept = "nash" if name == "Nash" else "joint-optimum"
        return Profile(name, concept, np.full(self.boats, earned), "closed form", None, {"share": shares})

    def dynamics(self) -> "FisheryDynamics":
        return built(FisheryDynamics, self)


class FisheryState(NamedTuple):
    season: Int[Array, ""]
    stock: Float[Array, ""]


class FisheryDynamics(Dynamics):
    """Its fields are filled by their names, from the parameters, properties and methods above."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    boats: int = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    grid: int = eqx.field(static=True)
    growth: Float[Array, ""]
    nash: Float[Array, " steps"]
    joint: Float[Array, " steps"]

    def reset(self, key):
        return FisheryState(jnp.zeros((), jnp.int32), jnp.ones(()))

    def observe(self, state):
        seen = jnp.stack([state.season.astype(float), state.stock])
        return {"boat": jnp.broadcast_to(seen, (self.boats, 2))}

    def features(self, role, observation):
        return observation / jnp.array([self.steps, 1.0])

    def global_state(self, state):
        return jnp.stack([state.season / self.steps, state.stock])

    def step(self, key, state, actions):
        wanted = jnp.maximum(jax.nn.sigmoid(actions["boat"][:, 0]), LEAST)
        share = wanted / jnp.maximum(1.0, wanted.sum())  # there is no more than all of it
        left = jnp.maximum(1 - share.sum(), 1e-9) * state.stock
        over, info = state.season + 1 >= self.steps, {"share": share, "stock": state.stock}
        after = FisheryState(state.season + 1, left**self.growth)
        return after, Outcome({"boat": jnp.log(share * state.stock)}, over, jnp.zeros((), bool), info)

    def candidates(self, role, observation):
        return jax.scipy.special.logit(jnp.linspace(0.02, 0.98, self.grid))[:, None], jnp.asarray(self.grid)

    def follow(self, rule, role, observation, draws):
        shares = self.nash if rule == "nash" else self.joint
        return jax.scipy.special.logit(shares[observation[0].astype(int)])[None]
