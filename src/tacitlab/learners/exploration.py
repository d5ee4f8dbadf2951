"""How exploration changes over time: probabilities of epsilon-greedy play, temperatures of Boltzmann play."""

import itertools
import math
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tacitlab.errors import TacitError
from tacitlab.schema import Spec, param

Knots = NDArray[np.float64]
NEVER = 2.0**62  # periods that no session lasts
NEGLIGIBLE = 1e-9  # of the first epsilon: a geometric decay stops there
MOST_KNOTS = 100_000


class Constant(Spec):
    """Epsilon-greedy play with the same exploration probability in every period.

    Examples
    --------
    >>> Constant(epsilon=0.1).knots(periods=1000)
    array([[0. , 0.1, 1. , 0. ]])
    """

    kind: Literal["constant"] = "constant"
    epsilon: float = param(0.1, "probability of a uniformly random action, epsilon", ge=0, le=1)

    def knots(self, periods: int) -> Knots:
        return np.array([[0.0, self.epsilon, 1.0, 0.0]])


class Exponential(Spec):
    """Epsilon-greedy play with epsilon_t = start * exp(-beta t), not below ``floor``.

    Give the rate a period (``beta``, Calvano et al. 2020) or over the whole run (``total_decay``: beta times the
    number of periods; 8 in Carissimo 2024, ln 10^6 in Klein 2021).

    Examples
    --------
    >>> time, level, factor, step = Exponential(total_decay=8).knots(periods=10_000)[0]
    >>> round(float(factor**10_000), 6)
    0.000335
    """

    kind: Literal["exponential"] = "exponential"
    start: float = param(1.0, "exploration probability in the first period", ge=0, le=1)
    beta: float | None = param(None, "decay rate, beta", "1/period", ge=0)
    total_decay: float | None = param(None, "decay rate times the number of periods", ge=0)
    floor: float = param(0.0, "least exploration probability", ge=0, le=1)

    @model_validator(mode="after")
    def _one_rate(self) -> "Exponential":
        if (self.beta is None) == (self.total_decay is None):
            raise ValueError("beta: give either beta (rate a period) or total_decay (rate times periods), and not both")
        return self

    def knots(self, periods: int) -> Knots:
        return _decay(self.start, _rate(self.beta, self.total_decay, periods), self.floor)


class Geometric(Spec):
    """Epsilon-greedy play with epsilon multiplied by ``factor`` every so many periods (Macrì and Lillo 2024).

    Examples
    --------
    >>> decay = Geometric(start=1, factor=0.995, every=75)
    >>> knots = decay.knots(periods=50_000)
    >>> len(knots), round(float(knots[-1, 1]), 4)  # 666 decays
    (667, 0.0355)
    """

    kind: Literal["geometric"] = "geometric"
    start: float = param(1.0, "exploration probability in the first period", ge=0, le=1)
    factor: float = param(0.995, "what epsilon is multiplied by", gt=0, lt=1)
    every: int = param(75, "how often", "periods", ge=1)
    floor: float = param(0.0, "least exploration probability", ge=0, le=1)

    def knots(self, periods: int) -> Knots:
        if self.floor > self.start:
            raise TacitError(f"learners.exploration.floor: {self.floor} is above the start {self.start}; lower it")
        least = max(self.floor, NEGLIGIBLE * self.start)
        most = math.ceil(math.log(least / self.start) / math.log(self.factor)) if self.start > 0 else 0
        if most > MOST_KNOTS:
            raise TacitError(f"learners.exploration.factor: {self.factor} is too near 1; use kind: exponential")
        steps = np.arange(min(most, (periods - 1) // self.every) + 1)
        levels = np.maximum(self.start * self.factor**steps, self.floor)
        return np.stack([steps * self.every, levels, np.ones(len(steps)), np.zeros(len(steps))], axis=1).astype(float)


class Schedule(Spec):
    """Epsilon-greedy play along points (period, epsilon), constant after the last.

    Examples
    --------
    >>> Schedule(points=[(0, 1.0), (100, 0.0)], between="linear").knots(periods=1000).tolist()
    [[0.0, 1.0, 1.0, -0.01], [100.0, 0.0, 1.0, 0.0]]
    """

    kind: Literal["schedule"] = "schedule"
    points: tuple[tuple[Annotated[int, Field(ge=0)], Annotated[float, Field(ge=0, le=1)]], ...] = param(
        ((0, 0.1),), "pairs of period and epsilon, from period 0 on", min_length=1
    )
    between: Literal["step", "linear", "exponential"] = param("step", "how epsilon moves between the points")

    @model_validator(mode="after")
    def _ordered(self) -> "Schedule":
        times = [time for time, _ in self.points]
        if times[0] != 0 or any(a >= b for a, b in itertools.pairwise(times)):
            raise ValueError("points: periods must start at 0 and increase; sort them and begin with period 0")
        if self.between == "exponential" and any(level <= 0 for _, level in self.points):
            raise ValueError("points: an exponential schedule needs epsilon above 0; use between: linear")
        return self

    def knots(self, periods: int) -> Knots:
        rows = []
        for (time, level), (after, goal) in zip(self.points, self.points[1:], strict=False):
            factor = (goal / level) ** (1 / (after - time)) if self.between == "exponential" else 1.0
            step = (goal - level) / (after - time) if self.between == "linear" else 0.0
            rows.append([time, level, factor, step])
        return np.array([*rows, [self.points[-1][0], self.points[-1][1], 1.0, 0.0]], dtype=np.float64)


class Boltzmann(Spec):
    """Play with probability proportional to exp(value / temperature); the temperature may decay.

    Waltman and Kaymak (2008): temperature 1000 * 0.99999^t is ``temperature=1000, beta=1.0000050000333e-05``.
    """

    kind: Literal["boltzmann"] = "boltzmann"
    temperature: float = param(1.0, "temperature in the first period", "payoff", gt=0)
    beta: float | None = param(None, "decay rate of the temperature; none: constant", "1/period", ge=0)
    total_decay: float | None = param(None, "decay rate times the number of periods", ge=0)
    floor: float = param(0.0, "least temperature; play is greedy at 0", "payoff", ge=0)

    @model_validator(mode="after")
    def _one_rate(self) -> "Boltzmann":
        if self.beta is not None and self.total_decay is not None:
            raise ValueError("beta: give beta (rate a period) or total_decay (rate times periods), not both")
        return self

    def knots(self, periods: int) -> Knots:
        return _decay(self.temperature, _rate(self.beta, self.total_decay, periods), self.floor)


EXPLORATIONS = (Constant, Exponential, Geometric, Schedule, Boltzmann)
Exploration = Annotated[Constant | Exponential | Geometric | Schedule | Boltzmann, Field(discriminator="kind")]
EpsilonGreedy = Annotated[Constant | Exponential | Geometric | Schedule, Field(discriminator="kind")]


def level_at(knots: Knots, time: float) -> float:
    """Exploration in one period, by the schedule.

    Examples
    --------
    >>> level_at(Exponential(start=1.0, beta=0.01).knots(periods=1000), 100)
    0.3678...
    """
    start, level, factor, step = knots[np.searchsorted(knots[:, 0], time, side="right") - 1]
    return float(level * factor ** (time - start) + step * (time - start))


def _rate(beta: float | None, total: float | None, periods: int) -> float:
    if beta is not None:
        return beta
    return 0.0 if total is None else total / periods


def _decay(start: float, rate: float, floor: float) -> Knots:
    if floor > start:
        raise TacitError(f"learners.exploration.floor: {floor} is above the start {start}; lower the floor")
    rows = [[0.0, start, math.exp(-rate), 0.0]]
    if floor > 0 and rate > 0:
        reached = float(np.ceil(math.log(start / floor) / rate))
        if reached < NEVER:
            rows.append([max(1.0, reached), floor, 1.0, 0.0])
    return np.array(rows)
