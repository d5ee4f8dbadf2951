"""What tests of studies share: evidence that is made up, and what is played in words."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import xarray as xr

from tacitlab.lab.experiment import Experiment
from tacitlab.measures.statistics import Estimate
from tacitlab.report.market_tested import Tested
from tacitlab.studies.base import Study
from tacitlab.studies.tokens import Played


def interval(values, *_, **__):
    """Two standard errors around the mean, where a bootstrap for each of a thousand numbers would take seconds."""
    values = np.asarray(values, dtype=float)
    mean, n = float(values.mean()), len(values)
    se = float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan
    return Estimate(mean, mean - 2 * se, mean + 2 * se, se, n)


def around(mean, sessions, apart=0.02, seed=0):
    """One number for each session, so far apart around a mean that they have exactly."""
    noise = np.random.default_rng(seed).normal(size=sessions)
    return mean * (1 + apart * (noise - noise.mean()))


def asked(study: type[Study], experiments: Sequence[Experiment]) -> str:
    """What a study asks, whom it cites, and what all its presets play."""
    presets = ", ".join(study.presets)
    return f"{study.name}: {study.question}\n{study.source}\npresets: {presets}\n{told(experiments)}"


def told(experiments: Sequence[Experiment]) -> str:
    """What is played: each experiment by what differs from the one before that is most like it, the first whole.

    For ``approved(name, told(experiments), exact=True)``.
    """
    known: list[tuple[str, dict[str, str]]] = []
    lines: list[str] = []
    for k, experiment in enumerate(experiments):
        fields = {path: f"{value}" for path, value in _flat(experiment.dump()) if path != "name"}
        changes = [(name, _changed(other, fields)) for name, other in known]
        like, changed = min(changes, key=lambda pair: len(pair[1])) if changes else ("", _changed({}, fields))
        lines += [f"{k} {experiment.name}" + (f", like {like} but" if like else ""), *(f"  {c}" for c in changed)]
        known.append((f"{k} {experiment.name}", fields))
    return "\n".join(lines)


def _changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    paths = {**before, **after}
    return [f"{path}: {after.get(path, 'gone')}" for path in paths if before.get(path) != after.get(path)]


def _flat(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Dotted paths and what stands there; lists of plain values stay together."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for k, item in enumerate(value):
            yield from _flat(item, f"{path}.{k}")
    else:
        yield path, value


def recorder(seen):
    """A player that plays nothing, and notes what it is asked for."""

    def play(experiment):
        seen.append(experiment)
        return SimpleNamespace(experiment=experiment, folder=Path("runs") / experiment.name)

    return play


def tokens_played(market, sessions, learning=None, **tests):
    """Sessions of a token economy, as far as a study asks for them: ``supply_path`` is "test_supply_path"."""
    names = {2: ("session", "step"), 3: ("session", "step", "agent")}
    data = {f"test_{name}": (names[np.ndim(values)], values) for name, values in tests.items() if name != "gain"}
    data |= {name: (("session", "time"), values) for name, values in (learning or {}).items()}
    times = [np.shape(values)[1] for values in (learning or {}).values()]
    coords = {"session": np.asarray(sessions), **({"time": 10.0 * np.arange(times[0])} if times else {})}
    gain = np.asarray(tests.get("gain", np.zeros(len(sessions))))
    outcomes = np.stack([gain - 1, gain + 1], axis=1)
    nothing = np.full(2, np.nan)
    found = Tested(None, market, None, xr.Dataset(data, coords), len(sessions), (), True, outcomes, nothing, nothing)
    return Played(found)


def rounded(text: str) -> str:
    """Numbers that were computed to ten digits: others depend on the machine, and nothing else may differ."""
    return re.sub(r"\d+\.\d{11,}", lambda match: f"{float(match.group()):.10g}", text)
