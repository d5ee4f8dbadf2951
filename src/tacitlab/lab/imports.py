"""Which files a program consists of, by its import statements alone: nothing is imported to find out."""

import ast
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from tacitlab import registry

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT.name


_BEGIN = re.compile(r"(?m)^([ \t]*)(?:(?:from[ \t]+[\w.]+[ \t]+import|import)[ \t]|(if (?:typing\.)?TYPE_CHECKING:))")


ARRAYS = frozenset({"jax", "equinox", "optax", "jaxtyping"})  # libraries without which a stage game is played


class Imports(NamedTuple):
    """What a file imports: modules of the package (names after the first dot), and top-level names of others.

    ``first`` are the others that must be there before anything in the file can be used.
    """

    own: frozenset[str]
    others: frozenset[str]
    first: frozenset[str]


def closure(roots: Iterable[str], arrays: bool = True) -> frozenset[str]:
    """The modules of the package that these modules need, themselves included, wherever the import stands.

    Imports for types alone do not count. A room's ``__init__`` only passes names on: the module that defines a name
    counts in its place.

    Parameters
    ----------
    roots : iterable of str
        Names after ``tacitlab.``
    arrays : bool
        False leaves out what needs JAX: a stage game is played without it.

    Examples
    --------
    >>> sorted(closure({"theory.benchmarks"}))
    ['theory.benchmarks']
    >>> "games.cournot" in closure({"games.bertrand"})
    False
    """
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        for other in imports(module).own:
            if arrays or not imports(other).first & ARRAYS:
                waiting.append(other)
    return frozenset(found)


def file_of(module: str) -> Path:
    """The file of a module of the package; that of a package is its ``__init__``."""
    path = ROOT.joinpath(*module.split(".")) if module else ROOT
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def imports(module: str) -> Imports:
    """What a module of the package imports."""
    own: set[str] = set()
    others: set[str] = set()
    first: set[str] = set()
    for indent, node in _statements(file_of(module).read_text(encoding="utf-8")):
        for name, parts in _named(node):
            top, _, rest = name.partition(".")
            if top == PACKAGE:
                own |= {_defining(rest, part) for part in parts} or {rest}
            elif top not in sys.stdlib_module_names:
                others.add(top)
                first |= set() if indent else {top}
    return Imports(frozenset(own), frozenset(others), frozenset(first))


def _statements(text: str, typed: bool = False) -> Iterator[tuple[int, ast.stmt]]:
    """The import statements of a file, each with its indentation; those for types alone only if wanted.

    Parsing whole files would take a fifth of a second for a stage game; only lines that begin like an import are
    parsed. An import in a text may be taken for one: that adds a file, and never loses one.
    """
    lines = text.splitlines()
    skip_to = 0
    for match in _BEGIN.finditer(text):
        number = text.count("\n", 0, match.start())
        if number < skip_to:
            continue
        indent = len(match[1])
        if match[2]:  # for types alone
            if typed:
                continue
            skip_to = number + 1
            while skip_to < len(lines) and (
                not lines[skip_to].strip() or len(lines[skip_to]) - len(lines[skip_to].lstrip()) > indent
            ):
                skip_to += 1
            continue
        end = number + 1
        while end < len(lines) and "(" in lines[number] and ")" not in "".join(lines[number:end]):
            end += 1
        try:
            for node in ast.parse("\n".join([lines[number].strip(), *lines[number + 1 : end]])).body:
                yield indent, node
        except SyntaxError:
            continue  # a sentence that begins like an import


def _named(node: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """The modules that a statement imports, each with the names that are taken out of it."""
    if isinstance(node, ast.ImportFrom) and not node.level:
        yield node.module or "", [alias.name for alias in node.names]
    elif isinstance(node, ast.Import):
        yield from ((alias.name, []) for alias in node.names)


@cache
def _defining(module: str, name: str) -> str:
    """The module that defines what is imported as ``name`` from a module or package."""
    inner = f"{module}.{name}" if module else name
    if file_of(inner).is_file():
        return inner
    if file_of(module).name != "__init__.py":
        return module
    place = registry.exported(f"{PACKAGE}.{module}" if module else PACKAGE, name)
    if place is not None:
        return _defining(place[0].partition(".")[2], place[1])
    return module  # it is defined right there


# --- files of a user -----------------------------------------------------------------------------------------------


class OwnFile(NamedTuple):
    """A file of a user's: its bytes' SHA-256, the files of its folder, modules of the package and libraries it imports.

    ``siblings`` exist; ``others`` are top-level names.
    """

    digest: str
    siblings: tuple[Path, ...]
    own: frozenset[str]
    others: frozenset[str]


def own_files(path: Path, home: Path) -> dict[str, tuple[Path, OwnFile]]:
    """A user's file and those that it imports from its folder, by their names within the folder.

    Parameters
    ----------
    path : Path
    home : Path
        The folder in which imports are looked up.
    """
    home = home.resolve()
    found: dict[str, tuple[Path, OwnFile]] = {}
    waiting = [path.resolve()]
    while waiting:
        file = waiting.pop()
        name = file.relative_to(home).as_posix()
        if name not in found:
            known = file.stat()
            found[name] = file, _scanned(file, home, known.st_mtime_ns, known.st_size)
            waiting += found[name][1].siblings
    return dict(sorted(found.items()))


@lru_cache(maxsize=1024)
def _scanned(path: Path, home: Path, changed: int, size: int) -> OwnFile:
    """What a file is and imports; read again when it was changed."""
    content = path.read_bytes()
    try:
        nodes = list(ast.walk(ast.parse(content)))
    except (SyntaxError, ValueError):  # it cannot be loaded either, which says why
        nodes = []
    siblings, own, others = set[Path](), set[str](), set[str]()
    for node in nodes:
        siblings |= set(_siblings(node, path, home)) - {path}
        for name, parts in _named(node):
            top, _, rest = name.partition(".")
            if top == PACKAGE:
                own |= {_defining(rest, part) for part in parts} or {rest}
            elif top not in sys.stdlib_module_names and not (home / top).with_suffix(".py").is_file():
                others.add(top)
    others -= {path.relative_to(home).parts[0]}  # a package imports itself
    return OwnFile(hashlib.sha256(content).hexdigest(), tuple(sorted(siblings)), frozenset(own), frozenset(others))


def _siblings(node: ast.AST, path: Path, home: Path) -> Iterator[Path]:
    """Files under ``home`` that a statement of a file imports."""
    installed = {"site-packages", "dist-packages"} & set(home.parts)
    base, names = home, list(_named(node))
    if isinstance(node, ast.ImportFrom) and node.level:
        base, names = path.parents[node.level - 1], [(node.module or "", [alias.name for alias in node.names])]
    for name, parts in names:
        if installed and base == home and name.partition(".")[0] != path.relative_to(home).parts[0].removesuffix(".py"):
            continue  # a library that lies beside: its version counts, not its files
        for each in (name, *(f"{name}.{part}".strip(".") for part in parts)):
            yield from _files_of(base, each, home)


def _files_of(base: Path, dotted: str, home: Path) -> Iterator[Path]:
    """The files that importing a dotted name executes, of those that exist."""
    place = base
    for part in dotted.split(".") if dotted else ():
        place = place / part
        for file in (place / "__init__.py", place.with_suffix(".py")):
            if file.is_file() and file.resolve().is_relative_to(home):
                yield file.resolve()
                break
