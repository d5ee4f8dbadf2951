"""The studies of the token economy: their statistics by hand and by closed forms, and gathering in small."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tacitlab.lab.experiment import Experiment, load
from tacitlab.learners import Rule
from tacitlab.markets.token.curves import Exponential, Power, Sigmoid
from tacitlab.studies.base import Player, Verdict, by_session
from tacitlab.studies.curve_tuning import study as tuning
from tacitlab.studies.resource_network import study as network
from tacitlab.studies.shock_recovery import evidence as pairs
from tacitlab.studies.shock_recovery import study as shock
from tacitlab.studies.token_volatility import evidence
from tacitlab.studies.token_volatility import study as volatility
from tacitlab.studies.token_volatility.play import Size, cells, percent_less

TINY = Size(sessions=3, episodes=5, test_episodes=2, grid=(0.0, 3.0), everything=False)


# --- what the studies share ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ruled(tmp_path_factory):
    """Random traders under different rewards: the same trades, the same own gains."""
    market = evidence.market(Exponential())
    sweep = {"environment.rewards.stability": [0.0, 5.0], "environment.rewards.cooperation": [0.0, 3.0, 49.0]}
    experiment = TINY.experiment("random", market, [Rule(rule="random")], sweep)
    return cells(Player(tmp_path_factory.mktemp("ruled"))(experiment))


def test_own_gains_do_not_depend_on_what_else_is_rewarded(ruled):
    plain = ruled[0]
    assert np.abs(plain.payoff).max() > 0.01
    for other in ruled[1:]:
        assert not np.allclose(other.found.outcomes, plain.found.outcomes, rtol=1e-3)
        np.testing.assert_allclose(other.payoff, plain.payoff, atol=1e-4)


def test_volatility_is_the_root_mean_square_of_returns(ruled):
    path = ruled[0].prices
    start = float(Exponential().price(100.0))
    moves = np.diff(np.log(np.concatenate([np.full((3, 1), start), path], axis=1)), axis=1)
    first_episode = np.sqrt((moves**2).mean(axis=1))
    np.testing.assert_allclose(ruled[0].volatility, first_episode, rtol=0.15)  # another episode beside it
    assert ruled[0].mean("squared_return", 199) == pytest.approx(ruled[0].steps("squared_return")[:, -1])


def test_nobody_who_does_not_learn_trains():
    experiment = TINY.ruled("rules", evidence.market(Exponential()), evidence.RULES)
    assert isinstance(experiment, Experiment)
    assert experiment.length.episodes == 1
    learner = evidence.LEARNER
    assert TINY.experiment("ppo", experiment.market, [learner]).length.episodes == 5
    novice = learner.model_copy(update={"rate": evidence.UNTRAINED})
    assert TINY.experiment("novice", experiment.market, [novice]).length.episodes == 1


def test_percent_less_is_taken_session_by_session():
    found = percent_less(by_session([1.0, 3.0], [0, 2]), by_session([2.0, 9.0, 3.0], [0, 1, 2]))
    assert (found.mean, found.n) == (25.0, 2)


# --- token-volatility ------------------------------------------------------------------------------------------


def test_the_linear_curve_touches_the_exponential_one():
    both = evidence.curves()
    for width in (1.0, 0.1):
        gap = [both["linear"].price(100 + x) - both["exponential"].price(100 + x) for x in (-width, 0.0, width)]
        assert abs(gap[1]) < 1e-12
        assert gap[0] == pytest.approx(gap[2], rel=0.05)  # of second order: the slopes are equal
        assert gap[2] == pytest.approx(-0.5 * 0.01**2 * 0.1 * np.e * width**2, rel=0.05)


def test_reductions_are_told_against_everybody_who_trades(ruled, tmp_path):
    rules = cells(Player(tmp_path)(TINY.ruled("rules", evidence.market(Exponential()), evidence.RULES)))
    played = dict(zip(evidence.RULES, rules, strict=True))
    on = evidence.OnCurve(played, {0.0: played["price-taking"], 3.0: played["hold"]}, played["random"])
    stays = evidence.Deviation("nothing", np.array([-0.1, 0.0, 0.1]))
    gains = evidence.Deviation("something", np.array([0.4, 0.5, 0.6]))
    e = evidence.Evidence({"exponential": on, "linear": on}, (stays, gains), TINY)
    finding = volatility.examine(e)
    by_name = {claim.name: claim for claim in finding.claims}
    assert len(by_name) == len(finding.claims)
    assert by_name["nobody trades: reduction against anybody (%)"].measured.mean == 100.0
    assert by_name["PPO, ω = 3: reduction against random (%)"].measured.mean == 100.0
    assert by_name["PPO, profit: reduction against price-taking (%)"].measured.mean == 0.0
    assert by_name["PPO, profit: reduction against price-taking (%)"].judged() is Verdict.NOT
    ours, theirs = (played[name].volatility for name in ("price-taking", "zero-intelligence"))
    expected = 100 * np.mean(1 - ours / theirs)
    found = by_name["PPO, profit: reduction against zero-intelligence (%)"].measured.mean
    assert found == pytest.approx(expected)
    assert by_name[f"{evidence.STEADY}: reduction against random (%)"].measured.mean == 0.0
    assert e.exploitability is gains
    assert "no equilibrium" in finding.answer
    assert "lower bound" in finding.answer
    assert [section.heading for section in finding.sections][-1] == "Is it an equilibrium?"


def test_the_best_of_several_deviations_is_good_by_chance_too():
    near = evidence.Deviation("near", 0.9 + np.linspace(-1, 1, 6))
    assert near.estimate.low > 0
    alone, one_of_two = (evidence.Evidence({}, (near, near)[:count], TINY) for count in (1, 2))
    assert alone.no_equilibrium
    assert not one_of_two.no_equilibrium


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
    quiet.setattr(pairs, "NOISE", 0.0)
    found = pairs._pairs(TINY, Player(tmp_path_factory.mktemp("held")), "hold", [Rule(rule="hold")])
    quiet.undo()
    return found


def test_the_spike_decays_by_its_law_where_nobody_trades(held):
    effect = held[pairs.PRICE.key].effect
    np.testing.assert_allclose(effect, np.broadcast_to(0.5 * 0.9 ** np.arange(150), (3, 150)), atol=2e-6)
    assert held[pairs.PRICE.key].recovery.quantile() == 22
    assert held[pairs.PRICE.key].area == pytest.approx(np.full(3, 5.0), abs=1e-3)
    assert held[pairs.PRICE.key].resilience() == pytest.approx(np.full(3, 1 / np.log(1.5)), rel=1e-5)
    assert held[pairs.LITERAL.key].recovery.quantile() == 1


def test_orders_that_the_spike_shifts_are_not_taken_back(held):
    demand = held[pairs.DEMAND.key]
    bought = 50 * 0.1 * 0.5 * np.cumsum(0.9 ** np.arange(149))  # largest orders of all, times the factor
    np.testing.assert_allclose(demand.answer[:, 1:], np.broadcast_to(bought, (3, 149)), rtol=1e-3)
    np.testing.assert_allclose(demand.effect[:, -1], np.exp(0.01 * bought[-1]) - 1, rtol=1e-3)
    assert not demand.recovery.recovered.any()


def test_verdicts_on_times():
    laws = {claim.name: claim for claim in shock.laws()}
    assert laws["AR(1) with 0.9, no agents: steps by law"].judged() is Verdict.NOT
    assert laws["independent draws, no agents: steps by law"].judged() is Verdict.REPRODUCED


def test_the_shock_study_judges_all_pairs(held):
    e = pairs.Evidence(
        {key: dict.fromkeys((*pairs.RULES, pairs.UNSHOCKED, pairs.SHOCKED), pair) for key, pair in held.items()},
        {pairs.UNSHOCKED: held["price"].calm},
    )
    e.pairs[pairs.DEMAND.key]["price-taking"] = pairs.Pair(held["demand"].calm, held["demand"].calm)
    finding = shock.examine(e)
    by_name = {claim.name: claim for claim in finding.claims}
    assert len(by_name) == len(finding.claims) == 3 + 3 * 5 + 4
    nothing = by_name[f"price-taking: steps to recovery, {pairs.DEMAND.words}"]
    assert (nothing.measured.mean, nothing.judged()) == (0.0, Verdict.REPORTED)
    assert "nothing to recover from" in nothing.note
    assert "Price-takers, who answer with orders of their own, take 0 steps, as the effect never" in finding.answer
    never = by_name[f"hold: steps to recovery, {pairs.DEMAND.words}"]
    assert never.judged() is Verdict.NOT
    assert "3 of 3 paths did not recover" in never.note
    assert "22 steps (by law 22)" in finding.answer


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
