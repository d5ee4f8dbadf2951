"""Speed of the tabular engine beside a plain NumPy loop and OpenSpiel's tabular Q-learner, in one run.

Run with ``make benchmarks`` or ``python benchmarks/tabular.py [--seconds 5]``. Machines are noisy: rounds are
interleaved, the best of each contender counts, and what matters is the ratio.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

import tacitlab
from tacitlab.engine import tabular
from tacitlab.lab.tabular_play import _plan  # the arrays that a run would play

ROUNDS = 5
STEERED = "tacit, Braess, recommender"  # 100 drivers, 93 states
STEERED_AGENT_STEPS = 1_000_000  # of one session: 10,000 steps


def rate(play: Callable[[], int], seconds: float) -> float:
    """Units a second of a call that returns how many it did, repeated for at least ``seconds``."""
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        done += play()
    return done / (time.perf_counter() - began)


def engine(scenario: str, overrides: list[str]) -> Callable[[], int]:
    """One core: agent-steps of one session after the other."""
    experiment = tacitlab.load_scenario(scenario, overrides)
    plan, session = _plan(experiment), iter(range(10**9))
    stop = np.zeros(1, np.bool_)
    agents = len(plan.agents) if plan.pooled else 1

    def play() -> int:
        return int(tabular.play(plan, 0, next(session), 1, stop).periods[0]) * agents

    play()  # compiled, or loaded from the cache
    return play


def numpy_loop(periods: int = 20_000) -> Callable[[], int]:
    """Baseline Bertrand as most replications write it: one period after the other, NumPy tables."""
    game = tacitlab.games.Bertrand()
    payoffs = game.form().tensor(0)
    rng, m = np.random.default_rng(0), payoffs.shape[0]
    start = np.stack([payoffs[..., 0].mean(axis=1), payoffs[..., 1].mean(axis=0)]) / 0.05
    q = np.repeat(start[:, None, None], m, axis=1).repeat(m, axis=2)
    state, epsilon = (0, 0), 1.0

    def play() -> int:
        nonlocal state, epsilon
        for _ in range(periods):
            explore = rng.random(2) < epsilon
            actions = tuple(int(rng.integers(m)) if explore[i] else int(q[i][state].argmax()) for i in range(2))
            for i in range(2):
                target = payoffs[actions][i] + 0.95 * q[i][actions].max()
                q[i][(*state, actions[i])] += 0.15 * (target - q[i][(*state, actions[i])])
            state, epsilon = actions, epsilon * np.exp(-4e-6)
        return periods

    return play


def open_spiel(periods: int = 500) -> Callable[[], int] | None:
    """OpenSpiel's tabular Q-learners on the same game, repeated, with a memory of one period."""
    try:
        import pyspiel
        from open_spiel.python import rl_environment
        from open_spiel.python.algorithms import tabular_qlearner
    except ImportError:
        return None
    payoffs = tacitlab.games.Bertrand().form().tensor(0)
    stage = pyspiel.create_matrix_game(payoffs[..., 0].tolist(), payoffs[..., 1].tolist())
    settings = {"enable_infostate": True, "num_repetitions": periods, "recall": 1}
    environment = rl_environment.Environment(pyspiel.create_repeated_game(stage, settings))
    learners = [
        tabular_qlearner.QLearner(player_id=i, num_actions=15, step_size=0.15, discount_factor=0.95) for i in range(2)
    ]

    def play() -> int:
        step = environment.reset()
        while not step.last():
            actions = [learner.step(step).action for learner in learners]
            step = environment.step(actions)
        for learner in learners:
            learner.step(step)
        return periods

    return play


def both_cores(sessions: int) -> tuple[float, float, int]:
    """Seconds and peak memory (MB) of the baseline to convergence, in a process of its own; sessions converged."""
    code = (
        "import sys, tacitlab, time; e = tacitlab.load_scenario('bertrand', [f'sessions={sys.argv[1]}']);"
        "t = time.perf_counter(); r = tacitlab.run(e); print(time.perf_counter() - t, int(r.data.converged.sum()));"
        "print(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')))"
    )
    out = subprocess.run([sys.executable, "-c", code, str(sessions)], capture_output=True, text=True, check=True)
    seconds, converged, peak = out.stdout.split()
    return float(seconds), int(peak) / 1024, int(converged)


def main() -> None:
    """Print speeds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each measurement")
    parser.add_argument("--sessions", type=int, default=1000, help="sessions of the run to convergence; 0: leave out")
    options = parser.parse_args()
    contenders: dict[str, Callable[[], int] | None] = {
        "tacit, Bertrand": engine("bertrand", []),
        "tacit, Bertrand, no trace": engine("bertrand", ["trace.windows=0"]),
        "NumPy loop, Bertrand": numpy_loop(),
        "OpenSpiel, Bertrand": open_spiel(),
        "tacit, Braess (agent-steps)": engine("braess", []),
        STEERED: engine("braess-recommender", []),
    }
    best = {name: 0.0 for name, play in contenders.items() if play is not None}
    for _ in range(ROUNDS):
        for name, play in contenders.items():
            if play is not None:
                best[name] = max(best[name], rate(play, options.seconds / ROUNDS))
    reference = best["NumPy loop, Bertrand"]
    print(f"one core, best of {ROUNDS} rounds; {os.cpu_count()} cores in the machine")
    for name, value in best.items():
        print(f"{name:30s} {value:14,.0f} a second   {value / reference:10,.1f} x the NumPy loop")
    print(f"recommender with 93 states: {STEERED_AGENT_STEPS / best[STEERED]:.2f} s a session of 10,000 steps")
    if contenders["OpenSpiel, Bertrand"] is None:
        print("OpenSpiel is not installed: pip install -c constraints.txt -e '.[bench]'")
    if options.sessions:
        seconds, peak, converged = both_cores(options.sessions)
        print(f"{options.sessions} sessions to convergence: {seconds:.1f} s on all cores, peak {peak:.0f} MB, "
              f"{converged} converged")  # fmt: skip


if __name__ == "__main__":
    main()
