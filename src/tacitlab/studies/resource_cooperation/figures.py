"""Figures of the study of cooperation in the resource market: pure functions from what was played to charts."""

from collections.abc import Mapping, Sequence

import numpy as np

from tacitlab.measures.coordination import Floats
from tacitlab.plot.chart import Axis, Bars, Chart, HeatMap, Histogram, HLine, Line, Mark
from tacitlab.plot.panels import Panel, Panels
from tacitlab.studies.frame import curve
from tacitlab.studies.resource_cooperation.claims import estimate
from tacitlab.studies.resource_cooperation.evidence import Arena, Attack, Played
from tacitlab.studies.resource_cooperation.settings import DECAY

UNIT = "currency"
STEPS = 200  # points of a path
BLOCKS = 100  # columns of a heat map
ROWS = 40  # traders of a heat map
SHOWN = ("hold", "random", "volume-matched", "trend-follower", "buy-to-limit")


# --- over learning -------------------------------------------------------------------------------------------------


def learning_chart(arena: Arena) -> Chart:
    """Gain of a trader over learning, under falling and constant exploration, beside the baselines and the optimum."""
    marks: list[Mark] = [_curve(arena.learned, arena.learned.curve, "exploration falls from 1 to 0.01")]
    if arena.constant is not None:
        marks.append(_curve(arena.constant, arena.constant.curve, "exploration 0.1"))
    for name in (*SHOWN[1:], "rebalance"):
        if name in arena.baselines:
            gain = float(arena.gain(name).mean())
            marks.append(HLine(gain, f"{name} {gain:.0f}"))
    if arena.optimum is not None:
        marks.append(HLine(arena.optimum, f"joint optimum {arena.optimum:.0f}"))
    return Chart(
        f"Gain of a trader while learning: {arena.setting.words}", Axis("training episode"), Axis("gain", UNIT), marks,
        f"Mean over {len(arena.learned.curve)} sessions in windows of episodes, with its pointwise 95 % interval. "
        f"Exploration has fallen in episode {DECAY // 1000}. Baselines: mean of their test.",
    )  # fmt: skip


def _curve(played: Played, values: Floats, name: str, *, dash: bool = False) -> Line:
    return curve(played.time, values, name, dash=dash)


def coordination_panels(arenas: Sequence[Arena]) -> Panels:
    """How often both trade on the same side and on opposite ones, over learning."""
    panels = []
    for arena in arenas:
        played = arena.learned
        lines = [
            _curve(played, played.learning("sync"), "same side"),
            _curve(played, played.learning("offset"), "opposite sides", dash=True),
        ]
        panels.append(Panel(arena.setting.words, lines))
    return Panels(
        "Do traders trade with each other?", Axis("training episode"), Axis("share of steps"), panels, 2,
        "Steps in which both trade, by side: means over sessions with pointwise 95 % intervals. Chance puts them on "
        "opposite sides as often as on the same one where purchases and sales are as frequent.",
    )  # fmt: skip


# --- after learning ------------------------------------------------------------------------------------------------


def bar_chart(
    arenas: Sequence[Arena], what: str, title: str, axis: Axis, caption: str, *, level: bool = False
) -> Chart:
    """A number of each policy in each market: ``volatility`` or ``turnover``; ``level`` marks that of the noise."""
    names = ("Q-learners", *SHOWN)
    marks: list[Mark] = []
    for arena in arenas:
        found = [estimate(getattr(arena.everybody[name], what)) for name in names]
        heights, low, high = ([getattr(one, part) for one in found] for part in ("mean", "low", "high"))
        marks.append(Bars(names, heights, arena.setting.words, low, high))
    if level:
        sigma = arenas[0].learned.market.volatility
        marks.append(HLine(sigma, f"noise {sigma:g}"))
    return Chart(title, Axis(""), axis, marks, caption)


def fan_panels(arena: Arena, names: Sequence[str] = ("Q-learners", "hold", "random", "buy-to-limit")) -> Panels:
    """Quantiles of the price over sessions within an episode, a panel for each policy."""
    panels = []
    for name in names:
        paths = arena.everybody[name].path("price")
        at = np.unique(np.linspace(0, paths.shape[1] - 1, STEPS).astype(int))
        least, low, middle, high, most = np.quantile(paths[:, at], [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
        lines = [
            Line(at + 1, middle, "middle nine tenths", low=least, high=most, reference=True),
            Line(at + 1, middle, "median, middle half", low=low, high=high),
        ]
        panels.append(Panel(name, lines))
    return Panels(
        f"Price within an episode: {arena.setting.words}", Axis("step"), Axis("price", "currency/unit", log=True),
        panels, 2, f"One episode of each of {len(arena.learned.gain)} sessions, all in the same noise.",
    )  # fmt: skip


def heat_map(played: Played, title: str, *, crowd: bool) -> Chart:
    """What each agent trades over time in one episode: all agents of a session, or both of many sessions."""
    orders = played.path("trade")
    rows = orders[0].T if crowd else orders.swapaxes(1, 2).reshape(-1, orders.shape[1])[:ROWS]
    rows = rows[: max(ROWS, played.market.traders)]
    size = max(1, rows.shape[1] // BLOCKS)
    width = rows.shape[1] // size
    means = rows[:, : width * size].reshape(len(rows), width, size).mean(axis=2)
    whose = "all agents of one session" if crowd else "two agents of each session, one above the other"
    return Chart(
        title, Axis("step"), Axis("agent", whole=True),
        [HeatMap(size * (np.arange(width) + 0.5), np.arange(1, len(rows) + 1), means, "lots bought a step")],
        f"First episode of the test, {whose}; means over {size} steps. Sales are negative.",
    )  # fmt: skip


def exploitability_chart(attacks: Sequence[Attack]) -> Chart:
    """Distribution over agents of what a best response would gain."""
    marks: list[Mark] = [Histogram(np.ravel(one.exact.gain), one.arena.setting.words) for one in attacks]
    return Chart(
        "What a best response would gain in an agent's place", Axis("exploitability", UNIT), Axis("agents"), marks,
        "Exact, by dynamic programming, for every agent of the sessions that were computed.",
    )  # fmt: skip


# --- many agents ---------------------------------------------------------------------------------------------------


def crowd_charts(crowds: Mapping[tuple[int, str], Arena], pair: Arena | None) -> tuple[Chart, ...]:
    """Volatility and gain by the number of agents, beside the rules; with two agents both scalings are the same.

    None where there is a single number.
    """
    if pair is None and len({agents for agents, _ in crowds}) == 1:
        return ()
    volatility: list[Mark] = []
    gain: list[Mark] = []
    for scaling in ("fixed", "per-agent"):
        by_number = {} if pair is None else {2: pair}
        by_number |= {agents: arena for (agents, kind), arena in crowds.items() if kind == scaling}
        numbers = np.array(sorted(by_number), dtype=float)
        for policy in ("Q-learners", "buy-to-limit", "random"):
            played = [by_number[int(n)].everybody[policy] for n in numbers]
            name = f"{policy}, {'fixed impact' if scaling == 'fixed' else 'impact over N'}"
            for lines, found in (
                (volatility, [estimate(one.volatility) for one in played]),
                (gain, [estimate(one.gain) for one in played]),
            ):
                mean, low, high = (np.array([getattr(one, part) for one in found]) for part in ("mean", "low", "high"))
                lines.append(Line(numbers, mean, name, low=low, high=high, dash=scaling == "per-agent"))
    sigma = next(iter(crowds.values())).learned.market.volatility
    axis, caption = Axis("number of agents N", log=True), "Means over sessions with 95 % intervals; fills after impact."
    return (
        Chart("Volatility by the number of agents", axis, Axis("sd of one-step returns", log=True),
              [*volatility, HLine(sigma, f"noise {sigma:g}")], caption),
        Chart("Gain by the number of agents", axis, Axis("gain", UNIT), gain, caption),
    )  # fmt: skip
