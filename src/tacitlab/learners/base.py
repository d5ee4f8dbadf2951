"""What every tabular learner says about itself, and the seat from which it plays."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.games.base import Actions, CongestionForm, NormalForm
from tacitlab.schema import Spec, param

if TYPE_CHECKING:
    from tacitlab.learners.parts.group import Group, Policy
    from tacitlab.markets.base import Market, Role
    from tacitlab.markets.motion import Dynamics


@dataclass(frozen=True)
class TabularRule:
    """How an agent with a table chooses, what it learns from a payoff, or both: functions for the compiled loop.

    The functions are plain Python within what numba compiles; so may be the functions that they call. They allocate
    nothing. ``choose(game, table, turn, i, u)`` returns the action of agent i, a whole number from 0 on.
    ``learn(game, table, turn, i, reward)`` is called when agent i is about to move again; ``reward`` is what it has
    been paid since its last move (discounted to it, where agents do not move in every period). They see

    =========================  =======================================================================================
    ``table.agents[i]``        ``row``, ``cell``: its present state; ``old_row``, ``old_cell``: that of its last move;
                               ``chosen``: the action of that move; ``n_actions``, ``n_states``, ``first_value``
    ``table.values[row + a]``  what it thinks of action a; once it has stopped learning it plays the greatest
    ``table.greedy[cell]``     the action of greatest value, the first of equals
    ``table.visits[row + a]``  zeros at first, where the rule ``counts``
    ``table.memory[i, k]``     its own numbers that change, at first ``Behaviour.memory``
    ``table.numbers[i, k]``    its constants, ``Behaviour.numbers``
    ``turn.group``             ``alpha``, ``gamma``, ``level`` (exploration in this period), ``low`` and ``scale``
    ``turn.t``                 the period
    ``turn.joint, .regime``    of the last period: joint action (0 in a congestion game), payoff regime
    ``turn.key``               a random stream of its own, below
    ``turn.discount``          in ``learn``: gamma to the number of periods since its last move
    ``turn.next_action``       in ``learn``: the greedy action of the present state, or what the rule ``needs_next``
    ``game``                   the payoffs (:class:`tacitlab.engine.arrays.GameArrays`)
    =========================  =======================================================================================

    and may write values, visits and memory of agent i alone. All numbers that change must lie there, and not in
    variables of the module. Indices are unsigned: count with ``np.uint64``. Steps that rules share are in
    :mod:`tacitlab.learners.tables`.

    **Random numbers.** ``u`` is one uniform draw of the agent in the period, the same that built-in rules use. Whoever
    needs more takes draw 0, 1, 2, ... of ``uniform(turn.key, np.uint64(k))`` (:mod:`tacitlab.engine.streams`). The key
    comes from (seed, session, purpose, period, agent), and choosing and learning have different ones. So a draw depends
    on no thread, worker or interruption, and must never come from ``numpy.random``.

    Parameters
    ----------
    choose, learn : function, or str
        A text names a function of this package as ``module:function``. None: the rule does not say. They are compiled
        anew for every function object, so they are functions of a module, not made in ``behaviour``.
    needs_next : {"nothing", "state", "action"}
        What ``learn`` reads of the move to come: an intervention gives its signal only after those have learned that
        need nothing (or whose gamma is 0).
    counts : bool
        It needs ``table.visits``.
    scales : bool
        It scales payoffs to [0, 1] (:func:`tacitlab.learners.tables.scaled`) by ``Behaviour.payoff_range``.
    frozen : {"greedy", "same", "random"}
        How an agent plays once it has stopped learning: by its greedy actions; or as it chooses (a scripted policy),
        which ``random`` says may differ from time to time in the same situation.
    teaches : bool
        ``learn`` writes by :func:`tacitlab.learners.tables.teach` alone and returns whether the greedy action of that
        state has changed. Otherwise the engine searches it again in the state of the last move.

    Examples
    --------
    The gradient bandit of Sutton and Barto (2018, section 2.8), without a baseline:

    >>> import math
    >>> from typing import Literal
    >>> from tacitlab.engine import tabular
    >>> from tacitlab.games import PrisonersDilemma
    >>> from tacitlab.learners.tables import boltzmann
    >>> def choose(game, table, turn, i, u):
    ...     agent = table.agents[i]
    ...     return boltzmann(table.values, agent.row, agent.n_actions, table.greedy[agent.cell], u, 1.0)
    >>> def learn(game, table, turn, i, reward):
    ...     agent, total = table.agents[i], 0.0
    ...     for a in range(agent.n_actions):
    ...         total += math.exp(table.values[agent.old_row + a])
    ...     for a in range(agent.n_actions):
    ...         place = agent.old_row + a
    ...         here = 1.0 if a == agent.chosen else 0.0
    ...         table.values[place] += turn.group.alpha * reward * (here - math.exp(table.values[place]) / total)
    >>> GRADIENT = TabularRule(choose, learn, needs_next="nothing")
    >>> class GradientBandit(TabularLearner):
    ...     kind: Literal["gradient-bandit"] = "gradient-bandit"
    ...     alpha: float = 0.1
    ...     def behaviour(self, seat):
    ...         return Behaviour(GRADIENT, GRADIENT, blank(seat), alpha=self.alpha)

    In a file of yours it plays wherever a learner of the package does: ``kind: bandit.py:GradientBandit``, or an object
    in an experiment. Here, two sessions of it alone; both prisoners learn to defect:

    >>> plan = tabular.prepare(
    ...     PrisonersDilemma().form(), [GradientBandit()], alternating=False, periods=5_000, stable_for=0, window=1_000,
    ...     windows=5, sessions=2, keep_values=False, trained=lambda run, agent: None,
    ... )
    >>> tabular.play(plan, seed=0, first=0, count=2, stop=np.zeros(1, bool)).limit_payoff
    array([[1., 1.],
           [1., 1.]])
    """

    choose: "Callable[..., Any] | str | None" = None
    learn: "Callable[..., Any] | str | None" = None
    needs_next: Literal["nothing", "state", "action"] = "state"
    counts: bool = False
    scales: bool = False
    frozen: Literal["greedy", "same", "random"] = "greedy"
    teaches: bool = False


class Rules:
    """The table of rules that the loop is compiled with: from it the engine takes all that it knows of them.

    A line says how to choose, how to learn, or both. A rule that is not here plays too, with the same bits: its
    functions are compiled when they are first used, and called by their addresses. A line here puts them into the loop.
    """

    EPSILON_GREEDY = TabularRule("tables:choose_epsilon_greedy")
    BOLTZMANN = TabularRule("tables:choose_boltzmann")
    EXP3 = TabularRule("bandits:choose_exp3", "bandits:learn_exp3", needs_next="nothing", scales=True, teaches=True)
    UCB1 = TabularRule("bandits:choose_ucb1", counts=True)
    AVERAGE = TabularRule(learn="bandits:learn_average", needs_next="nothing", counts=True, scales=True, teaches=True)
    FIXED = TabularRule("scripted:choose_fixed", frozen="same")
    RANDOM = TabularRule("scripted:choose_random", frozen="random")
    BEST_REPLY = TabularRule("scripted:choose_best_reply", frozen="same")
    NOTHING = TabularRule()
    Q_LEARNING = TabularRule(learn="q_learning:learn_values", teaches=True)
    Q_COUNTERFACTUAL = TabularRule(learn="q_learning:learn_all_values", teaches=True)
    SARSA = TabularRule(learn="q_learning:learn_values", needs_next="action", teaches=True)


#: The lines of the table; the place of a line is its number in the compiled loop.
TABLE: tuple[TabularRule, ...] = tuple(rule for rule in vars(Rules).values() if isinstance(rule, TabularRule))

#: Modules of this folder in which functions of the table are.
RULE_MODULES = frozenset(
    step.partition(":")[0] for rule in TABLE for step in (rule.choose, rule.learn) if isinstance(step, str)
)


class Observes(IntEnum):
    """What an agent remembers of a period."""

    EVERYBODY = 0
    RIVALS = 1
    OWN = 2
    CROWD = 3


ObservesName = Literal["everybody", "rivals", "own", "crowd"]


@dataclass(frozen=True)
class Seat:
    """An agent's place in a game, as its learner sees it when the experiment is prepared.

    Attributes
    ----------
    form : NormalForm or CongestionForm
    agent : int
    observes : Observes
    memory : int
        Periods remembered.
    codes : int
        Number of different observations of one period.
    regimes : int
        Number of observed payoff regimes, 1 if none are seen.
        State = history + codes**memory * (regime + regimes * signal).
    sessions, periods : int
        Size of the experiment.
    trained : callable
        ``trained(run, agent)`` gives the values and the greedy actions that an agent of an earlier run ended with:
        arrays of shape (sessions, states, actions) or None, and (sessions, states).
    signals : int
        Number of signals that an intervention may give, 1 if it gives none.
    named : Actions, optional
        What the game's actions mean.
    """

    form: NormalForm | CongestionForm
    agent: int
    observes: Observes
    memory: int
    codes: int
    regimes: int
    sessions: int
    periods: int
    trained: Callable[[str, int], tuple[NDArray[np.float64] | None, NDArray[np.int64]]]
    signals: int = 1
    named: Actions | None = None

    @property
    def actions(self) -> int:
        return self.form.shape[self.agent] if isinstance(self.form, NormalForm) else self.form.actions

    @property
    def histories(self) -> int:
        return self.codes**self.memory

    @property
    def states(self) -> int:
        return self.histories * self.regimes * self.signals

    def payoff_range(self) -> tuple[float, float]:
        """Least and greatest payoff that the agent can meet (bounds in a congestion game)."""
        if isinstance(self.form, NormalForm):
            payoffs = self.form.payoffs[..., self.agent]
            return float(payoffs.min()), float(payoffs.max())
        low, high = np.minimum(self.form.weights, 0), np.maximum(self.form.weights, 0)
        least, most = self.form.values.min(axis=1), self.form.values.max(axis=1)
        return (
            float((self.form.own + high @ least + low @ most).min()),
            float((self.form.own + high @ most + low @ least).max()),
        )


@dataclass(frozen=True)
class Behaviour:
    """A learner in numbers, ready for the engine.

    Attributes
    ----------
    choice, rule : TabularRule
        How it chooses and how it learns: of the table (:class:`Rules`), or rules of its own, also one of each.
    values : (sessions or 1, states, actions) array
        Initial values; ignored where ``uniform_values`` is given.
    uniform_values : (low, high) or None
        Initial values drawn uniformly by the engine, for every agent and session anew.
    knots : (knots, 4) array
        Exploration schedule: from period ``time`` on, level = ``value``, then level * ``factor`` + ``step``.
    numbers, memory : tuple of float
        Constants for a rule of its own, and numbers that change as they are when a session begins.
    """

    choice: TabularRule
    rule: TabularRule
    values: NDArray[np.float64]
    alpha: float = 0.0
    gamma: float = 0.0
    mixing: float = 0.0
    fixed: int = 0
    random_ties: bool = False
    uniform_values: tuple[float, float] | None = None
    knots: NDArray[np.float64] = field(default_factory=lambda: np.array([[0.0, 0.0, 1.0, 0.0]]))
    payoff_range: tuple[float, float] = (0.0, 1.0)
    numbers: tuple[float, ...] = ()
    memory: tuple[float, ...] = ()


@dataclass(frozen=True)
class MarketSeat:
    """The place of a group of agents in a market, as its learner sees it when the experiment is prepared.

    Attributes
    ----------
    market : Market
    dynamics : Dynamics
        The market in motion, on arrays.
    role : Role
    first, last : int
        Agents of the role that sit here: from the first to before the last.
    steps : int
        Steps of a session.
    one_by_one : bool
        Whether to search networks in turn (processors) or all at once (GPU).
    copies : int
        Copies of the market that are learned from at the same time.
    trained : callable
        ``trained(run, first, count)`` gives agents of an earlier run: how they act, by what, and their role.
    """

    market: "Market"
    dynamics: "Dynamics"
    role: "Role"
    first: int
    last: int
    steps: int
    one_by_one: bool
    copies: int = 1
    trained: "Callable[[str, int, int], tuple[Group, Policy, Role]] | None" = None

    @property
    def agents(self) -> int:
        """How many agents sit here."""
        return self.last - self.first


class Learner(Spec):
    """Base of everything that plays: learners and scripted policies."""

    learns: ClassVar[bool] = True  # False: a scripted or frozen policy
    many_copies: ClassVar[bool] = False  # can learn from several copies of a market at the same time
    private: ClassVar[bool] = True  # False: one policy decides for all agents, and may use what any of them sees
    alike: ClassVar[bool] = True  # False: agents share something in training that depends on their order: one critic

    agents: int | None = param(None, "how many consecutive agents learn this way; none: all that are left", ge=1)

    def group(self, seat: MarketSeat) -> "Group":
        """The learner as functions on arrays, for a group of agents in a market (imports JAX).

        Raises
        ------
        TacitError
            If it cannot play markets, or not this one.
        """
        raise self._in_games_only()

    def check(self, market: "Market", role: "Role") -> None:
        """Refuse a market, or a role in it, that it is not made for, as soon as it is seated there.

        What only shows when the group is built, :meth:`group` refuses.

        Raises
        ------
        TacitError
            One line: field, problem, mend.
        """
        if type(self).group is Learner.group:
            raise self._in_games_only()

    def _in_games_only(self) -> TacitError:
        kind = type(self).model_fields["kind"].default
        return refuse("kind", f"{kind} plays stage games only", "choose another learner (`tacit list`)")


class TabularLearner(Learner):
    """Base of learners and scripted policies that keep a table."""

    def memory_of(self) -> tuple[int, ObservesName]:
        """Periods remembered, and what is remembered of each."""
        return 0, "everybody"

    @abstractmethod
    def behaviour(self, seat: Seat) -> Behaviour:
        """The learner in numbers, for one seat."""


class WithMemory(TabularLearner):
    """A learner whose state is what it remembers of the last periods."""

    memory: int = param(0, "periods remembered, k", "periods", ge=0, le=8)
    observes: ObservesName = param(
        "everybody", "what is remembered: actions of everybody, of the rivals, one's own, or the crowd's choice"
    )

    def memory_of(self) -> tuple[int, ObservesName]:
        return self.memory, self.observes


MOST_STORED = 250_000_000  # values of one agent over all sessions: 2 GB


def check_stored(seat: Seat, sessions: int) -> None:
    """Refuse tables that differ by session and would not fit into memory."""
    size = sessions * seat.states * seat.actions
    if size > MOST_STORED:
        raise refuse(
            "run", f"{sessions} tables of {seat.states} states need {size:.1e} numbers", "train fewer sessions"
        )


def blank(seat: Seat) -> NDArray[np.float64]:
    """Values of zero for every state and action."""
    return np.zeros((1, seat.states, seat.actions))


def refuse(field_name: str, problem: str, mend: str) -> TacitError:
    """A one-line error about a learner's field."""
    return TacitError(f"learners.{field_name}: {problem}; {mend}")


def divisor(number: int, wanted: int) -> int:
    """The divisor of a number that is nearest to what was wanted, the smaller one of two.

    Examples
    --------
    >>> divisor(50, 4), divisor(100, 16)
    (5, 20)
    """
    return min((k for k in range(1, number + 1) if number % k == 0), key=lambda k: (abs(k - wanted), k))


def group_sizes(players: int, learners: Sequence[Learner]) -> list[int]:
    """How many agents each learner takes, in order; at most one takes those that are left."""
    named = sum(learner.agents or 0 for learner in learners)
    open_groups = sum(learner.agents is None for learner in learners)
    left = players - named
    if open_groups > 1:
        raise refuse("agents", "several groups take the agents that are left", "say how many in all but one group")
    if left < open_groups or (left and not open_groups):
        mend = f"make them {players} in total" if len(learners) > 1 else "set learners.agents=null, for all"
        raise refuse("agents", f"they are {named} for {players} players", mend)
    return [left if learner.agents is None else learner.agents for learner in learners]
