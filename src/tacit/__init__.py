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
    from tacit.lab.sweep import Sweep
    from tacit.lab.sweep import load as load_sweep
    from tacit.lab.sweep import run as run_sweep

_HOME = {
    "Experiment": "tacit.lab.experiment", "Length": "tacit.lab.experiment", "Test": "tacit.lab.experiment",
    "Trace": "tacit.lab.experiment", "Result": "tacit.lab.result", "TacitError": "tacit.errors",
    "Sweep": "tacit.lab.sweep", "load": "tacit.lab.run", "resume": "tacit.lab.run", "run": "tacit.lab.run",
}  # fmt: skip

_RENAMED = {
    "load_scenario": ("tacit.lab.experiment", "load"), "load_sweep": ("tacit.lab.sweep", "load"),
    "run_sweep": ("tacit.lab.sweep", "run"),
}  # fmt: skip

__all__ = [
    "Experiment", "Length", "Result", "Sweep", "TacitError", "Test", "Trace", "games", "interventions", "learners",
    "load", "load_scenario", "load_sweep", "markets", "resume", "run", "run_sweep",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a noun when it is first used: `tacit --help` must not wait for compilers and array libraries."""
    if name in _RENAMED:
        module, known = _RENAMED[name]
        return getattr(import_module(module), known)
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in ("games", "interventions", "learners", "markets"):
        return import_module(f"tacit.{name}")
    raise AttributeError(f"module 'tacit' has no attribute {name!r}")
