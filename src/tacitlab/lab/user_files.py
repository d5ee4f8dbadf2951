"""The user's files that a run was played by: kept with it, and found again when it goes on.

Reading a run executes none of them. Going on does, after their bytes have been compared with those of the beginning:
the user's own file where it still is, else the copy in the folder.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tacitlab.errors import TacitError
from tacitlab.lab.experiment import Experiment, from_mapping
from tacitlab.store.folder import RunFolder

if TYPE_CHECKING:
    from tacitlab.lab.program import Program, Source

FOLDER = "sources"
Tell = Callable[[str], None]  # is told, in one line, which files will be executed

_FILE = re.compile(r"^(.+\.py)(:[A-Za-z_][\w.]*)?$", re.DOTALL)


class Found(NamedTuple):
    """A scenario whose files are where they can be executed, how they differ, and what to tell before."""

    tree: dict[str, Any]
    differs: str
    told: tuple[str, ...]


def copies(own: Iterable["Source"]) -> dict[str, bytes]:
    """Files to keep in the folder of a run, by their names in it."""
    return {f"{FOLDER}/{source.name}": source.path.read_bytes() for source in own}


def record(own: Iterable["Source"]) -> list[dict[str, str]]:
    """What the manifest says of them."""
    return [{"file": str(source.path), "copy": f"{FOLDER}/{source.name}", "sha256": source.digest} for source in own]


def of_programs(programs: Iterable["Program"]) -> list["Source"]:
    """The files of several programs, each once."""
    return list({source.path: source for program in programs for source in program.own}.values())


def placed(folder: Path, known: Sequence[Mapping[str, str]], tree: Mapping[str, Any]) -> Found:
    """Find the files of a run again, without executing them.

    Parameters
    ----------
    folder : Path
        Of the run.
    known : sequence of dict
        What :func:`record` said.
    tree : dict
        The scenario; it names the files as they were called at the beginning.

    Raises
    ------
    TacitError
        If files are gone, and the folder's copies are not what they were.
    """
    digests = {entry["file"]: (_digest(Path(entry["file"])), entry["sha256"]) for entry in known}
    changed = [file for file, (now, then) in digests.items() if now not in (None, then)]
    if not any(now is None for now, _ in digests.values()):
        told = tuple(f"executing {file}{', which has changed' if file in changed else ''}" for file in digests)
        here = {Path(file): Path(file) for file in digests}
        return Found(_moved(tree, here), ", ".join(Path(file).name for file in changed), told)
    for entry in known:
        if _digest(folder / entry["copy"]) != entry["sha256"]:
            gone = next(file for file, (now, _) in digests.items() if now is None)
            raise TacitError(
                f"{folder}: {gone} is gone, and {entry['copy']} is not what it was; restore either, or run it anew"
            )
    places = {Path(entry["file"]): (folder / entry["copy"]).resolve() for entry in known}
    told = tuple(f"executing {place}: the copy in the folder, since the original is gone" for place in places.values())
    return Found(_moved(tree, places), "", told)


def to_play(store: RunFolder) -> Experiment:
    """The experiment of a run whose agents go on elsewhere; it executes the user's files that the run was played by.

    Raises
    ------
    TacitError
        If these have changed.
    """
    found = placed(store.path, store.manifest.get("sources", []), store.scenario())
    if found.differs:
        raise TacitError(f"{store.path}: its agents learned by other files ({found.differs}); bring those back")
    return from_mapping(found.tree, seated=False)


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _moved(node: Any, places: Mapping[Path, Path]) -> Any:
    """Plain data in which every ``FILE.py:Class`` says where the file is now."""
    if isinstance(node, Mapping):
        return {key: _moved(value, places) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_moved(item, places) for item in node]
    match = _FILE.match(node) if isinstance(node, str) else None
    place = _place(Path(match.group(1)), places) if match else None
    return f"{place}{match.group(2) or ''}" if match and place else node


def _place(path: Path, places: Mapping[Path, Path]) -> Path | None:
    """Where a file is now; a relative name may stem from another working folder."""
    if path.resolve() in places:
        return places[path.resolve()]
    alike = [] if path.is_absolute() else [file for file in places if file.parts[-len(path.parts) :] == path.parts]
    return places[alike[0]] if len(alike) == 1 else None


def unplaced(node: Any, program: "Program") -> Any:
    """Plain data in which files are called by their names alone: wherever they lie, they are the same.

    What they hold is part of the program.
    """
    return _moved(node, {source.path: Path(source.name) for source in program.own}) if program.own else node
