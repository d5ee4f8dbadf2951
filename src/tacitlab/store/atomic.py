"""A file is written whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from tacitlab.errors import TacitError

LOCK = ".lock"


def write(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write a file so that a reader sees the old content or the new, never a part.

    Parameters
    ----------
    path : path
        The file; its folder must exist.
    content : bytes
        What it shall hold.

    Raises
    ------
    OSError
        If the file cannot be written; whatever was there before is untouched.
    """
    target = Path(path)
    draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.draft")  # same folder: a rename cannot copy
    try:
        draft.write_bytes(content)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
    return target


@contextlib.contextmanager
def explained(run: Path, doing: str, mend: str = "") -> Iterator[None]:
    """Turn what the operating system says into one line that names the folder of a run and the mend."""
    mend = mend or f"what was complete is safe: mend that, then `tacit run --resume {run}`"
    try:
        yield
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise TacitError(f"{run}: {doing} failed ({reason}); {mend}") from None


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one process may write to a folder; the lock goes with the process, however that ends.

    Raises
    ------
    TacitError
        If another process holds it.
    """
    import fcntl

    with explained(folder, "locking the folder", "make it writable"):
        file = open(folder / LOCK, "w")  # noqa: SIM115 (closed below, without taking the body's errors for its own)
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TacitError(f"{folder}: another process is writing to it; wait until that ends") from None
        yield
        (folder / LOCK).unlink(missing_ok=True)


def replace(path: str | os.PathLike[str], content: bytes) -> Path:
    """:func:`write` for files that a user named.

    Raises
    ------
    TacitError
        If the file cannot be written; whatever was there before is untouched.
    """
    try:
        return write(path, content)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise TacitError(f"{path}: cannot be written ({reason}); give a file in an existing, writable folder") from None
