"""Q-learning (Watkins 1989), the learner of the algorithmic collusion and congestion literatures; and SARSA (1994)."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from tacitlab.learners.base import (
    Behaviour,
    MarketSeat,
    Observes,
    Rules,
    Seat,
    TabularRule,
    WithMemory,
    refuse,
)
from tacitlab.learners.exploration import Boltzmann, Constant, Exploration
from tacitlab.learners.initial import Initial, UniformRivals
from tacitlab.learners.tables import ONE, ZERO, assign, payoff_if, teach
from tacitlab.schema import param

if TYPE_CHECKING:
    from tacitlab.learners.parts.group import Group

Bins = Annotated[int, Field(ge=1, le=10_000)]
EVERYBODY, OWN = int(Observes.EVERYBODY), int(Observes.OWN)


class ValueLearner(WithMemory):
    """What Q-learning and SARSA share."""

    alpha: float = param(0.15, "learning rate, alpha", ge=0, le=1)
    gamma: float = param(0.95, "discount factor, delta or gamma; 1 only where episodes end", ge=0, le=1)
    exploration: Exploration = param(Constant(), "how the agent explores")
    initial: Initial | None = param(None, "initial values, Q_0; none: uniform-rivals, and 0 in a market")
    ties: Literal["first", "random"] = param("first", "which of several best actions is greedy")

    def _behaviour(self, seat: Seat, rule: TabularRule) -> Behaviour:
        if self.gamma == 1:
            raise refuse("gamma", "1 has no meaning in a game without end", "it must be below 1")
        values, uniform = (self.initial or UniformRivals()).values(seat, self.gamma)
        boltzmann = isinstance(self.exploration, Boltzmann)
        return Behaviour(
            choice=Rules.BOLTZMANN if boltzmann else Rules.EPSILON_GREEDY,
            rule=rule,
            values=values,
            uniform_values=uniform,
            alpha=self.alpha,
            gamma=self.gamma,
            random_ties=self.ties == "random",
            knots=self.exploration.knots(seat.periods),
        )


class QLearning(ValueLearner):
    """Independent tabular Q-learning.

    After playing ``a`` in state ``s``, earning ``r`` and reaching ``s'``::

        Q(s, a) += alpha * (r + gamma * max_b Q(s', b) - Q(s, a))

    With ``updates: all`` every action's value moves as if it had been played against the same rivals
    (Asker, Fershtman and Pakes, AEA P&P 2022).

    Examples
    --------
    >>> QLearning(alpha=2)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: alpha: 2 is too large; it must be at most 1.0
    """

    kind: Literal["q-learning"] = "q-learning"
    updates: Literal["chosen", "all"] = param("chosen", "which actions a payoff teaches about")
    bins: Bins | tuple[Bins, ...] | None = param(
        None,
        "in a market: bins that each scaled observation is sorted into; none: its own values if discrete, else 10, "
        "or as many as a table has room for",
    )

    def behaviour(self, seat: Seat) -> Behaviour:
        if self.updates == "all" and self.observes == "crowd" and self.memory:
            raise refuse(
                "observes", "'crowd' with updates: all is not defined", "use observes: own, or updates: chosen"
            )
        return self._behaviour(seat, Rules.Q_LEARNING if self.updates == "chosen" else Rules.Q_COUNTERFACTUAL)

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.parts.tabular import build

        return build(self, seat)


class Sarsa(ValueLearner):
    """On-policy temporal differences: the target continues with the action that is really played next.

    ``Q(s, a) += alpha * (r + gamma * Q(s', a') - Q(s, a))``

    Examples
    --------
    >>> Sarsa(gamma=0.9).gamma
    0.9
    """

    kind: Literal["sarsa"] = "sarsa"

    def behaviour(self, seat: Seat) -> Behaviour:
        return self._behaviour(seat, Rules.SARSA)


def learn_values(game: Any, table: Any, turn: Any, i: Any, reward: Any) -> Any:
    """Q-learning's update, and SARSA's: they continue with different actions."""
    agent = table.agents[i]
    old = table.values[agent.old_row + agent.chosen]
    continuation = table.values[agent.row + turn.next_action]
    return teach(table, agent, agent.chosen, old + turn.group.alpha * (reward + turn.discount * continuation - old))


def learn_all_values(game: Any, table: Any, turn: Any, i: Any, reward: Any) -> Any:
    """Every action's value moves as if it had been played."""
    return _all_values(game, table, turn.group, i, turn.joint, turn.regime)


def _all_values(game: Any, table: Any, group: Any, i: Any, joint: Any, regime: Any) -> Any:
    """Its loops, a function of their own: woven into the engine's loop they are a third slower.

    The hypothetical action also changes what agent i would remember, wherever it sees its own action.
    """
    agent, place, changed = table.agents[i], ZERO, False
    if agent.memory > ZERO:
        if agent.observes == EVERYBODY:
            place = agent.stride
        elif agent.observes == OWN:
            place = ONE
    row, cell, actions, last, gamma = agent.row, agent.cell, agent.n_actions, agent.last, group.gamma
    for a in range(actions):
        step = (a - last) * place  # unsigned: wraps around and back
        best = table.values[row + step * actions + table.greedy[cell + step]]
        table.targets[a] = payoff_if(game, table, i, a, joint, regime) + gamma * best
    row, cell, alpha = agent.old_row, agent.old_cell, group.alpha
    for a in range(actions):
        old = table.values[row + a]
        if assign(table.values, table.greedy, row, cell, a, actions, old + alpha * (table.targets[a] - old)):
            changed = True
    return changed
