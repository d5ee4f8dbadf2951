"""Small experiments that many tests play, and how JAX compiles for them."""

import inspect
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

# Before anything imports them: shapes are checked wherever tests run the parts that compute with JAX.
SOURCE = Path(__file__).parents[1] / "src"
WITH_ARRAYS = [
    ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    for room in ("learners", "markets")
    for path in sorted((SOURCE / "tacitlab" / room).rglob("*.py"))
    if "\nfrom jaxtyping import " in path.read_text()
]
install_import_hook(WITH_ARRAYS, "beartype.beartype")

# No test depends on how busy the machine is: hypothesis' deadline is a timed assertion, so is its check of data
# generation. In CI everybody tries the same examples.
settings.register_profile(
    "tacit", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tacit")

# Small experiments take longer to compile than to compute: a quarter of the time this way. Also in other processes.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_use_fusion_emitters=false".strip()
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "true"

from tacitlab.engine import devices  # noqa: E402
from tacitlab.lab.experiment import Experiment, from_mapping  # noqa: E402

devices.prepare()  # whatever test comes first, JAX must not start with fewer devices than a run would have

MOST_MEMORY = 3e9  # bytes that a process may hold before it forgets what it compiled

DUOPOLY = {
    "name": "small",
    "environment": {"kind": "bertrand", "n_prices": 5},
    "learners": {"kind": "q-learning", "memory": 1, "exploration": {"kind": "exponential", "beta": 1e-3}},
    "length": {"periods": 200_000, "stable_for": 2_000},
    "sessions": 10,
    "seed": 3,
    "trace": {"window": 500, "windows": 20},
}


SLOW = tuple(x for x in (Path(__file__).parent / "slow.txt").read_text().splitlines() if x and not x.startswith("#"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make test` leaves to `make test-all`."""
    for item in items:
        if item.nodeid.removeprefix("tests/").startswith(SLOW):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled() -> Iterator[None]:
    """What other modules do not use would take up memory until the end."""
    yield
    if "jax" in sys.modules and _memory() > MOST_MEMORY:
        sys.modules["jax"].clear_caches()


def _memory() -> float:
    """What this process holds, in bytes; without end where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return float("inf")


@pytest.fixture
def duopoly() -> Experiment:
    """Ten sessions of a five-price duopoly: milliseconds."""
    return from_mapping(DUOPOLY)


@pytest.fixture
def drivers() -> Experiment:
    """Twelve drivers in Braess's paradox, two exploration rates."""
    return from_mapping(
        {
            "name": "drivers",
            "environment": {"kind": "braess", "players": 12},
            "learners": {"kind": "q-learning", "gamma": 0, "exploration": {"kind": "constant", "epsilon": 0.1}},
            "length": {"periods": 400},
            "sessions": 6,
            "trace": {"window": 20, "windows": 20},
            "keep_values": True,
            "sweep": {"learners.exploration.epsilon": [0.05, 0.5, 1.0]},
        }
    )


def pytest_make_parametrize_id(val):
    """Functions by their names: their addresses differ between processes that share the tests."""
    return f"{val.__name__}" if inspect.isfunction(val) else None
