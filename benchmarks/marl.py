"""IPPO and MAPPO beside JaxMARL's own training scripts: the same environment, hyper-parameters and steps.

Both learn ``MPE_simple_spread_v3`` with the numbers in JaxMARL's configuration files, but for the length of training
(``--updates``), over which the learning rate falls to 0 on both sides. Each side runs in a fresh process, in turn.
What is printed: returns of the episodes in the last tenth of training, in JaxMARL's units (a reward counts once for
each agent), with intervals over seeds and of their difference; training steps a second of all seeds together, with
compilation and without, in seconds of the clock and of the processor, and ratios.

JaxMARL's scripts are not in its package: ``--jaxmarl`` is a checkout of its repository. They also need distrax, but
neither wandb nor hydra, in whose place nothing is done. IPPO's script trains all seeds as one batch, MAPPO's one seed
at a time; ``--batch`` says otherwise.

``pip install -c constraints.txt -e '.[jaxmarl]' distrax``
``python benchmarks/marl.py --jaxmarl PATH [--algorithms ippo mappo] [--seeds 20] [--updates 130] [--batch N]``
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

ENVIRONMENT, AGENTS, EPISODE = "MPE_simple_spread_v3", 3, 26
SCRIPTS = {
    "ippo": ("IPPO/ippo_ff_mpe.py", "IPPO/config/ippo_ff_mpe.yaml"),
    "mappo": ("MAPPO/mappo_rnn_mpe.py", "MAPPO/config/mappo_homogenous_rnn_mpe.yaml"),
}
SHARE = 10  # the last so many parts of training are judged
MULTIPLE = SHARE * EPISODE // 4  # updates of 128 steps that make whole episodes in every part


@dataclass
class Clock:
    """Seconds since the last look, of the clock and of the processor."""

    wall: float = 0.0
    processor: float = 0.0

    def __post_init__(self) -> None:
        self.look()

    def look(self) -> np.ndarray:
        """What has passed."""
        now = np.array([time.perf_counter(), time.process_time()])
        passed = now - (self.wall, self.processor)
        self.wall, self.processor = now
        return passed


def settings(path: Path, algorithm: str, updates: int) -> dict[str, Any]:
    """A script's configuration as it reads it, with the length of training changed."""
    import yaml

    config = yaml.safe_load((path / "baselines" / SCRIPTS[algorithm][1]).read_text())
    config |= {name: float(config[name]) for name in ("LR", "TOTAL_TIMESTEPS")}  # YAML 1.1 takes 1e7 for a text
    assert config["ENV_NAME"] == ENVIRONMENT
    assert not config["ENV_KWARGS"]
    return config | {"TOTAL_TIMESTEPS": float(updates * config["NUM_STEPS"] * config["NUM_ENVS"])}


# --- JaxMARL -------------------------------------------------------------------------------------------------------


def theirs(path: Path, algorithm: str, seeds: int, updates: int, batch: int) -> dict[str, Any]:
    """Train with JaxMARL's script, so many seeds at a time."""
    import jax

    # Their logging reads arrays inside a callback, which on a processor may wait for the very program that called it.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    logged: list[Any] = []
    wandb, hydra, omegaconf = (types.ModuleType(name) for name in ("wandb", "hydra", "omegaconf"))
    mappo = algorithm == "mappo"  # of IPPO the program itself returns the curve
    wandb.log = lambda metrics: logged.append(np.asarray(metrics["returns"])) if mappo else None  # type: ignore[attr-defined]
    hydra.main = lambda **_: lambda function: function  # type: ignore[attr-defined]
    omegaconf.OmegaConf = None  # type: ignore[attr-defined]
    sys.modules |= {"wandb": wandb, "hydra": hydra, "omegaconf": omegaconf}
    spec = importlib.util.spec_from_file_location("script", path / "baselines" / SCRIPTS[algorithm][0])
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    config = settings(path, algorithm, updates)
    keys = jax.random.split(jax.random.PRNGKey(config["SEED"]), seeds).reshape(seeds // batch, batch, 2)
    train = script.make_train(config)
    clock = Clock()
    program = jax.jit(jax.vmap(train) if batch > 1 else lambda key: train(key[0])).lower(keys[0]).compile()
    compiling, returns = clock.look(), []
    for some in keys:
        logged.clear()
        out = jax.block_until_ready(program(some))
        jax.effects_barrier()
        # What is logged is logged seed by seed in each update.
        curve = out["metrics"]["returned_episode_returns"] if algorithm == "ippo" else np.array(logged)
        curve = np.asarray(curve).reshape(batch, updates) if algorithm == "ippo" else curve.reshape(updates, batch).T
        returns += curve[:, -(updates // SHARE) :].mean(axis=1).tolist()
    return report(returns, compiling, clock.look())


# --- this library --------------------------------------------------------------------------------------------------


def ours(path: Path, algorithm: str, seeds: int, updates: int) -> dict[str, Any]:
    """Train with the same numbers here, all seeds together."""
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"  # compiled anew, like the other side
    import jax

    from tacitlab.engine import deep
    from tacitlab.lab.deep_play import MarketWork
    from tacitlab.lab.experiment import from_mapping
    from tacitlab.lab.playing import cores

    config = settings(path, algorithm, updates)
    steps = updates * config["NUM_STEPS"]
    experiment = from_mapping(
        {
            "environment": {"kind": "jaxmarl", "env": ENVIRONMENT, "cut": "terminated"},
            "learners": learner(algorithm, config),
            "length": {"episodes": steps // EPISODE},
            "copies": config["NUM_ENVS"],
            "sessions": seeds,
            "seed": config["SEED"],
        }
    )
    plan, crew = MarketWork.of(experiment).plans[0], deep.crew(cores())
    assert experiment.market.horizon == EPISODE
    keys, part = crew.keys(experiment.seed, 0, seeds), steps // SHARE
    clock = Clock()
    play = jax.block_until_ready(crew.begin(plan.table, keys))
    compiling, running = clock.look(), []
    for k in range(SHARE):
        play, tally = jax.block_until_ready(crew.advance(plan.table, keys, play, k * part, part))
        running.append(clock.look())
    once = np.median(running[1:], axis=0)  # of a part that was not compiled
    compiling += running[0] - once
    episodes = np.asarray(tally.episodes)[:seeds].reshape(seeds, -1)
    returns = AGENTS * (np.asarray(tally.returns)[:seeds] / episodes).mean(axis=1)
    return report(returns.tolist(), compiling, np.sum(running[1:], axis=0) + once)


def learner(algorithm: str, config: dict[str, Any]) -> dict[str, Any]:
    """The learner that a configuration of JaxMARL describes."""
    shared = {
        "rate": config["LR"], "anneal": config["ANNEAL_LR"], "rollout": config["NUM_STEPS"],
        "epochs": config["UPDATE_EPOCHS"], "minibatches": config["NUM_MINIBATCHES"], "gamma": config["GAMMA"],
        "trace": config["GAE_LAMBDA"], "clip": config["CLIP_EPS"], "clip_values": True,
        "entropy_weight": config["ENT_COEF"], "clip_gradient": config["MAX_GRAD_NORM"],
        "value_weight": config["VF_COEF"] / 2,  # there it multiplies half the squared error
        "parameters": "shared", "agent_ids": False, "scale_rewards": False,
    }  # fmt: skip
    if algorithm == "ippo":
        return shared | {"kind": "ppo", "hidden": [64, 64], "activation": config["ACTIVATION"]}
    return shared | {
        "kind": "mappo", "critic_sees": "world", "activation": "relu", "hidden": [config["FC_DIM_SIZE"]],
        "recurrent": config["GRU_HIDDEN_DIM"], "readout": [config["GRU_HIDDEN_DIM"]], "readout_gain": 2.0,
        "sequence": config["NUM_STEPS"],
    }  # fmt: skip


# --- both ----------------------------------------------------------------------------------------------------------


def report(returns: list[float], compiling: np.ndarray, running: np.ndarray) -> dict[str, Any]:
    """What a process tells the one that started it."""
    return {"returns": returns, "compiling": compiling.tolist(), "running": running.tolist()}


def run(side: str, algorithm: str, given: argparse.Namespace) -> dict[str, Any]:
    """One side in a process of its own."""
    batch = given.batch or (given.seeds if algorithm == "ippo" else 1)
    command = [
        sys.executable, __file__, "--jaxmarl", str(given.jaxmarl), "--side", side, "--algorithms", algorithm,
        "--seeds", str(given.seeds), "--updates", str(given.updates), "--batch", str(batch),
    ]  # fmt: skip
    # Their logging calls back from the program: with as many threads as cores all may wait for each other, for ever.
    done = subprocess.run(command, capture_output=True, text=True, env={"NPROC": "16"} | os.environ)
    if done.returncode:
        sys.exit(f"{side}, {algorithm}: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(algorithm: str, given: argparse.Namespace) -> None:
    """Both sides, and what there is to say about them."""
    found = {side: run(side, algorithm, given) for side in ("jaxmarl", "tacit")}
    envs = settings(given.jaxmarl, algorithm, given.updates)
    steps = given.seeds * given.updates * envs["NUM_STEPS"] * envs["NUM_ENVS"]
    print(f"\n{algorithm}: {given.seeds} seeds of {steps // given.seeds} steps")
    speeds = {}
    for side, told in found.items():
        returns, compiling, running = (np.array(told[name]) for name in ("returns", "compiling", "running"))
        low, high = interval(returns)
        speeds[side] = steps / np.concatenate([running, compiling + running])
        print(f"  {side:8s} return {returns.mean():7.2f} [{low:.2f}, {high:.2f}]")
        wall, processor, wall_all, processor_all = speeds[side]
        print(
            f"  {side:8s} {wall:8.0f} steps/s, with compilation ({compiling[0]:.0f} s) {wall_all:.0f}; "
            f"of processor time {processor:.0f} and {processor_all:.0f}"
        )
    one, other = (np.array(found[side]["returns"]) for side in ("tacit", "jaxmarl"))
    if given.seeds > 1:
        found_test = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
        print(f"  difference of returns {one.mean() - other.mean():.2f} [{found_test.low:.2f}, {found_test.high:.2f}]")
    ratio = speeds["tacit"] / speeds["jaxmarl"]
    print(
        f"  tacit / jaxmarl: {ratio[0]:.2f}, with compilation {ratio[2]:.2f}; "
        f"of processor time {ratio[1]:.2f} and {ratio[3]:.2f}",
        flush=True,
    )


def interval(values: np.ndarray) -> tuple[float, float]:
    """Of the mean over seeds, 95 per cent, from Student's distribution."""
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values) if len(values) > 1 else np.nan
    return float(values.mean() - half), float(values.mean() + half)


def main() -> None:
    """Print everything."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--jaxmarl", type=Path, required=True, help="a checkout of JaxMARL's repository")
    arguments.add_argument("--algorithms", nargs="+", choices=sorted(SCRIPTS), default=["ippo", "mappo"])
    arguments.add_argument("--seeds", type=int, default=20)
    arguments.add_argument(
        "--updates", type=int, default=2 * MULTIPLE, help=f"of 128 steps each, a multiple of {MULTIPLE}"
    )
    arguments.add_argument("--batch", type=int, help="seeds that JaxMARL trains at a time")
    arguments.add_argument("--side", choices=["jaxmarl", "tacit"], help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.updates % MULTIPLE:
        sys.exit(f"--updates: {given.updates} is not a multiple of {MULTIPLE}; choose one")
    if given.batch and given.seeds % given.batch:
        sys.exit(f"--batch: {given.batch} does not divide {given.seeds} seeds; choose one that does")
    if not (given.jaxmarl / "baselines" / "IPPO").is_dir():
        sys.exit(f"--jaxmarl: {given.jaxmarl} has no baselines/IPPO; give a checkout of JaxMARL's repository")
    if given.side is None:
        for algorithm in given.algorithms:
            compare(algorithm, given)
        return
    (algorithm,) = given.algorithms
    task = (given.jaxmarl, algorithm, given.seeds, given.updates)
    print(json.dumps(theirs(*task, given.batch) if given.side == "jaxmarl" else ours(*task)))


if __name__ == "__main__":
    main()
