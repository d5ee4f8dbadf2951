"""What can be named in a scenario: kinds of the package, of a user's file, and of installed packages.

The members of the package are found by reading its source as text: a new game, market, learner, intervention or study
is one new file, and no table names it. Nothing is imported before a class is asked for, and nothing here needs more
than the standard library, so that listing is instant.

A kind is written in one of three ways:

* ``bertrand``: a member of the package, or of an installed package that names it in the entry points of the group
  ``tacitlab.kinds`` (name = kind, value = ``module:Class``);
* ``fishery.py:Fishery``: a class in a file, relative to the scenario that names it;
* ``package.module:Class``: a class in a module that can be imported.
"""

import ast
import difflib
import hashlib
import importlib
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from tacitlab.errors import TacitError
from tacitlab.sources import HERE, PACKAGE, absolute, kind_line, parsed, path_of, reached, text_of

GROUP = "tacitlab.kinds"
LOADED_AS = "tacitlab_file_"  # how the modules of users' files are called, with a digest of where they are


class Room(NamedTuple):
    """Where the members of one sort are.

    Attributes
    ----------
    root : str
        The class that all members descend from, ``module:Class``.
    folders : tuple of str
        Where the package keeps its own, below its folder.
    name, line : str
        Patterns of the member's name and of what is said of it, in the body of its class.
    """

    root: str
    folders: tuple[str, ...]
    name: str = r'^    kind: Literal\["([^"]+)"\]'
    line: str = r'\A\s*r?"""[ \t]*(.+?)[ \t]*(?:"""|\n)'


ROOMS: dict[str, Room] = {
    "game": Room("tacitlab.games.base:StageGame", ("games",)),
    "market": Room("tacitlab.markets.base:Market", ("markets", "interop")),
    "learner": Room("tacitlab.learners.base:Learner", ("learners",)),
    "intervention": Room("tacitlab.interventions.base:Intervention", ("interventions",)),
    "measure": Room("tacitlab.measures.base:Measure", ("measures", "audits"), r'^    kind = "([^"]+)"'),
    "study": Room(
        "tacitlab.studies.base:Study", ("studies",), r'^    name(?:: ClassVar\[str\])? = "([^"]+)"',
        r'^    question(?:: ClassVar\[str\])? = (".*"|\([^)]*\))$',
    ),
}  # fmt: skip


class Entry(NamedTuple):
    """One kind: what it is called, what it is, where its class is, what it says of itself, and whose it is.

    Attributes
    ----------
    target : str
        ``module:Class``.
    line : str
        The first line of its description; a study's question.
    origin : str
        ``tacitlab``, or the installed package that brings it.
    """

    kind: str
    room: str
    target: str
    line: str
    origin: str


# --- what there is -------------------------------------------------------------------------------------------------


def entries(room: str) -> dict[str, Entry]:
    """Every kind of a room, in alphabetical order: the package's own, then those of installed packages.

    Examples
    --------
    >>> entries("game")["pigou"].target
    'tacitlab.games.pigou:Pigou'
    >>> entries("market")["resource"].line
    'Agents trade a resource whose price follows their orders and noise.'
    """
    return dict(_entries(room, tuple(sys.path)))


@lru_cache(maxsize=64)
def _entries(room: str, search: tuple[str, ...]) -> dict[str, Entry]:
    brought = sorted(entry for entry in _installed(search) if entry.room == room)
    return {**_own(room), **{entry.kind: entry for entry in brought if entry.kind not in _own(room)}}


@cache
def _own(room: str) -> dict[str, Entry]:
    found = []
    for folder in ROOMS[room].folders:
        for path in (HERE / folder).rglob("*.py"):
            if not _match(ROOMS[room].name, text_of(path)):
                continue
            module = ".".join((PACKAGE, *path.relative_to(HERE).with_suffix("").parts))
            found += [
                Entry(kind, room, f"{module}:{name}", _line(room, made.body), PACKAGE)
                for name, made in parsed(path).classes.items()
                if (kind := _match(ROOMS[room].name, made.body)) and room_of(module, name) == room
            ]
    return {entry.kind: entry for entry in sorted(found)}


@lru_cache(maxsize=4)
def _installed(search: tuple[str, ...]) -> tuple[Entry, ...]:
    """Kinds of installed packages, of whatever room; a class whose descent cannot be read belongs to none."""
    from importlib import metadata  # as long as everything else here

    found = []
    for point in metadata.entry_points(group=GROUP):
        module, _, name = point.value.partition(":")
        path = path_of(module)
        room = room_of(module, name) if path else None
        made = parsed(path).classes.get(name) if path else None
        origin = point.dist.name if point.dist else module.partition(".")[0]
        line = _line(room, made.body) if room and made else ""
        found.append(Entry(point.name, room or "", point.value, line, origin))
    return tuple(found)


def _line(room: str, body: str) -> str:
    text = _match(ROOMS[room].line, body)
    return str(ast.literal_eval(text)) if text.startswith(("(", '"')) and room == "study" else text


def _match(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else ""


def room_of(module: str, name: str) -> str | None:
    """The room of a class, by following its bases from file to file; None if they lead to no room.

    Examples
    --------
    >>> room_of("tacitlab.games", "Pigou"), room_of("tacitlab.errors", "TacitError")
    ('game', None)
    """
    return _room_of(module, name, path_of(module))


def members_in(path: Path) -> dict[str, str]:
    """The classes of a user's file that are members, and their rooms: read as text, so nothing is executed."""
    public = [name for name in parsed(path).classes if not name.startswith("_")]
    found = {name: _room_of("", name, path) for name in public}
    return {name: room for name, room in found.items() if room}


def _room_of(module: str, name: str, path: Path | None, seen: tuple[tuple[str, str], ...] = ()) -> str | None:
    place = f"{module}:{name}"
    for room, described in ROOMS.items():
        if place == described.root:
            return room
    if path is None or (module, name) in seen:
        return None
    source, seen = parsed(path), (*seen, (module, name))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for base in source.classes[name].bases if name in source.classes else (name,):
        head, _, rest = base.partition(".")
        if head in source.classes and name in source.classes:
            found = _room_of(module, base, path, seen)
        elif head in source.imports:
            origin, attribute = source.imports[head]
            there, last = reached(absolute(origin, package), attribute, rest)
            found = _room_of(there, last, path_of(there), seen)
        else:
            continue
        if found is not None:
            return found
    return None


# --- from a kind to its class --------------------------------------------------------------------------------------

_FILE = re.compile(r"^(.+\.py)(?::([A-Za-z_][\w.]*))?$", re.DOTALL)
_MODULE = re.compile(r"^([A-Za-z_]\w*(?:\.\w+)*):([A-Za-z_][\w.]*)$")


def is_place(kind: object) -> bool:
    """Whether a kind says itself where its class is: ``FILE.py:Class`` or ``module:Class``.

    Examples
    --------
    >>> is_place("fishery.py:Fishery"), is_place("fish.markets:Fishery"), is_place("kyle")
    (True, True, False)
    """
    return isinstance(kind, str) and bool(_FILE.match(kind) or _MODULE.match(kind))


def find(rooms: str | Iterable[str], kind: str, base: str | Path | None = None) -> type[Any]:
    """The class of a kind, imported.

    Parameters
    ----------
    rooms : str or iterable of str
        Where it may belong: "game", "market", "learner", "intervention", "study".
    kind : str
        As a scenario writes it; ``FILE.py`` alone is enough where the file has one class that fits.
    base : path, optional
        The folder that names of files start from; the current one if left out.

    Raises
    ------
    TacitError
        If nothing is called so, or it cannot be imported, or it is something else.

    Examples
    --------
    >>> find(["game", "market"], "pigou")
    <class 'tacitlab.games.pigou.Pigou'>
    >>> find("learner", "pigou")
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: kind: 'pigou' is a game where a learner is needed; `tacit list` shows all kinds
    """
    wanted = (rooms,) if isinstance(rooms, str) else tuple(rooms)
    if (match := _FILE.match(kind)) is not None:
        return _in_file(wanted, kind, Path(base or "") / Path(match.group(1)).expanduser(), match.group(2))
    if (match := _MODULE.match(kind)) is not None:
        return _fitting(wanted, _attribute(_imported(match.group(1), kind), match.group(2), kind), kind)
    known = {name: entry for room in wanted for name, entry in entries(room).items()}
    if kind in known:
        return _of_entry(wanted, known[kind])
    unread = [entry for entry in _installed(tuple(sys.path)) if not entry.room and entry.kind == kind]
    if unread:
        return _of_entry(wanted, unread[0])
    other = next((room for room in ROOMS if kind in entries(room)), None)
    if other is not None:
        raise _refuse(f"{kind!r} is {a(other)} where {a(*wanted)} is needed", "`tacit list` shows all kinds")
    close = difflib.get_close_matches(kind, known, n=1)
    mend = f"did you mean {close[0]!r}?" if close else "`tacit list` shows what there is, or name FILE.py:CLASS"
    raise _refuse(f"{kind!r} is unknown", mend)


def _of_entry(wanted: tuple[str, ...], entry: Entry) -> type[Any]:
    rivals = {
        other.origin for other in _installed(tuple(sys.path))
        if (other.kind, other.room) == (entry.kind, entry.room) and other.target != entry.target
    }  # fmt: skip
    if entry.origin != PACKAGE and rivals:
        raise _refuse(
            f"{entry.kind!r} is brought by {' and by '.join(sorted({entry.origin, *rivals}))}",
            f"name the class instead, for example {entry.target}",
        )
    module, _, name = entry.target.partition(":")
    return _fitting(wanted, _attribute(_imported(module, entry.kind), name, entry.kind), entry.kind)


def _in_file(wanted: tuple[str, ...], kind: str, path: Path, name: str | None) -> type[Any]:
    module = module_of(path)
    if name is not None:
        return _fitting(wanted, _attribute(module, name, kind), kind)
    own = [found for found in vars(module).values() if isinstance(found, type) and found.__module__ == module.__name__]
    fit = [found for found in own if not found.__name__.startswith("_") and issubclass(found, roots(wanted))]
    if len(fit) == 1:
        return fit[0]
    if fit:
        raise _refuse(f"{kind} has several classes", f"name one, for example {kind}:{fit[0].__name__}")
    parents = [root.__name__ for root in roots(wanted)]
    mend = f"derive one from {parents[0]}" if len(parents) < 3 else "`tacit new game NAME` writes one to start from"
    raise _refuse(f"{kind} has no class that is {a(*wanted)}", mend)


def _attribute(module: ModuleType, name: str, kind: str) -> Any:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        classes = [key for key, value in vars(module).items() if isinstance(value, type)]
        own = [key for key in classes if vars(module)[key].__module__ == module.__name__]
        close = difflib.get_close_matches(name, own, n=1, cutoff=0.4)
        mend = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(own) or 'no class at all'}"
        raise _refuse(f"{kind.rpartition(':')[0] or module.__name__} has no class {name!r}", mend)
    return found


def _fitting(wanted: tuple[str, ...], found: Any, kind: str) -> type[Any]:
    if isinstance(found, type) and issubclass(found, roots(wanted)):
        return found
    other = next((room for room in ROOMS if isinstance(found, type) and issubclass(found, roots((room,)))), None)
    what = f"is {a(other)}" if other else "is no class that fits"
    parents = " or ".join(root.__name__ for root in roots(wanted))
    raise _refuse(f"{kind!r} {what} where {a(*wanted)} is needed", f"name another, or derive it from {parents}")


@cache
def roots(rooms: tuple[str, ...]) -> tuple[type[Any], ...]:
    """What the members of some rooms descend from, imported."""
    found = []
    for room in rooms:
        module, _, name = ROOMS[room].root.partition(":")
        found.append(getattr(importlib.import_module(module), name))
    return tuple(found)


def a(*rooms: str) -> str:
    """Some rooms with their article.

    Examples
    --------
    >>> a("intervention", "game"), a("game", "market", "learner")
    ('an intervention or a game', 'a game, a market or a learner')
    """
    *most, last = [f"{'an' if room[0] in 'aeiou' else 'a'} {room}" for room in rooms]
    return f"{', '.join(most)} or {last}" if most else last


def _refuse(problem: str, mend: str) -> TacitError:
    return TacitError(f"kind: {problem}; {mend}")


# --- users' files --------------------------------------------------------------------------------------------------

_LOADED: dict[Path, tuple[bytes, ModuleType]] = {}


def module_of(path: str | Path) -> ModuleType:
    """The module in a user's file, executed once for the bytes that the file has.

    A module that has been imported in another way, or the program that runs, is the same one: the classes that a
    user's own code holds are those that scenarios name.

    Raises
    ------
    TacitError
        If there is no such file, or its code fails.
    """
    path = Path(path)
    place = path.resolve()
    try:
        content = place.read_bytes()
    except OSError as error:
        raise _refuse(
            f"{path} cannot be read ({error.strerror})",
            "name a Python file, from the scenario's folder or, on the command line, from this one",
        ) from None
    if place in _LOADED and _LOADED[place][0] == content:
        return _LOADED[place][1]
    if (known := _imported_from(place)) is not None:
        return known
    module = _executed(path, place, content)
    _LOADED[place] = (content, module)
    return module


def _imported_from(place: Path) -> ModuleType | None:
    for name, module in list(sys.modules.items()):
        file: Any = getattr(module, "__dict__", {}).get("__file__")
        near = isinstance(file, str) and file.endswith(place.name) and not name.startswith(LOADED_AS)
        if near and Path(file).resolve() == place:
            return module
    return None


def _executed(path: Path, place: Path, content: bytes) -> ModuleType:
    name = f"{LOADED_AS}{place.stem}_{hashlib.sha1(str(place).encode()).hexdigest()[:8]}"
    spec = spec_from_file_location(name, place)
    assert spec is not None
    assert spec.loader is not None
    module, before = module_from_spec(spec), sys.modules.get(name)
    sys.modules[name] = module
    sys.path.insert(0, str(place.parent))  # it may import what lies beside it
    try:
        # Not the loader's own way: compiled files are trusted by size and second, and a file may change within one.
        exec(compile(content, str(place), "exec"), module.__dict__)
    except BaseException as error:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _refuse(f"{path} fails when imported, {_where(error, place)}", _mend(error)) from None
    finally:
        sys.path.remove(str(place.parent))
    return module


def _imported(module: str, kind: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise _refuse(
            f"{kind}: {module} cannot be imported ({type(error).__name__}: {_short(error)})",
            "install it, or name FILE.py:CLASS",
        ) from None


def _where(error: BaseException, place: Path) -> str:
    """The line of a file in which an error arose, and what it says."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve() == place]
    line = error.lineno if isinstance(error, SyntaxError) and not lines else (lines or [None])[-1]
    return f"line {line}: {type(error).__name__}: {_short(error)}"


def _mend(error: BaseException) -> str:
    """What to do about a file that fails; a field without a type is the commonest mistake in a first class."""
    untyped = re.search(r"non-annotated attribute was detected: `(\w+) = (.*?)`", str(error))
    if untyped is None:
        return "mend the file"
    name, value = untyped.groups()
    if name == "kind":
        return f"write {kind_line('', value.strip(chr(39)))}"
    return f"write {name}: TYPE = ..., or {name}: ClassVar = ... for what is no parameter"


def _short(error: BaseException) -> str:
    text = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    return text if len(text) <= 120 else text[:117] + "..."


# --- packages that import a name when it is used -------------------------------------------------------------------


def lazily(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package of rooms.

    Its names are those that its ``__init__`` imports for type checkers, and every member of the room, listed or not.

    Examples
    --------
    >>> import tacitlab.games
    >>> tacitlab.games.Pigou
    <class 'tacitlab.games.pigou.Pigou'>
    """

    def get(name: str) -> Any:
        place = exported(package, name)
        if place is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(place[0]), place[1])
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*_told(package), *_members(package)})

    return get, names


def exported(package: str, name: str) -> tuple[str, str] | None:
    """The module that defines what a package passes on under a name, and what it is called there."""
    place = _told(package).get(name)
    return place if place or name.startswith("_") else _members(package).get(name)


@cache
def _told(package: str) -> dict[str, tuple[str, str]]:
    path = path_of(package)
    found = parsed(path).imports if path else {}
    return {
        name: (module, inner) for name, (module, inner) in found.items()
        if inner and module.startswith(f"{PACKAGE}.")
    }  # fmt: skip


def _members(package: str) -> dict[str, tuple[str, str]]:
    """The classes of a package's rooms, by their own names."""
    folder = package.rpartition(".")[2]
    found = [entry.target for room in ROOMS if folder in ROOMS[room].folders for entry in _own(room).values()]
    split = (target.partition(":") for target in found)
    return {name: (module, name) for module, _, name in split if module.startswith(f"{package}.")}


# --- from a class to its kind --------------------------------------------------------------------------------------


def source_of(cls: type[Any]) -> Path | None:
    """The user's file that a class comes from; None for the package's own and for those of installed packages.

    Examples
    --------
    >>> source_of(find("game", "pigou")) is None
    True
    """
    module = cls.__module__
    if module.partition(".")[0] == PACKAGE or any(_top(e.target) == _top(module) for e in _installed(tuple(sys.path))):
        return None
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return None
    path = Path(file).resolve()
    if path.suffix != ".py" or any(path.is_relative_to(folder) for folder in _installation()):
        return None
    return path


@cache
def _installation() -> tuple[Path, ...]:
    """Where installed packages and the standard library are."""
    return tuple({Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib", "platstdlib")})


def _top(target: str) -> str:
    return re.split(r"[.:]", target, maxsplit=1)[0]


def is_named(cls: type[Any]) -> bool:
    """Whether a class has a name of its own: the package's, and those of installed packages."""
    return f"{cls.__module__}:{cls.__qualname__}" in _kinds(tuple(sys.path))


def written_kind(cls: type[Any]) -> str:
    """What a scenario file calls a class: its kind, or ``FILE.py:Class`` with the whole path of the file.

    Raises
    ------
    TacitError
        If it is in no file, so that nobody could find it again.

    Examples
    --------
    >>> written_kind(find("game", "pigou"))
    'pigou'
    """
    target = f"{cls.__module__}:{cls.__qualname__}"
    known = _kinds(tuple(sys.path)).get(target)
    if known is not None:
        return known
    found: Any = sys.modules.get(cls.__module__)
    for part in cls.__qualname__.split("."):
        found = getattr(found, part, None)
    path = source_of(cls)
    if found is not cls and path is not None and isinstance(found, type):
        raise _refuse(
            f"{path} has changed since {cls.__name__} was made", "make the object again from what it says now"
        )
    if found is not cls or (path is None and cls.__module__ == "__main__"):
        raise _refuse(
            f"{cls.__name__} is in no file where it could be found again ({target})",
            "define it at the top of a .py file and import it from there; without a folder it plays as it is",
        )
    return target if path is None else f"{path}:{cls.__qualname__}"


@lru_cache(maxsize=4)
def _kinds(search: tuple[str, ...]) -> dict[str, str]:
    """Kinds by the place of their class."""
    return {entry.target: entry.kind for room in ROOMS for entry in entries(room).values()}


def anchored(tree: Any, base: str | Path) -> Any:
    """Plain data in which every ``kind: FILE.py:Class`` says the whole path, starting from ``base``.

    Examples
    --------
    >>> anchored({"environment": {"kind": "fishery.py:Fishery"}, "name": "a.py:b"}, "/home/me")
    {'environment': {'kind': '/home/me/fishery.py:Fishery'}, 'name': 'a.py:b'}
    """
    if isinstance(tree, Mapping):
        return {key: _placed(value, base) if _says_kind(key) else anchored(value, base) for key, value in tree.items()}
    return [anchored(item, base) for item in tree] if isinstance(tree, list | tuple) else tree


def _says_kind(key: object) -> bool:
    return isinstance(key, str) and key.rpartition(".")[2] == "kind"


def _placed(kind: Any, base: str | Path) -> Any:
    if isinstance(kind, list | tuple):  # of a sweep
        return [_placed(one, base) for one in kind]
    match = _FILE.match(kind) if isinstance(kind, str) else None
    if match is None:
        return anchored(kind, base)
    path = (Path(base) / Path(match.group(1)).expanduser()).resolve()
    return f"{path}:{match.group(2)}" if match.group(2) else str(path)
