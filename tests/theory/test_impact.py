"""Impact matrices against prices that move one trade at a time."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_paths import every_toss, expected

from tacitlab.errors import TacitError
from tacitlab.markets.execution.impact import almgren_chriss, exponential, power_law, transient
from tacitlab.markets.execution.liquidation import exploitability, fundamental_solutions, nash

ORDERS = ("simultaneous", "coin-toss")


@st.composite
def worlds(draw, players=4):
    """An Almgren-Chriss world with impact that varies in time, and schedules of any sign."""
    steps = draw(st.integers(1, 5))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    world = {
        "steps": steps,
        "temporary": random.uniform(1e-3, 4e-3, steps),
        "permanent": random.uniform(0, 1e-3, steps),
        "tau": draw(st.sampled_from([0.5, 1.0, 2.0])),
        "lag": draw(st.integers(1, 3)),
        "order": draw(st.sampled_from(ORDERS)),
        "shared_temporary": draw(st.booleans()),
    }
    return world, random.normal(20, 30, size=(draw(st.integers(1, players)), steps))


def first_principles(world, schedules):
    permanent, lag = world["permanent"], world["lag"]
    return expected(
        schedules,
        world["order"] == "coin-toss",
        lambda s, t: permanent[s] * (t - s >= lag),
        lambda s: permanent[s] * (lag == 1),
        world["temporary"] / world["tau"],
        world["shared_temporary"],
    )


@given(worlds())
@settings(max_examples=60)
def test_almgren_chriss_is_the_price_path(case):
    world, schedules = case
    game = almgren_chriss(**world).game(schedules.sum(axis=1))
    np.testing.assert_allclose(game.costs(schedules[..., None]), first_principles(world, schedules), atol=1e-10)


@given(st.integers(1, 5), st.integers(1, 4), st.booleans(), st.booleans(), st.integers(0, 10**6))
@settings(max_examples=40)
def test_transient_impact_is_the_price_path(steps, players, toss, shared, seed):
    random = np.random.default_rng(seed)
    kernel, theta = random.uniform(0, 1, steps), random.uniform(0, 1, steps)
    schedules = random.normal(size=(players, steps))
    impact = transient(kernel, theta, order=ORDERS[toss], shared_temporary=shared)
    by_hand = expected(schedules, toss, lambda s, t: kernel[t - s], lambda s: kernel[0], theta, shared)
    by_hand += (kernel[0] / 2 * schedules**2).sum(axis=1)  # half of the impact builds up under the trade itself
    np.testing.assert_allclose(impact.game(schedules.sum(axis=1)).costs(schedules[..., None]), by_hand, atol=1e-12)


@given(worlds())
@settings(max_examples=40)
def test_fields_say_which_price_each_trade_meets(case):
    world, schedules = case
    impact = almgren_chriss(**world)
    total = schedules.sum(axis=0)
    public = [
        sum(world["permanent"][s] * total[s] for s in range(t) if t - s >= world["lag"]) for t in range(world["steps"])
    ]
    np.testing.assert_allclose(impact.mid @ total, public, atol=1e-12)
    paid = [
        trades @ (impact.felt_own @ trades + impact.felt_cross @ (total - trades) + impact.risk @ trades / 2)
        for trades in schedules
    ]
    np.testing.assert_allclose(impact.game(schedules.sum(axis=1)).costs(schedules[..., None]), paid, atol=1e-10)
    assert np.abs(np.triu(impact.mid)).max() == 0
    tossed = world["order"] == "coin-toss" and world["lag"] == 1
    np.testing.assert_allclose(impact.toss, np.diag(world["permanent"]) * tossed)


def test_every_toss_of_two_agents():
    random = np.random.default_rng(1)
    schedules, kappa, alpha = random.normal(20, 9, size=(2, 6)), 0.001, 0.002
    costs = every_toss(schedules, lambda s, t: kappa, lambda s: kappa, np.full(6, alpha), False)
    impact = almgren_chriss(6, order="coin-toss")
    np.testing.assert_allclose(costs.mean(axis=0), impact.game(schedules.sum(axis=1)).costs(schedules[..., None]))
    np.testing.assert_allclose(np.ptp(costs.sum(axis=1)), 0, atol=1e-12)  # one pays what the other does not
    coin = kappa**2 / 4 * ((schedules[0] * schedules[1]) ** 2).sum()
    np.testing.assert_allclose(costs.var(axis=0), coin)
    # One outcome, from the fields as a simulator uses them: agent 1 always trades first.
    fixed = impact.felt_cross - impact.toss / 2
    late = schedules[0] @ (impact.felt_own @ schedules[0] + fixed @ schedules[1] + impact.toss @ schedules[1])
    assert late == pytest.approx(costs[-1, 0], abs=1e-12)


def test_risk_is_the_variance_of_the_noise():
    steps, tau, volatility, aversion = 10, 0.5, 0.3, 0.7
    schedule = np.random.default_rng(2).normal(10, 5, steps)
    # cost = -sum of noise times trade; every price change has the same variance, so that exact moments are sums.
    loads = [sum(schedule[t] for t in range(steps) if t > s) for s in range(steps)]
    variance = volatility**2 * tau * sum(load**2 for load in loads)
    risk = almgren_chriss(steps, tau=tau, risk_aversion=aversion, volatility=volatility).risk
    assert schedule @ risk @ schedule / 2 == pytest.approx(aversion * variance)
    noise = np.random.default_rng(3).normal(0, volatility * np.sqrt(tau), size=(200_000, steps))
    met = np.cumsum(noise, axis=1) - noise  # a trade meets the noise of earlier steps
    assert (met @ schedule).var() == pytest.approx(variance, rel=0.01)


def test_twap_has_the_standard_deviation_of_the_reference():
    risk = almgren_chriss(risk_aversion=1.0, volatility=1e-3).risk
    twap = np.full(10, 10.0)
    assert round(np.sqrt(twap @ risk @ twap / 2), 4) == 0.1688


@pytest.mark.parametrize("order", ORDERS)
def test_a_constant_kernel_is_permanent_impact(order):
    alpha, kappa = 0.002, 0.001
    permanent = almgren_chriss(order=order, risk_aversion=0.1, volatility=0.2)
    kernel = transient(np.full(10, kappa), alpha - kappa / 2, order=order, risk_aversion=0.1, volatility=0.2)
    for name in ("felt_own", "felt_cross", "mid", "toss", "risk"):
        np.testing.assert_allclose(getattr(kernel, name), getattr(permanent, name), rtol=0, atol=1e-18)


@pytest.mark.parametrize("order", ORDERS)
def test_a_late_kernel_is_a_lag(order):
    late = transient([0, 0, *[0.001] * 8], 0.002, order=order)
    public = almgren_chriss(lag=2, order=order)
    for name in ("felt_own", "felt_cross", "mid", "toss"):
        np.testing.assert_allclose(getattr(late, name), getattr(public, name), rtol=0, atol=1e-18)


def test_own_and_cross_are_the_reference_formulas():
    lower = np.tri(10, k=-1)
    for order, shared, theta in (
        ("simultaneous", False, 0.0),
        ("coin-toss", False, 0.0005),
        ("simultaneous", True, 0.002),
        ("coin-toss", True, 0.0025),
    ):
        game = almgren_chriss(order=order, shared_temporary=shared).game([100, 100])
        np.testing.assert_allclose(game.own, 0.001 * np.ones((10, 10)) + 0.003 * np.eye(10), atol=1e-18)
        np.testing.assert_allclose(game.cross, 0.001 * lower + theta * np.eye(10), atol=1e-18)


def test_kernels():
    np.testing.assert_allclose(exponential(4, 0.5, scale=2, tau=0.25), 2 * np.exp(-0.125 * np.arange(4)))
    np.testing.assert_allclose(power_law(4, 0.5, scale=2, tau=3), 2 / np.sqrt([1, 4, 7, 10]))
    for kernel in (exponential(30, 0.5), power_law(30, 0.4), power_law(30, 2.0)):
        lags = np.abs(np.subtract.outer(np.arange(30), np.arange(30)))
        assert np.linalg.eigvalsh(kernel[lags])[0] > 0


Q = np.array([[1.0, 0.4, 0.1], [0.4, 0.8, -0.2], [0.1, -0.2, 0.5]])


def test_several_assets_are_virtual_assets():
    """Cordoni and Lillo's recipe: one asset per eigenvalue of the cross impact, rotated back."""
    kernel, theta = exponential(6, 0.4), 0.7
    inventories = np.array([[5.0, -2.0, 1.0], [3.0, 4.0, 0.0], [0.0, 1.0, 2.0]])
    solution = nash(transient(kernel, theta, cross_impact=Q).game(inventories))
    values, vectors = np.linalg.eigh(Q)
    rotated = inventories @ vectors
    virtual = [nash(transient(value * kernel, theta).game(rotated[:, m])) for m, value in enumerate(values)]
    together = np.concatenate([part.schedules for part in virtual], axis=2)
    np.testing.assert_allclose(solution.schedules, together @ vectors.T, atol=1e-12)
    np.testing.assert_allclose(solution.costs, sum(part.costs for part in virtual), atol=1e-12)
    assert solution.error < 1e-12


def test_several_assets_from_first_principles():
    random = np.random.default_rng(0)
    kernel, theta = [1.0, 0.6, 0.3], np.array([0.2, 0.5, 0.3])
    schedules = random.normal(size=(2, 3, 3))
    impact = transient(kernel, theta, cross_impact=Q, order="simultaneous")
    by_hand = np.zeros(2)
    for agent, t, s, a, b in np.ndindex(2, 3, 3, 3, 3):
        own, other = schedules[agent], schedules[1 - agent]
        if s < t:
            by_hand[agent] += own[t, a] * kernel[t - s] * Q[a, b] * (own[s, b] + other[s, b])
        elif s == t:
            by_hand[agent] += own[t, a] * (kernel[0] * Q[a, b] / 2 + theta[a] * (a == b)) * own[t, b]
    np.testing.assert_allclose(impact.game(schedules.sum(axis=1)).costs(schedules), by_hand, atol=1e-12)
    assert impact.assets == 3
    late = np.arange(9) // 3
    assert not impact.mid[late[:, None] <= late].any()


@pytest.mark.parametrize("factor", [0.9, 1.0])
def test_two_agents_are_stable_from_a_quarter_of_the_largest_eigenvalue(factor):
    """Cordoni and Lillo: no oscillation for any grid iff theta is at least max lambda G(0) / 4."""
    theta = factor * np.linalg.eigvalsh(Q)[-1] / 4
    impact = transient(exponential(41, 1.0, tau=0.001), theta, cross_impact=Q)
    worst = np.linalg.eigh(Q)[1][:, -1]  # the portfolio that is one virtual asset
    schedule = nash(impact.game([worst, -worst])).schedules[0] @ worst
    assert (schedule.min() >= 0) == (factor == 1.0)


def test_several_assets_with_risk():
    covariance = np.array([[0.04, 0.01], [0.01, 0.09]])
    impact = transient([1.0, 0.5], 0.1, cross_impact=np.eye(2), risk_aversion=2.0, volatility=covariance)
    held = np.array([3.0, -1.0])  # after the first trade; nothing after the second
    schedule = np.concatenate([[7.0, 7.0], held])
    assert schedule @ impact.risk @ schedule / 2 == pytest.approx(2.0 * held @ covariance @ held)


def test_frequent_trading_has_a_limit_that_costs_do_not_change():
    """Nutz and Prosperi (arXiv 2512.11765), G(0) = 1: any theta > 0 gives the same limit and the same block costs."""
    rho, steps, players, block = 0.5, 801, 3, 25
    times = np.linspace(0, 1, steps)
    for theta in (0.1, 0.5):
        game = transient(exponential(steps, rho, tau=1 / (steps - 1)), theta).game(np.ones(players))
        common, apart = (solution[:, 0] for solution in fundamental_solutions(game))
        left = 1 - np.cumsum(apart)
        limit = (rho * (1 - times) + 1) / (rho + 1)
        np.testing.assert_allclose(left[100:-100], limit[100:-100], atol=1e-3)
        # theta times the squared trades: (n-1)/4 of the squared first block, 1/4 of the last.
        assert theta * common[:block] @ common[:block] / common[:block].sum() ** 2 == pytest.approx(0.5, rel=0.06)
        assert theta * apart[-block:] @ apart[-block:] / apart[-block:].sum() ** 2 == pytest.approx(0.25, rel=0.06)


def test_without_costs_oscillations_persist():
    for steps in (101, 401):
        apart = fundamental_solutions(transient(exponential(steps, 0.5, tau=1 / (steps - 1))).game([1, -1]))[1]
        assert apart.min() < -0.5


def test_when_schedules_stop_oscillating():
    for players in (2, 3, 5):  # a constant kernel, G(0) = 1
        for factor, sells in ((0.999, False), (1.0, True)):
            impact = transient(np.ones(11), factor * (players - 1) / 4)
            common, _ = fundamental_solutions(impact.game(np.ones(players)))
            assert (common.min() >= -1e-15) == sells
    for theta, sells in ((0.0061, False), (0.00611, True), (0.0075, True)):  # eleven dates, one apart
        common, _ = fundamental_solutions(transient(exponential(11, 0.5), theta).game(np.ones(3)))
        assert (common.min() >= 0) == sells
    _, apart = fundamental_solutions(transient(exponential(400, 1.0, tau=0.01), 0.25).game(np.ones(2)))
    assert apart.min() > 0  # two agents: from G(0) / 4 on


KAPPA, ALPHA = np.linspace(0.002, 0.00029, 10), np.linspace(0.004, 0.00049, 10)  # Macrì and Lillo, arXiv 2402.12049


def test_liquidity_that_varies_in_time():
    """A single agent sells late if the market gets deeper, and early if it gets thinner."""
    deeper = almgren_chriss(temporary=ALPHA, permanent=KAPPA)
    late = nash(deeper.game([20], sales_only=True))
    early = nash(almgren_chriss(temporary=ALPHA[::-1], permanent=KAPPA[::-1]).game([20]))
    assert (np.diff(late.schedules[0, :, 0]) >= 0).all()
    assert (np.diff(early.schedules[0, :, 0]) < 0).all()
    assert late.schedules[0, :7].max() == 0
    # Allowed to buy, it pushes the price up while trades move it much, and sells when they move it little: at a gain.
    assert nash(deeper.game([20])).costs[0] == pytest.approx(-0.285309, abs=5e-7)


def test_exploitability_of_a_single_agent_is_its_distance_from_the_optimum():
    game = almgren_chriss(temporary=ALPHA, permanent=KAPPA).game([20])
    solution = nash(game)
    for move in np.random.default_rng(0).normal(size=(50, 1, 10, 1)):
        other = game.twap() + move - move.mean()
        assert exploitability(game, other)[0] == pytest.approx(game.costs(other)[0] - solution.costs[0], abs=1e-12)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: almgren_chriss(0), "steps: 0 is too small"),
        (lambda: almgren_chriss(lag=0), "lag: 0 is too small"),
        (lambda: almgren_chriss(tau=0.0), "tau: 0.0 is too small"),
        (lambda: almgren_chriss(order="random"), "order: 'random' is unknown; choose from simultaneous, coin-toss"),
        (lambda: almgren_chriss(temporary=[1.0, 2.0]), "temporary: the shape (2,) is wrong; give a number or (10, 1)"),
        (lambda: almgren_chriss(permanent=np.nan), "permanent: has an entry that is not finite"),
        (lambda: almgren_chriss(risk_aversion=-1.0), "risk_aversion: -1.0 is out of bounds"),
        (lambda: almgren_chriss(volatility=np.inf), "volatility: [[inf]] is wrong"),
        (lambda: transient([[1.0]]), "kernel: an array of shape (1, 1) is wrong"),
        (lambda: transient([1.0], cross_impact=[[1.0, 2.0], [2.0, 1.0]]), "cross_impact: [[1.0, 2.0], [2.0, 1.0]]"),
        (
            lambda: transient([1.0], cross_impact=np.eye(2), volatility=[[1.0]]),
            "volatility: the shape (1, 1) is wrong; give a number or",
        ),
        (lambda: exponential(3, -1.0), "decay: -1.0 is out of bounds"),
        (lambda: power_law(3, 1.0, tau=0.0), "tau: 0.0 is out of bounds"),
    ],
)
def test_mistakes_are_named(build, message):
    with pytest.raises(TacitError, match=re.escape(message)):
        build()
