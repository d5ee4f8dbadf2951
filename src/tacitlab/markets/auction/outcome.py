"""What given bids lead to: who wins, who pays; in expectation where bids tie."""

import numpy as np
from numpy.typing import ArrayLike

from tacitlab.markets.auction.theory import AuctionGame, Floats


def outcome(game: AuctionGame, bids: ArrayLike) -> tuple[Floats, Floats]:
    """Expected units and payments of all bidders; among equal bids chance decides, each as likely.

    Of the n m bids the k highest that reach the reserve win: a bid with g bids above and t others equal to it does with
    probability ``clip((k - g)/(t + 1), 0, 1)``. A uniform price is the (k + 1)-th highest bid (highest rejected) or the
    k-th (lowest accepted), at least the reserve.

    Parameters
    ----------
    game : AuctionGame
    bids : (..., n, m) array
        In money; of each bidder as many as the units it wants, in any order. A bid below the reserve is no bid.

    Returns
    -------
    units : (..., n) array
    payments : (..., n) array
        In money.

    Examples
    --------
    >>> outcome(AuctionGame("first-price"), [[0.3], [0.5]])
    (array([0., 1.]), array([0. , 0.5]))
    >>> outcome(AuctionGame("uniform-price", units=2, demand=2), [[0.6, 0.1], [0.5, 0.2]])
    (array([1., 1.]), array([0.2, 0.2]))
    """
    made = np.asarray(bids, dtype=np.float64)
    valid = made >= game.reserve
    flat = np.where(valid, made, -1.0).reshape(*made.shape[:-2], -1)
    above = (flat[..., None, :] > flat[..., :, None]).sum(axis=-1)
    equal = (flat[..., None, :] == flat[..., :, None]).sum(axis=-1)
    winning = np.clip((game.units - above) / equal, 0.0, 1.0).reshape(made.shape) * valid
    units = winning.sum(axis=-1)
    if game.format == "all-pay":
        return units, np.where(valid, made, 0.0).sum(axis=-1)
    if game.format == "first-price":
        return units, (winning * np.where(valid, made, 0.0)).sum(axis=-1)
    place = game.units if game.rejected_price else game.units - 1
    ordered = -np.sort(-flat, axis=-1)
    rival = ordered[..., place] if place < ordered.shape[-1] else np.full(ordered.shape[:-1], -1.0)
    return units, units * np.maximum(rival, game.reserve)[..., None]
