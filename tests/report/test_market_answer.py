"""Answers of runs in markets: every kind of benchmark, agents that differ, sessions that failed."""

import numpy as np
import pytest

from tacitlab.lab.experiment import from_mapping
from tacitlab.lab.result import Result, benchmark_payoffs, label
from tacitlab.report.answer import answer, answers, sweep_sentence
from tacitlab.report.market_tested import Failure, failure_sentence, outcome_of
from tacitlab.report.verdict import Word

SELLERS = {"kind": "execution", "order": "simultaneous"}  # Nash 12.0706, joint optimum 11
FIRMS = {"kind": "repeated-game", "game": {"kind": "bertrand"}, "horizon_periods": 20}  # Nash 0.223, monopoly 0.337
DONE = {"kind": "dqn", "exploration": {"kind": "constant", "epsilon": 0.1}}  # explores as little as it ever will
WINDOWS, EPISODES = 10, 4


def pretend(outcomes, environment=SELLERS, failed=(), learned=True, **more):
    """A result whose sessions ended in these costs (or payoffs): (sessions, agents), or (cells, sessions, agents)."""
    rng, found = np.random.default_rng(0), np.asarray(outcomes, dtype=float)
    found = found[None] if found.ndim == 2 else found
    sessions, n = found.shape[1:]
    experiment = from_mapping(
        {
            "name": "pretended", "environment": environment, "learners": DONE, "length": {"episodes": 40},
            "trace": {"windows": WINDOWS}, "sessions": sessions, "test": {"episodes": EPISODES}, **more,
        }
    )  # fmt: skip
    cells, market = list(experiment.cells()), experiment.market
    assert (len(cells), market.n_players) == (len(found), n)
    words, shape = market.words(), found.shape[:2]
    noise = rng.normal(0, 0.01, (*shape, EPISODES, n))
    failure = np.zeros(shape, dtype=np.int8)
    failure[0, list(failed)] = 2
    broken = np.where(failure > 0, np.nan, 1.0)
    test = words.sign * (found[:, :, None] + noise - noise.mean(2, keepdims=True))
    curve, unit = ("cell", "session", "time", "agent"), words.unit
    losses = np.where(learned, 100 * np.exp(-np.arange(WINDOWS)), np.nan)[:, None] * rng.uniform(1, 2, (*shape, 1, n))
    payoffs = rng.normal(words.sign * found[:, :, None], 0.1, (*shape, WINDOWS, n))
    variables = {
        "payoff": (curve, payoffs, unit, ""), "loss": (curve, losses, "", ""), "value": (curve, losses, unit, ""),
        "failure": (curve[:2], failure, "", ""), "failed_at": (curve[:2], np.where(failure > 0, 7, -1), "episodes", ""),
        "test_payoff": ((*curve[:2], "episode", "agent"), broken[..., None, None] * test, unit, ""),
    }  # fmt: skip
    for quantity in market.quantities():
        dims = (*curve[:2], "step", "agent") if quantity.by_agent else (*curve[:2], "step")
        size = (*shape, market.horizon, n)[: len(dims)]
        values = rng.uniform(1, 2, size) * broken.reshape(*shape, *[1] * (len(dims) - 2))
        variables[f"test_{quantity.name}"] = (dims, values.astype(np.float32), quantity.unit, "")
    coordinates = {
        "session": (("session",), np.arange(sessions), "", ""),
        "time": (("time",), np.arange(1, WINDOWS + 1) * 4, "episodes", ""),
        "step": (("step",), np.arange(market.horizon), "steps", ""),
        **{k: (*v, "") for k, v in benchmark_payoffs([cell.judged_in() for cell in cells], n, unit).items()},
    }
    manifest = {"seed": 0, "sessions": sessions, "versions": {}, "content_hash": "none"}
    return Result(experiment, label(experiment, variables, coordinates), manifest, lambda cell: {})


def around(*means, sessions=10, spread=0.02):
    return np.array(means) + np.linspace(-spread, spread, sessions)[:, None]


def names(found):
    return [finding.name for finding in found.findings]


# --- two equal agents ------------------------------------------------------------------------------------------


def test_both_agents_together_and_the_cheaper_and_the_dearer_one():
    costs = np.array([[11.0, 12.0], [12.2, 11.2], [11.1, 11.9], [11.4, 11.4]])
    found = answer(pretend(costs))
    assert names(found) == ["shortfall", "shortfall, cheaper trader", "shortfall, dearer trader"]
    means = [finding.estimate.mean for finding in found.findings]
    np.testing.assert_allclose(means, [costs.mean(), costs.min(axis=1).mean(), costs.max(axis=1).mean()])
    np.testing.assert_allclose([f.nash for f in found.findings], 12.0706, atol=1e-4)
    np.testing.assert_allclose([f.optimum for f in found.findings], 11.0)
    assert found.gain.mean == pytest.approx((12.07065 - costs.mean()) / 1.07065, abs=1e-3)
    assert found.labels == ("Nash", "joint optimum")
    assert found.tally == "0 of 4"


@pytest.mark.parametrize(
    ("cost", "beginning"),
    [
        (11.1, "More cooperative than the competitive benchmark: the traders end 91% of the way"),
        (12.07, "Competitive: within 5% of the competitive benchmark: the traders end 0% of the way"),
        (13.0, "Worse for the traders than the competitive benchmark: the traders end -87%"),
        (10.0, "More cooperative than the competitive benchmark: the traders end 193% of the way"),
    ],
)
def test_the_verdict_uses_the_words_of_the_house(cost, beginning):
    assert answer(pretend(around(cost, cost))).verdict.text.startswith(beginning)


def test_a_wide_interval_decides_nothing():
    assert (
        "about 5,400 sessions would decide" in answer(pretend(around(12.0, 12.0, sessions=4, spread=0.5))).verdict.text
    )


def test_what_was_played_is_said_without_periods():
    found = answer(pretend(around(11.5, 11.5)))
    assert found.convergence == "10 sessions of 40 episodes, each then tested over 4 episodes with frozen policies."
    assert "period" not in found.sentence()
    test = {"environment": {"lag": 2}, "epsilon": 0.1, "episodes": EPISODES}
    elsewhere = answer(pretend(around(9.0, 9.0), test=test))
    assert "with frozen policies and 0.1 exploration, in another market" in elsewhere.convergence
    assert "(lag = 2)" in elsewhere.convergence
    assert elsewhere.findings[0].optimum == pytest.approx(8.333, abs=1e-3)  # of the market that was tested in


def test_an_optimum_that_treats_equal_agents_unequally():
    found = answer(pretend(around(24, 28), {"kind": "execution", "steps": 2, "shared_temporary": True}))
    assert names(found)[1:] == ["shortfall, cheaper trader", "shortfall, dearer trader"]
    assert [finding.optimum for finding in found.findings] == pytest.approx([25, 20, 30])


# --- failures --------------------------------------------------------------------------------------------------


def test_failed_sessions_are_left_out_counted_and_explained():
    costs = np.array([[11.0, 12.0], [500.0, 900.0], [11.2, 12.2], [300.0, 900.0]])
    result = pretend(costs, failed=(1, 3))
    found = answer(result)
    assert found.findings[0].estimate.n == 2
    assert found.findings[0].estimate.mean == pytest.approx(11.6)
    assert found.tally == "2 of 4"
    assert found.convergence.endswith(
        "2 of 4 sessions failed: values grow beyond learners.largest_value (sessions 1, 3); they are left out."
    )
    assert [failure.episode for failure in outcome_of(result, 0).failures] == [7, 7]


def test_one_session_that_is_left_says_nothing():
    found = answer(pretend([[11.0, 12.0], [500.0, 900.0]], failed=(1,)))
    assert found.verdict.text.startswith("One session alone says nothing; its outcome lies 53% of the way")
    assert "(session 1); it is left out." in found.convergence


def test_when_all_sessions_failed_there_is_no_outcome():
    found = answer(pretend(around(1, 1, sessions=3), failed=(0, 1, 2)))
    assert found.verdict.text == "Every session failed: nothing can be said about the outcome."
    assert found.gain is None
    assert np.isnan(found.findings[0].estimate.mean)
    assert "3 of 3 sessions failed" in found.convergence
    assert "40 episodes" in found.convergence


def test_a_test_without_finite_outcome_is_a_failure():
    result = pretend(around(11.5, 11.5))
    result.data["test_payoff"][2, 1, 0] = np.inf
    assert "1 of 10 sessions failed: the test has no finite outcome (session 2)" in answer(result).convergence


def test_many_failures_are_not_all_named():
    text = failure_sentence([Failure(k, "values grow", 1) for k in range(30)] + [Failure(30, "no number", 2)], 40)
    assert "sessions 0, 1" in text
    assert "and 18 more); no number (session 30); they" in text
    assert failure_sentence([], 40) == ""


# --- other benchmarks ------------------------------------------------------------------------------------------


def test_one_agent_is_judged_by_its_distance_from_the_optimum():
    alone = {"kind": "execution", "inventories": [100]}
    found = answer(pretend(around(7.8), alone))
    assert names(found) == ["shortfall"]
    assert found.gain is None
    assert found.verdict.text.startswith("With one trader alone, equilibrium and optimum are the same. Worse than the ")
    assert "differs from that of the optimum by +20.0% (95 % CI +" in found.verdict.text
    assert "Within 5% of the optimum" in answer(pretend(around(6.6), alone)).verdict.text
    assert "Better than the optimum" in answer(pretend(around(5.0), alone)).verdict.text
    assert "One session alone says nothing" in answer(pretend([[7.0]], alone)).verdict.text


@pytest.mark.parametrize(
    ("changes", "costs", "text"),
    [
        ({"permanent": 0}, (2.4, 2.4), "Nash and joint optimum coincide. Worse than joint optimum"),
        ({"lag": 2, "buying": True}, (6.5, 6.5), "No joint optimum is known. Within 5% of Nash"),
        ({"temporary": 1e-3, "permanent": 0.01}, (90.0, 90.0), "No equilibrium is known. Worse than joint optimum"),
        ({"temporary": 1e-3, "permanent": 0.01, "buying": True}, (90.0, 90.0), "No equilibrium and no joint"),
        ({"temporary": 0, "permanent": 0}, (0.1, 0.1), "differs from that of joint optimum by +0.1"),
    ],
)
def test_without_room_between_benchmarks_the_distance_from_one_is_told(changes, costs, text):
    found = answer(pretend(around(*costs, spread=0.001), {**SELLERS, **changes}))
    assert text in found.verdict.text
    assert found.gain is None
    assert found.notes


# --- agents that differ ----------------------------------------------------------------------------------------


def test_unequal_agents_have_a_row_each():
    found = answer(pretend(around(8.0, 3.0), {**SELLERS, "inventories": [100, 50]}))
    assert names(found) == ["shortfall", "shortfall, trader 1", "shortfall, trader 2"]
    assert found.findings[1].nash > found.findings[2].nash
    assert found.findings[1].detail
    assert not found.findings[0].detail


def test_agents_of_different_kinds_are_named():
    learners = [{"kind": "dqn", "agents": 1}, {"kind": "fixed-schedule", "trades": "nash"}]
    found = answer(pretend(around(12.0, 12.0), learners=learners))
    assert names(found) == ["shortfall", "shortfall, trader 1, dqn", "shortfall, trader 2, fixed-schedule"]
    many = [{"kind": "dqn", "agents": 3}, {"kind": "fixed-schedule"}]
    found = answer(pretend(around(*[30.0] * 8), {**SELLERS, "inventories": [100] * 8}, learners=many))
    assert names(found) == ["shortfall", "shortfall, 3 traders, dqn", "shortfall, 5 traders, fixed-schedule"]


@pytest.mark.parametrize(
    ("environment", "level", "learner"),
    [
        (SELLERS, 14.0, {"kind": "random"}),
        ({**SELLERS, "permanent": 0}, 3.0, {"kind": "random"}),
        ({"kind": "token", "agents": 2, "steps": 3}, -0.5, {"kind": "rule", "rule": "random"}),
    ],
)
def test_where_everybody_chooses_at_random_the_outcome_is_random_play(environment, level, learner):
    found = answer(pretend(around(level, level), environment, learners=learner, learned=False))
    assert found.verdict.word is Word.RANDOM
    assert "ot told from random play (" in found.verdict.text
    assert found.findings[0].random == pytest.approx(level)
    mixed = [{**learner, "agents": 1}, {"kind": "random"} if "rule" in learner else {"kind": "fixed-schedule"}]
    told = answer(pretend(around(level, level), environment, learners=mixed, learned=False))
    assert (told.findings[0].random is None) is ("rule" not in learner)


def test_agents_that_learn_nothing_are_said_to():
    found = answer(pretend(around(11.0, 11.0), learners={"kind": "fixed-schedule"}, learned=False))
    assert found.convergence == "Nobody learned: 10 sessions, each tested over 4 episodes."


def test_a_stage_game_as_a_market_shows_its_prices():
    found = answer(pretend(around(0.3, 0.3, spread=0.002), FIRMS))
    assert names(found) == ["profit", "price"]  # equal firms that earn the same
    assert found.findings[1].nash == pytest.approx(1.4729, abs=1e-4)
    assert 1 < found.findings[1].estimate.mean < 2
    assert found.gain.mean == pytest.approx(0.67, abs=0.02)
    assert found.labels[1] == "monopoly"


# --- sweeps ----------------------------------------------------------------------------------------------------


def test_a_sweep_over_a_field_of_the_market_counts_failures():
    costs = np.stack([around(11.5, 11.5), around(8.5, 8.5)])
    result = pretend(costs, failed=(4,), sweep={"environment.lag": [1, 2]})
    found = answers(result)
    assert [one.tally for one in found] == ["1 of 10", "0 of 10"]
    assert {one.tallied for one in found} == {"failed"}
    assert found[1].findings[0].optimum == pytest.approx(8.333, abs=1e-3)
    text = sweep_sentence(result, found)
    assert "The agents fare best at lag = 1" in text
    assert text.endswith("10 sessions in each of 2 cells. Failed and left out: 1 of 20.")


def test_a_sweep_keeps_the_findings_that_all_cells_have():
    costs = np.stack([around(11.5, 11.5), around(8, 3)])
    found = answers(pretend(costs, sweep={"environment.inventories": [[100, 100], [100, 50]]}))
    assert [names(one) for one in found] == [["shortfall"], ["shortfall"]]


def test_a_sweep_without_gains_tells_where_the_outcome_is_lowest():
    costs = np.stack([around(7.0), around(9.0)])
    result = pretend(costs, {"kind": "execution", "inventories": [100]}, sweep={"learners.rate": [1e-3, 1e-4]})
    text = sweep_sentence(result, answers(result))
    assert text.startswith("The mean shortfall is lowest at rate = 0.001, 7.0")
    assert "highest at rate = 0.0001, 9.0" in text
