"""Outcomes against computation by hand from traces of single periods."""

import numpy as np
import pytest
import xarray as xr

import tacitlab
from tacitlab.lab.experiment import from_mapping
from tacitlab.lab.run import run
from tacitlab.measures import outcome

DRIVERS = {
    "name": "drivers",
    "environment": {"kind": "braess", "players": 10},
    "learners": {"kind": "q-learning", "alpha": 0.1, "gamma": 0, "exploration": {"kind": "constant", "epsilon": 0.2}},
    "length": {"periods": 1_000},
    "sessions": 4,
    "seed": 2,
}
DILEMMA = {
    "name": "dilemma",
    "environment": {"kind": "prisoners-dilemma"},
    "learners": {"kind": "q-learning", "memory": 1, "exploration": {"kind": "exponential", "beta": 0.01}},
    "length": {"periods": 100_000, "stable_for": 500},
    "sessions": 12,
    "seed": 2,
    "trace": {"window": 50, "windows": 200},
}


def drivers(window, **more):
    return run(from_mapping({**DRIVERS, "trace": {"window": window, "windows": 1_000 // window}, **more})).data


@pytest.fixture(scope="module")
def raw():
    """Every period for itself."""
    return drivers(1)


@pytest.fixture(scope="module")
def dilemma():
    return run(from_mapping(DILEMMA)).data


@pytest.mark.parametrize("window", [1, 10, 50, 200])
def test_closing_averages_are_those_of_the_last_fifth_of_the_periods(raw, window):
    data, last = drivers(window), raw["payoff"].values[:, 800:, 0]
    np.testing.assert_allclose(outcome.closing(data, "payoff").values[:, 0], last.mean(axis=1))
    np.testing.assert_allclose(outcome.closing_spread(data), last.std(axis=1), rtol=1e-6)
    shares = raw["frequency"].values[:, 800:, 0].mean(axis=1)
    np.testing.assert_allclose(outcome.closing(data, "frequency").values[:, 0], shares, rtol=1e-5)


def test_closing_share_can_be_chosen(raw):
    half = outcome.closing(raw, "payoff", share=0.5)
    np.testing.assert_allclose(half.values[:, 0], raw["payoff"].values[:, 500:, 0].mean(axis=1))
    one = outcome.closing(raw, "payoff", share=1e-9)  # at least one window
    np.testing.assert_array_equal(one, raw["payoff"].isel(time=-1))


def test_closing_times_are_what_the_shares_of_routes_imply(raw):
    up, down, _ = np.moveaxis(raw["frequency"].values[:, :, 0].astype(float), -1, 0)
    times = (1 - down) ** 2 + (1 - up) ** 2 + up + down
    np.testing.assert_allclose(-raw["payoff"].values[:, :, 0], times, atol=1e-6)


def test_spread_of_steady_play_is_zero():
    data = drivers(10, learners={"kind": "fixed", "action": 2})
    np.testing.assert_array_equal(outcome.closing_spread(data), 0.0)


def test_gain_is_zero_at_nash_and_one_at_the_optimum(raw):
    nash, optimum = raw["nash_payoff"].expand_dims(session=2), raw["optimum_payoff"].expand_dims(session=2)
    np.testing.assert_array_equal(outcome.gain(nash, raw), [0.0, 0.0])
    np.testing.assert_array_equal(outcome.gain(optimum, raw), [1.0, 1.0])
    welfare = (2 + outcome.closing(raw, "payoff").mean("agent")) / 0.5
    np.testing.assert_allclose(outcome.gain(outcome.closing(raw, "payoff"), raw), welfare)


def test_gain_is_unknown_where_the_benchmarks_coincide():
    data = drivers(10, sweep={"environment.cost": [0.0, 0.5]})
    gain = outcome.gain(outcome.closing(data, "payoff"), data)
    assert gain.dims == ("cost", "session")
    assert bool(gain.sel(cost=0.0).notnull().all())
    assert bool(gain.sel(cost=0.5).isnull().all())


def test_cells_of_a_sweep_are_runs_of_their_own():
    data = drivers(10, sweep={"learners.exploration.epsilon": [0.05, 0.2], "learners.alpha": [0.1, 0.3]})
    closing = outcome.closing(data, "payoff")
    assert closing.dims == ("epsilon", "alpha", "session", "agent")
    alone = outcome.closing(drivers(10), "payoff")
    np.testing.assert_array_equal(closing.sel(epsilon=0.2, alpha=0.1), alone)


def test_final_outcomes_by_limit_or_while_learning(dilemma):
    xr.testing.assert_identical(outcome.final_payoff(dilemma, by_limit=True), dilemma["limit_payoff"])
    defecting = outcome.final_action(dilemma, by_limit=True)
    np.testing.assert_allclose(defecting, dilemma["limit_frequency"].isel(action=1), rtol=1e-6)


def test_a_mean_price_weighs_prices_by_their_frequency():
    data = run(from_mapping({
        "name": "prices", "environment": {"kind": "bertrand", "n_prices": 3}, "learners": {"kind": "random"},
        "length": {"periods": 100}, "trace": {"window": 10, "windows": 10}, "sessions": 2,
    })).data  # fmt: skip
    shares = data["frequency"].values[:, 8:].mean(axis=1)
    by_hand = (shares * data["action_value"].values).sum(axis=-1)
    np.testing.assert_allclose(outcome.final_action(data, by_limit=False), by_hand, rtol=1e-6)


def test_converged_sessions_go_on_along_their_limit_cycle(dilemma):
    assert bool(dilemma["converged"].all())
    curve = outcome.learning_curve(dilemma, "payoff").transpose("session", "time", "agent")
    periods = dilemma["periods"].values
    assert len(set(periods)) > 1
    assert curve["time"].values[-1] == periods.max() // 50 * 50  # windows that no session finished are left out
    assert bool(curve.notnull().all())
    for session, end in enumerate(periods):
        over = curve["time"].values > end
        limit = np.broadcast_to(dilemma["limit_payoff"].values[session], (over.sum(), 2))
        np.testing.assert_array_equal(curve.values[session, over], limit)
        np.testing.assert_array_equal(
            curve.values[session, ~over], dilemma["payoff"].values[session, : len(over)][~over]
        )


def test_learning_curves_of_sweeps_keep_their_dimensions():
    data = drivers(50, sweep={"learners.alpha": [0.1, 0.3]})
    shares = outcome.learning_curve(data, "frequency")
    assert shares.sizes == {"alpha": 2, "session": 4, "time": 20, "agent": 1, "action": 3}
    np.testing.assert_allclose(shares.sum("action"), 1.0, rtol=1e-5)


def test_closing_averages_end_with_the_session_whatever_its_length():
    sweep = ["sweep={length.periods: [3000, 10000]}", "trace={window: 50, windows: 200}"]
    data = tacitlab.run(tacitlab.load_scenario("braess", ["sessions=3", *sweep])).data
    for periods in (3000, 10_000):
        own = [f"length.periods={periods}", "trace.window=10", f"trace.windows={periods // 10}"]
        alone = tacitlab.run(tacitlab.load_scenario("braess", ["sessions=3", *own])).data
        swept = outcome.closing(data.sel({"length.periods": periods}, drop=True), "payoff")
        assert np.allclose(swept, outcome.closing(alone, "payoff"), rtol=1e-9)
        last = alone.payoff.isel(time=slice(-periods // 50, None)).mean("time")
        assert np.allclose(swept, last, rtol=1e-9)
