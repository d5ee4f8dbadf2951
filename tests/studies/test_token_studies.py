"""The studies of the token economy: their statistics by hand and by closed forms, and gathering in small."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tacitlab.lab.experiment import load
from tacitlab.learners import Rule
from tacitlab.markets.token.curves import Exponential, Power, Sigmoid
from tacitlab.studies.base import Player, Verdict
from tacitlab.studies.curve_tuning import study as tuning
from tacitlab.studies.resource_network import study as network
from tacitlab.studies.shock_recovery import study as shock
from tacitlab.studies.token_volatility import study as volatility
from tacitlab.studies.tokens import Size, cells

TINY = Size(sessions=3, episodes=5, test_episodes=2, grid=(0.0, 3.0), everything=False)


# --- what the studies share ------------------------------------------------------------------------------------


def ruled(folder, sweep):
    """Random traders, in the cells of a sweep."""
    experiment = TINY.experiment("random", volatility.market(Exponential()), [Rule(rule="random")], sweep)
    return cells(Player(folder)(experiment))


def test_own_gains_do_not_depend_on_what_else_is_rewarded(tmp_path):
    """The same trades under different rewards are the same own gains."""
    sweep = {"environment.rewards.stability": [0.0, 5.0], "environment.rewards.cooperation": [0.0, 3.0, 49.0]}
    plain, *others = ruled(tmp_path, sweep)
    assert np.abs(plain.payoff).max() > 0.01
    for other in others:
        assert not np.allclose(other.found.outcomes, plain.found.outcomes, rtol=1e-3)
        np.testing.assert_allclose(other.payoff, plain.payoff, atol=1e-4)


def test_volatility_is_the_root_mean_square_of_returns(tmp_path):
    (played,) = ruled(tmp_path, {"environment.rewards.stability": [0.0]})
    path = played.prices
    start = float(Exponential().price(100.0))
    moves = np.diff(np.log(np.concatenate([np.full((3, 1), start), path], axis=1)), axis=1)
    first_episode = np.sqrt((moves**2).mean(axis=1))
    np.testing.assert_allclose(played.volatility, first_episode, rtol=0.15)  # another episode beside it
    assert played.mean("squared_return", 199) == pytest.approx(played.steps("squared_return")[:, -1])


# --- token-volatility ------------------------------------------------------------------------------------------


def test_the_linear_curve_touches_the_exponential_one():
    both = volatility.curves()
    for width in (1.0, 0.1):
        gap = [both["linear"].price(100 + x) - both["exponential"].price(100 + x) for x in (-width, 0.0, width)]
        assert abs(gap[1]) < 1e-12
        assert gap[0] == pytest.approx(gap[2], rel=0.05)  # of second order: the slopes are equal
        assert gap[2] == pytest.approx(-0.5 * 0.01**2 * 0.1 * np.e * width**2, rel=0.05)


# --- resource-network ------------------------------------------------------------------------------------------


def test_utilisation_follows_from_the_curve():
    """Price takers by iteration, the joint optimum by brute force over uniform shadow prices."""
    curve, tastes = Sigmoid(), np.random.default_rng(1).uniform(0, 2, 100)
    price = 1.0
    for _ in range(2000):
        price += 0.05 * (float(curve.price(np.maximum(tastes - price, 0).sum())) - price)
    theory = network.Theory.of(curve)
    assert theory.price_taking == pytest.approx(np.maximum(tastes - price, 0).sum() / 50, abs=1e-6)
    best = max(np.linspace(0.5, 2, 3001), key=lambda p: _together(np.maximum(tastes - p, 0), tastes, curve))
    assert theory.joint == pytest.approx(np.maximum(tastes - best, 0).sum() / 50, abs=1e-3)
    assert theory.joint < theory.nash < theory.price_taking < 1


def _together(quantities, tastes, curve):
    paid = float(curve.price(quantities.sum())) * quantities.sum()
    return float((tastes * quantities - quantities**2 / 2).sum()) - paid


def test_the_network_study_in_small(tmp_path, monkeypatch):
    monkeypatch.setattr("tacitlab.studies.resource_network.figures.STEPS", 20)
    monkeypatch.setattr(network, "STEPS", 20)  # agents reach what they want within 14
    e = network.gather(TINY, Player(tmp_path))
    finding = network.examine(e)
    claims = {claim.name: claim for claim in finding.claims}
    assert claims["price-taking equilibrium: utilisation (%)"].measured.mean == pytest.approx(87.889, abs=1e-3)
    assert claims["price-taking equilibrium: utilisation (%)"].judged() is Verdict.NOT  # 85 is another number
    np.testing.assert_allclose(network.used(e.rules["hold"]), 50.0, rtol=1e-5)
    taking = network.used(e.rules["price-taking"])
    np.testing.assert_allclose(taking, 87.9, atol=1.5)
    np.testing.assert_allclose(network.served(e.rules["price-taking"]), 92.6, atol=1.5)
    assert set(e.learned) == {0.0, 3.0}
    assert set(e.elsewhere) == {4.0}
    assert e.elsewhere[4.0].market.curve.highest == 4.0
    assert e.learned[3.0].market.rewards.cooperation == 3.0


# --- shock-recovery --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """Nobody trades, and the factor has no noise."""
    quiet = pytest.MonkeyPatch()
    quiet.setattr(shock, "NOISE", 0.0)
    found = shock._pairs(TINY, Player(tmp_path_factory.mktemp("held")), "hold", [Rule(rule="hold")])
    quiet.undo()
    return found


def test_the_spike_decays_by_its_law_where_nobody_trades(held):
    effect = held[shock.PRICE.key].effect
    np.testing.assert_allclose(effect, np.broadcast_to(0.5 * 0.9 ** np.arange(150), (3, 150)), atol=2e-6)
    assert held[shock.PRICE.key].recovery.quantile() == 22
    assert held[shock.PRICE.key].area == pytest.approx(np.full(3, 5.0), abs=1e-3)
    assert held[shock.PRICE.key].resilience() == pytest.approx(np.full(3, 1 / np.log(1.5)), rel=1e-5)
    assert held[shock.LITERAL.key].recovery.quantile() == 1


def test_orders_that_the_spike_shifts_are_not_taken_back(held):
    demand = held[shock.DEMAND.key]
    bought = 50 * 0.1 * 0.5 * np.cumsum(0.9 ** np.arange(149))  # largest orders of all, times the factor
    np.testing.assert_allclose(demand.answer[:, 1:], np.broadcast_to(bought, (3, 149)), rtol=1e-3)
    np.testing.assert_allclose(demand.effect[:, -1], np.exp(0.01 * bought[-1]) - 1, rtol=1e-3)
    assert not demand.recovery.recovered.any()


# --- curve-tuning ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", tuning.families())
def test_families_are_the_curves_of_the_market(name):
    kind, bounds = tuning.families()[name]
    chosen = np.array([low + 0.3 * (high - low) for low, high in bounds])
    fields = [field for field in kind.model_fields if field not in ("noise", "kind")]
    curve, own = kind(**dict(zip(fields, chosen.tolist(), strict=True))), tuning.family(name)
    supply = np.array([40.0, 100.0, 160.0])
    np.testing.assert_allclose(own.price(supply, chosen), curve.price(supply))
    np.testing.assert_allclose(own.reserve(supply, chosen), curve.reserve(supply))


def test_the_flat_curve_wins_unless_something_is_required():
    found = {name: tuning.tuned(name, tuning.Fineness(2, 1)) for name in ("linear", "power")}
    finding = tuning.examine(found)
    for one in found.values():
        assert one.free.degenerate
        assert not one.bound.degenerate
        assert one.bound.elasticity == pytest.approx(0.5, abs=1e-4)
    # A power law has the same elasticity everywhere: its volatility is exactly that multiple of the supply's.
    unit = 0.1 * np.sqrt(2 * (1 - 0.9))
    assert found["power"].bound.volatility == pytest.approx(0.5 * unit, rel=1e-6)
    assert isinstance(Power(scale=1.0, exponent=0.5).price(4.0), float)
    assert "degenerate" in finding.answer


@pytest.mark.parametrize("study", [volatility.TokenVolatility, network.ResourceNetwork, shock.ShockRecovery])
def test_presets(study):
    assert set(study.presets) == set(study.sizes)
    assert all(size.episodes >= 5 for size in study.sizes.values())


# --- documentation ---------------------------------------------------------------------------------------------

DOC = Path(__file__).parents[2] / "docs" / "token-economy.md"


@pytest.mark.parametrize("command", re.findall(r"`tacit run (token[^`]*)`", DOC.read_text(encoding="utf-8")))
def test_every_literal_reading_of_the_documentation_can_be_had(command):
    scenario, *overrides = shlex.split(command)
    changed, plain = load(scenario, overrides), load(scenario)
    assert changed.environment != plain.environment
