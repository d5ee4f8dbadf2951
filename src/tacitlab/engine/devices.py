"""Where JAX computes: one device for each core, or the GPU; and where it keeps what it compiled."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import jax
import numpy as np

from tacitlab.engine.compilation import cache_folder

P = ParamSpec("P")
R = TypeVar("R")


@cache
def prepare() -> None:
    """Make one device of each core that this process may use, and switch on the compilation cache.

    It must come before anything else that JAX does. Once another part of the process has started JAX, its devices
    stay as they are.
    """
    # Each device has a core of its own; a matrix product that splits itself over all of them only disturbs the others.
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_multi_thread_eigen" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    with suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", _cores())
    jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def single_precision(function: Callable[P, R]) -> Callable[P, R]:
    """The same function where a program has switched 64-bit numbers on: learners and markets are built for 32 bits."""

    @wraps(function)
    def wrapped(*values: P.args, **named: P.kwargs) -> R:
        with jax.enable_x64(False):
            return function(*values, **named)

    return wrapped


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def devices(most: int | None = None) -> Sequence[Any]:
    """The devices to use: a GPU where there is one, else as many cores as wanted."""
    prepare()
    found = jax.devices()
    return found if most is None else found[: max(1, most)]


def mesh(most: int | None = None) -> jax.sharding.Mesh:
    """The devices in a row, along which sessions are spread."""
    return jax.sharding.Mesh(np.array(devices(most)), ("sessions",))


def on_processor() -> bool:
    """Whether the devices are processor cores."""
    return bool(devices()[0].platform == "cpu")
