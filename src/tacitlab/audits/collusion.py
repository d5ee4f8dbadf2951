"""Is it collusion? Statistics of frozen strategies, one value per session.

Outcome (the profit gain) and mechanism (are the strategies best responses, what would a best responder take?) are
separate measures; see :mod:`tacitlab.audits.impulse_response` for punishments. Definitions follow Calvano, Calzolari,
Denicolo and Pastorello, American Economic Review 110(10) (2020), below "Calvano et al.", and their public code.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from tacitlab.errors import TacitError
from tacitlab.lab.experiment import Experiment
from tacitlab.learners.base import TabularLearner, group_sizes
from tacitlab.measures.base import Measure, Run, Unfit
from tacitlab.theory.decision import Floats
from tacitlab.theory.repeated import Gap, LimitCycle, RepeatedPlay

Flags = NDArray[np.bool_]


class ProfitGain(NamedTuple):
    """Profit gain of each firm, (sessions, players), and of the average firm, (sessions,)."""

    firms: Floats
    mean: Floats


def profit_gain(profits: ArrayLike, competitive: ArrayLike, cooperative: ArrayLike) -> ProfitGain:
    """Share of the way from competition to joint optimum: ``(profit - competitive) / (cooperative - competitive)``.

    0 is the static Nash equilibrium, 1 the joint optimum (Calvano et al., equation 9). The mean is the gain of the
    mean profit, not the mean of the firms' gains; they agree in symmetric games.

    Parameters
    ----------
    profits : (sessions, players) array
        Mean profit a period after convergence, for instance ``LimitCycle.payoffs``.
    competitive, cooperative : (players,) arrays or numbers
        Profits of the two benchmarks.

    Returns
    -------
    ProfitGain
        NaN where the benchmarks coincide.

    Examples
    --------
    >>> profit_gain([[0.3, 0.2]], 0.2, [0.4, 0.4])
    ProfitGain(firms=array([[0.5, 0. ]]), mean=array([0.25]))
    """
    profits = np.asarray(profits, dtype=np.float64)
    if profits.ndim != 2:
        raise TacitError(f"profits: the shape {profits.shape} is wrong; give (sessions, players)")
    low, high = (
        np.broadcast_to(np.asarray(x, dtype=np.float64), profits.shape[1:]) for x in (competitive, cooperative)
    )
    mean = _gain(profits.mean(1, keepdims=True), low.mean(keepdims=True), high.mean(keepdims=True))[:, 0]
    return ProfitGain(_gain(profits, low, high), mean)


def _gain(profits: Floats, low: Floats, high: Floats) -> Floats:
    return np.divide(profits - low, high - low, out=np.full_like(profits, np.nan), where=high != low)


@dataclass(frozen=True, eq=False)
class OneStepOptimality:
    """Who cannot gain by deviating *once* and then following the limit strategy again.

    Attributes
    ----------
    best_response_on_path : (sessions, players) bool array
        The player's action is one-step optimal in every state of the limit cycle.
    nash_on_path : (sessions,) bool array
        All players are, the "Nash on path" of Calvano et al.
    best_response_states : (sessions, players) float array
        Share of all states in which the player's action is one-step optimal.
    nash_states : (sessions,) float array
        Share of all states in which all players' actions are.
    """

    best_response_on_path: Flags
    nash_on_path: Flags
    best_response_states: Floats
    nash_states: Floats


def one_step_optimality(gap: Gap, cycle: LimitCycle) -> OneStepOptimality:
    """One-step best responses, from ``play.one_step_gap(discount)`` (Calvano et al., section IV.C and their code).

    The paper's equation maximises over all later actions too; the authors' code, and so the published numbers, let
    everybody return to the limit strategies after one period. A profile that passes on the path alone need not be an
    equilibrium: see :func:`full_optimality`. Ties count as optimal.
    """
    optimal = gap.closed
    together = np.asarray(optimal.all(1))
    return OneStepOptimality(cycle.all(optimal), cycle.all(together), optimal.mean(-1), together.mean(-1))


@dataclass(frozen=True, eq=False)
class FullOptimality:
    """Who cannot gain by *any* other strategy against the others' frozen ones.

    Attributes
    ----------
    optimal_on_path : (sessions, players) bool array
        The player's strategy is a best response of the repeated game from every state of the limit cycle.
    equilibrium_on_path : (sessions,) bool array
        All players' are: the strategies form a Nash equilibrium of the repeated game that starts on the cycle.
    optimal_states : (sessions, players) float array
        Share of all states from which the player's strategy is a best response.
    subgame_perfect : (sessions,) bool array
        All players' are from every state.
    """

    optimal_on_path: Flags
    equilibrium_on_path: Flags
    optimal_states: Floats
    subgame_perfect: Flags


def full_optimality(gap: Gap, cycle: LimitCycle) -> FullOptimality:
    """Best responses with full re-optimisation, from ``play.best_response_gap(discount)``.

    The definition of a Nash equilibrium of the repeated game; much rarer than its one-step counterpart.
    """
    optimal = gap.closed
    return FullOptimality(
        optimal_on_path=cycle.all(optimal),
        equilibrium_on_path=cycle.all(np.asarray(optimal.all(1))),
        optimal_states=optimal.mean(-1),
        subgame_perfect=np.asarray(optimal.all((1, 2))),
    )


class QLoss(NamedTuple):
    """Mean Q-loss of each player over the cycle's states and over all states, both (sessions, players)."""

    on_path: Floats
    all_states: Floats


def q_loss(gap: Gap, cycle: LimitCycle) -> QLoss:
    """Relative loss of the chosen action, ``(max - chosen) / |max|`` of the true Q, from ``play.one_step_gap``.

    Averaged over states; every session counts, those without any loss as well (Calvano et al., section IV.C; the
    summary that their code prints averages on the path over sessions with strictly positive losses only).
    """
    return QLoss(cycle.mean(gap.relative), gap.relative.mean(-1))


class ForgoneValue(NamedTuple):
    """What an exact best responder would earn more than the learned strategy; all (sessions, players).

    Attributes
    ----------
    share : array
        ``(best - own) / |best|`` of the discounted values.
    per_period : array
        ``(1 - discount) (best - own)``: the difference as a constant payment a period.
    rivals_loss : array
        What the rivals together lose by it, as a constant payment a period; negative if they gain.
    """

    share: Floats
    per_period: Floats
    rivals_loss: Floats


def forgone_value(play: RepeatedPlay, cycle: LimitCycle, discount: float) -> ForgoneValue:
    """The money an exact best responder would take in the place of each learned strategy.

    The others' strategies stay frozen, the player re-optimises in every state; values are averaged over the states
    of the limit cycle. Among tied best responses the rivals' loss is that of the first in the order of actions.

    Examples
    --------
    Two players always cooperate in a prisoner's dilemma. A best responder earns 5 a period instead of 3, and its
    victim nothing:

    >>> play = RepeatedPlay([[3, 3], [0, 5], [5, 0], [1, 1]], (2, 2), 0, [[[0], [0]]])
    >>> forgone_value(play, play.limit_cycle(0), 0.5)
    ForgoneValue(share=array([[0.4, 0.4]]), per_period=array([[2., 2.]]), rivals_loss=array([[3., 3.]]))
    """
    own = play.values(discount)
    best, loss = np.empty_like(own), np.empty_like(own)
    for player in range(play.players):
        response = play.best_response(player, discount)
        best[:, player] = np.maximum(response.values, own[:, player])
        strategies = play.strategies.copy()
        strategies[:, player] = response.policy
        lost = own - RepeatedPlay(play.payoffs, play.shape, play.memory, strategies).values(discount)
        loss[:, player] = lost.sum(1) - lost[:, player]
    gap = Gap(best, own, play.units(discount))
    scale = 1 - discount
    return ForgoneValue(cycle.mean(gap.relative), scale * cycle.mean(gap.absolute), scale * cycle.mean(loss))


def cycle_groups(cycle: LimitCycle) -> dict[str, Flags]:
    """Sessions by the length of their limit cycle, as masks (sessions,): the groups of Calvano et al., Table 2.

    A cycle of length 1 is symmetric if all players' action values are equal.

    Examples
    --------
    >>> play = RepeatedPlay([[3, 3], [0, 5], [5, 0], [1, 1]], (2, 2), 0, [[[0], [0]], [[0], [1]]])
    >>> {name: int(mask.sum()) for name, mask in cycle_groups(play.limit_cycle(0)).items()}
    {'1 symmetric': 1, '1 asymmetric': 1, '1': 2, '2': 0, '3 or more': 0, 'all': 2}
    """
    constant = cycle.lengths == 1
    equal = np.all(cycle.actions == cycle.actions[:, :1], axis=1)
    return {
        "1 symmetric": constant & equal,
        "1 asymmetric": constant & ~equal,
        "1": constant,
        "2": cycle.lengths == 2,
        "3 or more": cycle.lengths >= 3,
        "all": np.ones(len(cycle.lengths), dtype=bool),
    }


# --- by name, of any run of tabular learners -----------------------------------------------------------------------


class FrozenPlay(NamedTuple):
    """What the agents of a run have learned, played on from where each session ended."""

    play: RepeatedPlay
    cycle: LimitCycle
    discount: float


def frozen_play(run: Run) -> FrozenPlay:
    """The learned strategies of a run as play of the repeated game.

    Raises
    ------
    Unfit
        If it is no stage game without regimes among learners with one memory and one discount factor, or a sweep.
    """
    experiment = run.experiment
    if experiment.sweep:
        raise Unfit("it looks at one experiment, not at a sweep; run the cell that is meant")
    form = experiment.environment.form() if hasattr(experiment.environment, "form") else None
    if form is None or not hasattr(form, "shape") or len(form.payoffs) > 1 or experiment.timing != "simultaneous":
        raise Unfit("it needs a stage game in which all move at once, without regimes, and payoffs by joint action")
    if experiment.intervention.kind != "none":
        raise Unfit("it does not know what an intervention adds to the agents' states")
    memories = _memories(experiment)
    memory, longest = max(memories), memories.index(max(memories))
    states = int(np.prod(form.shape)) ** memory
    # Who remembers less does the same whatever came before: the newest period is the lowest digit of a state.
    strategies = [np.tile(one, (1, states // one.shape[1])) for one in _strategies(run)]
    play = RepeatedPlay(form.payoffs[0], form.shape, memory, np.stack(strategies, axis=1))
    prices = tuple(experiment.environment.actions().values)
    return FrozenPlay(play, play.limit_cycle(run.final_history()[:, longest], prices), _discount(experiment, memory))


def _strategies(run: Run) -> list[NDArray[np.integer]]:
    """Action by session and state of each agent."""
    experiment = run.experiment
    sizes = group_sizes(experiment.environment.n_players, experiment.learners)
    scripts = [learner for learner, size in zip(experiment.learners, sizes, strict=True) for _ in range(size)]
    found = []
    for learner, greedy in zip(scripts, run.strategies(), strict=True):
        if learner.kind in ("random", "best-reply"):
            raise Unfit(f"{learner.kind} has no strategy that could be frozen")
        found.append(np.full_like(greedy, learner.action) if learner.kind == "fixed" else np.asarray(greedy))
    return found


def _memories(experiment: Experiment) -> list[int]:
    """Periods that each agent's strategy looks back."""
    found: list[int] = []
    for learner, size in zip(
        experiment.learners, group_sizes(experiment.environment.n_players, experiment.learners), strict=True
    ):
        memory, observes = learner.memory_of() if isinstance(learner, TabularLearner) else (None, "")
        if memory is None or (memory and observes != "everybody"):
            raise Unfit("it needs learners with tables who see what everybody does")
        found += [memory] * size
    return found


def _discount(experiment: Experiment, memory: int) -> float:
    """The discount factor that all who have one share; without memory it decides nothing."""
    found = {learner.gamma for learner in experiment.learners if hasattr(learner, "gamma")}
    if len(found) > 1:
        raise Unfit("it needs learners with one gamma")
    if not found and memory:
        raise Unfit("it needs a learner with a gamma")
    return float(found.pop()) if found else 0.0


class _OfFrozenPlay(Measure):
    """Of the learned strategies, by session and where agents differ by agent."""

    def of(self, run: Run) -> xr.DataArray:
        values = np.asarray(self.found(frozen_play(run)))
        return xr.DataArray(values, dims=("session", "agent")[: values.ndim])

    @abstractmethod
    def found(self, frozen: FrozenPlay) -> ArrayLike:
        """Values (sessions,) or (sessions, agents)."""


class NashOnPath(_OfFrozenPlay):
    """Whether nobody gains by deviating once on the limit cycle (Calvano et al.'s "Nash on path")."""

    kind = "nash-on-path"

    def found(self, frozen: FrozenPlay) -> ArrayLike:
        return one_step_optimality(frozen.play.one_step_gap(frozen.discount), frozen.cycle).nash_on_path


class EquilibriumOnPath(_OfFrozenPlay):
    """Whether the strategies are an equilibrium of the repeated game that starts on the limit cycle."""

    kind = "equilibrium-on-path"

    def found(self, frozen: FrozenPlay) -> ArrayLike:
        return full_optimality(frozen.play.best_response_gap(frozen.discount), frozen.cycle).equilibrium_on_path


class BestResponseOnPath(_OfFrozenPlay):
    """Whether an agent's strategy is a best response from every state of the limit cycle."""

    kind = "best-response-on-path"

    def found(self, frozen: FrozenPlay) -> ArrayLike:
        return full_optimality(frozen.play.best_response_gap(frozen.discount), frozen.cycle).optimal_on_path


class ForgoneOnPath(_OfFrozenPlay):
    """Share of what a best response would earn that an agent forgoes on the limit cycle."""

    kind = "forgone-value"

    def found(self, frozen: FrozenPlay) -> ArrayLike:
        return forgone_value(frozen.play, frozen.cycle, frozen.discount).share
