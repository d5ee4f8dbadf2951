"""The report of a run in a market: the test with frozen policies, and how they were learned, beside theory."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tacitlab.lab.result import Result, benchmarks_of
from tacitlab.markets.base import Quantity
from tacitlab.measures.statistics import curve_interval
from tacitlab.plot.chart import Axis, Badges, Chart, Histogram, HLine, Line, Mark, Points, Rectangle, VLine
from tacitlab.report import market_baselines, run_page
from tacitlab.report.agents import SAME
from tacitlab.report.answer import Answer, answers, cell_data, sweep_sentence
from tacitlab.report.finding import RANDOM_PLAY
from tacitlab.report.market_paths import path_charts
from tacitlab.report.market_tested import Failure, Tested, failed, failure_sentence, outcome_of
from tacitlab.report.market_wealth import lorenz_charts
from tacitlab.report.page import Page, Section, Table
from tacitlab.theory.benchmarks import Profile

Floats = NDArray[np.float64]

MOST_BADGES = 30  # sessions that are numbered in a scatter
LOGARITHMIC = 30.0  # largest over smallest value from which an axis is logarithmic
EXPLORING = " Play while learning, with exploration: not yet what the agents learned."


def build(result: Result) -> Page:
    """The report of a run in a market as a page."""
    experiment = result.experiment
    title = f"{experiment.name}: {experiment.description}".rstrip(": ")
    found = answers(result)
    if experiment.sweep:
        text = sweep_sentence(result, found)
        sections = [*run_page.sweep_sections(result, found, _payoff_of, EXPLORING), *_failures(result)]
    else:
        tested, text = outcome_of(result, 0), found[0].sentence()
        parts = [
            run_page.findings_section(found[0]),
            Section("Test", _test_text(tested), charts=session_charts(tested, found[0])),
            *market_baselines.section(tested), Section("Paths", charts=path_charts(tested)),
            Section("Who owns how much", charts=lorenz_charts(tested)),
            Section("Learning", charts=learning_charts(tested)), *_failures(result),
        ]  # fmt: skip
        sections = [part for part in parts if part.charts or part.table]
    return Page(title, text, (*sections, *_benchmarks(result), run_page.provenance(result)))


# --- the test ------------------------------------------------------------------------------------------------------


def _test_text(found: Tested) -> str:
    each = "" if found.market.payoff_steps == 1 else f", {found.words.outcome} a period"
    return f"Each session counts by its mean over {found.experiment.test.episodes:,} test episodes{each}."


def session_charts(found: Tested, said: Answer) -> list[Chart]:
    """Outcomes of the sessions: both agents in a plane where there are two, and the distribution of the mean."""
    if len(found.outcomes) < 2:
        return []
    plane = [session_plane(found)] if found.market.n_players == 2 else []
    return [*plane, session_histogram(found, said.findings[0].random)]


def session_histogram(found: Tested, random: float | None) -> Chart:
    """Distribution over sessions of the mean over the agents that count, beside the benchmarks and random play."""
    values, words = found.mean(found.outcomes), found.words
    marks: list[Mark] = [Histogram(values), VLine(float(values.mean()), f"mean {values.mean():.4g}")]
    marks += [VLine(found.level(p), f"{p.name} {found.level(p):.4g}") for p in _references(found)]
    marks += [] if random is None else [VLine(random, f"{RANDOM_PLAY} {random:.4g}")]
    name = words.outcome if found.market.n_players == 1 else f"mean {words.outcome} of the {words.role}s"
    return Chart(f"Sessions by {words.outcome}", run_page.axis(name, words.unit), Axis("sessions", whole=True), marks,
                 legend=False)  # fmt: skip


def session_plane(found: Tested) -> Chart:
    """Outcomes of two agents in every session, with the benchmarks."""
    words, (one, two) = found.words, found.outcomes.T
    marks: list[Mark] = []
    low, high = np.minimum(found.nash, found.optimum), np.maximum(found.nash, found.optimum)
    if (words.sign * (found.optimum - found.nash) > SAME * np.abs(high).max()).all():  # NaN is not more
        marks.append(Rectangle(low[0], high[0], low[1], high[1], "between the benchmarks"))
    which = np.setdiff1d(np.arange(found.sessions), [failure.session for failure in found.failures])
    if len(which) <= MOST_BADGES:
        marks.append(Badges(one, two, [str(k) for k in which], name="session"))
    else:
        marks.append(Points(one, two, "session"))
    for profile, symbol in zip(_references(found), ("star", "star-diamond"), strict=False):
        x, y = words.sign * np.broadcast_to(profile.payoffs, 2)
        marks.append(Points([x], [y], profile.name, symbol=symbol, reference=True))  # type: ignore[arg-type]
    axes = [run_page.axis(f"{words.outcome} of {agent}", words.unit) for agent in found.agents]
    return Chart(f"{_capital(words.outcome)} of both {words.role}s", axes[0], axes[1], marks,
                 "Means of the sessions over their test episodes.", equal=True)  # fmt: skip


def _references(found: Tested) -> list[Profile]:
    return [*found.benchmarks.competitive[:1], *found.benchmarks.cooperative[:1]]


# --- learning ------------------------------------------------------------------------------------------------------


def learning_charts(found: Tested) -> list[Chart]:
    """Payoffs, losses and sizes of the values while learning."""
    if not found.data.sizes["session"]:
        return []
    charts = [payoff_curve(found)] if found.learned else []
    curves = (
        ("loss", "loss", "", "Mean loss in each window"),
        ("value", "size of the learned values", found.words.unit, "Mean size of the learned values in each window"),
    )
    for name, title, unit, meaning in curves:
        lines = _agent_lines(found, found.data[name].astype(np.float64))
        if not lines:
            continue
        axis = Axis(title, unit, log=_spread(lines) > LOGARITHMIC)
        caption = f"{meaning} and over sessions, with its pointwise 95 % interval."
        charts.append(Chart(f"Learning: {title}", run_page.time_axis(found.data[name]), axis, lines, caption))
    return charts + ([quantity_curve(found, q) for q in found.market.quantities() if _recorded(found, q)])


def _recorded(found: Tested, quantity: Quantity) -> bool:
    """Whether the market as a whole has such a curve, of something that happens at all."""
    name = f"learning_{quantity.name}"
    return found.learned and name in found.data and bool((found.data[name] != 0).any())


def quantity_curve(found: Tested, quantity: Quantity) -> Chart:
    """A quantity of the market as a whole while agents learn, beside its level where they follow rules."""
    values = found.data[f"learning_{quantity.name}"].astype(np.float64)
    band = curve_interval(values.transpose("session", "time").values)
    marks = [Line(values["time"].values, band.centre, "while learning", low=band.low, high=band.high)]
    return Chart(
        f"Learning: {quantity.label}", run_page.time_axis(values), run_page.axis(quantity.label, quantity.unit),
        (*marks, *market_baselines.lines(found, quantity.name)), f"{run_page.averaged(found.data)}{EXPLORING}",
    )  # fmt: skip


def payoff_curve(found: Tested) -> Chart:
    """Mean payoff or cost of an episode over time, with the benchmarks of the market that they learn in."""
    words = found.words
    values = words.sign * found.data["payoff"].astype(np.float64)
    lines = [*_benchmark_lines(found), *market_baselines.lines(found)]
    return Chart(
        f"Learning: {words.outcome}", run_page.time_axis(values), run_page.axis(f"mean {words.outcome}", words.unit),
        (*_agent_lines(found, values), *lines), f"{run_page.averaged(found.data)}{EXPLORING}",
    )  # fmt: skip


def _benchmark_lines(found: Tested) -> list[HLine]:
    """One for each reference, or one for each agent where they differ."""
    known, sign, lines = benchmarks_of(found.experiment.market), found.words.sign, []
    for profile in (*known.competitive[:1], *known.cooperative[:1]):
        values = sign * profile.payoffs
        if np.ptp(values) <= SAME * np.abs(values).max() or len(values) > run_page.MANY_AGENTS:
            lines.append(HLine(float(values.mean()), f"{profile.name} {values.mean():.4g}"))
        else:
            lines += [HLine(v, f"{profile.name}, {a} {v:.4g}") for a, v in zip(found.agents, values, strict=True)]
    return lines


def _agent_lines(found: Tested, values: xr.DataArray) -> list[Line]:
    """One line an agent with its band, or one for all where they are many; only where all sessions have values."""
    whole = values.transpose("session", "time", "agent")
    if len(found.agents) > run_page.MANY_AGENTS:
        parts = {f"mean of all {found.words.role}s": whole.mean("agent").values}
    else:
        parts = {name: whole.isel(agent=k).values for k, name in enumerate(found.agents)}
    lines = []
    for name, part in parts.items():
        here = np.isfinite(part).all(axis=0)
        if here.any():
            band = curve_interval(part[:, here])
            lines.append(Line(values["time"].values[here], band.centre, name, low=band.low, high=band.high))
    return lines


def _spread(lines: Sequence[Line]) -> float:
    """Largest over smallest value; 0 where one is not positive."""
    values = np.concatenate([line.y for line in lines])
    return float(values.max() / values.min()) if values.min() > 0 else 0.0


def _payoff_of(result: Result, cell: int) -> xr.DataArray:
    """Mean payoff or cost over agents while learning, of the sessions of a cell that did not fail."""
    found = outcome_of(result, cell)
    values = found.words.sign * found.data["payoff"].astype(np.float64).mean("agent")
    return values.isel(time=np.flatnonzero(values.notnull().all("session").values))


# --- what failed, and theory ---------------------------------------------------------------------------------------


def _failures(result: Result) -> list[Section]:
    """Which sessions are left out, when and why."""
    rows: list[tuple[str, str, int | None]] = []
    everything: list[Failure] = []
    cells = len(result.cells)
    for cell in range(cells):
        for failure in failed(cell_data(result, cell)):
            where = f"cell {cell}, session {failure.session}" if cells > 1 else str(failure.session)
            rows.append((where, failure.cause, failure.episode))
            everything.append(failure)
    if not rows:
        return []
    n = cells * result.data.sizes["session"]
    text = (
        failure_sentence(everything, n)
        if cells == 1
        else f"{len(rows)} of {n} sessions failed and {'is' if len(rows) == 1 else 'are'} left out."
    )
    return [Section("Sessions that failed", text, Table(("session", "cause", "episode"), rows))]


def _benchmarks(result: Result) -> list[Section]:
    """Theory of the market that was tested in, and of that of training where it is another."""
    first, words = result.cells[0], result.cells[0].judged_in().words()
    which = " of the first cell" if result.experiment.sweep else ""
    if not first.test.environment:
        return [run_page.benchmarks_section(result.benchmarks(), f"Benchmarks{which}", words)]
    return [
        run_page.benchmarks_section(result.benchmarks(), f"Benchmarks of the test{which}", words),
        run_page.benchmarks_section(benchmarks_of(first.market), f"Benchmarks of the training market{which}", words),
    ]


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
