"""Optimal execution: agents sell the same asset and move its price against each other."""

from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tacitlab.errors import TacitError
from tacitlab.markets.base import Continuous, Market, Quantity, Role
from tacitlab.markets.execution import closed as liquidation_closed
from tacitlab.markets.execution import impact
from tacitlab.markets.execution.impact import Blocks, Impact
from tacitlab.markets.execution.liquidation import LiquidationGame, Solution, exploitability, nash
from tacitlab.markets.execution.optimum import diagnose, joint_optimum, lower_bound
from tacitlab.markets.motion import Actions, Dynamics, Outcome, built, normal
from tacitlab.schema import Spec, param
from tacitlab.theory.benchmarks import Benchmarks, Profile

Floats = NDArray[np.float64]
NonNegative = Annotated[float, Field(ge=0)]
Seen = Literal["time", "inventory", "price", "last-price", "last-trade", "rival-inventory"]
TIME, INVENTORY = 0, 1  # places in an observation; prices and more follow the inventories
SLACK = 1e-4  # shares by which an inventory may miss its bounds: rounding


class Permanent(Spec):
    """Impact stays for ever (Almgren and Chriss 2001)."""

    kind: Literal["permanent"] = "permanent"


class Exponential(Spec):
    """Impact decays like exp(-decay t) (Obizhaeva and Wang 2013); a trade pays half of its own at once."""

    kind: Literal["exponential-decay"] = "exponential-decay"
    decay: float = param(0.5, "decay rate, rho", "1/time", gt=0)


class Power(Spec):
    """Impact decays like (1 + t)^-exponent (Bouchaud et al. 2004); a trade pays half of its own at once."""

    kind: Literal["power-decay"] = "power-decay"
    exponent: float = param(0.5, "exponent, gamma", gt=0)


class Liquidity(Spec):
    """Impact coefficients that move at random around their values (Macrì and Lillo, arXiv 2402.12049)."""

    reversion: float = param(5.0, "speed at which they return", "1/time", ge=0)
    dt: float = param(0.1, "time between two trades on the scale of reversion and noise", "time", gt=0)
    permanent_noise: float = param(0.002, "noise of kappa: its change is noise sqrt(kappa dt) times a normal", ge=0)
    temporary_noise: float = param(0.002, "noise of alpha, likewise", ge=0)
    correlation: float = param(0.9, "correlation of the two", ge=-1, le=1)


KERNELS = (Permanent, Exponential, Power)
Kernel = Annotated[Permanent | Exponential | Power, Field(discriminator="kind")]


class Drift(NamedTuple):
    """Square-root processes of lasting and temporary impact, each relative to its mean, by step."""

    reversion: Float[Array, ""] | float
    noise: Float[Array | np.ndarray, " 2"]
    correlation: Float[Array, ""] | float


class Execution(Market):
    """Agents sell (or buy) given inventories of the same assets within N steps, at least expected cost.

    What an agent sells at step t lowers the price for all from step t + ``lag`` on (permanent impact, kappa; or
    impact that decays), and its own price at once (temporary impact, alpha). Its payoff is minus its implementation
    shortfall, in currency an episode.

    ``lag: 1, order: coin-toss`` is the game that Macrì and Lillo describe; ``lag: 2`` is the one that their public code
    of 2024 plays, where the coin has no effect. Both agents choose before anybody's trade moves the price; the coin
    decides who pays for whom, not who knows what.

    Benchmarks hold for what greedy agents do. A DQN explores by normal draws, as in the paper: one in six of them buys
    back what was sold, in training, and in the test where ``test.epsilon`` is positive. At ``lag: 2`` schedules that
    buy can cost less than the joint optimum of those that only sell.

    References
    ----------
    A. Macrì and F. Lillo, arXiv 2408.11773; A. Schied and T. Zhang, arXiv 1312.7360; M. Nutz and A. Prosperi, arXiv
    2512.11765; F. Cordoni and F. Lillo, arXiv 2004.03546.

    Examples
    --------
    >>> market = Execution(order="simultaneous")
    >>> benchmarks = market.benchmarks()
    >>> (-benchmarks.nash.payoffs).round(4), (-benchmarks.optimum.payoffs).round(4)
    (array([12.0706, 12.0706]), array([11., 11.]))
    """

    role: ClassVar[str] = "trader"
    payoff_name: ClassVar[str] = "payoff"
    payoff_unit: ClassVar[str] = "currency"
    cost_name: ClassVar[str] = "shortfall"

    kind: Literal["execution"] = "execution"
    inventories: tuple[float | tuple[float, ...], ...] = param(
        (100.0, 100.0), "what each agent has to sell (to buy, if negative); a list of lists for several assets",
        "shares", min_length=1,
    )  # fmt: skip
    steps: int = param(10, "number of trades, N", "steps", ge=1, le=1000)
    tau: float = param(1.0, "time of a step", "time", gt=0)
    price: float = param(10.0, "price at the beginning, S_0", "currency", gt=0)
    temporary: NonNegative | tuple[NonNegative, ...] = param(
        0.002, "temporary impact, alpha; a list gives each step its own", "currency time/share²"
    )
    permanent: NonNegative | tuple[NonNegative, ...] = param(
        0.001, "permanent impact, kappa, or size of the impact that decays; a list for each step", "currency/share²"
    )
    volatility: float = param(1e-3, "volatility of the price, sigma", "currency/sqrt(time)", ge=0)
    lag: int = param(1, "a trade moves the price that others meet from so many steps later on", "steps", ge=1, le=2)
    order: Literal["simultaneous", "coin-toss"] = param(
        "coin-toss", "random order in each step: who comes second pays the impact of who came first; or none"
    )
    shared_temporary: bool = param(False, "temporary impact hits everybody who trades in the step")
    kernel: Kernel = param(Permanent(), "how impact decays")
    cross_impact: tuple[tuple[float, ...], ...] | None = param(
        None, "several assets: how trades in one move the other, times the size of the impact; positive definite"
    )
    liquidity: Liquidity | None = param(None, "random impact coefficients")
    risk_aversion: float = param(0.0, "weight of the variance of the cost, lambda", "1/currency", ge=0)
    buying: bool = param(
        False, "whether sellers may buy on the way, and buyers sell; if not, benchmarks, fixed schedules and greedy "
        "choices never do, but exploration may buy back, as in the paper",
    )  # fmt: skip
    trades: Literal["whole", "parts"] = param(
        "whole", "what learners choose from: whole shares up to the inventory, or equal parts of it"
    )
    parts: int = param(20, "number of equal parts", ge=1, le=1000)
    observes: tuple[Seen, ...] = param(
        ("time", "inventory", "price"), "what a trader sees; time and own inventory come first", min_length=2
    )
    features: Literal["triangle", "plain"] = param(
        "triangle", "network inputs: inventory and trade stretched to a square (Ning et al. 2021), or only scaled"
    )
    price_range: tuple[float, float] | None = param(
        None, "prices that networks see as -1 and 1; none: what all inventories together can move", "currency"
    )
    foresee_last_trade: bool = param(
        True, "whether learners know, when they value the last step, that everything left must be sold there"
    )
    reward: Literal["schedule", "trade"] = param(
        "schedule", "reference of a step's reward: an even part of the initial value, or the value of what is traded"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Execution":
        if self.observes[:2] != ("time", "inventory"):
            raise ValueError(f"observes: {list(self.observes)} must begin with time, inventory; put them first")
        if len(set(self.observes)) < len(self.observes):
            raise ValueError(f"observes: {list(self.observes)} has an entry twice; remove one")
        sizes = {len(q) if isinstance(q, tuple) else 1 for q in self.inventories}
        if sizes != {len(self.cross_impact or (1,))}:
            mend = "give as many numbers for each agent as cross_impact has rows"
            raise ValueError(f"inventories: {list(self.inventories)} do not fit the number of assets; {mend}")
        for name in ("temporary", "permanent"):
            values = getattr(self, name)
            if isinstance(values, tuple) and len(values) != self.steps:
                raise ValueError(f"{name}: {len(values)} values for {self.steps} steps; give one, or one for each")
        self._check_single_precision()
        self._check_variants()
        return self

    def _check_single_precision(self) -> None:
        """Refuse numbers that lead to more money than the engine can count."""
        most = float(np.finfo(np.float32).max)
        shares = float(sum(abs(q) for row in self.inventories for q in (row if isinstance(row, tuple) else (row,))))
        temporary, permanent = (float(np.max(x)) * shares * shares for x in (self.temporary, self.permanent))
        noise, time = self.volatility * shares, self.steps * self.tau
        money = {
            "inventories": shares * shares, "price": self.price * shares, "temporary": temporary,
            "permanent": permanent, "cross_impact": permanent * float(np.max(np.abs(self.cross_impact or 0))),
            "volatility": noise, "risk_aversion": self.risk_aversion * noise * noise,
            "tau": max(temporary / self.tau, noise * time**0.5, self.risk_aversion * noise * noise * time),
            "price_range": max(map(abs, self.price_range or (0.0,))),
        }  # fmt: skip
        for name, value in money.items():
            if not value <= most:
                shown, mend = getattr(self, name), f"keep them below {most:.0e}"
                raise ValueError(f"{name}: {shown} leads to amounts of {value:.3g}, beyond single precision; {mend}")

    def _check_variants(self) -> None:
        decays, several = not isinstance(self.kernel, Permanent), self.cross_impact is not None
        if (decays or several) and self.lag > 1:
            raise ValueError("lag: 2 is defined for permanent impact in one asset; use lag=1")
        if decays and (isinstance(self.permanent, tuple) or self.liquidity is not None):
            raise ValueError("kernel: impact that decays needs coefficients that do not move; give one number")
        if several and (isinstance(self.permanent, tuple) or isinstance(self.temporary, tuple)):
            raise ValueError("cross_impact: several assets need coefficients that do not move; give one number each")
        if several and (self.trades == "whole" or self.features == "triangle"):
            raise ValueError("trades: with several assets learners need trades=parts and features=plain")
        if self.buying and self.trades == "parts":
            raise ValueError("trades: parts of an inventory never buy; use trades=whole, or buying=false")
        if not self.largest:
            raise ValueError("inventories: nobody has anything to trade; give at least one agent shares")
        if self.price_range is not None and self.price_range[0] >= self.price_range[1]:
            raise ValueError(f"price_range: {list(self.price_range)} is empty; give the lower price first")
        self.impact()  # the builders check what is left, for example that cross impact is positive definite

    # --- theory ------------------------------------------------------------------------------------------------

    @property
    def largest(self) -> float:
        """Most shares that anybody begins with."""
        return float(np.abs(self.endowments).max())

    @property
    def assets(self) -> int:
        return len(self.cross_impact or (1,))

    @property
    def endowments(self) -> Floats:
        """What each agent has of each asset at the beginning: (agents, assets) shares."""
        return np.array([q if isinstance(q, tuple) else (q,) for q in self.inventories], dtype=float)

    def impact(self) -> Impact:
        """Who moves which price by how much, and when."""
        noise: dict[str, Any] = {
            "risk_aversion": self.risk_aversion,
            "order": self.order,
            "shared_temporary": self.shared_temporary,
        }
        if isinstance(self.kernel, Permanent) and self.cross_impact is None:
            return impact.almgren_chriss(
                self.steps, self.temporary, self.permanent, tau=self.tau, lag=self.lag, volatility=self.volatility,
                **noise,
            )  # fmt: skip
        size = float(np.max(self.permanent))
        if isinstance(self.kernel, Exponential):
            kernel = impact.exponential(self.steps, self.kernel.decay, scale=size, tau=self.tau)
        elif isinstance(self.kernel, Power):
            kernel = impact.power_law(self.steps, self.kernel.exponent, scale=size, tau=self.tau)
        else:
            kernel = np.full(self.steps, size)
        cost, variance = np.asarray(self.temporary) / self.tau, self.volatility**2 * self.tau
        if self.cross_impact is None:
            return impact.transient(kernel, cost, volatility=np.sqrt(variance), **noise)
        noise |= {"cross_impact": self.cross_impact, "volatility": variance * np.eye(self.assets)}
        if not isinstance(self.kernel, Permanent):
            return impact.transient(kernel, cost, **noise)
        half = size * np.diag(np.asarray(self.cross_impact)) / 2  # a trade does not pay its own permanent impact
        found = impact.transient(kernel, cost - half, **noise)
        others = np.diag(np.tile(half, self.steps)) * self.shared_temporary  # who share all of the temporary impact
        return replace(found, felt_cross=found.felt_cross + others)

    @cached_property
    def game(self) -> LiquidationGame:
        """The open-loop game. Random liquidity counts by its mean, which it starts from and returns to."""
        return self.impact().game(self.endowments, sales_only=not self.buying)

    def benchmarks(self) -> Benchmarks:
        """Open-loop Nash equilibrium and joint optimum of the game that is played; TWAP beside them."""
        game, warnings = self.game, diagnose(self.game)
        competitive, cooperative = [], []
        with suppress(TacitError):  # the diagnosis says why there is none
            competitive.append(self._profile("Nash", "nash", nash(game)))
        with suppress(TacitError):
            cooperative.append(self._profile("joint optimum", "joint-optimum", joint_optimum(game)))
        note = "open-loop benchmarks: schedules fixed beforehand; learned policies may react to prices"
        return Benchmarks(tuple(competitive), tuple(cooperative), not warnings, self._numbers(), (*warnings, note))

    def _profile(self, name: str, concept: Literal["nash", "joint-optimum"], found: Solution) -> Profile:
        same = np.allclose(found.schedules, found.schedules[0], atol=1e-6 * self.largest)
        who = [""] if same else [f" of trader {i + 1}" for i in range(self.n_players)]
        schedules = {f"trades{w}": found.schedules[i].ravel() for i, w in enumerate(who)}
        exact = found.error <= 1e-8 * max(1.0, float(np.abs(found.costs).max()))
        return Profile(name, concept, -found.costs, found.method, quantities=schedules, exact=exact, error=found.error)

    def _numbers(self) -> dict[str, float]:
        """Other schedules, costed in this game: means over agents."""
        game = self.game
        numbers = {"shortfall of TWAP": float(game.costs(game.twap()).mean())}
        with suppress(TacitError):  # no best response: the diagnosis says so
            numbers["what a trader could gain against TWAP"] = float(exploitability(game, game.twap()).max())
        if (bound := lower_bound(game)) is not None:
            numbers[f"least possible sum of shortfalls{'' if self.buying else ' without purchases'}"] = bound
        if (paper := self.schied_zhang()) is not None:
            shortfall = float(game.costs(paper).mean())
            numbers["shortfall of the Schied-Zhang schedule (equilibrium of another game)"] = shortfall
            with suppress(TacitError):
                numbers["what a trader could gain against Schied-Zhang"] = float(exploitability(game, paper).max())
        return numbers

    def schied_zhang(self) -> Floats | None:
        """The continuous-time equilibrium under shared temporary impact, at this game's times: (agents, steps, 1).

        None where its model does not apply: several assets, impact that decays or varies in time.
        """
        if not isinstance(self.kernel, Permanent) or self.cross_impact is not None or self.temporary == 0:
            return None
        if isinstance(self.temporary, tuple) or isinstance(self.permanent, tuple):
            return None
        return liquidation_closed.schied_zhang(
            self.endowments[:, 0], self.steps, self.steps * self.tau, temporary=self.temporary,
            permanent=self.permanent, risk_aversion=self.risk_aversion, volatility=self.volatility,
        )  # fmt: skip

    # --- play --------------------------------------------------------------------------------------------------

    @property
    def horizon(self) -> int:
        return self.steps

    @property
    def seen_prices(self) -> tuple[float, float]:
        """Prices that networks see as -1 and 1."""
        if self.price_range is not None:
            return self.price_range
        reach = float(np.max(self.permanent) * np.abs(self.endowments).sum())
        reach = reach or 4 * self.volatility * np.sqrt(self.steps * self.tau) or 1.0
        return self.price - reach, self.price + reach

    def roles(self) -> tuple[Role, ...]:
        names = tuple(
            f"{name}{suffix}"
            for name in self.observes
            for suffix in ([""] if name == "time" else _suffixes(self.assets))
        )
        return (Role(self.role, len(self.inventories), names, Continuous(self.assets)),)

    def quantities(self) -> tuple[Quantity, ...]:
        known = Quantity("trade", "shares"), Quantity("inventory", "shares"), Quantity("price", "currency", False)
        return tuple(x._replace(name=x.name + suffix) for suffix in _suffixes(self.assets) for x in known)

    # --- what play needs, beside the parameters ----------------------------------------------------------------

    @property
    def grid(self) -> int:
        """Number of candidates of one asset."""
        if self.trades == "parts":
            return self.parts + 1
        most = int(np.floor(self.largest))
        return 2 * most + 1 if self.buying else most + 1

    @property
    def tossing(self) -> bool:
        return bool(np.any(self.blocks.toss))

    @property
    def drifting(self) -> bool:
        """Whether liquidity is random."""
        return self.liquidity is not None

    @property
    def triangle(self) -> bool:
        return self.features == "triangle"

    @cached_property
    def blocks(self) -> Blocks:
        """What a share takes off prices, by step and asset."""
        at_once = np.broadcast_to(np.asarray(self.temporary) / self.tau, (self.steps,)).repeat(self.assets)
        return self.impact().blocks(at_once, self.shared_temporary)

    @property
    def step_volatility(self) -> float:
        return self.volatility * np.sqrt(self.tau)

    @property
    def drift(self) -> Drift:
        law = self.liquidity
        if law is None:
            return Drift(0.0, np.zeros(2), 0.0)
        means = np.array([np.max(self.permanent), np.max(self.temporary)])
        noises = np.array([law.permanent_noise, law.temporary_noise])
        relative = np.divide(noises, np.sqrt(means), out=np.zeros(2), where=means > 0) * np.sqrt(law.dt)
        return Drift(law.reversion * law.dt, relative, law.correlation)

    @property
    def risk(self) -> float:
        """Penalty for each squared share held after a trade."""
        return self.risk_aversion * self.volatility**2 * self.tau

    def dynamics(self) -> "ExecutionDynamics":
        return built(ExecutionDynamics, self)


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

    Agent i gets the price ``price + noise - lasting_own[t] v_i - lasting_cross[t] sum_{j != i} v_j -
    temporary_own[t] v_i[t] - temporary_cross[t] sum_{j != i} v_j[t] - toss[t] sum_{j before i} v_j[t]``; everybody sees
    ``price + noise - mid[t] sum_j v_j``.
    """

    roles: tuple[Role, ...] = eqx.field(static=True)
    trades: str = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    assets: int = eqx.field(static=True)
    grid: int = eqx.field(static=True)
    buying: bool = eqx.field(static=True)
    tossing: bool = eqx.field(static=True)
    drifting: bool = eqx.field(static=True)
    triangle: bool = eqx.field(static=True)
    foresee_last_trade: bool = eqx.field(static=True)
    reward: str = eqx.field(static=True)
    observes: tuple[str, ...] = eqx.field(static=True)
    blocks: Blocks
    endowments: Float[Array, "agents assets"]
    price: Float[Array, ""]  # the first
    step_volatility: Float[Array, ""]
    drift: Drift
    risk: Float[Array, ""]
    seen_prices: Float[Array, " 2"]

    @property
    def largest(self) -> Float[Array, ""]:
        """Most shares that anybody begins with."""
        return jnp.max(jnp.abs(self.endowments))

    # --- the game ----------------------------------------------------------------------------------------------

    def reset(self, key: PRNGKeyArray) -> ExecutionState:
        agents, nothing = len(self.endowments), jnp.zeros(self.assets)
        pushed = jnp.zeros((agents, self.steps, self.assets))
        prices = nothing + self.price
        return ExecutionState(
            jnp.zeros((), jnp.int32), self.endowments, pushed, nothing, jnp.ones(2), prices, pushed[:, 0]
        )

    def mid_price(self, state: ExecutionState) -> Float[Array, " assets"]:
        """What everybody sees before the next trade."""
        step = jnp.minimum(state.step, self.steps - 1)  # after the last trade there is none
        return self.price + state.noise - jnp.tensordot(self.blocks.mid[step], state.pushed.sum(axis=0), 2)

    def observe(self, state: ExecutionState) -> dict[str, Float[Array, "agents observation"]]:
        agents, price = len(self.endowments), self.mid_price(state)

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
        return {self.roles[0].name: jnp.concatenate([parts[name] for name in self.observes], axis=1)}

    def admissible(self, state: ExecutionState, actions: Actions) -> Actions:
        """All that is left in the last step; nothing where a trade would lead beyond the inventories allowed."""
        trades, left = actions[self.roles[0].name], state.inventory
        bound = self.largest if self.buying else jnp.zeros(())
        low, high = jnp.minimum(self.endowments, -bound), jnp.maximum(self.endowments, bound)
        after = left - trades
        inside = (after >= jnp.minimum(low, 0) - SLACK) & (after <= jnp.maximum(high, 0) + SLACK)
        chosen = jnp.where(inside, trades, 0.0)
        return {self.roles[0].name: jnp.where(state.step == self.steps - 1, left, chosen)}

    def step(self, key: PRNGKeyArray, state: ExecutionState, actions: Actions) -> tuple[ExecutionState, Outcome]:
        trades = actions[self.roles[0].name]
        t, draws = state.step, jax.random.uniform(key, (self.assets + len(trades) + 2,))
        seen = self.mid_price(state)
        pushed = jax.lax.dynamic_update_index_in_dim(state.pushed, trades * state.liquidity[0], t, axis=1)
        price = self.price + state.noise - self._impact(pushed, trades, state, draws[self.assets : -2])
        inventory = state.inventory - trades
        reference = self.price * (trades if self.reward == "trade" else self.endowments / self.steps)
        rewards = jnp.sum(price * trades - reference - self.risk * inventory**2, axis=1)
        after = ExecutionState(
            t + 1, inventory, pushed, state.noise + self.step_volatility * normal(draws[: self.assets]),
            self._liquidity(state.liquidity, normal(draws[-2:])), seen, trades,
        )  # fmt: skip
        info = {f"trade{s}": trades[:, a] for a, s in enumerate(_suffixes(self.assets))}
        info |= {f"inventory{s}": inventory[:, a] for a, s in enumerate(_suffixes(self.assets))}
        info |= {f"price{s}": seen[a] for a, s in enumerate(_suffixes(self.assets))}
        return after, Outcome({self.roles[0].name: rewards}, t + 1 >= self.steps, jnp.zeros((), bool), info)

    def _impact(
        self, pushed: Float[Array, "agents steps assets"], trades: Float[Array, "agents assets"],
        state: ExecutionState, draws: Float[Array, " agents"],
    ) -> Float[Array, "agents assets"]:  # fmt: skip
        """How far below the undisturbed price each agent trades."""
        t = state.step
        others, others_now = pushed.sum(axis=0) - pushed, trades.sum(axis=0) - trades
        lasting = jnp.tensordot(pushed, self.blocks.lasting_own[t], ((1, 2), (1, 2)))
        lasting += jnp.tensordot(others, self.blocks.lasting_cross[t], ((1, 2), (1, 2)))
        temporary = trades @ self.blocks.temporary_own[t].T + others_now @ self.blocks.temporary_cross[t].T
        total = lasting + state.liquidity[1] * temporary
        if self.tossing:
            earlier = (draws[None, :] < draws[:, None]).astype(trades.dtype)  # row: who pays, column: for whom
            total += state.liquidity[0] * (earlier @ trades) @ self.blocks.toss[t].T
        return total

    def _liquidity(self, now: Float[Array, " 2"], shocks: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Square-root process around 1, kept above 0."""
        if not self.drifting:
            return now
        rho = self.drift.correlation
        second = rho * shocks[0] + jnp.sqrt(1 - rho**2) * shocks[1]
        correlated = jnp.stack([shocks[0], second])
        moved = now + self.drift.reversion * (1 - now) + self.drift.noise * jnp.sqrt(now) * correlated
        return jnp.maximum(moved, 0.0)

    def global_state(self, state: ExecutionState) -> Float[Array, " features"]:
        price = self._scaled_price(self.mid_price(state))
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
        return jnp.concatenate([scaled[name] for name in self.observes])

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
        if self.trades == "whole" and self.buying:
            reach = self.largest + SLACK  # of the inventory after the trade
            least, most = jnp.ceil(left - reach), jnp.floor(left + reach)
            values = least + jnp.arange(self.grid, dtype=jnp.float32)[:, None]
            feasible = jnp.minimum(most - least + 1, self.grid)[0].astype(int)
        elif self.trades == "whole":
            values = jnp.sign(left) * jnp.arange(self.grid, dtype=jnp.float32)[:, None]
            feasible = jnp.floor(jnp.abs(left[0])).astype(int) + 1
        else:
            parts = jnp.linspace(0.0, 1.0, self.grid)
            mesh = jnp.stack(jnp.meshgrid(*[parts] * self.assets, indexing="ij"), axis=-1)
            values = mesh.reshape(-1, self.assets) * left
            feasible = jnp.where(jnp.any(left != 0), len(values), 1)
        if self.foresee_last_trade:
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
        sizes = [1 if name == "time" else self.assets for name in self.observes]
        ends = [sum(sizes[: k + 1]) for k in range(len(sizes))]
        return dict(zip(self.observes, jnp.split(observation, ends[:-1]), strict=True))

    def _scaled_time(self, time: Array) -> Array:
        half = max(self.steps - 1, 1) / 2
        return (time - half) / half

    def _scaled_price(self, price: Array) -> Array:
        low, high = self.seen_prices
        return jnp.clip(2 * (price - low) / (high - low) - 1, -1, 1)


def _suffixes(assets: int) -> list[str]:
    return [""] if assets == 1 else [f"-{a + 1}" for a in range(assets)]
