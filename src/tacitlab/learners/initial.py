"""Initial values of value learners."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tacitlab.games.base import CongestionForm, NormalForm
from tacitlab.games.naming import worst_nash
from tacitlab.learners.base import Observes, Seat, check_stored, refuse
from tacitlab.schema import Spec, param
from tacitlab.theory.equilibrium import joint_optimum
from tacitlab.theory.repeated import RepeatedPlay

MOST = 1e12  # initial values beyond it would overflow in the end
Value = Annotated[float, Field(ge=-MOST, le=MOST)]
Values = tuple[NDArray[np.float64], tuple[float, float] | None]


def _everywhere(seat: Seat, by_action: NDArray[np.float64]) -> Values:
    return np.broadcast_to(by_action, (1, seat.states, seat.actions)), None


class UniformRivals(Spec):
    """Calvano et al. (2020): the mean payoff of an action while the others play at random, forever.

    ``Q_0(s, a) = mean over uniform rivals of payoff(a, .) / (1 - gamma)``
    """

    kind: Literal["uniform-rivals"] = "uniform-rivals"

    def values(self, seat: Seat, gamma: float) -> Values:
        form = seat.form
        if isinstance(form, CongestionForm):
            return _everywhere(seat, _against_random_crowd(form) / (1 - gamma))
        others = tuple(i for i in range(form.players) if i != seat.agent)
        if seat.regimes == 1:
            return _everywhere(seat, form.tensor()[..., seat.agent].mean(axis=others) / (1 - gamma))
        rows = [_mean_active(form, regime, seat.agent) / (1 - gamma) for regime in range(seat.regimes)]
        return np.tile(np.repeat(np.array(rows), seat.histories, axis=0), (seat.signals, 1))[None], None


class ConstantValue(Spec):
    """The same value everywhere."""

    kind: Literal["constant"] = "constant"
    value: float = param(0.0, "the value", "payoff", ge=-MOST, le=MOST)

    def values(self, seat: Seat, gamma: float) -> Values:
        return _everywhere(seat, np.full(seat.actions, self.value))


class UniformValues(Spec):
    """Independent uniform draws for every agent, state and action."""

    kind: Literal["uniform"] = "uniform"
    low: float = param(0.0, "lower end", "payoff", ge=-MOST, le=MOST)
    high: float = param(1.0, "upper end", "payoff", ge=-MOST, le=MOST)

    @model_validator(mode="after")
    def _ordered(self) -> "UniformValues":
        if self.high < self.low:
            raise ValueError(f"high: {self.high} is below low = {self.low}; exchange them")
        return self

    def values(self, seat: Seat, gamma: float) -> Values:
        return np.zeros((1, seat.states, seat.actions)), (self.low, self.high)


class GivenValues(Spec):
    """A table from the scenario: one value an action, or one row a state."""

    kind: Literal["given"] = "given"
    table: tuple[Value, ...] | tuple[tuple[Value, ...], ...] = param(..., "values by action, or by state and action")

    @model_validator(mode="after")
    def _rectangular(self) -> "GivenValues":
        lengths = {len(row) if isinstance(row, tuple) else 0 for row in self.table}
        if len(lengths) > 1:
            raise ValueError("table: its rows differ in length; give every state one value an action")
        return self

    def values(self, seat: Seat, gamma: float) -> Values:
        table = np.array(self.table, dtype=np.float64)
        if table.shape not in ((seat.actions,), (seat.states, seat.actions)):
            raise refuse(
                "initial.table", f"its shape is {table.shape}",
                f"give {seat.actions} values, or {seat.states} rows of {seat.actions}",
            )  # fmt: skip
        return _everywhere(seat, table)


class AlignedValues(Spec):
    """State k believes in action k: ``best`` there, ``rest`` elsewhere; for agents whose state is a recommendation.

    With ``shift`` 1 state k believes in action k + 1 (the first after the last), and the tables are misaligned with a
    recommender whose signal k means action k. States beyond the actions begin again.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> AlignedValues(shift=1).values(SimpleNamespace(states=3, actions=3), 0.0)[0][0]
    array([[-2., -1., -2.],
           [-2., -2., -1.],
           [-1., -2., -2.]])
    """

    kind: Literal["aligned"] = "aligned"
    best: float = param(-1.0, "value of the action that the state believes in", "payoff", ge=-MOST, le=MOST)
    rest: float = param(-2.0, "value of the others", "payoff", ge=-MOST, le=MOST)
    shift: int = param(0, "state k believes in action k + shift", ge=0)

    def values(self, seat: Seat, gamma: float) -> Values:
        states = np.arange(seat.states)
        table = np.full((1, seat.states, seat.actions), self.rest)
        table[0, states, (states + self.shift) % seat.actions] = self.best
        return table, None


class StrategyValues(Spec):
    """What every action is worth if all players follow given strategies from the next period on.

    ``nash``: the pure equilibrium of the stage game that pays least, forever. ``grim-trigger``: the joint optimum as
    long as everybody played it in the last period, the equilibrium otherwise (Calvano et al. 2020 start from both as
    robustness checks).
    """

    kind: Literal["nash", "grim-trigger"] = "nash"

    def values(self, seat: Seat, gamma: float) -> Values:
        form = seat.form
        seen = seat.memory == 0 or seat.observes is Observes.EVERYBODY
        if isinstance(form, CongestionForm) or seat.regimes > 1 or seat.signals > 1 or not seen:
            raise refuse(
                "initial.kind", f"{self.kind!r} needs a payoff table and agents who observe everybody",
                "choose uniform-rivals or constant",
            )  # fmt: skip
        payoffs = form.tensor()
        otherwise = f"learners.initial.kind: {self.kind!r}: the game has no pure equilibrium; choose uniform-rivals"
        worst = worst_nash(payoffs, otherwise)
        strategies = np.repeat(worst[:, None], seat.states, axis=1)
        if self.kind == "grim-trigger" and seat.memory > 0:
            best = joint_optimum(payoffs)
            newest = np.arange(seat.states) % seat.codes
            strategies[:, newest == np.ravel_multi_index(tuple(best), form.shape)] = best[:, None]
        play = RepeatedPlay(payoffs.reshape(-1, form.players), form.shape, seat.memory, strategies[None])
        return play.one_step_values(seat.agent, gamma), None


class TrainedValues(Spec):
    """The values that an agent of an earlier run ended with (that run needs ``keep_values: true``)."""

    kind: Literal["trained"] = "trained"
    run: str = param(..., "folder of the earlier run")
    agent: int = param(0, "which agent of the earlier run", ge=0)
    shift: int = param(0, "session s starts from session s + shift of that run", "sessions", ge=0)

    def values(self, seat: Seat, gamma: float) -> Values:
        table, _ = seat.trained(self.run, self.agent)
        if table is not None:
            check_stored(seat, len(table))
        else:
            raise refuse("initial.run", f"{self.run!r} kept no values", "repeat it with keep_values: true")
        if table.shape[1:] != (seat.states, seat.actions):
            raise refuse(
                "initial.run", f"its tables have shape {table.shape[1:]}",
                f"this game needs {(seat.states, seat.actions)}",
            )  # fmt: skip
        return np.roll(table, -self.shift, axis=0), None


def _mean_active(form: NormalForm, regime: int, agent: int) -> NDArray[np.float64]:
    """Mean payoff by own action in a regime; an inactive rival's only action is 0."""
    payoffs = form.tensor(regime)[..., agent]
    others = tuple(i for i in range(form.players) if i != agent)
    for i in others:
        if not form.active[regime, i]:
            payoffs = payoffs.take([0], axis=i)
    return payoffs.mean(axis=others)


def _against_random_crowd(form: CongestionForm) -> NDArray[np.float64]:
    """Expected payoff of each action while the others choose uniformly: loads are sums of independent draws."""
    payoffs = form.own.copy()
    for f in range(len(form.values)):
        single = np.bincount(form.incidence[f], minlength=form.incidence[f].max() + 1) / form.actions
        crowd = np.array([1.0])
        for _ in range(form.players - 1):
            crowd = np.convolve(crowd, single)
        for a in range(form.actions):
            own_load = form.incidence[f, a]
            payoffs[a] += form.weights[a, f] * (crowd @ form.values[f, own_load : own_load + len(crowd)])
    return payoffs


INITIALS = (
    UniformRivals, ConstantValue, UniformValues, GivenValues, AlignedValues, StrategyValues, TrainedValues,
)  # fmt: skip
Initial = Annotated[
    UniformRivals | ConstantValue | UniformValues | GivenValues | AlignedValues | StrategyValues | TrainedValues,
    Field(discriminator="kind"),
]
