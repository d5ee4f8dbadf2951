"""A laboratory for learning agents in markets.

>>> import tacitlab
>>> experiment = tacitlab.load_scenario("bertrand", ["sessions=2"])
>>> result = tacitlab.run(experiment)  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tacitlab import games, interventions, learners, markets, measures, metagame, testing
    from tacitlab.errors import TacitError
    from tacitlab.lab.experiment import Experiment, Length, Test, Trace
    from tacitlab.lab.experiment import load as load_scenario
    from tacitlab.lab.result import Result
    from tacitlab.lab.run import load, resume, run
    from tacitlab.metagame.game import MetaGame, load_metagame
    from tacitlab.metagame.run import estimate as run_metagame
    from tacitlab.studies import run_study as study
    from tacitlab.sweep.sweep import Sweep
    from tacitlab.sweep.sweep import load as load_sweep
    from tacitlab.sweep.sweep import run as run_sweep

#: Public nouns and verbs by the module that they live in; ``public=private`` where a module calls them otherwise.
_HOMES = {
    "errors": "TacitError",
    "lab.experiment": "Experiment Length Test Trace load_scenario=load",
    "lab.result": "Result",
    "lab.run": "load resume run",
    "metagame.game": "MetaGame load_metagame",
    "metagame.run": "run_metagame=estimate",
    "studies": "study=run_study",
    "sweep.sweep": "Sweep load_sweep=load run_sweep=run",
}
_NAMES = {
    public: (home, private or public)
    for home, names in _HOMES.items()
    for public, _, private in (name.partition("=") for name in names.split())
}
_ROOMS = ("games", "interventions", "learners", "markets", "measures", "metagame", "testing")

__all__ = [
    "Experiment", "Length", "MetaGame", "Result", "Sweep", "TacitError", "Test", "Trace", "__version__", "games",
    "interventions", "learners", "load", "load_metagame", "load_scenario", "load_sweep", "markets", "measures",
    "metagame", "resume", "run", "run_metagame", "run_sweep", "study", "testing",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a noun when it is first used: `tacit --help` must not wait for compilers and array libraries."""
    if name in _NAMES:
        home, private = _NAMES[name]
        return getattr(import_module(f"tacitlab.{home}"), private)
    if name in _ROOMS:
        return import_module(f"tacitlab.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("tacitlab")
    raise AttributeError(f"module 'tacitlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
