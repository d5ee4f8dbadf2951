"""Tuning of bonding curves: the whole answer on optima that are made up, and what is asked of the search."""

import numpy as np
import pytest

from approved import approved
from tacitlab.errors import TacitError
from tacitlab.markets.token.curve_tuning import TunedCurve
from tacitlab.studies.curve_tuning import study
from tacitlab.studies.curve_tuning.study import CurveTuning, Tuned, examine

UNIT = 0.1 * np.sqrt(2 * (1 - 0.9))  # standard deviation of a step of AR(1), in closed form


def curve(volatility, elasticity, reserve, binding=(), parameters=(0.5, 0.01)):
    """A curve by its volatility as a part of the supply's, and its reserve as a share of what tokens are worth."""
    worth = study.SUPPLY * study.PRICE
    return TunedCurve(np.array(parameters), volatility * UNIT, elasticity, reserve * worth, binding, 0.0)


def family(free, bound, seed):
    """The optima of a family, by their volatility, and a front of three curves."""
    front = [curve(e * (1 + seed / 50), e, 0.9 - 0.2 * e - seed / 100) for e in (0.4, 1.1, 1.9)]
    near, both = seed / 1e3, ("elasticity", "reserve")
    met = None if bound is None else curve(bound, 0.5 + near, 0.6 + near, both, (seed, 2))
    return Tuned(curve(free, 0.01 * seed, 0.99 - seed / 100, ("bounds",)), met, front)


FLAT = {"linear": family(0.0004, 0.503, 1), "sigmoid": family(0.0001, None, 3), "power": family(0.0007, 0.4985, 2)}
CASES = {
    "steep": {"linear": family(0.02, 0.56, 1), "power": family(0.0007, 0.503, 2)},
    "unmet": {"linear": family(0.0003, 0.497, 4), "sigmoid": family(0.0006, None, 5), "power": family(0.0002, None, 6)},
    "none": {"sigmoid": family(0.0004, None, 7)},
}


def test_the_whole_answer():
    approved("curve_tuning/flat", examine(FLAT))


@pytest.mark.parametrize("name", CASES)
def test_other_answers(name):
    found = examine(CASES[name])
    approved(f"curve_tuning/{name}", [found.verdict(), found.answer, *found.claims])


def test_the_volatility_of_the_supply_in_closed_form():
    assert study._supply_volatility() == pytest.approx(UNIT)
    row = study._literal_table().rows[1]
    # Of a price exp(k S): the elasticity is k S, and to first order so many times the supply's volatility.
    assert (row[0], row[3]) == ("0.02", "2.000")
    assert float(row[2]) == pytest.approx(100 * 2 * UNIT, rel=0.05)


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_what_is_asked(preset, monkeypatch):
    asked = []

    def search(own, flow, required):
        asked.append([own.name, "least volatility", required])
        if own.name == "sigmoid" and required.least_reserve:
            raise TacitError("nothing was found")
        return required

    def front(own, flow, required, elasticities, reserves):
        asked.append([own.name, "front", required, elasticities, reserves])

    monkeypatch.setattr(study, "tune", search)
    monkeypatch.setattr(study, "pareto_front", front)
    monkeypatch.setattr(study, "examine", lambda found: found)
    found = CurveTuning().find(preset, play=None)
    assert found["sigmoid"].bound is None
    assert found["linear"].bound.least_elasticity == 0.5
    assert found["linear"].free.least_elasticity == 0
    words = {name: getattr(CurveTuning, name) for name in ("name", "question", "source")}
    bounds = {name: bounds for name, (_, bounds) in study.families().items()}
    asked = {**words, "bounds": bounds, "asked": asked} if preset == "quick" else asked[:3]
    approved(f"curve_tuning/asked-{preset}", asked)
