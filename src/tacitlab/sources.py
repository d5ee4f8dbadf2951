"""Python source read as text: the classes of a file, what it imports, and where a module is; nothing is executed."""

import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import NamedTuple

PACKAGE = "tacitlab"
HERE = Path(__file__).parent


class Class(NamedTuple):
    """A class: its bases as they are written, and the text of its body."""

    bases: tuple[str, ...]
    body: str


class Source(NamedTuple):
    """Classes of a module, and where its other names come from: module, and name there (none: the module itself)."""

    classes: Mapping[str, Class]
    imports: Mapping[str, tuple[str, str | None]]


_CLASS = re.compile(r"^class (\w+)(?:\[[^\]]*\])?(?:\(([^)]*)\))?:(.*?)(?=^[^\s#)]|\Z)", re.MULTILINE | re.DOTALL)
_FROM = re.compile(r"^[ \t]*from[ \t]+([.\w]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n(]+)", re.MULTILINE)
_IMPORT = re.compile(r"^[ \t]*import[ \t]+([^\n#]+)", re.MULTILINE)


@cache
def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


@cache
def parsed(path: Path) -> Source:
    """A file by patterns: some 20 times faster than a syntax tree, and a file that is not Python does no harm."""
    text = text_of(path)
    classes = {
        name: Class(tuple(re.sub(r"\[.*", "", base).strip() for base in bases.split(",") if "=" not in base), body)
        for name, bases, body in _CLASS.findall(text)
    }
    imports: dict[str, tuple[str, str | None]] = {}
    for module, names in _FROM.findall(text):
        for name, known in _names(re.sub(r"#.*", "", names).strip("() \n")):
            imports[known] = (module, name)
    for names in _IMPORT.findall(text):
        for name, known in _names(names):
            meant = name if known != name else name.partition(".")[0]  # `import a.b` names a, `import a.b as c` a.b
            imports[known if known != name else meant] = (meant, None)
    return Source(classes, imports)


def _names(listed: str) -> Iterator[tuple[str, str]]:
    """Names of an import statement, and what they are called here."""
    for part in listed.replace("\n", " ").split(","):
        name, _, known = part.strip().partition(" as ")
        if name.strip():
            yield name.strip(), (known or name).strip()


def path_of(module: str) -> Path | None:
    """Where a module's source is, without importing it or the packages that it is in."""
    parts = module.split(".")
    if parts[0] == PACKAGE:
        path = HERE.joinpath(*parts[1:])
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    search: list[str] | None = None
    spec: ModuleSpec | None = None
    for k in range(len(parts)):
        spec = _spec_of(".".join(parts[: k + 1]), search)
        if spec is None:
            return None
        search = spec.submodule_search_locations
    return Path(spec.origin) if spec is not None and spec.origin and spec.origin.endswith(".py") else None


def _spec_of(name: str, search: list[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        if (spec := finder.find_spec(name, search)) is not None:
            return spec
    return None


def reached(module: str, attribute: str | None, rest: str) -> tuple[str, str]:
    """Module and class that ``from module import attribute`` and then ``attribute.rest`` mean."""
    *way, last = [part for part in (attribute, *rest.split(".")) if part]
    return ".".join((module, *way)), last


def absolute(module: str, package: str) -> str:
    bare = module.lstrip(".")
    level = len(module) - len(bare)
    if not level:
        return module
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - level + 1], *([bare] if bare else [])])


def kind_line(name: str, kind: str = "") -> str:
    """The line by which a class says what it is called in scenarios."""
    kind = kind or dashed(name)
    return f'kind: Literal["{kind}"] = "{kind}"'


def dashed(name: str) -> str:
    """What a class is called in scenarios.

    Examples
    --------
    >>> dashed("StagHunt"), dashed("stag_hunt2"), dashed("PPO")
    ('stag-hunt', 'stag-hunt2', 'ppo')
    """
    return "-".join(part.lower() for part in words_of(name))


def words_of(name: str) -> list[str]:
    """The words of a name, with capitals or underscores between them."""
    return re.findall(r"[A-Z]+[0-9]*(?![a-z])|[A-Z]?[a-z0-9]+", name)
