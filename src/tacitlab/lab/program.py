"""The program that plays an experiment: everything besides its numbers that decides the bits of its results.

That is the source of what plays (found by its imports, see :mod:`tacitlab.lab.imports`), the user's own files, the
versions of the numerical libraries, and in markets the devices, on which sums are rounded differently.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from tacitlab.interventions import OwnIntervention
from tacitlab.kinds import AS_CLASSES
from tacitlab.lab.experiment import Experiment
from tacitlab.lab.imports import ARRAYS, PACKAGE, closure, file_of, imports, own_files
from tacitlab.lab.user_files import to_play
from tacitlab.learners.base import RULE_MODULES, TabularLearner
from tacitlab.markets.base import Market
from tacitlab.schema import Spec
from tacitlab.store.folder import RunFolder

#: Distributions of the numerical libraries, by the name that they are imported by.
NUMERICAL = {
    "numpy": ("numpy",), "scipy": ("scipy",), "numba": ("numba", "llvmlite"), "quantecon": ("quantecon",),
    "networkx": ("networkx",),
    "jax": ("jax", "jaxlib"), "equinox": ("equinox",), "optax": ("optax",), "jaxmarl": ("jaxmarl",),
}  # fmt: skip
STAGE, MARKET = "lab.tabular_play", "lab.deep_play"  # what plays on either engine
MOST_NAMED = 3  # files that a sentence names


@dataclass(frozen=True)
class Source:
    """A file of the user's that plays along.

    Attributes
    ----------
    name : str
        Within its folder; that of a second folder begins with a number.
    path : Path
    digest : str
        SHA-256 of its bytes.
    """

    name: str
    path: Path
    digest: str


@dataclass(frozen=True)
class Program:
    """What an experiment is played by.

    Attributes
    ----------
    code : dict
        Digests of the package's files, by their names in it.
    own : tuple of Source
        Files of the user's.
    libraries : dict
        Versions.
    devices : str
        What a market is played on; empty for a stage game, whose bits do not depend on it.

    Examples
    --------
    >>> from tacitlab.games import Braess
    >>> from tacitlab.learners import QLearning
    >>> found = program(Experiment(environment=Braess(), learners=QLearning(), length={"periods": 9}))
    >>> "games/braess.py" in found.code, "games/bertrand.py" in found.code
    (True, False)
    """

    code: Mapping[str, str]
    own: tuple[Source, ...] = ()
    libraries: Mapping[str, str] = field(default_factory=dict)
    devices: str = ""

    def facts(self) -> dict[str, Any]:
        """All of it as plain data, without the places of the user's files."""
        own = {source.name: source.digest for source in self.own}
        return {"code": dict(self.code), "own": own, "libraries": dict(self.libraries), "devices": self.devices}

    @property
    def address(self) -> str:
        """SHA-256 of all of it: programs of one address play the same bits."""
        return _address(self.facts())

    def record(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {"address": self.address, **self.facts()}

    def __str__(self) -> str:
        versions = [f"{name}-{version}" for name, version in self.libraries.items()]
        return " ".join([*versions, f"code-{self.address[:16]}", *([f"on-{self.devices}"] if self.devices else [])])


def _address(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def difference(before: Mapping[str, Any], now: Program) -> str:
    """In which way a program differs from one that a manifest recorded; empty if it does not.

    Examples
    --------
    >>> now = Program({"schema.py": "a", "errors.py": "b"}, libraries={"numpy": "2.3"})
    >>> then = {**now.record(), "code": {"schema.py": "c", "errors.py": "b"}, "libraries": {"numpy": "2.2"}}
    >>> difference(then, now)
    'schema.py of tacitlab; numpy 2.2, now 2.3'
    >>> difference(now.record(), now)
    ''
    """
    after, parts = now.facts(), []
    own, code = (_changed(before.get(name, {}), after[name]) for name in ("own", "code"))
    if own:
        parts.append(_listed(own))
    if code:
        parts.append(f"{_listed(code)} of {PACKAGE}")
    for name in _changed(before.get("libraries", {}), after["libraries"]):
        was, is_now = before.get("libraries", {}).get(name, "none"), after["libraries"].get(name, "none")
        parts.append(f"{name} {was}, now {is_now}")
    if before.get("devices", "") != now.devices:
        parts.append(f"devices {before.get('devices') or 'none'}, now {now.devices or 'none'}")
    return "; ".join(parts)


def own_difference(before: Mapping[str, Any], now: Program) -> str:
    """Which of the user's files differ: all that counts of what is complete, and would not be played again."""
    return difference({**now.facts(), "own": before.get("own", {})}, now)


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def _listed(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


# --- of an experiment ----------------------------------------------------------------------------------------------


def program(experiment: Experiment, devices: str = "") -> Program:
    """What plays an experiment.

    Parameters
    ----------
    experiment : Experiment
    devices : str
        What a market is played on.
    """
    market, tree = isinstance(experiment.environment, Market), experiment.model_dump(context=AS_CLASSES)
    return of_members((experiment,), MARKET if market else STAGE, tree, market, devices)


def of_members(
    members: Iterable[Spec], entry: str, tree: Mapping[str, Any], arrays: bool = False, devices: str = ""
) -> Program:
    """What plays something else than an experiment.

    Parameters
    ----------
    members : iterable of Spec
        What it consists of.
    entry : str
        The module of the package that plays it.
    tree : dict
        All of it as plain data, where earlier runs are named.
    arrays : bool
        Whether JAX is used.
    devices : str
        What it is played on, if that matters.
    """
    roots: set[str] = {entry}
    own: dict[Path, Path] = {}
    classes = {found for one in (*members, *_earlier_experiments(tree)) for found in _classes(one)}
    for base in {base for found in classes for base in found.__mro__ if issubclass(base, Spec)}:
        top, _, module = base.__module__.partition(".")
        if top == PACKAGE:
            roots.add(module)
        elif place := _place(base):
            own[place[0]] = place[1]
            if issubclass(base, TabularLearner):  # it may use any rule of the table
                roots |= {f"learners.{name}" for name in RULE_MODULES}
    return of_roots(frozenset(roots), own, arrays, devices)


def of_roots(roots: frozenset[str], own: Mapping[Path, Path], arrays: bool, devices: str = "") -> Program:
    """The program of what plays.

    Parameters
    ----------
    roots : frozenset of str
        Modules of the package.
    own : dict of Path
        Files of the user's, each with the folder that its imports are looked up in.
    arrays : bool
        Whether JAX is used.
    devices : str
        What it is played on.
    """
    sources: dict[Path, Source] = {}
    tops: set[str] = set()
    homes = sorted(set(own.values()))
    for path, home in sorted(own.items()):
        room = "" if home == homes[0] else f"{homes.index(home)}/"
        for name, (file, about) in own_files(path, home).items():
            sources.setdefault(file, Source(room + name, file, about.digest))
            tops |= about.others
            roots |= about.own
    code, theirs = _code(roots, arrays)
    libraries = [name for top in NUMERICAL if top in theirs | tops for name in NUMERICAL[top]]
    libraries += [_distribution(top) for top in sorted(tops - NUMERICAL.keys())]
    versions = {name: version for name in libraries if (version := _version(name))}
    return Program(code, tuple(sources.values()), versions, devices)


@lru_cache(maxsize=4096)
def _code(roots: frozenset[str], arrays: bool) -> tuple[dict[str, str], frozenset[str]]:
    """Digests of the package's files that take part, and the libraries that they import."""
    modules = sorted(closure(roots, arrays))
    code = {file_of(module).relative_to(file_of("").parent).as_posix(): _digest(file_of(module)) for module in modules}
    theirs = frozenset().union(*(imports(module).others for module in modules))
    return code, theirs if arrays else theirs - ARRAYS


@lru_cache(maxsize=4096)
def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


@lru_cache(maxsize=256)
def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:  # a module of the user's that belongs to no distribution
        return ""


@lru_cache(maxsize=256)
def _distribution(top: str) -> str:
    """The distribution that a module belongs to."""
    return top if _version(top) else next(iter(metadata.packages_distributions().get(top, [])), top)


def _classes(node: Any) -> Iterator[type]:
    """The classes of everything that an experiment consists of."""
    if isinstance(node, OwnIntervention):
        yield type(node.made())
    if isinstance(node, Spec):
        yield type(node)
        for name in type(node).model_fields:
            yield from _classes(getattr(node, name))
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _classes(item)
    elif isinstance(node, Mapping):
        for item in node.values():
            yield from _classes(item)


def is_foreign(member: Spec) -> bool:
    """Whether a member, or anything in it, does not come with the package.

    Examples
    --------
    >>> from tacitlab.games import Braess
    >>> is_foreign(Braess())
    False
    """
    return any(found.__module__.partition(".")[0] != PACKAGE for found in _classes(member))


def _place(made: type) -> tuple[Path, Path] | None:
    """The file of a user's class, and the folder that its imports are looked up in."""
    module = sys.modules.get(made.__module__)
    path = Path(getattr(module, "__file__", None) or "").resolve()
    if not path.is_file():  # typed into a notebook or a shell
        return None
    inside = made.__module__.count(".") if (getattr(module, "__package__", None) or "") else 0
    inside += path.name == "__init__.py"
    return path, path.parents[inside]


# --- earlier runs that agents come from ----------------------------------------------------------------------------


def earlier_runs(tree: Any) -> Iterator[str]:
    """Folders of the runs that an experiment, as plain data, takes agents from."""
    if isinstance(tree, Mapping):
        if isinstance(tree.get("run"), str):
            yield tree["run"]
        for value in tree.values():
            yield from earlier_runs(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from earlier_runs(value)


def _earlier_experiments(tree: Mapping[str, Any]) -> Iterator[Experiment]:
    """The experiments of the earlier runs: their code turns what was learned there into actions here."""
    for run in earlier_runs(tree):
        folder = RunFolder(run)
        earlier = _experiment_of(run, str(folder.manifest["scenario"]))
        yield earlier
        yield from _earlier_experiments(earlier.model_dump(context=AS_CLASSES))


@lru_cache(maxsize=256)
def _experiment_of(run: str, scenario: str) -> Experiment:
    return to_play(RunFolder(run))
