"""The conformance battery: whatever is named, the test that its sort has to pass."""

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from tacitlab import registry
from tacitlab.errors import TacitError
from tacitlab.kinds import without_kind
from tacitlab.naming import member
from tacitlab.schema import Spec

#: What a kind of each room is tested by.
TESTS = {
    "game": "tacitlab.testing.game:check_game",
    "market": "tacitlab.testing.market:check_market",
    "learner": "tacitlab.testing.learner:check_learner",
    "intervention": "tacitlab.testing.intervention:check_intervention",
    "measure": "tacitlab.testing.measure:check_measure",
    "study": "tacitlab.testing.study:check_study",
}


def check(kind: str) -> str:
    """Run the battery for a kind of the registry or a class in a file, and raise an error about what it breaks.

    A member is tried with its default parameters, or as its ``example()`` says.

    Parameters
    ----------
    kind : str
        As a scenario writes it: ``kyle``, ``fishery.py:Fishery``, ``package.module:Class``.

    Returns
    -------
    str
        What it is: "game", "market", ...

    Raises
    ------
    AssertionError
        One line for each broken promise, with what mends it.
    TacitError
        If nothing is called so, or it cannot be imported.

    Examples
    --------
    >>> check("prisoners-dilemma")
    'game'
    """
    cls = _found(kind)
    room = next(room for room in registry.ROOMS if issubclass(cls, registry.roots((room,))))
    tried = example(cls, kind)
    module, _, name = TESTS[room].partition(":")
    test: Callable[[Any], None] = getattr(import_module(module), name)
    try:
        test(tried)
    except TacitError as error:
        raise AssertionError(f"{cls.__name__}: {error}") from error
    return room


def _found(kind: str) -> type[Any]:
    """The class of a kind; a scenario's name may be that of members of several sorts, whose first is taken."""
    if not registry.is_place(kind):
        for room in registry.ROOMS:
            if kind in registry.entries(room):
                return registry.find(room, kind)
    return member(registry.ROOMS, kind)


def example(cls: type[Any], kind: str) -> Any:
    """A member to be tried: as its class says, or with default parameters.

    Raises
    ------
    AssertionError
        If it cannot be made: methods are missing, or parameters have no default and there is no ``example``.
    """
    name = cls.__name__
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if missing:
        raise AssertionError(f"{name}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; write it")
    if issubclass(cls, Spec) and (mend := without_kind(cls)):
        raise AssertionError(f"kind: {mend}")
    made = getattr(cls, "example", cls)
    try:
        return made()
    except TacitError as error:
        mend = "give every parameter a default, or the class a classmethod example()"
        raise AssertionError(f"{name}: {str(error).partition(';')[0]}, so that nothing can be tried; {mend}") from error
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else "no reason given"
        raise AssertionError(f"{name}: it cannot be made: {type(error).__name__}: {reason}; mend __init__") from error


def compile_quickly() -> None:
    """Let JAX compile without costly optimisations, which small cases do not repay; before it is imported.

    A check then takes a third of the time. Numbers may differ in the last bits from those of a run.
    """
    if "jax" not in sys.modules:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_use_fusion_emitters=false".strip()
        os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "true"
