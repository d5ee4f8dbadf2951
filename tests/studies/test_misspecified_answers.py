"""Misspecified volatility: the whole answer on runs that are made up, and what is played."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from made_up import around, rounded, told
from made_up_runs import fronts, learned  # noqa: F401

from approved import approved
from tacitlab.studies.execution_misspecified import study
from tacitlab.studies.execution_misspecified.study import CALM, NOISY, ExecutionMisspecified, Pair, examine
from tacitlab.studies.liquidations import SIMULATED, WRITTEN


def pairs(setting, seed, costs, moved, apart, failed=0):
    """Trained in a volatility and tested in the other: costs, and how much earlier they sell in the other test."""
    found = {}
    for k, train in enumerate((CALM, NOISY)):
        for j, test in enumerate((CALM, NOISY)):
            cost, mix = costs[2 * k + j], 0.2 + 0.5 * k
            made = learned(setting, train, cost, seed + 3 * k, mix=mix, n=5, test=test, failed=failed if k else 0)
            sooner = np.repeat([0.2, -0.2], 5)[:, None] * around(moved if train != test else 0, 5, 0.2)[:, None, None]
            wider = around((1 + 4 * apart * j) * (1 + k / 9), 5, 0.1, 2 + seed + k)[:, None, None]
            noise = wider * (made.shortfalls - made.costs[:, None])
            shortfalls, schedules = made.costs[:, None] + noise, made.schedules + sooner
            found[train, test] = replace(made, shortfalls=shortfalls, schedules=schedules)
    calm, noisy = found[CALM, CALM], found[NOISY, NOISY]
    return Pair(found[CALM, NOISY], calm, noisy), Pair(found[NOISY, CALM], noisy, calm)


def evidence(moved, apart, simulated, written, failed=0):
    return (*pairs(SIMULATED, 0, simulated, moved, apart), *pairs(WRITTEN, 20, written, moved, apart, failed))


def test_answer_claims_and_pages():
    """Policies keep their schedules, and costs spread with the test."""
    found = examine(evidence(0.5, 1.0, (9.6, 9.8, 10.1, 10.3), (12.9, 12.1, 14.2, 14.4), failed=2), 5000)
    approved("execution_misspecified/kept", [found.verdict(), found.answer, *found.claims, *found.notes])
    approved("execution_misspecified/pages", [*found.sections[:2], found.sections[3]])


@pytest.mark.parametrize(
    ("name", "moved", "apart", "simulated", "written", "episodes"),
    [
        ("changed", 30.0, 0.0, (8.1, 8.2, 8.3, 8.4), (12.0, 12.3, 11.9, 12.2), 800),
        ("above", 2.0, 0.5, (9.0, 9.1, 9.2, 9.3), (13.0, 13.1, 13.2, 13.3), 5000),
    ],
)
def test_other_answers(name, moved, apart, simulated, written, episodes):
    found = evidence(moved, apart, simulated, written)
    claims = [claim for pair in found for claim in study.pair_claims(pair)]
    verdicts = [f"{claim.name}: {claim.judged()}" for claim in claims if claim.margin]
    approved(f"execution_misspecified/{name}", [study.answer(found, episodes), *verdicts])


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_what_is_played(preset, monkeypatch):
    seen, found = [], []

    def play(experiment):
        seen.append(experiment)
        return experiment

    def of(setting, result):
        return SimpleNamespace(setting=setting, name=result.name)

    monkeypatch.setattr(study.Runs, "of", of)
    monkeypatch.setattr(study, "examine", lambda pairs, episodes: found.append((pairs, episodes)))
    ExecutionMisspecified().find(preset, play)
    ((made, episodes),) = found
    names = [", ".join(one.name for one in (pair.mixed, pair.same_training, pair.same_test)) for pair in made]
    asked = {name: getattr(ExecutionMisspecified, name) for name in ("name", "question", "source")}
    told_of = {**asked, "episodes": episodes, "pairs": names, "played": rounded(told(seen))}
    approved(f"execution_misspecified/played-{preset}", told_of, exact=True)


def test_two_runs_have_each_other_and_one_has_nobody():
    distances = np.array([[0.0, 3.0], [5.0, 0.0]])
    assert study._mean_of_others(distances, np.array([0, 1])) == 4
    assert np.isnan(study._mean_of_others(distances, np.array([1])))
