"""The report of one run: what happened, beside what theory predicts."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from tacitlab.environment import Words
from tacitlab.lab.experiment import described
from tacitlab.lab.result import Result
from tacitlab.markets.base import Market
from tacitlab.measures import outcome
from tacitlab.measures.statistics import Estimate, curve_interval, mean_interval
from tacitlab.plot.chart import Area, Axis, Bars, Chart, Histogram, HLine, Line, Mark, VLine
from tacitlab.report import page
from tacitlab.report.answer import Answer, answer, answers, cell_data, ends_by_limit, random_band, sweep_sentence
from tacitlab.report.finding import RANDOM_PLAY, Finding, shown
from tacitlab.report.page import Page, Section, Table
from tacitlab.theory.benchmarks import Benchmarks

MANY_AGENTS = 6  # from here on only their mean is drawn
MOST_LINES, MOST_AREAS, MOST_BARS = 6, 7, 12  # in one picture
MOST_NUMBERS = 12  # of an array in a table
GOES_ON = "; a converged session goes on along its limit cycle"


def write(result: Result, path: str | os.PathLike[str]) -> Path:
    """Write the report of a run as one HTML file that needs no network."""
    return page.write(build(result), path)


def build(result: Result) -> Page:
    """The report of a run as a page."""
    experiment = result.experiment
    if isinstance(experiment.environment, Market):
        from tacitlab.report import market_page

        return market_page.build(result)
    if experiment.sweep:
        found = answers(result)
        sections, text = sweep_sections(result, found, _payoff_of), sweep_sentence(result, found)
    else:
        first = answer(result)
        after = () if ends_by_limit(result) else (_greedy_play(result),)
        sections = [findings_section(first, after), *cell_sections(result)]
        text = first.sentence()
    heading = "Benchmarks of the first cell" if experiment.sweep else "Benchmarks"
    sections += [benchmarks_section(result.benchmarks(), heading, experiment.game.words()), provenance(result)]
    return Page(f"{experiment.name}: {experiment.description}".rstrip(": "), text, tuple(sections))


def cell_sections(result: Result) -> list[Section]:
    """Learning curves, distribution over sessions and limit cycles of a run without a sweep."""
    data, benchmarks = cell_data(result, 0), result.benchmarks()
    game, by_limit = result.cells[0].game, ends_by_limit(result)
    learning = [payoff_curve(data, benchmarks, game)]
    if game.actions().unit:
        learning.insert(0, action_curve(data, benchmarks, game))
    else:
        learning.append(share_curve(data, game))
    sessions = []
    place = outcome.gain(outcome.final_payoff(data, by_limit), data)
    if data.sizes["session"] > 1 and bool(place.notnull().all()):
        sessions.append(gain_histogram(place, benchmarks))
    if by_limit and data.sizes["session"] > 1:
        sessions.append(cycle_bars(data))
    sections = [Section("Learning", charts=tuple(learning)), Section("Sessions", charts=tuple(sessions))]
    return [section for section in sections if section.charts]


def action_curve(data: xr.Dataset, benchmarks: Benchmarks, game: Any) -> Chart:
    """Mean price (or quantity) over time with the benchmark lines."""
    actions = game.actions()
    values = (outcome.learning_curve(data, "frequency") * data["action_value"]).sum("action")
    return Chart(
        f"Learning: {actions.name}", time_axis(values), axis(f"mean {actions.name}", actions.unit),
        (*agent_lines(values, game), *references(benchmarks, actions.name)), averaged(data),
    )  # fmt: skip


def payoff_curve(data: xr.Dataset, benchmarks: Benchmarks, game: Any) -> Chart:
    """Mean payoff or cost over time with the benchmark lines."""
    words = game.words()
    values = words.sign * outcome.learning_curve(data, "payoff")
    return Chart(
        f"Learning: {words.outcome}", time_axis(values), axis(f"mean {words.outcome}", words.unit),
        (*agent_lines(values, words), *payoff_lines(benchmarks, words)), averaged(data),
    )  # fmt: skip


def share_curve(data: xr.Dataset, game: Any) -> Chart:
    """Shares of the actions over time, over all agents."""
    actions = game.actions()
    shares = outcome.learning_curve(data, "frequency").mean(["session", "agent"])
    names = actions.labels or tuple(f"{actions.name} {value:g}" for value in actions.values[0])
    parts = {name: shares.isel(action=k).values for k, name in enumerate(names)}
    if len(parts) > MOST_AREAS:
        common = sorted(parts, key=lambda name: -parts[name].mean())[: MOST_AREAS - 1]
        rest = np.sum([part for name, part in parts.items() if name not in common], axis=0)
        parts = {**{name: parts[name] for name in common}, f"{len(parts) - len(common)} others": rest}
    return Chart(
        f"Shares of each {actions.name}", Axis("time", "periods"), Axis(f"share of {game.role}s", range=(0.0, 1.0)),
        (Area(shares["time"].values, parts),), f"Mean over sessions and {game.role}s.",
    )  # fmt: skip


def gain_histogram(place: xr.DataArray, benchmarks: Benchmarks) -> Chart:
    """Distribution over sessions of the place between competition and cooperation."""
    marks: tuple[Mark, ...] = (
        Histogram(place.values),
        VLine(0.0, benchmarks.nash.name), VLine(1.0, benchmarks.optimum.name),
        VLine(float(place.mean()), f"mean {float(place.mean()):.3f}"),
        *([VLine(random.low, RANDOM_PLAY)] if (random := random_band(benchmarks)) else []),
    )  # fmt: skip
    return Chart("Sessions between competition and cooperation", Axis("gain (0 = competitive, 1 = cooperative)"),
                 Axis("sessions"), marks, legend=False)  # fmt: skip


def cycle_bars(data: xr.Dataset) -> Chart:
    """Share of sessions by the length of their limit cycle."""
    lengths = data["cycle_length"].values
    names = ["1", "2", "3", "4", "5", "6 and more"] + (["none found"] if (lengths == 0).any() else [])
    groups = [lengths == k for k in range(1, 6)] + [lengths >= 6] + ([lengths == 0] if len(names) > 6 else [])
    estimates = [mean_interval(group) for group in groups]
    return Chart(
        "Limit cycles of greedy play", Axis("cycle length", "periods"), Axis("share of sessions"),
        (_bars(names, estimates),), "With 95 % intervals over sessions.", legend=False,
    )  # fmt: skip


# --- sweeps ----------------------------------------------------------------------------------------------------


Curve = Callable[[Result, int], xr.DataArray]  # learning in a cell, by session and time


def sweep_sections(result: Result, answers: list[Answer], curve: Curve, remark: str = "") -> list[Section]:
    """Outcome by cell: curves or bars where they can be drawn, always a table; learning, with a remark on it."""
    vary = [not f.detail and _differ([a.findings[k] for a in answers])
            for k, f in enumerate(answers[0].findings)]  # fmt: skip
    rows, random = [], any(one.random_known for one in answers)
    for place, one in zip(_places(result), answers, strict=True):
        row: list[Any] = [*place]
        for finding, varies in zip(one.findings, vary, strict=True):
            row += [shown(finding.estimate), *(finding.beside[: 2 + random] if varies else ())]
        rows.append([*row, None if one.gain is None else str(one.gain), one.tally])
    columns = [*result.experiment.sweep_dimensions()]
    names = (*answers[0].labels, *([RANDOM_PLAY] if random else []))
    for finding, varies in zip(answers[0].findings, vary, strict=True):
        columns += [finding.name, *(names if varies else ())]
    table = Table((*columns, "gain", answers[0].tallied), rows)
    sections = [Section("Outcome by cell", charts=sweep_charts(result, answers), table=table)]
    if len(answers) > 1 and int(result.data["payoff"].notnull().sum("time").max()) > 1:
        sections.append(Section("Learning", charts=(sweep_learning(result, answers, curve, remark),)))
    return sections


def _places(result: Result) -> list[list[str]]:
    """Settings of each cell as texts."""
    dims = result.experiment.sweep_dimensions()
    return [
        [_cell_text(values[k]) for values, k in zip(dims.values(), place, strict=True)]
        for place in np.ndindex(*[len(values) for values in dims.values()])
    ]


def sweep_charts(result: Result, answers: Sequence[Answer]) -> list[Chart]:
    """Each outcome against the swept numbers of which there are most, a line for each setting of the others.

    Bars where no numbers are swept; nothing where lines or bars would be too many.
    """
    dims = result.experiment.sweep_dimensions()
    numbers = [name for name, values in dims.items() if len(values) > 1 and {type(v) for v in values} <= {int, float}]
    places = np.arange(len(answers)).reshape([len(values) for values in dims.values()])
    main = [k for k, finding in enumerate(answers[0].findings) if not finding.detail]
    if not numbers:
        names = _settings(result, list(range(len(answers))), list(dims))
        few = 1 < len(answers) <= MOST_BARS and len(set(names)) == len(names)
        return [_sweep_bars(answers, names, k) for k in main] if few else []
    along = max(numbers, key=lambda name: len(dims[name]))
    order = np.argsort(dims[along], kind="stable")
    rows = np.moveaxis(places, list(dims).index(along), -1).reshape(-1, len(order))[:, order]
    if len(rows) > MOST_LINES:
        return []
    others = [name for name in dims if name != along]
    names = _settings(result, [int(row[0]) for row in rows], others) if others else [""]
    curves = dict(zip(names, rows, strict=True))
    charts = [_sweep_curve(result, answers, along, curves, k) for k in main]
    if len(_shared(answers, [one.findings[0] for one in answers])) < 2 and any(one.gain for one in answers):
        charts.append(_sweep_curve(result, answers, along, curves, None))
    return charts


def _sweep_curve(result: Result, answers: Sequence[Answer], along: str, curves: dict[str, Any], k: int | None) -> Chart:
    """One outcome (the gain if ``k`` is None) against the numbers that are swept, with benchmarks common to all."""
    found = [_gain_of(one) if k is None else one.findings[k] for one in answers]
    cells = next(iter(curves.values()))
    x = np.sort(result.experiment.sweep_dimensions()[along])
    logarithmic = bool((x > 0).sum() > 4 and x.max() / x[x > 0].min() > 30)
    lines = [_estimate_line(x, [found[c].estimate for c in row], name) for name, row in curves.items()]
    caption = "Mean over sessions with its 95 % interval"
    if k == 0 and len(curves) == 1 and "limit_payoff" in result.data and not ends_by_limit(result):
        after = [_greedy_play(result, int(c)).estimate for c in cells]
        lines = [_estimate_line(x, [found[c].estimate for c in cells], "while learning, last fifth")]
        lines.append(_estimate_line(x, after, "greedy play afterwards"))
    if logarithmic and (x <= 0).any():
        at_zero = "; ".join(f"{name} {found[row[0]].estimate}".strip() for name, row in curves.items())
        caption += f". At {along} = {x[0]:g}, which the logarithmic axis cannot show: {at_zero}"
    first, references = found[cells[0]], list[Mark](_shared(answers, found))
    if _differ(found) and len(curves) == 1:
        sides = zip(*(found[c].beside for c in cells), strict=True)
        for name, side in zip((*answers[0].labels, RANDOM_PLAY), sides, strict=True):
            known = len(set(side)) > 1 and bool(np.isfinite(np.array(side, dtype=float)).any())
            references += [Line(x, side, name, dash=True)] if known else []
    label, unit = _swept(result, along)
    return Chart(
        f"{_capital(first.name)} against {along}", Axis(label, unit, log=logarithmic), axis(first.name, first.unit),
        (*lines, *references), f"{caption}.",
    )  # fmt: skip


def _shared(answers: Sequence[Answer], found: Sequence[Finding]) -> list[HLine]:
    """Benchmarks that are the same in all cells."""
    sides = [set(side) for side in zip(*(f.beside for f in found), strict=True)]
    names = (*answers[0].labels, RANDOM_PLAY)
    known = [(label, next(iter(side))) for label, side in zip(names, sides, strict=True) if len(side) == 1]
    return [HLine(v, f"{label} {v:.4g}") for label, v in known if v is not None and np.isfinite(v)]


def _differ(found: Sequence[Finding]) -> bool:
    """Whether the two benchmarks are not the same in all cells."""
    return len({(f.nash, f.optimum) for f in found}) > 1


def _sweep_bars(answers: Sequence[Answer], names: Sequence[str], k: int) -> Chart:
    first = answers[0].findings[k]
    bars = _bars(names, [one.findings[k].estimate for one in answers])
    marks: list[Mark] = [bars, *_shared(answers, [one.findings[k] for one in answers])]
    return Chart(f"{_capital(first.name)} by setting", Axis(""), axis(first.name, first.unit), marks,
                 "Mean over sessions with its 95 % interval.", legend=False)  # fmt: skip


def sweep_learning(result: Result, answers: Sequence[Answer], curve: Curve, remark: str = "") -> Chart:
    """Mean payoff or cost over time in some cells, evenly chosen."""
    words, dims = result.experiment.environment.words(), result.experiment.sweep_dimensions()
    cells = sorted(set(np.linspace(0, len(answers) - 1, MOST_LINES).round().astype(int).tolist()))
    lines = []
    for cell, setting in zip(cells, _settings(result, cells, list(dims)), strict=True):
        values = curve(result, cell).transpose("session", "time")
        if values.size:
            band = curve_interval(values.values)
            lines.append(Line(values["time"].values, band.centre, setting, low=band.low, high=band.high))
    end = max((float(line.x.max()) for line in lines), default=1.0)
    time = Axis("time", str(result.data["time"].attrs.get("units", "periods")), range=(0.0, end))
    some = "" if len(cells) == len(answers) else f" {len(cells)} of {len(answers)} cells."
    marks: list[Mark] = [*lines, *_shared(answers, [one.findings[0] for one in answers])]
    return Chart(f"Learning: {words.outcome}", time, axis(f"mean {words.outcome}", words.unit), marks,
                 f"{averaged(result.data)}{some}{remark}")  # fmt: skip


def _payoff_of(result: Result, cell: int) -> xr.DataArray:
    sign = result.experiment.game.words().sign
    return sign * outcome.learning_curve(cell_data(result, cell), "payoff").mean("agent")


def _settings(result: Result, cells: Sequence[int], names: Sequence[str]) -> list[str]:
    """What distinguishes cells: "alpha = 0.1, ties = random"."""
    dims, places = list(result.experiment.sweep_dimensions()), _places(result)
    return [", ".join(f"{name} = {places[cell][dims.index(name)]}" for name in names) for cell in cells]


def _swept(result: Result, name: str) -> tuple[str, str]:
    """Meaning and unit of a swept parameter, as its schema gives them."""
    experiment = result.experiment
    path = list(experiment.sweep)[list(experiment.sweep_dimensions()).index(name)]
    unit, meaning = described(result.cells[0], path)
    return (meaning, unit) if meaning else (name, "")


def _gain_of(one: Answer) -> Finding:
    unknown = Estimate(np.nan, np.nan, np.nan, np.nan, 0)
    return Finding("gain", one.gain or unknown, 0.0, 1.0)


def _greedy_play(result: Result, cell: int = 0) -> Finding:
    """Payoff of greedy play with what was learned: without exploration and without learning."""
    data, words = cell_data(result, cell), result.experiment.game.words()
    nash, optimum = (words.sign * float(data[name].mean()) for name in ("nash_payoff", "optimum_payoff"))
    estimate = mean_interval(words.sign * data["limit_payoff"].mean("agent").values)
    return Finding(f"{words.outcome} of greedy play afterwards", estimate, nash, optimum, words.unit)


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


# --- parts -----------------------------------------------------------------------------------------------------


def axis(name: str, unit: str) -> Axis:
    """An axis; a unit that only repeats the name ("travel time", "time") is left out."""
    return Axis(name, "" if name.endswith(unit) else unit)


def time_axis(values: xr.DataArray) -> Axis:
    """Time in the unit of the data."""
    unit, end = str(values["time"].attrs.get("units", "periods")), values["time"].values.max(initial=0)
    return Axis("time", unit, range=(0.0, float(end)) if end else None)


def averaged(data: xr.Dataset) -> str:
    """What a learning curve is."""
    goes_on = GOES_ON if "converged" in data and bool(data["converged"].any()) else ""
    return f"Mean over sessions with its pointwise 95 % interval{goes_on}."


def _estimate_line(x: Any, estimates: Sequence[Estimate], name: str) -> Line:
    return Line(x, [e.mean for e in estimates], name, low=[e.low for e in estimates], high=[e.high for e in estimates])


def _bars(names: Sequence[str], estimates: Sequence[Estimate]) -> Bars:
    low, high = [e.low for e in estimates], [e.high for e in estimates]
    return Bars(names, [e.mean for e in estimates], low=low, high=high)


def agent_lines(values: xr.DataArray, game: Any) -> list[Line]:
    """One line an agent with its band, or one for all where they are many."""
    agents = values.sizes["agent"]
    time = values["time"].values
    if agents == 1 or agents > MANY_AGENTS:
        curves = {f"mean of all {game.role}s": values.mean("agent")}
    else:
        curves = {f"{game.role} {i + 1}": values.isel(agent=i) for i in range(agents)}
    lines = []
    for name, curve in curves.items():
        band = curve_interval(curve.transpose("session", "time").values)
        lines.append(Line(time, band.centre, name, low=band.low, high=band.high))
    return lines


def references(benchmarks: Benchmarks, quantity: str) -> list[HLine]:
    """Benchmarks of a quantity, such as a price."""
    lines = []
    for profile in (*benchmarks.competitive[:1], *benchmarks.cooperative[:1]):
        for value in sorted(set(np.round(profile.quantities.get(quantity, np.array([])), 10))):
            lines.append(HLine(float(value), f"{profile.name} {value:.4g}"))
    return lines[:MANY_AGENTS]


def payoff_lines(benchmarks: Benchmarks, words: Words) -> list[HLine]:
    """Mean payoff or cost of the two references and of random play."""
    profiles = (
        *benchmarks.competitive[:1],
        *benchmarks.cooperative[:1],
        *benchmarks.null,
    )
    return [HLine(words.sign * p.average, f"{p.name} {words.sign * p.average:.4g}") for p in profiles]


def findings_section(found: Answer, more: Sequence[Finding] = ()) -> Section:
    """Outcomes beside the two benchmarks and random play."""
    random = found.random_known
    columns = ("outcome", "mean over sessions", *found.labels, *([RANDOM_PLAY] if random else []), "unit")
    rows = [(f.name, shown(f.estimate), *f.beside[: 2 + random], f.unit) for f in (*found.findings, *more)]
    if found.gain is not None:
        beside = [found.random_gain] if random else []
        rows.append(("gain (0 to 1 between the two)", shown(found.gain), 0.0, 1.0, *beside, ""))
    return Section("Outcome and benchmarks", table=Table(columns, tuple(rows)))


def benchmarks_section(benchmarks: Benchmarks, heading: str, words: Words) -> Section:
    """All that theory knows, in the words of the environment, with method and error."""
    rows = []
    for profile in (
        *benchmarks.competitive,
        *benchmarks.cooperative,
        *benchmarks.null,
    ):
        where = "; ".join(f"{name} {_some(values)}" for name, values in profile.quantities.items())
        error = "exact" if profile.exact else f"{profile.error:.1e}"
        rows.append((profile.name, _some(words.sign * profile.payoffs), where, profile.method, error))
    notes = [*benchmarks.notes, *(f"{name}: {value:.6g}" for name, value in benchmarks.numbers.items())]
    if not benchmarks.complete:
        notes.append("These are not proven to be all pure equilibria.")
    columns = ("benchmark", axis(words.outcome, words.unit).title, "where", "method", "error")
    return Section(heading, text="\n\n".join(notes), table=Table(columns, tuple(rows)))


def _some(values: Any) -> str:
    """The first numbers of an array; one where all are equal."""
    flat = np.ravel(values)
    flat = flat[:1] if np.ptp(flat) <= 1e-9 * np.abs(flat).max() else flat
    return ", ".join(f"{v:.5g}" for v in flat[:MOST_NUMBERS]) + (", ..." if len(flat) > MOST_NUMBERS else "")


def provenance(result: Result) -> Section:
    """How to get the same again."""
    manifest, keys = result.manifest, ("seed", "sessions", "seconds", "started", "content_hash")
    rows = [(key, _cell_text(manifest[key])) for key in keys if key in manifest]
    rows += [(name, version) for name, version in manifest.get("versions", {}).items()]
    rows += [("went on with another program", f"{e['when']}: {e['differs']}") for e in manifest.get("anyway", [])]
    if result.folder is not None:
        rows.append(("data", f"{result.folder.name}/data.zarr"))
    return Section("Provenance", table=Table(("", ""), tuple(rows)))


def _cell_text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
