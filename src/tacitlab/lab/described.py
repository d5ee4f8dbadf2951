"""What reading a run needs to know of its environment, learners and intervention, as plain data beside its arrays.

A stored run must stay readable when a user's file is gone or has changed, and reading must execute nothing. So a run
keeps ``environment.json``: benchmarks, words, actions, roles, names and units of what it was played with. Members that
do not come with the package are read as descriptions, which answer questions and refuse to play.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tacitlab import registry
from tacitlab.environment import Environment, Words
from tacitlab.errors import TacitError
from tacitlab.games.base import Actions, CongestionForm, NormalForm, StageGame
from tacitlab.interventions.base import Intervention
from tacitlab.lab.design import Grid
from tacitlab.lab.experiment import Experiment, _copy, _set, from_mapping
from tacitlab.lab.program import is_foreign
from tacitlab.lab.result import benchmarks_of
from tacitlab.learners.base import Behaviour, Learner, Seat, TabularLearner
from tacitlab.markets.base import Continuous, Discrete, Market, Quantity, Role
from tacitlab.schema import Spec, param
from tacitlab.theory.benchmarks import Benchmarks, Profile

FILE = "environment.json"
ACTIONS: dict[str, type[Discrete] | type[Continuous]] = {"discrete": Discrete, "continuous": Continuous}

Plain = dict[str, Any]

# --- writing -------------------------------------------------------------------------------------------------------


def describe(experiment: Experiment, whole: bool = True) -> Plain:
    """Everything that reading needs, with each member once; the benchmarks only if the ``whole`` is wanted.

    Returns
    -------
    dict
        ``members``; and of ``experiment``, and of each of its ``cells`` where fields are swept, the numbers of its
        ``environment``, of the one it is ``tested_in``, of its ``learners`` and ``intervention``.
    """
    known: dict[str, int] = {}

    def number(about: Plain) -> int:
        return known.setdefault(json.dumps(about, sort_keys=True), len(known))

    def entry(one: Experiment, whole: bool) -> Plain:
        return {
            "environment": number(of_environment(one.environment, whole)),
            "tested_in": number(of_environment(one.judged_in(), whole)),
            "learners": [number(of_learner(learner)) for learner in one.learners],
            "intervention": number(_intervention(one.intervention)),
        }

    found: Plain = {"experiment": entry(experiment, whole and not experiment.sweep)}
    if experiment.sweep:
        found["cells"] = [entry(cell, True) for cell in experiment.cells()]
    return {**found, "members": [json.loads(text) for text in known]}


def _member(sort: str, member: Any) -> Plain:
    fields = type(member).model_fields
    said = {name: list(member.said_of(name)) for name in fields if name != "kind"}
    return {"sort": sort, "kind": member.kind, "foreign": is_foreign(member), "fields": said}


def of_environment(environment: Any, whole: bool) -> Plain:
    """What reading needs to know of a game or a market; the benchmarks only if the ``whole`` is wanted."""
    about = {
        **_member("game" if isinstance(environment, StageGame) else "market", environment),
        "words": list(environment.words()), "players": environment.n_players,
        "benchmarks": _benchmarks(environment) if whole else None,
    }  # fmt: skip
    if isinstance(environment, StageGame):
        actions = environment.actions()
        return about | {
            "actions": {"name": actions.name, "values": written(actions.values), "unit": actions.unit,
                        "labels": list(actions.labels)},
        }  # fmt: skip
    roles = environment.roles()
    return about | {
        "horizon": environment.horizon, "payoff_steps": environment.payoff_steps,
        "common_reward": environment.common_reward,
        "roles": [
            {"name": role.name, "agents": role.agents, "observes": list(role.observes), "levels": list(role.levels),
             "actions": type(role.actions).__name__.lower(), "size": role.actions.size, "outcome": role.outcome,
             "unit": role.unit}
            for role in roles
        ],
        "quantities": [list(quantity) for quantity in environment.quantities()],
        "rules": dict(environment.rules()), "rules_of": {role.name: dict(environment.rules_of(role)) for role in roles},
    }  # fmt: skip


def of_learner(learner: Any) -> Plain:
    """What reading needs to know of a learner."""
    tabular = isinstance(learner, TabularLearner)
    return _member("learner", learner) | {
        "learns": learner.learns, "many_copies": learner.many_copies, "tabular": tabular,
        "memory": list(learner.memory_of()) if tabular else None,
    }  # fmt: skip


def _intervention(intervention: Intervention) -> Plain:
    return _member("intervention", intervention) | {"note": intervention.note(), "pays": intervention.pays}


def _benchmarks(environment: Environment) -> Plain | None:
    try:
        known = benchmarks_of(environment)
    except TacitError:  # of the market of training only: that of the test was asked before
        return None
    profiles = {name: [_profile(p) for p in getattr(known, name)] for name in ("competitive", "cooperative")}
    numbers = {name: _number(value) for name, value in known.numbers.items()}
    rules = {name: written(values) for name, values in known.rules.items()}
    return {
        **profiles, "random": known.random and _profile(known.random), "complete": bool(known.complete),
        "numbers": numbers, "notes": list(known.notes), "rules": rules,
    }  # fmt: skip


def _profile(profile: Profile) -> Plain:
    return {
        "name": profile.name, "concept": profile.concept, "method": profile.method, "exact": bool(profile.exact),
        "error": _number(profile.error), "payoffs": written(profile.payoffs),
        "actions": None if profile.actions is None else written(profile.actions),
        "quantities": {name: written(values) for name, values in profile.quantities.items()},
        "strategies": [written(values) for values in profile.strategies],
    }  # fmt: skip


def _number(value: Any) -> Any:
    """A number that JSON knows; others as text."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, bool | int) or np.isfinite(value) else str(float(value))


def written(values: Any) -> Plain:
    """An array as plain data, to the last bit.

    Examples
    --------
    >>> read(written(np.array([[0.1, np.inf]])))
    array([[0.1, inf]])
    """
    array = np.asarray(values)
    flat = [_number(value) for value in array.ravel().tolist()]
    return {"dtype": str(array.dtype), "shape": list(array.shape), "values": flat}


# --- reading -------------------------------------------------------------------------------------------------------


def read(plain: Mapping[str, Any]) -> NDArray[Any]:
    """The array of :func:`written`."""
    values = [float(value) if isinstance(value, str) else value for value in plain["values"]]
    return np.array(values, dtype=plain["dtype"]).reshape(plain["shape"])


def benchmarks_from(plain: Mapping[str, Any]) -> Benchmarks:
    """Benchmarks as they were when they were stored."""
    competitive, cooperative = (tuple(map(_profile_from, plain[name])) for name in ("competitive", "cooperative"))
    numbers = {name: float(v) if isinstance(v, str) else v for name, v in plain["numbers"].items()}
    random = plain.get("random")  # runs of earlier versions do not tell, nor do they know rules
    rules = {name: read(values) for name, values in plain.get("rules", {}).items()}
    return Benchmarks(
        competitive, cooperative, plain["complete"], numbers, tuple(plain["notes"]),
        random and _profile_from(random), rules,
    )  # fmt: skip


def _profile_from(plain: Mapping[str, Any]) -> Profile:
    return Profile(
        name=plain["name"], concept=plain["concept"], payoffs=read(plain["payoffs"]), method=plain["method"],
        actions=None if plain["actions"] is None else read(plain["actions"]),
        quantities={name: read(values) for name, values in plain["quantities"].items()},
        strategies=tuple(read(values) for values in plain["strategies"]), exact=plain["exact"],
        error=float(plain["error"]),
    )  # fmt: skip


def experiment_of(tree: Mapping[str, Any], entry: Mapping[str, Any], members: list[Plain]) -> Experiment:
    """An experiment whose foreign members are descriptions.

    Parameters
    ----------
    tree : dict
        The complete scenario.
    entry, members
        As :func:`describe` has them.
    """
    environment, tested = members[entry["environment"]], members[entry["tested_in"]]
    found = {**tree, "environment": as_described(tree["environment"], environment, tested)}
    given = tree["learners"] if isinstance(tree["learners"], list) else [tree["learners"]]
    pairs = zip(given, entry["learners"], strict=True)
    found["learners"] = [as_described(node, members[number]) for node, number in pairs]
    found["intervention"] = as_described(tree.get("intervention", {"kind": "none"}), members[entry["intervention"]])
    return from_mapping(found, seated=False)


def cells_of(experiment: Experiment, tree: Mapping[str, Any], found: Plain) -> list[Experiment]:
    """The experiments of a sweep's cells, whose foreign members are descriptions."""
    if not experiment.sweep:
        return [experiment]
    grid, cells = Grid(over=experiment.sweep), []
    for number, entry in enumerate(found["cells"]):
        cell = {**_copy(tree), "sweep": {}}
        for path, value in grid.settings(number):
            _set(cell, path.split("."), value, path)
        cells.append(experiment_of(cell, entry, found["members"]))
    return cells


def has_foreign(found: Plain) -> bool:
    """Whether anything in a description does not come with the package."""
    return any(member["foreign"] for member in found["members"])


def without_description(tree: Mapping[str, Any]) -> Plain:
    """What is known of a run from before descriptions were kept: only interventions could be foreign then.

    A run without foreign members needs none.
    """
    node = tree.get("intervention") or {}
    if node.get("kind") != "own" and not registry.is_place(node.get("kind")):
        return {"members": []}
    note = f"with an intervention, {node.get('source', node['kind'])}; the benchmarks are those of the game without it"
    plain = {"sort": "", "foreign": False}
    own = {"sort": "intervention", "kind": "own", "foreign": True, "fields": {}, "note": note, "pays": True}
    learners = tree["learners"] if isinstance(tree["learners"], list) else [tree["learners"]]
    entry = {"environment": 0, "tested_in": 0, "learners": [0] * len(learners), "intervention": 1}
    cells = int(np.prod([len(values) for values in (tree.get("sweep") or {}).values()]))
    return {"experiment": entry, "cells": [entry] * cells, "members": [plain, own]}


def as_described(node: Any, about: Plain, tested: Plain | None = None) -> Any:
    """The scenario's words where a member comes with the package, else its description."""
    if not about["foreign"]:
        return node
    told = {"kind": about["kind"], "plain": json.dumps(node), "about": json.dumps(about)}
    if about["sort"] == "learner":
        return (StoredTable if about["tabular"] else StoredLearner)(**told, agents=node.get("agents"))
    if about["sort"] == "market":
        return StoredMarket(**told, tested=json.dumps(tested))
    return (StoredGame if about["sort"] == "game" else StoredIntervention)(**told)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Any:
    return json.loads(text)


class _Stored(Spec):
    """What a description has: the member as the scenario writes it, and what was said of it."""

    kind: str = param("stored", "what it is called")
    plain: str = param(..., "the scenario's words, as JSON")
    about: str = param(..., "what was said of it, as JSON")

    if not TYPE_CHECKING:  # fields of the scenario are read as those of the member would be

        def __getattr__(self, name: str) -> Any:
            plain = _parsed(self.__dict__["plain"]) if "plain" in self.__dict__ else {}
            return plain[name] if name in plain else super().__getattr__(name)

    @property
    def written_as(self) -> Plain:
        """As a scenario writes it."""
        return dict(_parsed(self.plain))

    @property
    def known(self) -> Plain:
        """What was said of it."""
        return dict(_parsed(self.about))

    def said_of(self, name: str) -> tuple[str, str]:
        unit, meaning = self.known["fields"].get(name, ("", ""))
        return unit, meaning

    def refusal(self) -> TacitError:
        """Why it does not play."""
        return TacitError(
            f"{self.written_as['kind']}: it was read from a stored run, which executes nothing; load the scenario "
            "again to play it"
        )


class _StoredEnvironment(_Stored):
    def words(self) -> Words:
        return Words(*self.known["words"])

    # The class of a member says these; here every description has its own.
    @property
    def role(self) -> str:
        return self.words().role

    @property
    def payoff_name(self) -> str:
        return self.words().payoff

    @property
    def payoff_unit(self) -> str:
        return self.words().unit

    @property
    def cost_name(self) -> str:
        return self.words().cost

    @property
    def n_players(self) -> int:
        return int(self.known["players"])

    def benchmarks(self) -> Benchmarks:
        if self.known["benchmarks"] is None:
            raise TacitError(f"{self.written_as['kind']}: no benchmarks were stored; those of the cells are")
        return benchmarks_from(self.known["benchmarks"])


class StoredGame(_StoredEnvironment, StageGame):  # type: ignore[misc, override]
    """A foreign stage game, as a stored run describes it."""

    def actions(self) -> Actions:
        known = self.known["actions"]
        return Actions(known["name"], read(known["values"]), known["unit"], tuple(known["labels"]))

    def form(self) -> NormalForm | CongestionForm:
        raise self.refusal()


class StoredMarket(_StoredEnvironment, Market):  # type: ignore[misc, override]
    """A foreign market, as a stored run describes it."""

    tested: str = param(..., "what was said of the market of the test, as JSON")

    @property
    def horizon(self) -> int:
        return int(self.known["horizon"])

    @property
    def payoff_steps(self) -> int:
        return int(self.known["payoff_steps"])

    @property
    def common_reward(self) -> bool:
        return bool(self.known["common_reward"])

    def roles(self) -> tuple[Role, ...]:
        return tuple(
            Role(
                r["name"],
                r["agents"],
                tuple(r["observes"]),
                ACTIONS[r["actions"]](r["size"]),
                tuple(r["levels"]),
                r.get("outcome", ""),
                r.get("unit", ""),
            )
            for r in self.known["roles"]
        )

    def quantities(self) -> tuple[Quantity, ...]:
        return tuple(Quantity(*quantity) for quantity in self.known["quantities"])

    def rules(self) -> dict[str, str]:
        return dict(self.known["rules"])

    def rules_of(self, role: Role) -> dict[str, str]:
        return dict(self.known["rules_of"][role.name])

    def changed(self, tree: Mapping[str, Any]) -> "StoredMarket":
        """The market of the test, which is the only other one that is known."""
        return StoredMarket(kind=self.kind, plain=json.dumps(tree), about=self.tested, tested=self.tested)

    def dynamics(self) -> Any:
        raise self.refusal()


class StoredLearner(_Stored, Learner):
    """A foreign learner, as a stored run describes it."""

    @property
    def learns(self) -> bool:  # type: ignore[override]
        return bool(self.known["learns"])

    @property
    def many_copies(self) -> bool:  # type: ignore[override]
        return bool(self.known["many_copies"])

    def group(self, seat: Any) -> Any:
        raise self.refusal()


class StoredTable(StoredLearner, TabularLearner):
    """A foreign learner with a table, as a stored run describes it."""

    def memory_of(self) -> Any:
        return tuple(self.known["memory"])

    def behaviour(self, seat: Seat) -> Behaviour:
        raise self.refusal()


class StoredIntervention(_Stored, Intervention):
    """A foreign intervention, as a stored run describes it."""

    pays: ClassVar[bool] = True

    def check(self, environment: Environment, learners: Any, timing: str) -> None:
        """It was checked when the run began."""

    def note(self) -> str:
        return str(self.known["note"])

    def steering(self, game: StageGame, form: NormalForm | CongestionForm) -> Any:
        raise self.refusal()
