"""Published claims as programs, one file each."""

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tacitlab import registry
from tacitlab.errors import TacitError
from tacitlab.naming import member, refusal
from tacitlab.sources import dashed

if TYPE_CHECKING:
    from tacitlab.studies.base import Finding, Study


def run_study(
    name: str,
    preset: str,
    folder: Path | None = None,
    threads: int | None = None,
    seed: int | None = None,
    figures: Path | None = None,
    suffix: str = "pdf",
    anyway: bool = False,
) -> "Finding":
    """Run a study, print its claims with verdicts and write its report, and its figures where they are wanted.

    What lies in the folder is not played again, and what is unfinished goes on: by the program of its beginning, unless
    it is to go on ``anyway``.

    Returns
    -------
    Finding
        Its answer, claims and sections.

    Raises
    ------
    TacitError
        If there is no such study or preset, or the folder holds what another program has played.
    """
    from tacitlab.report import terminal
    from tacitlab.report.figures import save_all
    from tacitlab.studies.base import Player
    from tacitlab.studies.page import build_page, write_report

    study = _named(name)
    if preset not in study.presets:
        raise TacitError(f"preset: {preset!r} is unknown; choose from {', '.join(study.presets)}")
    label = f"study-{study.name}-{preset}" + ("" if seed is None else f"-seed-{seed}")
    folder = folder or Path("runs") / label
    with terminal.bars() as progress:
        finding = study.find(preset, Player(folder, threads, progress, seed, anyway, _on_the_side))
    terminal.print_claims(finding)
    if figures is not None:
        for path in save_all(build_page(study, preset, finding), figures, suffix):
            print(f"figure  {path}")
    print(f"report  {write_report(study, preset, finding, folder)}")
    return finding


def _on_the_side(line: str) -> None:
    print(line, file=sys.stderr)


def _named(name: str) -> "Study":
    known = registry.entries("study")
    if name not in known and not registry.is_place(name):
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        mend = f"did you mean {close[0]!r}?" if close else "`tacit list` shows them, or name a file of yours"
        raise refusal(name, "study", f"no such study; {mend}")
    study: Study = introduced(member(("study",), name))()
    return study


def introduced(study: type["Study"]) -> type["Study"]:
    """A study that says what it is called, what it asks, and who claims that.

    Raises
    ------
    TacitError
        If it does not.
    """
    for said in ("name", "question", "source"):
        if not isinstance(getattr(study, said, None), str):
            line = f'{said} = "{dashed(study.__name__) if said == "name" else "..."}"'
            raise TacitError(f"{said}: {study.__name__} has none; add the line `{line}` to the class")
    return study
