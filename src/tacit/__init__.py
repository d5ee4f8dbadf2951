"""A laboratory for learning agents in markets.

>>> import tacit
>>> experiment = tacit.load_scenario("bertrand", ["sessions=2"])
>>> result = tacit.run(experiment)  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tacit import games, interventions, learners, markets
    from tacit.errors import TacitError
    from tacit.lab.experiment import Experiment, Length, Test, Trace
    from tacit.lab.experiment import load as load_scenario
    from tacit.lab.result import Result
    from tacit.lab.run import load, resume, run

_HOME = {
    "Experiment": "tacit.lab.experiment", "Length": "tacit.lab.experiment", "Test": "tacit.lab.experiment",
    "Trace": "tacit.lab.experiment", "Result": "tacit.lab.result", "TacitError": "tacit.errors",
    "load": "tacit.lab.run", "resume": "tacit.lab.run", "run": "tacit.lab.run",
}  # fmt: skip

__all__ = [
    "Experiment", "Length", "Result", "TacitError", "Test", "Trace", "games", "interventions", "learners", "load",
    "load_scenario", "markets", "resume", "run",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a noun when it is first used: `tacit --help` must not wait for compilers and array libraries."""
    if name == "load_scenario":
        return import_module("tacit.lab.experiment").load
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in ("games", "interventions", "learners", "markets"):
        return import_module(f"tacit.{name}")
    raise AttributeError(f"module 'tacit' has no attribute {name!r}")
