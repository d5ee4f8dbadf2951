"""The compiled order book beside one in plain Python, event by event."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_order_book import PlainBook

from tacitlab.markets.order_book import book as lob

LENGTH = 60  # events of a stream; one shape, so that it is compiled once
LIMIT, MARKET, CANCEL = range(3)
EVENT = st.tuples(
    st.sampled_from([LIMIT, LIMIT, LIMIT, MARKET, CANCEL]),
    st.integers(0, 1), st.integers(-4, 4), st.integers(0, 5), st.integers(0, 3),
)  # fmt: skip
STREAM = st.lists(EVENT, min_size=LENGTH, max_size=LENGTH)


def one(book, event):
    kind, side, price, lots, owner = event
    live = (book.quantity > 0) & (book.side == side)
    rank = jnp.sum(live[None] & (book.ahead[None] < book.ahead[:, None]), axis=1)
    chosen = live & (rank == lots) & (kind == CANCEL)  # of a cancellation, `lots` is a rank in the queue
    book, gone = lob.cancel(book, chosen)
    order = lob.Order(side, price, jnp.where(kind == CANCEL, 0, lots), owner, kind == LIMIT)
    book, fills = lob.submit(book, order)
    return book, (book, fills, gone, lob.quotes(book), lob.depth(book))


@cache
def player(capacity):
    return jax.jit(lambda events: jax.lax.scan(one, lob.empty(capacity), tuple(events.T))[1])


def played(stream, capacity):
    return jax.tree.map(np.asarray, player(capacity)(jnp.array(stream, jnp.int32)))


def queue(book, k, side):
    """Live orders of a side in the order in which they are served, after event k."""
    live = np.flatnonzero((book.quantity[k] > 0) & (book.side[k] == side))
    order = live[np.argsort(book.ahead[k][live])]
    return [tuple(int(x[k][i]) for x in (book.price, book.quantity, book.owner)) for i in order]


@settings(max_examples=40)
@given(STREAM, st.sampled_from([6, 64]))
def test_every_event_is_that_of_the_plain_book(stream, capacity):
    books, fills, gone, (bids, asks), (buys, sells) = played(stream, capacity)
    plain, submitted, cancelled, traded, voided = PlainBook(capacity), 0, 0, 0, 0
    for k, (kind, side, price, lots, owner) in enumerate(stream):
        if kind == CANCEL:
            assert gone[k] == plain.cancel(side, lots)
            expected = []
        else:
            assert gone[k] == 0
            expected = plain.submit(side, price, lots, owner, kind == LIMIT)
            submitted += lots
            voided += (lots - sum(f[0] for f in expected)) * (kind == MARKET)
        hit = np.flatnonzero(fills.quantity[k])
        found = [tuple(int(x[k][i]) for x in fills) for i in hit]
        assert sorted(found) == sorted(expected)
        assert [queue(books, k, s) for s in (0, 1)] == [plain.queue(s) for s in (0, 1)]
        assert books.refused[k] == plain.refused
        best = (plain.best(0), plain.best(1))
        assert bids[k] == (-lob.FAR if best[0] is None else best[0])
        assert asks[k] == (lob.FAR if best[1] is None else best[1])
        # What holds whatever happens: no crossed book, no lot lost, everybody knows the place in the queue.
        assert bids[k] < asks[k]
        traded, cancelled = traded + sum(f[0] for f in expected), cancelled + gone[k]
        resting = sum(lots for s in (0, 1) for _, lots, _ in queue(books, k, s))
        assert (buys[k], sells[k]) == tuple(sum(lots for _, lots, _ in queue(books, k, s)) for s in (0, 1))
        assert submitted == resting + 2 * traded + cancelled + voided + books.refused[k]
        for s in (0, 1):
            live = (books.quantity[k] > 0) & (books.side[k] == s)
            ahead = np.sort(books.ahead[k][live])
            sizes = [lots for _, lots, _ in queue(books, k, s)]
            np.testing.assert_array_equal(ahead, np.cumsum([0, *sizes])[:-1])


def test_first_come_first_served_at_a_price():
    sell, buy = (LIMIT, 1), (MARKET, 0)
    stream = [(*sell, 2, 3, 0), (*sell, 2, 3, 1), (*sell, 1, 1, 2), (*buy, 0, 5, 3)]
    stream += [(MARKET, 0, 0, 0, 0)] * (LENGTH - len(stream))
    books, fills, *_ = played(stream, 64)
    assert [(int(q), int(p), int(o)) for q, p, o in zip(*(x[3] for x in fills), strict=True) if q] == [
        (3, 2, 0), (1, 2, 1), (1, 1, 2),
    ]  # fmt: skip
    assert queue(books, LENGTH - 1, 1) == [(2, 2, 1)]


def test_a_full_book_refuses_and_says_so():
    stream = [(LIMIT, 0, -k % 5, 2, k % 4) for k in range(LENGTH)]
    books, *_ = played(stream, 6)
    assert books.refused[-1] == 2 * (LENGTH - 6)
    assert books.quantity[-1].sum() == 12


def test_any_marked_order_is_as_likely():
    marked = np.zeros(64, bool)
    marked[[0, 3, 4, 17, 40, 63]] = True
    draws = jax.random.uniform(jax.random.key(1), (6000,))
    chosen = np.asarray(jax.jit(jax.vmap(lambda u: lob.pick(jnp.asarray(marked), u)))(draws))
    assert (chosen.sum(axis=1) == 1).all()
    assert not chosen[:, ~marked].any()
    counts = chosen[:, marked].sum(axis=0)
    assert ((counts - 1000) ** 2 / 1000).sum() < 20.5  # chi-squared with 5 degrees of freedom, 1 in 1000
    assert not np.asarray(lob.pick(jnp.zeros(64, bool), jnp.asarray(0.5))).any()
