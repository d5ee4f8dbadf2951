"""Bid functions that a run has learned, taken out of its policies and judged."""

import numpy as np

from tacitlab.audits import auction_bids as measures
from tacitlab.audits.auction_bids import Bidding, Floats
from tacitlab.errors import TacitError
from tacitlab.lab.result import Result

POINTS = 257  # signals at which continuous bids are read, linear in between
TYPES = 200  # bins of the signal where bids come in steps
DRAWS = 64  # of each answer, where policies act at random


def learned(result: Result, cell: int = 0, points: int = POINTS, types: int = TYPES) -> Bidding:
    """How the bidders of every session bid in a test, and what it is worth, in expectation over signals.

    Where bids are continuous, policies are read at equally spaced signals. Where they come in steps, they are read in
    the middle of bins and judged in the game on the grid; of policies that act at random many draws are taken.

    Parameters
    ----------
    result : Result
        Of a market ``auction``.
    cell : int
        Of a sweep.
    points, types : int
        How many signals are looked at, with continuous bids and with bids in steps.

    Raises
    ------
    TacitError
        If it is another market, or continuous bids are random even in the test; or the auction is one in which no best
        response is known.

    Notes
    -----
    Sessions whose learning failed are left out.

    Examples
    --------
    >>> from tacitlab.lab.experiment import load
    >>> from tacitlab.lab.run import run
    >>> small = ["length.episodes=256", "sessions=2", "learners.rollout=128", "test={episodes: 2, baselines: false}"]
    >>> experiment = load("auction", small)
    >>> found = learned(run(experiment))
    >>> found.bids.shape, bool((found.exploitability > -1e-9).all())
    ((2, 2, 257, 1), True)
    """
    from tacitlab.lab.earlier import actions
    from tacitlab.markets.auction.market import Auction, in_money

    experiment = result.cells[cell]
    market = experiment.test_market()
    if not isinstance(market, Auction):
        raise TacitError(f"{experiment.name}: no auction; give the run of one")
    good = _good(result, cell)
    if market.bids == "continuous":
        signals = np.linspace(0, 1, points)[:, None]
        made = actions(result, signals, cell, draws=2)[good]
        if not np.array_equal(made[..., 0, :], made[..., 1, :]):
            raise TacitError("learners: continuous bids are random in the test; set deterministic_test: true")
        return measures.continuous(
            market.game, in_money(made[..., 0, :], signals, market.top, market.bid_as == "share")
        )
    if (grid := market.grid) is None:
        raise TacitError("environment.demand: with several units each, grids are judged for two bidders")
    return measures.on_grid(grid.with_types(types), _behaviours(result, cell, types, len(grid.actions))[good])


def _good(result: Result, cell: int) -> np.ndarray:
    """Sessions whose learning did not fail."""
    sizes = {name: len(values) for name, values in result.experiment.sweep_dimensions().items()}
    place = np.unravel_index(cell, tuple(sizes.values())) if sizes else ()
    failure = result.data["failure"].isel({name: int(k) for name, k in zip(sizes, place, strict=True)})
    return np.asarray(failure.values) == 0


def _behaviours(result: Result, cell: int, types: int, count: int) -> Floats:
    """Chances of actions by bin of the signal: (sessions, n, K, A)."""
    from tacitlab.lab.earlier import actions

    signals = ((np.arange(types) + 0.5) / types)[:, None]
    chosen = actions(result, signals, cell, draws=2)[..., 0].astype(int)
    if not np.array_equal(chosen[..., 0], chosen[..., 1]):
        chosen = actions(result, signals, cell, draws=DRAWS)[..., 0].astype(int)
    found = np.zeros((*chosen.shape[:3], count))
    share = 1 / chosen.shape[3]
    for draw in np.moveaxis(chosen, 3, 0):
        np.put_along_axis(found, draw[..., None], np.take_along_axis(found, draw[..., None], axis=3) + share, axis=3)
    return found
