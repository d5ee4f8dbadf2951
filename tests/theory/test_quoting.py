"""Quoting games: exact values and moments against naive recursion, Monte Carlo and published digits."""

import itertools
import math

import numpy as np
import pytest

from tacitlab.errors import TacitError
from tacitlab.markets.quoting.market_making_theory import avellaneda_stoikov, symmetric
from tacitlab.markets.quoting.theory import QuotingGame, record, values

PUBLISHED = [  # gamma, rule, mean spread, mean and sd of the gain, sd of the last inventory; 20,000 simulated paths
    (0.01, avellaneda_stoikov, 1.349, 68.39, 8.95, 5.22),
    (0.1, avellaneda_stoikov, 1.492, 64.87, 6.50, 2.93),
    (0.1, symmetric, 1.492, 68.00, 13.32, 8.46),
    (0.5, avellaneda_stoikov, 2.156, 48.59, 5.89, 1.95),
]
CASES = [
    {},
    {"makers": 2},
    {"fills": "logit", "arrival": 0.6},
    {"fills": "logit", "arrival": 0.6, "makers": 2, "costs": (0.1, -0.2)},
    {"fills": "logit", "arrival": 0.9, "makers": 2, "requests": True, "start": 1},
    {"fills": "logit", "arrival": 0.9, "makers": 3, "requests": True, "cap": None},
]


def classic(gamma, rule, cap=60):
    """The setting of Avellaneda and Stoikov with one of their rules."""
    game = QuotingGame(steps=200, arrival=140 * 0.005, decay=1.5, cap=cap, volatility=2 * math.sqrt(0.005))
    left = 1 - np.arange(200) / 200
    return game, rule(game.inventories[None, :, 0], left[:, None], gamma, 2.0, 1.5)[:, :, None]


def random_quotes(game, seed=0, ties=True):
    quotes = np.random.default_rng(seed).uniform(-0.3, 1.5, (game.steps, game.states, game.makers, 2))
    return np.round(quotes, 1) if ties else quotes


def probabilities(game, quotes, held, side):
    """Of each maker's trade on one side, written out."""
    can = [game.cap is None or (h < game.cap if side == 0 else h > -game.cap) for h in held]
    often = game.arrival / 2 if game.requests else game.arrival
    if game.fills == "logit":
        weights = [math.exp((game.value - d) / game.mu) if ok else 0.0 for d, ok in zip(quotes, can, strict=True)]
        return [often * w / (1 + sum(weights)) for w in weights]
    if not any(can):
        return [0.0] * game.makers
    best = min(d for d, ok in zip(quotes, can, strict=True) if ok)
    winners = [ok and d == best for d, ok in zip(quotes, can, strict=True)]
    return [min(1.0, often * math.exp(-game.decay * best)) / sum(winners) if w else 0.0 for w in winners]


def naive(game, quotes, step, held, utility):
    """Expected utility of each maker's remaining gain by recursion over every outcome of every step."""

    def after(step, held, earned):
        """Expectation over what follows, gains so far given."""
        if step == game.steps:
            total = [e - game.terminal * h * h for e, h in zip(earned, held, strict=True)]
            return np.array([utility(x) for x in total])
        place = 0 if game.cap is None else sum((h + game.cap) * game.width ** (game.makers - 1 - i)
                                               for i, h in enumerate(held))  # fmt: skip
        own = quotes[step, place]
        chances = [probabilities(game, own[:, side], held, side) for side in (0, 1)]
        nobody = [1 - sum(c) for c in chances]
        found = np.zeros(game.makers)
        for bid, ask in itertools.product(range(-1, game.makers), repeat=2):
            if game.requests:
                if bid >= 0 and ask >= 0:
                    continue
                odds = chances[0][bid] if bid >= 0 else chances[1][ask] if ask >= 0 else 1 - sum(map(sum, chances))
            else:
                odds = (nobody[0] if bid < 0 else chances[0][bid]) * (nobody[1] if ask < 0 else chances[1][ask])
            if odds == 0:
                continue
            new, gain = list(held), list(earned)
            for who, side, lots in ((bid, 0, 1), (ask, 1, -1)):
                if who >= 0:
                    new[who] += lots if game.cap is not None else 0
                    gain[who] += own[who, side] - game.cost[who]
            gain = [g - game.running * h * h for g, h in zip(gain, new, strict=True)]
            found += odds * after(step + 1, new, gain)
        return found

    return after(step, held, [0.0] * game.makers)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_are_those_of_every_path(case):
    game = QuotingGame(**{"steps": 3, "arrival": 0.7, "cap": 1, "running": 0.1, "terminal": 0.3, **case})
    quotes, held = random_quotes(game), [game.start] * game.makers
    np.testing.assert_allclose(values(game, quotes)[0, game.begin], naive(game, quotes, 0, held, lambda x: x))


@pytest.mark.parametrize("case", CASES[:3:2], ids=str)
def test_certainty_equivalents_are_those_of_every_path(case):
    game = QuotingGame(**{"steps": 3, "arrival": 0.7, "cap": 2, "terminal": 0.3, "risk_aversion": 0.8, **case})
    quotes = random_quotes(game)
    found = -np.log(naive(game, quotes, 0, [0], lambda x: math.exp(-0.8 * x))) / 0.8
    np.testing.assert_allclose(values(game, quotes)[0, game.begin], found)


def test_the_price_enters_a_certainty_equivalent_as_its_variance():
    """With a normal mid price, E exp(-g q dS) = exp(g² q² s²/2): a penalty of g s²/2 on the squared inventory."""
    risky = QuotingGame(steps=4, cap=3, arrival=0.6, risk_aversion=0.5, volatility=1.2)
    same = QuotingGame(steps=4, cap=3, arrival=0.6, risk_aversion=0.5, running=0.5 * 1.2**2 / 2)
    quotes = random_quotes(risky)
    np.testing.assert_allclose(values(risky, quotes), values(same, quotes))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_moments_are_those_of_every_path(case):
    game = QuotingGame(**{"steps": 3, "arrival": 0.7, "cap": 1, **case})
    quotes, held = random_quotes(game), [game.start] * game.makers
    found = record(game, quotes)
    mean, square = (naive(game, quotes, 0, held, f) for f in (lambda x: x, lambda x: x * x))
    np.testing.assert_allclose(found.gain, mean)
    np.testing.assert_allclose(found.gain_sd, np.sqrt(square - mean**2))
    np.testing.assert_allclose(found.occupancy.sum(axis=1), 1)
    assert (found.trades <= 2 * game.steps).all()


@pytest.mark.parametrize(("gamma", "rule", "spread", "gain", "sd", "last"), PUBLISHED)
def test_the_published_table_within_its_monte_carlo_error(gamma, rule, spread, gain, sd, last):
    found, paths = record(*classic(gamma, rule)), 20_000
    assert 2 * found.half_spread[0] == pytest.approx(spread, abs=6e-4)
    assert found.gain[0] == pytest.approx(gain, abs=3 * sd / math.sqrt(paths))
    assert found.gain_sd[0] == pytest.approx(sd, abs=3 * sd / math.sqrt(2 * paths))
    assert found.inventory_sd[0] == pytest.approx(last, abs=3 * last / math.sqrt(2 * paths))


@pytest.mark.parametrize(("gamma", "rule"), [(0.1, avellaneda_stoikov), (0.1, symmetric)])
def test_moments_against_a_simulation(gamma, rule):
    """Paths with steps of the price of either sign, drawn here; of the package only the formula of the quotes."""
    rng, paths = np.random.default_rng(5), 4000
    q, cash, price = np.zeros(paths), np.zeros(paths), np.full(paths, 100.0)
    for step in range(200):
        quotes = rule(q, 1 - step / 200, gamma, 2.0, 1.5)
        bid, ask = (rng.random(paths) < np.minimum(1, 0.7 * np.exp(-1.5 * quotes[:, side])) for side in (0, 1))
        cash += ask * (price + quotes[:, 1]) - bid * (price - quotes[:, 0])
        q += bid.astype(float) - ask
        price += 2 * math.sqrt(0.005) * rng.choice([-1.0, 1.0], paths)
    gain, found = cash + q * price, record(*classic(gamma, rule))
    assert found.gain[0] == pytest.approx(gain.mean(), abs=3 * gain.std() / math.sqrt(paths))
    assert found.gain_sd[0] == pytest.approx(gain.std(), rel=3 / math.sqrt(2 * paths))
    assert found.inventory_sd[0] == pytest.approx(q.std(), rel=3 / math.sqrt(2 * paths))


def test_one_price_for_bids_is_no_bid_at_the_cap():
    game = QuotingGame(steps=2, cap=1, arrival=1.0)
    joint = game.joint(np.zeros((3, 1, 2)))
    assert joint[2, 1].sum() == 0
    assert joint[0, :, 1].sum() == 0
    np.testing.assert_allclose(joint.sum(axis=(1, 2)), 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"costs": (1.0, 2.0)}, "costs: 2 numbers for 1 makers"),
        ({"fills": "logit", "arrival": 1.5}, "arrival: 1.5 is no probability"),
        ({"arrival": 0.0}, "arrival: 0 is no probability"),
        ({"start": 11}, "start: 11 lies beyond the cap"),
        ({"makers": 4, "fills": "logit"}, "cap: 21 inventories of 4 makers in 200 steps are too many"),
    ],
)
def test_mistakes_are_named(changes, words):
    with pytest.raises(TacitError, match=words):
        QuotingGame(**changes)
    game = QuotingGame(steps=1, cap=1)
    with pytest.raises(TacitError, match="quotes: the shape"):
        values(game, np.zeros((1, 3, 2)))
    with pytest.raises(TacitError, match="quotes: some are not numbers"):
        values(game, np.full((1, 3, 1, 2), np.nan))
