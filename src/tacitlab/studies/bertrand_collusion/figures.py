"""Figures and tables of the collusion study, the published values among them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from tacitlab.audits.collusion import Flags
from tacitlab.audits.impulse_response import ImpulseResponse, nearest_actions
from tacitlab.measures import outcome
from tacitlab.measures.statistics import mean_interval, proportion
from tacitlab.plot.chart import Axis, Bars, Chart, Histogram, HLine, Line, Points, VLine
from tacitlab.report import run_page
from tacitlab.report.page import Cell, Section, Table
from tacitlab.studies import frame
from tacitlab.studies.bertrand_collusion.evidence import PERIODS, Evidence, Series, joint_chance, over_observations
from tacitlab.studies.bertrand_collusion.study import (
    CUT_FROM,
    GROUPS,
    PUBLISHED,
    RUNS,
    SERIES,
    group_claims,
    period_claims,
    theirs,
)
from tacitlab.theory.decision import Floats

SHOWN = 15  # periods of an impulse response that are drawn


def sections(e: Evidence) -> tuple[Section, ...]:
    """What supports the claims, in the order of the argument: outcome, mechanism, best responses."""
    data, benchmarks = e.result.data, e.result.benchmarks()
    place = outcome.gain(outcome.final_payoff(data, by_limit=True), data)
    return (
        Section("Learning", charts=(run_page.action_curve(data, benchmarks, e.result.experiment.game),)),
        Section("Sessions", charts=(run_page.gain_histogram(place, benchmarks), cycles(e)), table=groups(e)),
        Section(
            "Forced deviation",
            "One firm plays the static best reply to the rival's price for one period, from every state of the limit "
            "cycle; then both follow what they have learned. Means over cycle states, firms and sessions.",
            series_table(e, e.defined, "defined"),
            (response_chart(e, e.defined, "defined", "Answer to a price cut"),),
        ),
        Section(
            "Forced deviation by the authors' routine",
            "The published routine replies to the rival's price in the states numbered 1, 2, ... instead of those on "
            "the path, so that its deviations are deeper. Averages over every phase of the limit cycle.",
            series_table(e, e.routine, "routine"),
            (response_chart(e, e.routine, "routine", "Answer to the deviation of the authors' routine"),),
        ),
        Section(
            "Control: a rival who does not answer",
            "The same deviation against a rival who keeps the price it has at that moment. What is the same in both "
            "worlds is the deviator's own strategy; only the difference is punishment.",
            control_table(e),
            (control_chart(e), gains_chart(e)),
        ),
        Section("Price cuts of every size", table=cuts_table(e)),
        Section("What a best responder would take", charts=(forgone_chart(e),)),
    )


def cycles(e: Evidence) -> Chart:
    """Share of sessions by the length of the limit cycle, beside the published run."""
    known = [value for name, value in PUBLISHED.items() if name.startswith("cycles of length ")]
    longest = max(len(known), int(e.cycle.lengths.max()))
    names = [str(length) for length in range(1, longest + 1)]
    runs = np.pad([value.value for value in known], (0, longest - len(known)))
    bars = []
    for name, counts, n in (
        ("this run", np.bincount(e.cycle.lengths, minlength=longest + 1)[1:], e.sessions),
        ("published", runs, RUNS),
    ):
        found = [proportion(int(count), n) for count in counts]
        low, high = [one.low for one in found], [one.high for one in found]
        bars.append(Bars(tuple(names), [one.mean for one in found], name, low=low, high=high))
    return Chart(
        "Limit cycles", Axis("cycle length", "periods"), Axis("share of sessions"), tuple(bars),
        f"With 95 % intervals; published: {known[0].source}, {RUNS:,} runs.",
    )  # fmt: skip


def groups(e: Evidence) -> Table:
    """Share, profit gain and Nash share of sessions by the length of the limit cycle."""
    columns = ["cycle length"]
    for name in ("share", "Δ", "Nash on path"):
        columns += [name, "published", "z"]
    rows = []
    for group in GROUPS:
        cells: list[Cell] = [group]
        for claim in group_claims(e, group):
            cells += [round(claim.measured.mean, 3), claim.published, round(claim.z, 1)]
        rows.append(tuple(cells))
    return Table(tuple(columns), tuple(rows), f"Source: {claim.source}. Nash on path by the one-step test.")


def series_table(e: Evidence, ours: Series, how: str) -> Table:
    """Every period of the published series: measured, published and the distance."""
    published = {one: theirs(how, *one) for one in SERIES[how]}
    first = next(iter(published.values()))
    periods = len(first)
    columns = ("series", "", *(f"τ={at + 1}" for at in range(periods)), "p, jointly")
    rows: list[tuple[Cell, ...]] = []
    for (who, quantity), values in published.items():
        claims = period_claims(how, who, quantity, ours, e)
        wanted = np.array([value.value for value in values])
        chance = joint_chance(ours[who, quantity][:, :periods], wanted, RUNS)
        rows += [
            (f"{who}'s {quantity}", "measured", *(f"{c.measured.mean:.4f}" for c in claims), chance),
            ("", "published", *(f"{value:.4f}" for value in wanted), None),
            ("", "z", *(_signed(c.z) for c in claims), None),
        ]
    caption = (
        f"Money a period. Published: {first[0].source}. p: how often chance puts all periods of a series together as "
        "far from the published ones (Hotelling's test)."
    )
    return Table(columns, tuple(rows), caption)


def _signed(z: float) -> str:
    return "–" if np.isnan(z) else f"{round(z, 1) + 0.0:+.1f}"  # without the sign of a negative zero


def response_chart(e: Evidence, ours: Series, how: str, title: str) -> Chart:
    """Prices of deviator and rival around the forced period, the published ones as points."""
    marks: list[Line | Points | HLine] = [_pre_shock(e)]
    for who in ("deviator", "rival"):
        values = [value.value for value in theirs(how, who, "price")]
        marks.append(_response(e, ours[who, "price"], who))
        marks.append(Points(np.arange(1, len(values) + 1), values, who))
    return Chart(
        title, Axis("period τ; the deviation is at τ = 1", range=(-0.3, SHOWN + 0.3)), Axis("price", "money"),
        tuple(marks), "Curves: mean over sessions with its pointwise 95 % interval. Symbols: published.",
    )  # fmt: skip


def _pre_shock(e: Evidence) -> HLine:
    price = float(e.cycle.actions.mean())
    return HLine(price, f"before {price:.3f}")


def _response(e: Evidence, values: ArrayLike, name: str, dash: bool = False) -> Line:
    """A response (sessions, periods) from the period before the deviation on, with its interval."""
    found = np.asarray(values)[:, : min(SHOWN, PERIODS)]
    curves = np.column_stack([e.cycle.actions.mean(1), found])
    return frame.curve(np.arange(curves.shape[1]), curves, name, dash=dash)


def control_chart(e: Evidence) -> Chart:
    """The deviator's price where the rival answers and where it does not."""
    alone = e.control.of_deviator("actions")
    marks = (
        _pre_shock(e),
        _response(e, e.defined["deviator", "price"], "deviator, rival answers"),
        _response(e, e.defined["rival", "price"], "rival"),
        _response(e, alone, "deviator, rival keeps its price", dash=True),
    )
    return Chart(
        "The deviator's price with and without an answer",
        Axis("period τ; the deviation is at τ = 1", range=(-0.3, SHOWN + 0.3)), Axis("price", "money"), marks,
        "Mean over sessions with its pointwise 95 % interval. The rival that keeps its price stays at the line.",
    )  # fmt: skip


def gains_chart(e: Evidence) -> Chart:
    """Distribution over sessions of what deviating is worth in the two worlds."""
    marks = (
        Histogram(e.deviations.per_session(e.deviations.gain_percent), "rival answers"),
        Histogram(e.control.per_session(e.control.gain_percent), "rival keeps its price"),
        VLine(0.0, "no gain"),
    )
    return Chart(
        "What one deviation is worth to the deviator", Axis("gain", "% of discounted profit"), Axis("sessions"), marks,
        "Means over cycle states and firms.",
    )  # fmt: skip


def control_table(e: Evidence) -> Table:
    """Deviation and control side by side."""
    found, control = e.deviations, e.control
    columns = ("", "rival answers", "rival keeps its price", "difference")
    rows = []
    for name, values, without in (
        ("gain of the deviator (% of discounted profit)", found.gain_percent, control.gain_percent),
        ("share of deviations that do not pay", ~found.profitable, ~control.profitable),
        ("share that return to the path", found.returned, control.returned),
        ("deviator's price at τ=2 (money)", _own_price(found, 2), _own_price(control, 2)),
        ("deviator's price at τ=5 (money)", _own_price(found, 5), _own_price(control, 5)),
        ("deviator's price at τ=10 (money)", _own_price(found, 10), _own_price(control, 10)),
    ):
        here, there = np.asarray(values, dtype=np.float64), np.asarray(without, dtype=np.float64)
        rows.append((name, *(str(over_observations(found.session, x)) for x in (here, there, here - there))))
    caption = (
        "Means over all observations: session, cycle state and firm. Gains and returns are relative to what follows "
        "in the same world without the deviation."
    )
    return Table(columns, tuple(rows), caption)


def _own_price(response: ImpulseResponse, period: int) -> Floats:
    """Price of the deviator in a period counted from 1, (observations,)."""
    return response.actions[np.arange(len(response.session)), period - 1, response.deviator]


def cuts_table(e: Evidence) -> Table:
    """Cuts to every lower price from constant paths: do they pay, and what does the rival do?"""
    start = nearest_actions(e.prices, [CUT_FROM] * len(e.prices))[0]
    columns = ["price of the deviator at τ=1 (money)"]
    for scope in (f"from {e.prices[0][start]:.3f}", "from every price"):
        columns += [f"{scope}: cuts", "unprofitable", "loss (%)", "rival at τ=2 (%)"]
    rows: list[tuple[Cell, ...]] = []
    for target, price in enumerate(e.prices[0]):
        here = e.cuts.target == target
        scopes = [here & (e.cuts.start == start), here]
        if here.any():
            rows.append((f"{price:.3f}", *(cell for scope in scopes for cell in _cut_cells(e, scope))))
    told = [value for name, value in PUBLISHED.items() if name.startswith("cuts from")]
    least, loss, answer = told  # middles of ranges, with half their width
    caption = (
        f"Sessions whose limit cycle is a constant price. Published, from {CUT_FROM}: unprofitable in more than "
        f"{100 * (least.value - least.rounding):g} % of the cases, a loss of {loss.value - loss.rounding:g} to "
        f"{loss.value + loss.rounding:g} %, the rival's price falls by about {-100 * answer.value:g} % "
        f"({least.source})."
    )
    return Table(tuple(columns), tuple(rows), caption)


def _cut_cells(e: Evidence, scope: Flags) -> Iterator[Cell]:
    """Number of cuts, share that does not pay, mean loss and answer of the rival, both in percent."""
    yield int(scope.sum())
    for values in (~e.cuts.profitable, e.cuts.loss, 100 * e.cuts.answer):
        yield float(np.mean(values[scope])) if scope.any() else None


def forgone_chart(e: Evidence) -> Chart:
    """Distribution over sessions of the value that the learned strategies forgo."""
    values, known = 100 * e.forgone.share.mean(1), PUBLISHED["forgone value, share of the best response's"]
    mean = mean_interval(values)
    marks = (Histogram(values), VLine(mean.mean, f"mean {mean.mean:.1f}"))
    return Chart(
        "Value that an exact best responder would add", Axis("forgone value", "% of the best response's value"),
        Axis("sessions"), marks, f"Means over firms. Published mean: {100 * known.value:g} % ({known.source}).",
        legend=False,
    )  # fmt: skip
