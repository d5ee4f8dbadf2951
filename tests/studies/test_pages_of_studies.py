"""What studies share, held whole: how they introduce themselves, their page and claims.json, cells, curves and runs."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from approved import approved
from tacitlab import registry
from tacitlab.errors import TacitError
from tacitlab.measures.statistics import Estimate
from tacitlab.naming import member
from tacitlab.report.page import Section
from tacitlab.studies import base, frame, introduced, run_study
from tacitlab.studies.base import (
    Claim,
    Finding,
    Study,
    Verdict,
    at_least,
    between,
    less_than,
    sessions_needed,
    statements,
)
from tacitlab.studies.page import build_page, write_report

FOUND = Estimate(0.4567, 0.4213, 0.4921, 0.0181, 60)
FEW = Estimate(10.61, 9.4, 11.82, 0.38, 4)
NONE = Estimate(7.25, math.nan, math.nan, math.nan, 1)
CLAIMS = (
    Claim("welfare", FOUND, 0.4444, "table 2", 0.0123, 5e-5),
    Claim("  of the first", FOUND, 0.31, "table 3", note="Of a grid."),
    Claim("cost", FEW, 10.1325, "a re-run", family=3, note="Of a grid."),
    Claim("share", FOUND, margin=at_least(0.4), source="us"),
    Claim("share of few", FEW, margin=less_than(10, fewest=5)),
    Claim("across", FOUND, margin=between(0.45, 0.6), note="Near the end."),
    Claim("edge", Estimate(0.5, 0.4, 0.6, 0.05, 9), margin=at_least(0.5)),
    Claim("alone", NONE, 7.0, "an essay", margin=at_least(2)),
    Claim("far", NONE, 7.0, "an essay"),
    Claim("number", FEW),
    Claim("by hand", FOUND, verdict=Verdict.PARTLY, note="Half of it."),
    Claim("infinitely far", frame.exact(3), 2.0, "theory"),
)


class Plain(Study):
    name, question, source = "plain", "is it?", "Us (2026)."

    def find(self, preset, play):
        return Finding(f"It is, with {preset}.", CLAIMS, (Section("More", "Words."),), ("A note.", "Another."))


@pytest.mark.parametrize("name", registry.entries("study"))
def test_studies_introduce_themselves(name):
    study = introduced(member(("study",), name))
    approved(f"{name.replace('-', '_')}/study", {"name": name, "question": study.question, "source": study.source})


def test_who_says_nothing_of_itself_is_told_what_to_add():
    class MyStudy(Study):
        question, source = "why?", "me"

    with pytest.raises(TacitError, match=r'^name: MyStudy has none; add the line `name = "my-study"` to the class$'):
        introduced(MyStudy)
    MyStudy.name, MyStudy.source = "mine", 3
    with pytest.raises(TacitError, match=r'^source: MyStudy has none; add the line `source = "..."` to the class$'):
        introduced(MyStudy)


def test_the_page_and_what_is_written(tmp_path):
    finding = Plain().find("quick", None)
    approved("studies/page", build_page(Plain(), "quick", finding))
    approved("studies/page-without-margins", build_page(Plain(), "paper", Finding("No.", CLAIMS[:2])))
    path = write_report(Plain(), "quick", finding, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "report.html"
    text = (path.parent / "claims.json").read_text(encoding="utf-8")
    approved("studies/claims", json.loads(text))
    assert text.startswith('{\n  "study": "plain"')
    assert text.endswith("}\n")


def test_what_is_said_of_claims():
    assert statements(CLAIMS[3:7]) == "Of 4 statements judged by a margin 1 holds, 0 do not, and 3 are undecided."
    one = Claim("x", FOUND, margin=less_than(0.4))
    assert statements([one]) == "Of 1 statement judged by a margin 0 hold, 1 does not, and 0 are undecided."
    assert statements([CLAIMS[3]] * 2 + [CLAIMS[5]]) == (
        "Of 3 statements judged by a margin 2 hold, 0 do not, and 1 is undecided."
    )
    assert statements(CLAIMS[:2]) == ""
    assert base.tally(CLAIMS[:3]) == (
        "2 of 3 published values lie within 2 standard errors (Bonferroni's bound where one stands for the farthest of "
        "several); chance alone would put 0.1 of 3 outside."
    )


def test_so_many_sessions_are_needed():
    assert sessions_needed(Estimate(3.0, 2.0, 5.0, 0.5, 10), at_least(2.75)) == 160  # the near end is 4 times too far
    assert sessions_needed(Estimate(3.0, 2.0, 5.0, 0.5, 10), less_than(3.5)) == 160
    assert sessions_needed(Estimate(3.0, 2.0, 5.0, 0.5, 10), at_least(4)) == 40
    assert sessions_needed(Estimate(3.0, 2.0, 5.0, 0.5, 10), less_than(2.5)) == 40
    assert sessions_needed(Estimate(3.0, 3.0, 3.0, 0.0, 10), at_least(2, fewest=12)) == 12
    assert math.isinf(sessions_needed(Estimate(3.0, 2.0, 5.0, 0.5, 10), at_least(3)))


# --- running a study -------------------------------------------------------------------------------------------------


def test_a_study_is_run(tmp_path, monkeypatch, capsys):
    seen = []

    class Watched(Plain):
        def find(self, preset, play):
            seen.append((preset, play.folder, play.threads, play.seed, play.anyway))
            play.tell("executed: mine.py")
            return super().find(preset, play)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tacitlab.studies._named", lambda name: Watched())
    run_study("plain", "quick", threads=2)
    out, err = capsys.readouterr()
    assert err == "executed: mine.py\n"
    assert out.rstrip().endswith(f"report  {Path('runs/study-plain-quick/report.html')}")
    run_study("plain", "paper", seed=7, anyway=True, figures=tmp_path / "figures", suffix="svg")
    run_study("plain", "quick", folder=tmp_path / "other")
    assert seen == [
        ("quick", Path("runs/study-plain-quick"), 2, None, False),
        ("paper", Path("runs/study-plain-paper-seed-7"), None, 7, True),
        ("quick", tmp_path / "other", None, None, False),
    ]
    with pytest.raises(TacitError, match=r"^preset: 'huge' is unknown; choose from quick, paper$"):
        run_study("plain", "huge")


@pytest.mark.parametrize(
    ("name", "message"),
    [("bertrand-colusion", "no such study; did you mean 'bertrand-collusion'?"),
     ("zzz", "no such study; `tacit list` shows them, or name a file of yours")],
)  # fmt: skip
def test_a_study_that_is_not_there(name, message):
    with pytest.raises(TacitError) as error:
        run_study(name, "quick")
    assert message in str(error.value)


# --- parts of pages --------------------------------------------------------------------------------------------------


def test_cells_and_curves():
    values = np.array([[1.0, 5.0, 2.5], [2.0, 6.5, 3.5], [4.5, 7.0, 1.5], [3.0, 9.0, 4.0]])
    shares = xr.Dataset(
        {"frequency": (("session", "agent", "time", "action"), np.linspace(0, 1, 48).reshape(2, 4, 3, 2))},
        {"time": [10, 20, 30]},
    )
    approved("studies/parts", {
        "cell": frame.cell(values[:, 0], 10), "rounding": frame.cell([1e-5, -2e-5, 3e-5]), "estimated": frame.cell(FEW),
        "bare": frame.bare(0.75, 8), "exact": frame.exact(3),
        "curves": [frame.curve([0, 1, 2], values, "mean", dash=True), frame.through([1, 2], [FOUND, FEW], "points")],
        "shares": [frame.action_shares("Routes", shares, ["up", "down"], "drivers")],
    })  # fmt: skip


def test_percentages_of_one_session_have_no_interval():
    assert frame.percent(NONE) == "725.0 %"
    assert frame.percent(FEW, 0, "+") == "+1061 % (+940 to +1182)"


def test_errors_of_published_values():
    known = frame.Published(0.58, "re-run", 0.005, 0.06, 9)
    assert (known.se, known.error_like(FEW)) == (pytest.approx(0.02), pytest.approx(0.02))
    guessed = frame.Published(0.58, "paper", runs=16)
    assert (guessed.se, guessed.error_like(FEW)) == (0.0, pytest.approx(0.38 * math.sqrt(4 / 16)))
    assert guessed.error_like(FEW, sessions=64) == pytest.approx(0.38 * 2)
    assert guessed.error_like(NONE) == 0.0
    assert frame.Published(0.58, "paper", sd=0.1).se == frame.Published(0.58, "paper", sd=0.1).error_like(FEW) == 0.0
    claim = frame.beside("x", FEW, known, se=0.5, rounding=0.2, note="so")
    assert (claim.published, claim.published_se, claim.rounding, claim.note) == (0.58, 0.5, 0.2, "so")
    assert SimpleNamespace(**vars(frame.beside("x", FEW, known))).rounding == 0.005
