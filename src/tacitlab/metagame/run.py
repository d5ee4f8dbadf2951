"""Estimate the payoffs of a meta-game: blocks of entries on all cores, kept on disk as they are finished."""

import hashlib
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from tacitlab.engine import entries
from tacitlab.errors import Interrupted, TacitError
from tacitlab.kinds import AS_CLASSES
from tacitlab.lab import user_files
from tacitlab.lab.playing import cores
from tacitlab.lab.program import Program, difference, of_members, own_difference
from tacitlab.metagame import stored
from tacitlab.metagame.allocation import next_entries
from tacitlab.metagame.estimated_game import EstimatedGame, PayoffTable
from tacitlab.metagame.game import MetaGame, metagame_from
from tacitlab.naming import MANIFEST, refusal
from tacitlab.store import atomic

Progress = Callable[[float, int], None]
Floats = NDArray[np.float64]
U64 = NDArray[np.uint64]

WINDOWS = ("online", "last")
BLOCK = 1e8  # steps of agents in a block: some seconds
MOST_BLOCKS = 500  # of a round
SUMS = ("mean", "squares")


@dataclass(frozen=True, eq=False)
class MetaResult:
    """The estimated game of a meta-game, for either payoff window.

    Attributes
    ----------
    metagame : MetaGame
    games : dict of EstimatedGame
        By window, "online" and "last".
    crowd : dict of PayoffTable
        By window: mean payoff of all others (axis 1) when one deviates (axis 0). Of two players it is the rival's.
    folder : Path or None
    facts : dict
        Sessions and periods played, seconds, periods a second.
    """

    metagame: MetaGame
    games: dict[str, EstimatedGame]
    crowd: dict[str, PayoffTable]
    folder: Path | None = None
    facts: dict[str, float] = field(default_factory=dict)

    @property
    def game(self) -> EstimatedGame:
        """The estimated game for the payoff window that designers are paid by."""
        return self.games[self.metagame.window]

    def welfare(self, window: str | None = None) -> Floats:
        """Mean payoff of all players in each symmetric profile, shape (strategies,)."""
        table = self.games[window or self.metagame.window].row
        return np.diagonal(table.mean).copy()


@dataclass(frozen=True)
class Round:
    """Entries that get the same number of sessions."""

    number: int
    own: U64
    others: U64
    first: U64
    sessions: int

    def blocks(self, steps: float) -> Iterator[tuple[int, slice]]:
        """Cuts that follow from the meta-game alone, never from the machine."""
        each = max(1, int(BLOCK / (steps * self.sessions)), -(-len(self.own) // MOST_BLOCKS))
        for number, start in enumerate(range(0, len(self.own), each)):
            yield number, slice(start, start + each)


def estimate(
    metagame: MetaGame,
    folder: str | Path | None = None,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
    anyway: bool = False,
) -> MetaResult:
    """Estimate the payoffs of all strategies against each other.

    A folder that holds a part of the same meta-game is continued, with the bits of an uninterrupted run; one that is
    complete is read. The result does not depend on the number of threads.

    Parameters
    ----------
    metagame : MetaGame
    folder : path, optional
        Where finished blocks and the result are stored; in memory only if left out.
    threads : int, optional
        All cores that this process may use, if left out.
    progress : callable, optional
        Called with the sessions done and in all (as far as is known).
    anyway : bool
        Continue although code, files or libraries differ from those at the beginning; the manifest says so then.

    Raises
    ------
    TacitError
        If a strategy cannot play, or the folder holds something else.
    Interrupted
        If the user pressed Ctrl-C; finished blocks are in the folder.

    Examples
    --------
    >>> from tacitlab.games import PrisonersDilemma
    >>> from tacitlab.learners import Fixed
    >>> fixed = [Fixed(action=0), Fixed(action=1)]
    >>> dilemma = MetaGame(environment=PrisonersDilemma(), others=fixed, periods=10, sessions=2)
    >>> estimate(dilemma).game.row.mean
    array([[3., 0.],
           [5., 1.]])
    """
    path = None if folder is None else Path(folder)
    if path is not None and _open(metagame, path, anyway):
        return replace(load(path), metagame=metagame)
    start, work = time.perf_counter(), _Work.of(metagame)
    stop = np.zeros(1, np.bool_)
    played = 0
    try:
        for turn in work.rounds():
            played += work.play(turn, path, threads or cores(), stop, progress)
    except KeyboardInterrupt:
        where = "; nothing is kept" if path is None else f"; what is finished is in {path}"
        raise Interrupted(f"interrupted{where}") from None
    seconds = time.perf_counter() - start
    facts = {
        "sessions": float(work.sessions), "periods": float(work.sessions * metagame.periods), "seconds": seconds,
        "periods a second": played * metagame.periods / max(seconds, 1e-9),
    }  # fmt: skip
    result = MetaResult(metagame, work.games(), work.crowd, path, facts)
    if path is not None:
        _save(result, path)
    return result


def play_entries(metagame: MetaGame, own: NDArray[Any], others: NDArray[Any], sessions: int, first: int = 0) -> Floats:
    """Payoffs of single sessions, shape (entries, sessions, 2 windows, 2): of player 0 and of the mean of the others.

    With common random numbers session s of all entries has the same draws, so that differences can be paired.
    """
    a, b = np.asarray(own, np.uint64), np.asarray(others, np.uint64)
    jobs = entries.Jobs(a, b, _seeds(metagame, a, b), np.full(len(a), first, np.uint64))
    return entries.play(metagame.plan(), jobs, sessions, np.zeros(1, np.bool_))


@dataclass
class _Work:
    """Sums while they grow."""

    metagame: MetaGame
    plan: entries.EntryPlan
    tables: dict[str, tuple[PayoffTable, ...]]
    crowd: dict[str, PayoffTable]
    sessions: int = 0

    @classmethod
    def of(cls, metagame: MetaGame) -> "_Work":
        size, sides = metagame.size, 1 if metagame.symmetric else 2
        tables = {w: tuple(PayoffTable.empty(size, size) for _ in range(sides)) for w in WINDOWS}
        return cls(metagame, metagame.plan(), tables, {w: PayoffTable.empty(size, size) for w in WINDOWS})

    @property
    def pairs(self) -> bool:
        """Whether an entry is an unordered pair of strategies."""
        return self.metagame.players == 2 and self.metagame.symmetric

    def games(self) -> dict[str, EstimatedGame]:
        return {window: EstimatedGame(tables) for window, tables in self.tables.items()}

    def rounds(self) -> Iterator[Round]:
        """All entries first; with adaptive allocation, then those that decide."""
        game, size = self.metagame, self.metagame.size
        own, others = np.triu_indices(size) if self.pairs else np.indices((size, size)).reshape(2, -1)
        start = game.adaptive.first if game.adaptive else game.sessions
        yield self._round(0, own, others, min(start, game.sessions))
        for number in range(1, game.adaptive.rounds + 1 if game.adaptive else 1):
            assert game.adaptive is not None
            table = self.tables[game.window][0]
            least = min(game.adaptive.first + game.adaptive.batch, game.sessions)
            own, others = next_entries(table, game.adaptive.sure, game.seed + number, least=least)
            if self.pairs:  # of a pair and its mirror image one is played
                unordered = np.unique(np.sort(np.stack([own, others], axis=1), axis=1), axis=0)
                own, others = unordered[:, 0], unordered[:, 1]
            batch = game.adaptive.batch
            room = table.count[own, others] + batch <= game.sessions
            if not room.any():
                return
            yield self._round(number, own[room], others[room], batch)

    def _round(self, number: int, own: NDArray[Any], others: NDArray[Any], sessions: int) -> Round:
        first = self.tables["online"][0].count[own, others]
        return Round(number, own.astype(np.uint64), others.astype(np.uint64), first.astype(np.uint64), sessions)

    def play(
        self, turn: Round, folder: Path | None, workers: int, stop: NDArray[np.bool_], progress: Progress | None
    ) -> int:
        """Play what the folder lacks of a round, add it to the sums; returns the sessions played now."""
        players, total = self.metagame.players, self.sessions + len(turn.own) * turn.sessions
        blocks = list(turn.blocks(float(self.metagame.periods) * players))
        found: dict[int, dict[str, Floats]] = {}
        new = 0
        with ThreadPoolExecutor(workers, thread_name_prefix="tacit") as pool:
            tasks: list[tuple[int, slice, Future[dict[str, Floats]] | None]] = []
            try:
                for number, cut in blocks:
                    kept = _read_block(folder, turn, number, cut)
                    if kept is not None:
                        found[number] = kept
                    tasks.append((number, cut, None if kept is not None else pool.submit(self._sums, turn, cut, stop)))
                for number, cut, task in tasks:
                    if task is not None:
                        found[number] = task.result()
                        new += len(turn.own[cut]) * turn.sessions
                        _write_block(folder, turn, number, found[number])
                    self._merge(turn, cut, found.pop(number))
                    if progress is not None:
                        progress(self.sessions, total)
            finally:
                stop[0] = True
                pool.shutdown(cancel_futures=True)
        stop[0] = False
        return new

    def _sums(self, turn: Round, cut: slice, stop: NDArray[np.bool_]) -> dict[str, Floats]:
        """Means and squared deviations of a block, shape (entries, windows, sides)."""
        own, others = turn.own[cut], turn.others[cut]
        jobs = entries.Jobs(own, others, _seeds(self.metagame, own, others), turn.first[cut])
        paid = entries.play(self.plan, jobs, turn.sessions, stop)
        alike = own == others
        if self.metagame.symmetric:  # all players are alike: their mean tells more than one of them
            n = self.metagame.players
            paid[alike] = ((paid[alike, ..., 0] + (n - 1) * paid[alike, ..., 1]) / n)[..., None]
        mean = paid.mean(axis=1)
        return {"mean": mean, "squares": ((paid - mean[:, None]) ** 2).sum(axis=1)}

    def _merge(self, turn: Round, cut: slice, sums: dict[str, Floats]) -> None:
        own, others = turn.own[cut].astype(np.int64), turn.others[cut].astype(np.int64)
        count = np.full(len(own), turn.sessions)
        self.sessions += len(own) * turn.sessions
        for w, window in enumerate(WINDOWS):
            mean, squares = sums["mean"][:, w], sums["squares"][:, w]
            tables = self.tables[window]
            tables[0].merge(own, others, count, mean[:, 0], squares[:, 0])
            self.crowd[window].merge(own, others, count, mean[:, 1], squares[:, 1])
            mirrored = own != others if self.pairs else np.ones(len(own), bool)
            if self.pairs or len(tables) > 1:
                at = (others[mirrored], own[mirrored], count[mirrored])
                tables[-1].merge(*at, mean[mirrored, 1], squares[mirrored, 1])
            if self.pairs:
                self.crowd[window].merge(*at, mean[mirrored, 0], squares[mirrored, 0])


def _seeds(metagame: MetaGame, own: U64, others: U64) -> U64:
    if metagame.common_random_numbers:
        return np.full(len(own), metagame.seed, np.uint64)
    return entries.entry_seeds(metagame.seed, own, others)


# --- on disk -------------------------------------------------------------------------------------------------------


def load(folder: str | Path) -> MetaResult:
    """Read a finished meta-game. Nothing that lies in its folder, and no file of the user's, is executed.

    Raises
    ------
    TacitError
        If the folder holds none, or it is not complete.
    """
    import xarray as xr

    path = Path(folder)
    manifest = stored.manifest_of(path)
    if manifest is None:
        raise refusal(
            path, "meta-game", f"no meta-game (it has no {MANIFEST}); name a folder that `tacit metagame` made"
        )
    if manifest.get("status") != "complete":
        raise TacitError(f"{folder}: no finished meta-game; run `tacit metagame` with --out {folder} to finish it")
    metagame = stored.read(path, manifest)
    try:
        with xr.open_zarr(path / "data.zarr", consolidated=False) as data:
            arrays = {name: data[name].values for name in ("count", "mean", "squares", "crowd_mean", "crowd_squares")}
    except Exception:  # zarr raises many kinds; all mean the same here
        raise TacitError(
            f"{path}: damaged (data.zarr is missing or unreadable); remove the folder and run the meta-game again"
        ) from None
    games, crowd = {}, {}
    for w, window in enumerate(WINDOWS):
        tables = tuple(
            PayoffTable(arrays["count"][p], arrays["mean"][p, w], arrays["squares"][p, w])
            for p in range(len(arrays["count"]))
        )
        games[window] = EstimatedGame(tables)
        crowd[window] = PayoffTable(arrays["count"][0], arrays["crowd_mean"][w], arrays["crowd_squares"][w])
    return MetaResult(metagame, games, crowd, path, manifest["facts"])


def _open(metagame: MetaGame, path: Path, anyway: bool) -> bool:
    """Make the folder, or check that it holds this meta-game, played by this program; True if it is complete."""
    with atomic.explained(path, "creating the folder of the meta-game", "name a folder that can be written"):
        (path / "blocks").mkdir(parents=True, exist_ok=True)
    manifest, now = stored.manifest_of(path), played_by(metagame)
    if manifest is None:
        _begin(metagame, path, now)
        return False
    known = "description" in manifest  # else it began before descriptions were kept
    if (stored.read(path, manifest) if known else metagame_from(manifest["metagame"])).dump() != metagame.dump():
        raise TacitError(f"{path}: holds another meta-game; name another folder with --out, or remove it")
    complete = bool(manifest.get("status") == "complete")
    differs = _differs(manifest, now, complete)
    if differs and not anyway:
        mend = "" if complete else ", or mix both with --anyway"
        raise TacitError(
            f"{path}: it was played by another program ({differs}); bring that back, or name another folder with "
            f"--out{mend}"
        )
    if differs and not complete:
        entry = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "differs": differs}
        entries = [*manifest.get("anyway", []), entry]
        manifest = {**manifest, "program": now.record(), "anyway": entries}
        _write_manifest(path, manifest)
    if not known:
        _write_manifest(path, {**manifest, "description": stored.keep(metagame, path)})
    return complete


def _begin(metagame: MetaGame, path: Path, now: Program) -> None:
    """What is in the folder before anything is played."""
    for name, content in user_files.copies(now.own).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path / name, content)
    atomic.write(path / "scenario.yaml", yaml.safe_dump(metagame.dump(), sort_keys=False).encode())
    facts = {
        "status": "running", "metagame": metagame.dump(), "program": now.record(),
        "sources": user_files.record(now.own), "description": stored.keep(metagame, path),
    }  # fmt: skip
    _write_manifest(path, facts)


def played_by(metagame: MetaGame) -> Program:
    """What plays a meta-game."""
    return of_members(
        (metagame, *metagame.strategies()), __name__.partition(".")[2], metagame.model_dump(context=AS_CLASSES)
    )


def _differs(manifest: dict[str, Any], now: Program, complete: bool) -> str:
    """How the program of what is stored differs; of what is complete, only files of the user's count."""
    before = manifest.get("program")
    if before is None:  # it began before programs were recorded
        return ""
    return own_difference(before, now) if complete else difference(before, now)


def _save(result: MetaResult, path: Path) -> None:
    import xarray as xr

    tables = [[result.games[w].tables[p] for w in WINDOWS] for p in range(len(result.game.tables))]
    dims = ("side", "window", "strategy", "opponent")
    data = xr.Dataset(
        {
            "count": ((dims[0], *dims[2:]), np.stack([side[0].count for side in tables])),
            **{name: (dims, np.stack([[getattr(t, name) for t in side] for side in tables])) for name in SUMS},
            **{f"crowd_{n}": (dims[1:], np.stack([getattr(result.crowd[w], n) for w in WINDOWS])) for n in SUMS},
        },
        attrs={
            "count": "sessions",
            "mean": "mean payoff of strategy against opponent",
            "squares": "of deviations",
            "windows": list(WINDOWS),
            "strategies": result.metagame.labels(),
        },
    )
    draft = path / "data.zarr.draft"
    shutil.rmtree(draft, ignore_errors=True)
    data.to_zarr(draft, mode="w", consolidated=False)
    shutil.rmtree(path / "data.zarr", ignore_errors=True)
    draft.rename(path / "data.zarr")
    manifest = {**(stored.manifest_of(path) or {}), "metagame": result.metagame.dump()}
    _write_manifest(path, {**manifest, "status": "complete", "facts": result.facts})
    shutil.rmtree(path / "blocks", ignore_errors=True)


def _write_manifest(path: Path, content: dict[str, Any]) -> None:
    atomic.write(path / MANIFEST, (json.dumps(content, indent=2) + "\n").encode())


def _block_file(folder: Path, turn: Round, number: int) -> Path:
    return folder / "blocks" / f"{turn.number:03}-{number:05}.npz"


def _write_block(folder: Path | None, turn: Round, number: int, sums: dict[str, Floats]) -> None:
    if folder is None:
        return
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, digest=_digest(sums), **sums)
    with atomic.explained(folder, "writing a finished block"):
        atomic.write(_block_file(folder, turn, number), buffer.getvalue())


def _read_block(folder: Path | None, turn: Round, number: int, cut: slice) -> dict[str, Floats] | None:
    """A finished block; None if it is missing or damaged, and so is played again."""
    if folder is None or not (file := _block_file(folder, turn, number)).is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as kept:
            sums = {name: kept[name] for name in SUMS}
            sound = str(kept["digest"]) == _digest(sums)
    except (OSError, ValueError, KeyError, EOFError):
        return None
    return sums if sound and len(sums["mean"]) == len(turn.own[cut]) else None


def _digest(sums: dict[str, Floats]) -> str:
    return hashlib.sha256(b"".join(sums[name].tobytes() for name in SUMS)).hexdigest()
