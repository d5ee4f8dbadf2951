"""Tabular learners with rules of their own: by name and as objects, swept, interrupted, in meta-games."""

from pathlib import Path

import numpy as np
import pytest
from own_bandits import TEMPLATE, GradientBandit, Thompson

import tacitlab
from tacitlab.errors import Interrupted
from tacitlab.lab.experiment import from_mapping
from tacitlab.lab.program import program
from tacitlab.learners import Constant, QLearning
from tacitlab.learners.base import RULE_MODULES
from tacitlab.metagame.game import metagame_from
from tacitlab.metagame.run import estimate
from tacitlab.store.folder import RunFolder

FILE = Path(__file__).parent / "own_bandits.py"
THOMPSON = f"{FILE}:Thompson"
TREE = {
    "environment": {"kind": "bertrand", "n_prices": 5},
    "learners": [{"kind": THOMPSON, "noise": 0.2, "agents": 1}, {"kind": f"{TEMPLATE}:MyLearner"}],
    "length": {"periods": 200}, "sessions": 6, "trace": {"windows": 5},
}  # fmt: skip


@pytest.fixture(scope="module")
def result():
    return tacitlab.run(from_mapping(TREE), threads=1)


def test_named_or_given_with_one_thread_or_two(result, tmp_path):
    given = tacitlab.Experiment(
        environment=tacitlab.games.Bertrand(n_prices=5), learners=[Thompson(noise=0.2, agents=1), GradientBandit()],
        length=tacitlab.Length(periods=200), sessions=6, trace={"windows": 5},
    )  # fmt: skip
    other = tacitlab.run(given, tmp_path / "run", threads=2)
    assert other.data.equals(result.data)
    assert tacitlab.load(tmp_path / "run").data.equals(result.data)
    assert len(np.unique(result.data["payoff"])) > 30  # sessions differ


def test_a_sweep_plays_what_is_played_alone(result):
    swept = tacitlab.run(from_mapping(TREE, [("sweep", {"learners.0.noise": [0.2, 2.0]})])).data
    assert swept.sel(noise=0.2).drop_vars("noise").equals(result.data)
    assert not swept.sel(noise=2.0, drop=True)["payoff"].equals(result.data["payoff"])


def test_resumed_it_is_what_it_would_have_been(result, tmp_path, monkeypatch):
    written = RunFolder.write_shard

    def stop_after_two(self, index, *rest):
        if index == 2:
            raise KeyboardInterrupt
        written(self, index, *rest)

    monkeypatch.setattr("tacitlab.lab.tabular_play.shard_length", lambda sessions, size: 1)
    monkeypatch.setattr(RunFolder, "write_shard", stop_after_two)
    with pytest.raises(Interrupted):
        tacitlab.run(from_mapping(TREE), tmp_path / "part")
    monkeypatch.setattr(RunFolder, "write_shard", written)
    assert tacitlab.resume(tmp_path / "part").data.equals(result.data)


def test_strategies_of_a_meta_game():
    """An entry beside an ordinary run; Thompson sampling meets a Q-learner and itself."""
    small = metagame_from(
        {"environment": TREE["environment"], "learner": {"kind": THOMPSON}, "grid": {"noise": [0.1, 1.0]},
         "others": [{"kind": "q-learning", "exploration": {"kind": "constant", "epsilon": 0.2}}], "periods": 200,
         "sessions": 4}
    )  # fmt: skip
    table = estimate(small).game.row
    strategies = [s.model_copy(update={"agents": 1}) for s in small.strategies()]
    for i, j in ((0, 2), (0, 1), (1, 1)):
        alone = tacitlab.Experiment(
            environment=small.environment, learners=[strategies[i], strategies[j]], sessions=4,
            length=tacitlab.Length(periods=200), trace={"windows": 5},
        )  # fmt: skip
        payoff = tacitlab.run(alone).data["payoff"].transpose("session", "time", "agent").values
        mine = payoff.mean(axis=2) if i == j else payoff[..., 0]
        assert table.mean[i, j] == pytest.approx(mine.mean(), rel=1e-12)


def test_under_an_intervention_it_learns_before_the_signal_is_given():
    """A recommender that does nothing but speak: with one state nothing changes; tables are told of the last payoff."""
    tree = {"environment": {"kind": "braess", "players": 6}, "learners": {"kind": THOMPSON}, "length": {"periods": 60},
            "sessions": 2, "trace": {"windows": 10}}  # fmt: skip
    plain = tacitlab.run(from_mapping(tree)).data
    steered = tacitlab.run(from_mapping(tree, [("intervention", {"kind": "recommender", "rule": "none"})])).data
    assert steered["frequency"].equals(plain["frequency"])
    np.testing.assert_allclose(steered["payoff"], plain["payoff"], rtol=1e-12)


def test_its_address_covers_its_file_and_the_rules_that_it_may_use():
    found = program(from_mapping(TREE))
    assert sorted(source.path for source in found.own) == sorted([FILE, TEMPLATE])
    assert {f"learners/{name}.py" for name in RULE_MODULES} <= set(found.code)
    plain = tacitlab.Experiment(
        environment=tacitlab.games.Bertrand(), learners=QLearning(exploration=Constant()), length={"periods": 9}
    )
    assert "learners/bandits.py" not in program(plain).code
