"""Figures of a meta-game: best replies by parameter, the response graph, probabilities of equilibria, the front."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tacitlab.lab.result import Result
from tacitlab.measures.statistics import curve_interval
from tacitlab.metagame.analysis import Analysis
from tacitlab.plot.chart import Axis, Badges, Chart, Cloud, HeatMap, HLine, Line, Mark, Points

Floats = NDArray[np.float64]

MOST_CLOUD = 20_000  # profiles of the front's cloud
MOST_PATHS = 400  # arrows of the response graph


def field(path: str) -> str:
    """The last part of a field's path: what a reader calls it."""
    return path.rsplit(".", 1)[-1]


def reply_charts(found: Analysis, paths: Sequence[str]) -> tuple[Chart, ...]:
    """One heat map for each field: how often its values are in the best reply, by the opponents' value."""
    charts = []
    for path in paths:
        name, shares = field(path), found.reply_shares(path)
        values = np.asarray(found.axes[path][0], dtype=np.float64)
        order = np.argsort(values)
        charts.append(
            Chart(
                f"Best replies: {name}", Axis(f"{name} of the others"), Axis(f"{name} of the best reply"),
                (HeatMap(values[order], values[order], shares[np.ix_(order, order)], "share"),),
                "Of the symmetric profiles in a column, the share whose best reply has the value of the row.",
            )
        )  # fmt: skip
    return tuple(charts)


def graph_chart(found: Analysis, x: str, y: str) -> Chart:
    """The best-response graph in the plane of two parameters; attractors are numbered."""
    places = {name: _coordinates(found, name) for name in (x, y)}
    size = len(places[x])
    rng = np.random.default_rng(0)  # profiles that differ in the other parameters lie on the same point otherwise
    shift = rng.uniform(-0.02, 0.02, size=(2, size))
    px, py = (places[n] + s * float(np.ptp(places[n])) for n, s in zip((x, y), shift, strict=True))
    arrows = rng.permutation(size)[:MOST_PATHS]
    targets = found.replies
    inside = [j for j in arrows if targets[j] < size and targets[j] != j]
    marks: list[Mark] = []
    if inside:
        ends = targets[inside]
        gaps = np.full(len(inside), np.nan)
        x_path, y_path = (np.stack([c[inside], c[ends], gaps], axis=1).reshape(-1) for c in (px, py))
        marks.append(Line(x_path, y_path, "to the best reply", reference=True))
        x_near, y_near = (c[inside] + 0.8 * (c[ends] - c[inside]) for c in (px, py))
        marks.append(Points(x_near, y_near, "on the way, nearer the reply", symbol="diamond"))
    marks.append(Cloud(px, py, name="symmetric profiles"))
    nodes = [(number, p) for number, a in enumerate(found.attractors, 1) for p in a.profiles if p < size]
    if nodes:
        at = [p for _, p in nodes]
        marks.append(Badges(px[at], py[at], [str(number) for number, _ in nodes], name="fixed points and cycles"))
    told = "; ".join(_attractor(found, number) for number, _ in enumerate(found.attractors[:6], 1))
    caption = (
        f"Every profile in which all have the same strategy, and a line to its best reply. {told}. Replies outside the "
        "grid have no line. Places are shifted a little so that profiles which differ in other parameters can be told "
        "apart."
    )
    return Chart("The best-response graph", Axis(field(x)), Axis(field(y)), marks, caption)


def _attractor(found: Analysis, number: int) -> str:
    attractor = found.attractors[number - 1]
    kind = "fixed point" if attractor.fixed else "cycle"
    return f"{number}: {kind} {' → '.join(f'({found.labels[p]})' for p in attractor.profiles)}"


def probability_chart(found: Analysis, x: str, y: str) -> Chart:
    """Expected number of symmetric equilibria with each pair of values."""
    (xs, xi), (ys, yi) = found.axes[x], found.axes[y]
    total = np.zeros((len(ys), len(xs)))
    np.add.at(total, (yi, xi), found.probabilities[: len(xi)])
    ox, oy = np.argsort(xs), np.argsort(ys)
    grid = np.asarray(xs, np.float64)[ox], np.asarray(ys, np.float64)[oy]
    return Chart(
        "Where symmetric equilibria may lie", Axis(field(x)), Axis(field(y)),
        (HeatMap(*grid, total[np.ix_(oy, ox)], "expected number"),),
        "Probability that a symmetric profile is an equilibrium, added up over the other parameters.",
    )  # fmt: skip


def front_chart(found: Analysis, marked: Sequence[tuple[str, int]] = ()) -> Chart:
    """Profit gains of both designers in all profiles, the Pareto front, and the symmetric profiles."""
    nash, best = found.scale
    payoffs = (found.game.payoffs() - nash) / (best - nash)
    flat = payoffs.reshape(-1, 2)
    drawn = np.random.default_rng(0).permutation(len(flat))[:MOST_CLOUD]
    front = payoffs[tuple(found.front.T)]
    own = np.diagonal(payoffs[..., 0])
    marks: list[Mark] = [
        Cloud(flat[drawn, 0], flat[drawn, 1], name="profiles"),
        Points(own, own, "symmetric profiles", hollow=True),
        Line(front[:, 0], front[:, 1], "Pareto front", steps=False),
        *(Points([own[k]], [own[k]], name, reference=True) for name, k in marked),
    ]
    caption = (
        "Mean payoffs, 0 at the stage game's competitive and 1 at its cooperative benchmark. The front of "
        "estimates lies "
        "a little too far out."
    )
    return Chart("What designers earn", Axis("gain of one designer"), Axis("gain of the other"), marks, caption)


def learning_chart(title: str, played: Sequence[tuple[str, Result]], label: str, unit: str = "") -> Chart:
    """Mean payoff over time under several strategies, with benchmarks."""
    lines: list[Mark] = []
    for name, result in played:
        payoff = result.data["payoff"].mean("agent").transpose("session", "time")
        band = curve_interval(payoff.values)
        lines.append(Line(payoff["time"].values, band.centre, name, low=band.low, high=band.high))
    benchmarks = played[0][1].experiment.judged_in().benchmarks()
    lines += [
        HLine(benchmarks.nash.average, f"{benchmarks.nash.name} {benchmarks.nash.average:.4g}"),
        HLine(benchmarks.optimum.average, f"{benchmarks.optimum.name} {benchmarks.optimum.average:.4g}"),
    ]
    return Chart(title, Axis("time", "periods"), Axis(label, unit), lines, "Mean over sessions, pointwise 95 % band.")


def _coordinates(found: Analysis, name: str) -> Floats:
    values, index = found.axes[name]
    return np.asarray(np.asarray(values, dtype=np.float64)[index])
