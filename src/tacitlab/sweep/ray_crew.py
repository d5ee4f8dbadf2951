"""Workers of a sweep on a Ray cluster: batches of cells as tasks, which Ray repeats elsewhere when a node dies."""

import contextlib
import logging
import os
import socket
import time
from collections.abc import Sequence
from typing import Any

from tacitlab.errors import TacitError
from tacitlab.lab.playing import cores
from tacitlab.sweep import cell
from tacitlab.sweep.cell import Job, Order, Played
from tacitlab.sweep.crew import AHEAD, Lost

RETRIES = 5  # by Ray, of a task whose node or process dies
HERE = ("local", "localhost", "127.0.0.1", "[::1]")
BATCH = 2.0  # seconds that a batch should take, at least
MOST_TASKS = 100  # a second
COUNTED = 5.0  # seconds after which processors are counted again: nodes come and go


class RayCrew:
    """A crew on a cluster that runs already; each processor of it is a worker.

    Parameters
    ----------
    order : Order
    address : str
        ``HOST:PORT`` of the cluster's head, ``auto`` for the one on this machine, or ``local`` to start one here that
        listens on no other address than this machine's own.

    Raises
    ------
    TacitError
        If Ray is not installed, or there is no such cluster.
    """

    def __init__(self, order: Order, address: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
        if _reachable(address) in HERE:
            # Ray's name for "use this machine's own address as it is"; it would take one that others reach instead.
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        try:
            import ray
        except ImportError:
            raise TacitError("ray: it is not installed; install it with `pip install 'tacitlab[ray]'`") from None
        self.ray, self.order = ray, order
        self.batches: dict[Any, list[Job]] = {}
        self.lost, self.given_up = Lost(), list[Played]()
        self.mine = not ray.is_initialized()  # a program may have joined the cluster before
        if self.mine:
            self._join(address)
        self.play = ray.remote(num_cpus=1, max_retries=RETRIES)(cell.play)
        self.processors, self.counted, self.batch_seconds = 1, -COUNTED, BATCH

    def _join(self, address: str) -> None:
        options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if address == "local":
            options |= {"include_dashboard": False, "_node_ip_address": "127.0.0.1", "num_cpus": cores()}
        try:
            self.ray.init(address=address, **options)
        except Exception as error:  # Ray raises many kinds; all mean the same here
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            raise TacitError(
                f"ray: no cluster answers at {address!r} ({reason}); name the HOST:PORT that `ray start --head` prints"
            ) from None

    def room(self) -> int:
        if time.monotonic() - self.counted > COUNTED:
            self.processors = max(1, int(self.ray.cluster_resources().get("CPU", 0)))
            self.counted = time.monotonic()
            # A task costs the driver a millisecond, whatever is in it: so many batches a second are a tenth of a core.
            self.batch_seconds = max(BATCH, self.processors / MOST_TASKS)
        return max(0, AHEAD * self.processors - len(self.batches))

    def submit(self, jobs: Sequence[Job]) -> None:
        self.batches[self.play.remote(self.order, list(jobs))] = list(jobs)

    def collect(self, seconds: float) -> list[Played]:
        found, self.given_up = self.given_up, []
        over, _ = self.ray.wait(list(self.batches), num_returns=1, timeout=0 if found else seconds)
        if over:  # whatever else is over by now comes along
            over, _ = self.ray.wait(list(self.batches), num_returns=len(self.batches), timeout=0)
        for batch in over:
            jobs = self.batches.pop(batch)
            try:
                found += self.ray.get(batch)
            except Exception as error:  # the cluster gave up: its processes died too often, or memory ran out
                name = type(error).__name__
                again, given_up = self.lost.again(jobs, f"ray: {name}: {str(error).strip().splitlines()[0][:200]}")
                found += given_up
                for some in again:
                    self.submit(some)
        return found

    def close(self) -> None:
        for batch in self.batches:
            with contextlib.suppress(Exception):
                self.ray.cancel(batch, force=True)
        self.batches.clear()
        if self.mine:
            self.ray.shutdown()


def _reachable(address: str) -> str:
    """The host of an address, of which it is known that something answers there: Ray itself would try for minutes."""
    if address in ("auto", "local"):
        return address
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        raise TacitError(f"ray: {address!r} is no address; write HOST:PORT, auto or local")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        reason = (getattr(error, "strerror", None) or str(error) or "no answer").lower()
        raise TacitError(
            f"ray: no cluster answers at {address} ({reason}); name the HOST:PORT that `ray start --head` prints"
        ) from None
    return host
