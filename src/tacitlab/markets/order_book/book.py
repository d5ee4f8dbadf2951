"""A limit order book with priority of price, then of time: pure functions on arrays of a fixed size.

Orders lie in a table, in no order. Each knows how many lots are served before it on its side of the book (``ahead``).
Who is hit by an order of q lots follows from that alone, since what an order may trade with is always the front of the
queue: the resting order loses ``clip(q - ahead, 0, quantity)``. So an event is a few sums over the table, with nothing
to sort, to shift or to search, which is what vectorised processors like.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

BUY, SELL = 0, 1
NOBODY = -1
FAR = 2**29  # ticks: the best quotes of an empty book are -FAR and FAR
Number = Int[Array, ""]


class Book(NamedTuple):
    """The live orders and the free places.

    Attributes
    ----------
    side : (orders,) int array
        BUY or SELL.
    price : (orders,) int array
        Ticks; they may be counted from anywhere, below 0 too.
    quantity : (orders,) int array
        Lots; 0 marks a free place.
    owner : (orders,) int array
    ahead : (orders,) int array
        Lots on the same side that are served before.
    refused : int
        Lots that should have rested but found no free place.
    """

    side: Int[Array, " orders"]
    price: Int[Array, " orders"]
    quantity: Int[Array, " orders"]
    owner: Int[Array, " orders"]
    ahead: Int[Array, " orders"]
    refused: Number


class Order(NamedTuple):
    """An order as it comes in; one of 0 lots does nothing.

    Attributes
    ----------
    side : int
        BUY or SELL.
    price : int
        The worst acceptable price, in ticks; ignored if it does not rest.
    quantity : int
        Lots.
    owner : int
    rests : bool
        Whether it is a limit order, of which the rest waits in the book; else a market order, of which it is void.
    """

    side: Number
    price: Number
    quantity: Number
    owner: Number
    rests: Bool[Array, ""]


class Fills(NamedTuple):
    """What an order traded with, by place in the table: lots, at the resting order's price, with its owner."""

    quantity: Int[Array, " orders"]
    price: Int[Array, " orders"]
    owner: Int[Array, " orders"]


def empty(capacity: int) -> Book:
    """A book with room for so many orders of both sides together.

    Examples
    --------
    >>> book = empty(8)
    >>> order = Order(*map(jnp.int32, (SELL, 101, 5, 0)), rests=jnp.array(True))
    >>> book, _ = submit(book, order)
    >>> book, fills = submit(book, Order(*map(jnp.int32, (BUY, 102, 2, 1)), rests=jnp.array(True)))
    >>> int(fills.quantity.sum()), int(fills.price[0]), [int(x) for x in depth(book)]
    (2, 101, [0, 3])
    """
    none = jnp.zeros(capacity, jnp.int32)
    return Book(none, none, none, none + NOBODY, none, jnp.zeros((), jnp.int32))


def submit(book: Book, order: Order) -> tuple[Book, Fills]:
    """An order comes in: it trades with the best resting orders, and what is left of a limit order joins its queue.

    A limit order trades at the prices of those who were there before. With its owner's own resting orders it trades
    as with anybody's.
    """
    own, sign = book.side == order.side, 1 - 2 * order.side
    within = (sign * (order.price - book.price) >= 0) | ~order.rests
    traded = jnp.minimum(order.quantity, _lots(book.quantity, ~own & within))
    filled = jnp.where(own, 0, jnp.clip(traded - book.ahead, 0, book.quantity))
    served = jnp.where(own, book.ahead, jnp.maximum(book.ahead - traded, 0))
    book, fills = book._replace(quantity=book.quantity - filled, ahead=served), Fills(filled, book.price, book.owner)
    return _rest(book, order, jnp.where(order.rests, order.quantity - traded, 0)), fills


def _rest(book: Book, order: Order, left: Number) -> Book:
    """So many lots of an order, which trade with nobody, join the queue behind those of the same price."""
    own, sign = book.side == order.side, 1 - 2 * order.side
    before = sign * (book.price - order.price) >= 0
    free = book.quantity == 0
    fits = jnp.any(free) & (left > 0)
    here = fits & (jnp.arange(len(free)) == jnp.argmax(free))
    joined = jnp.where(fits, left, 0)

    def put(old: Array, new: Array) -> Array:
        return jnp.where(here, new, old)

    return Book(
        put(book.side, order.side),
        put(book.price, order.price),
        put(book.quantity, joined),
        put(book.owner, order.owner),
        put(book.ahead + jnp.where(own & ~before, joined, 0), _lots(book.quantity, own & before)),
        book.refused + left - joined,
    )


def cancel(book: Book, chosen: Bool[Array, " orders"]) -> tuple[Book, Number]:
    """One order, marked by its place, leaves the book; returns its lots. If nothing is marked nothing happens."""
    lots = _lots(book.quantity, chosen)
    side = jnp.sum(jnp.where(chosen, book.side, 0), dtype=jnp.int32)
    place = jnp.sum(jnp.where(chosen, book.ahead, 0), dtype=jnp.int32)
    behind = (book.side == side) & (book.ahead > place)
    ahead = book.ahead - jnp.where(behind, lots, 0)
    return book._replace(quantity=jnp.where(chosen, 0, book.quantity), ahead=ahead), lots


def pick(candidates: Bool[Array, " orders"], draw: Float[Array, ""]) -> Bool[Array, " orders"]:
    """One of the marked places, each as likely if the draw is uniform on [0, 1); none if none is marked.

    The one whose place, hashed with the draw, is largest: counting to a random rank would take twice as long.

    References
    ----------
    A. Appleby, MurmurHash3 (2008), for the last mixing step of the hash.
    """
    x = jnp.arange(len(candidates), dtype=jnp.uint32) * jnp.uint32(0x9E3779B9)
    x = x ^ (jnp.floor(draw * 2.0**24).astype(jnp.uint32) * jnp.uint32(0xB5297A4D))
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    x = jnp.where(candidates, x ^ (x >> 16) | 1, 0)
    return candidates & (jnp.arange(len(x)) == jnp.argmax(x))


def quotes(book: Book) -> tuple[Number, Number]:
    """Best bid and best ask in ticks; -FAR and FAR where there is none."""
    live, buys = book.quantity > 0, book.side == BUY
    bid = jnp.max(jnp.where(live & buys, book.price, -FAR))
    return bid, jnp.min(jnp.where(live & ~buys, book.price, FAR))


def depth(book: Book) -> tuple[Number, Number]:
    """Lots to buy and to sell in the book."""
    buys = book.side == BUY
    return _lots(book.quantity, buys), _lots(book.quantity, ~buys)


def _lots(quantity: Int[Array, " orders"], which: Bool[Array, " orders"]) -> Number:
    return jnp.sum(jnp.where(which, quantity, 0), dtype=jnp.int32)
