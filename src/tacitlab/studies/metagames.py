"""What the studies of meta-games share: playing them, claims about profiles, other algorithms among the strategies."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tacitlab.games.base import StageGame
from tacitlab.lab.experiment import Experiment, Length
from tacitlab.lab.result import Result
from tacitlab.learners import Constant, Exp3, Fixed, QLearning, Random, Sarsa, Ucb1
from tacitlab.learners.base import TabularLearner
from tacitlab.measures.statistics import Estimate
from tacitlab.metagame.analysis import Analysis
from tacitlab.metagame.estimated_regret import paired_regret
from tacitlab.metagame.game import MetaGame, metagame_from
from tacitlab.metagame.page import attractor_table, figures, sentences
from tacitlab.metagame.run import WINDOWS, MetaResult, estimate, play_entries
from tacitlab.report.page import Section, Table
from tacitlab.studies.base import Claim, Floats, Player, at_most, between, judge
from tacitlab.studies.frame import Published, bare, described

NEGLIGIBLE = 1.0
"""Percent of the best reply's payoff: a regret that is none (an epsilon-equilibrium). A convention, the same for every
profile and study: strategies differ by tens of percent, beside which nobody would change for so little."""
REGRET = (
    f"A published equilibrium is borne out if whoever leaves it gains at most {NEGLIGIBLE:g} % of the best reply's "
    "payoff, by the whole interval. The regret of an equilibrium is 0, and no estimate of it is negative: that an "
    "interval reaches down to 0 shows nothing by itself."
)
PAID = {"online": "whole session", "last": "last fifth"}  # what designers are paid for, by payoff window
Axes = Mapping[str, Floats]  # values by field of the learner
Places = tuple[Sequence[int], Sequence[int], Sequence[int]]  # in the values of each axis


def grid(axes: Axes, places: Places) -> dict[str, list[float]]:
    """A part of a published grid of parameters."""
    chosen = zip(axes.items(), places, strict=True)
    return {name: [float(round(values[k], 6)) for k in some] for (name, values), some in chosen}


def scenario(study: str, name: str, changes: Mapping[str, Any]) -> MetaGame:
    """A meta-game from ``scenarios/NAME.yaml`` beside a study, as :func:`tacitlab.studies.frame.scenario` is made."""
    return metagame_from(*described(study, name, changes))


def windows(result: MetaResult) -> dict[str, Analysis]:
    """A meta-game seen through both payoff windows, by what is paid."""
    return {PAID[window]: Analysis(result, window) for window in WINDOWS}


def window_sections(found: Mapping[str, Analysis], tables: Sequence[Table]) -> list[Section]:
    """What a meta-game says by what is paid, and its best replies; a table of profiles for each."""
    sections = []
    for (paid, a), table in zip(found.items(), tables, strict=True):
        sections += [
            Section(f"Paid for the {paid}", sentences(a), table),
            Section(f"Best replies, {paid} paid", table=attractor_table(a), charts=figures(a)),
        ]
    return sections


def estimated(play: Player, metagame: MetaGame) -> MetaResult:
    """A meta-game in the study's folder: played, continued or read."""
    if play.seed is not None:
        metagame = metagame.model_copy(update={"seed": play.seed})
    bar = play.progress(metagame.name) if play.progress else None
    folder = play.folder / metagame.name
    return estimate(metagame, folder, threads=play.threads, progress=bar, anyway=play.anyway)


def learning(play: Player, metagame: MetaGame, profile: int, name: str, sessions: int = 40) -> Result:
    """Learning under a symmetric profile, as an ordinary experiment."""
    return play(
        Experiment(
            name=name, environment=metagame.environment, learners=(metagame.strategies()[profile],),
            timing=metagame.timing, length=Length(periods=metagame.periods), sessions=sessions, seed=metagame.seed,
        )
    )  # fmt: skip


def distinct(found: Analysis, published: Mapping[str, int]) -> list[tuple[str, int]]:
    """Profiles worth a look, each once: the likeliest equilibrium, the published one, the best for all."""
    names: dict[int, list[str]] = {}
    told = {"most likely equilibrium": found.leading, **published, "best symmetric profile": found.best}
    for name, profile in told.items():
        names.setdefault(profile, []).append(name)
    return [(", ".join(said), profile) for profile, said in names.items()]


def closer_look(metagame: MetaGame, profile: int, sessions: int) -> dict[str, Estimate]:
    """Relative regret (%) of a symmetric profile from paired sessions with common random numbers, by what is paid.

    Every strategy is played against the profile in the same new sessions, so that the luck that sessions share cancels.
    """
    size, first = metagame.size, 1_000_000  # sessions that the payoff matrix has not used
    same = metagame.model_copy(update={"common_random_numbers": True})
    paid = play_entries(same, list(range(size)), [profile] * size, sessions, first)  # type: ignore[arg-type]
    found = {}
    for w, window in enumerate(WINDOWS):
        payoffs = paid[:, :, w, 0]
        if metagame.players == 2:
            payoffs = payoffs.copy()
            payoffs[profile] = paid[profile, :, w].mean(axis=-1)
        scale = 100 / max(abs(payoffs.mean(axis=1).max()), 1e-300)
        regret, low, high = (scale * x for x in paired_regret(payoffs, profile))
        found[PAID[window]] = Estimate(regret, low, high, math.nan, sessions)
    return found


def equilibrium_claim(name: str, regret: Estimate, source: str, note: str = "") -> Claim:
    """That a published profile is an equilibrium: whoever leaves it alone gains at most :data:`NEGLIGIBLE`.

    The regret of an equilibrium is 0, and no estimate of a regret is negative: an interval that reaches down to 0
    shows an equilibrium only if it does not reach far up.
    """
    return Claim(name, regret, 0.0, source, margin=at_most(NEGLIGIBLE), note=note)


def number_claim(found: Analysis, name: str, published: Published) -> Claim:
    """How many symmetric pure equilibria there are.

    Independent errors of many replies make the expected number too small: one of them seems better by chance. What is
    judged therefore reaches from the number's lower limit to the number of profiles that are not refuted.
    """
    number, possible, value = found.number, len(found.possible), published.value
    verdict = judge(replace(number, high=float(possible)), between(value, value))
    many = "1 profile is" if possible == 1 else f"{possible} profiles are"
    note = f"expected number, too small where replies are noisy; {many} not refuted"
    return Claim(name, number, value, published.source, verdict=verdict, note=note)


def outcome_claims(found: Analysis, name: str) -> list[Claim]:
    """How competitive the most likely equilibrium is, and what is left of the best symmetric profile."""
    lead, best = found.gain(found.leading), found.gain(found.best)
    left, chance = (bare(value, lead.n) for value in (found.price(), found.probabilities[found.leading]))
    return [
        Claim(f"{name}: probability of the most likely equilibrium", chance, note=f"({found.labels[found.leading]})"),
        Claim(
            f"{name}: gain at the most likely equilibrium",
            lead,
            note="0: competitive benchmark of the stage game, 1: cooperative one",
        ),
        Claim(f"{name}: gain of the best symmetric profile", best, note=f"({found.labels[found.best]})"),
        Claim(f"{name}: share of that gain left at the most likely equilibrium", left, note="price of the meta-game"),
    ]


def algorithms(fixed: Sequence[int], **q: Any) -> tuple[TabularLearner, ...]:
    """Different algorithms as strategies: Q-learning, SARSA, EXP3, UCB1, fixed actions and random play.

    Parameters
    ----------
    fixed : sequence of int
        Actions of the scripted strategies.
    q : fields
        Of all learners with a value table, such as memory or initial values.
    """
    seen = {name: q[name] for name in ("memory", "observes") if name in q}
    patient, greedy = {"gamma": 0.95, "alpha": 0.15}, {"gamma": 0.0, "alpha": 0.15}
    return (
        QLearning(**patient, exploration=Constant(epsilon=0.02), **q),
        QLearning(**patient, exploration=Constant(epsilon=0.1), **q),
        QLearning(**greedy, exploration=Constant(epsilon=0.02), **q),
        QLearning(**greedy, exploration=Constant(epsilon=0.1), **q),
        Sarsa(**patient, exploration=Constant(epsilon=0.02), **q),
        Sarsa(**greedy, exploration=Constant(epsilon=0.02), **q),
        Exp3(mixing=0.1),
        Exp3(mixing=0.02),
        Ucb1(width=2.0),
        Ucb1(width=0.1, **seen),
        *(Fixed(action=action) for action in fixed),
        Random(),
    )


def names(strategies: Sequence[TabularLearner]) -> list[str]:
    """What a reader calls the strategies of :func:`algorithms`."""
    told = []
    for s in strategies:
        if isinstance(s, QLearning | Sarsa):
            epsilon = s.exploration.epsilon if isinstance(s.exploration, Constant) else math.nan
            told.append(f"{s.kind} γ={s.gamma:g} ε={epsilon:g}")
        elif isinstance(s, Exp3):
            told.append(f"exp3 {s.mixing:g}")
        elif isinstance(s, Ucb1):
            told.append(f"ucb1 {s.width:g}{' with memory' if s.memory else ''}")
        else:
            told.append(f"fixed {s.action}" if isinstance(s, Fixed) else str(getattr(s, "kind", "")))
    return told


def algorithm_game(
    name: str, environment: StageGame, fixed: Sequence[int], size: tuple[int, int], **q: Any
) -> MetaGame:
    """Algorithms against each other; ``size`` is (periods, sessions)."""
    return MetaGame(
        name=name, environment=environment, others=algorithms(fixed, **q), periods=size[0], sessions=size[1], seed=3,
        window="last",
    )  # fmt: skip


def algorithm_table(results: Mapping[str, MetaResult]) -> Table:
    """Most likely equilibria among algorithms, game by game."""
    rows = []
    for title, result in results.items():
        told = names(result.metagame.strategies())
        for window in WINDOWS:
            found = Analysis(result, window)
            k = found.leading
            fixed = [a.profiles[0] for a in found.attractors if a.fixed]
            rest = ", ".join(f"{told[p]} ({found.gain(p).mean:.2f})" for p in fixed if p != k)
            cycles = sum(not a.fixed for a in found.attractors)
            rows.append(
                (title, window, told[k], f"{found.probabilities[k]:.2f}", str(found.gain(k)), rest or "-", cycles,
                 told[found.best], f"{found.gain(found.best).mean:.2f}", told[int(found.ranking.argmax())])
            )  # fmt: skip
    return Table(
        ("game", "paid", "most likely equilibrium", "P", "gain at it", "other fixed points (gain)", "cycles",
         "best for all", "its gain", "first in alpha-rank"), rows,
        "Symmetric profiles of algorithms: Q-learning, SARSA, EXP3, UCB1, fixed actions, random play. Gain: 0 "
        "competitive, 1 cooperative benchmark of the stage game. Fixed points are those of the mean payoffs.",
    )  # fmt: skip
