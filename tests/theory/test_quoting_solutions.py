"""Optimal and equilibrium quotes against brute force, a numerical optimiser, closed forms and published digits."""

import numpy as np
import pytest
from scipy.optimize import minimize

from tacitlab.errors import TacitError
from tacitlab.markets.quoting.market_making_theory import ContinuousMaker
from tacitlab.markets.quoting.solutions import best_response, equilibrium, joint_optimum, on_grid, optimum
from tacitlab.markets.quoting.theory import QuotingGame, values
from tacitlab.theory import logit

SMALL = {"steps": 4, "arrival": 0.8, "cap": 2, "running": 0.05, "terminal": 0.3}
RFQ = {"makers": 2, "fills": "logit", "requests": True, "arrival": 1.0, "steps": 1, "cap": None}
FINE = np.linspace(-1.0, 3.0, 51)


def brute(game, quotes, maker):
    """Largest value of a maker in each state of the first step over a fine grid of bids and asks, later ones given."""
    later = game.holding + values(game, quotes)[1]
    best = np.full(game.states, -np.inf)
    for bid in FINE:
        trial = quotes[0].copy()
        trial[:, maker, 0] = bid
        for ask in FINE:
            trial[:, maker, 1] = ask
            best = np.maximum(best, game.worth(trial, later)[:, maker])
    return best


def plain_optimum(game, grid):
    """Values of a maker who is alone, by comparing all pairs of quotes with formulas written out."""
    cap, g = game.cap, game.risk_aversion
    weight = 1 / (1 + np.exp((grid - game.value) / game.mu)) if game.fills == "logit" else np.exp(-game.decay * grid)
    chance = np.minimum(1, game.arrival * weight)
    found = [-game.terminal * q * q for q in range(-cap, cap + 1)]
    for _ in range(game.steps):
        later = [v - game.running * q * q for q, v in zip(range(-cap, cap + 1), found, strict=True)]
        found = []
        for k, q in enumerate(range(-cap, cap + 1)):
            bid, ask = (chance if allowed else 0 * chance for allowed in (q < cap, q > -cap))
            up, down = later[min(k + 1, 2 * cap)], later[max(k - 1, 0)]
            b, a, x, y = bid[:, None], ask[None], grid[:, None], grid[None]
            outcomes = ((b * (1 - a), x + up), (a * (1 - b), y + down), (a * b, x + y + later[k]),
                        ((1 - a) * (1 - b), later[k] + 0 * x))  # fmt: skip
            if g:
                found.append((-np.log(sum(p * np.exp(-g * v) for p, v in outcomes)) / g).max())
            else:
                found.append(sum(p * v for p, v in outcomes).max())
    return np.array(found)


@pytest.mark.parametrize(
    "changes", [{}, {"fills": "logit"}, {"risk_aversion": 0.7}, {"arrival": 2.5}, {"terminal": 2.0}], ids=str
)
def test_the_optimum_is_that_of_a_fine_grid(changes):
    game = QuotingGame(**{**SMALL, **changes})
    found = optimum(game)
    np.testing.assert_allclose(values(game, found.quotes), found.values)
    fine = plain_optimum(game, np.linspace(-2.0, 3.5, 701))
    assert (found.values[0, :, 0] >= fine - 1e-12).all()
    np.testing.assert_allclose(found.values[0, :, 0], fine, atol=5e-3 if changes.get("arrival") is None else 0.03)
    np.testing.assert_allclose(on_grid(game, FINE[::5]).values[0, :, 0], plain_optimum(game, FINE[::5]))


def test_the_best_grid_quotes_are_those_of_all_policies():
    """Two steps, two half-spreads, three inventories: every policy in turn."""
    game = QuotingGame(steps=2, arrival=0.9, cap=1, running=0.2, terminal=0.1)
    pairs = [(a, b) for a in (0.2, 0.9) for b in (0.2, 0.9)]
    best = np.full(3, -np.inf)
    for first in np.ndindex(4, 4, 4):
        for second in np.ndindex(4, 4, 4):
            quotes = np.array([[[pairs[k]] for k in plan] for plan in (first, second)], dtype=float)
            best = np.maximum(best, values(game, quotes)[0, :, 0])
    np.testing.assert_allclose(on_grid(game, [0.2, 0.9]).values[0, :, 0], best)


@pytest.mark.parametrize("averse", [{}, {"risk_aversion": 0.3}], ids=str)
def test_short_steps_lead_to_the_closed_form(averse):
    """The error falls in proportion to the step; the quotes approach those of the matrix exponential."""
    limit = ContinuousMaker(arrivals=50, decay=1.5, running=0.5, terminal=0.01, cap=4, volatility=1.0, **averse)
    errors = []
    for steps in (100, 200):
        game = QuotingGame(
            steps=steps, arrival=50 / steps, cap=4, running=0.5 / steps, terminal=0.01, volatility=steps**-0.5, **averse
        )
        found = optimum(game)
        errors.append(np.abs(found.values[0, :, 0] - limit.values()).max())
    assert errors[1] < 0.5
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.25)
    bids = found.quotes[0, 1:-1, 0, 0] - limit.quotes()[1:-1, 0]
    assert np.abs(bids).max() < 0.1


def test_the_published_request_for_quote():
    game = QuotingGame(**RFQ)
    nash, joint = equilibrium(game), joint_optimum(game)
    np.testing.assert_allclose(nash.quotes, 0.47293, atol=5e-6)
    np.testing.assert_allclose(nash.at(0), 0.22293, atol=5e-6)
    np.testing.assert_allclose(joint.quotes, 0.92498, atol=5e-6)
    np.testing.assert_allclose(joint.at(0), 0.33749, atol=5e-6)
    assert nash.error < 1e-12


def test_unequal_dealers_are_a_bertrand_game():
    costs = (0.0, 0.2, -0.1)
    game = QuotingGame(**{**RFQ, "makers": 3, "costs": costs})
    row = (1 - np.array(costs))[None] / 0.25
    markups = logit.nash(row, np.ones(1))[0].markups * 0.25
    np.testing.assert_allclose(equilibrium(game).quotes[0, 0, :, 0] - costs, markups, rtol=1e-8)
    np.testing.assert_allclose(
        joint_optimum(game).quotes[0, 0, :, 1] - costs, logit.monopoly(row, np.ones(1)).markups * 0.25, rtol=1e-8
    )


DUOPOLIES = [
    {},
    {"costs": (0.0, 0.2)},
    {"requests": True},
    {"arrival": 0.3, "cap": 1, "terminal": 0.5},
]
STEEP = {"cap": 1, "terminal": 1.0, "running": 0.4}  # a step in which both sides trade is worth far more than two


@pytest.mark.parametrize("changes", DUOPOLIES, ids=str)
def test_nobody_gains_by_other_quotes_in_any_state(changes):
    game = QuotingGame(**{**SMALL, "makers": 2, "fills": "logit", **changes})
    found = equilibrium(game)
    np.testing.assert_allclose(values(game, found.quotes), found.values, atol=1e-10)
    assert found.error < 1e-9
    for maker in (0, 1):
        assert (brute(game, found.quotes, maker) <= found.values[0, :, maker] + 1e-9).all()
    if not changes.get("costs"):  # equal makers play alike
        swapped = found.quotes.reshape(game.steps, game.width, game.width, 2, 2).swapaxes(1, 2)[..., ::-1, :]
        np.testing.assert_allclose(swapped.reshape(found.quotes.shape), found.quotes, rtol=1e-8)


def test_where_both_sides_must_be_won_the_error_tells():
    game = QuotingGame(**{**SMALL, "makers": 2, "fills": "logit", **STEEP})
    found = equilibrium(game)
    gain = best_response(game, found.quotes, 0).values[0, game.begin, 0] - found.at(game.begin)[0]
    assert found.error == pytest.approx(gain)
    assert found.error > 0.01


@pytest.mark.parametrize("changes", [*DUOPOLIES, STEEP, {"fills": "exponential"}], ids=str)
def test_the_joint_optimum_is_that_of_a_numerical_optimiser(changes):
    game = QuotingGame(**{**SMALL, "steps": 2, "makers": 2, "fills": "logit", **changes})
    found = joint_optimum(game)
    later = game.holding + found.values[1]
    for state in (game.begin, 1, game.states - 2):

        def loss(numbers, state=state):
            quotes = found.quotes[0].copy()
            quotes[state] = numbers.reshape(2, 2)
            return -game.worth(quotes, later)[state].sum()

        starts = np.where(np.isfinite(found.quotes[0, state]), found.quotes[0, state], 3.0)
        options = {"xatol": 1e-8, "fatol": 1e-12, "maxiter": 2000}
        best = min(
            minimize(loss, (starts + shift).ravel(), method="Nelder-Mead", options=options).fun
            for shift in (0.0, 0.3, np.array([[0.4, -0.4], [-0.4, 0.4]]))
        )
        assert -best <= found.values[0, state].sum() + 1e-7
    if game.fills == "logit":
        assert found.at(game.begin).sum() > equilibrium(game).at(game.begin).sum() + 1e-3


@pytest.mark.parametrize("fills", ["logit", "exponential"])
def test_a_best_response_to_anything_is_that_of_a_fine_grid(fills):
    game = QuotingGame(**{**SMALL, "makers": 2, "fills": fills, "steps": 2})
    given = np.random.default_rng(3).uniform(0, 1.2, (game.steps, game.states, 2, 2))
    found = best_response(game, given, 1)
    np.testing.assert_array_equal(found.quotes[:, :, 0][game.feasible[None, :, 0].repeat(2, 0)],
                                  given[:, :, 0][game.feasible[None, :, 0].repeat(2, 0)])  # fmt: skip
    grid = brute(game, found.quotes, 1)
    assert (grid <= found.values[0, :, 1] + 1e-6).all()
    np.testing.assert_allclose(grid, found.values[0, :, 1], atol=0.03)
    assert (found.values[0] >= values(game, given)[0] - 1e-12)[:, 1].all()


def test_alone_everything_is_the_same():
    for fills in ("logit", "exponential"):
        game = QuotingGame(**{**SMALL, "fills": fills})
        best = optimum(game).values
        for other in (equilibrium(game), joint_optimum(game), best_response(game, optimum(game).quotes, 0)):
            np.testing.assert_allclose(other.values, best, atol=1e-9)


@pytest.mark.parametrize(
    ("solve", "changes", "words"),
    [
        (optimum, {"makers": 2}, "makers: 2 do not decide alone"),
        (lambda game: on_grid(game, [1.0]), {"makers": 2}, "makers: 2 do not decide alone"),
        (optimum, {"fills": "logit", "risk_aversion": 1.0}, "risk_aversion: the optimum under logit"),
        (equilibrium, {"makers": 2}, "fills: equilibria of several makers"),
        (equilibrium, {"risk_aversion": 1.0}, "risk_aversion: equilibria"),
        (joint_optimum, {"risk_aversion": 1.0}, "risk_aversion: the sum"),
    ],
)
def test_what_is_not_solved_is_named(solve, changes, words):
    with pytest.raises(TacitError, match=words):
        solve(QuotingGame(**{**SMALL, **changes}))
