"""Whatever has a name passes the battery of its sort; who breaks a promise is told what and how to mend it."""

import re
from importlib.util import find_spec

import pytest

from tacitlab import registry, testing
from tacitlab.cli import app, guarded
from tacitlab.errors import TacitError
from tacitlab.testing import battery

MEMBERS = [(room, kind) for room in registry.ROOMS for kind in registry.entries(room)]
#: Agents of a run that was played before: the battery of learners has a case with one made up, and the adversary of a
#: run, a table computed from it, has tests of its own.
OF_A_RUN = {"trained", "best-response"}


def _found(room, kind):
    if kind == "jaxmarl" and not find_spec("jaxmarl"):
        pytest.skip("jaxmarl is not installed")
    return registry.find(room, kind)


@pytest.mark.parametrize(("room", "kind"), MEMBERS)
def test_every_member_can_be_tried(room, kind):
    cls = _found(room, kind)
    if kind not in OF_A_RUN:
        assert isinstance(battery.example(cls, kind), cls)


@pytest.mark.parametrize(("room", "kind"), [pair for pair in MEMBERS if pair[1] not in OF_A_RUN])
def test_every_member_keeps_its_promises(room, kind):
    _found(room, kind)
    place = registry.entries(room)[kind].target  # a study and a market may share a name
    assert battery.check(place) == room


def test_every_sort_has_a_battery():
    assert set(battery.TESTS) == set(registry.ROOMS)


# --- members that do not -------------------------------------------------------------------------------------------

HEAD = """
from functools import cached_property
from typing import Literal
import numpy as np
import xarray as xr
from pydantic import field_serializer
"""
GAME = (
    HEAD
    + '''
from tacitlab.games import Actions, NormalForm, StageGame
from tacitlab.schema import param

class Stag(StageGame):
    """Two hunters."""
    kind: Literal["stag"] = "stag"
    gain: float = param(4.0, "what a stag is worth", gt=3)
    def actions(self):
        return Actions("choice", np.tile([0.0, 1.0], (2, 1)), labels=("hare", "stag"))
    def form(self):
        table = np.array([[[3, 3], [3, 0]], [[0, 3], [self.gain, self.gain]]], dtype=float)
        return NormalForm.from_tensor(table)
'''
)
BENCHMARKS = """
    def benchmarks(self):
        from tacitlab.theory.benchmarks import Benchmarks, Profile
        one = Profile("Nash", "nash", np.array({payoffs}), "by hand", np.array({actions}))
        best = Profile("optimum", "joint-optimum", np.array({best}), "by hand", np.array({joint}))
        return Benchmarks((one,), (best,), complete={complete})
"""
RIGHT = {"payoffs": [3.0, 3.0], "actions": [0, 0], "best": [4.0, 4.0], "joint": [1, 1], "complete": False}
KEEPS = """
    def model_copy(self, *, update=None, deep=False):
        from pydantic import BaseModel
        return BaseModel.model_copy(self, update=update, deep=deep)
    @cached_property
    def kept(self):
        return NormalForm.from_tensor(np.array([[[3, 3], [3, 0]], [[0, 3], [self.gain, self.gain]]], dtype=float))
    def form(self):
        return self.kept
"""
FORGETS = """
    @field_serializer("gain")
    def _written(self, gain):
        return 5.0
"""
GAMES = {
    "actions": (
        GAME.replace("(2, 1))", "(3, 1))"),
        "Stag: actions().values are float64[3, 2]; make them [2, 2], as form() has players and actions",
    ),
    "labels": (GAME.replace(', "stag"))', ",))"), "Stag: there are 1 labels for 2 actions; give one each"),
    "a word": (GAME.replace(', "stag"))', "))"), "Stag: labels are 'hare'; make them a tuple of texts"),
    "infinite": (GAME.replace("[0, 3]", "[np.inf, 3]"), "Stag: 1 payoffs are not finite; make them numbers"),
    "kind of table": (
        GAME.replace("NormalForm.from_tensor(table)", "table"),
        "Stag: form() is neither a NormalForm nor a CongestionForm; make it",
    ),
    "fails": (GAME.replace("table = ", "table = unknown + "), "Stag: form() fails: NameError: name 'unknown'"),
    "missing": (GAME.replace("def form", "def shape"), "Stag: form is missing; write it"),
    "no default": (
        GAME.replace("param(4.0,", "param(...,"),
        "Stag: gain: missing, so that nothing can be tried; give every parameter a default, or the class a classmethod",
    ),
    "no equilibrium": (
        GAME + BENCHMARKS.format(**{**RIGHT, "actions": [0, 1], "payoffs": [3.0, 0.0]}),
        "Stag: Nash is no equilibrium: player 0 gains 1 by leaving it; find the equilibrium of these payoffs",
    ),
    "other payoffs": (
        GAME + BENCHMARKS.format(**{**RIGHT, "payoffs": [3.0, 2.9]}),
        "Stag: Nash pays player 1 3, not 2.9; take payoffs from form()",
    ),
    "no optimum": (
        GAME + BENCHMARKS.format(**{**RIGHT, "best": [3.0, 3.0], "joint": [0, 0]}),
        "Stag: optimum pays 6 in all, but 8 is possible; take the best",
    ),
    "incomplete": (
        GAME + BENCHMARKS.format(**{**RIGHT, "complete": True}),
        "Stag: benchmarks() lacks the equilibrium in which actions are (1, 1); list it, or set complete=False",
    ),
    "copies": (GAME + KEEPS, "Stag: form(): a copy with another gain keeps numbers of the first; compute them from"),
    "stored": (GAME + FORGETS, "Stag: gain is another after it was stored and read; let its type say what it may be"),
}
MEASURE = (
    HEAD
    + '''
from tacitlab.measures.base import Measure, variable

class Spread(Measure):
    """How unequal final payoffs are."""
    kind = "spread"
    def of(self, run):
        payoff = variable(run, "payoff").isel(time=-1)
        return payoff.max("agent") - payoff.min("agent")
'''
)
MEASURES = {
    "sessions": (
        MEASURE.replace('max("agent")', 'max("agent").mean("session")').replace('- payoff.min("agent")', ""),
        "Spread: its dimensions are (); keep 'session', the unit of replication",
    ),
    "more": (
        MEASURE.replace(".isel(time=-1)", ""),
        "Spread: it has a dimension time; reduce it to one number a session, and agent",
    ),
    "others": (
        MEASURE.replace("return payoff.max", 'return payoff.sum("session") + payoff.max'),
        "Spread: a session's number depends on other sessions; compute each from its own",
    ),
    "chance": (
        MEASURE.replace("return payoff", "return np.random.rand() + payoff"),
        "Spread: asked again it says something else; let it depend on the run alone",
    ),
    "array": (
        MEASURE.replace('payoff.min("agent")', 'payoff.min("agent")\n    def of(self, run): return np.zeros(4)'),
        "Spread: of() returns ndarray; return an xarray.DataArray",
    ),
    "key": (
        MEASURE.replace('variable(run, "payoff")', 'run.data["pay"]'),
        "Spread: of() fails: KeyError: ",
    ),
    "words": (MEASURE.replace('    """How unequal final payoffs are."""\n', ""), "Spread: it has no docstring; say in"),
}
STUDY = """
from tacitlab.studies.base import Study

class Own(Study):
    name = "own"
    question = "Does it?"
    source = "Nobody 2026"
    sizes = {"quick": 1, "paper": 2}
    def find(self, preset, play):
        raise NotImplementedError
"""
STUDIES = {
    "question": (STUDY.replace('    question = "Does it?"\n', ""), "Own: it has no question; ask in one line"),
    "sizes": (STUDY.replace(', "paper": 2', ""), "Own: sizes lacks paper; say how much each preset plays"),
    "find": (STUDY.replace("preset, play", "play"), "Own: find takes ['self', 'play']; let it take self, preset and"),
}
TOLL = '''
from typing import Literal
import numpy as np
from tacitlab.engine.arrays import Steering
from tacitlab.interventions.base import Intervention

class Own(Intervention):
    """Nothing but numbers."""
    kind: Literal["own-toll"] = "own-toll"
    def steering(self, game, form):
        return Steering(numbers=np.ones(1))
'''
TOLLS = {
    "numbers": (
        TOLL.replace("np.ones(1)", "np.ones(1, int)"), "Own: steering().numbers is no vector of float64; make it one"
    ),
    "infinite": (TOLL.replace("np.ones(1)", "np.full(1, np.inf)"), "Own: steering().numbers are not all finite; make"),
    "signals": (TOLL.replace("Steering(", "Steering(signals=2, "), "Own: steering() gives 2 signals, signals() says 1"),
    "fails": (TOLL.replace("np.ones", "np.eins"), "Own: steering() fails in PrisonersDilemma: AttributeError: "),
}  # fmt: skip
LEARNER = '''
from typing import Literal
from tacitlab.learners.base import Behaviour, Rules, TabularLearner, blank

class Own(TabularLearner):
    """Averages."""
    kind: Literal["own-table"] = "own-table"
    def behaviour(self, seat):
        return Behaviour(Rules.UCB1, Rules.AVERAGE, blank(seat), mixing=2.0, payoff_range=seat.payoff_range())
'''
LEARNERS = {
    "infinite": (
        LEARNER.replace("blank(seat)", "blank(seat) + float('inf')"),
        "own-table: in prisoners-dilemma agent 0 has values that are not finite; bound what it learns",
    ),
    "fails": (LEARNER.replace("blank(seat)", "seat.table"), "own-table: play in prisoners-dilemma fails: Attribute"),
}
BROKEN = {
    f"{sort}: {name}": case
    for sort, cases in {
        "game": GAMES, "measure": MEASURES, "study": STUDIES, "intervention": TOLLS, "learner": LEARNERS
    }.items()
    for name, case in cases.items()
}  # fmt: skip
WELL = {"game": GAME, "measure": MEASURE, "study": STUDY, "intervention": TOLL, "learner": LEARNER}


def _class_in(text):
    return re.search(r"^class (\w+)", text, re.MULTILINE)[1]


@pytest.mark.parametrize("sort", WELL)
def test_the_examples_themselves_keep_their_promises(sort, tmp_path):
    (tmp_path / "own.py").write_text(WELL[sort])
    assert battery.check(f"{tmp_path}/own.py:{_class_in(WELL[sort])}") == sort


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_named_in_one_line(name, tmp_path):
    text, line = BROKEN[name]
    (tmp_path / "own.py").write_text(text)
    with pytest.raises(AssertionError) as error:
        battery.check(f"{tmp_path}/own.py:{_class_in(text)}")
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


def test_promises_that_do_not_rest_on_each_other_have_a_line_each(tmp_path):
    text = GAME.replace(', "stag"))', ",))") + BENCHMARKS.format(**{**RIGHT, "best": [3.0, 3.0], "joint": [0, 0]})
    (tmp_path / "own.py").write_text(text)
    with pytest.raises(AssertionError) as error:
        battery.check(f"{tmp_path}/own.py:Stag")
    first, second = str(error.value).splitlines()
    assert "labels" in first
    assert "optimum" in second


# --- the command ---------------------------------------------------------------------------------------------------


def _checked(name, capsys):
    code = guarded(lambda: app(["check", name], standalone_mode=False))
    told = capsys.readouterr()
    return code, told.out.strip(), told.err.strip()


def test_the_command_says_that_all_is_well(capsys):
    assert _checked("toll", capsys) == (0, "toll: an intervention that keeps its promises", "")


def test_the_command_says_what_is_broken(tmp_path, capsys):
    (tmp_path / "own.py").write_text(GAME.replace(', "stag"))', ",))"))
    code, out, _ = _checked(f"{tmp_path}/own.py:Stag", capsys)
    assert (code, out) == (1, "Stag: there are 1 labels for 2 actions; give one each")


def test_a_wrong_name_is_a_mistake_of_another_sort(capsys):
    code, _, err = _checked("bertrnd", capsys)
    assert code == 2
    assert "bertrnd: unknown; did you mean 'bertrand'?" in err
    with pytest.raises(TacitError, match="cannot be read"):
        battery.check("none.py:Stag")


def test_a_market_that_forgets_its_motion():
    class Still(registry.find("market", "kyle")):
        """It returns nothing."""

        def dynamics(self):
            return None

    with pytest.raises(AssertionError, match=r"^Still: dynamics\(\) gives a NoneType; return its class of motion"):
        testing.check_market(Still())
