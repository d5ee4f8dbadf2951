"""What a scenario, game, market, learner, intervention or study is: what each parameter means, and benchmarks."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
from pydantic import BaseModel
from rich.console import Console

from tacitlab import registry
from tacitlab.documents import METAGAMES, descriptions
from tacitlab.environment import Environment
from tacitlab.errors import TacitError
from tacitlab.kinds import OfKind, without_kind
from tacitlab.lab.experiment import Experiment, _set, load, parse_overrides
from tacitlab.lab.stored import described
from tacitlab.listing import console, listing, table
from tacitlab.markets.base import Market
from tacitlab.naming import member
from tacitlab.schema import Spec, param, validate
from tacitlab.store.folder import RunFolder
from tacitlab.theory.benchmarks import Benchmarks, Profile

MOST_NUMBERS = 12  # of an array that is shown
ROUNDING = 1e-9  # relative error of a benchmark that needs no mention
MOST_ALTERNATIVES = 6  # kinds that are shown with all their parameters


PARTS = ("game", "market", "learner", "intervention")  # of an experiment


def print_one(name: str, overrides: list[str]) -> None:
    """Parameters with their alternatives, and benchmarks where an environment can be built from its defaults.

    A scenario goes before a game or market of its name, and a study before that; overrides of a scenario may leave out
    ``environment.``. A class of a file is one of what it is derived from.

    Raises
    ------
    TacitError
        If nothing has that name.
    """
    out = console()
    if Path(name).is_dir():
        _print_run(out, Path(name), overrides)
        return
    if name in descriptions(METAGAMES):
        _print_metagame(out, name, overrides)
        return
    if name in descriptions() or name.endswith((".yaml", ".yml")):
        experiment = _scenario(name, overrides)
        out.print(f"{experiment.name}: {experiment.description}\n")
        if any(name in registry.entries(room) for room in PARTS):
            out.print(f"{_description(registry.find(PARTS, name))}\n")
        _print_parameters(out, experiment)
        _print_benchmarks(out, experiment.judged_in())
        return
    model = _named(name)
    if not issubclass(model, BaseModel):
        study = issubclass(model, registry.roots(("study",)))
        use = f"tacit study {name} --preset quick, or --preset paper" if study else f"tacit measure RUN {name}"
        out.print(_question(model) if study else _description(model))
        out.print(f"\n{use}")
        return
    if mend := without_kind(model):
        raise TacitError(f"kind: {mend}")
    built = _build(model, overrides)  # it may complain
    out.print(f"{_description(model)}\n")
    _print_parameters(out, model if built is None else built)
    if isinstance(built, Environment):
        _print_benchmarks(out, built)


def _question(study: type[Any]) -> str:
    from tacitlab.studies import introduced

    known = introduced(study)
    return f"{known.name}: {known.question}"


def _print_run(out: Console, folder: Path, overrides: list[str]) -> None:
    """What a stored run was played with, as it says itself: nothing of the user's is executed."""
    if overrides:
        raise TacitError(f"{overrides[0]}: {folder} is shown as it was played; leave it out")
    experiment, cells, _ = described(RunFolder(folder))
    out.print(f"{experiment.name}: {experiment.description}\n")
    _print_parameters(out, experiment)
    _print_benchmarks(out, (cells or [experiment])[0].judged_in())


def _print_metagame(out: Console, name: str, overrides: list[str]) -> None:
    from tacitlab.metagame.game import load_metagame

    metagame = load_metagame(name, overrides)
    out.print(f"{metagame.name}: {metagame.description}\n")
    _print_parameters(out, metagame)
    _print_benchmarks(out, metagame.environment)
    out.print(f"\ntacit metagame {name}")


def _named(name: str) -> type[Any]:
    """The class of a kind, wherever it belongs."""
    for room in dict.fromkeys(("study", *PARTS, *registry.ROOMS)):
        if name in registry.entries(room):
            return registry.find(room, name)
    return member(registry.ROOMS, name)


def _scenario(name: str, overrides: list[str]) -> Experiment:
    """A scenario, changed: ``lag=2`` stands for ``environment.lag=2`` where only the environment has such a field."""
    own = type(load(name).environment).model_fields
    short = [text.split("=")[0].split(".")[0] for text in overrides]
    meant = [first in own and first not in Experiment.model_fields for first in short]
    return load(name, [f"environment.{text}" if mine else text for text, mine in zip(overrides, meant, strict=True)])


class _Shown(Spec):
    about: Annotated[Any, OfKind(*PARTS)] = param(..., "what is shown")


def _build(model: type[BaseModel], overrides: list[str]) -> BaseModel | None:
    """The model with its defaults and the overrides; None if a parameter has no default."""
    pairs = parse_overrides(overrides)
    if any(field.is_required() for field in model.model_fields.values()) and not pairs:
        return None
    tree: dict[str, Any] = {"about": {"kind": registry.written_kind(model)}}
    for path, value in pairs:
        _set(tree, ["about", *path.split(".")], value, path)
    try:
        return validate(_Shown, tree).about  # type: ignore[no-any-return]
    except TacitError as error:  # the user wrote no such prefix
        raise TacitError(str(error).removeprefix("about.")) from None


def _print_parameters(out: Console, about: BaseModel | type[BaseModel]) -> None:
    """Every parameter, of the models inside it too, with value, unit, bounds and meaning; what else it could be."""
    built = isinstance(about, BaseModel)
    shown = table("parameter", "value" if built else "default", "unit", "bounds", "meaning")
    for row in _rows(about, "") if isinstance(about, BaseModel) else _fields(about):
        shown.add_row(*row)
    out.print(shown)
    choices = list(_alternatives(about, ""))
    if choices:
        out.print("\nother choices (in quotes on the command line):")
        for choice in choices:
            out.print(f"  {choice}")


def _rows(model: BaseModel, prefix: str) -> Iterator[tuple[str, str, str, str, str]]:
    if (written := getattr(model, "written_as", None)) is not None:  # a description in a stored run
        said = {name: model.said_of(name) for name in written}  # type: ignore[attr-defined]
        yield from ((f"{prefix}{n}", _short(value), said[n][0], "", said[n][1]) for n, value in written.items())
        return
    for name, field in type(model).model_fields.items():
        value, path = getattr(model, name), f"{prefix}{name}"
        if isinstance(value, BaseModel):
            for row in _rows(value, f"{path}."):
                yield (*row[:4], field.description or "") if row[0] == f"{path}.kind" else row
        elif isinstance(value, tuple) and value and all(isinstance(v, BaseModel) for v in value):
            single = len(value) == 1
            for number, item in enumerate(value):
                yield from _rows(item, f"{path}." if single else f"{path}.{number}.")
        else:
            yield path, _short(value), *_about(field)


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, str, str, str, str]]:
    for name, field in model.model_fields.items():
        default = "(required)" if field.is_required() else _short(field.get_default(call_default_factory=True))
        yield name, default, *_about(field)


def _about(field: Any) -> tuple[str, str, str]:
    """Unit, bounds or choices, and meaning of a field."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return str(extra.get("unit", "")), ", ".join(dict.fromkeys(_bounds(field))), field.description or ""


def _bounds(node: Any) -> Iterator[str]:
    """Bounds and choices in a field, or within the type of one: those of a list's entries too."""
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    for item in getattr(node, "metadata", ()):
        yield from (
            f"{sign} {getattr(item, name):g}" for name, sign in signs.items()
            if isinstance(getattr(item, name, None), int | float)
        )  # fmt: skip
    inner = getattr(node, "annotation", node)
    if get_origin(inner) is Literal:
        yield from (str(choice) for choice in get_args(inner) if len(get_args(inner)) > 1)
        return
    for part in () if _models(inner) else get_args(inner):
        yield from _bounds(part)


# --- alternatives --------------------------------------------------------------------------------------------------


def _alternatives(about: Any, prefix: str) -> Iterator[str]:
    """What else the nested parts could be, as overrides that can be typed."""
    model: type[BaseModel] = about if isinstance(about, type) else type(about)
    for name, field in model.model_fields.items():
        value = None if isinstance(about, type) else getattr(about, name)
        if name in ("environment", "learners", "intervention"):  # of an experiment: `tacit list` has them
            several = value if isinstance(value, tuple) else (value,)
            for number, part in enumerate(several):
                yield from _alternatives(part, f"{name}.{f'{number}.' if len(several) > 1 else ''}")
            continue
        kinds = [kind for open_field in field.metadata if isinstance(open_field, OfKind) for kind in open_field.kinds]
        others = [] if kinds else [member for member in _models(field.annotation) if type(value) is not member]
        if len(kinds or others) > MOST_ALTERNATIVES:
            kinds = kinds or [str(member.model_fields["kind"].default) for member in others]
            yield f"{prefix}{name}.kind={' | '.join(kinds)}"
        else:
            yield from (f"{prefix}{name}={_example(member)}" for member in others)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Specifications among the members of a type; those of lists are left out."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (tuple, list, dict, Literal):
        return []
    return [model for part in get_args(annotation) for model in _models(part)]


def _example(model: type[BaseModel]) -> str:
    """A specification with its defaults as one would type it; what must be given is marked."""
    fields = ((name, field) for name, field in model.model_fields.items())
    parts = [f"{name}: {'...' if field.is_required() else _yaml(field.default, 'null')}" for name, field in fields]
    return f"{{{', '.join(parts)}}}"


# --- benchmarks ----------------------------------------------------------------------------------------------------


def _print_benchmarks(out: Console, environment: Environment) -> None:
    found: Benchmarks = environment.benchmarks()
    words, profiles = environment.words(), (*found.competitive, *found.cooperative)
    apart = any(_differ(profile) for profile in profiles)
    unit = f" ({words.unit})" if words.unit and words.unit not in words.outcome.split() else ""
    each_title = [f"by {words.role}"] if apart else []
    shown = table("benchmark", f"mean {words.outcome}{unit}", *each_title, "where", "method")
    for profile in profiles:
        where = "; ".join(f"{name} {_numbers(values)}" for name, values in profile.quantities.items())
        each = [_numbers(words.sign * profile.payoffs)] if apart else []
        shown.add_row(profile.name, f"{words.sign * profile.average:.6g}", *each, where, _method(profile))
    out.print()
    if profiles:
        out.print(shown)
    for label, value in found.numbers.items():
        out.print(f"{label}: {value:.6g}")
    for note in found.notes:
        out.print(f"note: {note}")
    if isinstance(environment, Market) and environment.rules():
        out.print()
        out.print(listing("rule", list(environment.rules().items())))


def _differ(profile: Profile) -> bool:
    return bool(np.ptp(profile.payoffs) > 1e-6 * np.abs(profile.payoffs).max())


def _method(profile: Profile) -> str:
    """How it was obtained, and how well where its error is more than rounding."""
    if profile.exact or profile.error <= ROUNDING * np.abs(profile.payoffs).max():
        return profile.method
    return f"{profile.method}; error {f'{profile.error:.1e}' if np.isfinite(profile.error) else 'unknown'}"


def _numbers(values: Any) -> str:
    """Some numbers; one where all are equal."""
    flat = np.ravel(values)
    flat = flat[:1] if np.ptp(flat) <= 1e-9 * np.abs(flat).max() else flat
    return ", ".join(f"{v:.5g}" for v in flat[:MOST_NUMBERS]) + (", ..." if len(flat) > MOST_NUMBERS else "")


def _description(model: type[Any]) -> str:
    """The docstring up to its first section."""
    return re.split(r"\n[A-Z][a-z]+\n-{3,}\n", inspect.cleandoc(model.__doc__ or ""))[0].strip()


def _short(value: Any) -> str:
    text = _yaml(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _yaml(value: Any, none: str = "-") -> str:
    """A value as one would write it in a scenario.

    Examples
    --------
    >>> _yaml(((100.0, -5), 1e-4, True, None, "twap"))
    '[[100, -5], 0.0001, true, -, twap]'
    """
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, tuple | list):
        return f"[{', '.join(_yaml(entry, none) for entry in value)}]"
    if isinstance(value, dict) and value:
        return f"{{{', '.join(f'{key}: {_yaml(entry, none)}' for key, entry in value.items())}}}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return none if value is None or value == {} or value == "" else str(value)
