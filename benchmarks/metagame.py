"""Speed of the meta-game: periods a second, memory, and how far from the goal.

The goal: 500,500 pairs of strategies x 20 sessions x 10,000 periods in an hour on two cores, in less than 2 GB.

    python benchmarks/metagame.py [--seconds 20] [--threads 2]
"""

import argparse
import os
import resource
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tacitlab.engine import entries, tabular
from tacitlab.games import Bertrand
from tacitlab.learners import Exponential, QLearning
from tacitlab.studies.bertrand_metagame.study import FINE, metagame

PAIRS, SESSIONS, PERIODS, HOUR, GIGABYTES = 500_500, 20, 10_000, 3600.0, 2.0
CHUNK = 40  # entries a call


def ordinary() -> float:
    """Nanoseconds a period of the loop that `benchmarks/tabular.py` measures: how busy the machine is."""
    learner = QLearning(memory=1, exploration=Exponential(beta=4e-6))
    plan = tabular.prepare(
        Bertrand().form(), [learner], alternating=False, periods=1_000_000, stable_for=0, window=200_000, windows=5,
        sessions=1, keep_values=False, trained=lambda *_: (None, np.zeros(0, np.int64)),
    )  # fmt: skip
    stop = np.zeros(1, np.bool_)
    tabular.play(plan, 1, 0, 1, stop)
    used = time.thread_time()
    tabular.play(plan, 1, 1, 1, stop)
    return (time.thread_time() - used) * 1e3


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    given = options.parse_args()
    start = time.perf_counter()
    game = metagame("speed", (FINE, FINE, FINE), SESSIONS)
    plan, stop = game.plan(), np.zeros(1, np.bool_)
    print(f"{game.size} strategies, {game.entries:,} pairs; prepared in {time.perf_counter() - start:.1f} s")
    rng = np.random.default_rng(0)

    def some(n: int) -> entries.Jobs:
        own, others = rng.integers(game.size, size=(2, n)).astype(np.uint64)
        return entries.Jobs(own, others, np.full(n, 3, np.uint64), np.zeros(n, np.uint64))

    start = time.perf_counter()
    entries.play(plan, some(1), 1, stop)
    print(f"first call, compilation or its cache: {time.perf_counter() - start:.1f} s")

    print(f"ordinary loop beside it (Calvano et al., decaying exploration): {ordinary():.0f} ns a period of a core")

    def until(end: float) -> tuple[int, float]:
        done, used = 0, time.thread_time()
        while time.perf_counter() < end:
            entries.play(plan, some(CHUNK), 1, stop)
            done += CHUNK
        return done, time.thread_time() - used

    start = time.perf_counter()
    with ThreadPoolExecutor(given.threads) as pool:
        parts = list(pool.map(until, [start + given.seconds] * given.threads))
    wall, played, used = time.perf_counter() - start, sum(p for p, _ in parts), sum(u for _, u in parts)
    speed, goal = played * PERIODS / wall, PAIRS * SESSIONS * PERIODS / HOUR
    tables = 2 * 2 * 3 * game.size**2 * 8 / 2**30  # two windows; own and others' payoffs; count, mean, squares
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{given.threads} threads: {speed / 1e6:.1f} million periods/s by the clock, {speed / goal:.2f} of "
        f"the goal of {goal / 1e6:.1f}"
    )
    print(f"a period takes {used / (played * PERIODS) * 1e9:.0f} ns of a core; {given.threads} idle cores: "
          f"{given.threads * played * PERIODS / used / 1e6:.1f} million periods/s")  # fmt: skip
    print(f"the whole matrix: {PAIRS * SESSIONS * PERIODS / speed / 60:.0f} minutes at this speed")
    print(f"memory: {memory:.2f} GB now, tables of sums {tables:.2f} GB more; the goal is below {GIGABYTES:g} GB")


if __name__ == "__main__":
    main()
