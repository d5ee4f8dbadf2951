"""Scenarios: read, changed, refused in one line."""

import math

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tacitlab.documents import descriptions
from tacitlab.errors import TacitError
from tacitlab.games import Bertrand
from tacitlab.lab.experiment import Experiment, from_mapping, load, parse_overrides
from tacitlab.learners import QLearning

BASE = {"environment": {"kind": "bertrand"}, "learners": {"kind": "q-learning"}}


def refused(overrides, base=BASE):
    with pytest.raises(TacitError) as error:
        from_mapping(base, overrides)
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 300
    return text


@pytest.mark.parametrize("name", descriptions())
def test_shipped_scenarios_are_valid_and_described(name):
    experiment = load(name)
    assert experiment.name == name
    assert experiment.description
    assert from_mapping(experiment.dump()) == experiment
    assert from_mapping(yaml.safe_load(yaml.safe_dump(experiment.dump()))) == experiment


def test_overrides_reach_single_learners_lists_and_nested_fields():
    experiment = load(
        "bertrand", ["learners.alpha=0.05", "sessions=7", "environment.mu=0.5", "learners.exploration.beta=1e-5"]
    )
    assert experiment.learners[0].alpha == 0.05
    assert experiment.sessions == 7
    assert experiment.environment.mu == 0.5
    assert experiment.learners[0].exploration.beta == 1e-5
    two = {**BASE, "learners": [{"kind": "q-learning", "agents": 1}, {"kind": "sarsa"}]}
    assert [x.alpha for x in from_mapping(two, [("learners.alpha", 0.3)]).learners] == [0.3, 0.3]
    assert [x.alpha for x in from_mapping(two, [("learners.1.alpha", 0.3)]).learners] == [0.15, 0.3]


def test_override_does_not_change_what_it_was_given():
    base = {"environment": {"kind": "bertrand"}, "learners": {"kind": "q-learning"}}
    from_mapping(base, [("learners.alpha", 0.5), ("environment.cost", [1, 2])])
    assert base == BASE


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([("learners.alpha", 2)], ["learners.alpha", "2", "at most 1"]),
        ([("learners.alhpa", 0.1)], ["learners.alhpa", "alpha"]),
        ([("environment.players", 0)], ["environment.players", "0", "at least 2"]),
        ([("environment.cost", math.nan)], ["environment.cost", "nan", "finite"]),
        ([("environment.cost", [1, math.inf])], ["environment.cost", "inf"]),
        ([("environment.kind", "bertrnd")], ["environment.kind", "bertrand"]),
        ([("environment.mu", "wide")], ["environment.mu", "wide", "number"]),
        ([("learners.kind", "dpn")], ["learners.kind", "dpn"]),
        ([("learners", [])], ["learners"]),
        ([("sessions", 0)], ["sessions", "at least 1"]),
        ([("sessions", 2.5)], ["sessions", "2.5"]),
        ([("seed", -1)], ["seed"]),
        ([("sesions", 3)], ["sesions", "sessions"]),
        ([("timing", "sometimes")], ["timing", "simultaneous"]),
        ([("learners.exploration", {"kind": "exponential"})], ["learners.exploration", "beta"]),
        ([("learners.exploration", {"kind": "constant", "epsilon": 1.5})], ["learners.exploration.epsilon", "1.5"]),
        (
            [("learners.exploration.points", [[5, 0.1]]), ("learners.exploration.kind", "schedule")],
            ["points", "start at 0"],
        ),
        ([("learners.initial", {"kind": "uniform", "low": 1, "high": 0})], ["high"]),
        ([("learners.alpha.x", 1)], ["learners.alpha"]),
        ([("name", "../evil")], ["name"]),
        ([("sessions", True)], ["sessions", "True"]),
        ([("learners.alpha", True)], ["learners.alpha", "True"]),
        ([("sweep", {"sessions": [1, 2]})], ["sweep.sessions", "same in all cells"]),
        ([("sweep", {"name": ["a", "b"]})], ["sweep.name"]),
        ([("learners.initial", {"kind": "given", "table": [[1, 2], [3]]})], ["table", "differ in length"]),
        ([("learners.initial", {"kind": "uniform", "low": -1e308, "high": 1e308})], ["learners.initial.low"]),
        ([("environment", {"kind": "network", "edges": [{"from": 0, "to": 8, "slope": 1e308}]})], ["slope", "1e+308"]),
        ([("length.periods", 20_000), ("trace.window", 25_000)], ["trace.window"]),
        ([("length.periods", 30_000), ("trace.window", 25_000), ("trace.windows", 1)], ["trace.window", "too much"]),
        ([("length.periods", 100), ("trace.windows", 0)], ["trace.windows", "0 are too few", "set trace.windows=5"]),
        ([("length.periods", 10**12)], ["length.periods", "stable_for"]),
        ([("sweep", {"learners.alpha": []})], ["sweep.learners.alpha"]),
    ],
)
def test_mistakes_name_field_value_and_mend(overrides, words):
    text = refused(overrides)
    for word in words:
        assert word in text, text


def test_types_that_were_tried_are_no_part_of_the_field():
    market = {"environment": {"kind": "execution", "temporary": math.nan}, "learners": {"kind": "random"}}
    assert refused([], market).startswith("environment.temporary: nan is not finite")
    market["environment"] = {"kind": "execution", "inventories": [math.inf, 1]}
    assert refused([], market).startswith("environment.inventories.0: inf is not finite")


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"kind": "resource", "execution": "exacr"}, "environment.execution: 'exacr' is unknown; did you mean 'exact'"),
        ({"kind": "token", "curve": {"kind": "power", "rate": 1}}, "environment.curve.rate: no such field"),
        ({"kind": "token", "curve": {"kind": "power", "noise": -1}}, "environment.curve.noise: -1 is too small"),
        ({"kind": "bertrand", "curve": 1}, "environment.curve: no such field"),
        ({"kind": "token", "factors": {"volatility": -1}}, "environment.factors.volatility: -1 is too small"),
    ],
)
def test_fields_may_be_called_like_kinds(environment, words):
    assert refused([], {"environment": environment, "learners": {"kind": "random"}}).startswith(words)


def test_missing_parts_are_named():
    assert "environment" in refused([], {"learners": {"kind": "random"}})
    assert "learners" in refused([], {"environment": {"kind": "bertrand"}})
    assert "kind" in refused([], {"environment": {}, "learners": {"kind": "random"}})


def test_python_construction_gives_the_same_errors():
    with pytest.raises(TacitError, match="alpha: 2 is too large"):
        QLearning(alpha=2)
    with pytest.raises(TacitError, match="sessions"):
        Experiment(environment=Bertrand(), learners=QLearning(), sessions=0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("sessions: 1\nsessions: 2", "line 2: sessions stands twice"),
        ("environment: {kind: bertrand, kind: braess}", "kind stands twice"),
        ("environment: &e {kind: braess, x: *e}\nlearners: {kind: random}", "nested|not YAML"),
        ("a: " + "[" * 3000, "not YAML"),
        ("sessions: " + "9" * 5000, "not YAML"),
        ("a: [1,", "not YAML"),
        ("just text", "not a scenario"),
        ("- 1\n- 2", "not a scenario"),
        ("", "not a scenario"),
        ("environment: bertrand\nlearners: {kind: random}", "environment"),
        (b"\xff\xfe\x00", "not text"),
        ("a: b: c", "not YAML"),
        ("{kind: bertrand}: 1", "not YAML"),
    ],
)
def test_files_that_are_no_scenarios(tmp_path, content, words):
    path = tmp_path / "x.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TacitError, match=words) as error:
        load(str(path))
    assert "\n" not in str(error.value)


def test_missing_files_and_names():
    with pytest.raises(TacitError, match="did you mean 'bertrand'"):
        load("bertrnd")
    with pytest.raises(TacitError, match="cannot be read"):
        load("nowhere.yaml")
    with pytest.raises(TacitError, match="not an override"):
        load("bertrand", ["sessions"])
    for text in ("x=" + "[" * 3000, "sessions=" + "9" * 5000, "x={a: 1, a: 2}"):
        with pytest.raises(TacitError, match="not a YAML value"):
            parse_overrides([text])
    assert load("bertrand", ["sessions=1e3"]).sessions == 1000
    with pytest.raises(TacitError, match="not a YAML value"):
        parse_overrides(["x=[1"])


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PATHS = st.sampled_from(
    [
        "environment",
        "environment.cost",
        "environment.price_grid",
        "environment.n_prices",
        "environment.kind",
        "learners",
        "learners.alpha",
        "learners.exploration",
        "learners.initial",
        "learners.initial.table",
        "learners.agents",
        "learners.0.memory",
        "sessions",
        "seed",
        "name",
        "length",
        "length.periods",
        "trace",
        "trace.window",
        "sweep",
        "timing",
    ]
)


@example([("length", {"\n": None})])
@example([("learners", True)])
@settings(max_examples=300)
@given(st.lists(st.tuples(PATHS, JUNK), min_size=1, max_size=3))
def test_junk_is_refused_in_one_line_or_accepted(overrides):
    try:
        experiment = from_mapping(BASE, overrides)
    except TacitError as mistake:
        experiment, text = None, str(mistake)
    else:
        text = ""
    if experiment is None:
        assert text
        assert "\n" not in text
    else:
        assert from_mapping(experiment.dump()) == experiment
        cells = experiment.cells()
        try:
            assert next(cells).sweep == {} or not experiment.sweep
        except TacitError as mistake:
            text = str(mistake)
        assert "\n" not in text


def test_sweep_cells_are_every_combination_in_order():
    experiment = from_mapping(BASE, [("sweep", {"learners.alpha": [0.1, 0.2], "environment.mu": [0.25, 0.5, 1]})])
    cells = list(experiment.cells())
    assert [(c.learners[0].alpha, c.environment.mu) for c in cells] == [
        (a, mu) for a in (0.1, 0.2) for mu in (0.25, 0.5, 1)
    ]
    assert list(experiment.sweep_dimensions()) == ["alpha", "mu"]
    clash = from_mapping(BASE, [("sweep", {"length.periods": [10], "learners.memory": [1], "seed": [1]})])
    assert list(clash.sweep_dimensions()) == ["length.periods", "memory", "seed"]


def test_traces_cover_sessions_of_a_fixed_length():
    def recorded(**overrides):
        return from_mapping(BASE, [(k.replace("_", ".", 1), v) for k, v in overrides.items()]).recorded()

    assert recorded(length_periods=10_000) == (100, 100)
    assert recorded(length_periods=30) == (1, 30)
    assert recorded(length_periods=1234, trace_windows=200) == (7, 176)
    assert recorded(length_stable_for=100_000) == (25_000, 100)
    assert recorded(length_periods=1000, trace_window=10) == (10, 100)
    assert "leave out the end of 3000" in refused([("length.periods", 3000), ("trace.window", 10)])


def test_numbers_in_scientific_notation_stay_numbers_in_a_sweep():
    experiment = load("bertrand", ["sweep={learners.exploration.beta: [4e-6, 1e-5], learners.initial.kind: [nash]}"])
    assert experiment.sweep_dimensions() == {"beta": [4e-6, 1e-5], "kind": ["nash"]}
