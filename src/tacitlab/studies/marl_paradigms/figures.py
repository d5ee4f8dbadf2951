"""Figures of the study of paradigms: one for the paradigms, one for each challenge."""

from collections.abc import Mapping

import numpy as np

from tacitlab.plot.chart import Axis, Bars, Chart, HLine, Line, Mark
from tacitlab.report.page import Section, Table
from tacitlab.studies.frame import curve
from tacitlab.studies.marl_paradigms.plays import DARE, TWO_STEP, Played
from tacitlab.studies.marl_paradigms.study import Evidence, best, known, optima, shares


def sections(found: Evidence) -> tuple[Section, ...]:
    """Figures and tables."""
    return (
        Section("Paradigms", text=PARADIGMS, charts=(paradigms(found),)),
        Section("Value decomposition", text=GAMES, table=_games(found)),
        Section("Non-stationarity", text=DRIFT, charts=(drift(found),)),
        Section("Credit assignment", text=CREDIT, charts=(credit(found),)),
        Section("Scalability", text=SCALE, charts=(crowds(found), seconds(found))),
        Section("Partial observability", text=MEMORY, charts=(memory(found),)),
        Section("Equilibrium selection", text=SELECTION, charts=(selection(found),)),
    )


CAPTION = "Means over sessions, 95 % intervals."
PARADIGMS = (
    "Two managers, signals and risks correlated by a half. Each dashed line is an exact optimum: of one mind that sees "
    "both signals, of a team whose members see their own, and of managers who ignore each other."
)
GAMES = (
    "Value decomposition under uniform exploration. In the two-step game the best joint action needs a mixture of own "
    "values that depends on the state; in the matrix game the best own action depends on the other's, which no "
    "monotonic mixture can say."
)
DRIFT = (
    "A manager who never changes earns the team's reward with others who learn, and with others who do not: to a "
    "learner in its place the market would seem to change by itself."
)
CREDIT = (
    "All agents get the share of agents that do what is right for them. To an independent learner the others' "
    "trials are noise on its own reward; value decomposition and a counterfactual baseline take them out."
)
SCALE = "The same game with more agents: one table for all joint actions, and value decomposition."
MEMORY = "Signals come back to their mean slowly and are seen with noise: past signals tell about the present one."
SELECTION = "Claus and Boutilier's climbing game has two equilibria, 11 and 7; miscoordination costs 30."


def paradigms(found: Evidence) -> Chart:
    """Utility of the team by learner, beside exact optima."""
    marks: list[Mark] = [_bars(found.team)]
    marks += [HLine(value, f"{name} {value:.3g}") for name, value in optima(found).items()]
    values = [played.estimate() for played in found.team.values()]
    low = min(value.low for value in values)
    axis = Axis("expected utility of the team", range=(min(0.6, low), 1.05))
    return Chart("What each paradigm reaches", Axis(""), axis, marks, CAPTION, legend=False)


def _bars(played: Mapping[str, Played], name: str = "") -> Bars:
    found = {label: one.estimate() for label, one in played.items()}
    return Bars(
        tuple(found), [e.mean for e in found.values()], name, [e.low for e in found.values()],
        [e.high for e in found.values()],
    )  # fmt: skip


def _curve(played: Played, name: str, agent: int | None = None) -> Line:
    """Payoff while learning, mean over sessions with intervals."""
    values = played.curve.mean(axis=2) if agent is None else played.curve[:, :, agent]
    return curve(np.asarray(played.result.data["time"]), values, name)


def drift(found: Evidence) -> Chart:
    """What a manager earns who never changes."""
    marks = [_curve(played, name, 0) for name, played in found.drift.items()]
    axes = Axis("episode of learning"), Axis("utility of the manager who never changes")
    return Chart("The others are part of the world", *axes, marks, CAPTION)


def credit(found: Evidence) -> Chart:
    """Rewards while learning."""
    marks = [_curve(played, name) for name, played in found.credit.items()]
    axes = Axis("episode of learning"), Axis("reward (optimum 1)")
    return Chart(f"{found.crowd} agents learn what they contribute", *axes, marks, CAPTION)


def crowds(found: Evidence) -> Chart:
    """What is reached against the number of agents."""
    marks = []
    for name, by_size in found.crowds.items():
        values = [played.estimate() for played in by_size.values()]
        x = np.array(list(by_size), float)
        marks.append(Line(x, [v.mean for v in values], name, [v.low for v in values], [v.high for v in values]))
    caption = "Greedy policies after 1,000 episodes at full size. Means over sessions, 95 % intervals."
    return Chart("Value against the number of agents", Axis("agents"), Axis("reward (optimum 1)"), marks, caption)


def seconds(found: Evidence) -> Chart:
    """How long it takes against the number of agents."""
    marks = [
        Line(np.array(list(by_size), float), [p.seconds for p in by_size.values()], name)
        for name, by_size in found.crowds.items()
    ]
    caption = "Wall time of all sessions on the machine of this run; most of it is compilation."
    return Chart("Time against the number of agents", Axis("agents"), Axis("time", "s"), marks, caption)


def memory(found: Evidence) -> Chart:
    """Utility with and without memory beside exact values."""
    exact = known(found.hidden["PPO without memory"])
    marks: list[Mark] = [_bars(found.hidden), *(HLine(value, f"{name} {value:.3g}") for name, value in exact.items())]
    values = [*exact.values(), *(p.estimate().low for p in found.hidden.values())]
    axis = Axis("expected utility of the team", range=(0.8 * min(values), 1.08 * max(values)))
    return Chart("What memory is worth", Axis(""), axis, marks, CAPTION, legend=False)


def selection(found: Evidence) -> Chart:
    """How often sessions end in which equilibrium."""
    ends = {name: shares(played) for name, played in found.climbing.items()}
    marks = [
        Bars(
            tuple(ends), [e[where].mean for e in ends.values()], label, [e[where].low for e in ends.values()],
            [e[where].high for e in ends.values()],
        )
        for where, label in (("11", "the optimum, 11"), ("7", "the other equilibrium, 7"), ("elsewhere", "elsewhere"))
    ]  # fmt: skip
    return Chart("Where sessions end", Axis(""), Axis("share of sessions", range=(0.0, 1.0)), marks, "95 % intervals.")


def _games(found: Evidence) -> Table:
    titles = {"two-step": ("two-step game", TWO_STEP), "dare": ("non-monotonic matrix game", DARE)}
    rows = tuple(
        (titles[label][0], name, f"{played.estimate()}", best(titles[label][1]))
        for label, learners in found.games.items()
        for name, played in learners.items()
    )
    return Table(("game", "learner", "payoff of greedy policies", "optimum"), rows)
