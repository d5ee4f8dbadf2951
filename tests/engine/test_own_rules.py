"""Rules that are not in the table: the same bits as in it, and own bandits beside plain NumPy loops."""

import dataclasses
import math
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from test_tabular import CASES, DUEL, ROADS, prepare

from tacitlab.engine import tabular
from tacitlab.engine.streams import CHOOSING, INITIAL_STATE, PLAY, rule_tape, tape, tape_at
from tacitlab.errors import TacitError
from tacitlab.learners import QLearning
from tacitlab.learners.base import RULE_MODULES, TABLE, Behaviour, Rules, TabularLearner, TabularRule, blank

sys.path.insert(0, str(Path(__file__).parents[1] / "learners"))
from own_bandits import GradientBandit, Thompson

STOP = np.zeros(1, np.bool_)
SEED, SESSION, PERIODS = 11, 2, 400


def abroad(rule):
    """A rule of the table with its functions themselves in place of their names: the table does not know it."""
    from tacitlab.engine.rules import function_of

    found = dataclasses.replace(
        rule, **{name: step and function_of(step) for name in ("choose", "learn") if (step := getattr(rule, name))}
    )
    assert found not in TABLE or rule == Rules.NOTHING
    return found


class Abroad(TabularLearner):
    """Another learner whose rules are its own."""

    kind: Literal["abroad"] = "abroad"
    inner: Any
    updates: str = "chosen"

    def memory_of(self):
        return self.inner.memory_of()

    def behaviour(self, seat):
        made = self.inner.behaviour(seat)
        return dataclasses.replace(made, choice=abroad(made.choice), rule=abroad(made.rule))


def played(form, learners, options):
    return tabular.play(prepare(form, learners, **options), SEED, SESSION, 2, STOP)


def equal(one, other):
    for name in one._fields:
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True), name


@pytest.mark.parametrize(
    "case",
    [
        "mixed",
        "scripted",
        "alternating bandits",
        "roads mixed",
        "entry sarsa",
        "counterfactual own",
        "stops",
        "boltzmann",
    ],
)
def test_the_table_decides_no_bit(case):
    form, learners, options = CASES[case]
    foreign = [Abroad(inner=learner, agents=learner.agents) for learner in learners]
    plan = prepare(form, foreign, **options)
    assert plan.foreign
    assert plan.groups["foreign"].all()
    record = tabular.play(plan, SEED, SESSION, 2, STOP)
    known = played(form, learners, options)
    if case == "scripted":  # what a foreign policy remembers is not known, so no cycle is sought; here none is either
        assert not known.cycle_length.any()
    equal(known, record)
    half = [foreign[0], *learners[1:]]
    if len(half) > 1:
        equal(known, played(form, half, options))


def test_functions_of_the_table_are_where_it_says():
    from tacitlab.engine.rules import function_of

    steps = [step for rule in TABLE for step in (rule.choose, rule.learn) if step is not None]
    assert all(callable(function_of(step)) for step in steps)
    assert len(RULE_MODULES) > 3
    assert len(set(TABLE)) == len(TABLE)


def plan_of(form, learners, **options):
    return tabular.prepare(
        form, learners, **{"alternating": False, "periods": PERIODS, "stable_for": 0, "window": 1, "windows": PERIODS,
        "sessions": 1, "keep_values": True, "trained": lambda *_: None, **options},
    )  # fmt: skip


def thompson_by_hand(payoffs, noise, periods):
    """Two agents with no memory, written from the definition; actions by period and final means."""
    n, m = 2, payoffs.shape[:2]
    mean, tries = [np.zeros(k) for k in m], [np.zeros(k) for k in m]
    log = []
    for t in range(periods):
        chosen = []
        for i in range(n):
            draws = rule_tape(SEED, SESSION, CHOOSING, t * n + i, 2 * m[i])
            normals = [
                math.sqrt(-2 * math.log(1 - draws[2 * a])) * math.cos(2 * math.pi * draws[2 * a + 1])
                for a in range(m[i])
            ]
            chosen.append(int(np.argmax(mean[i] + noise / np.sqrt(tries[i] + 1) * normals)))
        for i in range(n):
            tries[i][chosen[i]] += 1
            mean[i][chosen[i]] += (payoffs[*chosen, i] - mean[i][chosen[i]]) / (tries[i][chosen[i]] + 1)
        log.append(chosen)
    return np.array(log), mean


def test_thompson_sampling_is_what_a_plain_loop_says():
    record = tabular.play(plan_of(DUEL, [Thompson(noise=0.5)]), SEED, SESSION, 1, STOP)
    log, mean = thompson_by_hand(DUEL.tensor(), 0.5, PERIODS)
    assert np.array_equal(record.frequency[0].argmax(axis=2), log)
    np.testing.assert_allclose(record.values[0], np.concatenate(mean), rtol=1e-12)
    assert np.array_equal(record.greedy[0], [int(np.argmax(m)) for m in mean])
    assert len({tuple(actions) for actions in log}) > 4


def gradient_by_hand(form, alpha, periods):
    """Drivers who each have the gradient bandit; counts by period and final preferences."""
    n, m = form.players, form.actions
    preference, mean, count, log = np.zeros((n, m)), np.zeros(n), np.zeros(n), []
    for t in range(periods):
        chosen = []
        for i in range(n):
            weights = np.exp(preference[i] - preference[i].max())
            u, total = tape_at(SEED, SESSION, PLAY, t * n + i), np.cumsum(weights / weights.sum())
            chosen.append(min(int((u >= total).sum()), m - 1))
        counts = np.bincount(chosen, minlength=m)
        worth = form.payoffs(counts)
        for i, a in enumerate(chosen):
            policy = np.exp(preference[i]) / np.exp(preference[i]).sum()
            preference[i] += alpha * (worth[a] - mean[i]) * ((np.arange(m) == a) - policy)
            count[i] += 1
            mean[i] += (worth[a] - mean[i]) / count[i]
        log.append(counts)
    return np.array(log), preference


def test_the_gradient_bandit_is_what_a_plain_loop_says():
    record = tabular.play(plan_of(ROADS, [GradientBandit(alpha=0.3)]), SEED, SESSION, 1, STOP)
    log, preference = gradient_by_hand(ROADS, 0.3, PERIODS)
    np.testing.assert_allclose(record.frequency[0, :, 0] * ROADS.players, log, atol=1e-5)
    np.testing.assert_allclose(record.values[0], preference.ravel(), rtol=1e-10, atol=1e-12)
    assert np.abs(preference).max() > 0.1


def test_own_and_known_rules_share_a_table():
    """Greedy actions of an own rule are searched by the engine, those of a known one kept by it."""
    record = tabular.play(plan_of(DUEL, [Thompson(agents=1, memory=1), QLearning(memory=1)]), SEED, 0, 1, STOP)
    ours, theirs = record.values[0, :36].reshape(12, 3), record.values[0, 36:].reshape(12, 4)
    assert np.array_equal(record.greedy[0], np.concatenate([ours.argmax(axis=1), theirs.argmax(axis=1)]))


def too_far(game, table, turn, i, u):
    return 1_000_000 if turn.t % np.uint64(2) else -5


def allocates(game, table, turn, i, u):
    return np.zeros(3).size


def lost(game, table, turn, i, reward):
    table.nothing[i] = reward


class Bad(TabularLearner):
    kind: Literal["bad"] = "bad"
    rule: Any

    def behaviour(self, seat):
        return Behaviour(self.rule, self.rule, blank(seat))


def test_actions_that_do_not_exist_are_the_last():
    record = tabular.play(plan_of(DUEL, [Bad(rule=TabularRule(too_far, frozen="random"))]), SEED, 0, 1, STOP)
    assert (record.frequency[0, :, 0, 2] == 1).all()
    assert (record.frequency[0, :, 1, 3] == 1).all()
    assert record.cycle_length[0] == 0


@pytest.mark.parametrize("rule", [TabularRule(allocates), TabularRule(abroad(Rules.RANDOM).choose, lost)])
def test_mistakes_are_told_in_one_line(rule):
    with pytest.raises(TacitError, match="learners: their functions cannot be compiled") as error:
        plan_of(DUEL, [Bad(rule=rule)])
    assert "\n" not in str(error.value)
    assert INITIAL_STATE == 1  # the purposes of streams are what they were
    assert len(tape(1, 0, PLAY, 1)) == 1
