"""What reading a finished meta-game needs to know of its game and strategies: kept with it, so nothing is executed.

It is what runs keep, see :mod:`tacitlab.lab.described`, and whether the players are in the same position.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tacitlab import registry
from tacitlab.errors import TacitError
from tacitlab.lab.described import FILE, as_described, of_environment, of_learner
from tacitlab.metagame.game import MetaGame, label, metagame_from
from tacitlab.naming import MANIFEST, refusal
from tacitlab.store import atomic

Plain = dict[str, Any]


def keep(metagame: MetaGame, path: Path) -> str:
    """Write what reading needs into the folder; returns its SHA-256, for the manifest."""
    learners = [metagame.learner, *metagame.others]
    said = {
        "environment": of_environment(metagame.environment, True) | {"symmetric": metagame.symmetric},
        "learners": [learner and of_learner(learner) | {"label": label(learner)} for learner in learners],
    }
    content = json.dumps(said, indent=1).encode()
    atomic.write(path / FILE, content)
    return hashlib.sha256(content).hexdigest()


def read(path: Path, manifest: Mapping[str, Any]) -> MetaGame:
    """The meta-game of a folder, in which members that do not come with the package are descriptions.

    Raises
    ------
    TacitError
        If its description is damaged; or if it has none, and reading would execute a user's file.
    """
    tree: Plain = manifest["metagame"]
    learners = [tree.get("learner"), *tree.get("others", ())]
    if (wanted := manifest.get("description")) is None:  # it began before descriptions were kept
        if foreign := next((kind for kind in _kinds(tree["environment"], *learners) if not _ours(kind)), None):
            raise TacitError(
                f"{path}: it was stored without a description, so that reading would execute {foreign}; "
                f"`tacit metagame` with --out {path} does, and adds the description"
            )
        return metagame_from(tree)
    try:
        content = (path / FILE).read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != wanted:
        raise TacitError(f"{path}: damaged ({FILE} is missing or was changed); restore it from a copy")
    said: Plain = json.loads(content)
    pairs = zip(learners, said["learners"], strict=True)
    first, *others = [node and as_described(node, about) for node, about in pairs]
    return metagame_from(
        {**tree, "environment": as_described(tree["environment"], said["environment"]), "learner": first,
         "others": others}
    )  # fmt: skip


def manifest_of(path: Path) -> Plain | None:
    """The manifest of a meta-game's folder; None if nothing has been begun there.

    Raises
    ------
    TacitError
        If it is damaged, or that of something else.
    """
    file = path / MANIFEST
    try:
        found = json.loads(file.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        raise TacitError(f"{file}: damaged; remove the folder and run the meta-game again") from None
    if not isinstance(found, dict) or "metagame" not in found:
        raise refusal(path, "meta-game", "holds something else than a meta-game; name another folder")
    return found


def _kinds(*nodes: Mapping[str, Any] | None) -> list[str]:
    return [str(node["kind"]) for node in nodes if node]


def _ours(kind: str) -> bool:
    known = {**registry.entries("game"), **registry.entries("learner")}
    return kind in known and known[kind].origin == registry.PACKAGE
