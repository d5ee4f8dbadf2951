"""YAML as people write it: numbers such as 4e-6 are numbers, and a field stands once."""

import re
from typing import Any

import yaml


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
