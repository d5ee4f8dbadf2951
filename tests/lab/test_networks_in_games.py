"""Every learner and every stage game: it plays, or says at once why not; networks play the repeated game."""

import re

import pytest

import tacitlab
from tacitlab import registry
from tacitlab.errors import TacitError
from tacitlab.games import Bertrand, PrisonersDilemma
from tacitlab.lab.experiment import from_mapping, load
from tacitlab.lab.run import prepare
from tacitlab.learners.base import TabularLearner
from tacitlab.markets import RepeatedGame
from tacitlab.report.answer import answer

TREE = {
    "environment": {"kind": "bertrand", "n_prices": 3}, "learners": {"kind": "ppo"}, "length": {"periods": 3_500},
    "sessions": 2,
}  # fmt: skip
#: What these cannot do without.
TOLD = {"rule": {"rule": "random"}, "best-response": {"run": "nowhere"}, "trained": {"run": "nowhere", "memory": 0}}
PAIRS = [(game, learner) for game in registry.entries("game") for learner in registry.entries("learner")]


@pytest.mark.parametrize(("game", "learner"), PAIRS)
def test_what_an_experiment_accepts_can_be_played(game, learner):
    tree = {**TREE, "environment": {"kind": game}, "learners": {"kind": learner, **TOLD.get(learner, {})}}
    table = issubclass(registry.find("learner", learner), TabularLearner)
    experiment, refusal = made_of(tree)
    if experiment is None:
        assert re.match(r"(learners\.[a-z.]+|nowhere): [^\n]+; [^\n]+$", refusal)
        assert not table or learner in ("trained", "strategy")  # there is no such run; nobody sees a joint action
    else:
        prepare(experiment)
        assert isinstance(experiment.environment, RepeatedGame) != table


def made_of(tree):
    """The experiment, or why there is none."""
    try:
        return from_mapping(tree), ""
    except TacitError as error:
        return None, str(error)


def test_who_is_refused_in_a_duopoly():
    learners = [{"kind": learner, **TOLD.get(learner, {})} for learner in registry.entries("learner")]
    refused = {learner["kind"] for learner in learners if made_of({**TREE, "learners": learner})[0] is None}
    # The team's, the markets' own, and what an earlier run left, where there is none.
    assert refused == {"best-response", "fixed-schedule", "qmix", "rule", "trained", "vdn"}


def test_what_becomes_of_the_stage_game():
    told = {"trace": {"window": 2000, "windows": 9}, "keep_values": True, "sweep": {"environment.mu": [0.25, 0.5]}}
    made = from_mapping({**TREE, **told, "length": {"periods": 9_500}})
    assert made.environment == RepeatedGame(game=Bertrand(n_prices=3), memory=1, horizon_periods=1000)
    assert made.length == tacitlab.Length(episodes=10)
    assert (made.trace.window, made.test.episodes, made.keep_values) == (2, 20, False)
    assert [cell.environment.game.mu for cell in made.cells()] == [0.25, 0.5]
    assert from_mapping(made.dump()) == made  # what is stored is what is played
    assert from_mapping(TREE, [("length", {"periods": 100})]).environment.horizon_periods == 100
    assert from_mapping(TREE, [("length", {"episodes": 7})]).length.episodes == 7
    assert from_mapping(TREE, [("test.episodes", 3)]).test.episodes == 3


def test_a_scenario_that_waits_for_tables_to_be_stable():
    made = load("bertrand", ["learners={kind: ppo}", "sessions=2"])
    assert made.length == tacitlab.Length(episodes=50)
    assert made.environment.horizon_periods == 1000


def test_tables_and_networks_side_by_side():
    table = {"kind": "q-learning", "memory": 2, "agents": 1, "initial": {"kind": "constant", "value": 0}}
    made = from_mapping({**TREE, "learners": [table, {"kind": "dqn"}]})
    assert made.environment.memory == 2  # in the market everybody sees what the table remembers
    assert [learner.kind for learner in made.learners] == ["q-learning", "dqn"]
    assert made.learners[0].memory == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"timing": "alternating"}, "timing: ppo learns where all move at once; set timing"),
        ({"intervention": {"kind": "prominence"}}, "intervention: 'prominence' acts on learners with"),
        ({"trace": {"window": 7}}, "trace.window: 7 periods are no whole episodes of 1000; set trace.window=null"),
        ({"length": {"periods": 10, "episodes": 2}}, "length.periods: the repeated game is played in episodes"),
        ({"environment": {"kind": "matrix", "payoffs": [[[1, 0]], [[1, 0]]]}}, "learners.kind: ppo plays the repeated"),
        ({"learners": [{"kind": "exp3", "agents": 1}, {"kind": "ppo"}]}, "learners.kind: exp3 plays stage games only"),
    ],
)  # fmt: skip
def test_what_has_no_counterpart_is_refused(changes, words):
    with pytest.raises(TacitError) as error:
        from_mapping({**TREE, **changes})
    assert str(error.value).startswith(words)


def test_cells_of_one_run_are_played_by_one_engine():
    tree = {**TREE, "learners": {"kind": "random"}, "sweep": {"learners.kind": ["random", "dqn"]}}
    with pytest.raises(TacitError, match="tables play the stage game, and networks the repeated game"):
        prepare(from_mapping(tree))


def test_a_network_plays_and_the_answer_says_how(tmp_path):
    made = tacitlab.Experiment(
        environment=PrisonersDilemma(), learners=tacitlab.learners.DQN(batch=4), length=tacitlab.Length(periods=60),
        test=tacitlab.Test(episodes=2), sessions=2,
    )  # fmt: skip
    result = tacitlab.run(made, tmp_path / "run")
    assert result.data["test_payoff"].shape == (1, 2, 2, 2) or result.data["test_payoff"].shape == (2, 2, 2)
    assert tacitlab.load(tmp_path / "run").experiment == made
    told = "1 episode of 60 periods in training; players see the last period"
    assert any(told in note for note in answer(result).notes)
