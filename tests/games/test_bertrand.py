import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar

from tacitlab.errors import TacitError
from tacitlab.games.bertrand import Bertrand

number = st.floats(0.5, 2.0)


@st.composite
def markets(draw, shock=False):
    players = draw(st.integers(2, 4))
    several = st.lists(number, min_size=players, max_size=players)
    return Bertrand(
        players=players,
        cost=draw(several),
        quality=[1.0 + extra for extra in draw(several)],
        mu=draw(st.floats(0.05, 1.0)),
        demand_shock=draw(st.floats(0.01, 0.2)) if shock else 0.0,
        price_grid=[1.0, 3.0],
    )


def profit(prices, i, cost=(1.0, 1.0), quality=(2.0, 2.0), mu=0.25, outside=0.0):
    """The model of the paper, written down once more without any care for overflow."""
    weights = np.exp((np.asarray(quality) - prices) / mu)
    return (prices[i] - cost[i]) * weights[i] / (weights.sum() + np.exp(outside / mu))


def brute_force_nash(payoff, players, low, high):
    """Best replies in turn, each by a scan and a bounded search."""
    prices = np.full(players, (low + high) / 2)
    for _ in range(200):
        before = prices.copy()
        for i in range(players):

            def loss(p, i=i):
                return -payoff(np.where(np.arange(players) == i, p, prices), i)

            scan = np.linspace(low, high, 60)
            k = int(np.clip(np.argmin([loss(p) for p in scan]), 1, 58))
            prices[i] = minimize_scalar(loss, bounds=(scan[k - 1], scan[k + 1]), options={"xatol": 1e-11}).x
        if np.abs(prices - before).max() < 1e-9:
            break
    return prices


def test_baseline_of_calvano_et_al():
    game = Bertrand()
    assert np.round(game.nash_prices(), 5) == pytest.approx([1.47293] * 2, abs=1e-12)
    assert np.round(game.monopoly_prices(), 5) == pytest.approx([1.92498] * 2, abs=1e-12)
    benchmarks = game.benchmarks()
    assert benchmarks.nash.name == "Nash"
    assert benchmarks.optimum.name == "monopoly"
    assert benchmarks.optimum.payoffs == pytest.approx([0.33749046] * 2, abs=5e-9)
    # Exact; the paper's code computes .22292806 at the price rounded to 1.47293, see the next test.
    assert benchmarks.nash.payoffs == pytest.approx([0.22292666] * 2, abs=5e-9)
    assert benchmarks.nash.error < 1e-14
    assert benchmarks.nash.quantities["share"] == pytest.approx([0.47137681] * 2, abs=5e-9)


def test_published_digits_at_the_rounded_prices_of_the_published_code():
    nash, monopoly = [1.47293] * 2, [1.92498] * 2
    game = Bertrand(price_grid=[1.427725, 1.970185])
    assert game.profits(nash) == pytest.approx([0.22292806] * 2, abs=5e-9)
    assert game.demand(nash) == pytest.approx([0.47137645] * 2, abs=5e-9)
    assert game.profits(monopoly) == pytest.approx([0.33749046] * 2, abs=5e-9)
    assert game.demand(monopoly) == pytest.approx([0.36486244] * 2, abs=5e-9)
    assert np.diff(game.prices()[0]) == pytest.approx(0.0387471, abs=5e-8)
    # The exact grid differs in the sixth decimal only.
    assert Bertrand().prices() == pytest.approx(game.prices(), abs=5e-6)


def test_grid_ends():
    game = Bertrand(cost=[1.0, 1.2], xi=0.2, n_prices=9)
    nash, monopoly = game.nash_prices(), game.monopoly_prices()
    grid = game.prices()
    assert grid.shape == (2, 9)
    assert grid[:, 0] == pytest.approx(nash - 0.2 * (monopoly - nash))
    assert grid[:, -1] == pytest.approx(monopoly + 0.2 * (monopoly - nash))
    assert np.ptp(np.diff(grid, axis=1), axis=1) == pytest.approx([0, 0], abs=1e-12)
    based = Bertrand(cost=[1.0, 1.2], xi=0.2, n_prices=9, price_grid="cost-based").prices()
    assert based[:, 0].tolist() == [1.0, 1.2]
    assert based[:, -1].tolist() == grid[:, -1].tolist()
    assert Bertrand(price_grid=[1, 2], n_prices=3).prices().tolist() == [[1, 1.5, 2]] * 2


@pytest.mark.parametrize(
    ("cost", "quality", "mu", "outside"),
    [
        ((1.0, 1.0), (2.0, 2.0), 0.25, 0.0),
        ((1.0, 1.3), (2.0, 2.4), 0.25, 0.3),
        ((0.5, 1.0, 1.5), (1.0, 2.0, 2.0), 0.4, -0.5),
    ],
)
def test_nash_and_monopoly_against_brute_force(cost, quality, mu, outside):
    game = Bertrand(players=len(cost), cost=cost, quality=quality, mu=mu, outside_quality=outside)

    def payoff(prices, i):
        return profit(prices, i, cost, quality, mu, outside)

    assert game.nash_prices() == pytest.approx(brute_force_nash(payoff, len(cost), 0.5, 5.0), abs=1e-6)
    best = minimize(
        lambda p: -sum(payoff(p, i) for i in range(len(cost))), np.asarray(cost) + 0.5, method="Nelder-Mead", tol=1e-11
    )
    assert game.monopoly_prices() == pytest.approx(best.x, abs=1e-4)
    assert game.benchmarks().optimum.payoffs.sum() == pytest.approx(-best.fun, abs=1e-9)


def test_table_holds_the_profits():
    game = Bertrand(cost=[1.0, 1.3], n_prices=4)
    grid, tensor = game.prices(), game.form().tensor()
    for a, b in np.ndindex(4, 4):
        joint = np.array([grid[0, a], grid[1, b]])
        assert tensor[a, b] == pytest.approx([profit(joint, i, (1.0, 1.3)) for i in (0, 1)])


@given(markets())
@settings(max_examples=25)
def test_nash_is_a_mutual_best_reply_and_monopoly_is_better(game):
    nash, monopoly = game.nash_prices(), game.monopoly_prices()
    earned = game.profits(nash)
    for i in range(game.players):
        trials = np.tile(nash, (800, 1))
        trials[:, i] = np.linspace(game.costs[i], 8.0, 800)
        assert game.profits(trials)[:, i].max() <= earned[i] * (1 + 1e-9)
    assert game.profits(monopoly).sum() >= earned.sum()
    assert np.all(monopoly >= nash - 1e-9)
    assert np.ptp(monopoly - game.costs) == pytest.approx(0, abs=1e-9)


@given(markets(), st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_permuting_the_firms_permutes_everything(game, random):
    order = list(range(game.players))
    random.shuffle(order)
    other = game.model_copy(update={name: tuple(getattr(game, name)[k] for k in order) for name in ("cost", "quality")})
    prices = np.linspace(1.0, 2.0, game.players)
    assert other.demand(prices[order]).tolist() == game.demand(prices)[order].tolist()
    assert other.nash_prices() == pytest.approx(game.nash_prices()[order], rel=1e-10)


@given(markets(), st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4))
@settings(max_examples=50)
def test_shares_are_positive_and_leave_room_for_the_outside_good(game, prices):
    shares = game.demand(prices[: game.players])
    assert np.all(shares >= 0)
    assert shares.sum() <= 1 + 1e-12
    assert Bertrand().demand([1.5, 1.5]).sum() < 1


def test_symmetric_firms_get_identical_numbers():
    game = Bertrand(players=3, n_prices=5)
    assert len(set(game.nash_prices())) == 1
    tensor = game.form().tensor()
    for joint in np.ndindex(5, 5, 5):
        rotated = joint[1:] + joint[:1]
        assert tensor[rotated].tolist() == np.roll(tensor[joint], -1).tolist()


def test_consumer_surplus_is_minus_the_integral_of_demand():
    game = Bertrand(players=3)
    prices, step = np.array([1.2, 1.5, 1.9]), 1e-6
    for i in range(3):
        shift = step * (np.arange(3) == i)
        slope = (game.consumer_surplus(prices + shift) - game.consumer_surplus(prices - shift)) / (2 * step)
        assert slope == pytest.approx(-game.demand(prices)[i], abs=1e-8)


@pytest.mark.parametrize("mu", [0.01, 1e-3, 1e-5])
def test_near_perfect_substitutes_approach_marginal_cost(mu):
    game = Bertrand(mu=mu)
    assert game.nash_prices() == pytest.approx([1 + 2 * mu] * 2, rel=1e-9)  # p - c = mu/(1 - s) with s = 1/2
    assert game.monopoly_prices()[0] == pytest.approx(2, abs=20 * mu)
    assert np.all(np.isfinite(game.form().payoffs))
    assert game.benchmarks().nash.payoffs == pytest.approx([mu] * 2, rel=1e-6)


def test_more_firms_charge_less():
    prices = [Bertrand(players=n).nash_prices()[0] for n in (2, 3, 4, 10)]
    assert prices == sorted(prices, reverse=True)
    assert prices[1] == pytest.approx(1.370163, abs=1e-6)


@pytest.mark.parametrize(("shock", "values"), [(0.15, 2), (0.25, 2), (0.25, 3)])
def test_demand_shock_is_an_unobserved_draw(shock, values):
    game = Bertrand(demand_shock=shock, shock_values=values)
    form, outside = game.form(), (-shock, 0, shock) if values == 3 else (-shock, shock)
    assert form.transition.tolist() == [[1 / values] * values] * values
    assert not form.observed
    assert form.active.all()
    assert form.stationary() == pytest.approx([1 / values] * values)

    def expected(prices, i):
        return np.mean([profit(prices, i, outside=value) for value in outside])

    benchmarks = game.benchmarks()
    nash, monopoly = game.nash_prices(), game.monopoly_prices()
    assert nash == pytest.approx(brute_force_nash(expected, 2, 1.0, 3.0), abs=1e-6)
    best = minimize_scalar(lambda p: -expected(np.array([p, p]), 0), bounds=(1.2, 3), options={"xatol": 1e-10})
    assert monopoly == pytest.approx([best.x] * 2, abs=1e-6)
    assert benchmarks.nash.payoffs == pytest.approx([expected(nash, i) for i in (0, 1)])
    low, high = game.prices()[0, 0], game.prices()[0, -1]
    for regime, value in enumerate(outside):
        right = [profit(np.array([low, high]), i, outside=value) for i in (0, 1)]
        assert form.tensor(regime)[0, -1] == pytest.approx(right)


@given(markets(shock=True))
@settings(max_examples=10)
def test_nash_of_expected_profit_is_a_mutual_best_reply(game):
    nash = game.nash_prices()
    for i in range(game.players):
        trials = np.tile(nash, (800, 1))
        trials[:, i] = np.linspace(game.costs[i], 8.0, 800)
        assert game.profits(trials)[:, i].max() <= game.profits(nash)[i] * (1 + 1e-9)


def test_entry_of_an_outsider():
    game = Bertrand(players=3, n_prices=6, entry_persistence=0.99)
    form = game.form()
    assert form.observed
    assert form.transition == pytest.approx(np.array([[0.99, 0.01], [0.01, 0.99]]))
    assert form.active.tolist() == [[True, True, False], [True, True, True]]
    assert np.all(form.tensor(0)[..., 2] == 0)
    assert np.ptp(form.tensor(0), axis=2).max() == 0  # the outsider's idle price changes nothing
    triopoly = Bertrand(players=3, n_prices=6)
    assert form.tensor(1).tolist() == triopoly.form().tensor().tolist()
    duopoly = Bertrand().benchmarks()
    three = triopoly.benchmarks()
    benchmarks = game.benchmarks()
    for mine, of_two, of_three in (
        (benchmarks.nash, duopoly.nash, three.nash),
        (benchmarks.optimum, duopoly.optimum, three.optimum),
    ):
        assert mine.payoffs[:2] == pytest.approx((of_two.payoffs + of_three.payoffs[:2]) / 2)
        assert mine.payoffs[2] == pytest.approx(of_three.payoffs[2] / 2)
        assert mine.quantities["price"] == pytest.approx(of_three.quantities["price"])
        assert mine.quantities["share"] == pytest.approx(of_three.quantities["share"])


def test_grid_equilibria_under_entry_are_best_replies_in_each_regime():
    game = Bertrand(n_prices=8, entry_persistence=0.9)
    benchmarks = game.benchmarks()
    alone = game.form().tensor(0)[:, 0, 0]
    on_grid = [p for p in benchmarks.competitive if "grid" in p.name]
    duopoly = [p for p in Bertrand(n_prices=8).benchmarks().competitive if p.concept == "nash" and "grid" in p.name]
    assert len(on_grid) == len(duopoly)
    for mine, theirs in zip(on_grid, duopoly, strict=True):
        assert mine.payoffs == pytest.approx((theirs.payoffs + [alone.max(), 0]) / 2)
    assert len({p.name for p in benchmarks.competitive}) == len(benchmarks.competitive)
    assert benchmarks.complete


def test_grid_equilibria_are_near_the_continuous_one():
    game = Bertrand(n_prices=101)
    step = np.diff(game.prices()[0])[0]
    for profile in game.benchmarks().competitive[1:]:
        assert profile.quantities["price"] == pytest.approx(game.nash_prices(), abs=1.5 * step)


def test_extreme_shock_still_gives_benchmarks_on_an_explicit_grid():
    benchmarks = Bertrand(demand_shock=10, price_grid=[1, 2]).benchmarks()
    assert all(np.all(np.isfinite(p.payoffs)) for p in benchmarks.competitive + benchmarks.cooperative)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"cost": float("nan")}, "cost"),
        ({"cost": [1, float("inf")]}, "cost.1"),
        ({"cost": -1}, "cost"),
        ({"cost": [1, 2, 3]}, "cost"),
        ({"quality": [2]}, "quality"),
        ({"quality": "good"}, "quality"),
        ({"mu": 0}, "mu"),
        ({"mu": -0.25}, "mu"),
        ({"mu": 1e-9}, "mu"),
        ({"players": 1}, "players"),
        ({"n_prices": 1}, "n_prices"),
        ({"n_prices": 100, "players": 5}, "n_prices"),
        ({"xi": -1}, "xi"),
        ({"price_grid": "wide"}, "price_grid"),
        ({"price_grid": [2, 1]}, "price_grid"),
        ({"price_grid": [1, float("nan")]}, "price_grid.1"),
        ({"demand_shock": -0.1}, "demand_shock"),
        ({"entry_persistence": 1}, "entry_persistence"),
        ({"entry_persistence": 0.9, "demand_shock": 0.1}, "entry_persistence"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(parameters, field):
    with pytest.raises(TacitError) as caught:
        Bertrand(**parameters).form()
    assert str(caught.value).startswith(f"{field}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("prices", [[1.0], [1.0, float("nan")], 1.0])
def test_wrong_prices_are_refused(prices):
    with pytest.raises(TacitError, match=r"^prices: "):
        Bertrand().profits(prices)


def test_scenario_file_round_trip():
    game = Bertrand(cost=[1, 1.5], price_grid=[1, 2])
    assert Bertrand.model_validate_json(game.model_dump_json()) == game
    assert hash(game) == hash(Bertrand(cost=(1.0, 1.5), price_grid=(1.0, 2.0)))
