"""Which files of the package an experiment executes: functions that are called, and modules of the engines.

Run as a program: scenarios as JSON on standard input, what each executed and what its program holds on standard output.
"""

import inspect
import json
import os
import sys
import threading
from pathlib import Path

import numba.core.dispatcher

import tacitlab
from tacitlab.lab.experiment import from_mapping
from tacitlab.lab.imports import file_of
from tacitlab.lab.program import program
from tacitlab.lab.run import prepare

ROOT = str(Path(tacitlab.__file__).parent) + os.sep


def unwatched(function):
    """Compiling takes ten times as long when every call is noted, and says nothing."""

    def wrapped(*values, **named):
        watching = sys.gettrace()
        sys.settrace(None)
        try:
            return function(*values, **named)
        finally:
            sys.settrace(watching)

    return wrapped


def executed(tree):
    """Files of functions that are called when an experiment is made and played, and of engine modules in memory."""
    found = set()

    def note(frame, event, arg):
        code = frame.f_code  # bodies of modules and classes are not optimised: they only define
        if event == "call" and code.co_filename.startswith(ROOT) and code.co_flags & inspect.CO_OPTIMIZED:
            found.add(code.co_filename.removeprefix(ROOT))
        # None: lines are not watched

    threading.settrace(note)
    sys.settrace(note)
    try:
        prepare(from_mapping(tree)).alone()
    finally:
        sys.settrace(None)
        threading.settrace(None)
    # Compiled loops call each other unseen.
    engine = {name.removeprefix("tacitlab.") for name in sys.modules if name.startswith("tacitlab.engine.")}
    return found | {str(file_of(name)).removeprefix(ROOT) for name in engine}


def main():
    numba.core.dispatcher.Dispatcher.compile = unwatched(numba.core.dispatcher.Dispatcher.compile)
    cfunc = numba.cfunc
    numba.cfunc = lambda *values, **named: unwatched(cfunc(*values, **named))
    answers = []
    for tree in json.load(sys.stdin):
        experiment = from_mapping(tree)
        first = executed(tree)
        arrays = "jax" in sys.modules
        answers.append({"executed": sorted(first), "arrays": arrays, "program": sorted(program(experiment).code)})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
