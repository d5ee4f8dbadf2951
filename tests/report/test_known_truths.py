"""Runs whose truth is known beforehand, in ten stage games and a market: is the sentence about each of them right?"""

import functools

import numpy as np
import pytest

from tacitlab.lab.experiment import from_mapping
from tacitlab.lab.run import run
from tacitlab.report.answer import answer
from tacitlab.report.verdict import Support, Word

TABLES = {
    "bertrand": {"kind": "bertrand", "n_prices": 7},
    "prisoners-dilemma": {"kind": "prisoners-dilemma"},
    "cournot": {"kind": "cournot"},
    "bertrand-linear": {"kind": "bertrand-linear", "n_prices": 7},
    "first-price-auction": {"kind": "first-price-auction"},
    "bertrand-homogeneous": {"kind": "bertrand-homogeneous", "n_prices": 7},
}
CROWDS = {
    "public-goods": {"kind": "public-goods"},
    "braess": {"kind": "braess", "players": 12},
    "pigou": {"kind": "pigou", "players": 12},
    "el-farol": {"kind": "el-farol", "players": 20},
}
GAMES = {**TABLES, **CROWDS}
ALWAYS = {"kind": "strategy", "rule": "always"}
LEARNER = {"kind": "q-learning", "gamma": 0.95, "exploration": {"kind": "exponential", "beta": 1e-3}}


@functools.cache
def _found(kind, learners, sessions, rest):
    learners, rest = eval(learners), eval(rest)  # only texts of this file
    length = {"periods": 5_000}
    text = {"name": "truth", "environment": GAMES[kind], "learners": learners, "length": length, "seed": 1, **rest}
    return answer(run(from_mapping({**text, "sessions": sessions})))


def said(kind, learners, sessions=12, **rest):
    """The answer of a run in a game."""
    return _found(kind, repr(learners), sessions, repr(rest))


# --- what everybody does is known --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", GAMES)
def test_random_play_is_not_told_from_random_play(kind):
    found = said(kind, {"kind": "random"})
    known = {"bertrand-homogeneous", "el-farol"}  # there an equilibrium pays as much
    assert found.verdict.word is (Word.COMPETITIVE if kind in known else Word.RANDOM)
    assert "not told from random play (" in found.verdict.text.lower()
    assert found.convergence == "Nobody learns: 12 sessions."
    assert found.findings[0].random == pytest.approx(found.findings[0].estimate.mean, rel=0.02)


@pytest.mark.parametrize("kind", TABLES)
def test_a_cartel_that_was_planted_is_not_learned(kind):
    found = said(kind, ALWAYS)
    if kind == "cournot":  # its first joint optimum lets one firm produce everything
        assert found.verdict.word is Word.EXPLOITS
        assert found.verdict.text.startswith(
            "Some gain what others lose in 12 of 12 sessions: there the mean profit is "
        )
        return
    assert found.verdict.word is Word.SCRIPTED
    assert found.verdict.text.startswith("Nobody learns here; what was fixed beforehand is more cooperative than ")
    assert found.gain.mean == pytest.approx(1, abs=0.02)
    assert "(the same in all 12 sessions)" in found.verdict.text


@pytest.mark.parametrize("kind", TABLES)
def test_a_planted_equilibrium_is_competitive(kind):
    found = said(kind, {**ALWAYS, "cooperate": "nash"})
    assert found.verdict.word is Word.COMPETITIVE
    assert found.verdict.text.startswith("Competitive: ")


@pytest.mark.parametrize("kind", [kind for kind in GAMES if kind != "el-farol"])
def test_best_replies_are_competitive(kind):
    assert said(kind, {"kind": "best-reply"}).verdict.word is Word.COMPETITIVE


# --- what holds a cartel up --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in TABLES if kind != "cournot"])
def test_a_cartel_that_punishes_and_its_dupes_get_different_words(kind):
    start = {"history": ["optimum"]}
    held, dupes = (said(kind, {"kind": "strategy", "rule": rule}, start=start) for rule in ("grim-trigger", "always"))
    assert (held.verdict.support, dupes.verdict.support) == (Support.HELD, Support.NOT_HELD)
    assert held.gain == dupes.gain  # the same prices, another reason
    assert held.verdict.text.endswith("No deviation pays, in any of 12 sessions: the others' answers deter it.")
    assert "A deviation of one period pays in 12 of 12 sessions, a lasting one in 12; the best " in dupes.verdict.text


def test_the_profit_of_a_deviation_is_that_of_the_table():
    """Two always cooperate in a prisoner's dilemma of 5, 3, 1, 0: defecting earns 5 a period instead of 3."""
    assert "the best earns 40.0% more" in said("prisoners-dilemma", ALWAYS).verdict.text


def test_without_memory_nobody_can_punish():
    settled = {"periods": 200_000, "stable_for": 1_000}
    found = said("bertrand", {**LEARNER, "memory": 0}, length=settled)
    assert found.verdict.word is Word.COOPERATIVE
    assert found.verdict.support is Support.MEMORYLESS
    assert "Nobody remembers what others did, so that nobody can punish. " in found.verdict.text
    myopic = said("first-price-auction", {**LEARNER, "gamma": 0.0, "memory": 1}, length=settled)
    if myopic.verdict.word is Word.COOPERATIVE:
        assert myopic.verdict.support is Support.MYOPIC
        assert "The future counts for nothing to the learners" in myopic.verdict.text


# --- the mean hides the agents -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bertrand", "prisoners-dilemma", "bertrand-linear"])
def test_exploiter_and_victim(kind):
    learners = [{**ALWAYS, "agents": 1}, {**ALWAYS, "cooperate": "nash", "agents": 1}]
    found = said(kind, learners)
    assert found.verdict.word is Word.EXPLOITS
    who = found.verdict.text.partition("Together: ")[0]
    gain, lose = who.index(" gains, "), who.index(" loses. ")
    assert who.startswith("Some gain what others lose: ")
    assert who[:gain].count("2 (") == 1
    assert who[gain:lose].count("1 (") == 1  # who keeps the price up loses
    victim, exploiter = (finding for finding in found.findings if finding.detail)
    assert victim.estimate.mean < victim.nash < exploiter.estimate.mean
    turned = said(kind, learners[::-1])
    assert turned.verdict.text.partition("Together: ")[0].index("1 (") < turned.verdict.text.index(" gains, ")


def test_an_equilibrium_that_treats_equals_unequally_exploits_nobody():
    """On Cournot's grid a pure equilibrium pays 132 and 156; the reference pays 144 to both."""
    found = said("cournot", {**ALWAYS, "cooperate": "nash"})
    assert found.verdict.word is Word.COMPETITIVE
    assert [f.estimate.mean for f in found.findings if f.detail] == pytest.approx([132, 156])


def test_taking_turns_is_no_exploitation():
    start = {"history": [["cooperate", "defect"]]}
    found = said("prisoners-dilemma", {"kind": "strategy", "rule": "tit-for-tat"}, start=start)
    assert found.verdict.word is Word.SCRIPTED
    assert found.gain.mean == pytest.approx(0.75)


def test_twap_against_the_equilibrium_schedule():
    learners = [{"kind": "fixed-schedule", "trades": "twap", "agents": 1}, {"kind": "fixed-schedule", "trades": "nash"}]
    text = {"name": "twap", "environment": {"kind": "execution"}, "learners": learners, "sessions": 4}
    found = answer(run(from_mapping({**text, "length": {"episodes": 1}, "test": {"episodes": 50}})))
    assert found.verdict.word is Word.EXPLOITS
    assert "trader 2 (shortfall 10." in found.verdict.text


# --- how much was played -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TABLES)
def test_one_session_says_nothing_and_two_hardly_more(kind):
    settled = {"periods": 50_000, "stable_for": 1_000}
    found = said(kind, {**LEARNER, "memory": 0}, sessions=1, length=settled)
    assert found.verdict.word is Word.UNDECIDED
    assert found.verdict.text.startswith("One session alone says nothing; its outcome lies ")
    pair = said(kind, LEARNER, sessions=2, length={"periods": 5_000})
    assert pair.verdict.word in (Word.UNDECIDED, Word.EXPLOITS)
    assert "Undecided with 2 sessions, 4 at least are asked for: " in pair.verdict.text


@pytest.mark.parametrize("kind", TABLES)
def test_without_convergence_there_is_no_verdict(kind):
    found = said(kind, LEARNER, length={"periods": 300, "stable_for": 200_000})
    assert found.verdict.word is Word.NOT_LEARNED
    assert found.verdict.text.startswith(
        "No verdict: no session had converged within 300 periods; raise length.periods."
    )


def test_copies_of_one_session_are_one():
    """Greedy from the start with equal values, nothing is left to chance: twelve copies of one observation."""
    greedy = {"kind": "q-learning", "gamma": 0.0, "memory": 0, "exploration": {"kind": "constant", "epsilon": 0.0},
              "initial": {"kind": "constant", "value": 9.0}}  # fmt: skip
    found = said("prisoners-dilemma", greedy)
    assert found.verdict.word is Word.UNDECIDED
    assert found.verdict.text.startswith("One session alone says nothing; its outcome lies ")
    assert found.notes[0] == "all 12 sessions are identical and count as one"
    assert said("prisoners-dilemma", LEARNER).notes == ()


@pytest.mark.parametrize("kind", ["prisoners-dilemma", "public-goods"])
def test_forced_mixing_is_named(kind):
    found = said(kind, {"kind": "exp3"}, length={"periods": 20_000})
    assert found.verdict.word is Word.EXPLORATION
    assert found.verdict.text.startswith("Explained by an equilibrium in which a share 0.1 of decisions is random (")


def test_a_temperature_that_has_not_come_down_is_told():
    hot = {**LEARNER, "memory": 0, "exploration": {"kind": "boltzmann", "temperature": 10.0, "total_decay": 1.0}}
    assert any(note.endswith("temperature was still 3.68 in the last period") for note in said("cournot", hot).notes)
    cold = {**hot, "exploration": {"kind": "boltzmann", "temperature": 10.0}}  # it never was to fall
    assert not any("temperature" in note for note in said("cournot", cold).notes)


def test_the_reference_is_named_where_there_are_several():
    found = said("bertrand", ALWAYS)
    assert f"of several equilibria the reference is Nash: mean profit {found.findings[0].nash:.5g}" in found.notes
    assert not any("the reference is the least" in note for note in found.notes)
    assert not np.isnan(found.findings[0].nash)
