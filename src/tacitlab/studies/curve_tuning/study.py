"""Tuning a bonding curve for stable prices: the flat curve wins, unless the price has to tell something.

The paper (7.1) minimises ``E[1/T sum (P - mean P)^2]`` over the parameters of a curve, without a constraint. A constant
price attains 0 in every family that contains one or comes arbitrarily close. With a reference price, a reserve and an
elasticity required, the problem has a meaning: the least volatility is about the elasticity times that of the supply.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

import numpy as np

from tacitlab.errors import TacitError
from tacitlab.markets.token.curve_tuning import (
    CurveFamily,
    Requirements,
    TunedCurve,
    elasticity,
    pareto_front,
    tune,
    volatility,
)
from tacitlab.markets.token.curves import Curve, Exponential, Linear, Logarithmic, Power, Sigmoid
from tacitlab.markets.token.supply_flow import Flow, ar1_flow
from tacitlab.plot.chart import Axis, Chart, Line, Mark, Points
from tacitlab.report.page import Cell, Section, Table
from tacitlab.studies.base import Claim, Finding, Player, Study, Verdict, named
from tacitlab.studies.frame import exact, listed
from tacitlab.studies.tokens import SOURCE, Floats

SUPPLY, PRICE = 100.0, 0.1 * float(np.e)  # the default market's: S_ref and f(S_ref) = 0.1 e
SPREAD, PERSISTENCE = 0.1, 0.9  # of ln S
ELASTICITY, BACKED = 0.5, 0.6  # required: elasticity, and reserve as a share of what all tokens are worth
SEARCH = 0.1  # percent of the supply's volatility: what the search leaves
LEAST = "no requirement: least volatility (% of the supply's)"
LITERAL = (0.05, 0.02, 0.01, 0.005, 0.001, 1e-4, 1e-5)  # growth k of the exponential curve


def families() -> dict[str, tuple[type[Curve], tuple[tuple[float, float], ...]]]:
    """Curves with their parameters' bounds, in the order of :meth:`Curve.parameters`."""
    return {
        "linear": (Linear, ((1e-7, 0.02), (0.0, 2.0))),
        "logarithmic": (Logarithmic, ((1e-6, 2.0), (0.0, 2.0))),
        "exponential": (Exponential, ((1e-4, 2.0), (1e-6, 0.05))),
        "sigmoid": (Sigmoid, ((0.01, 10.0), (1e-4, 0.2), (0.0, 400.0))),
        "power": (Power, ((1e-8, 2.0), (0.0, 4.0))),
    }


def family(name: str) -> CurveFamily:
    """A family of the market's curves as the theory of tuning takes it.

    Examples
    --------
    >>> print(round(float(family("exponential").price(np.array(100.0), np.array([0.1, 0.01]))), 5))
    0.27183
    """
    kind, bounds = families()[name]
    fields = tuple(kind().parameters()) if name != "power" else ()

    def given(p: Floats) -> dict[str, float]:
        if name == "power":  # known to the formulas by its reserve at a supply of 1
            return {"unit": 1.0, "value": float(p[0]) / (float(p[1]) + 1), "exponent": float(p[1]) + 1}
        return dict(zip(fields, map(float, p), strict=True))

    return CurveFamily(name, lambda s, p: kind.price_of(given(p), s), lambda s, p: kind.reserve_of(given(p), s), bounds)


@cache
def flow() -> Flow:
    """An exogenous supply around 100 tokens."""
    return ar1_flow(SUPPLY, SPREAD, PERSISTENCE)


@dataclass(frozen=True, eq=False)
class Tuned:
    """Optima of a family: without and with requirements (none if it cannot meet them), and its Pareto front."""

    free: TunedCurve
    bound: TunedCurve | None
    front: Sequence[TunedCurve]


@dataclass(frozen=True)
class Fineness:
    """How many elasticities and reserves the fronts go through."""

    elasticities: int
    reserves: int


class CurveTuning(Study):
    """Least volatility by family of curves, without and with requirements, and Pareto fronts. No agents."""

    name: ClassVar[str] = "curve-tuning"
    question: ClassVar[str] = "which bonding curve has the least volatile price, and what does it stop telling?"
    source: ClassVar[str] = SOURCE
    sizes: ClassVar[Mapping[str, Fineness]] = {"quick": Fineness(9, 3), "paper": Fineness(25, 5)}

    def find(self, preset: str, play: Player) -> Finding:
        size = self.sizes[preset]
        return examine({name: tuned(name, size) for name in families()})


def tuned(name: str, size: Fineness) -> Tuned:
    """All optima of a family."""
    own, asked = family(name), Requirements(SUPPLY, PRICE)
    try:
        bound = tune(own, flow(), Requirements(SUPPLY, PRICE, BACKED * SUPPLY * PRICE, ELASTICITY))
    except TacitError:
        bound = None
    grid = np.linspace(0.0, 2.0, size.elasticities)
    reserves = np.linspace(0.0, 0.8, size.reserves) * SUPPLY * PRICE
    return Tuned(tune(own, flow(), asked), bound, pareto_front(own, flow(), asked, grid, reserves))


def examine(found: Mapping[str, Tuned]) -> Finding:
    """Judge the literal problem and the constrained one."""
    claims = (*_degenerate(found), *_constrained(found))
    return Finding(answer(found, claims), claims, _sections(found), NOTES)


NOTES = (
    f"No agents and no chance: ln S is a stationary Gaussian AR(1) process (median {SUPPLY:g} tokens, standard "
    f"deviation {SPREAD:g}, persistence {PERSISTENCE:g}), expectations are quadratures, and optima come from a local "
    "search from several starts. Where "
    "supply reacts to the price, a steeper curve may also move it less; that is left to the study of volatility.",
    f"All curves have the price {PRICE:.3f} at a supply of {SUPPLY:g}, the default market's.",
)


def _degenerate(found: Mapping[str, Tuned]) -> tuple[Claim, ...]:
    unit = _supply_volatility()
    note = "A flat price stabilises nothing: it has stopped telling what a token is worth."
    return tuple(
        Claim(f"{name}, {LEAST}",
              replace(exact(100 * one.free.volatility / unit), se=SEARCH), 0.0, "a flat curve", note=note)
        for name, one in found.items()
    )  # fmt: skip


def _constrained(found: Mapping[str, Tuned]) -> tuple[Claim, ...]:
    """The least volatility is the elasticity required times the supply's, to first order in its changes."""
    unit, claims = _supply_volatility(), []
    source = "elasticity times the supply's volatility, first order"
    for name, one in found.items():
        if one.bound is None:
            continue
        # A second-order term remains: two percent of the value are its bound at a spread of 0.1.
        claims.append(Claim(f"{name}, elasticity {ELASTICITY:g} and reserve {100 * BACKED:g} %: least volatility (%)",
                            exact(100 * one.bound.volatility), 100 * ELASTICITY * unit, source,
                            rounding=2 * ELASTICITY * unit))  # fmt: skip
    return tuple(claims)


def _supply_volatility() -> float:
    """Standard deviation of d ln S."""
    return flow().volatility(np.log)


def answer(found: Mapping[str, Tuned], claims: Sequence[Claim]) -> str:
    """The finding in words."""
    free = [claim for claim in claims if claim.name.endswith(LEAST)]
    first = [c.judged() for key, c in named(claims).items() if not key.endswith(LEAST)]
    return (
        f"{degenerate([claim.judged() for claim in free])}. The least volatility found is at most "
        f"{max(claim.measured.mean for claim in free):.2f} % of the supply's.\n\n"
        f"With a price of {PRICE:.3f}, an elasticity of at least {ELASTICITY:g} and a reserve of at least "
        f"{100 * BACKED:g} % of the tokens' value, {_calmest(found)}{f': {elastic(first)}' if first else ''}."
    )


def _calmest(found: Mapping[str, Tuned]) -> str:
    """Which family meets both requirements with the least volatility, and by how much it matters."""
    best = {name: one.bound.volatility for name, one in found.items() if one.bound is not None}
    if not best:
        return "no family has a curve"
    failing = listed([name for name in found if name not in best])
    left_out = f" ({failing} curves cannot meet both)" if failing else ""
    if len(best) == 1:
        return f"only the {next(iter(best))} curve remains{left_out}"
    spread = max(best.values()) / min(best.values()) - 1
    return (
        f"the {min(best, key=best.__getitem__)} curve is the least volatile{left_out}, and families differ by no more "
        f"than {100 * spread:.1f} %"
    )


def degenerate(verdicts: Sequence[Verdict]) -> str:
    """What the literal problem is, by whether each family's optimum is a flat curve.

    Examples
    --------
    >>> degenerate([Verdict.REPRODUCED, Verdict.NOT])
    'Without requirements the flattest curve wins in 1 of 2 families'
    """
    flat = verdicts.count(Verdict.REPRODUCED)
    if flat < len(verdicts):
        return f"Without requirements the flattest curve wins in {flat} of {len(verdicts)} families"
    return (
        "The problem (7.1) is degenerate: without requirements the flattest curve wins in every family, and its price "
        "tells nothing"
    )


def elastic(verdicts: Sequence[Verdict]) -> str:
    """Whether the elasticity alone decides the volatility, by whether it does in each family.

    Examples
    --------
    >>> elastic([Verdict.REPRODUCED, Verdict.NOT])
    'volatility is not the elasticity times that of the supply in every family, so that the family matters'
    """
    if any(verdict is not Verdict.REPRODUCED for verdict in verdicts):
        return "volatility is not the elasticity times that of the supply in every family, so that the family matters"
    return (
        "volatility is the elasticity times that of the supply, whatever the family. What a designer chooses is the "
        "elasticity; the family only decides how much reserve goes with it"
    )


def _sections(found: Mapping[str, Tuned]) -> tuple[Section, ...]:
    return (
        Section("The literal problem", LITERAL_TEXT, table=_literal_table()),
        Section("Optimum by family", table=_table(found)),
        Section("Pareto front", charts=(_front_chart(found), _reserve_chart(found))),
    )


LITERAL_TEXT = "The exponential curve through the same price, ever flatter: its objective falls to 0."


def _literal_table() -> Table:
    rows = []
    for growth in LITERAL:
        parameters = [PRICE * np.exp(-growth * SUPPLY), growth]
        own = family("exponential")
        price = np.asarray(own.price(flow().before, np.array(parameters)))
        mean = flow().weights @ price
        spread = float(np.sqrt(flow().weights @ (price - mean) ** 2))
        rows.append((f"{growth:g}", f"{100 * spread:.4f}", f"{100 * volatility(own, parameters, flow()):.4f}",
                     f"{elasticity(own, parameters, SUPPLY):.3f}"))  # fmt: skip
    columns = ("growth k (1/token)", "sd of P (1/100 currency)", "sd of d ln P (%)", "elasticity")
    return Table(columns, rows, "", ("left", "right", "right", "right"))


def _table(found: Mapping[str, Tuned]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, one in found.items():
        for words, curve in (("none", one.free), ("both", one.bound)):
            if curve is None:
                rows.append((name, words, "cannot be met", None, None, None, ""))
                continue
            own = f"{100 * curve.volatility:.3f}"
            numbers = f"{curve.elasticity:.3f}", f"{100 * curve.reserve / SUPPLY / PRICE:.1f}"
            told = ", ".join(f"{x:.3g}" for x in curve.parameters)
            rows.append((name, words, own, *numbers, told, ", ".join(curve.binding)))
    columns = ("family", "requirements", "sd of d ln P (%)", "elasticity", "reserve (%)", "parameters", "binding")
    caption = (
        f"Reserve: share of what all tokens are worth at the price. Both: elasticity of at least {ELASTICITY:g} and a "
        f"reserve of at least {100 * BACKED:g} %. Parameters in the order in which `tacit show token` lists them."
    )
    return Table(columns, rows, caption)


def _front_chart(found: Mapping[str, Tuned]) -> Chart:
    marks: list[Mark] = []
    for name, one in found.items():
        xs, ys = [c.elasticity for c in one.front], [100 * c.volatility for c in one.front]
        marks.append(Points(xs, ys, name, hollow=True))
    line = np.array([0.0, 2.0])
    marks.append(Line(line, 100 * line * _supply_volatility(), "elasticity times the supply's", reference=True))
    caption = "Curves none of which is less volatile, more elastic and better backed than another one of its family."
    axes = Axis("elasticity at a supply of 100"), Axis("sd of d ln P", "%")
    return Chart("What an elasticity costs", *axes, marks, caption)


def _reserve_chart(found: Mapping[str, Tuned]) -> Chart:
    marks: list[Mark] = []
    for name, one in found.items():
        xs = [c.elasticity for c in one.front]
        ys = [100 * c.reserve / SUPPLY / PRICE for c in one.front]
        marks.append(Points(xs, ys, name, hollow=True))
    caption = "The same curves, by how much of what tokens are worth is in the reserve."
    axes = Axis("elasticity at a supply of 100"), Axis("reserve", "% of value", range=(0.0, 105.0))
    return Chart("What backs the tokens", *axes, marks, caption)
