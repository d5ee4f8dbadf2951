"""A portfolio managed by a team: each manager sees the signal of its own sector, and all share the result."""

from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Annotated, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tacitlab.errors import TacitError
from tacitlab.markets.base import Continuous, Market, Quantity, Role
from tacitlab.markets.motion import Actions, Dynamics, Outcome, built
from tacitlab.markets.portfolio import grid as grids
from tacitlab.markets.portfolio import memory, trading
from tacitlab.markets.portfolio import theory as static
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Concept, Profile

Floats = NDArray[np.float64]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Correlation = Annotated[float, Field(ge=-1, le=1)]
Correlations = Correlation | tuple[tuple[Correlation, ...], ...]

FEW = 4  # sectors up to which the optimum on a grid of weights is computed
CLOSED = "closed form"
OWN_RULES = ("independent", "radner")  # each manager's weight depends on its own signal and holding alone
ALONE = (
    "each manager is paid for its own sector, and nobody else's weight matters to it; to judge the outcome as that of "
    "a team, test with test.environment={reward: team}"
)


class PortfolioState(NamedTuple):
    """Between two steps."""

    time: Int[Array, ""]
    signal: Float[Array, " sectors"]  # expected returns of this step
    seen: Float[Array, " sectors"]  # the same, noise included
    holding: Float[Array, " sectors"]  # weights of the step before


@lru_cache(maxsize=16)
def linear_optimum(market: "Portfolio") -> trading.Trading:
    """The best team of own signals and holdings: benchmark and scripted rule, found once."""
    return trading.linear_optimum(market.team)


class Portfolio(Market):
    """A portfolio managed by a team: each manager sees its own sector's signal and chooses that sector's weight.

    Returns are r = s + e with signals s ~ N(0, T) and noise e ~ N(0, Sigma). With weights w the team gets, in every
    step, ``w'r - (risk_aversion/2) w'Sigma w - sum trading_cost_i (change of w_i)²/2``. Everybody is paid that, or
    (``reward: own``) the same for its own sector alone, so that it ignores what its weight does to the risk of the
    others. Payoffs are means of a step.

    Managers who share the reward but not the signals can do no better than the team optimum of Radner (1962); one mind
    that sees all signals can. With ``steps`` above 1 signals come back to their mean; trading costs then make holdings
    matter (Garleanu and Pedersen 2013), and ``observation_noise`` makes the past matter: who remembers, filters.

    An action is a weight in units of signal_sd/(risk_aversion return_sd²), what a manager who is alone holds for a
    signal of one standard deviation.

    References
    ----------
    R. Radner, Annals of Mathematical Statistics 33 (1962) 857-881; N. Garleanu and L. Pedersen, Journal of Finance 68
    (2013) 2309-2340.

    Examples
    --------
    >>> found = Portfolio().benchmarks()
    >>> [(profile.name, round(profile.average, 6)) for profile in (*found.competitive, *found.cooperative)]
    [('independent', 0.75), ('centralised', 1.0), ('team optimum', 0.8)]
    """

    role: ClassVar[str] = "manager"
    payoff_name: ClassVar[str] = "utility"

    kind: Literal["portfolio"] = "portfolio"
    sectors: int = param(2, "number of sectors and of their managers, n", "agents", ge=1, le=100)
    correlation_signal: Correlations = param(0.5, "correlation of the sectors' signals: one number, or a matrix")
    correlation_return: Correlations = param(0.5, "correlation of the returns' noise: one number, or a matrix")
    signal_sd: Positive | tuple[Positive, ...] = param(1.0, "standard deviation of the signals: one, or a list")
    return_sd: Positive | tuple[Positive, ...] = param(1.0, "standard deviation of the returns' noise")
    risk_aversion: float = param(1.0, "risk aversion of the team, gamma", gt=0)
    steps: int = param(1, "length of an episode; 1: the static team", "steps", ge=1, le=100_000)
    persistence: Share | tuple[Share, ...] = param(0.9, "autocorrelation of signals from step to step, phi")
    trading_cost: NonNegative | tuple[NonNegative, ...] = param(
        0.0, "changing a weight by d costs this times d²/2; the first step buys from nothing"
    )
    observation_noise: float = param(0.0, "standard deviation of what is added to a signal before it is seen", ge=0)
    reward: Literal["team", "own"] = param("team", "what a manager is paid: the team's utility, or its own sector's")
    realised: bool = param(True, "utility counts realised returns, noise included; false: those expected")
    observe: Literal["own", "all"] = param("own", "whose signals and holdings a manager sees")
    grid: int = param(21, "number of weights that value-based learners compare", ge=2, le=10_001)
    reach: float = param(3.0, "the largest of these weights, in units of an action", gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> "Portfolio":
        n = self.sectors
        for name in ("signal_sd", "return_sd", "persistence", "trading_cost"):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != n:
                raise ValueError(f"{name}: {len(value)} numbers for {n} sectors; give one number, or one for each")
        for name in ("correlation_signal", "correlation_return"):
            self._check_correlations(name)
        if self.observation_noise and self.costly:
            raise ValueError(
                "observation_noise: with trading costs besides, no optimum is known; set one of the two to 0"
            )
        try:
            self.team  # noqa: B018
        except TacitError as error:  # of the matrices: named as they are here
            name, _, rest = str(error).partition(": ")
            names = {"signal": "correlation_signal", "risk": "correlation_return"}
            raise ValueError(f"{names.get(name, name)}: {rest}") from None
        return self

    def _check_correlations(self, name: str) -> None:
        found = getattr(self, name)
        if not isinstance(found, tuple):
            return
        if [len(row) for row in found] != [self.sectors] * self.sectors:
            raise ValueError(f"{name}: not a square matrix for {self.sectors} sectors; give a row for each sector")
        if any(found[k][k] != 1 for k in range(self.sectors)):
            raise ValueError(f"{name}: the diagonal is not 1; scale sectors by signal_sd and return_sd")

    # --- what happens --------------------------------------------------------------------------------------------

    @property
    def horizon(self) -> int:
        return self.steps

    @property
    def payoff_steps(self) -> int:
        return self.steps

    @property
    def n_players(self) -> int:
        return self.sectors

    @property
    def common_reward(self) -> bool:
        return self.reward == "team"

    @property
    def costly(self) -> bool:
        """Whether changing weights costs anything: then holdings and time matter."""
        return bool(np.any(np.array(self.trading_cost) > 0))

    @property
    def alike(self) -> bool:
        """Whether any two sectors could change places; otherwise managers see the number of theirs."""
        team, apart = self.team, ~np.eye(self.sectors, dtype=bool)
        each = (np.diag(team.signal), np.diag(team.risk), team.persistence, team.cost)
        pairs = (team.signal[apart], team.risk[apart])
        return all(np.ptp(values) == 0 for values in (*each, *pairs) if values.size)

    @cached_property
    def team(self) -> static.Team:
        """The market as theory sees it."""
        n = self.sectors
        t, sigma = (
            static.covariance(np.broadcast_to(np.array(sd, dtype=float), (n,)), np.array(rho, dtype=float))
            for sd, rho in ((self.signal_sd, self.correlation_signal), (self.return_sd, self.correlation_return))
        )
        return static.Team.of(
            t, sigma, self.risk_aversion, noise=self.observation_noise, persistence=self.persistence,
            cost=self.trading_cost, steps=self.steps,
        )  # fmt: skip

    def roles(self) -> tuple[Role, ...]:
        others = ["", *(f" {k} further" for k in range(1, self.sectors))] if self.pooled else [""]
        seen = [f"signal{which}" for which in others]
        if self.costly:
            seen += [f"holding{which}" for which in others] + ["step"]
        if not self.alike:
            seen.append("sector")
        return (Role(self.role, self.sectors, tuple(seen), Continuous(1)),)

    def quantities(self) -> tuple[Quantity, ...]:
        return (
            Quantity("team_utility", "", False),
            Quantity("team_return", "", False),
            Quantity("team_risk", "", False),
            Quantity("team_cost", "", False),
            Quantity("weight", ""),
            Quantity("signal", ""),
            Quantity("own_utility", ""),
            Quantity("response", "weight/signal"),
        )

    def rules(self) -> dict[str, str]:
        found = {
            "hold": "invests nothing",
            "independent": "does what is best for its own sector and ignores the others",
            "radner": "the team optimum for managers who see their own signals",
        }
        if self.costly:
            found["radner"] = "the best team of own signals and holdings (numerical)"
        if self.observation_noise and self.steps > 1:
            found["radner"] = "the team optimum for managers who see their own signals and remember nothing"
        if self.pooled:
            found["centralised"] = "what one mind does that sees what all managers see"
        return found

    def dynamics(self) -> "PortfolioDynamics":
        return built(PortfolioDynamics, self)

    # --- numbers of play -----------------------------------------------------------------------------------------

    @property
    def pooled(self) -> bool:
        """Whether managers see all signals and holdings."""
        return self.observe == "all"

    def units(self) -> Floats:
        """Weights that an action of 1 stands for, (sectors,): signal_sd/(risk_aversion return_sd²)."""
        team = self.team
        return np.sqrt(np.diag(team.signal)) / (team.aversion * np.diag(team.risk))

    @property
    def deviation(self) -> Floats:
        """Standard deviations of what is seen, (sectors,)."""
        return np.sqrt(np.diag(self.team.seen))

    @property
    def autocorrelation(self) -> Floats:
        """phi, persistence of each sector's signal, (sectors,)."""
        return self.team.persistence

    @property
    def first(self) -> Floats:
        """Square root of the covariance of signals, by which the first ones are drawn, (sectors, sectors)."""
        return static.root(self.team.signal)

    @property
    def fresh(self) -> Floats:
        """That of what is new in later signals."""
        return static.root(self.team.innovation)

    @property
    def shock(self) -> Floats:
        """That of the returns' noise."""
        return static.root(self.team.risk)

    @property
    def noise(self) -> Floats:
        """Standard deviations of what is added to signals before they are seen, (sectors,)."""
        return self.team.noise

    @property
    def risk(self) -> Floats:
        """Risk aversion times the covariance of the returns' noise, (sectors, sectors)."""
        return self.team.aversion * self.team.risk

    @property
    def cost(self) -> Floats:
        """Trading costs, (sectors,)."""
        return self.team.cost

    @property
    def own_gains(self) -> Floats:
        """Weights for the own signal and the own holding under ``OWN_RULES``: (rules, 2, steps, sectors).

        Without trading costs they are the same in every step, and there is but one.
        """
        team = self.team
        if self.costly:
            policies = (trading.independent(team), linear_optimum(self))
            return np.stack([[np.einsum("tii->ti", p.react), np.einsum("tii->ti", p.keep)] for p in policies])
        gains = np.stack([static.independent(team).own, static.team_optimum(team).own])[:, None, None]
        return np.concatenate([gains, np.zeros_like(gains)], axis=1)

    @property
    def pooled_gains(self) -> Floats:
        """The same of one mind for all signals and holdings: (2, steps, sectors, sectors).

        The own sector's come first, then those of the next ones, around the circle.
        """
        if self.costly:
            one = trading.centralised(self.team)
            whole = np.stack([one.react, one.keep])
        else:
            alone = static.centralised(self.team).gains[None, None]
            whole = np.concatenate([alone, np.zeros_like(alone)])
        i, k = np.arange(self.sectors)[:, None], np.arange(self.sectors)
        return np.asarray(whole[:, :, i, (i + k) % self.sectors])

    def rule_values(self) -> dict[str, Floats]:
        if self.reward == "own":
            return {}
        team, found = self.team, {"hold": 0.0}
        if self.costly:
            alone, together, one = trading.independent(team), linear_optimum(self), trading.centralised(team)
            found |= {"independent": alone.value, "radner": together.value, "centralised": one.value}
        else:
            found |= {"independent": static.independent(team).value, "radner": static.team_optimum(team).value}
            found["centralised"] = static.centralised(team).value
        return {rule: np.full(self.sectors, found[rule]) for rule in self.rules() if rule in found}

    # --- theory --------------------------------------------------------------------------------------------------

    def benchmarks(self) -> Benchmarks:
        """Independent managers (0), one mind that sees all signals (1), and the team optimum between them."""
        if self.reward == "own":
            return self._alone()
        if self.costly:
            found = self._trading()
        else:
            found = self._hidden() if self.observation_noise and self.steps > 1 else self._static()
        low, room = found.nash.average, found.optimum.average - found.nash.average
        if room <= 1e-9 * abs(found.optimum.average):
            note = "no correlation makes managers matter to each other: all benchmarks coincide"
            return replace(found, notes=(*found.notes, note))
        places = [f"{one.name} at {(one.average - low) / room:.0%}" for one in found.cooperative[1:]]
        note = f"of the way from {found.nash.name} to {found.optimum.name}: {', '.join(places)}"
        return replace(found, notes=(note, *found.notes))

    def _profile(
        self, name: str, concept: Concept, value: float, method: str, error: float = 0.0, response: Floats | None = None
    ) -> Profile:
        """A benchmark that pays everybody the same."""
        quantities = {} if response is None else {"response": response}
        return Profile(
            name, concept, np.full(self.sectors, value), method, quantities=quantities, exact=error == 0, error=error
        )

    def _static(self) -> Benchmarks:
        """Weights cost nothing to change and nothing is hidden behind noise that memory could remove."""
        team = self.team
        alone, best, one = static.independent(team), static.team_optimum(team), static.centralised(team)
        seen = np.diag(one.gains @ team.seen) / np.diag(team.seen)
        return Benchmarks(
            (self._profile("independent", "independent", alone.value, CLOSED, response=alone.own),),
            (
                self._profile("centralised", "joint-optimum", one.value, CLOSED, response=seen),
                self._profile("team optimum", "team-optimum", best.value, f"{CLOSED} (Radner)", response=best.own),
            ),
            False,
            self._on_grid(),
        )

    def _trading(self) -> Benchmarks:
        """Trading costs: linear-quadratic control, and teams in innovations."""
        team = self.team
        alone, one, linear = trading.independent(team), trading.centralised(team), linear_optimum(self)
        best = trading.team_optimum_value(team)
        mine, everybody = (trading.responses(team, found.react, found.keep) for found in (alone, one))
        together = trading.responses(team, linear.react, linear.keep)
        cooperative = [
            self._profile("centralised", "joint-optimum", one.value, "Riccati recursion", response=everybody),
            self._profile("team optimum", "team-optimum", best, "Riccati recursion in own innovations"),
        ]
        if linear.error > 1e-9 * abs(best):
            method = "ascent over gains; error: distance from the team optimum, which remembers own signals"
            name = "own signal and holding"
            cooperative.append(self._profile(name, "team-optimum", linear.value, method, linear.error, together))
        method = "Riccati recursion of each sector; moments"
        competitive = (self._profile("independent", "independent", alone.value, method, response=mine),)
        return Benchmarks(competitive, tuple(cooperative), False)

    def _hidden(self) -> Benchmarks:
        """Persistent signals behind noise: what memory is worth."""
        team = self.team
        alone, best = static.independent(team), static.team_optimum(team)
        competitive = (
            self._profile("independent", "independent", alone.value, CLOSED, response=alone.own),
            self._profile(
                "independent with memory", "independent", memory.independent_value(team), "Kalman filters; moments"
            ),
        )
        cooperative = (
            self._profile("centralised with memory", "joint-optimum", memory.pooled_value(team), "Kalman filter"),
            self._profile(
                "team optimum with memory", "team-optimum", memory.history_value(team), "Radner, with own histories"
            ),
            self._profile("team optimum", "team-optimum", best.value, f"{CLOSED} (Radner)", response=best.own),
        )
        numbers = {
            "centralised without memory": static.centralised(team).value,
            "best team of managers who act on their own Kalman filters": memory.filtered_value(team),
        }
        return Benchmarks(competitive, cooperative, False, numbers | self._on_grid())

    def _on_grid(self) -> dict[str, float]:
        """The team optimum of managers without memory whose weights come from the grid."""
        if self.sectors > FEW:
            return {}
        found = grids.grid_optimum(self.team, self.units()[:, None] * np.linspace(-self.reach, self.reach, self.grid))
        return {"team optimum on the grid of weights, at least": found.value, "and at most": found.highest}

    def _alone(self) -> Benchmarks:
        """Nobody's reward depends on the others: the best for each is the best for all, as they are paid."""
        team = self.team
        if self.costly:
            policy = trading.independent(team)
            payoffs = trading.own_values(team, policy.react, policy.keep)
            value, method = policy.value, "Riccati recursion of each sector"
            response = trading.responses(team, policy.react, policy.keep)
        else:
            load = team.aversion * np.diag(team.risk)[:, None]
            # Others' noisy observations tell of one's own signal.
            gains = static.estimate(team) / load if self.pooled else static.independent(team).gains
            payoffs, value, method = static.own_values(team, gains), static.value(team, gains), CLOSED
            response = np.diag(gains @ team.seen) / np.diag(team.seen)
        quantities = {"response": response, "team_utility": np.array([value])}
        one = Profile("independent", "nash", payoffs, method, quantities=quantities)
        all_together = Profile("joint optimum", "joint-optimum", payoffs, method, quantities=quantities)
        forgets = ("of managers who remember nothing",) if self.observation_noise and self.steps > 1 else ()
        return Benchmarks((one,), (all_together,), False, {"team utility": value}, (ALONE, *forgets))


class PortfolioDynamics(Dynamics):
    """Everybody chooses a weight; returns are drawn; signals come back towards their mean."""

    roles: tuple[Role, ...] = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    pooled: bool = eqx.field(static=True)
    costly: bool = eqx.field(static=True)
    alike: bool = eqx.field(static=True)
    grid: int = eqx.field(static=True)
    common_reward: Bool[Array, ""]
    realised: Float[Array, ""]  # 1: returns count with their noise; 0: without
    reach: Float[Array, ""]
    units: Float[Array, " sectors"]
    deviation: Float[Array, " sectors"]
    autocorrelation: Float[Array, " sectors"]
    first: Float[Array, "sectors sectors"]
    fresh: Float[Array, "sectors sectors"]
    shock: Float[Array, "sectors sectors"]
    noise: Float[Array, " sectors"]
    risk: Float[Array, "sectors sectors"]
    cost: Float[Array, " sectors"]
    own_gains: Float[Array, "rules 2 steps sectors"]
    pooled_gains: Float[Array, "2 steps sectors sectors"]

    @property
    def sectors(self) -> int:
        return self.roles[0].agents

    def reset(self, key: PRNGKeyArray) -> PortfolioState:
        """Signals of the first step, and no holdings."""
        draws = jax.random.normal(key, (2, self.sectors))
        signal = self.first @ draws[0]
        seen = signal + self.noise * draws[1]
        return PortfolioState(jnp.zeros((), jnp.int32), signal, seen, jnp.zeros_like(signal))

    # --- what managers see -----------------------------------------------------------------------------------------

    def observe(self, state: PortfolioState) -> dict[str, Float[Array, "_ _"]]:
        columns = [self._visible(state.seen)]
        if self.costly:
            step = jnp.full((self.sectors, 1), state.time, state.seen.dtype)
            columns += [self._visible(state.holding), step]
        if not self.alike:
            columns.append(jnp.arange(self.sectors, dtype=state.seen.dtype)[:, None])
        return {self.roles[0].name: jnp.concatenate(columns, axis=1)}

    def _visible(self, values: Float[Array, " sectors"]) -> Float[Array, "sectors visible"]:
        """Of each sector's numbers: one's own; or all, one's own first, then the next ones, around the circle."""
        if not self.pooled:
            return values[:, None]
        around = (np.arange(self.sectors)[:, None] + np.arange(self.sectors)) % self.sectors
        return values[around]

    def _parts(
        self, observation: Float[Array, " observation"]
    ) -> tuple[Array, Array, Float[Array, ""], Int[Array, ""]]:
        """Signals, holdings, step and sector; what is not seen is 0."""
        many = self.sectors if self.pooled else 1
        signals, rest = observation[:many], observation[many:]
        holdings, step = (rest[:many], rest[many]) if self.costly else (jnp.zeros_like(signals), jnp.zeros(()))
        sector = jnp.zeros((), int) if self.alike else observation[-1].astype(int)
        return signals, holdings, step, sector

    def features(self, role: Role, observation: Float[Array, " observation"]) -> Float[Array, " features"]:
        """Signals in standard deviations, holdings in units of actions, step and sector from -1 to 1."""
        signals, holdings, step, sector = self._parts(observation)
        which = (sector + jnp.arange(signals.size)) % self.sectors
        columns = [signals / self.deviation[which]]
        if self.costly:
            columns += [holdings / self.units[which], (2 * step / max(self.horizon - 1, 1) - 1)[None]]
        if not self.alike:
            columns.append((2 * sector / max(self.sectors - 1, 1) - 1)[None])
        return jnp.concatenate(columns)

    def global_state(self, state: PortfolioState) -> Float[Array, " features"]:
        """The step, all signals as they are and as they are seen, and all holdings."""
        step = (2 * state.time / max(self.horizon - 1, 1) - 1)[None].astype(state.seen.dtype)
        return jnp.concatenate([step, state.signal / self.deviation, state.seen / self.deviation,
                                state.holding / self.units])  # fmt: skip

    # --- what happens ----------------------------------------------------------------------------------------------

    def candidates(
        self, role: Role, observation: Float[Array, " observation"]
    ) -> tuple[Float[Array, "candidates size"], Int[Array, ""]]:
        """Actions on a grid that is symmetric around 0."""
        return self.reach * jnp.linspace(-1.0, 1.0, self.grid)[:, None], jnp.asarray(self.grid)

    def step(self, key: PRNGKeyArray, state: PortfolioState, actions: Actions) -> tuple[PortfolioState, Outcome]:
        draws = jax.random.normal(key, (3, self.sectors))
        weight = self.units * actions[self.roles[0].name][:, 0].astype(state.signal.dtype)
        returns = state.signal + self.realised * (self.shock @ draws[0])
        earned, cost = weight * returns, self.cost * (weight - state.holding) ** 2 / 2
        risk = weight @ self.risk @ weight / 2
        team = jnp.sum(earned) - risk - jnp.sum(cost)
        own = earned - jnp.diag(self.risk) * weight**2 / 2 - cost
        signal = self.autocorrelation * state.signal + self.fresh @ draws[1]
        after = PortfolioState(state.time + 1, signal, signal + self.noise * draws[2], weight)
        info = {
            "team_utility": team,
            "team_return": jnp.sum(earned),
            "team_risk": risk,
            "team_cost": jnp.sum(cost),
            "weight": weight,
            "signal": state.signal,
            "own_utility": own,
            "response": weight * state.seen / self.deviation**2,
        }
        rewards = jnp.where(self.common_reward, team, own)
        over = state.time + 1 >= self.horizon
        return after, Outcome({self.roles[0].name: rewards}, over, jnp.zeros((), bool), info)

    # --- rules -----------------------------------------------------------------------------------------------------

    def follow(
        self, rule: str, role: Role, observation: Float[Array, " observation"], draws: Float[Array, " draws"]
    ) -> Float[Array, " size"]:
        if rule == "hold":
            return jnp.zeros(1, observation.dtype)
        signals, holdings, step, sector = self._parts(observation)
        time = jnp.minimum(step.astype(int), self.own_gains.shape[2] - 1)
        if rule in OWN_RULES:
            react, keep = self.own_gains[OWN_RULES.index(rule), :, time, sector]
            weight = react * signals[0] + keep * holdings[0]
        elif rule == "centralised" and self.pooled:
            react, keep = self.pooled_gains[:, time, sector]
            weight = react @ signals + keep @ holdings
        else:
            return super().follow(rule, role, observation, draws)
        return (weight / self.units[sector])[None].astype(observation.dtype)
