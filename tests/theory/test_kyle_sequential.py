"""Sequential auctions against Kyle's equations with his shooting, general solvers and simulation."""

import numpy as np
import pytest
from scipy.optimize import brentq, fsolve, minimize

from tacitlab.errors import TacitError
from tacitlab.markets.kyle.sequential import best_impacts, best_orders, equilibrium, evaluate, exploitability
from tacitlab.markets.kyle.theory import SingleAuction


def kyle(auctions, last, noise=1.0):
    """Kyle's own recursion from a last variance, as the reference prints it."""
    dt, alpha, delta, sigma, impacts, rates = 1 / auctions, 0.0, 0.0, last, [], []
    for _ in range(auctions):
        most = np.sqrt(sigma / dt) / noise if alpha == 0 else min(1 / alpha, np.sqrt(sigma / dt) / noise)
        found = brentq(
            lambda x, a=alpha, s=sigma: (1 - a * x) * (1 - x**2 * noise**2 * dt / s) - 0.5, 0, most, xtol=1e-14
        )
        rates.append(found * noise**2 / sigma)
        delta += alpha * found**2 * noise**2 * dt
        alpha = 1 / (4 * found * (1 - alpha * found))
        sigma /= 1 - rates[-1] * found * dt
        impacts.append(found)
    return np.array(impacts[::-1]), np.array(rates[::-1]) * dt, sigma, alpha, delta


@pytest.mark.parametrize(("auctions", "value_sd", "noise_sd"), [(1, 1, 1), (2, 1, 1), (4, 2, 0.5), (20, 1, 3)])
def test_the_equilibrium_is_kyles(auctions, value_sd, noise_sd):
    day = equilibrium(auctions, 1, value_sd, noise_sd)
    last = brentq(lambda x: kyle(auctions, x, noise_sd)[2] - value_sd**2, 1e-6, value_sd**2, xtol=1e-14)
    impacts, orders, first, alpha, delta = kyle(auctions, last, noise_sd)
    np.testing.assert_allclose(day.impacts, impacts, rtol=1e-7)
    np.testing.assert_allclose(day.orders, orders, rtol=1e-7)
    assert day.profit == pytest.approx(alpha * first + delta)
    assert day.variances[-1] == pytest.approx(last)


@pytest.mark.parametrize("insiders", [1, 2, 3])
def test_one_auction_is_the_single_auction(insiders):
    day, nash = equilibrium(1, insiders, 1.3, 0.6), SingleAuction(insiders, 1.3, 0.6).nash()
    assert day.orders[0] == pytest.approx(nash.orders[0])
    assert day.impacts[0] == pytest.approx(nash.impact)
    assert day.profit == pytest.approx(SingleAuction(insiders, 1.3, 0.6).profits(nash)[0])


def test_the_continuous_limit():
    """lambda = sqrt(Sigma0)/sigma_u all day, profit sigma_u sqrt(Sigma0), information leaks at a constant rate."""
    errors = []
    for auctions in (50, 200, 800):
        day = equilibrium(auctions, 1, 2.0, 0.5)
        time = np.arange(auctions + 1) / auctions
        errors.append(
            [abs(day.profit - 1.0), np.abs(day.impacts - 4.0)[: auctions // 2].max(),
             np.abs(day.variances / 4 - (1 - time)).max()]
        )  # fmt: skip
    errors = np.array(errors)
    assert (errors[1:] < 0.45 * errors[:-1]).all(), "they shrink with the number of auctions"
    assert errors[-1].max() < 0.02


def test_two_auctions_by_a_general_solver():
    """The definitions for two auctions and two insiders: maker's regressions, and insiders' first-order conditions."""

    def definitions(x):
        b1, b2, l1, l2 = x
        noise = 0.5
        s1 = 1 - 2 * b1 * l1  # variance after the first auction, if its price is the expected value
        first = l1 * (4 * b1**2 + noise) - 2 * b1
        second = l2 * (4 * b2**2 * s1 + noise) - 2 * b2 * s1
        last = 1 - 3 * l2 * b2  # of b2 (1 - l2 (b2 + other))
        alpha = b2 * (1 - 2 * l2 * b2)
        # d/db of b (1 - l1 (b + b1)) + alpha (1 - l1 (b + b1))²
        early = 1 - 3 * l1 * b1 - 2 * alpha * l1 * (1 - 2 * l1 * b1)
        return first, second, last, early

    found = fsolve(definitions, [0.3, 0.6, 0.6, 0.5], xtol=1e-13)
    day = equilibrium(2, 2)
    np.testing.assert_allclose([*day.orders, *day.impacts], found, rtol=1e-8)


@pytest.mark.parametrize("insiders", [1, 2])
@pytest.mark.parametrize("auctions", [1, 3, 8])
def test_nobody_gains_by_leaving_the_equilibrium(insiders, auctions):
    day = equilibrium(auctions, insiders, 1.5, 0.7)
    each = np.repeat(day.orders[:, None], insiders, axis=1)
    np.testing.assert_allclose(exploitability(each, day.impacts, 1.5, 0.7), 0, atol=1e-10)
    found = evaluate(each, day.impacts, 1.5, 0.7)
    np.testing.assert_allclose(found.profits, day.profit)
    np.testing.assert_allclose(found.errors, day.variances)


def test_rivals_reveal_what_one_alone_would_hide():
    """With many auctions the profits of several insiders vanish, where one alone keeps his (Holden, Subrahmanyam)."""
    totals = [2 * equilibrium(n, 2).profit for n in (4, 16, 64, 256)]
    assert (np.diff(totals) < 0).all()
    assert totals[-1] < 0.15
    assert equilibrium(256, 1).profit > 0.98


def random_play(auctions, insiders, seed):
    random = np.random.default_rng(seed)
    return random.uniform(0, 0.5, (auctions, insiders)), random.uniform(0.6, 0.9, auctions)


@pytest.mark.parametrize("seed", range(3))
def test_best_replies_are_those_of_a_general_optimiser(seed):
    orders, impacts = random_play(3, 2, seed)

    def profit(own):
        return evaluate(np.stack([own, orders[:, 1]], axis=1), impacts, 1.2, 0.8).profits[0]

    best, worth = best_orders(impacts, orders[:, 1], 1.2, 0.8)
    found = minimize(lambda x: -profit(x), best + 0.1, tol=1e-13)
    assert profit(best) == pytest.approx(worth)
    assert -found.fun == pytest.approx(worth, abs=1e-9)
    np.testing.assert_allclose(found.x, best, atol=1e-4)

    prices = best_impacts(orders, 1.2, 0.8)
    least = minimize(lambda x: evaluate(orders, x, 1.2, 0.8).errors.sum(), prices + 0.1, tol=1e-13)
    np.testing.assert_allclose(least.x, prices, atol=1e-4)
    gains = exploitability(orders, impacts, 1.2, 0.8)
    assert gains[0] == pytest.approx(worth - profit(orders[:, 0]))
    assert gains[2] == pytest.approx(evaluate(orders, impacts, 1.2, 0.8).errors.sum() - least.fun)


def test_simulated_auctions_agree():
    orders, impacts = random_play(4, 2, 7)
    random, count = np.random.default_rng(3), 200_000
    v, price, gains = 1.4 * random.standard_normal(count), np.zeros(count), np.zeros((2, count))
    wanted = evaluate(orders, impacts, 1.4, 0.9)
    for n in range(4):
        each = orders[n][:, None] * (v - price)
        price = price + impacts[n] * (each.sum(axis=0) + 0.9 / 2 * random.standard_normal(count))
        gains += each * (v - price)
        squares = (v - price) ** 2
        assert wanted.errors[n + 1] == pytest.approx(squares.mean(), abs=4 * squares.std() / np.sqrt(count))
    error = 4 * gains.std(axis=1) / np.sqrt(count)
    assert (np.abs(gains.mean(axis=1) - wanted.profits) < error).all()


def test_mistakes_are_named():
    with pytest.raises(TacitError, match="impacts: 5 in auction 1 lets an insider earn without bound"):
        best_orders([5.0, 0.1])
    with pytest.raises(TacitError, match="at least 1 of each"):
        equilibrium(0)
    with pytest.raises(TacitError, match="above 0"):
        equilibrium(2, value_sd=0.0)
