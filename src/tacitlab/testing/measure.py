"""Does a measure keep the contract that runs and their readers rely on?"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from tacitlab.games import Bertrand
from tacitlab.lab.experiment import Experiment, Length, from_mapping
from tacitlab.lab.result import Result
from tacitlab.lab.run import run
from tacitlab.learners import Constant, QLearning
from tacitlab.measures.base import Measure, Unfit
from tacitlab.testing.promises import Promises

SESSIONS, FEWER = 4, 3


def _duopoly(sessions: int) -> Experiment:
    """Two firms that remember the last period."""
    learner = QLearning(memory=1, exploration=Constant(epsilon=0.1))
    return Experiment(
        environment=Bertrand(n_prices=4), learners=learner, length=Length(periods=2000), sessions=sessions
    )


def _market(environment: dict[str, Any]) -> Callable[[int], Experiment]:
    """A market whose agents act at random, since what is measured need not be clever."""
    return lambda sessions: from_mapping(
        {"environment": environment, "learners": {"kind": "random"}, "length": {"episodes": 4}, "sessions": sessions}
    )


#: Small experiments; the first whose run has what a measure needs is taken. Markets take longer to compile.
SAMPLES: tuple[Callable[[int], Experiment], ...] = (
    _duopoly,
    _market({"kind": "resource", "steps": 24}),
    _market({"kind": "execution", "steps": 4}),
)


def check_measure(measure: Measure | type[Measure], result: Result | None = None) -> None:
    """Ask a run for a measure and raise an error about the first promise that it breaks.

    What is checked: it gives numbers by session, and by agent where agents differ, and has no other dimensions than
    those of a sweep; some of them are finite; it says the same when it is asked again, and leaves the run as it was; a
    session's number depends on no other session; and it refuses a run that lacks what it needs by ``Unfit``.

    Parameters
    ----------
    measure : Measure, or its class
    result : Result, optional
        A run to ask. If none is given, the first of some small ones that has what is needed.

    Raises
    ------
    AssertionError
        One line that says which promise is broken.

    Examples
    --------
    >>> from tacitlab.measures.outcome import Payoff
    >>> check_measure(Payoff)
    """
    asked = measure() if isinstance(measure, type) else measure
    check = Promises(type(asked).__name__)
    kind = getattr(asked, "kind", None)
    check(isinstance(kind, str) and kind, 'it has no kind; give the class a line kind = "..."')
    check((type(asked).__doc__ or "").strip(), "it has no docstring; say in one line what it measures")
    check(isinstance(asked.unit, str), f"unit is {asked.unit!r}; give a text, empty for none")
    found, fewer = (_asked(check, asked, result), None) if result else _sample(check, asked)
    run_, values = found
    _check_values(check, run_, values)
    before = run_.data.copy(deep=True)
    again = asked.of(run_)
    check(again.equals(values), "asked again it says something else; let it depend on the run alone")
    check(before.identical(run_.data), "it changes the run's data; work on a copy")
    if fewer is not None:
        less = check.made("of a run of fewer sessions", asked.of, fewer)
        same = np.array_equal(less, values.isel(session=slice(FEWER)), equal_nan=True)
        check(same, "a session's number depends on other sessions; compute each from its own")


def _asked(check: Promises, measure: Measure, result: Result) -> tuple[Result, Any]:
    try:
        return result, measure.of(result)
    except Unfit as error:
        raise AssertionError(f"{check.about}it does not fit the run: {error}; give another") from None
    except Exception as error:
        text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        mend = "take what the run keeps by `variable` or `path`, which raise Unfit where it is missing"
        raise AssertionError(f"{check.about}of() fails: {text}; {mend}") from error


def _sample(check: Promises, measure: Measure) -> tuple[tuple[Result, Any], Result]:
    reasons = []
    for number in range(len(SAMPLES)):
        try:
            return _asked(check, measure, _played(number, SESSIONS)), _played(number, FEWER)
        except AssertionError as error:
            if error.__cause__ is not None:
                raise
            reasons.append(str(error))
    raise AssertionError(f"{reasons[-1].rpartition(';')[0]}, nor any other that is tried; give a run: result=...")


@cache
def _played(number: int, sessions: int) -> Result:
    return run(SAMPLES[number](sessions))


def _check_values(check: Promises, run_: Result, values: Any) -> None:
    check(isinstance(values, xr.DataArray), f"of() returns {type(values).__name__}; return an xarray.DataArray")
    dims = set(values.dims)
    check("session" in dims, f"its dimensions are {tuple(values.dims)}; keep 'session', the unit of replication")
    extra = sorted(str(d) for d in dims - {"session", "agent", *run_.experiment.sweep_dimensions()})
    check(not extra, f"it has a dimension {', '.join(extra)}; reduce it to one number a session, and agent")
    numeric = np.issubdtype(values.dtype, np.number) or values.dtype == bool
    check(numeric, f"its values are {values.dtype}; make them numbers")
    check(np.isfinite(values.values.astype(float)).any(), "none of its values is finite; look at what it divides by")
