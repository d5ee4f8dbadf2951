"""How studies judge: one rule for margins, one for published values, sessions in pairs, and words that follow."""

import ast
import math
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

import tacitlab.studies
from tacitlab.errors import TacitError
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.registry import entries
from tacitlab.studies.base import (
    Claim,
    Verdict,
    at_least,
    at_most,
    between,
    by_session,
    judge,
    less_than,
    more_than,
    named,
    paired,
    paired_difference,
    sessions_needed,
    statements,
)
from tacitlab.studies.frame import Published, beside, compared, listed, percent, published, say, scenario
from tacitlab.studies.marl_paradigms.plays import Played
from tacitlab.studies.page import claim_table

SOURCE = Path(tacitlab.studies.__file__).parent
WIDE = Estimate(0.985, 0.955, 1.015, 0.015, 20)


def interval(low, high, n=20):
    return Estimate((low + high) / 2, low, high, (high - low) / 4, n)


def test_the_rounding_of_binary_fractions_is_no_distance():
    """A payoff that is published, and the same in every session, is met; a mean at a margin's end decides nothing."""
    nearly = 0.1 + 0.2
    assert nearly != 0.3
    exactly = Claim("payoff", Estimate(nearly, nearly, nearly, 0.0, 8), 0.3)
    assert exactly.judged() is Verdict.REPRODUCED
    assert replace(exactly, published=0.3001).judged() is Verdict.NOT
    assert math.isinf(sessions_needed(Estimate(nearly, 0.2, 0.4, 0.05, 8), at_least(0.3)))


# --- margins -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("margin", "inside", "across", "outside"),
    [
        (at_least(1), (1, 2), (0.9, 2), (0, 0.9)),
        (at_most(1), (0, 1), (0, 1.1), (1.1, 2)),
        (more_than(1), (1.1, 2), (1, 2), (0, 1)),
        (less_than(1), (0, 0.9), (0, 1), (1, 2)),
        (between(-1, 1), (-1, 1), (-1.1, 0), (-3, -1.1)),
        (between(-1, 1), (0, 0), (-2, 2), (1.1, 3)),
    ],
    ids=str,
)
def test_inside_across_and_outside(margin, inside, across, outside):
    assert judge(interval(*inside), margin) is Verdict.REPRODUCED
    assert judge(interval(*across), margin) is Verdict.UNDECIDED
    assert judge(interval(*outside), margin) is Verdict.NOT


def test_nothing_is_judged_without_an_interval_or_with_too_few_sessions():
    assert judge(mean_interval([5.0]), at_least(1)) is Verdict.UNDECIDED
    assert judge(interval(2, 3, n=4), at_least(1, fewest=5)) is Verdict.UNDECIDED
    assert judge(interval(2, 3, n=5), at_least(1, fewest=5)) is Verdict.REPRODUCED
    assert judge(Estimate(7.0, 7.0, 7.0, 0.0, 1), at_least(1)) is Verdict.REPRODUCED, "a number of theory is exact"


def test_a_claim_may_not_become_surer_by_noise():
    """Around a mean on the wrong side of the bar no interval, however long, reproduces; and none refutes a true one."""
    for half in np.geomspace(1e-3, 10, 40):
        assert judge(interval(0.97 - half, 0.97 + half), at_least(0.98)) is not Verdict.REPRODUCED
        assert judge(interval(0.99 - half, 0.99 + half), at_least(0.98)) is not Verdict.NOT
    assert judge(WIDE, at_least(0.98)) is Verdict.UNDECIDED


def test_the_margin_decides_before_a_published_value_does():
    claim = Claim("value", WIDE, 1.0, margin=at_least(0.98))
    assert claim.judged() is Verdict.UNDECIDED
    assert replace(claim, margin=None).judged() is Verdict.REPRODUCED
    assert replace(claim, verdict=Verdict.REPORTED).judged() is Verdict.REPORTED


@pytest.mark.parametrize("margin", [at_least(0.98), between(0.98, 1.2), at_most(0.99), more_than(0.98)], ids=str)
def test_so_many_sessions_decide(margin):
    """An interval shrunk as those of so many sessions would be leaves the margin's end; with a few less it does not."""
    needed = sessions_needed(WIDE, margin)
    verdicts = []
    for n in (0.98 * needed, 1.02 * needed):
        shrink = math.sqrt(20 / n)
        found = Estimate(0.985, 0.985 - 0.03 * shrink, 0.985 + 0.03 * shrink, 0.015 * shrink, round(n))
        verdicts.append(judge(found, margin))
    assert verdicts[0] is Verdict.UNDECIDED
    assert verdicts[1] is not Verdict.UNDECIDED


def test_no_number_of_sessions_decides_on_the_edge():
    assert math.isinf(sessions_needed(interval(0, 2), at_least(1)))
    assert math.isnan(sessions_needed(mean_interval([1.0]), at_least(1)))
    assert sessions_needed(interval(2, 3, n=2), at_least(1, fewest=9)) == 9


@pytest.mark.parametrize(
    ("found", "margin", "words"),
    [
        (WIDE, at_least(0.98), '"at least 0.98"; about 720 sessions would decide.'),
        (interval(0, 2), at_least(1), "where no number of sessions decides."),
        (interval(2, 3, n=4), at_least(1, fewest=5), "4 sessions are too few; 5 are asked for."),
        (mean_interval([2.0]), at_least(1), "there is no interval"),
    ],
)
def test_what_would_decide_is_said(found, margin, words):
    claim = Claim("value", found, margin=margin, note="Why.")
    assert claim.remark.startswith("Why. Undecided: ")
    assert words in claim.remark
    assert replace(claim, measured=interval(5, 6)).remark == "Why."


def test_the_table_shows_margins_where_there_are_some():
    plain, wanted = Claim("a", WIDE, 1.0), Claim("b", WIDE, margin=between(0.9, 1.1))
    assert "margin" not in claim_table([plain]).columns
    table = claim_table([plain, wanted])
    assert [row[table.columns.index("margin")] for row in table.rows] == ["", "0.9 to 1.1"]


def test_statements_are_counted_by_verdict():
    claims = [
        Claim("x", interval(a, b), margin=at_least(1)) for a, b in ((2, 3), (2, 3), (2, 3), (0, 2), (0, 2), (0, 0.5))
    ]
    said = statements([*claims, Claim("distance", WIDE, 1.0)])
    assert said == "Of 6 statements judged by a margin 3 hold, 1 does not, and 2 are undecided."


def test_nothing_but_the_rules_makes_a_verdict():
    """Studies compare verdicts and hand over what :func:`judge` returned; none is written where an interval is."""
    for path in SOURCE.rglob("*.py"):
        if path == SOURCE / "base.py":
            continue
        tree = ast.parse(path.read_text())
        compared = {id(n) for c in ast.walk(tree) if isinstance(c, ast.Compare) for n in (c.left, *c.comparators)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Verdict":
                allowed = node.attr in ("REPORTED", "UNDECIDED") or id(node) in compared or path.name == "frame.py"
                assert allowed or "count" in path.read_text().splitlines()[node.lineno - 1], f"{path}:{node.lineno}"


# --- pairs ---------------------------------------------------------------------------------------------------------


def test_a_failed_session_is_lost_in_both():
    """One failure of 20 turned 0.1 (0.1 to 0.1) into 0.1 (-0.4 to 0.6) when the first n of each were subtracted."""
    values = np.random.default_rng(0).normal(size=20)
    ours, theirs = (
        by_session(values + 0.1, np.arange(20)),
        by_session(np.delete(values, 3), np.delete(np.arange(20), 3)),
    )
    found = paired_difference(ours, theirs)
    assert (found.n, round(found.mean, 12), round(found.high - found.low, 12)) == (19, 0.1, 0.0)


def test_pairs_by_number_whatever_the_order_and_what_is_nan():
    first = xr.DataArray([[1.0, 9], [2, 9], [np.nan, 9]], dims=("session", "agent"), coords={"session": [4, 2, 7]})
    second = by_session([20.0, 70.0, 40.0, 80.0], [2, 7, 4, 8])
    ours, theirs = paired(first, second)
    np.testing.assert_array_equal(ours, [[1, 9], [2, 9]])
    np.testing.assert_array_equal(theirs, [40, 20])


def test_values_without_numbers_are_refused():
    with pytest.raises(TacitError, match=r"session: .*by_session"):
        paired(xr.DataArray([1.0], dims="session"), by_session([1.0], [0]))


def lost(values, failed=()):
    """An experiment of so many sessions, some of which failed to learn."""
    n = len(values)
    data = xr.Dataset(
        {
            "failure": ("session", np.isin(np.arange(n), failed).astype(int)),
            "test_payoff": (("session", "episode", "agent"), np.reshape(values, (n, 1, 1))),
            "payoff": (("session", "time", "agent"), np.reshape(values, (n, 1, 1))),
        },
        coords={"session": np.arange(n)},
    )
    return Played(SimpleNamespace(data=data))


def test_paradigms_are_compared_in_the_same_sessions():
    from tacitlab.studies.marl_paradigms.study import larger, reached

    values = np.random.default_rng(1).normal(size=20)
    claim = larger("with less without", lost(values + 0.1), lost(values, failed=[3]))
    assert claim.judged() is Verdict.REPRODUCED
    assert (claim.measured.n, round(claim.measured.low, 9)) == (19, 0.1)
    noisy = reached("noisy", lost(1 + 0.2 * values), 1.0, "theory")
    assert noisy.measured.low < 0.98 < noisy.measured.mean
    assert noisy.judged() is Verdict.UNDECIDED


# --- words ---------------------------------------------------------------------------------------------------------


def test_words_of_verdicts():
    words = ("yes", "no", "undecided")
    for verdict, word in zip((Verdict.REPRODUCED, Verdict.NOT, Verdict.UNDECIDED), words, strict=True):
        assert say(verdict, *words) == word
    with pytest.raises(TacitError, match="no published value"):
        say(Verdict.REPORTED, *words)


def test_words_of_intervals():
    for low, high, word in (
        (1, 2, "same"),
        (2, 3, "same"),
        (2.1, 3, "more"),
        (0, 2.5, "same"),
        (0, 1.9, "less"),
        (2, 2, "same"),
    ):
        assert compared(interval(low, high), "less", "same", "more", to=2) == word, (low, high)
    assert compared(mean_interval([9.0]), "less", "same", "more") == "same"
    assert [compared(interval(*x), "less", "same", "more") for x in ((-2, -1), (-1, 1), (1, 2))] == [
        "less",
        "same",
        "more",
    ]


def test_percentages_and_lists():
    assert (percent(0.061), percent(0.5, 0), percent(0.1, 0, "+")) == ("6.1 %", "50 %", "+10 %")
    assert percent(Estimate(0.5, 0.25, 0.75, 0.1, 9), 0) == "50 % (25 to 75)"
    assert [listed(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


# --- what lies beside a study --------------------------------------------------------------------------------------


def test_published_values_come_from_a_table(tmp_path):
    (tmp_path / "published.csv").write_text(
        '# a remark\nname,value,rounding,sd,runs,source\ngain,0.8,0.005,0.1,25,"table 1, row 2"\nshare,.5,,,,text\n'
    )
    table = published(str(tmp_path / "study.py"))
    assert table == {"gain": Published(0.8, "table 1, row 2", 0.005, 0.1, 25), "share": Published(0.5, "text")}
    claim = beside("gain Δ", interval(0.8, 0.9), table["gain"], note="why")
    assert (claim.published, claim.source, claim.published_se, claim.rounding) == (0.8, "table 1, row 2", 0.02, 0.005)
    assert (claim.note, table["share"].se) == ("why", 0.0)
    ours = interval(0, 4, n=100)
    assert Published(1.0, "", runs=25).error_like(ours) == pytest.approx(2 * ours.se)
    assert table["gain"].error_like(ours) == 0.02
    (tmp_path / "published.csv").write_text("name,value,rounding,sd,runs,source\na,1,,,,x\na,2,,,,x\n")
    with pytest.raises(TacitError, match="'a' stands twice"):
        published(str(tmp_path / "study.py"))


def test_scenarios_lie_beside_a_study(tmp_path):
    from tacitlab.learners import Constant

    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "drivers.yaml").write_text(
        "environment: {kind: braess, players: 10}\nlearners: {kind: q-learning, alpha: 0.1}\nlength: {periods: 100}\n"
    )
    made = scenario(
        str(tmp_path / "study.py"), "drivers", {"sessions": 3, "learners.exploration": Constant(epsilon=0.5)}
    )
    assert (made.name, made.sessions, made.learners[0].exploration.epsilon) == ("drivers", 3, 0.5)
    assert scenario(str(tmp_path / "study.py"), "drivers", {"name": "others"}).name == "others"


def test_claims_have_names_of_their_own():
    one, other = Claim(" when (steps)", WIDE), Claim("where", WIDE)
    assert named([one, other]) == {"when (steps)": one, "where": other}
    with pytest.raises(TacitError, match="'where' stands twice"):
        named([one, other, Claim("  where", WIDE)])


def test_a_study_is_called_as_its_folder():
    for name, entry in entries("study").items():
        module, _, cls = entry.target.partition(":")
        if entry.origin == "tacitlab":
            assert name == getattr(import_module(module), cls).name
            assert name.replace("-", "_") == module.split(".")[2]
