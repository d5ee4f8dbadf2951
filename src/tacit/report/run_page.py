"""The report of one run: what happened, beside what theory predicts."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from tacit.lab.result import Result
from tacit.measures import outcome
from tacit.measures.statistics import curve_interval, mean_interval
from tacit.report import page
from tacit.report.answer import Answer, Finding, answer, cell_data, ends_by_limit
from tacit.report.chart import Area, Axis, Bars, Chart, Histogram, HLine, Line, VLine
from tacit.report.page import Page, Section, Table
from tacit.theory.benchmarks import Benchmarks, Profile

MOST_CELLS = 12  # drawn in one picture
MANY_AGENTS = 6  # from here on only their mean is drawn


def write(result: Result, path: Path) -> Path:
    """Write the report of a run as one HTML file that needs no network."""
    return page.write(build(result), path)


def build(result: Result) -> Page:
    """The report of a run as a page."""
    experiment = result.experiment
    first = answer(result)
    if experiment.sweep:
        sections = sweep_sections(result)
        text = f"{result.data.sizes['session']} sessions in each of {_cells(result)} cells of the sweep."
    else:
        sections = [_findings(first), *cell_sections(result)]
        text = first.sentence()
    sections += [_benchmarks(result.benchmarks()), _provenance(result)]
    return Page(f"{experiment.name}: {experiment.description}".rstrip(": "), text, tuple(sections))


def cell_sections(result: Result) -> list[Section]:
    """Learning curves, distribution over sessions and limit cycles of a run without a sweep."""
    charts = charts_of(result)
    sections = [Section("Learning", charts=tuple(charts["learning"]))]
    if charts["sessions"]:
        sections.append(Section("Sessions", charts=tuple(charts["sessions"])))
    return sections


def charts_of(result: Result, cell: int = 0) -> dict[str, list[Chart]]:
    """Charts of one cell by section."""
    data, benchmarks, game = cell_data(result, cell), result.benchmarks(cell), result.experiment.game
    learning = [payoff_curve(data, benchmarks, game)]
    if game.actions().unit:
        learning.insert(0, action_curve(data, benchmarks, game))
    else:
        learning.append(share_curve(data, game))
    sessions = []
    place = outcome.gain(outcome.final_payoff(data, ends_by_limit(result)), data)
    if data.sizes["session"] > 1 and bool(place.notnull().all()):
        sessions.append(gain_histogram(place, benchmarks))
    if ends_by_limit(result) and data.sizes["session"] > 1:
        sessions.append(cycle_bars(data))
    return {"learning": learning, "sessions": sessions}


def action_curve(data: xr.Dataset, benchmarks: Benchmarks, game: Any) -> Chart:
    """Mean price (or quantity) over time with the benchmark lines."""
    actions = game.actions()
    values = (outcome.learning_curve(data, "frequency") * data["action_value"]).sum("action")
    return Chart(
        f"Learning: {actions.name}s",
        Axis("time", "periods"),
        Axis(f"mean {actions.name}", actions.unit),
        (*_agent_lines(values, game), *_references(benchmarks, actions.name)),
        "Mean over sessions with its pointwise 95 % interval; a converged session goes on along its limit cycle.",
    )


def payoff_curve(data: xr.Dataset, benchmarks: Benchmarks, game: Any) -> Chart:
    """Mean payoff or cost over time with the benchmark lines."""
    name, sign = game.cost_name or game.payoff_name, -1.0 if game.cost_name else 1.0
    values = sign * outcome.learning_curve(data, "payoff")
    lines = [
        HLine(sign * profile.average, f"{profile.name} {sign * profile.average:.4g}")
        for profile in (*benchmarks.competitive[:1], *benchmarks.cooperative[:1])
    ]
    return Chart(
        f"Learning: {name}",
        Axis("time", "periods"),
        Axis(f"mean {name}", game.payoff_unit),
        (*_agent_lines(values, game), *lines),
        "Mean over sessions with its pointwise 95 % interval.",
    )


def share_curve(data: xr.Dataset, game: Any) -> Chart:
    """Shares of the actions over time, over all agents."""
    actions = game.actions()
    shares = outcome.learning_curve(data, "frequency").mean(["session", "agent"])
    names = actions.labels or tuple(f"{actions.name} {value:g}" for value in actions.values[0])
    parts = {name: shares.isel(action=k).values for k, name in enumerate(names)}
    return Chart(
        f"Shares of each {actions.name}",
        Axis("time", "periods"),
        Axis("share of agents", range=(0.0, 1.0)),
        (Area(shares["time"].values, parts),),
        "Mean over sessions and agents.",
    )


def gain_histogram(place: xr.DataArray, benchmarks: Benchmarks) -> Chart:
    """Distribution over sessions of the place between competition and cooperation."""
    marks = (
        Histogram(place.values),
        VLine(0.0, benchmarks.nash.name), VLine(1.0, benchmarks.optimum.name),
        VLine(float(place.mean()), f"mean {float(place.mean()):.3f}"),
    )  # fmt: skip
    return Chart("Sessions between competition and cooperation", Axis("gain (0 = competitive, 1 = cooperative)"),
                 Axis("sessions"), marks, legend=False)  # fmt: skip


def cycle_bars(data: xr.Dataset) -> Chart:
    """Share of sessions by the length of their limit cycle."""
    lengths = data["cycle_length"].values
    names = ["1", "2", "3", "4", "5", "6 and more"] + (["none found"] if (lengths == 0).any() else [])
    groups = [lengths == k for k in range(1, 6)] + [lengths >= 6] + ([lengths == 0] if len(names) > 6 else [])
    estimates = [mean_interval(group.astype(float)) for group in groups]
    return Chart(
        "Limit cycles of greedy play",
        Axis("cycle length", "periods"),
        Axis("share of sessions"),
        (Bars(tuple(names), [e.mean for e in estimates], low=[e.low for e in estimates],
              high=[e.high for e in estimates]),),
        "With 95 % intervals over sessions." if len(lengths) > 1 else "",
        legend=False,
    )  # fmt: skip


def sweep_sections(result: Result) -> list[Section]:
    """Outcome by cell: a curve where one number is swept, and always a table."""
    answers = [answer(result, cell) for cell in range(_cells(result))]
    dims = result.experiment.sweep_dimensions()
    names = [finding.name for finding in answers[0].findings]
    rows = []
    for place, one in zip(np.ndindex(*[len(v) for v in dims.values()]), answers, strict=True):
        settings = [_cell_text(values[k]) for values, k in zip(dims.values(), place, strict=True)]
        estimates = [f.estimate for f in one.findings] + ([one.gain] if one.gain else [])
        rows.append((*settings, *(str(e) for e in estimates)))
    columns = (*dims, *names, *(["gain"] if answers[0].gain else []))
    charts = ()
    if len(dims) == 1 and all(isinstance(v, int | float) for v in next(iter(dims.values()))) and len(answers) > 1:
        charts = tuple(sweep_curve(result, answers, k) for k in range(len(names)))
    return [Section("Outcome by cell", charts=charts, table=Table(columns, tuple(rows)))]


def sweep_curve(result: Result, answers: list[Answer], k: int) -> Chart:
    """One outcome against the number that is swept, with its benchmarks."""
    ((name, values),) = result.experiment.sweep_dimensions().items()
    order = np.argsort(values)
    x = np.array(values, dtype=float)[order]
    found = [answers[i].findings[k] for i in order]
    y = [f.estimate for f in found]
    curve = Line(x, [e.mean for e in y], low=[e.low for e in y], high=[e.high for e in y])
    logarithmic = bool((x > 0).sum() > 4 and x.max() / x[x > 0].min() > 30)
    references = [
        HLine(value, f"{label} {value:.4g}")
        for label, value in ((answers[0].labels[0], found[0].nash), (answers[0].labels[1], found[0].optimum))
        if value is not None and all(f.nash == found[0].nash and f.optimum == found[0].optimum for f in found)
    ]
    left_out = "; values of 0 are left out on the logarithmic axis" if logarithmic and (x <= 0).any() else ""
    return Chart(
        f"{found[0].name} against {name}", Axis(name, log=logarithmic), Axis(found[0].name, found[0].unit),
        (curve, *references), f"Mean over sessions with its 95 % interval{left_out}.", legend=False,
    )  # fmt: skip


def _agent_lines(values: xr.DataArray, game: Any) -> list[Line]:
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


def _references(benchmarks: Benchmarks, quantity: str) -> list[HLine]:
    lines = []
    for profile in (*benchmarks.competitive[:1], *benchmarks.cooperative[:1]):
        for value in sorted(set(np.round(profile.quantities.get(quantity, np.array([])), 10))):
            lines.append(HLine(float(value), f"{profile.name} {value:.4g}"))
    return lines[:MANY_AGENTS]


def _findings(found: Answer) -> Section:
    columns = ("outcome", "mean over sessions", found.labels[0], found.labels[1], "unit")
    rows = [_finding_row(finding) for finding in found.findings]
    if found.gain is not None:
        rows.append(("gain (0 to 1 between the two)", str(found.gain), 0.0, 1.0, ""))
    return Section("Outcome and benchmarks", text=found.verdict, table=Table(columns, tuple(rows)))


def _finding_row(finding: Finding) -> tuple[str, str, float | None, float | None, str]:
    return finding.name, str(finding.estimate), finding.nash, finding.optimum, finding.unit


def _benchmarks(benchmarks: Benchmarks) -> Section:
    rows = [_profile_row(profile) for profile in (*benchmarks.competitive, *benchmarks.cooperative)]
    notes = [*benchmarks.notes, *(f"{name}: {value:.6g}" for name, value in benchmarks.numbers.items())]
    if not benchmarks.complete:
        notes.append("These are not proven to be all pure equilibria.")
    columns = ("benchmark", "payoff", "where", "method", "error")
    return Section("Benchmarks", text="\n\n".join(notes), table=Table(columns, tuple(rows)))


def _profile_row(profile: Profile) -> tuple[str, str, str, str, str]:
    payoffs = ", ".join(f"{p:.5g}" for p in profile.payoffs[:MANY_AGENTS])
    where = "; ".join(
        f"{name} {', '.join(f'{v:.5g}' for v in np.ravel(values)[:MANY_AGENTS])}"
        for name, values in profile.quantities.items()
    )
    return profile.name, payoffs, where, profile.method, "exact" if profile.exact else f"{profile.error:.1e}"


def _provenance(result: Result) -> Section:
    manifest = result.manifest
    rows = [(key, _cell_text(manifest[key])) for key in ("seed", "sessions", "seconds", "started", "content_hash")
            if key in manifest]  # fmt: skip
    rows += [(name, version) for name, version in manifest.get("versions", {}).items()]
    if result.folder is not None:
        rows.append(("data", f"{result.folder.name}/data.zarr"))
    return Section("Provenance", table=Table(("", ""), tuple(rows)))


def _cells(result: Result) -> int:
    return int(np.prod([len(v) for v in result.experiment.sweep.values()], dtype=int))


def _cell_text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
