"""Scenario files: YAML as people write it, from a file or from those that ship with the package."""

import difflib
import re
from pathlib import Path
from typing import Any

import yaml

from tacitlab import registry
from tacitlab.errors import TacitError
from tacitlab.naming import METAGAMES, SHIPPED, refusal


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 4e-6 as a text and lets the second of two equal fields win silently; this does neither."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, str | int | float | bool | None):
                raise ValueError(f"line {key.start_mark.line + 1}: a field must have a plain name")
            if name in seen:
                raise ValueError(f"line {key.start_mark.line + 1}: {name} stands twice")
            seen.add(name)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse(text: str) -> Any:
    """The plain data of a YAML text.

    Raises
    ------
    ValueError
        If it is not YAML, or nothing that this program can mean; the text says where.

    Examples
    --------
    >>> parse("learners: {alpha: 4e-6}")
    {'learners': {'alpha': 4e-06}}
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"line {mark.line + 1}" if mark else "unreadable characters") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def descriptions(folder: Path = SHIPPED) -> dict[str, str]:
    """Names of the scenarios in a folder, and what their ``description`` says; the rest of a file is not parsed.

    Examples
    --------
    >>> descriptions()["kyle"]
    "Two PPO insiders and a PPO maker learn Kyle's auction"
    """
    found = {}
    for path in sorted(folder.glob("*.yaml"), key=lambda path: path.stem):
        line = re.search(r"^description:.*?(?=^\S|\Z)", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        found[path.stem] = str(parse(line.group())["description"]) if line else ""
    return found


def read(source: str, shipped: Path = SHIPPED) -> dict[str, Any]:
    """The plain data of a YAML file, or of a scenario or a meta-game that ships with the package, by its name.

    Classes that it names by their files have whole paths: names start from the folder that the file is in.

    Raises
    ------
    TacitError
        If there is no such file or name, or it is not YAML.
    """
    path = Path(source)
    text = _text(source, path, shipped)
    try:
        data = parse(text)
    except ValueError as error:
        raise TacitError(f"{source}: not YAML ({error}); check indentation, colons and quotes") from None
    if not isinstance(data, dict):
        learner = "learners" if shipped == SHIPPED else "learner"
        raise TacitError(f"{source}: not a {_noun(shipped)}; it needs fields such as environment: and {learner}:")
    try:
        anchored: dict[str, Any] = registry.anchored({str(key): value for key, value in data.items()}, path.parent)
    except RecursionError:
        raise TacitError(f"{source}: nested without end; remove the anchor that contains itself") from None
    return anchored


def _noun(shipped: Path) -> str:
    return "meta-game" if shipped == METAGAMES else "scenario"


def _text(source: str, path: Path, shipped: Path) -> str:
    names = [file.stem for file in shipped.glob("*.yaml")]
    if source in names and not path.is_file():
        return (shipped / f"{source}.yaml").read_text(encoding="utf-8")
    noun, yaml = _noun(shipped), path.suffix in (".yaml", ".yml")
    if path.is_dir() or registry.is_place(source) or not (yaml or path.is_file()):
        close = difflib.get_close_matches(source, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "`tacit list` shows them"
        raise refusal(source, noun, f"no such {noun} or file; {hint}")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        mend = f"did you mean {path.stem!r}?" if path.stem in names else f"name a YAML file or a {noun}"
        raise TacitError(f"{source}: cannot be read ({reason}); {mend}") from None
