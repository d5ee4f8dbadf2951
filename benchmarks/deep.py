"""How fast deep learners train in the execution game, and how far that is from what the machine could do.

Two Double-DQN traders a session, 20 sessions together, with the network, batch and update frequency of Macrì and
Lillo (arXiv 2408.11773): one gradient step for each agent in each step of the game. Prints game steps a second (one
step of one session is one), the operations that they need, and the share of the machine's speed at multiplying
matrices that is reached. The naive version does the same with tables of all candidates, feasible or not, in both
networks, as a first attempt would.

``python benchmarks/deep.py [--steps N] [--sessions N]``
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from unittest import mock

import numpy as np

from tacitlab.engine import deep
from tacitlab.lab.deep_play import MarketWork
from tacitlab.lab.experiment import Experiment, Length
from tacitlab.lab.playing import cores
from tacitlab.learners import DQN
from tacitlab.markets import Execution

AUTHORS = 15.0  # game steps a second of the paper's PyTorch code on one core of such a machine


def machine_speed(seconds: float = 2.0) -> float:
    """Operations a second in the multiplication of large matrices in single precision, all cores."""
    a = np.random.default_rng(0).random((2048, 2048), dtype=np.float32)
    best, until = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        a @ a
        best = max(best, 2 * 2048**3 / (time.perf_counter() - began))
    return best


def training(experiment: Experiment, steps: int) -> tuple[float, deep.Play]:
    """Game steps a second after the program is compiled and the memories hold something."""
    plan = MarketWork.of(experiment).plans[0]
    crew = deep.Crew(deep.crew(cores()).mesh)
    keys = crew.keys(1, 0, experiment.sessions)
    play, _ = crew.advance(plan.table, keys, crew.begin(plan.table, keys), 0, steps)
    began = time.perf_counter()
    play, left = crew.advance(plan.table, keys, play, steps, steps)
    np.asarray(left.rewards)
    return experiment.sessions * steps / (time.perf_counter() - began), play


def operations(experiment: Experiment, play: deep.Play) -> float:
    """Floating-point operations that one game step needs: what the algorithm asks for, not what is done."""
    learner, market = experiment.learners[0], experiment.market
    width, layers = learner.network.width, learner.network.layers
    whole = 2 * (4 * width + layers * width**2 + width)  # of one evaluation
    folded = 2 * (4 * width + (layers - 1) * width**2 + width)  # with the embedding merged into the first layer
    weights = whole // 2 + (layers + 1) * width + 1
    memory = np.asarray(play.learners[0].memory)
    filled = memory[..., :2, :].size and memory[(memory != 0).any(axis=-1)]
    following = filled[filled[:, -1] == 0][:, 5:7]  # time and inventory of the next state, where there is one
    last = following[:, 0] >= market.steps - 1
    count = np.floor(following[:, 1]) + 1 if market.trades == "whole" else np.full(len(following), market.parts + 1)
    candidates = np.where(last, 1, count).sum() / len(filled)
    acting = candidates  # one search more for the own action, over states like these
    step = learner.batch * (candidates * folded + whole + 3 * whole) + acting * folded + 16 * weights
    return market.n_players * float(step)


def naive() -> mock._patch:
    """Every network sees every candidate of every observation, all agents at once."""
    import jax
    import jax.numpy as jnp

    from tacitlab.learners.dqn import Dqn

    def best(self, network, observations, wanted):  # type: ignore[no-untyped-def]
        values, feasible = jax.vmap(lambda o: self.dynamics.candidates(self.role, o))(observations)
        both = jax.vmap(jax.vmap(lambda o, a: self.dynamics.inputs(self.role, o, a), (None, 0)))
        table = network(both(observations, values))[..., 0]
        table = jnp.where(jnp.arange(table.shape[1]) < feasible[:, None], table, -jnp.inf)
        chosen = jnp.argmax(table, axis=1)
        return jnp.take_along_axis(values, chosen[:, None, None], axis=1)[:, 0], jnp.max(table, axis=1)

    return mock.patch.object(Dqn, "best", best)


def compile_seconds(warm: bool, cache: str) -> float:
    """Time of the first steps of a new process, without the imports."""
    code = (
        "import time, sys; sys.argv=['x']; sys.path.insert(0, 'benchmarks'); import deep as b;"
        "began=time.perf_counter();"
        "e=b.experiment('whole', 20, 20); p=b.MarketWork.of(e).plans[0]; c=b.deep.crew(b.cores()); k=c.keys(1,0,20);"
        "y,l=c.advance(p.table,k,c.begin(p.table,k),0,100); b.np.asarray(l.rewards);"
        "t=c.test(p.table,p.test,k,y.learners,100,10,0.0); b.np.asarray(t.returns); print(time.perf_counter()-began)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "XDG_CACHE_HOME": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def experiment(trades: str, parts: int, sessions: int) -> Experiment:
    """The game as written, with this grid of trades."""
    market = Execution(trades=trades, parts=parts)
    return Experiment(environment=market, learners=DQN(), length=Length(episodes=5000), sessions=sessions)


def main() -> None:
    """Print everything."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--steps", type=int, default=1500)
    arguments.add_argument("--sessions", type=int, default=20)
    given = arguments.parse_args()
    speed = machine_speed()
    print(
        f"{cores()} cores multiply matrices at {speed / 1e9:.0f} Gflop/s; "
        f"{given.sessions} sessions, {given.steps} steps"
    )
    print(f"{'candidates':28s} {'steps/s':>9s} {'Mflop/step':>11s} {'of limit':>9s} {'authors':>9s}")
    variants = [
        ("whole shares, naive", "whole", 20),
        ("whole shares, 0 to 100", "whole", 20),
        ("20 parts", "parts", 20),
        ("10 parts", "parts", 10),
    ]
    for name, trades, parts in variants:
        trial = experiment(trades, parts, given.sessions)
        if name.endswith("naive"):
            with naive():
                rate, play = training(trial, max(given.steps // 10, 50))
        else:
            rate, play = training(trial, given.steps)
        needed = operations(trial, play)
        print(
            f"{name:28s} {rate:9.0f} {needed / 1e6:11.1f} {rate * needed / speed:9.0%} {rate / AUTHORS:8.0f}x",
            flush=True,
        )
    with tempfile.TemporaryDirectory() as cache:
        cold = compile_seconds(False, cache)
        print(
            f"first steps of a new process: {cold:.1f} s compiling, {compile_seconds(True, cache):.1f} s from the cache"
        )


if __name__ == "__main__":
    main()
