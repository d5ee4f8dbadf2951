"""Learned quotes as tables: what policies say in each state, and their exact value beside the simulated one."""

import numpy as np
import pytest

from tacitlab.audits.quoting import LearnedQuotes, learned_quotes
from tacitlab.errors import TacitError
from tacitlab.lab.experiment import from_mapping
from tacitlab.lab.run import run
from tacitlab.markets import MarketMaking
from tacitlab.markets.quoting.solutions import equilibrium

ALONE = {"kind": "market-making", "steps": 6, "dt": 0.02, "cap": 2, "grid": 3}
PAIR = {**ALONE, "fills": "logit", "makers": 2, "arrivals": 40, "observes": ["time", "inventory", "rival-inventory"]}
TABLE = {"kind": "q-learning", "bins": [6, 5], "initial": {"kind": "constant", "value": 0}, "gamma": 1}
PPO = {"kind": "ppo", "hidden": [8], "rollout": 32, "deterministic_test": True, "rate": 0.01}


def played(folder, environment, learners, **more):
    scenario = {
        "name": "quotes", "environment": environment, "learners": learners, "length": {"episodes": 40}, "sessions": 2,
        "test": {"episodes": 2000, "baselines": False}, "trace": {"windows": 5}, **more,
    }  # fmt: skip
    return run(from_mapping(scenario), folder / "run")


def close_to_simulated(result, found):
    """The test of every session and maker within its own Monte Carlo error of the exact payoff."""
    test = result.data["test_payoff"].transpose("session", "agent", "episode").values.astype(float)
    error = test.std(axis=2) / np.sqrt(test.shape[2])
    assert (np.abs(test.mean(axis=2) - found.payoffs) < 4 * error + 1e-6).all()


def test_a_table_of_values_is_read_greedily(tmp_path):
    result = played(tmp_path, ALONE, TABLE)
    found, market = learned_quotes(result), result.experiment.market
    table = next(np.asarray(v) for v in result.policy_reader(0).values())[:, 0]
    game, grid = market.game, market.choices
    for step in range(game.steps):
        for state in range(game.states):
            best = table[:, step * 5 + state].argmax(axis=1)
            wanted = np.stack([grid[best // 3], grid[best % 3]], axis=1)
            quotes = found.quotes[:, step, state, 0]
            allowed = np.isfinite(quotes)
            np.testing.assert_array_equal(allowed, np.broadcast_to(game.feasible[state, 0], allowed.shape))
            np.testing.assert_allclose(quotes[allowed], wanted[allowed], rtol=1e-5, atol=1e-6)
    close_to_simulated(result, found)
    assert found.exploitability() == pytest.approx(market.benchmarks().optimum.average - found.payoffs)


def test_networks_beside_rules_are_evaluated_jointly(tmp_path):
    result = played(tmp_path, PAIR, [{**PPO, "agents": 1}, {"kind": "rule", "rule": "nash"}])
    found, market = learned_quotes(result), result.experiment.market
    nash = equilibrium(market.game).quotes
    allowed = np.broadcast_to(market.game.feasible[:, 1], nash[:, :, 1].shape)
    for session in found.quotes:
        np.testing.assert_allclose(session[:, :, 1][allowed], nash[:, :, 1][allowed], rtol=1e-4, atol=1e-5)
    close_to_simulated(result, found)
    assert (found.exploitability() > -1e-9).all()
    assert (found.exploitability()[:, 0] > 1e-3).all(), "who has hardly learned can do better"


def test_requests_are_answered_by_side(tmp_path):
    environment = {"kind": "rfq", "requests": 4, "positions": {"cap": 1}}
    result = played(tmp_path, environment, PPO)
    found = learned_quotes(result)
    assert found.quotes.shape == (2, 4, 9, 2, 2)
    close_to_simulated(result, found)


def test_equilibrium_quotes_cannot_be_exploited():
    market = MarketMaking(**{**PAIR, "observes": tuple(PAIR["observes"])})
    found = LearnedQuotes(market, equilibrium(market.game).quotes[None])
    assert np.abs(found.exploitability()).max() < 1e-8
    np.testing.assert_allclose(found.payoffs[0], market.benchmarks().nash.payoffs)


@pytest.mark.parametrize(
    ("environment", "learners", "words"),
    [
        ({"kind": "rfq", "observes": ["own-quote"]}, PPO, "observes: quotes depend on own-quote"),
        (ALONE, {"kind": "random"}, "learners.kind: random quotes are no table"),
        (ALONE, {"kind": "rule", "rule": "random"}, "learners.kind: random quotes are no table"),
        ({"kind": "resource", "steps": 3}, {"kind": "rule", "rule": "hold"}, "quotes: no single market of quoting"),
    ],
)
def test_what_has_no_table_is_named(tmp_path, environment, learners, words):
    result = played(tmp_path, environment, learners, test={"episodes": 2, "baselines": False})
    with pytest.raises(TacitError, match=words):
        learned_quotes(result)
