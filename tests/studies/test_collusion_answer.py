"""The study of collusion: its whole answer on strategies that are written by hand."""

from dataclasses import replace

import numpy as np
import pytest

from approved import approved
from tacitlab.lab.experiment import load
from tacitlab.lab.run import run
from tacitlab.studies.base import Finding
from tacitlab.studies.bertrand_collusion import study as collusion
from tacitlab.studies.bertrand_collusion.evidence import Evidence
from tacitlab.studies.bertrand_collusion.figures import sections
from tacitlab.theory.repeated import RepeatedPlay

PRICES, SESSIONS = 5, 6


@pytest.fixture(scope="module")
def learned():
    """A tiny market, whose engine computes the same bits everywhere."""
    tiny = ["learners.exploration.beta=1e-2", "length.stable_for=200", "trace.window=50", "trace.windows=20"]
    return Evidence.of(
        run(load("bertrand", [f"sessions={SESSIONS}", f"environment.n_prices={PRICES}", *tiny]), threads=1)
    )


def table(reply):
    """A strategy for each state, (last price of the first firm, of the second), by who plays it: own price, rival's."""
    own, rival = np.indices((PRICES, PRICES)).reshape(2, -1)
    return np.stack([np.vectorize(reply)(own, rival), np.vectorize(reply)(rival, own)])


def forgiving(high, low, odd):
    """A high price until somebody leaves it, then a low one once; the odd one charges another price in between."""
    return lambda own, rival: high if own == rival and own in (high, low) else low if own != odd else max(low - 1, 0)


def turns(*prices):
    """The prices one after another, whatever the rival does."""
    return lambda own, rival: prices[(prices.index(own) + 1) % len(prices)] if own in prices else prices[0]


def always(price):
    return lambda own, rival: price


def hasty(high, low):
    """A high price, but a low one after a rival's cut; whoever punished returns at once, to be cut again."""
    return lambda own, rival: low if own == high and rival < high else high


VARIANTS = {
    "punishing": [
        *(forgiving(high, 0, odd) for high, odd in ((4, 2), (3, 4), (4, 1), (3, 2), (4, 3))), forgiving(4, 0, 2),
    ],
    "exploitable": [hasty(4, 0), hasty(4, 1), hasty(3, 0), hasty(4, 0), hasty(3, 0), hasty(4, 1)],
    "never-answering": [always(4), always(3), always(4), always(2), always(3), always(4)],
    "static": [always(1)] * 5 + [always(2)],
    "low": [always(0)] * 5 + [always(1)],
    "cycles": [turns(4, 3), turns(4, 3, 2), turns(4, 2), turns(3, 1), turns(4, 3, 2, 1), forgiving(4, 1, 3)],
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_found(learned, variant):
    strategies = np.stack([table(reply) for reply in VARIANTS[variant][:SESSIONS]])
    play = RepeatedPlay(learned.play.payoffs, learned.play.shape, 1, strategies)
    start = np.array([PRICES * s.max() + s.max() for s in strategies[:, 0]])
    e = replace(learned, play=play, cycle=play.limit_cycle(start, learned.prices))
    claims = collusion.all_claims(e)
    shown = sections(e) if variant in ("punishing", "cycles") else ()
    approved(f"bertrand_collusion/{variant}", Finding(collusion.answer(e, claims), claims, shown, collusion.notes(e)))


def test_what_learners_are_found_to_do(learned):
    found = collusion.examine(learned.result)
    approved("bertrand_collusion/learned", replace(found, sections=()))
