"""The study on recommenders, end to end in small, and its verdicts on made-up numbers."""

import json
from typing import ClassVar

import numpy as np
import pytest

from tacitlab.measures.statistics import Estimate
from tacitlab.plot import paper as printed
from tacitlab.studies.base import Player, Verdict, by_session
from tacitlab.studies.braess_recommender import study
from tacitlab.studies.page import write_report


class Tiny(study.BraessRecommender):
    presets = ("tiny",)
    sizes: ClassVar = {"tiny": study.Size(3, (20, 100), (3, 5), 2, 2, 3, periods=1_000)}


@pytest.fixture(scope="module")
def finding(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return Tiny().find("tiny", Player(folder)), folder


def by_name(found):
    assert len({claim.name for claim in found.claims}) == len(found.claims)
    return {claim.name: claim.measured.mean for claim in found.claims}


def test_recommendations_and_tolls_do_what_they_should_even_in_short_runs(finding):
    welfare = by_name(finding[0])
    assert welfare["welfare, optimised, 93 states"] > 0.6
    assert welfare["welfare, random, 3 states"] < welfare["welfare, optimised, 93 states"] - 0.3
    assert welfare["Braess, marginal toll"] > 0.9
    # What nobody is told keeps its good first value, and tempts those who cannot be aligned.
    ends = [welfare[f"Braess, {word} tables, recommender aligned"] for word in ("aligned", "misaligned")]
    assert ends[1] > ends[0] + 0.3
    assert welfare["nine nodes, marginal toll"] > welfare["nine nodes, no recommendation"]


def test_the_report_tells_all(finding):
    found, folder = finding
    for section in found.sections:
        for number, chart in enumerate(section.charts):
            assert printed.save(chart, folder / f"{number}.png").stat().st_size > 5_000
    html = write_report(Tiny(), "tiny", found, folder).read_text()
    assert "Optimised recommender: how many states it needs" in html
    assert "nine nodes, recommender optimised, 93 states" in html
    claims = json.loads((folder / "claims.json").read_text())["claims"]
    assert [claim["published"] for claim in claims[:4]] == [0.58, 0.18, 0.62, 0.957]


def ended(closing):
    """Sessions that end at such a welfare."""
    closing = np.asarray(closing, dtype=float)
    return study.Welfare(np.arange(1), closing[:, None], by_session(closing, np.arange(len(closing))))


def answered(many=0.95, random=0.2, none=0.58, failed=()):
    """What is said of runs that end there, but for the sessions without recommendation that failed."""
    noise = 0.1 * np.random.default_rng(1).standard_normal(20)
    means = dict(zip(study.MAIN, (none, random, 0.62, many), strict=True))
    main = {key: ended(mean + noise) for key, mean in means.items()}
    left = np.setdiff1d(np.arange(20), failed)
    main["none", 3] = study.Welfare(np.arange(1), main["none", 3].path, main["none", 3].closing.sel(session=left))
    some = Estimate(0.9, 0.8, 1.0, 0.05, 20)
    evidence = study.Evidence(None, main, {"optimised": np.array([[some]])}, {}, {"Braess, marginal toll": some})
    return study.answer(evidence, study.all_claims(evidence))


def test_a_failed_session_does_not_blur_the_comparison():
    """All sessions end 0.01 higher with recommendations, though they differ by ten times as much from each other."""
    assert answered(many=0.59, failed=[3]).startswith("Yes")


def test_no_published_error_is_taken_from_our_own_spread():
    rng = np.random.default_rng(0)
    runs = {}
    for rule, states in study.MAIN:
        value = study.PUBLISHED[f"welfare, {rule}, {states} states"].value
        closing = value + 0.1 * rng.standard_normal(40)
        runs[rule, states] = ended(closing + value - closing.mean())
    claims = list(study.main_claims(runs))
    assert [claim.judged() for claim in claims] == [Verdict.REPRODUCED] * 4
    assert claims[0].published_se == pytest.approx(0.05 / np.sqrt(3))
    assert claims[3].published_se == pytest.approx(runs["optimised", 93].closing.values.std(ddof=1), rel=0.01)
