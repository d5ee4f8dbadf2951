"""Does a learner with a table keep the contract that the compiled loop relies on?"""

import numpy as np

from tacitlab.games import Braess, PrisonersDilemma
from tacitlab.games.base import StageGame
from tacitlab.lab.experiment import Experiment, Length
from tacitlab.lab.result import Result
from tacitlab.lab.run import run
from tacitlab.learners.base import TabularLearner
from tacitlab.testing.promises import Promises, together

#: A table of payoffs, and payoffs by how many choose each action.
GAMES: tuple[StageGame, ...] = (PrisonersDilemma(), Braess(players=6))
SESSIONS, FEWER = 4, 2


def check_tabular(check: Promises, learner: TabularLearner, seed: int = 0) -> None:
    """Let a learner play a bimatrix game and a congestion game, and raise an error about the promises that it breaks.

    What it has learned must be finite and the same on one thread and two, and a session the same whatever sessions
    there are beside it.
    """

    def play() -> None:
        for game in GAMES:
            _play(check, learner, game, seed)

    together(lambda: check.stored(learner), play)


def _play(check: Promises, learner: TabularLearner, game: StageGame, seed: int) -> None:
    where = f"in {game.kind}"  # type: ignore[attr-defined]

    def plan(sessions: int) -> Experiment:
        return Experiment(
            environment=game, learners=learner, length=Length(periods=300), sessions=sessions, seed=seed,
            keep_values=True,
        )  # fmt: skip

    one = check.made(f"play {where}", lambda: run(plan(SESSIONS), threads=1))
    _check_learned(check, where, one)
    mend = "keep what changes in table.values, visits and memory, and draw by turn.key"
    two = run(plan(SESSIONS), threads=2)
    check(_same(one, two, SESSIONS), f"{where} it plays otherwise on two threads than on one; {mend}")
    few = run(plan(FEWER), threads=1)
    check(_same(one, few, FEWER), f"{where} a session depends on those beside it; {mend}")


def _check_learned(check: Promises, where: str, found: Result) -> None:
    values, strategies = found.values(), found.strategies()
    assert values is not None
    for agent, (table, greedy) in enumerate(zip(values, strategies, strict=True)):
        check(np.isfinite(table).all(), f"{where} agent {agent} has values that are not finite; bound what it learns")
        good = ((greedy >= 0) & (greedy < table.shape[2])).all()
        check(good, f"{where} agent {agent} plays actions that do not exist; choose from 0 to {table.shape[2] - 1}")


def _same(one: Result, other: Result, sessions: int) -> bool:
    pairs = [(one.data[name], other.data[name]) for name in one.data]
    pairs = [(a.isel(session=slice(sessions)) if "session" in a.dims else a, b) for a, b in pairs]
    tables = all(np.array_equal(a[:sessions], b) for a, b in zip(one.values() or (), other.values() or (), strict=True))
    same = tables and all(
        np.array_equal(a[:sessions], b) for a, b in zip(one.strategies(), other.strategies(), strict=True)
    )
    return same and all(np.array_equal(a.values, b.values, equal_nan=a.dtype.kind == "f") for a, b in pairs)
