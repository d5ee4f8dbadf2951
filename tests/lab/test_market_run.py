"""Runs of markets: stored, resumed, tested elsewhere, failed."""

import subprocess
import sys

import numpy as np
import pytest

import tacitlab
from tacitlab.engine import checkpoint
from tacitlab.errors import TacitError
from tacitlab.lab.experiment import Experiment, Length, Trace
from tacitlab.lab.experiment import Test as FrozenPlay
from tacitlab.learners import DQN, FixedSchedule, Geometric, Memory, QNetwork, Random
from tacitlab.markets import Execution

LEARNER = DQN(
    rate=1e-3, batch=16, memory=Memory(capacity=200), network=QNetwork(width=8, layers=2),
    exploration=Geometric(factor=0.9, every=20),
)  # fmt: skip
MARKET = Execution(order="simultaneous", trades="parts", parts=5, reward="trade")


def experiment(**changes):
    fields = {
        "environment": MARKET, "learners": LEARNER, "length": Length(episodes=60), "sessions": 3, "seed": 5,
        "trace": Trace(windows=10), "test": FrozenPlay(episodes=20, baselines=False),
    }  # fmt: skip
    return Experiment(**{**fields, **changes})


@pytest.fixture(scope="module")
def result():
    return tacitlab.run(experiment())


def test_a_run_in_memory_equals_one_on_disk(result, tmp_path):
    stored = tacitlab.run(experiment(), tmp_path / "run")
    assert stored.manifest["content_hash"] == result.manifest["content_hash"]
    assert stored.data.equals(result.data)
    again = tacitlab.load(tmp_path / "run")
    assert again.data.equals(result.data)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_results_have_sizes_units_and_benchmarks(result):
    data = result.data
    assert dict(data.sizes) == {"session": 3, "time": 10, "agent": 2, "episode": 20, "step": 10}
    assert data.test_payoff.attrs["units"] == "currency"
    np.testing.assert_allclose(data.nash_payoff, -12.0706, atol=1e-4)
    assert result.manifest["failures"] == []
    assert np.isfinite(data.test_trade).all()
    np.testing.assert_allclose(data.test_trade.sum("step"), 100, rtol=1e-5)


def test_learning_windows_hold_every_episode(result):
    finer = tacitlab.run(experiment(trace=Trace(windows=60)))
    coarse = finer.data.payoff.values.reshape(3, 10, 6, 2).mean(axis=2)
    np.testing.assert_allclose(coarse, result.data.payoff, rtol=1e-5)


def test_sessions_differ_and_seeds_matter(result):
    payoffs = result.data.payoff.values
    assert not np.allclose(payoffs[0], payoffs[1])
    other = tacitlab.run(experiment(seed=6))
    assert not np.allclose(other.data.payoff, payoffs)


KILLED = """
import os, signal, sys
import tacitlab
from tacitlab.engine import checkpoint

sys.path.insert(0, "tests/lab")
from test_market_run import experiment

checkpoint.EVERY = 0.0
write = checkpoint.Checkpoint.write
def killing(self, done, *rest):
    write(self, done, *rest)
    if done == 300:
        os.kill(os.getpid(), signal.SIGKILL)
checkpoint.Checkpoint.write = killing
tacitlab.run(experiment(), sys.argv[1])
"""


def test_a_killed_run_goes_on_from_its_checkpoint_to_the_same_bits(result, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert list((folder / "checkpoints").iterdir())
    steps = []
    read = checkpoint.Checkpoint.read
    monkeypatch.setattr(checkpoint.Checkpoint, "read", lambda self: steps.append(found := read(self)) or found)
    resumed = tacitlab.resume(folder)
    assert steps[0][0] == 300
    assert resumed.manifest["content_hash"] == result.manifest["content_hash"]


def test_a_run_on_other_devices_is_not_continued(tmp_path):
    folder = tmp_path / "run"
    subprocess.run([sys.executable, "-c", KILLED, str(folder)], capture_output=True)
    with pytest.raises(TacitError, match=r"devices .* now 1 x cpu\); give --threads as before"):
        tacitlab.resume(folder, threads=1)


def test_test_elsewhere_leaves_training_alone(result):
    noisy = tacitlab.run(experiment(test=FrozenPlay(episodes=20, environment={"volatility": 0.05})))
    np.testing.assert_array_equal(noisy.data.payoff, result.data.payoff)
    assert (noisy.data.test_payoff.std("episode") > 5 * result.data.test_payoff.std("episode")).all()


def test_scripted_agents_cost_what_theory_says():
    market = Execution(volatility=0.0)
    twap = FixedSchedule()
    run = tacitlab.run(
        experiment(environment=market, learners=twap, length=Length(episodes=5), test=FrozenPlay(episodes=4000))
    )
    # The coin's luck averages out over agents in every episode, and over episodes for each of them.
    np.testing.assert_allclose(run.data.test_payoff.mean("agent"), -11.5, rtol=1e-4)
    np.testing.assert_allclose(run.data.test_payoff.mean(("session", "episode")), -11.5, atol=0.02)
    nash = tacitlab.run(
        experiment(environment=market, learners=FixedSchedule(trades="nash"), length=Length(episodes=5))
    )
    np.testing.assert_allclose(nash.data.test_payoff.mean(), -12.679, atol=2e-3)


def test_what_may_be_bought_is_what_the_benchmarks_say():
    """With purchases allowed, the schedule that they make cheaper is followed as it is; greedy agents never buy."""
    trades = (28.0, 43, 29, 0, -29, -43, -28, 0, 40, 60)
    market = {"lag": 2, "order": "simultaneous", "volatility": 0.0}
    short = {"length": Length(episodes=2), "sessions": 1, "test": FrozenPlay(episodes=2)}
    run = tacitlab.run(
        experiment(environment=Execution(buying=True, **market), learners=FixedSchedule(trades=trades), **short)
    )
    np.testing.assert_allclose(run.data.test_trade[0], np.tile(np.array(trades)[:, None], 2), atol=1e-3)
    sellers = Execution(**market)
    cost = sellers.game.costs(np.tile(np.array(trades)[:, None], (2, 1, 1))).sum()
    assert float(-run.data.test_payoff.sum("agent").mean()) == pytest.approx(cost, abs=1e-3)
    assert cost < 50 / 3, "less than those who only sell can pay"
    numbers = sellers.benchmarks().numbers
    assert numbers["least possible sum of shortfalls without purchases"] == pytest.approx(50 / 3)
    greedy = {"environment": Execution(**market, trades="parts", parts=5), "sessions": 2}
    for epsilon, buys in ((0.0, False), (1.0, True)):
        found = tacitlab.run(experiment(**greedy, test=FrozenPlay(episodes=20, epsilon=epsilon)))
        assert (float(found.data.test_trade_path.min()) < -1e-3) == buys


def test_learners_may_differ():
    run = tacitlab.run(experiment(learners=[FixedSchedule(agents=1), LEARNER]))
    np.testing.assert_allclose(run.data.test_trade[..., 0], 10, rtol=1e-5)
    assert np.isnan(run.data.loss[..., 0]).all()
    assert np.isfinite(run.data.loss[:, -1, 1]).all()


def test_a_session_that_diverges_is_reported_and_hurts_nobody():
    """Some sessions keep below a bound and others do not: those that do are as they are without it."""
    wild = LEARNER.model_copy(update={"rate": 0.3, "largest_value": 1e30})
    free = tacitlab.run(experiment(learners=wild, sessions=4))
    assert not free.manifest["failures"]
    bound, failed = float(free.data.value.max()), [0, 1, 2, 3]  # of a window's mean: single steps lie above it
    while len(failed) == 4:
        bound *= 1.2
        run = tacitlab.run(experiment(learners=wild.model_copy(update={"largest_value": bound}), sessions=4))
        failed = [failure["session"] for failure in run.manifest["failures"]]
    survivors = sorted({0, 1, 2, 3} - set(failed))
    assert failed, "no bound was found that some sessions keep and others do not"
    for failure in run.manifest["failures"]:
        assert failure["cause"].startswith("values grow")
        assert np.isnan(run.data.test_payoff[failure["session"]]).all()
    for name in ("payoff", "test_payoff", "test_trade", "value"):
        np.testing.assert_array_equal(run.data[name][survivors], free.data[name][survivors])
        assert np.isfinite(run.data[name][survivors]).any()


def test_values_that_are_not_finite_are_reported():
    run = tacitlab.run(experiment(learners=LEARNER.model_copy(update={"rate": 1e30})))
    assert {failure["cause"] for failure in run.manifest["failures"]} <= {
        "the loss or a value is not a finite number", "values grow beyond learners.largest_value",
    }  # fmt: skip
    assert len(run.manifest["failures"]) == 3


def test_sweeps_keep_their_cells_apart():
    run = tacitlab.run(
        experiment(learners=Random(), sweep={"environment.volatility": [0.0, 0.05]}, length=Length(episodes=5))
    )
    alone = tacitlab.run(
        experiment(
            learners=Random(), environment=MARKET.model_copy(update={"volatility": 0.05}), length=Length(episodes=5)
        )
    )
    np.testing.assert_array_equal(run.data.test_payoff.sel(volatility=0.05), alone.data.test_payoff)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"length": Length()}, "length.episodes: missing"),
        ({"length": Length(episodes=5, periods=100)}, "length.periods: a market is played in episodes"),
        ({"timing": "alternating"}, "timing: markets have their own order"),
        ({"test": {"environment": {"volatilty": 1}}}, "test.environment.volatilty: no such field"),
        ({"test": {"environment": {"inventories": [1, 2, 3]}}}, "test.environment: it changes who plays"),
        ({"learners": tacitlab.learners.Ucb1()}, "ucb1 plays stage games only"),
        ({"learners": FixedSchedule(trades=(1.0, 2.0))}, "learners.trades: 2 trades do not fit 10 steps"),
        (
            {"learners": FixedSchedule(trades=(28, 43, 29, 0, -29, -43, -28, 0, 40, 60))},
            "learners.trades: step 6 buys 43 against the inventory; trade one way only, or set environment.buying=true",
        ),
        (
            {
                "environment": Execution(inventories=(100.0, 0.0)),
                "learners": [FixedSchedule(agents=1), FixedSchedule(trades=(5.0, *[0.0] * 8, -5.0))],
            },
            "learners.trades: step 1 sells 5 against the inventory",
        ),
        (
            {
                "environment": Execution(buying=True),
                "learners": FixedSchedule(trades=(-10.0, *[0.0] * 8, 110.0)),
            },
            "learners.trades: they lead to an inventory of 110, beyond the 100",
        ),
        ({"learners": [LEARNER.model_copy(update={"agents": 3})]}, "learners.agents"),
    ],
)
def test_mistakes_are_told_in_one_line(changes, words):
    with pytest.raises(TacitError) as error:
        tacitlab.run(experiment(**changes))
    assert words in str(error.value)
    assert "\n" not in str(error.value)
