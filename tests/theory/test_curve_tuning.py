"""Tuned curves against closed forms, dense grids and NSGA-II."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tacitlab.errors import TacitError
from tacitlab.markets.token.curve_tuning import (
    CurveFamily,
    Requirements,
    elasticity,
    nondominated,
    pareto_front,
    tune,
    volatility,
)
from tacitlab.markets.token.supply_flow import ar1_flow, path_flow

FLOW = ar1_flow(100.0, 0.1, 0.9, nodes=12)
UNIT = 0.1 * np.sqrt(0.2)  # volatility of ln S
ASK = Requirements(100.0, 10.0)

POWER = CurveFamily(
    "power", lambda s, p: p[0] * s ** p[1], lambda s, p: p[0] * s ** (p[1] + 1) / (p[1] + 1), ((1e-9, 1e3), (0, 4))
)
LINEAR = CurveFamily("linear", lambda s, p: p[0] * s + p[1], lambda s, p: (p[0] * s / 2 + p[1]) * s, ((0, 10), (0, 99)))
EXPONENTIAL = CurveFamily(
    "exponential",
    lambda s, p: p[0] * np.exp(p[1] * s),
    lambda s, p: p[0] / p[1] * np.expm1(p[1] * s),
    ((1e-6, 1e3), (1e-5, 0.05)),
)
CONSTANT_PRODUCT = CurveFamily(
    "constant product",
    lambda s, p: p[0] * p[1] / (p[1] - s) ** 2,
    lambda s, p: p[0] * s / (p[1] - s),
    ((1e-3, 1e6), (250.0, 1e6)),
)
SIGMOID = CurveFamily(
    "sigmoid",
    lambda s, p: p[0] * np.exp(-np.logaddexp(0, -p[1] * (s - p[2]))),
    lambda s, p: p[0] / p[1] * (np.logaddexp(0, p[1] * (s - p[2])) - np.logaddexp(0, -p[1] * p[2])),
    ((1.0, 1e3), (1e-4, 0.5), (0.0, 300.0)),
)
FAMILIES = (POWER, LINEAR, EXPONENTIAL, CONSTANT_PRODUCT, SIGMOID)
MIDDLE = {
    "power": [0.1, 1.3], "linear": [0.07, 3.0], "exponential": [1.0, 0.02], "constant product": [3e3, 500.0],
    "sigmoid": [20.0, 0.03, 90.0],
}  # fmt: skip


def steepness(family):
    """S f'/f at S = 100 by hand."""
    p = MIDDLE[family.name]
    return {
        "power": lambda: p[1],
        "linear": lambda: 7 / 10,
        "exponential": lambda: 2.0,
        "constant product": lambda: 2 * 100 / 400,
        "sigmoid": lambda: 3 / (1 + np.exp(0.3)),
    }[family.name]()


# --- one curve -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_elasticity_by_hand(family):
    assert elasticity(family, MIDDLE[family.name], 100.0) == pytest.approx(steepness(family), rel=1e-9)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
@pytest.mark.parametrize("persistence", [0.0, 0.9])
def test_small_noise_passes_on_elasticity_times_the_volatility_of_supply(family, persistence):
    for spread in (0.02, 0.01):
        flow = ar1_flow(100.0, spread, persistence)
        ratio = volatility(family, MIDDLE[family.name], flow) / (spread * np.sqrt(2 * (1 - persistence)))
        assert ratio == pytest.approx(steepness(family), rel=10 * spread**2)


def test_power_and_exponential_at_any_noise():
    flow = ar1_flow(100.0, 0.3, 0.7)
    assert volatility(POWER, [0.1, 1.3], flow) == pytest.approx(1.3 * 0.3 * np.sqrt(0.6), rel=1e-9)
    exact = 0.02 * 100 * np.sqrt(2 * np.exp(0.09) * (np.exp(0.09) - np.exp(0.063)))
    assert volatility(EXPONENTIAL, [1.0, 0.02], flow) == pytest.approx(exact, rel=1e-9)


def test_a_flow_beyond_the_curve_is_refused():
    with pytest.raises(TacitError, match="linear: no positive price at a supply of"):
        volatility(LINEAR, [1.0, -80.0], FLOW)


# --- the best curve --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("least", [0.3, 0.9])
def test_curves_with_a_required_elasticity_in_closed_form(least):
    exact = {
        POWER: [10 * 100**-least, least],
        LINEAR: [10 * least / 100, 10 * (1 - least)],
        EXPONENTIAL: [10 * np.exp(-least), least / 100],
        CONSTANT_PRODUCT: [10 * (200 / least) ** 2 / (100 + 200 / least), 100 + 200 / least],  # y - S = 2 S/e
    }
    for family, parameters in exact.items():
        best = tune(family, FLOW, replace(ASK, least_elasticity=least))
        np.testing.assert_allclose(best.parameters, parameters, rtol=1e-5)
        assert best.volatility == pytest.approx(volatility(family, parameters, FLOW), rel=1e-6)
        assert best.elasticity == pytest.approx(least)
        assert best.reserve == pytest.approx(float(family.reserve(100.0, parameters)), rel=1e-6)
        assert best.binding == ("elasticity",)
        assert not best.degenerate
        assert best.error < 1e-7


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_without_an_elasticity_the_flattest_curve_wins(family):
    best = tune(family, FLOW, ASK)
    assert best.degenerate
    assert best.volatility < 0.003 * UNIT
    assert float(np.ravel(family.price(100.0, best.parameters))[0]) == pytest.approx(10, rel=1e-6)
    backed = tune(family, FLOW, replace(ASK, least_reserve=950.0))
    assert backed.degenerate
    assert backed.volatility < 0.003 * UNIT
    assert 950 - 1e-3 <= backed.reserve <= 1000 + 1e-3  # S_ref P_ref: no curve that does not fall has more


def test_the_degenerate_optimum_is_whatever_the_bounds_allow():
    """Reference: an exponential curve with k from .05 to 1e-5."""
    found = [
        tune(replace(EXPONENTIAL, bounds=((1e-9, 1e3), (low, 0.06))), FLOW, ASK).volatility
        for low in (0.05, 0.01, 1e-3, 1e-5)
    ]
    np.testing.assert_allclose(np.array(found) / found[-1], [5000, 1000, 100, 1], rtol=1e-4)


def grid(flow, least_elasticity, least_reserve):
    """The least volatility of a sigmoid on a dense grid, its height chosen by the reference price."""
    best = np.inf
    for k in np.geomspace(1e-3, 0.2, 120):
        for middle in np.linspace(0, 250, 126):
            p = [10 * (1 + np.exp(-k * (100 - middle))), k, middle]
            steep = 100 * k * (1 - 10 / p[0])
            if p[0] <= 1e3 and steep >= least_elasticity and float(SIGMOID.reserve(100.0, p)) >= least_reserve:
                logs = np.log(SIGMOID.price(np.stack([flow.before, flow.after]), p))
                change = logs[1] - logs[0]
                best = min(best, np.sqrt(flow.weights @ change**2 - (flow.weights @ change) ** 2))
    return best


@pytest.mark.parametrize(
    ("least_elasticity", "least_reserve", "binding"),
    [(0.5, 0.0, ("elasticity",)), (1.5, 440.0, ("elasticity", "reserve"))],
)
def test_a_sigmoid_against_a_dense_grid(least_elasticity, least_reserve, binding):
    flow = ar1_flow(100.0, 0.1, 0.9, nodes=8)
    best = tune(SIGMOID, flow, replace(ASK, least_elasticity=least_elasticity, least_reserve=least_reserve))
    tried = grid(flow, least_elasticity, least_reserve)
    assert tried * (1 - 0.02) < best.volatility <= tried + 1e-12
    assert best.binding == binding


def test_tuning_to_observed_paths():
    random, z = np.random.default_rng(0), np.zeros((20, 400))
    for t in range(399):
        z[:, t + 1] = 0.9 * z[:, t] + np.sqrt(0.19) * random.normal(size=20)
    asked = replace(ASK, least_elasticity=0.7)
    best = tune(EXPONENTIAL, path_flow(100 * np.exp(0.1 * z)), asked)
    np.testing.assert_allclose(best.parameters, [10 * np.exp(-0.7), 0.007], rtol=1e-5)


def test_a_curve_without_a_price_in_the_flow_is_no_solution():
    """A line of elasticity 5 falls below 0 at a supply of 80."""
    family = replace(LINEAR, bounds=((0.5, 0.5), (-40, -40)))
    asked = Requirements(100.0, 10.0, least_reserve=-2000.0, least_elasticity=5.0)
    with pytest.raises(TacitError, match="linear: no positive price at a supply of"):
        tune(family, FLOW, asked)
    assert tune(family, ar1_flow(100.0, 0.02, 0.9, nodes=8), asked).reserve == pytest.approx(-1500)


def test_a_parameter_may_be_fixed():
    family = replace(SIGMOID, bounds=((20.0, 20.0), (1e-4, 0.5), (0.0, 300.0)))
    best = tune(family, FLOW, replace(ASK, least_elasticity=1.0))
    np.testing.assert_allclose(best.parameters, [20.0, 0.02, 100.0], rtol=1e-5)
    assert best.binding == ("elasticity",)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: tune(LINEAR, FLOW, replace(ASK, least_elasticity=1.1)), "linear: found no curve with price 10"),
        (lambda: tune(LINEAR, FLOW, replace(ASK, least_reserve=1001.0)), "reserve of at least 1001"),
        (lambda: tune(LINEAR, FLOW, Requirements(100.0, 0.0)), "requirements: supply and price"),
        (lambda: tune(replace(LINEAR, bounds=()), FLOW, ASK), "linear: give bounds"),
        (lambda: tune(replace(LINEAR, bounds=((1, 0), (0, 1))), FLOW, ASK), "low <= high"),
        (lambda: tune(LINEAR, path_flow([5.0, 5.0]), ASK), "never changes"),
        (lambda: pareto_front(LINEAR, FLOW, Requirements(0.0, 1.0), [0.5], [0.0]), "requirements"),
    ],
)
def test_what_cannot_be_tuned_is_refused(ask, message):
    with pytest.raises(TacitError, match=message):
        ask()


# --- the front -------------------------------------------------------------------------------------------------


@given(arrays(np.int64, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=st.integers(0, 3)))
def test_nondominated_points_by_enumeration(points):
    kept = nondominated(points.astype(float))
    rows = [tuple(p) for p in points]

    def beaten(p):
        return any(all(a <= b for a, b in zip(q, p, strict=True)) and q != p for q in rows)

    assert {rows[k] for k in kept} == {p for p in rows if not beaten(p)}
    assert len({rows[k] for k in kept}) == len(kept)
    assert all(rows.index(rows[k]) == k for k in kept)


def test_the_front_trades_volatility_for_elasticity():
    front = pareto_front(POWER, FLOW, ASK, [0.2, 0.4, 0.8, 1.6], [0.0, 600.0])
    np.testing.assert_allclose([one.elasticity for one in front], [0.2, 0.4, 0.8, 1.6], rtol=1e-5)
    np.testing.assert_allclose([one.volatility / UNIT for one in front], [0.2, 0.4, 0.8, 1.6], rtol=1e-5)
    np.testing.assert_allclose([one.reserve for one in front], [1000 / 1.2, 1000 / 1.4, 1000 / 1.8, 1000 / 2.6])
    stricter = pareto_front(POWER, FLOW, replace(ASK, least_reserve=600.0), [0.2, 0.4, 0.8, 1.6], [0.0])
    np.testing.assert_allclose([one.elasticity for one in stricter], [0.2, 0.4], rtol=1e-5)
    assert pareto_front(POWER, FLOW, ASK, [5.0], [0.0]) == []


def test_three_parameters_leave_a_choice_between_volatility_and_reserve():
    front = pareto_front(SIGMOID, FLOW, ASK, [1.5], [0.0, 435.0, 450.0])
    assert len(front) == 3
    assert all(one.elasticity == pytest.approx(1.5, abs=1e-5) for one in front)
    assert front[0].volatility < front[1].volatility < front[2].volatility
    assert front[0].reserve < front[1].reserve < front[2].reserve


def test_nsga2_finds_nothing_better():
    pytest.importorskip("pymoo")
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.optimize import minimize as evolve

    class Sigmoids(ElementwiseProblem):
        def __init__(self):
            super().__init__(n_var=2, n_obj=3, n_ieq_constr=1, xl=[np.log(1e-3), 0.0], xu=[np.log(0.2), 250.0])

        def _evaluate(self, x, out, *_, **__):
            k, middle = np.exp(x[0]), x[1]
            p = [10 * (1 + np.exp(-k * (100 - middle))), k, middle]
            steep = 100 * k * (1 - 10 / p[0])
            out["F"] = [volatility(SIGMOID, p, FLOW), -steep, -float(SIGMOID.reserve(100.0, p)) / 1000]
            out["G"] = [p[0] / 1e3 - 1]

    found = evolve(Sigmoids(), NSGA2(pop_size=40), ("n_gen", 40), seed=1).F
    found = found[np.argsort(found[:, 1])]
    close = []
    for sd, steep, backed in found[:: max(1, len(found) // 8)]:
        # A little less than was found: on the edge of what is feasible, rounding would decide.
        asked = replace(ASK, least_elasticity=max(0.0, -0.999 * steep), least_reserve=-999 * backed)
        best = tune(SIGMOID, FLOW, asked)
        assert best.volatility <= sd + 1e-8
        close.append(1 - best.volatility / sd)
    assert np.median(close) < 0.01
