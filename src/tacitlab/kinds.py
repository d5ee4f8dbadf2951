"""Fields that hold any game, market, learner or intervention there is: the package's, a user's, an installed one."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, GetCoreSchemaHandler, SerializationInfo, Tag, TypeAdapter
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from tacitlab import registry
from tacitlab.errors import TacitError
from tacitlab.schema import register
from tacitlab.sources import kind_line

AS_CLASSES = {"kinds": "classes"}  # context of a dump that stays in this process: kinds are the classes themselves


@dataclass(frozen=True)
class OfKind:
    """Metadata of a field: plain data whose ``kind`` is one of the registry's, or an object of such a class.

    It is open where a union of models would be closed, and tells mistakes in the same words and places. With ``among``
    it takes those kinds and what descends from them.

    Examples
    --------
    >>> from tacitlab.environment import Environment
    >>> from tacitlab.schema import Spec, param
    >>> class Place(Spec):
    ...     where: Annotated[Environment, OfKind("game", "market")] = param(..., "where agents meet")
    >>> Place(where={"kind": "pigou", "players": 3}).where.players
    3
    >>> Place(where={"kind": "pigu"})
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: where.kind: 'pigu' is unknown; did you mean 'pigou'?
    """

    rooms: tuple[str, ...]
    among: tuple[str, ...]

    def __init__(self, *rooms: str, among: tuple[str, ...] = ()) -> None:
        object.__setattr__(self, "rooms", rooms)
        object.__setattr__(self, "among", among)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        shown = core_schema.plain_serializer_function_ser_schema(written, info_arg=True)
        return core_schema.no_info_plain_validator_function(self.validated, serialization=shown)

    @property
    def kinds(self) -> list[str]:
        """All that have a name, in the order of the rooms."""
        return list(self.among) or [kind for room in self.rooms for kind in registry.entries(room)]

    @property
    def parents(self) -> tuple[type[Any], ...]:
        """What an object must descend from."""
        named = tuple(registry.find(self.rooms, kind) for kind in self.among)
        return named or registry.roots(self.rooms)

    def validated(self, value: Any) -> Any:
        """An object of one of the kinds."""
        if isinstance(value, self.parents):
            return _with_kind(value)
        given = value if isinstance(value, Mapping) else vars(value) if isinstance(value, BaseModel) else None
        if given is None:
            raise PydanticKnownError("model_attributes_type")
        if "kind" not in given:
            raise PydanticKnownError("union_tag_not_found", {"discriminator": "'kind'"})
        kind = given["kind"]
        cls = self._class_of(kind)
        tag = kind if isinstance(kind, str) else cls.__name__
        rest = {name: part for name, part in given.items() if name != "kind"}  # the class knows its own
        return _with_kind(_tagged(cls, tag).validate_python(rest))

    def _class_of(self, kind: Any) -> type[BaseModel]:
        if isinstance(kind, type) and issubclass(kind, self.parents):
            return kind  # of a dump that never left this process
        if not (registry.is_place(kind) or kind in self.kinds):
            raise PydanticKnownError(
                "union_tag_invalid",
                {"discriminator": "'kind'", "tag": str(kind), "expected_tags": ", ".join(map(repr, self.kinds))},
            )
        try:
            found = registry.find(self.rooms, kind)
        except TacitError as error:
            raise ValueError(str(error)) from None
        if not issubclass(found, self.parents):
            raise ValueError(f"kind: {kind!r} does not fit here; derive it from {', '.join(self.among)}")
        if mend := without_kind(found):
            raise ValueError(f"kind: {mend}")
        return found


@lru_cache(maxsize=512)
def _tagged(cls: type[BaseModel], tag: str) -> TypeAdapter[Any]:
    """A union of one, so that errors lie where they lie in a union: below the kind."""
    register(cls, tag)
    return TypeAdapter(Annotated[Annotated[cls, Tag(tag)] | Annotated[None, Tag("")], Discriminator(lambda _: tag)])  # type: ignore[arg-type]


def _with_kind(value: Any) -> Any:
    if (mend := without_kind(type(value))) and not isinstance(getattr(value, "kind", None), str):
        raise ValueError(f"kind: {mend}")
    return value


def written(value: Any, info: SerializationInfo) -> dict[str, Any]:
    """Plain data of a member, whose kind is what the registry finds its class by."""
    if info.context != AS_CLASSES and hasattr(value, "written_as"):  # a description of one, read from a stored run
        return dict(value.written_as)
    plain: dict[str, Any] = value.model_dump(
        mode=info.mode, context=info.context, exclude_unset=info.exclude_unset, exclude_none=info.exclude_none,
        exclude_defaults=info.exclude_defaults,
    )  # fmt: skip
    cls = type(value)
    kind = cls if info.context == AS_CLASSES and not registry.is_named(cls) else registry.written_kind(cls)
    return {**plain, "kind": kind} if "kind" in plain or kind != value.kind else plain


def without_kind(cls: type[Any]) -> str:
    """What to say of a class that has no kind of its own, which line to add; empty if it has one.

    Examples
    --------
    >>> from tacitlab.games import StageGame
    >>> class StagHunt(StageGame):
    ...     reward: float = 4.0
    >>> print(without_kind(StagHunt))
    StagHunt has none; add the line `kind: Literal["stag-hunt"] = "stag-hunt"` to the class (from typing import Literal)
    """
    field = getattr(cls, "model_fields", {}).get("kind")
    if isinstance(field.default if field else getattr(cls, "kind", None), str):
        return ""
    return (
        f"{cls.__name__} has none; add the line `{kind_line(cls.__name__)}` to the class (from typing import Literal)"
    )
