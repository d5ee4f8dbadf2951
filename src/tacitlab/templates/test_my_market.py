import pytest
from my_market import MyMarket

import tacitlab
from tacitlab.learners import Rule
from tacitlab.testing import check_market


def test_it_keeps_what_all_markets_promise():
    check_market(MyMarket())


@pytest.mark.parametrize("rule", ["nash", "joint"])
def test_benchmarks_are_what_rules_earn(rule):
    market = MyMarket(firms=3, low=2.0)  # demand is always the same
    plan = tacitlab.Experiment(
        environment=market, learners=Rule(rule=rule), length=tacitlab.Length(episodes=2), sessions=1
    )
    profile = market.benchmarks().nash if rule == "nash" else market.benchmarks().optimum
    assert float(tacitlab.run(plan).data["test_payoff"].mean()) == pytest.approx(profile.average, rel=1e-5)
