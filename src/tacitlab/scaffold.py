"""`tacit new`: a member of your own to start from, one file that works and its test."""

import difflib
import keyword
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tacitlab import naming
from tacitlab.errors import TacitError
from tacitlab.registry import a
from tacitlab.sources import dashed, words_of

TEMPLATES = Path(__file__).with_name("templates")

#: What is written, and how it is used at once: NAME is ``FILE.py:Class``, FILE its file.
USES = {
    **{sort: naming.USES[sort] for sort in ("game", "market", "learner")},
    "deep-learner": "tacit run two-step \"learners={kind: 'NAME'}\" sessions=4",
    "measure": "tacit run prisoners-dilemma --out runs/dilemma; tacit measure runs/dilemma NAME",
    "study": "tacit study FILE",
}


def create(sort: str, name: str, folder: Path) -> Iterator[str]:
    """Write ``NAME.py`` and ``test_NAME.py`` into a folder; say what they are and how to use them, line by line.

    Parameters
    ----------
    sort : str
        "game", "market", "learner", "deep-learner", "measure" or "study".
    name : str
        Of the file; the class is called so in capitals (``stag_hunt``: ``StagHunt``), its kind with dashes.
    folder : Path

    Raises
    ------
    TacitError
        If there is no such sort, the name cannot be one of a module, or there are such files already.
    """
    if sort not in USES:
        close = difflib.get_close_matches(sort, USES, n=1)
        raise TacitError(f"sort: {sort!r} is unknown; " + (f"did you mean {close[0]!r}?" if close else _sorts()))
    text, test = (written(sort, name, part) for part in ("", "test_"))
    files = {folder / f"{name}.py": text, folder / f"test_{name}.py": test}
    for path in files:
        if path.exists():
            raise TacitError(f"name: {path.name} is there already; choose another name, or remove it")
    if name in sys.stdlib_module_names or find_spec(name) is not None:
        raise TacitError(f"name: {name!r} is a module that Python knows already; choose another name")
    for path, content in files.items():
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(content)
        except OSError as error:
            raise TacitError(
                f"{path.name}: it cannot be written ({error.strerror}); go to a folder of your own"
            ) from None
    kind = f"{name}.py:{names(name)[0]}"
    yield f"file    {name}.py"
    yield f"test    pytest test_{name}.py"
    yield f"check   tacit check {kind}"
    yield f"use     {USES[sort].replace('NAME', kind).replace('FILE', f'{name}.py')}"


def _sorts() -> str:
    return f"choose from {', '.join(USES)}"


def names(name: str) -> tuple[str, str]:
    """The class and the kind of a file.

    Examples
    --------
    >>> names("stag_hunt"), names("StagHunt2"), names("PPO")
    (('StagHunt', 'stag-hunt'), ('StagHunt2', 'stag-hunt2'), ('PPO', 'ppo'))
    """
    return "".join(part[0].upper() + part[1:] for part in words_of(name)), dashed(name)


def written(sort: str, name: str, part: str = "") -> str:
    """The template of a sort, or with ``part="test_"`` that of its test, under a name.

    Raises
    ------
    TacitError
        If a file cannot be called so.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or keyword.iskeyword(name):
        raise TacitError(f"name: {name!r} is no name of a module; take letters, digits and _, such as my_{_file(sort)}")
    text = (TEMPLATES / f"{part}my_{_file(sort)}.py").read_text(encoding="utf-8")
    (old, old_kind), (new, new_kind) = names(f"my_{_file(sort)}"), names(name)
    if new != old and re.search(rf"\b{new}\b", text):
        raise TacitError(f"name: {name!r} gives {a(sort)} of the name {new}, which its file uses; choose another name")
    for before, after in ((old, new), (old_kind, new_kind), (f"my_{_file(sort)}", name)):
        text = text.replace(before, after)
    return text


def _file(sort: str) -> str:
    return sort.replace("-", "_")
