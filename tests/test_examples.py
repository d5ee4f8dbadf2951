"""The examples of a user's own game and market: their benchmarks against closed forms, and that they play."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import tacitlab
from tacitlab import registry
from tacitlab.learners import Rule

EXAMPLES = Path(__file__).parents[1] / "examples"
Fishery = registry.find("market", str(EXAMPLES / "fishery.py"))
StagHunt = registry.find("game", str(EXAMPLES / "stag_hunt.py"))


@pytest.mark.parametrize(("boats", "growth"), [(2, 0.5), (3, 0.2), (7, 0.8)])
def test_shares_of_a_long_fishery_are_those_of_levhari_and_mirman(boats, growth):
    """Their stationary equilibrium and optimum, as the discount factor goes to 1."""
    fishery = Fishery(boats=boats, growth=growth, steps=400)
    assert fishery.nash()[0] == pytest.approx((1 - growth) / (boats - (boats - 1) * growth), rel=1e-9)
    assert fishery.joint()[0] == pytest.approx((1 - growth) / boats, rel=1e-9)


def test_nobody_gains_by_another_share_and_all_by_another_together():
    """Payoffs by plain arithmetic, season by season, for shares near the equilibrium's and the optimum's."""
    fishery = Fishery(boats=3, steps=3, growth=0.6)

    def earned(plan):  # (steps, boats)
        stock, total = 1.0, np.zeros(3)
        for shares in plan:
            total += np.log(shares * stock)
            stock = max(stock * (1 - shares.sum()), 1e-300) ** fishery.growth
        return total

    nash, joint = (np.repeat(shares[:, None], 3, 1) for shares in (fishery.nash(), fishery.joint()))
    found = fishery.benchmarks()
    np.testing.assert_allclose(earned(nash), found.nash.payoffs, rtol=1e-12)
    np.testing.assert_allclose(earned(joint), found.optimum.payoffs, rtol=1e-12)
    for season, factor in [(0, 0.9), (0, 1.1), (1, 0.95), (1, 1.05)]:
        alone, together = nash.copy(), joint.copy()
        alone[season, 0] *= factor
        # In feedback strategies the others keep their shares of whatever stock there is.
        assert earned(alone)[0] < found.nash.payoffs[0]
        together[season] *= factor
        assert earned(together).sum() < found.optimum.payoffs.sum()


@pytest.mark.parametrize("rule", ["nash", "joint"])
def test_its_rules_earn_what_theory_says(rule):
    fishery = Fishery(boats=3, steps=4)
    played = tacitlab.run(
        tacitlab.Experiment(
            environment=fishery, learners=Rule(rule=rule), length=tacitlab.Length(episodes=1),
            test=tacitlab.Test(episodes=1), sessions=2,
        )
    )  # fmt: skip
    found = fishery.benchmarks()
    expected = found.nash if rule == "nash" else found.optimum
    payoffs = played.data["test_payoff"].transpose("session", "episode", "agent").values
    np.testing.assert_allclose(payoffs, np.broadcast_to(expected.payoffs, payoffs.shape), rtol=1e-5)


def test_its_scenario_plays():
    made = tacitlab.load_scenario(str(EXAMPLES / "fishery.yaml"), ["length.episodes=20", "sessions=1"])
    result = tacitlab.run(made)
    assert type(made.environment) is Fishery
    assert np.isfinite(result.data["test_payoff"]).all()
    assert made.baselines() == ("nash", "joint")


def test_equilibria_of_the_stag_hunt():
    found = StagHunt(gain=5).benchmarks()
    assert [profile.average for profile in found.competitive] == pytest.approx([3, 5, 3])
    hare, stag = found.competitive[2].strategies[0]
    assert stag == pytest.approx(3 / 5)  # then a stag, worth 5 with probability 3/5, is as good as a hare
    assert hare == pytest.approx(2 / 5)


def test_a_fishery_is_one_file_of_at_most_120_lines():
    assert len((EXAMPLES / "fishery.py").read_text().splitlines()) <= 120
    assert importlib.util.find_spec("fishery") is None
