"""A laboratory for learning agents in markets.

>>> import tacitlab
>>> experiment = tacitlab.load_scenario("bertrand", ["sessions=2"])
>>> result = tacitlab.run(experiment)  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tacitlab import games, interventions, learners, markets
    from tacitlab.errors import TacitError
    from tacitlab.lab.experiment import Experiment, Length, Test, Trace
    from tacitlab.lab.experiment import load as load_scenario
    from tacitlab.lab.result import Result
    from tacitlab.lab.run import load, resume, run
    from tacitlab.sweep.sweep import Sweep
    from tacitlab.sweep.sweep import load as load_sweep
    from tacitlab.sweep.sweep import run as run_sweep

_HOME = {
    "Experiment": "tacitlab.lab.experiment", "Length": "tacitlab.lab.experiment", "Test": "tacitlab.lab.experiment",
    "Trace": "tacitlab.lab.experiment", "Result": "tacitlab.lab.result", "TacitError": "tacitlab.errors",
    "Sweep": "tacitlab.sweep.sweep", "load": "tacitlab.lab.run", "resume": "tacitlab.lab.run",
    "run": "tacitlab.lab.run",
}  # fmt: skip

_RENAMED = {
    "load_scenario": ("tacitlab.lab.experiment", "load"), "load_sweep": ("tacitlab.sweep.sweep", "load"),
    "run_sweep": ("tacitlab.sweep.sweep", "run"),
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
    raise AttributeError(f"module 'tacitlab' has no attribute {name!r}")
