"""The paper's claims about coordination: who sells when the other buys, what signals are worth, mean reversion."""

from collections.abc import Iterator

import numpy as np

from tacitlab.measures.coordination import Floats, heard, transfer_entropy
from tacitlab.studies.base import Claim, at_most
from tacitlab.studies.resource_cooperation.claims import FALLS, FEWEST, RISES, estimate
from tacitlab.studies.resource_cooperation.evidence import Arena, Evidence, Played, Talk, conditional

SELLS = "A sells when B buys, Results (P)"
IMPLICIT = "signals coordinate, abstract (P)"
REVERSION = "mean reversion, Results (P)"
MEMORYLESS = "The law of the price has no memory: without orders there is nothing to revert."
#: Two standard errors of the autocorrelation that one episode of 1000 steps shows: less is there for nobody to see.
REVERTS = at_most(-2 / 1000**0.5, FEWEST)
PUMP = "A gain comes from fills before the impact and a loss from paying it: the law of the price has no memory."


# --- 6: A sells when B buys ------------------------------------------------------------------------------------------


def offset_claims(e: Evidence) -> Iterator[Claim]:
    """Offsetting trades beside chance, and the correlation of orders at a given time."""
    for arena in (*e.pairs, *e.gains):
        yield from _offsets(arena)


def _offsets(arena: Arena) -> Iterator[Claim]:
    played, words = arena.learned, f"6 offsets, {arena.setting.words}"
    correlation, chance = conditional(played)
    given = played.pairs.offset_given_both
    learning = played.learning("offset"), played.learning("both")
    last, both = (played.between(0.9, 1.0, curve) for curve in learning)
    yield Claim(f"{words}: steps in which both trade (share)", estimate(played.pairs.both))
    beyond = estimate(given - chance)
    yield Claim(f"{words}: opposite sides, of steps in which both trade (share)", estimate(given))
    yield Claim(
        f"{words}: the same less chance, given each agent's habits at each time (share)", beyond, None, SELLS,
        margin=RISES, note="Chance is one half only if purchases and sales are as frequent.",
    )  # fmt: skip
    share = last / np.where(both > 0, both, np.nan)
    yield Claim(f"{words}: opposite sides, of steps in which both trade, end of training (share)", estimate(share))
    found = estimate(correlation)
    yield Claim(f"{words}: correlation of orders, given time", found, None, SELLS, margin=FALLS)


# --- 7: signals ----------------------------------------------------------------------------------------------------


def signal_claims(e: Evidence) -> Iterator[Claim]:
    """What signals are worth: true less scrambled ones, and learners with them less learners without."""
    for talk in e.talks:
        if talk.scrambled is not None:
            found = estimate(talk.true.gain - talk.scrambled.gain)
            words = f"7 signals, {_words(talk)}: true less scrambled, gain (currency)"
            yield Claim(words, found, None, IMPLICIT, margin=RISES)
            same = estimate(talk.true.pairs.sync - talk.scrambled.pairs.sync)
            yield Claim(f"7 signals, {_words(talk)}: true less scrambled, same side (share of steps)", same)
        if talk.true.market.signals == "implicit" and talk.scrambled is not None:
            told = estimate(follows(talk.true) - follows(talk.scrambled))
            yield Claim(f"7 signals, {_words(talk)}: transfer entropy of orders, true less scrambled (nats)", told)
    yield from _with_and_without(e)


def _with_and_without(e: Evidence) -> Iterator[Claim]:
    silent = {talk.setting.key.removesuffix("-none"): talk for talk in e.talks if talk.true.market.signals == "none"}
    for talk in e.talks:
        key = talk.setting.key.removesuffix("-implicit")
        if talk.scrambled is None or key not in silent:
            continue
        found = estimate(talk.true.gain - silent[key].true.gain)
        words = f"7 signals, {_words(talk)}: gain less that of learners without signals (currency)"
        yield Claim(words, found, None, IMPLICIT, margin=RISES)


def _words(talk: Talk) -> str:
    explicit = talk.true.market.signals == "explicit"
    return f"{talk.setting.words}{', explicit signals' if explicit else ''}"


def follows(played: Played) -> Floats:
    """Transfer entropy from the other's last order to the next one in the first episode of the test, (sessions,)."""
    orders = played.path("trade")
    return np.asarray(transfer_entropy(heard(orders), orders).mean(axis=1))


# --- 8: mean reversion ---------------------------------------------------------------------------------------------


def reversion_claims(e: Evidence) -> Iterator[Claim]:
    """Whether returns revert, and whether a contrarian lives on it."""
    for arena in e.main:
        words = f"8 mean reversion, {arena.setting.words}"
        for name, played in arena.everybody.items():
            if name not in ("hold", "Q-learners", "random", "trend-follower", "contrarian"):
                continue
            found = estimate(played.autocorrelation)
            title = f"{words}: autocorrelation of returns, {name}"
            if name != "hold":
                yield Claim(title, found)
                continue
            yield Claim(title, found, None, REVERSION, margin=REVERTS, note=MEMORYLESS)
        follower = estimate(arena.gain("trend-follower") - arena.gain("contrarian"))
        yield Claim(f"{words}: trend followers less contrarians, gain (currency)", follower)
        if arena.setting.key in e.lone:
            found = estimate(arena.without_luck(e.lone[arena.setting.key].episodes[..., 1]))
            yield Claim(f"{words}: gain of a contrarian whose rival holds (currency)", found, note=PUMP)
