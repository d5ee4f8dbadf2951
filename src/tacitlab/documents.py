"""Scenario files: YAML as people write it, from a file or from those that ship with the package."""

import difflib
import re
from pathlib import Path
from typing import Any

import yaml

from tacitlab import registry
from tacitlab.errors import TacitError

SHIPPED = Path(__file__).parent / "scenarios"
METAGAMES = SHIPPED / "metagames"


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


def read(source: str) -> dict[str, Any]:
    """The plain data of a YAML file, or of a scenario that ships with the package, by its name.

    Classes that it names by their files have whole paths: names start from the folder that the file is in.

    Raises
    ------
    TacitError
        If there is no such file or name, or it is not YAML.
    """
    path = Path(source)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise TacitError(f"{source}: cannot be read ({reason}); name a YAML file or a scenario") from None
    else:
        file = SHIPPED / f"{source}.yaml"
        if not file.is_file() or "/" in source:
            close = difflib.get_close_matches(source, [path.stem for path in SHIPPED.glob("*.yaml")], n=1)
            hint = f"did you mean {close[0]!r}?" if close else "`tacit list` shows them"
            raise TacitError(f"{source}: no such scenario or file; {hint}")
        text = file.read_text(encoding="utf-8")
    try:
        data = parse(text)
    except ValueError as error:
        raise TacitError(f"{source}: not YAML ({error}); check indentation, colons and quotes") from None
    if not isinstance(data, dict):
        raise TacitError(f"{source}: not a scenario; it needs fields such as environment: and learners:")
    try:
        anchored: dict[str, Any] = registry.anchored({str(key): value for key, value in data.items()}, path.parent)
    except RecursionError:
        raise TacitError(f"{source}: nested without end; remove the anchor that contains itself") from None
    return anchored
