"""One class is mathematics, schema and validation at once.

Environments, learners and experiments are pydantic models: the class that holds the formula also names its
parameters, their units and bounds. This module turns pydantic's complaints into one line for a person.
"""

import difflib
import re
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticSerializationError

from tacitlab.errors import TacitError

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass as _Meta
else:
    _Meta = type(BaseModel)

M = TypeVar("M", bound=BaseModel)


class _Plain(_Meta):
    """Turns the complaints of a direct construction into one line.

    Overriding ``__init__`` instead would make pydantic call it for nested models too, and lose their location.
    """

    def __call__(cls, *args: Any, **data: Any) -> Any:
        try:
            return super().__call__(*args, **data)
        except ValidationError as error:
            register(cls)  # type: ignore[arg-type]
            raise TacitError(explain(error, cls)) from None  # type: ignore[arg-type]


class Spec(BaseModel, metaclass=_Plain):
    """Base of everything that a scenario file may contain: immutable, no unknown fields, no NaN.

    Examples
    --------
    >>> from tacitlab.games import Pigou
    >>> Pigou(players=0)
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: players: 0 is too small; it must be at least 1
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy that has not computed anything yet: what was cached belongs to the old values."""
        new = super().model_copy(update=update, deep=deep)
        for name in new.__dict__.keys() - type(self).model_fields.keys():
            del new.__dict__[name]
        return new

    @classmethod
    def example(cls) -> Self:
        """One that the conformance battery tries: all defaults, unless the class needs more or something smaller."""
        return cls()

    def __eq__(self, other: object) -> bool:
        """Whether the fields are equal: what was cached, arrays perhaps, says nothing of its own."""
        if not isinstance(other, Spec) or type(self) is not type(other):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in type(self).model_fields)

    def __hash__(self) -> int:
        """Of the fields, lists and tables among them too: what is computed once for equal games is found by it."""
        return hash((type(self), *(_hashable(getattr(self, name)) for name in type(self).model_fields)))

    def model_dump(self, **options: Any) -> dict[str, Any]:  # type: ignore[override]
        """Plain data; what cannot be written down is told in one line."""
        try:
            return super().model_dump(**options)
        except PydanticSerializationError:
            raise TacitError(_unwritten(self, options)) from None

    def said_of(self, name: str) -> tuple[str, str]:
        """Unit and meaning of a field; empty where they are not known."""
        field = type(self).model_fields.get(name)
        extra = field.json_schema_extra if field and isinstance(field.json_schema_extra, dict) else {}
        return str(extra.get("unit", "") or ""), (field.description or "") if field else ""

    @model_validator(mode="before")
    @classmethod
    def _no_booleans_for_numbers(cls, data: Any) -> Any:
        for name, value in data.items() if isinstance(data, Mapping) else ():
            field = cls.model_fields.get(name)
            values = value if isinstance(value, list | tuple) else [value]
            if field and field.annotation is not bool and any(isinstance(v, bool) for v in values):
                raise ValueError(f"{name}: {shorten(value)} is true or false where a number or a name is needed")
        return data


def _hashable(value: Any) -> Hashable:
    """Something that is equal wherever the values are."""
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    if isinstance(value, Mapping):
        return frozenset((key, _hashable(part)) for key, part in value.items())
    return value if isinstance(value, Hashable) else type(value).__name__


def _unwritten(about: Spec, options: Mapping[str, Any]) -> str:
    """Which field cannot be written down as plain data, and why."""
    for name in type(about).model_fields:
        try:
            BaseModel.model_dump(about, **{**options, "include": {name}})
        except PydanticSerializationError as error:
            value = getattr(about, name)
            for part in value if isinstance(value, list | tuple) else (value,):
                try:
                    if isinstance(part, Spec):
                        part.model_dump(**options)
                except TacitError as inner:
                    return f"{name}.{inner}"
            if isinstance(error.__cause__, TacitError):
                return f"{name}.{error.__cause__}"
            mend = "let it hold numbers or texts, or lists or tables of them"
            return f"{name}: {shorten(value)} cannot be written down; {mend}"
    raise AssertionError("every field can be written")


def param(default: Any, description: str, unit: str | None = None, **bounds: Any) -> Any:
    """A documented parameter: default, meaning, unit and bounds (``gt``, ``ge``, ``lt``, ``le``, ``min_length``)."""
    extra: dict[str, Any] | None = {"unit": unit} if unit else None
    return Field(default, description=description, json_schema_extra=extra, **bounds)


def validate(model: type[M], data: Any, context: Any = None) -> M:
    """Validate ``data``; raise a :class:`TacitError` of one line that names the first wrong field."""
    try:
        return model.model_validate(data, context=context)
    except ValidationError as error:
        register(model)
        raise TacitError(explain(error, model)) from None


_BOUNDS = {
    "greater_than": ("too small", "must be above {gt}"),
    "greater_than_equal": ("too small", "must be at least {ge}"),
    "less_than": ("too large", "must be below {lt}"),
    "less_than_equal": ("too large", "must be at most {le}"),
    "finite_number": ("not finite", "must be a finite number"),
}


def explain(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """The first complaint of a pydantic error, as one line: field, value, bound and mend.

    Where a union was tried, the complaint that lies deepest is the one about the variant the user meant.
    """
    complaints = error.errors(include_url=False)
    complaint = max(complaints, key=lambda c: (len(c["loc"]), c["type"] != "extra_forbidden"))
    path, known, inner = _place(complaint, model)
    text = _sentence(complaint, path, known).replace("\n", "\\n")  # a field may be called anything
    given, name = complaint.get("input"), text.partition(":")[0].rpartition(".")[2]
    unset = isinstance(given, Mapping) and name in inner and name not in given and name != "kind"  # which was read
    if complaint["type"] == "value_error" and unset:
        text = by_default(text, inner[name].default)
    return text if len(text) <= 280 else text[:277] + "..."


def by_default(text: str, default: Any) -> str:
    """An error about a field that nobody has set: if it begins with the value, it says that this is the default.

    Examples
    --------
    >>> by_default("sequence: 16 does not divide a rollout of 100 steps; set sequence=10", 16)
    'sequence: 16 (its default) does not divide a rollout of 100 steps; set sequence=10'
    """
    field, colon, rest = text.partition(": ")
    for shown in (repr(default), f"{default:g}" if isinstance(default, float) else str(default)):
        if re.match(rf"{re.escape(shown)}(?![\w.])", rest):
            return f"{field}{colon}{shown} (its default){rest[len(shown) :]}"
    return text


def _place(
    complaint: Mapping[str, Any], model: type[BaseModel] | None
) -> tuple[list[str], list[str], Mapping[str, Any]]:
    """The fields that lead to a complaint, without the variants that pydantic tried; what fields there are beside it,
    and below it.

    Fields and kinds may have the same name: what the model at hand has as a field is one.
    """
    fields: Mapping[str, Any] = model.model_fields if model else {}
    path, known = [], fields
    for k, part in enumerate(complaint["loc"]):
        known = fields
        unknown = complaint["type"] == "extra_forbidden" and k == len(complaint["loc"]) - 1
        if part in fields:
            path.append(str(part))
            fields = _inner(fields[part].annotation)
        elif part in _KINDS and not unknown:
            fields = {name: field for variant in _KINDS[part] for name, field in variant.model_fields.items()}
        elif unknown or not _is_variant(part):
            path.append(str(part))
    return path, [name for name in known if name != "kind"], fields


def _inner(annotation: Any) -> Mapping[str, Any]:
    """Fields of the model that a field holds; none if it may hold several kinds."""
    models = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, BaseModel)]
    return models[0].model_fields if len(models) == 1 else {}


def _sentence(complaint: Mapping[str, Any], path: list[str], fields: list[str]) -> str:
    kind, value, ctx = complaint["type"], complaint.get("input"), complaint.get("ctx", {})
    where = ".".join(path) or "input"
    shown = shorten(value)
    if kind in _BOUNDS:
        fault, mend = _BOUNDS[kind]
        return f"{where}: {shown} is {fault}; it {mend.format(**ctx)}"
    if kind == "extra_forbidden":
        return f"{where}: no such field{_suggest(str(complaint['loc'][-1]), fields)}"
    if kind == "missing":
        return f"{where}: missing; give it a value"
    if kind in ("union_tag_invalid", "literal_error"):
        expected = ctx.get("expected_tags") or ctx.get("expected", "")
        got = ctx.get("tag") or value
        names = [name.strip(" '") for name in expected.replace(" or ", ",").split(",")]
        field = f"{where}.kind" if kind == "union_tag_invalid" else where
        return f"{field}: {got!r} is unknown{_suggest(str(got), names)}"
    if kind == "union_tag_not_found":
        return f"{where}.kind: missing; name the kind, for example 'kind: bertrand' (see `tacit list`)"
    message = complaint["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        named = re.match(r"[a-z_]+(\.[a-z_0-9]+)*: ", message)  # the validator names a field of its own
        return message if where == "input" else f"{where}{'.' if named else ': '}{message}"
    return f"{where}: {shown} is wrong: {message[0].lower()}{message[1:]}"


def _is_variant(part: Any) -> bool:
    """Pydantic puts the name of the tried union member into the location; no user wrote that."""
    if not isinstance(part, str):
        return False
    return part in _TYPES or "[" in part or "(" in part or part.isupper()


_TYPES = ("bool", "int", "float", "str", "none", "constrained-float", "constrained-int", "constrained-str")
_KINDS: dict[Any, list[type[BaseModel]]] = {}
_REGISTERED: set[type[BaseModel]] = set()


def register(model: type[BaseModel], *kinds: str) -> None:
    """Make a model known by its kinds, and what its fields may hold too.

    Error locations then leave kinds out, and hints name the fields of the one that was meant.
    """
    field = model.model_fields.get("kind")
    for kind in (*kinds, *(get_args(field.annotation) if field else ())):
        if model not in _KINDS.setdefault(kind, []):
            _KINDS[kind].append(model)
    if model not in _REGISTERED:
        _REGISTERED.add(model)
        for inner in model.model_fields.values():
            for variant in _models(inner.annotation):
                register(variant)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Every model that a type names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def shorten(value: Any) -> str:
    """A value as a person may see it in an error."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _suggest(name: str, known: list[str]) -> str:
    known = [k for k in known if k]
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; choose from {', '.join(known)}" if known else "; remove it (`tacit show` lists the fields)"
