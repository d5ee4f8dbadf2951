"""Scripted rules in the place of those who learn."""

import numpy as np
import pytest

import tacitlab
from tacitlab.lab.experiment import Experiment, Length
from tacitlab.lab.experiment import Test as FrozenPlay
from tacitlab.learners import PPO, Constant, ConstantValue, QLearning, Rule
from tacitlab.markets import DoubleAuction
from tacitlab.markets.portfolio.market import Portfolio
from tacitlab.markets.resource.market import ResourceMarket
from tacitlab.report import market_baselines
from tacitlab.report.market_tested import outcome_of

MARKET = ResourceMarket(steps=20, highest=6, levels=(2, 5))


def experiment(learners, **changes):
    settings = {"environment": MARKET, "length": Length(episodes=5), "sessions": 3, "seed": 2}
    return Experiment(learners=learners, **settings | {"test": FrozenPlay(episodes=20)} | changes)


@pytest.fixture(scope="module")
def result():
    learner = QLearning(initial=ConstantValue(value=0), exploration=Constant(epsilon=0.2))
    return tacitlab.run(experiment(learner))


def test_every_rule_is_played_as_if_it_were_a_learner(result):
    assert result.data.rule.values.tolist() == list(MARKET.rules())
    for rule in ("buy-to-limit", "trend-follower"):  # the keys of agents do not depend on who sits there
        alone = tacitlab.run(experiment(Rule(rule=rule))).data
        found = result.data.sel(rule=rule)
        np.testing.assert_allclose(found.baseline_payoff, alone.test_payoff.mean("episode"), rtol=1e-5)
        np.testing.assert_allclose(found.baseline_turnover, alone.test_turnover.mean("step"), rtol=1e-5)
        assert "baseline_payoff" not in alone


def test_holding_earns_nothing_but_noise(result):
    held = result.data.sel(rule="hold")
    assert (held.baseline_turnover == 0).all()
    assert (held.baseline_impact_square == 0).all()
    assert (result.data.baseline_turnover.sel(rule="random") > 0.3).all()


def test_a_rate_makes_agents_hold():
    often = tacitlab.run(experiment(Rule(rule="random", rate=1.0))).data.test_turnover.mean()
    rarely = tacitlab.run(experiment(Rule(rule="random", rate=0.1))).data.test_turnover.mean()
    assert 0.05 < float(rarely / often) < 0.2


def test_baselines_can_be_left_out(result):
    learner = result.experiment.learners[0]
    quiet = tacitlab.run(experiment(learner, test=FrozenPlay(episodes=20, baselines=False)))
    assert "baseline_payoff" not in quiet.data
    np.testing.assert_array_equal(quiet.data.test_payoff, result.data.test_payoff)


def test_with_several_roles_those_who_would_learn_follow_and_the_others_stay(result):
    learner = result.experiment.learners[0].model_copy(update={"agents": 2})
    noise, market = Rule(rule="buy-to-limit", agents=1), MARKET.model_copy(update={"noise_traders": 1})

    def changed(one):
        return experiment((one, noise), environment=market)

    mixed = tacitlab.run(changed(learner))
    assert mixed.data.rule.values.tolist() == list(MARKET.rules())
    assert "those who would learn" in mixed.data.baseline_payoff.attrs["long_name"]
    for rule in ("hold", "contrarian"):
        alone = tacitlab.run(changed(Rule(rule=rule, agents=2))).data
        found = mixed.data.sel(rule=rule)
        np.testing.assert_allclose(found.baseline_payoff, alone.test_payoff.mean("episode"), rtol=1e-5)
        np.testing.assert_allclose(found.baseline_turnover, alone.test_turnover.mean("step"), rtol=1e-5)
    assert (mixed.data.sel(rule="hold").baseline_turnover > 0).all(), "the noise trader goes on"
    # Compared are those who learn: the noise trader is the same under each rule.
    rows = {row.rule: row for row in market_baselines.baselines(outcome_of(mixed))}
    held = mixed.data.sel(rule="hold").baseline_payoff
    assert rows["hold"].outcome.mean == pytest.approx(float(held[:, :2].mean()), rel=1e-5)
    assert rows["hold"].outcome.mean != pytest.approx(float(held.mean()), rel=1e-2)


def test_a_rule_must_exist_in_the_role():
    auction = DoubleAuction(buyers=2, sellers=1)
    limited = type("Limited", (DoubleAuction,), {"rules_of": lambda self, role: {"truthful": ""}})
    both = (PPO(agents=2), Rule(rule="zero-intelligence", agents=1))
    assert experiment(both, environment=auction).baselines() == ("zero-intelligence", "truthful")
    turned = (Rule(rule="zero-intelligence", agents=2), PPO(agents=1))
    assert experiment(turned, environment=auction).baselines() == ("zero-intelligence", "truthful")
    with pytest.raises(tacitlab.TacitError, match="belong to several roles"):
        experiment(both[::-1], environment=auction)
    patched = experiment(both, environment=auction)
    object.__setattr__(patched, "environment", limited(buyers=2, sellers=1))
    assert patched.baselines() == ("truthful",)
    with pytest.raises(
        tacitlab.TacitError, match="'zero-intelligence' is unknown to role seller; choose from truthful"
    ):
        tacitlab.run(patched)


@pytest.mark.parametrize(
    ("learner", "words"),
    [
        (Rule(rule="holt"), r"learners\.rule: 'holt' is unknown here; choose from hold, random"),
        (Rule(rule="rebalance", rate=0.5), None),
    ],
)
def test_unknown_rules_are_refused(learner, words):
    if words is None:
        tacitlab.run(experiment(learner))
        return
    with pytest.raises(tacitlab.TacitError, match=words):
        tacitlab.run(experiment(learner))


def test_short_episodes_are_played_more_often():
    """One step says little: as many episodes as in the test, with the same noise."""
    market = Portfolio(realised=False)
    test = FrozenPlay(episodes=500)
    learner = QLearning(initial=ConstantValue(value=0), exploration=Constant(epsilon=0.2))
    found = tacitlab.run(experiment(learner, environment=market, test=test)).data.sel(rule="radner")
    alone = tacitlab.run(experiment(Rule(rule="radner"), environment=market, test=test)).data
    np.testing.assert_allclose(found.baseline_payoff, alone.test_payoff.mean("episode"), rtol=1e-5)


def test_what_is_known_exactly_is_shown_as_such_also_when_it_is_read_again(result, tmp_path):
    tacitlab.run(result.experiment, tmp_path / "run")
    for found in (result, tacitlab.load(tmp_path / "run")):
        rows = {row.rule: row for row in market_baselines.baselines(outcome_of(found))}
        assert rows["hold"].exact == rows["hold"].level == 0
        assert rows["buy-to-limit"].exact == pytest.approx(found.benchmarks().optimum.average)
        table = market_baselines.section(outcome_of(found))[0].table
        shown = {row[0]: row[2] for row in table.rows}
        assert shown["hold"] == "0 (exact)"
        assert "exact" in shown["random"]
