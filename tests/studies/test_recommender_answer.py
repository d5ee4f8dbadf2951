"""The study on recommenders: its whole answer on travel times that are made up, and what it plays."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import interval, recorder, told
from made_up_drivers import driven

from approved import approved
from tacitlab.studies.base import by_session
from tacitlab.studies.braess_recommender import study

SIZE = study.Size(8, (20, 100), (3, 33, 93), 5, 6, 3, periods=1_000)
PUBLISHED = {"none": 0.58, "random": 0.18, "optimised": 0.6, "aligned": 0.71}


def player(told_much, random, none=0.58):
    """Runs that end at such a welfare with 93 states, with random recommendations, and without any."""
    ends = PUBLISHED | {"random": random, "none": none}

    def welfare(cell, time, session):
        rule = getattr(cell.intervention, "rule", "none")
        end = ends.get(rule, {"marginal": 0.93, "fixed": 0.88}.get(rule, 0.5))
        if rule == "optimised":
            end += (told_much - end) * getattr(cell.intervention, "states", 3) / 93
        end -= 0.11 * getattr(cell.learners[0].initial, "shift", 0) + (0.2 if cell.environment.kind != "braess" else 0)
        end += (getattr(cell.environment, "players", 100) - 100) / 1_000 + getattr(
            cell.learners[0].exploration, "epsilon", 0
        ) / 7
        return (
            0.88 + (end - 0.88) * np.minimum(time / time[-1] / 0.8, 1) + 0.05 * np.sin(3 + 5 * session + len(cell.name))
        )

    return lambda experiment: driven(experiment, lambda *of: 2 - welfare(*of) / 2)


VARIANTS = {"yes": player(0.957, 0.18), "no": player(0.3, 0.9), "undecided": player(0.585, 0.575)}


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_found(variant, monkeypatch):
    if variant != "yes":
        monkeypatch.setattr(study, "mean_interval", interval)
    found = study.examine(study.gather(SIZE, VARIANTS[variant]))
    approved(f"braess_recommender/{variant}", found if variant == "yes" else replace(found, sections=()))


def test_numbers_by_hand():
    run = VARIANTS["yes"](study.scenario(study.__file__, "drivers", {"sessions": 3}))
    found = study.Welfare.of(run)
    path = (2 + run.data["payoff"].values.mean(-1)) / 0.5
    np.testing.assert_allclose(found.path, path)
    np.testing.assert_allclose(found.closing, path[:, 80:].mean(-1))


def test_what_is_played(monkeypatch):
    seen = []
    ended = by_session([0.5, 0.6], [0, 1])
    monkeypatch.setattr(study.Welfare, "of", lambda run: study.Welfare(np.arange(2.0), np.zeros((2, 2)), ended))
    monkeypatch.setattr(study, "_two_routes", lambda play, rule, size: None)
    study.gather(study.BraessRecommender.sizes["quick"], recorder(seen))
    approved("braess_recommender/played", told(seen), exact=True)
    assert study.BraessRecommender.sizes["paper"] == study.Size(
        40, (100, 200, 300, 400, 500, 600, 700, 800, 900), (3, 13, 23, 33, 43, 53, 63, 73, 83, 93), 10, 40, 51
    )


def test_two_routes():
    seen = []

    def play(experiment):
        seen.append(experiment)
        return VARIANTS["yes"](experiment)

    rates, found = study._two_routes(play, "random", study.BraessRecommender.sizes["quick"])
    approved("braess_recommender/two-routes", told(seen), exact=True)
    np.testing.assert_allclose(rates, np.arange(11) / 10)
    assert found[3].mean - found[0].mean == pytest.approx(-0.3 / 14)
