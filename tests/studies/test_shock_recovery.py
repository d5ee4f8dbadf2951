"""The study of shocks: its whole answer on paths that are known, and what it plays."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from made_up import recorder, tokens_played, told

from approved import approved
from tacitlab.studies.base import Verdict
from tacitlab.studies.shock_recovery import study as shock
from tacitlab.studies.shock_recovery.study import CHANNELS, DEMAND, LITERAL, RULES, SHOCKED, STEP, UNSHOCKED

STEPS, SESSIONS = 200, 5
WHO = (*RULES, UNSHOCKED, SHOCKED)
AFTER = np.arange(STEPS - STEP)


def pair(back, *, size=0.5, noise=0.004, drained=0.4, sold=2.0, first=0):
    """Sessions whose effect is below 5 % from some step on, each from its own; None: it stays."""
    rows, size = np.arange(len(back))[:, None], np.broadcast_to(size, len(back))[:, None]
    calm = 7 + 0.3 * rows + noise * np.sin((1 + rows) * np.arange(STEPS) / 5 + first)
    # Halfway between two steps the effect passes the band, if it is that large at all.
    within = np.array([[np.inf if b is None else b - 0.5] for b in back])
    rate = np.log(np.maximum(size, 0.051) / 0.05) / within
    effect = np.where(np.arange(STEPS) < STEP, 0.0, size * np.exp(-rate * (np.arange(STEPS) - STEP)))
    supply, gap = 90 + rows + 0 * calm, 3 + 0.1 * rows + 0 * calm
    bought = np.where(np.arange(STEPS) < STEP, 0.0, sold * (1 + 0.2 * rows) * (1 - 0.98 ** (np.arange(STEPS) - STEP)))
    market, numbers = shock.market(), first + np.arange(len(back))
    return shock.Pair(
        tokens_played(market, numbers, price_path=calm, supply_path=supply, reserve_gap_path=gap,
                      absolute_return=0.01 * np.ones_like(calm), gain=20.0 + 0.7 * rows[:, 0]),
        tokens_played(market, numbers, price_path=calm * (1 + effect), supply_path=supply - bought,
                      reserve_gap_path=gap - drained * (1 + 0.3 * rows)),
    )  # fmt: skip


STILL = {"size": 0.03}


def evidence(**by_channel):
    """Pairs of everybody by channel."""
    pairs = {channel.key: dict(zip(WHO, by_channel[channel.key], strict=True)) for channel in CHANNELS}
    time = np.arange(6)
    learning = {
        name: tokens_played(shock.market(), range(3), {"payoff": 5 * k + np.outer([1.0, 1.1, 1.3], time)})
        for k, name in enumerate((UNSHOCKED, SHOCKED), 1)
    }
    return shock.Evidence(pairs, learning)


VARIANTS = {
    # By law 22 with persistence and 1 without; some are quick, some late, some across, some never.
    "mixed": evidence(
        price=[pair([22] * 5, noise=0.1), pair([19, 20, 21, 22, 23], noise=0.5, sold=7),
               pair([3, 4, 5, 6, 7], drained=0.9, sold=5), pair([24, 26, 28, 30, None], drained=-0.2),
               pair([12, 14, 15, 16, 18], drained=-0.6, sold=4)],
        literal=[pair([1] * 5), pair([1, 1, 1, 2, 2]), pair([2] * 5), pair([3, 3, 3, 4, 4]), pair([5] * 5)],
        demand=[pair([None] * 5, size=0.3), pair([31, 33, 35, None, None]), pair([9] * 5, **STILL),
                pair([40] * 5), pair([10, 11, 12, 13, 14])],
    ),
    "never": evidence(
        price=[pair([None] * 5), pair([25, 26, 27, 28, 29]), pair([None, None, None, 8, 9], drained=-0.7),
               pair([5] * 5, **STILL), pair([30] * 5, drained=0.3)],
        literal=[pair([None] * 5), pair([7, 8, 9, 10, 11], size=[0.03, 0.5, 0.04, 0.5, 0.5]), pair([50] * 5),
                 pair([4] * 5), pair([6] * 5)],
        demand=[pair([15, 16, 17, 18, None]), pair([5] * 5, **STILL), pair([14] * 5), pair([17] * 5), pair([16] * 5)],
    ),
    "calm": evidence(
        price=[pair([5] * 5, size=s, noise=0.01) for s in (0.04, 0.02, 0.03, 0.01, 0.045)],
        literal=[pair([5] * 5, **STILL)] * 5,
        demand=[pair([5] * 5, **STILL), pair([12] * 5), pair([5] * 5, size=0.02), pair([11] * 5), pair([13] * 5)],
    ),
    "one session": evidence(
        price=[pair([n]) for n in (21, 2, 3, 4, 5)], literal=[pair([n]) for n in (1, 6, 7, 8, 9)],
        demand=[pair([n]) for n in (11, 12, 13, 14, 15)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_found(variant):
    found = shock.examine(VARIANTS[variant])
    shown = found if variant in ("mixed", "never") else replace(found, sections=())
    approved(f"shock_recovery/{variant.replace(' ', '-')}", shown)


def test_numbers_by_hand():
    found = pair([10, 20, None], size=0.4, drained=0.5, sold=3.0)
    np.testing.assert_array_equal(found.recovery.time, [10, 20, 150])
    np.testing.assert_array_equal(found.recovery.recovered, [True, True, False])
    decay = [8 ** (-AFTER / 9.5), 8 ** (-AFTER / 19.5), np.ones(150)]
    np.testing.assert_allclose(found.area, 0.4 * np.sum(decay, axis=1), rtol=1e-9)
    before, after = found.calm.prices[:, STEP - 1], found.shocked.prices[:, STEP]
    np.testing.assert_allclose(found.resilience(), 1 / np.log(after / before))
    np.testing.assert_allclose(found.resilience(literal=True), 1 / (after - before))
    np.testing.assert_allclose(found.drained, [0.5, 0.65, 0.8])
    np.testing.assert_allclose(found.answer, -3 * np.outer([1, 1.2, 1.4], 1 - 0.98**AFTER), atol=1e-9)
    np.testing.assert_array_equal(found.still, False)
    np.testing.assert_array_equal(found.placebo.time, 0)
    usual = found.calm.prices[0, 25:50].mean()
    away = np.abs(found.shocked.prices[0, STEP:] / usual - 1)
    assert found.unpaired.time[0] == np.flatnonzero(away > 0.05)[-1] + 1


def test_pairs_are_of_equal_sessions():
    ours, theirs = pair([3, 4, 5, 6], first=0), pair([3, 4, 5, 6], first=2)
    both = shock.Pair.of(ours.calm, theirs.shocked)
    np.testing.assert_array_equal(both.calm.sessions, [2, 3])
    np.testing.assert_array_equal(both.shocked.sessions, [2, 3])


def test_what_recovers_before_it_leaves_is_no_effect_that_stays_small():
    found = pair([40, 50, 60])
    late = np.where(np.arange(STEPS) < STEP + 15, found.calm.prices, 2 * found.calm.prices)
    slow = shock.Pair(found.calm, tokens_played(shock.market(), range(3), price_path=late))
    assert shock.told(slow) == "0 steps"


def test_a_law_that_is_quicker_than_the_paper(monkeypatch):
    monkeypatch.setattr(shock, "PERSISTENCE", 0.8)
    assert "the law alone needs 11, within the paper's 20." in shock.answer(VARIANTS["mixed"])


def test_what_is_played(monkeypatch):
    seen = []
    monkeypatch.setattr("tacitlab.lab.seating.check", lambda experiment: None)  # no run stands behind these names
    monkeypatch.setattr(shock, "Pair", SimpleNamespace(of=lambda *two: " / ".join(two)))
    monkeypatch.setattr(shock, "cells", lambda run: [f"{run.experiment.name} {k}" for k in range(6)])
    for size in shock.ShockRecovery.sizes.values():
        e = shock.gather(size, recorder(seen))
    approved("shock_recovery/played", told(seen), exact=True)
    approved("shock_recovery/gathered", e, exact=True)


def test_the_spike_of_the_market_is_the_study_s():
    assert shock.market(0.25).factors.shock.size == 0.25
    assert VARIANTS["mixed"].main is VARIANTS["mixed"].pairs["price"]
    assert shock.laws()[0].judged() is Verdict.REPRODUCED
    assert {LITERAL.key, DEMAND.key, shock.PRICE.key} == {"literal", "demand", "price"}
