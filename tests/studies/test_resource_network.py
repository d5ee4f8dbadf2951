"""The study of a shared resource: its whole answer on numbers that are known, and what it plays."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import recorder, tokens_played, told

from approved import approved
from tacitlab.studies.resource_network import study as network
from tacitlab.studies.resource_network.study import RULES, Evidence, Theory

STEPS = 100


def users(share, welfare=0.7, gain=30.0, apart=1.0, sessions=4, highest=2.0):
    """Sessions that use a share of the capacity in the second half of an episode, and half of it before."""
    spread, rows = apart * (np.arange(sessions)[:, None] - (sessions - 1) / 2), np.arange(sessions)[:, None]
    market, time = network.market(), np.arange(5)
    market = market.model_copy(update={"curve": market.curve.model_copy(update={"highest": highest})})
    best = network.benchmarks_of(network.market()).numbers["first-best welfare of a step"]

    def late(after, before):
        return np.where(np.arange(STEPS) >= 50, after, before)

    return tokens_played(
        market, np.arange(sessions), gain=gain + 0.6 * spread[:, 0],
        learning={"payoff": gain * (1 - 0.5**time) + rows, "learning_supply": 30 + 2 * time + 0.5 * rows},
        supply=late(50 * share + 0.5 * spread, 25.0), welfare=best * late(welfare + 0.02 * spread, 0.3),
        price=late(1.1 + 0.01 * spread, 0.4), volume=late(3 + 0.03 * spread, 4.0),
        absolute_return=np.full((sessions, STEPS), 0.01),
        trade_path=np.sin(np.arange(sessions * STEPS * 100)).reshape(sessions, STEPS, 100),
    )  # fmt: skip


def evidence(learned, elsewhere, **more):
    rules = {name: users(0.5 + 0.12 * k, 0.8 + 0.04 * k, 20.0 + 7 * k, 0.4, **more) for k, name in enumerate(RULES)}
    return Evidence(rules, learned, elsewhere)


VARIANTS = {
    "published": evidence(
        {0.0: users(0.85, 0.93, 41.0), 1.0: users(0.76, 0.88, 36.0), 99.0: users(0.62, 0.81, 22.0)},
        {1.0: users(0.99, highest=1.0), 4.0: users(0.62, highest=4.0)},
    ),
    "equilibrium": evidence({0.0: users(0.869, 0.91, 33.0), 10.0: users(0.91, 0.86, 52.0, 0.2)}, {4.0: users(0.45)}),
    "undecided": evidence({0.0: users(0.88, 0.93, 41.0, 3), 3.0: users(0.83, 0.9, 41.1, 4)}, {4.0: users(0.6)}),
    "one session": evidence(
        {k: users(0.85 - k / 20, 0.9 - k / 10, 33.0 - k, sessions=1) for k in (0.0, 2.0)},
        {4.0: users(0.5, sessions=1)}, sessions=1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_found(variant):
    found = network.examine(VARIANTS[variant])
    shown = found if variant == "published" else replace(found, sections=())
    approved(f"resource_network/{variant.replace(' ', '-')}", shown)


def test_shares_are_of_the_second_half():
    played = users(0.85, 0.93, apart=0)
    np.testing.assert_allclose(network.used(played), 85)
    np.testing.assert_allclose(network.served(played), 93)


def test_a_reason_for_high_use():
    """Where users would share more than they take alone, cooperation is a reason for use."""
    e = VARIANTS["published"]
    claims = network.learned_claims(e, Theory(0.71, 0.72, 0.73, 0.74))
    said = network.answer(e, Theory(0.71, 0.72, 0.73, 0.74), claims)
    assert "Cooperation is a reason for high use: users who share their gains would do best at 73 %" in said
    assert "hold 71.0 % of the capacity, strategic ones 72.0 %, and 74.0 % of the first best welfare results" in said


def test_whose_achievement_the_use_is():
    assert network.whose((86.0, 99.0)) == network.whose((84.0, 30.0)) == "cannot be had by a choice of the price curve"


def test_users_who_want_more_than_there_is():
    assert Theory.of(network.Sigmoid(highest=0.1)).nash == 1.0


def test_what_is_played(monkeypatch):
    seen, gathered = [], []
    monkeypatch.setattr(
        network, "cells", lambda run: [f"{run.experiment.name} {k}" for k, _ in enumerate(run.experiment.cells())]
    )
    for size in network.ResourceNetwork.sizes.values():
        gathered.append(network.gather(size, recorder(seen)))
    approved("resource_network/played", told(seen), exact=True)
    approved("resource_network/gathered", gathered, exact=True)
