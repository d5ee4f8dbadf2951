"""What happens within an episode: recorded quantities step by step, beside the schedules of theory."""

import re

import numpy as np
from numpy.typing import NDArray

from tacitlab.markets.base import Quantity
from tacitlab.markets.repeated_game import RepeatedGame
from tacitlab.measures.statistics import curve_interval
from tacitlab.plot.chart import Axis, Chart, HeatMap, Line, Mark
from tacitlab.plot.panels import Panel, Panels, Picture
from tacitlab.report import run_page
from tacitlab.report.market_tested import Tested
from tacitlab.theory.benchmarks import Profile

Floats = NDArray[np.float64]

MOST_STEPS = 200  # points of a path; longer ones are averaged over blocks of steps
FEW_PATHS = 5  # below that, quantiles over sessions mean little
MANY_ROWS = 5  # agents from which a map shows more than lines
MOST_PANELS, COLUMNS = 20, 5  # sessions that are shown one by one
FEW_STEPS = 50  # of an episode whose sessions are shown one by one


def path_charts(found: Tested) -> list[Picture]:
    """Mean path of each quantity; then, where episodes are short, the first quantity session by session."""
    if not len(found.outcomes) or found.market.horizon < 2:
        return []
    quantities = [q for q in found.market.quantities() if f"test_{q.name}" in found.data and _has_mean(found, q)]
    quantities = [q for q in quantities if _moves(found, q)]
    charts: list[Picture] = [path_chart(found, quantity) for quantity in quantities]
    fans = [q for q in quantities if not q.by_agent and q.unit and len(found.outcomes) >= FEW_PATHS]
    charts += [fan_chart(found, q) for q in fans if f"test_{q.name}_path" in found.data]
    maps = [q for q in quantities if q.by_agent and found.market.n_players >= MANY_ROWS]
    charts += [heat_map(found, q) for q in maps if f"test_{q.name}_path" in found.data]
    several = found.market.n_players > 1 and len(found.outcomes) > 1
    if several and quantities and quantities[0].by_agent and found.market.horizon <= FEW_STEPS:
        charts.append(session_panels(found, quantities[0]))
    return charts


def _has_mean(found: Tested, quantity: Quantity) -> bool:
    """Whether the quantity is a number, and not the index of an action that has a name."""
    stage = found.market.stage if isinstance(found.market, RepeatedGame) else None
    return stage is None or not stage.actions().labels or quantity.name != stage.actions().name


def _moves(found: Tested, quantity: Quantity) -> bool:
    """Whether it is not the same number always and everywhere."""
    values = found.data[f"test_{quantity.name}"]
    return bool(values.max() > values.min())


def path_chart(found: Tested, quantity: Quantity) -> Chart:
    """Mean over sessions of a quantity at each step of the test, with its interval."""
    values, x, block = _thinned(found, quantity)
    marks: list[Mark] = []
    for name, part in _by_agent(found, quantity, values).items():
        band = curve_interval(part)
        marks.append(Line(x, band.centre, name, low=band.low, high=band.high))
    marks += _theory(found, quantity, x)
    caption = "Mean over sessions and test episodes, with its pointwise 95 % interval over sessions."
    if block > 1:
        caption += f" Each point is the mean over {block} consecutive steps."
    return Chart(f"{_capital(quantity.label)} within an episode", Axis("step", whole=True),
                 run_page.axis(quantity.label, quantity.unit), marks, caption)  # fmt: skip


def fan_chart(found: Tested, quantity: Quantity) -> Chart:
    """How far apart single episodes are: quantiles over sessions, and one of them."""
    values, x, _ = _thinned(found, quantity, "_path")
    paths = values[..., 0]
    marks: list[Mark] = []
    for share in (90, 50):
        low, middle, high = np.quantile(paths, [0.5 - share / 200, 0.5, 0.5 + share / 200], axis=0)
        marks.append(Line(x, middle, f"{share} % of sessions", low=low, high=high))
    marks.append(Line(x, paths[0], "session 0", dash=True))
    caption = "One episode of the test of each session: median, and the middle half and nine tenths of sessions."
    return Chart(f"{_capital(quantity.label)} in single episodes", Axis("step", whole=True),
                 run_page.axis(quantity.label, quantity.unit), marks, caption)  # fmt: skip


def heat_map(found: Tested, quantity: Quantity) -> Chart:
    """What every agent does in one episode of one session."""
    values, x, block = _thinned(found, quantity, "_path")
    rows = np.arange(1, found.market.n_players + 1)
    label = f"{quantity.label} ({quantity.unit})" if quantity.unit else quantity.label
    marks = [HeatMap(x, rows, values[0].T, label)]
    caption = "One episode of the test in the first session."
    if block > 1:
        caption += f" Each cell is the mean over {block} consecutive steps."
    axis = Axis(found.words.role, whole=True)
    return Chart(
        f"{_capital(quantity.label)} of every {found.words.role}", Axis("step", whole=True), axis, marks, caption
    )


def session_panels(found: Tested, quantity: Quantity) -> Panels:
    """A quantity at each step, a panel a session."""
    values, x, _ = _thinned(found, quantity)
    numbers = np.setdiff1d(np.arange(found.sessions), [failure.session for failure in found.failures])[:MOST_PANELS]
    theory = [line for line in _theory(found, quantity, x) if isinstance(line, Line)]
    panels = []
    for k, number in enumerate(numbers):
        parts = _by_agent(found, quantity, values[k : k + 1])
        lines = [Line(x, part[0], name, dash=bool(i % 2)) for i, (name, part) in enumerate(parts.items())]
        outcomes = ", ".join(f"{value:.2f}" for value in found.outcomes[k, : run_page.MANY_AGENTS])
        panels.append(Panel(f"session {number}: {outcomes}", (*theory, *lines)))
    some = f" The first {MOST_PANELS} sessions." if len(found.outcomes) > MOST_PANELS else ""
    caption = f"Means over test episodes. Above each panel: {found.words.outcome} of the {found.words.role}s.{some}"
    return Panels(f"{_capital(quantity.label)} in each session", Axis("step", whole=True),
                  run_page.axis(quantity.label, quantity.unit), panels, min(COLUMNS, len(panels)), caption)  # fmt: skip


def _thinned(found: Tested, quantity: Quantity, what: str = "") -> tuple[Floats, Floats, int]:
    """Values by session, step and agent (one, if all share them), the steps counted from 1, and steps in a block.

    Means over test episodes, or ``what`` else is recorded.
    """
    data = found.data[f"test_{quantity.name}{what}"].astype(np.float64)
    data = data if "agent" in data.dims else data.expand_dims("agent")
    values = data.transpose("session", "step", "agent").values
    steps = values.shape[1]
    block = -(-steps // MOST_STEPS)
    starts = np.arange(0, steps, block)
    sizes = np.diff([*starts, steps])
    means = np.add.reduceat(values, starts, axis=1) / sizes[:, None]
    return means, 1 + starts + (sizes - 1) / 2, block


def _by_agent(found: Tested, quantity: Quantity, values: Floats) -> dict[str, Floats]:
    """Paths by session, for each agent or for all together."""
    if not quantity.by_agent:
        return {"mean over sessions": values[..., 0]}
    if len(found.agents) > run_page.MANY_AGENTS:
        return {f"mean of all {found.words.role}s": values.mean(axis=-1)}
    return {name: values[..., k] for k, name in enumerate(found.agents)}


def _theory(found: Tested, quantity: Quantity, x: Floats) -> list[Mark]:
    """Schedules of the two references, or their levels."""
    marks: list[Mark] = []
    for profile in (*found.benchmarks.competitive[:1], *found.benchmarks.cooperative[:1]):
        schedules = schedules_of(profile, quantity.name, found.market.horizon)
        for who, schedule in list(schedules.items())[: run_page.MANY_AGENTS]:
            if len(schedule) == len(x):
                marks.append(Line(x, schedule, f"{profile.name}{who}", reference=True))
    if not marks:
        marks += run_page.references(found.benchmarks, quantity.name)
    return marks


def schedules_of(profile: Profile, quantity: str, steps: int) -> dict[str, Floats]:
    """What a benchmark says of a quantity at each step: for all agents, or by " of trader 1" and so on.

    The benchmark may speak in the plural: the schedule of "trade" is called "trades", or "trades of trader 1". With
    several assets it holds, for each step, a number for each asset, and the quantity is "trade-1" and so on.

    Examples
    --------
    >>> profile = Profile("Nash", "nash", np.zeros(2), "", quantities={"trades of trader 1": np.array([3.0, 1, 2, 0])})
    >>> schedules_of(profile, "trade", 4)
    {' of trader 1': array([3., 1., 2., 0.])}
    >>> schedules_of(profile, "trade-2", 2)
    {' of trader 1': array([1., 0.])}
    """
    base, number = re.fullmatch(r"(.*?)(?:-(\d+))?", quantity).groups()  # type: ignore[union-attr]
    found = {}
    for name, values in profile.quantities.items():
        match = re.fullmatch(rf"{re.escape(base)}s?( of .*)?", name)
        if match is None or values.size % steps:
            continue
        columns = np.reshape(values, (steps, -1))
        place = int(number) - 1 if number else 0
        if columns.shape[1] > place and (number or columns.shape[1] == 1):
            found[match.group(1) or ""] = columns[:, place]
    return found


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
