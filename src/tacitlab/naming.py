"""What something is that was named where something else is needed, and how it is used: for the mends of errors.

Nothing is imported or executed to find that out.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tacitlab import registry
from tacitlab.errors import TacitError
from tacitlab.sources import HERE

SHIPPED = HERE / "scenarios"
METAGAMES = SHIPPED / "metagames"
MANIFEST, SWEEP, CLAIMS = "manifest.json", "sweep.yaml", "claims.json"  # what folders of results are known by
MOST_SHOWN = 3  # folders within a folder

#: How what has a name is used from the command line; NAME stands for it.
USES = {
    "game": "tacit run prisoners-dilemma \"environment={kind: 'NAME'}\" sessions=20",
    "market": 'tacit run two-step "environment={kind: \'NAME\'}" "learners={kind: ppo}" length.episodes=2000',
    "learner": "tacit run prisoners-dilemma \"learners={kind: 'NAME'}\" sessions=20",
    "intervention": "tacit run braess \"intervention={kind: 'NAME'}\" sessions=20",
    "measure": "tacit measure RUN NAME",
    "study": "tacit study NAME",
    "scenario": "tacit run NAME",
    "meta-game": "tacit metagame NAME",
}
#: The same for folders of results.
FOLDERS = {
    "run": "tacit report NAME",
    "sweep": "tacit sweep --status NAME",
    "meta-game": "tacit report NAME",
    "study": "tacit study STUDY --out NAME",
}


def refusal(name: str | Path, wanted: str, otherwise: str) -> TacitError:
    """One line about a name that is not what is wanted: what it is and how that is used, if that is known.

    Parameters
    ----------
    name : str or Path
        As it was given: a file, a folder, ``FILE.py:Class``, or what ``tacit list`` shows.
    wanted : str
        "scenario", "run", ...
    otherwise : str
        What is said of a name of which nothing is known, with a mend behind a semicolon.

    Examples
    --------
    >>> print(refusal("toll", "scenario", "no such scenario"))
    toll: an intervention, no scenario; use it by `tacit run braess "intervention={kind: 'toll'}" sessions=20`
    >>> print(refusal("bertrnd", "scenario", "no such scenario"))
    bertrnd: no such scenario
    """
    known, near = _known(str(name), Path(name)), Path("runs") / name
    if known is None and not Path(name).exists() and holds(near):
        return TacitError(f"{name}: no such file or folder; did you mean {near}?")
    if known is None:
        return TacitError(f"{name}: {otherwise}")
    return TacitError(f"{name}: {known[0]}, no {wanted}; {known[1] or otherwise.partition('; ')[2]}")


def member(rooms: Iterable[str], name: str) -> type[Any]:
    """The class of a kind that stands alone, as on the command line: imported, or refused in one line about it.

    Examples
    --------
    >>> member(["game", "market"], "pigu")
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: pigu: unknown; did you mean 'pigou'?
    """
    wanted = tuple(rooms)
    try:
        return registry.find(wanted, name)
    except TacitError as error:
        text = str(error).removeprefix("kind: ")
        if registry.is_place(name):
            raise TacitError(text) from None
        raise refusal(
            name, " or ".join(wanted) if len(wanted) < 3 else "kind", text.removeprefix(f"{name!r} is ")
        ) from None


def holds(folder: Path) -> str:
    """What a folder was made for: "run", "sweep", "meta-game" or "study"; empty if it is none of these."""
    for name, sort in ((SWEEP, "sweep"), (CLAIMS, "study")):
        if (folder / name).is_file():
            return sort
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    keys = manifest if isinstance(manifest, dict) else {}
    return "meta-game" if "metagame" in keys else "run" if "shards" in keys else ""


def _known(name: str, path: Path) -> tuple[str, str] | None:
    """What a name is, and how it is used; empty where nothing is known of that."""
    if path.is_dir():
        return _folder(path)
    if registry.is_place(name):
        return _class(name)
    if path.is_file():
        return _file(path)
    if (sort := _listed(name)) is not None:
        return registry.a(sort), _use(USES[sort], name)
    return None


def _use(how: str, name: object) -> str:
    return f"use it by `{how.replace('NAME', str(name))}`"


def _folder(path: Path) -> tuple[str, str] | None:
    sort = holds(path)
    inside = sorted(str(found) for found in path.iterdir() if found.is_dir() and holds(found))[:MOST_SHOWN]
    if sort == "study" or (not sort and inside):
        what = "the folder of a study" if sort else "a folder"
        mend = f"name one that is in it, for example {', '.join(inside)}" if inside else _use(FOLDERS["study"], path)
        return what, mend
    return (f"the folder of {registry.a(sort)}", _use(FOLDERS[sort], path)) if sort else None


def _class(name: str) -> tuple[str, str] | None:
    file, _, wanted = name.rpartition(":") if not name.endswith(".py") else (name, "", "")
    if not file.endswith(".py"):
        sort = registry.room_of(file, wanted)
        return (registry.a(sort), _use(USES[sort], name)) if sort else None
    if not Path(file).is_file():
        return None
    members = registry.members_in(Path(file))
    if not members:
        return "a Python file in which no game or learner is found", "`tacit new game NAME` writes one with a game"
    first = wanted if wanted in members else next(iter(members))
    what = registry.a(members[first])
    return what if wanted else f"a Python file with {what}", _use(USES[members[first]], f"{file}:{first}")


def _file(path: Path) -> tuple[str, str] | None:
    if sort := holds(path.parent):
        return f"a file in the folder of {registry.a(sort)}", f"name {path.parent}"
    return "a file", _use(USES["scenario"], path) if path.suffix in (".yaml", ".yml") else ""


def _listed(name: str) -> str | None:
    """What `tacit list` shows a name as; a study or a scenario before a member of an experiment."""
    if (SHIPPED / f"{name}.yaml").is_file() and "/" not in name:
        return "scenario"
    if (METAGAMES / f"{name}.yaml").is_file() and "/" not in name:
        return "meta-game"
    rooms = sorted(registry.ROOMS, key=lambda room: room != "study")
    return next((room for room in rooms if name in registry.entries(room)), None)
