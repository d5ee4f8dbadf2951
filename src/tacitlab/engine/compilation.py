"""Where compiled code is kept between processes.

Numba's cache notices a change in the file of the cached function only, not in the files it calls. Stale machine
code would be wrong silently, so the cache folder carries a fingerprint of the whole source of the engine and the rules.
Numba also compiles again wherever that file lies elsewhere or is newer, though the fingerprint is the same: another
checkout, another environment, an installation anew. So it is shown a copy of the file beside the compiled code.
"""

import hashlib
import inspect
import os
import shutil
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import FunctionType
from typing import Any
from weakref import WeakSet

import numba
from numba.extending import register_jitable

from tacitlab.learners.base import RULE_MODULES

KEPT_VERSIONS = 4  # older folders of compiled code are removed


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """``numba.njit`` with a cache that follows the engine's source, wherever it lies; releases the GIL."""

    def decorate(function: Callable[..., Any]) -> Any:
        config: Any = numba.config  # typed as a module, built from the environment
        folder = cache_folder()
        _written_in(folder, function)
        before, config.CACHE_DIR = config.CACHE_DIR, str(folder)
        try:
            return numba.njit(cache=True, nogil=True, **options)(function)
        finally:
            config.CACHE_DIR = before

    return decorate


def _written_in(folder: Path, function: Callable[..., Any]) -> None:
    """Have a function say that its file is a copy in this folder, of no age; where none can be made, nothing is."""
    code = function.__code__
    shown = folder / Path(code.co_filename).name
    try:
        if not shown.exists():
            draft = folder / f"{shown.name}-{os.getpid()}"
            shutil.copyfile(code.co_filename, draft)
            os.utime(draft, (0, 0))
            os.replace(draft, shown)
    except OSError:
        return
    function.__code__ = code.replace(co_filename=str(shown))


def native(function: Callable[..., Any]) -> Any:
    """A part of the loop that allocates nothing and is called by compiled code only.

    Without numba's reference counting, reading an array out of a tuple costs nothing; with it the loop spent 95 %
    of its time counting references.
    """
    return numba.njit(**NATIVE)(with_parts(function))


def inlined(function: Callable[..., Any]) -> Any:
    """Like :func:`native`, and always copied into the caller."""
    return numba.njit(**INLINED)(with_parts(function))


def woven(function: Callable[..., Any]) -> Any:
    """Like :func:`inlined`, but before types are known: quicker to compile where there are many arguments."""
    return numba.njit(inline="always", **NATIVE)(with_parts(function))


def with_parts(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, once numba knows that it may compile the plain functions that it calls, and so on."""
    seen = inspect.getclosurevars(getattr(function, "py_func", function))
    for part in [*seen.globals.values(), *seen.nonlocals.values()]:
        if isinstance(part, FunctionType) and part not in _PARTS:
            _PARTS.add(part)
            register_jitable(**NATIVE)(with_parts(part))
    return function


def copied(*functions: Callable[..., Any]) -> None:
    """Plain functions that are copied into whoever calls them."""
    for function in functions:
        _PARTS.add(function)
        register_jitable(**INLINED)(with_parts(function))


# Wrappers that nobody calls take longer to compile than the functions: they unpack every array of game and table.
NATIVE: dict[str, Any] = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
INLINED: dict[str, Any] = {**NATIVE, "forceinline": True}
_PARTS: WeakSet[Any] = WeakSet()
_ONE_AT_A_TIME = threading.Lock()


def hook(function: Callable[..., Any], signature: Any) -> Any:
    """A compiled function with an address, which a loop compiled before can call; compiled once in a process."""
    with _ONE_AT_A_TIME:
        return _hook(function, signature)


@lru_cache(maxsize=64)
def _hook(function: Callable[..., Any], signature: Any) -> Any:
    """It allocates nothing either, like :func:`native`; numba cannot keep it between processes."""
    return numba.cfunc(signature, **NATIVE)(with_parts(getattr(function, "py_func", function)))


def ready() -> bool:
    """Whether this version's loop has been compiled before, by any process."""
    return any(cache_folder().rglob("*.nbi"))


def cache_folder() -> Path:
    """This version's cache folder; numba falls back to others by itself where it cannot be written."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tacit" / "compiled"
    here = base / _fingerprint()
    try:
        here.mkdir(parents=True, exist_ok=True)
        os.utime(here)
        for old in sorted(base.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)[KEPT_VERSIONS:]:
            shutil.rmtree(old, ignore_errors=True)
    except OSError:
        return Path(__file__).parent / "__pycache__"
    return here


def _fingerprint() -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    here = Path(__file__).parent
    rules = [here.parent / "learners" / f"{name}.py" for name in sorted({"base", *RULE_MODULES})]
    for path in [*sorted(here.glob("*.py")), *rules]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
