"""The table of rules in the compiled loop: which function an agent's turn goes to.

The branch that picks it is written out from the table, as one would write it by hand: a branch that always goes the
same way is free, and numba takes much longer over functions nested in each other.
"""

from functools import lru_cache
from importlib import import_module

from numba import uint64

from tacitlab.engine.arrays import FROZEN, NEEDS
from tacitlab.engine.compilation import copied, native, woven
from tacitlab.learners.base import TABLE, Rules
from tacitlab.learners.tables import (
    ONE,
    ZERO,
    assign,
    boltzmann,
    epsilon_greedy,
    first_maximum,
    payoff_if,
    scaled,
    teach,
)

EPSILON_GREEDY, Q_LEARNING = TABLE.index(Rules.EPSILON_GREEDY), TABLE.index(Rules.Q_LEARNING)
GREEDY, RANDOM = FROZEN.index("greedy"), FROZEN.index("random")
ACTION, NOTHING = NEEDS.index("action"), NEEDS.index("nothing")


copied(first_maximum, assign, teach, epsilon_greedy, boltzmann, scaled, payoff_if)


def function_of(step):
    """A function as a rule names it: ``module:function`` of the learners, or the function itself."""
    if isinstance(step, str):
        module, _, name = step.partition(":")
        return getattr(import_module(f"tacitlab.learners.{module}"), name)
    return getattr(step, "py_func", step)


@lru_cache(maxsize=256)
def _compiled(step):
    return woven(function_of(step))


def _branch(name, last, field, functions, otherwise):
    """``name(game, table, turn, i, last)``: the function whose number ``turn.group.field`` is."""
    lines = [f"def {name}(game, table, turn, i, {last}):", f"    number = turn.group.{field}"]
    for number in functions:
        lines += [f"    if number == {number}:", f"        return _{number}(game, table, turn, i, {last})"]
    space = {f"_{number}": function for number, function in functions.items()} | {"otherwise": otherwise}
    exec("\n".join([*lines, f"    return otherwise(game, table, turn, i, {last})"]), space)
    return space[name]


def choices(numbered):
    """``choose(game, table, turn, i, u)`` for rules with their numbers; a plain function."""
    functions = {}
    for number, rule in numbered:
        if rule.choose is not None:
            function = _compiled(rule.choose)
            functions[number] = function if isinstance(rule.choose, str) else _possible(function)
    return _branch("choose", "u", "choice", functions, _stays)


@woven
def _stays(game, table, turn, i, u):
    return ZERO


def _possible(function):
    """Somebody else's choice, kept among the actions that there are: the loop checks no bounds."""

    @woven
    def choose(game, table, turn, i, u):
        return min(uint64(function(game, table, turn, i, u)), table.agents[i].n_actions - ONE)

    return choose


def lessons(numbered, after):
    """``learn(game, table, turn, i, reward)`` for rules with their numbers, True if a greedy action changed.

    ``after``: for those that learn after they have chosen; otherwise for those that learn before.
    """
    functions = {}
    for number, rule in numbered:
        if rule.learn is not None and after == (rule.needs_next == "action"):
            function = _compiled(rule.learn)
            functions[number] = function if rule.teaches else _searched(function)
    return _branch("learn", "reward", "rule", functions, _learns_nothing)


@woven
def _learns_nothing(game, table, turn, i, reward):
    return False


def _searched(function):
    """A rule that does not keep the greedy action itself: it is searched again where the agent made its last move."""

    @woven
    def learn(game, table, turn, i, reward):
        function(game, table, turn, i, reward)
        agent = table.agents[i]
        best = first_maximum(table.values, agent.old_row, agent.n_actions)
        changed = best != table.greedy[agent.old_cell]
        table.greedy[agent.old_cell] = best
        return changed

    return learn


def steps(numbered):
    """The three functions of rules: ``learn`` before the choice, ``choose``, ``learn`` after it."""
    return woven(lessons(numbered, after=False)), woven(choices(numbered)), woven(lessons(numbered, after=True))


NUMBERED = tuple(enumerate(TABLE))
scripted = native(choices([(number, rule) for number, rule in NUMBERED if rule.frozen != "greedy"]))
