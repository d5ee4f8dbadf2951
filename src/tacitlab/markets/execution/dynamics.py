"""The execution game in motion: prices, impact, inventories."""

from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from numpy.typing import NDArray

from tacitlab.markets.base import Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome, normal

if TYPE_CHECKING:
    from tacitlab.markets.execution.market import Execution

TIME, INVENTORY = 0, 1  # places in an observation; prices and more follow the inventories
SLACK = 1e-4  # shares by which an inventory may miss its bounds: rounding


class ExecutionState(NamedTuple):
    """Between two trades."""

    step: Int[Array, ""]
    inventory: Float[Array, "agents assets"]
    pushed: Float[Array, "agents steps assets"]  # trades so far, times the liquidity they met
    noise: Float[Array, " assets"]  # of the price, summed up
    liquidity: Float[Array, " 2"]  # lasting and temporary impact, relative to the parameters
    last_price: Float[Array, " assets"]
    last_trade: Float[Array, "agents assets"]


class ExecutionDynamics(Dynamics):
    """All agents trade at once or in random order, and meet prices that earlier trades have moved.

    Agent i gets the price ``start + noise - lasting_own[t] v_i - lasting_cross[t] sum_{j != i} v_j -
    temporary_own[t] v_i[t] - temporary_cross[t] sum_{j != i} v_j[t] - toss[t] sum_{j before i} v_j[t]``; everybody sees
    ``start + noise - mid[t] sum_j v_j``.
    """

    roles: tuple[Role, ...] = eqx.field(static=True)
    whole: bool = eqx.field(static=True)  # candidates are whole shares, else equal parts of the inventory
    grid: int = eqx.field(static=True)  # number of candidates of one asset
    buying: bool = eqx.field(static=True)
    tossing: bool = eqx.field(static=True)
    drifting: bool = eqx.field(static=True)  # liquidity is random
    triangle: bool = eqx.field(static=True)
    foresee: bool = eqx.field(static=True)
    by_trade: bool = eqx.field(static=True)
    observed: tuple[str, ...] = eqx.field(static=True)
    lasting_own: Float[Array, "steps assets steps assets"]
    lasting_cross: Float[Array, "steps assets steps assets"]
    mid: Float[Array, "steps assets steps assets"]
    temporary_own: Float[Array, "steps assets assets"]
    temporary_cross: Float[Array, "steps assets assets"]
    toss: Float[Array, "steps assets assets"]
    inventories: Float[Array, "agents assets"]
    start: Float[Array, ""]
    volatility: Float[Array, ""]  # standard deviation of a step
    reversion: Float[Array, ""]  # of liquidity, in a step
    liquidity_noise: Float[Array, " 2"]
    liquidity_correlation: Float[Array, ""]
    risk: Float[Array, ""]  # penalty for each squared share held after a trade
    price_range: Float[Array, " 2"]

    @property
    def steps(self) -> int:
        return self.mid.shape[0]

    @property
    def assets(self) -> int:
        return self.mid.shape[1]

    @property
    def largest(self) -> Float[Array, ""]:
        """Most shares that anybody begins with."""
        return jnp.max(jnp.abs(self.inventories))

    # --- the game ----------------------------------------------------------------------------------------------

    def reset(self, key: PRNGKeyArray) -> ExecutionState:
        agents, nothing = len(self.inventories), jnp.zeros(self.assets)
        pushed = jnp.zeros((agents, self.steps, self.assets))
        prices = nothing + self.start
        return ExecutionState(
            jnp.zeros((), jnp.int32), self.inventories, pushed, nothing, jnp.ones(2), prices, pushed[:, 0]
        )

    def price(self, state: ExecutionState) -> Float[Array, " assets"]:
        """What everybody sees before the next trade."""
        step = jnp.minimum(state.step, self.steps - 1)  # after the last trade there is none
        return self.start + state.noise - jnp.tensordot(self.mid[step], state.pushed.sum(axis=0), 2)

    def observe(self, state: ExecutionState) -> dict[str, Float[Array, "agents observation"]]:
        agents, price = len(self.inventories), self.price(state)

        def all_see(x: Array) -> Array:
            return jnp.broadcast_to(x, (agents, x.size))

        parts = {
            "time": all_see(state.step.astype(jnp.float32)[None]),
            "inventory": state.inventory,
            "price": all_see(price),
            "last-price": all_see(state.last_price),
            "last-trade": state.last_trade,
            "rival-inventory": state.inventory.sum(axis=0) - state.inventory,
        }
        return {self.roles[0].name: jnp.concatenate([parts[name] for name in self.observed], axis=1)}

    def admissible(self, state: ExecutionState, actions: Actions) -> Actions:
        """All that is left in the last step; nothing where a trade would lead beyond the inventories allowed."""
        trades, left = actions[self.roles[0].name], state.inventory
        bound = self.largest if self.buying else jnp.zeros(())
        low, high = jnp.minimum(self.inventories, -bound), jnp.maximum(self.inventories, bound)
        after = left - trades
        inside = (after >= jnp.minimum(low, 0) - SLACK) & (after <= jnp.maximum(high, 0) + SLACK)
        chosen = jnp.where(inside, trades, 0.0)
        return {self.roles[0].name: jnp.where(state.step == self.steps - 1, left, chosen)}

    def step(self, key: PRNGKeyArray, state: ExecutionState, actions: Actions) -> tuple[ExecutionState, Outcome]:
        trades = actions[self.roles[0].name]
        t, draws = state.step, jax.random.uniform(key, (self.assets + len(trades) + 2,))
        seen = self.price(state)
        pushed = jax.lax.dynamic_update_index_in_dim(state.pushed, trades * state.liquidity[0], t, axis=1)
        price = self.start + state.noise - self._impact(pushed, trades, state, draws[self.assets : -2])
        inventory = state.inventory - trades
        reference = self.start * (trades if self.by_trade else self.inventories / self.steps)
        rewards = jnp.sum(price * trades - reference - self.risk * inventory**2, axis=1)
        after = ExecutionState(
            t + 1, inventory, pushed, state.noise + self.volatility * normal(draws[: self.assets]),
            self._liquidity(state.liquidity, normal(draws[-2:])), seen, trades,
        )  # fmt: skip
        info = {f"trade{s}": trades[:, a] for a, s in enumerate(self._suffixes())}
        info |= {f"inventory{s}": inventory[:, a] for a, s in enumerate(self._suffixes())}
        info |= {f"price{s}": seen[a] for a, s in enumerate(self._suffixes())}
        return after, Outcome({self.roles[0].name: rewards}, t + 1 >= self.steps, jnp.zeros((), bool), info)

    def _impact(
        self, pushed: Float[Array, "agents steps assets"], trades: Float[Array, "agents assets"],
        state: ExecutionState, draws: Float[Array, " agents"],
    ) -> Float[Array, "agents assets"]:  # fmt: skip
        """How far below the undisturbed price each agent trades."""
        t = state.step
        others, others_now = pushed.sum(axis=0) - pushed, trades.sum(axis=0) - trades
        lasting = jnp.tensordot(pushed, self.lasting_own[t], ((1, 2), (1, 2)))
        lasting += jnp.tensordot(others, self.lasting_cross[t], ((1, 2), (1, 2)))
        temporary = trades @ self.temporary_own[t].T + others_now @ self.temporary_cross[t].T
        total = lasting + state.liquidity[1] * temporary
        if self.tossing:
            earlier = (draws[None, :] < draws[:, None]).astype(trades.dtype)  # row: who pays, column: for whom
            total += state.liquidity[0] * (earlier @ trades) @ self.toss[t].T
        return total

    def _liquidity(self, now: Float[Array, " 2"], shocks: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Square-root process around 1, kept above 0."""
        if not self.drifting:
            return now
        rho = self.liquidity_correlation
        second = rho * shocks[0] + jnp.sqrt(1 - rho**2) * shocks[1]
        correlated = jnp.stack([shocks[0], second])
        moved = now + self.reversion * (1 - now) + self.liquidity_noise * jnp.sqrt(now) * correlated
        return jnp.maximum(moved, 0.0)

    def _suffixes(self) -> list[str]:
        return [""] if self.assets == 1 else [f"-{a + 1}" for a in range(self.assets)]

    def global_state(self, state: ExecutionState) -> Float[Array, " features"]:
        price = self._scaled_price(self.price(state))
        inventories = 2 * state.inventory.ravel() / (self.largest + 1) - 1
        return jnp.concatenate([self._scaled_time(state.step)[None], inventories, price])

    # --- what learners see -------------------------------------------------------------------------------------

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        most = self.largest + 1
        parts = self._split(observation)
        scaled: dict[str, Array] = {
            "time": self._scaled_time(parts["time"]),
            "inventory": 2 * parts["inventory"] / most - 1,
            **{name: self._scaled_price(parts[name]) for name in ("price", "last-price") if name in parts},
            **{name: parts[name] / most for name in ("last-trade", "rival-inventory") if name in parts},
        }
        return jnp.concatenate([scaled[name] for name in self.observed])

    def inputs(
        self, role: Role, observation: Float[Array, " observation"], action: Float[Array, " size"]
    ) -> Float[Array, " inputs"]:
        """Observation and trade, the triangle 0 <= v <= q stretched to a square (Ning, Lin and Jaimungal 2021)."""
        features = self.features(role, observation)
        most = self.largest + 1
        if not self.triangle:
            return jnp.concatenate([features, 2 * action / most - 1])
        held, sold = 1 - observation[INVENTORY] / most, action[0] / most
        stretch = jnp.abs(held + sold) / jnp.maximum(held, sold)
        both = jnp.stack([1 - 2 * stretch * held, 2 * stretch * sold - 1])
        return jnp.concatenate([features[:INVENTORY], both, features[INVENTORY + 1 :]])

    def candidates(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, "candidates size"], Int[Array, ""]]:
        """Trades by size: whole shares that keep the inventory in bounds, or equal parts of it; at last, all of it."""
        left = observation[INVENTORY : INVENTORY + self.assets]
        if self.whole and self.buying:
            reach = self.largest + SLACK  # of the inventory after the trade
            least, most = jnp.ceil(left - reach), jnp.floor(left + reach)
            values = least + jnp.arange(self.grid, dtype=jnp.float32)[:, None]
            feasible = jnp.minimum(most - least + 1, self.grid)[0].astype(int)
        elif self.whole:
            values = jnp.sign(left) * jnp.arange(self.grid, dtype=jnp.float32)[:, None]
            feasible = jnp.floor(jnp.abs(left[0])).astype(int) + 1
        else:
            parts = jnp.linspace(0.0, 1.0, self.grid)
            mesh = jnp.stack(jnp.meshgrid(*[parts] * self.assets, indexing="ij"), axis=-1)
            values = mesh.reshape(-1, self.assets) * left
            feasible = jnp.where(jnp.any(left != 0), len(values), 1)
        if self.foresee:
            last = observation[TIME] >= self.steps - 1
            values = values.at[0].set(jnp.where(last, left, values[0]))
            feasible = jnp.where(last, 1, feasible)
        return values, feasible

    def explore(
        self, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " size"]
    ) -> Float[Array, " size"]:
        """Normal around an even schedule, with its own size as standard deviation."""
        even = observation[INVENTORY : INVENTORY + self.assets] / (self.steps - observation[TIME])
        return even + jnp.abs(even) * normal(draws)

    def _split(self, observation: Float[Array, " observation"]) -> dict[str, Array]:
        sizes = [1 if name == "time" else self.assets for name in self.observed]
        ends = [sum(sizes[: k + 1]) for k in range(len(sizes))]
        return dict(zip(self.observed, jnp.split(observation, ends[:-1]), strict=True))

    def _scaled_time(self, time: Array) -> Array:
        half = max(self.steps - 1, 1) / 2
        return (time - half) / half

    def _scaled_price(self, price: Array) -> Array:
        low, high = self.price_range
        return jnp.clip(2 * (price - low) / (high - low) - 1, -1, 1)


@eqx.filter_jit
def greedy(
    dynamics: ExecutionDynamics, networks: Any, observations: Float[Array | np.ndarray, "networks many observation"]
) -> Float[Array, "networks many size"]:
    """The best feasible trade, the first of equals, that each of several networks sees after its observations.

    ``networks`` is one whose arrays have a leading axis; its ``columns`` give the values of inputs in columns.
    """
    role = dynamics.roles[0]

    def best(network: Any, seen: Array) -> Array:
        trades, feasible = dynamics.candidates(role, seen)
        inputs = jax.vmap(lambda trade: dynamics.inputs(role, seen, trade))(trades)
        values = network.columns(inputs.T)[0]
        return trades[jnp.argmax(jnp.where(jnp.arange(len(trades)) < feasible, values, -jnp.inf))]

    def each(both: tuple[Any, Array]) -> Array:
        return jax.lax.map(lambda seen: best(both[0], seen), both[1])

    return jax.lax.map(each, (networks, observations))  # in turn: many small products are faster so on processors


def build(market: "Execution") -> ExecutionDynamics:
    """The dynamics of a market as it was described."""
    impact, steps, assets = market.impact(), market.steps, market.assets
    shape = (steps, assets, steps, assets)
    temporary = np.diag(np.broadcast_to(np.asarray(market.temporary) / market.tau, (steps,)).repeat(assets))
    shared = temporary * market.shared_temporary

    def array(x: Any) -> Array:
        return jnp.asarray(x, float)  # single precision, unless JAX is told otherwise

    def blocks(matrix: NDArray[np.float64]) -> Array:
        """What happens within a step: the diagonal blocks."""
        return array(np.einsum("tatb->tab", matrix.reshape(shape)))

    return ExecutionDynamics(
        roles=market.roles(),
        whole=market.trades == "whole",
        grid=_grid(market),
        buying=market.buying,
        tossing=bool(np.any(impact.toss)),
        drifting=market.liquidity is not None,
        triangle=market.features == "triangle",
        foresee=market.foresee_last_trade,
        by_trade=market.reward == "trade",
        observed=market.observes,
        lasting_own=array((impact.felt_own - temporary).reshape(shape)),
        lasting_cross=array((impact.felt_cross - impact.toss / 2 - shared).reshape(shape)),
        mid=array(impact.mid.reshape(shape)),
        temporary_own=blocks(temporary),
        temporary_cross=blocks(shared),
        toss=blocks(impact.toss),
        inventories=array(np.reshape(market.inventories, (-1, assets))),
        start=array(market.price),
        volatility=array(market.volatility * np.sqrt(market.tau)),
        risk=array(market.risk_aversion * market.volatility**2 * market.tau),
        price_range=array(market.seen_prices),
        **{name: array(value) for name, value in _liquidity(market).items()},
    )


def _grid(market: "Execution") -> int:
    if market.trades == "parts":
        return market.parts + 1
    most = int(np.floor(market.largest))
    return 2 * most + 1 if market.buying else most + 1


def _liquidity(market: "Execution") -> dict[str, Any]:
    """The square-root processes of kappa and alpha, each relative to its mean."""
    law = market.liquidity
    if law is None:
        return {"reversion": 0.0, "liquidity_noise": np.zeros(2), "liquidity_correlation": 0.0}
    means = np.array([np.max(market.permanent), np.max(market.temporary)])
    noises = np.array([law.permanent_noise, law.temporary_noise])
    relative = np.divide(noises, np.sqrt(means), out=np.zeros(2), where=means > 0) * np.sqrt(law.dt)
    return {
        "reversion": law.reversion * law.dt, "liquidity_noise": relative, "liquidity_correlation": law.correlation,
    }  # fmt: skip
