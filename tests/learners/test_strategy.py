"""Strategies that are given and beginnings that are set: as a loop in plain Python plays them."""

import itertools

import numpy as np
import pytest

import tacitlab
from tacitlab.audits.collusion import frozen_play, full_optimality
from tacitlab.engine.tabular import seat_of
from tacitlab.errors import TacitError
from tacitlab.games import Bertrand, Matrix, PrisonersDilemma
from tacitlab.games.naming import action_of, joint_action
from tacitlab.lab.experiment import from_mapping
from tacitlab.learners import Strategy

PD = PrisonersDilemma()


def played(learners, start="random", environment=None, periods=12, **more):
    """A run that records every period."""
    plan = {
        "environment": environment or {"kind": "prisoners-dilemma"}, "learners": learners, "start": {"history": start},
        "length": {"periods": periods}, "trace": {"window": 1, "windows": periods}, "sessions": 2, **more,
    }  # fmt: skip
    return tacitlab.run(from_mapping(plan))


def actions_in(result):
    """Actions (periods, agents) of the first session."""
    return result.data.frequency.values.squeeze()[0].argmax(-1)


def by_hand(tables, memory, history, periods, size=2):
    """The same in plain Python: the state lists the remembered joint actions, the newest last."""
    states = list(itertools.product(itertools.product(range(size), repeat=len(tables)), repeat=memory))
    past, found = [tuple(row) for row in history], []
    for _ in range(periods):
        state = states.index(tuple(past[len(past) - memory :]))
        now = tuple(int(table[state]) for table in tables)
        past.append(now)
        found.append(now)
    return np.array(found)


@pytest.mark.parametrize("memory", [1, 2])
def test_tables_are_played_in_the_order_of_states_from_the_start_that_is_set(memory):
    rng = np.random.default_rng(memory)
    for _ in range(4):
        tables = rng.integers(0, 2, (2, 4**memory))
        history = rng.integers(0, 2, (memory, 2))
        learners = [{"kind": "strategy", "agents": 1, "memory": memory, "table": table.tolist()} for table in tables]
        result = played(learners, history.tolist())
        np.testing.assert_array_equal(actions_in(result), by_hand(tables, memory, history, 12))
        np.testing.assert_array_equal(result.strategies()[1][0], tables[1])


def test_what_is_older_than_the_start_is_as_its_oldest_period():
    table = np.random.default_rng(5).integers(0, 2, (2, 16))
    learners = [{"kind": "strategy", "agents": 1, "memory": 2, "table": row.tolist()} for row in table]
    whole, short = (played(learners, start) for start in ([[0, 1], [0, 1]], [["cooperate", "defect"]]))
    np.testing.assert_array_equal(actions_in(whole), actions_in(short))


EXPECTED = {  # of a player whose rival defects in the second and third period only
    "always": [0, 0, 0, 0, 0, 0], "grim-trigger": [0, 0, 1, 1, 1, 1], "tit-for-tat": [0, 0, 1, 1, 0, 0],
    "win-stay-lose-shift": [0, 0, 1, 0, 0, 0],
}  # fmt: skip


@pytest.mark.parametrize("rule", EXPECTED)
def test_rules_answer_defections_as_their_names_say(rule):
    agent = Strategy(rule=rule)
    seat = seat_of(PD.form(), 0, agent, 1, 9, lambda *_: None, named=PD.actions())
    table = agent.behaviour(seat).values[0].argmax(-1)
    mine, found = 0, []
    for rival in [0, 1, 1, 0, 0, 0]:
        found.append(int(mine))
        mine = table[2 * mine + rival]
    assert found == EXPECTED[rule]


def test_two_of_a_kind_after_a_defection():
    alone = [[0, 1]]
    for rule, last in {"grim-trigger": [1, 1], "win-stay-lose-shift": [0, 0], "always": [0, 0]}.items():
        assert actions_in(played({"kind": "strategy", "rule": rule}, alone))[-1].tolist() == last
    turns = actions_in(played({"kind": "strategy", "rule": "tit-for-tat"}, alone))
    assert turns[:4].tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]


def test_a_planted_cartel_is_an_equilibrium_and_dupes_at_the_same_prices_are_not():
    found = {}
    for rule in ("grim-trigger", "always"):
        result = played({"kind": "strategy", "rule": rule}, "optimum", {"kind": "bertrand"}, periods=50)
        play, cycle, discount = frozen_play(result)
        assert discount == 0.95
        found[rule] = full_optimality(play.best_response_gap(discount), cycle)
        best = Bertrand().form().payoffs[0].mean(-1).max()
        np.testing.assert_allclose(result.data.limit_payoff.values.mean(), best, rtol=1e-12)
    assert found["grim-trigger"].equilibrium_on_path.all()
    assert not found["always"].equilibrium_on_path.any()


def test_a_cartel_that_begins_anywhere_else_is_punishing():
    result = played({"kind": "strategy"}, "nash", {"kind": "bertrand"}, periods=20)
    own = Bertrand().form().tensor()[..., 0]  # of a symmetric game
    least = min(own[k, k] for k in range(len(own)) if own[k, k] == own[:, k].max())
    np.testing.assert_allclose(result.data.limit_payoff.values.mean(), least, rtol=1e-12)


def test_the_start_that_is_not_set_is_random_and_one_that_is_set_is_swept_stored_and_shown(tmp_path):
    base = {"environment": PD, "learners": {"kind": "strategy"}, "length": {"periods": 5}, "sessions": 40}
    share = tacitlab.run(from_mapping(base)).data.limit_payoff.values.mean(-1) == 3
    assert 0 < share.mean() < 0.5  # a quarter of the beginnings
    swept = from_mapping({**base, "sweep": {"start.history": ["optimum", "nash"]}})
    result = tacitlab.run(swept, tmp_path / "run")
    means = tacitlab.load(tmp_path / "run").data.limit_payoff.mean(["session", "agent"])
    assert means.values.tolist() == [3, 1]
    assert result.experiment.dump()["start"] == {"history": "random"}
    set_to = from_mapping(base, [("start.history", [["cooperate", "defect"]])])
    assert from_mapping(set_to.dump()) == set_to


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"start.history": "collude"}, ["start.history", "collude", "cooperate, defect"]),
        ({"start.history": [[0, 1, 1]]}, ["start.history", "3 actions for 2 players"]),
        ({"start.history": 7}, ["start.history", "no action 7", "0 to 1"]),
        ({"start.history": 0.5}, ["start.history", "0.5", "whole number"]),
        ({"learners.rule": "tit-for-tat", "learners.memory": 0}, ["learners.memory", "tit-for-tat", "rule=always"]),
        ({"learners.rule": "always", "learners.table": [0]}, ["learners.table", "always", "leave out"]),
        ({"learners.rule": "grin"}, ["learners.rule", "grin", "grim-trigger"]),
        ({"learners.table": [0, 1]}, ["learners.table", "2 actions for 4 states", "give 4"]),
        ({"learners.table": [0, 1, 1, 5]}, ["learners.table", "no action 5"]),
        ({"learners.observes": "own"}, ["learners.rule", "everybody"]),
        ({"environment": {"kind": "braess"}}, ["learners.observes", "memory: 0"]),
        ({"environment": {"kind": "execution"}, "length": {"episodes": 9}}, ["learners.kind", "stage games only"]),
        ({"environment": {"kind": "execution"}, "length": {"episodes": 9}, "learners": {"kind": "random"},
          "start.history": 0}, ["start.history", "leave it out"]),
        ({"learners": {"kind": "ppo"}, "start.history": 0}, ["start.history", "leave it out"]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(change, words):
    base = {"environment": {"kind": "prisoners-dilemma"}, "learners": {"kind": "strategy"}, "length": {"periods": 9}}
    with pytest.raises(TacitError) as error:
        tacitlab.run(from_mapping(base, list(change.items())))
    assert "\n" not in str(error.value)
    assert all(word in str(error.value) for word in words), error.value


def test_actions_are_named_by_the_prices_that_are_printed():
    game = Bertrand()
    form, named = game.form(), game.actions()
    for k, price in enumerate(named.values[0]):
        assert action_of(form, named, float(f"{price:.4g}"), 1, "x") == k
    with pytest.raises(TacitError, match=r"x: 9 is no price of player 0; the nearest are"):
        joint_action(form, named, 9.0, "x")


def test_players_with_different_actions_have_their_own():
    payoffs = np.zeros((2, 2, 3))
    payoffs[0, 1, :], payoffs[1, :, 2] = 1.0, 1.0
    game = Matrix(payoffs=payoffs.tolist())
    assert joint_action(game.form(), game.actions(), "optimum", "x").tolist() == [1, 2]
    with pytest.raises(TacitError, match="player 0 has actions 0 to 1"):
        joint_action(game.form(), game.actions(), 2, "x")
    payoffs[1] = [[1, 0, 0], [0, 1, 0]]
    payoffs[0] = -payoffs[1]
    pennies = Matrix(payoffs=payoffs[:, :, :2].tolist())
    with pytest.raises(TacitError, match="no pure equilibrium"):
        joint_action(pennies.form(), pennies.actions(), "nash", "x")
