"""Stage games as markets against their own payoffs."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playing import paths
from scipy import stats

from tacitlab.errors import TacitError
from tacitlab.games import Bertrand, Braess, PrisonersDilemma
from tacitlab.markets.repeated_game import RepeatedGame

SHOCKS = Bertrand(players=3, n_prices=3, demand_shock=0.3)
ENTRY = Bertrand(players=3, n_prices=3, entry_persistence=0.8)
GAMES = {
    "unseen shocks": (SHOCKS, 2),
    "entry": (ENTRY, 1),
    "bertrand, forgotten": (Bertrand(n_prices=4), 0),
    "dilemma": (PrisonersDilemma(), 1),
    "braess": (Braess(players=10, cost=0.1), 2),
}
PERIODS, PATHS = 8, 1000


def market(name):
    game, memory = GAMES[name]
    return RepeatedGame(game=game, memory=memory, horizon_periods=PERIODS)


@cache
def played(name):
    """Paths of random actions."""
    game = market(name)
    size = game.roles()[0].actions.size
    actions = np.random.default_rng(0).integers(0, size, (PATHS, PERIODS, game.n_players, 1))
    return game, actions[..., 0], paths(game, actions)


def payoffs(game, actions, regime):
    """From the games' own formulas, not from their tables."""
    if isinstance(game, Bertrand):
        return game.profits(np.take_along_axis(game.prices(), actions[:, None], axis=1)[:, 0], int(regime))
    if isinstance(game, PrisonersDilemma):
        table = {(0, 0): (3, 3), (0, 1): (0, 5), (1, 0): (5, 0), (1, 1): (1, 1)}
        return np.array(table[tuple(actions)])
    up, down, cross = np.bincount(actions, minlength=3) / 10
    times = [1 + up + cross, 1 + down + cross, up + down + 2 * cross + 0.1]
    return -np.array(times)[actions]


def active(game, regime):
    return np.array([1, 1, regime]) if game is ENTRY else np.ones(game.n_players)


@pytest.mark.parametrize("name", GAMES)
def test_payoffs_and_what_is_recorded(name):
    game, actions, found = played(name)
    values = game.stage.actions().values
    (quantity,) = game.quantities()
    for path in range(10):
        for period in range(PERIODS):
            regime, chosen = found["states"].regime[path, period], actions[path, period]
            plays = active(game.stage, regime)
            chosen = np.where(plays, chosen, 0)
            wanted = payoffs(game.stage, chosen, regime) * plays
            np.testing.assert_allclose(found["rewards"][path, period], wanted, rtol=1e-5, atol=1e-6)
            meaning = np.broadcast_to(values, (game.n_players, values.shape[1]))[np.arange(game.n_players), chosen]
            np.testing.assert_allclose(found["info"][quantity.name][path, period], meaning, rtol=1e-6)
    assert not found["over"].any(), "nothing in a repeated game ends it"
    assert (found["cut"] == (np.arange(PERIODS) == PERIODS - 1)).all()


@pytest.mark.parametrize("name", GAMES)
def test_observations_are_what_their_names_say(name):
    game, actions, found = played(name)
    names, size = game.roles()[0].observes, game.roles()[0].actions.size
    regimes, memory = found["states"].regime, game.memory
    assert found["seen"].shape[2:] == (game.n_players, len(names))
    for period in range(memory, PERIODS):
        wanted = []
        for past in range(1, memory + 1):
            before = actions[:, period - past]
            if game.stage is ENTRY:
                before = np.where((regimes[:, period - past] == 0)[:, None] & (np.arange(3) == 2), 0, before)
            if isinstance(game.stage, Braess):
                wanted += list(np.stack([np.mean(before == route, axis=1) for route in range(size)]))
            else:
                wanted += list(before.T)
        if game.stage is ENTRY:
            wanted.append(regimes[:, period])
        wanted = np.stack(wanted, axis=1) if wanted else np.zeros((len(actions), 1))
        seen = np.broadcast_to(wanted[:, None], (len(actions), game.n_players, len(names)))
        np.testing.assert_allclose(found["seen"][:, period], seen, atol=1e-6)


def test_names_of_observations():
    players = [f"action of player {i}" for i in (1, 2, 3)]
    assert market("entry").roles()[0].observes == (*players, "regime")
    late = [f"{player}, {past} periods ago" for past in (1, 2) for player in players]
    assert market("unseen shocks").roles()[0].observes == tuple(late)
    assert market("braess").roles()[0].observes[2:4] == ("share of cross, 1 periods ago", "share of up, 2 periods ago")
    assert market("bertrand, forgotten").roles()[0].observes == ("nothing",)
    assert RepeatedGame(game=ENTRY, memory=0).roles()[0].observes == ("regime",)


@pytest.mark.parametrize("name", GAMES)
def test_network_inputs_fill_the_square(name):
    game, actions, found = played(name)
    dynamics, role = game.dynamics(), game.roles()[0]
    seen = found["seen"].reshape(-1, len(role.observes))
    chosen = actions.reshape(-1, 1).astype(np.float32)
    inputs = np.asarray(jax.jit(jax.vmap(lambda o, a: dynamics.inputs(role, o, a)))(seen, chosen))
    assert np.abs(inputs).max() <= 1 + 1e-6
    known = inputs if role.observes != ("nothing",) else inputs[:, 1:]
    assert (known.min(axis=0) <= -1 + 0.4).all()
    assert (known.max(axis=0) >= 1 - 1.2 * isinstance(game.stage, Braess)).all()
    np.testing.assert_allclose(inputs[:, -1], 2 * chosen[:, 0] / (role.actions.size - 1) - 1, atol=1e-6)
    values, feasible = dynamics.candidates(role, jnp.asarray(seen[0]))
    assert values[:, 0].tolist() == list(range(role.actions.size))
    assert feasible == role.actions.size


def test_episodes_begin_with_random_memories():
    game, _, found = played("unseen shocks")
    first = found["seen"][:, 0, 0].astype(int)
    assert stats.chisquare(np.bincount(first @ 3 ** np.arange(6), minlength=3**6)).pvalue > 1e-3
    shares = played("braess")[2]["seen"][:, 0, 0]
    np.testing.assert_allclose(shares.reshape(-1, 2, 3).sum(axis=2), 1, atol=1e-6)
    assert game.payoff_steps == PERIODS


@pytest.mark.parametrize("persistence", [0.05, 0.6, 0.99])
def test_regimes_follow_their_chain_from_the_first_period_on(persistence):
    game = Bertrand(players=3, n_prices=3, entry_persistence=persistence)
    repeated = RepeatedGame(game=game, memory=1, horizon_periods=PERIODS)
    regimes = paths(repeated, np.zeros((PATHS, PERIODS, 3, 1)))["states"].regime
    assert stats.binomtest(int(regimes[:, 0].sum()), PATHS, 0.5).pvalue > 1e-3, "in the long run both are as likely"
    stayed = regimes[:, 1:] == regimes[:, :-1]
    for regime in (0, 1):
        here = stayed[regimes[:, :-1] == regime]
        assert stats.binomtest(int(here.sum()), here.size, persistence).pvalue > 1e-3


def test_players_need_equally_many_actions():
    with pytest.raises(TacitError, match="give all of them as many"):
        RepeatedGame(game={"kind": "matrix", "payoffs": [[[1, 0], [0, 1], [1, 1]], [[0, 1], [1, 0], [0, 0]]]})
