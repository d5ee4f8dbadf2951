"""A kind that is changed by an override takes along only what the other kind knows.

``tacit run bertrand learners.kind=ppo`` then needs no list of a Q-learner's fields that a network does not have. Fields
of the same name stay, if the other kind takes their values.
"""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from tacitlab import registry
from tacitlab.errors import TacitError
from tacitlab.kinds import OfKind

Path = tuple[str | int, ...]
ROOMS = {"environment": ("game", "market"), "learners": ("learner",), "intervention": ("intervention",)}


def kinds_of(tree: Any, path: Path = ()) -> dict[Path, Any]:
    """The kinds in plain data, by their places.

    Examples
    --------
    >>> kinds_of({"learners": [{"kind": "sarsa", "initial": {"kind": "uniform"}}]})
    {('learners', 0): 'sarsa', ('learners', 0, 'initial'): 'uniform'}
    """
    found: dict[Path, Any] = {}
    if isinstance(tree, Mapping) and "kind" in tree:
        found[path] = tree["kind"]
    for key, node in _items(tree):
        found |= kinds_of(node, (*path, key))
    return found


def drop_of_other_kinds(tree: Any, before: Mapping[Path, Any]) -> None:
    """Remove, where a kind is another than it was, what the new one does not know.

    Examples
    --------
    >>> tree = {"learners": {"kind": "q-learning", "alpha": 0.1, "gamma": 0.9}}
    >>> before = kinds_of(tree)
    >>> tree["learners"]["kind"] = "ppo"
    >>> drop_of_other_kinds(tree, before)
    >>> tree
    {'learners': {'kind': 'ppo', 'gamma': 0.9}}
    """
    for path, kind in kinds_of(tree).items():
        if before.get(path, kind) == kind:
            continue
        node, old, new = _at(tree, path), _class_of(tree, path, before[path]), _class_of(tree, path, kind)
        if old is None or new is None:
            continue  # the kind is unknown, and so is what it takes; the error is about it
        for name in [name for name in node if name != "kind" and name in old.model_fields]:
            if name not in new.model_fields or not _takes(new, name, node[name]):
                del node[name]


def _items(node: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(node, Mapping):
        yield from node.items()
    elif isinstance(node, list):
        yield from enumerate(node)


def _at(tree: Any, path: Path) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def _takes(model: type[BaseModel], name: str, value: Any) -> bool:
    """Whether a value is one that a field takes, whatever else the model may need."""
    try:
        model.__pydantic_validator__.validate_python({name: value})
    except ValidationError as error:
        return not any(complaint["loc"][:1] == (name,) for complaint in error.errors())
    except TacitError:
        return True
    return True


def _class_of(tree: Any, path: Path, kind: Any) -> type[BaseModel] | None:
    """The class of a kind in this place; None if there is none."""
    names = [key for key in path if isinstance(key, str)]
    if names and len(names) == 1:
        return _named(ROOMS.get(names[0], ()), kind)
    inner = [k for k, key in enumerate(path) if isinstance(key, str)][-1] if names else 0
    above = path[:inner]
    holder = _at(tree, above) if above else None
    outer = _class_of(tree, above, holder["kind"]) if isinstance(holder, Mapping) and "kind" in holder else None
    field = outer.model_fields.get(str(path[inner])) if outer else None
    if field is None:
        return None
    parts = [*field.metadata, *_parts(field.annotation)]
    for part in parts:
        if isinstance(part, OfKind):
            return _named(part.rooms, kind)
    models = [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
    return next((m for m in models if kind in get_args(m.model_fields["kind"].annotation)), None)


def _named(rooms: tuple[str, ...], kind: Any) -> type[BaseModel] | None:
    try:
        return registry.find(rooms, kind) if rooms and isinstance(kind, str) else None
    except TacitError:
        return None


def _parts(annotation: Any) -> list[Any]:
    """Everything that a type is made of."""
    return [annotation, *(part for inner in get_args(annotation) for part in _parts(inner))]
