"""What there is to use: scenarios, games, learners, studies; and what each parameter means."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from tacit.errors import TacitError
from tacit.games import GAMES
from tacit.games.base import StageGame
from tacit.lab.experiment import from_mapping, load, scenarios
from tacit.learners import LEARNERS
from tacit.report import terminal
from tacit.studies import STUDIES
from tacit.theory.benchmarks import Benchmarks


def print_all() -> None:
    """Everything that has a name, a line each."""
    out = terminal.console()
    out.print(_listing("scenario", list(scenarios().items())))
    out.print(_listing("game", [(_kind(game), _first_line(game)) for game in GAMES]))
    out.print(_listing("learner", [(_kind(learner), _first_line(learner)) for learner in LEARNERS]))
    out.print(_listing("study", [(name, question) for name, (_, question) in STUDIES.items()]))
    out.print("tacit run SCENARIO, tacit show NAME, tacit study STUDY")


def print_one(name: str, overrides: list[str]) -> None:
    """Parameters, and benchmarks where a game can be built from its defaults.

    Raises
    ------
    TacitError
        If nothing has that name.
    """
    out = terminal.console()
    if name in scenarios() or name.endswith((".yaml", ".yml")):
        experiment = load(name, overrides)
        out.print(f"{experiment.name}: {experiment.description}\n")
        out.print(_parameters(experiment))
        _print_benchmarks(out, experiment.game)
        return
    known: dict[str, type[BaseModel]] = {_kind(model): model for model in (*GAMES, *LEARNERS)}
    if name in STUDIES:
        out.print(f"{name}: {STUDIES[name][1]}\n\ntacit study {name} --preset quick, or --preset paper")
        return
    if name not in known:
        raise TacitError(f"{name}: unknown; `tacit list` shows scenarios, games, learners and studies")
    model = known[name]
    out.print(f"{_description(model)}\n")
    built = _build(model, overrides)
    out.print(_parameters(built) if built is not None else _fields(model))
    if isinstance(built, StageGame):
        _print_benchmarks(out, built)


def _build(model: type[BaseModel], overrides: list[str]) -> BaseModel | None:
    """The model with its defaults and the overrides; None if a parameter has no default."""
    from tacit.lab.experiment import parse_overrides

    pairs = parse_overrides(overrides)
    if any(field.is_required() for field in model.model_fields.values()) and not pairs:
        return None
    kind = {"kind": _kind(model)}
    try:
        return _built(model, kind, pairs)
    except TacitError as error:  # the user wrote no such prefix
        raise TacitError(str(error).removeprefix("environment.").removeprefix("learners.")) from None


def _built(model: type[BaseModel], kind: dict[str, str], pairs: list[tuple[str, Any]]) -> BaseModel:
    if issubclass(model, StageGame):
        tree = {"environment": kind, "learners": {"kind": "random"}}
        return from_mapping(tree, [(f"environment.{path}", value) for path, value in pairs]).game
    tree = {"environment": {"kind": "prisoners-dilemma"}, "learners": kind}
    return from_mapping(tree, [(f"learners.{path}", value) for path, value in pairs]).learners[0]


def _parameters(model: BaseModel) -> Table:
    """Every parameter of a model and of the models inside it, with value, unit, bounds and meaning."""
    table = _table("parameter", "value", "unit", "bounds", "meaning")
    for row in _rows(model, ""):
        table.add_row(*row)
    return table


def _rows(model: BaseModel, prefix: str) -> Iterator[tuple[str, str, str, str, str]]:
    for name, field in type(model).model_fields.items():
        value, path = getattr(model, name), f"{prefix}{name}"
        if isinstance(value, BaseModel):
            yield from _rows(value, f"{path}.")
        elif isinstance(value, tuple) and value and all(isinstance(v, BaseModel) for v in value):
            single = len(value) == 1
            for number, item in enumerate(value):
                yield from _rows(item, f"{path}." if single else f"{path}.{number}.")
        else:
            yield path, _short(value), *_about(field)


def _fields(model: type[BaseModel]) -> Table:
    table = _table("parameter", "default", "unit", "bounds", "meaning")
    for name, field in model.model_fields.items():
        default = "(required)" if field.is_required() else _short(field.get_default(call_default_factory=True))
        table.add_row(name, default, *_about(field))
    return table


def _about(field: Any) -> tuple[str, str, str]:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    bounds = [
        f"{sign} {getattr(item, name):g}"
        for item in field.metadata
        for name, sign in signs.items()
        if isinstance(getattr(item, name, None), int | float)
    ]
    return str(extra.get("unit", "")), ", ".join(bounds), field.description or ""


def _print_benchmarks(out: Console, game: StageGame) -> None:
    found: Benchmarks = game.benchmarks()
    sign, name = (-1.0, game.cost_name) if game.cost_name else (1.0, game.payoff_name)
    table = _table("benchmark", f"mean {name}", "where", "method")
    for profile in (*found.competitive, *found.cooperative):
        where = "; ".join(f"{k} {_numbers(v)}" for k, v in profile.quantities.items())
        table.add_row(profile.name, f"{sign * profile.average:.6g}", where, profile.method)
    out.print()
    out.print(table)
    for label, value in found.numbers.items():
        out.print(f"{label}: {value:.6g}")
    for note in found.notes:
        out.print(f"note: {note}")


def _numbers(values: Any) -> str:
    shown = [f"{v:.5g}" for v in list(values.ravel())[:8]]
    return ", ".join(shown) + (", ..." if values.size > 8 else "")


def _listing(title: str, entries: list[tuple[str, str]]) -> Table:
    table = _table(title, "")
    for name, text in entries:
        table.add_row(name, text)
    return table


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for k, title in enumerate(titles):
        table.add_column(title, no_wrap=k == 0, overflow="fold")
    return table


def _kind(model: type[BaseModel]) -> str:
    return str(model.model_fields["kind"].default)


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _description(model: type[BaseModel]) -> str:
    """The docstring up to its first section."""
    return re.split(r"\n[A-Z][a-z]+\n-{3,}\n", inspect.cleandoc(model.__doc__ or ""))[0].strip()


def _short(value: Any) -> str:
    text = "-" if value is None or value == {} else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
