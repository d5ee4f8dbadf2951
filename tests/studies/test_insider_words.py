"""The study of insider trading on made-up evidence: every word and number, and what is played."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from made_up import around, asked

from approved import approved
from tacitlab.markets.kyle.theory import SingleAuction
from tacitlab.studies.insider_trading import evidence, study
from tacitlab.studies.insider_trading.evidence import Auctions, Dealers, Evidence, Size
from tacitlab.studies.insider_trading.study import InsiderTrading

SESSIONS = 6
FEW = Size(
    sessions=SESSIONS, auctions=4096, entropy=(0.02, 0.05), tests=4000, customers=2000, ticks=(0.1, 0.2, 0.3),
    rates=(0.1, 0.01), everything=False,
)  # fmt: skip
MANY = Size(**{**vars(FEW), "ticks": (0.15, 0.3), "rates": (0.01,), "everything": True})


def auctions(market, seed, orders=1.0, impacts=1.0, apart=0.01):
    """Sessions whose insiders and maker have so much of the equilibrium's slopes.

    Orders are a line through gaps, gaps one through flows, and a fifth more or less of them is noise; where a maker
    learns from the past, the first half of an episode is another one.
    """
    n, steps, play = market.insiders, 4 if market.values == "each" else market.rounds, market.nash
    late = np.array([3.0, 2.0, 0.9, 1.1]) if market.values == "each" else np.ones(steps)

    def sessions(mean, k):
        return around(mean, SESSIONS, apart, seed + k)[:, None] * late

    slope = np.stack([sessions(orders * (1 + 0.05 * k), k) * play.orders for k in range(n)], axis=2)
    impact, regression = sessions(impacts, 7) * play.impacts, sessions(0.98 * impacts, 8) * play.impacts
    flow, flow_square = 0.2 + 0 * impact, 1.7 + 0.1 * np.arange(steps) + 0 * impact
    gap, gap_flow = regression * flow + 0.03, regression * flow_square + 0.03 * flow
    gap_square = 0.9 + gap**2
    order, order_gap = slope * gap[..., None] + 0.1, slope * gap_square[..., None] + 0.1 * gap[..., None]
    explained = np.linspace(0.99, 0.97, SESSIONS)[:, None, None] - 0.01 * np.arange(n)

    def seats(values):
        """The maker has an order, too, that nobody should look at."""
        more = market.n_players - n
        return ("session", "step", "agent"), np.concatenate([values, np.full((*values.shape[:2], more), 9.0)], axis=2)

    data = {f"test_{name}": (("session", "step"), values) for name, values in (
        ("gap", gap), ("gap_square", gap_square), ("slope", impact), ("flow", flow), ("flow_square", flow_square),
        ("gap_flow", gap_flow))}  # fmt: skip
    data |= {"test_order": seats(order), "test_order_gap": seats(order_gap)}
    data["test_order_sd"] = seats(np.sqrt(slope**2 * 0.9 / explained))
    windows = np.array([0.4, 0.7, 1.0])
    total = windows * slope[:, :1].sum(axis=2)
    learning = {"gap_flow": total * 0.9 + 0.02, "gap": 0.1 + 0 * total, "flow": 0.2 + 0 * total,
                "gap_square": 0.91 + 0 * total, "slope": windows[::-1] * impact[:, :1]}  # fmt: skip
    data |= {f"learning_{name}": (("session", "time"), values) for name, values in learning.items()}
    outcomes = np.stack([around(0.3 + 0.1 * k, SESSIONS, 0.1, seed + k) for k in range(market.n_players)], axis=1)
    found = SimpleNamespace(market=market, data=xr.Dataset(data, {"time": [10, 20, 30]}), outcomes=outcomes)
    return Auctions(found, np.stack([around(0.1 + 0.02 * k, SESSIONS, 0.1, seed + k) for k in range(n)], axis=1))


def dealers(market, pairs):
    """Sessions that end at such half-spreads of both dealers, in ticks."""
    quotes = market.tick * np.resize(pairs, (SESSIONS, 2))
    data = {
        "test_quote": (("session", "step", "agent"), np.stack([quotes, quotes], axis=1)),
        "learning_half_spread": (("session", "time"), np.outer(around(0.2, SESSIONS, 0.1), [5.0, 4.0, 3.0])),
    }
    return Dealers(SimpleNamespace(market=market, data=xr.Dataset(data, {"time": [1, 2, 4]})))


def made_up(size, slopes, quotes, apart=0.01):
    """Learners with so much of the equilibrium's slopes, by market, and dealers at quotes that depend on who learns."""
    played = {
        name: auctions(market, 10 * k, *slopes.get(name, (1.0, 1.01)), apart)
        for k, (name, market) in enumerate(size.auctioned().items())
    }
    names = {"Q, expected profits": 0, **{f"Q, realised profits, α = {rate:g}": 1 for rate in size.rates},
             "PPO, expected profits": 0, "PPO, realised profits": 2}  # fmt: skip
    markets = [cell.market for cell in size.dealers("q", "expected").cells()]
    found = {
        name: {market.tick: dealers(market, quotes[k][market.tick]) for market in markets} for name, k in names.items()
    }
    return Evidence(played, found, size)


#: Ticks, then half-spreads in ticks: one equilibrium, or the higher and the lower of two.
SETTLED = {0.1: [(4, 4)], 0.15: [(3, 3), (2, 2), (3, 3)], 0.2: [(2, 2)], 0.3: [(2, 2), (1, 1), (1, 1)]}
NEARLY = {**SETTLED, 0.1: [(4, 4)] * 5 + [(5, 5)]}
WIDE = {0.1: [(6, 7), (5, 6)], 0.15: [(4, 4)], 0.2: [(4, 4), (3, 4), (2, 2)], 0.3: [(3, 3), (2, 2)]}
WIDER = {0.1: [(7, 7), (5, 6)], 0.2: [(5, 4), (3, 4)], 0.3: [(3, 3), (2, 2)]}
VARIANTS = {
    "as-theory": (MANY, {"two-fixed": (1.02, 1)}, (SETTLED, SETTLED, SETTLED)),
    "apart": (
        FEW,
        {"one": (0.9, 1), "two": (0.8, 1.02), "two-fixed": (0.76, 1), "two-rational": (0.9, 1.1), "day": (1.1, 0.9)},
        (NEARLY, WIDE, WIDER),
    ),
    "one-apart": (FEW, {"one": (1.0, 1.1), "two-fixed": (0.76, 1.0)}, (WIDE, SETTLED, WIDE)),
    "unsure": (
        FEW, {"one": (0.98, 1.01), "two": (0.96, 1.0), "two-fixed": (0.85, 1.0)}, (WIDE, SETTLED, NEARLY),
    ),
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_it_says(variant):
    e = made_up(*VARIANTS[variant], apart=0.05 if variant == "unsure" else 0.01)
    if variant == "as-theory":
        approved(f"insider_trading/{variant}", study.examine(e))
    else:
        approved(f"insider_trading/{variant}", study.answer(e, tuple(study.slope_claims(e))))


def test_what_is_played(monkeypatch):
    experiments = []

    def play(experiment):
        experiments.append(experiment)
        return experiment

    monkeypatch.setattr(evidence, "_auctions", lambda run: run.name)
    monkeypatch.setattr(evidence, "_ticks", lambda run, rate=None: (run.name, rate))
    found = [evidence.gather(InsiderTrading.sizes[preset], play) for preset in InsiderTrading.presets]
    approved("insider_trading/played", asked(InsiderTrading, experiments), exact=True)
    assert all(name == run for e in found for name, run in e.auctions.items())
    approved("insider_trading/dealers", {k: str(v) for k, v in found[1].dealers.items()})
    assert [e.size for e in found] == [InsiderTrading.sizes[preset] for preset in InsiderTrading.presets]


def test_runs_are_read_by_tick_and_rate(monkeypatch):
    run = FEW.dealers("q", "realised", FEW.rates)
    result = SimpleNamespace(cells=list(run.cells()))
    monkeypatch.setattr(
        evidence, "outcome_of", lambda result, cell: SimpleNamespace(market=result.cells[cell].market, cell=cell)
    )
    for rate in FEW.rates:
        found = evidence._ticks(result, rate)
        assert list(found) == list(FEW.ticks)
        for tick, one in found.items():
            cell = result.cells[one.found.cell]
            assert (cell.market.tick, cell.learners[0].alpha) == (tick, rate)


def test_what_is_left_of_randomness_is_that_of_sessions_that_did_not_fail(monkeypatch):
    market = FEW.auctioned()["two"]
    failed = SimpleNamespace(market=market, failures=[SimpleNamespace(session=1)])
    monkeypatch.setattr(evidence, "outcome_of", lambda result: failed)
    logs = np.log(np.arange(1.0, 9.0).reshape(4, 2, 1))
    found = evidence._auctions(SimpleNamespace(policy_reader=lambda cell: {"0.log_sd": logs}))
    np.testing.assert_allclose(found.left, market.auction.order_unit * np.array([[1, 2], [5, 6], [7, 8]]))


def test_statistics_of_lines_that_are_known():
    """Slopes are those that went in, profits those of the closed form."""
    size = FEW.auctioned()
    found = auctions(size["two"], 3, 0.9, 1.1)
    own = 0.9 * np.sqrt(0.5) * np.stack([around(1, SESSIONS, 0.01, 3), 1.05 * around(1, SESSIONS, 0.01, 4)], axis=1)
    np.testing.assert_allclose(found.orders[:, 0], own)
    np.testing.assert_allclose(found.impacts[:, 0], around(1.1 * np.sqrt(2) / 3, SESSIONS, 0.01, 10))
    np.testing.assert_allclose(found.regressions[:, 0], around(0.98 * 1.1 * np.sqrt(2) / 3, SESSIONS, 0.01, 11))
    np.testing.assert_allclose(found.linearity[:, 0], np.linspace(0.98, 0.96, SESSIONS))
    # An insider earns b (1 - λ Σb) on values of variance 1; a cartel that the maker expects has the slopes of one.
    total = own.sum(axis=1)
    np.testing.assert_allclose(found.profits, total * (1 - found.impacts[:, 0] * total))
    np.testing.assert_allclose(found.errors[:, 0], (1 - found.impacts[:, 0] * total) ** 2 + found.impacts[:, 0] ** 2)
    np.testing.assert_allclose(found.place, (total - np.sqrt(2)) / (1 - np.sqrt(2)))
    np.testing.assert_allclose(study.cartel_gain(found), 0.5 / (np.sqrt(2) / 3) - 1)
    # The best reply to the other's slope b is (1 - λ b)/(2 λ).
    other, impact = own[:, ::-1], found.impacts
    gains = (1 - impact * other) ** 2 / (4 * impact) - own * (1 - impact * total[:, None])
    np.testing.assert_allclose(found.exploitability, gains.max(axis=1) / (np.sqrt(2) / 6))
    noisy = SingleAuction(2, 1.0, np.sqrt(1 + (found.left**2).sum(axis=1).mean())).nash()
    assert (found.noisy.impact, *found.noisy.orders) == pytest.approx((noisy.impact, *noisy.orders))
    # The maker who learns from the past is looked at in the second half.
    rational = auctions(size["two-rational"], 3)
    assert list(rational.curves()[0]) == [20_000, 40_000, 60_000]
    np.testing.assert_allclose(rational.impacts[:, 0], around(np.sqrt(2) / 3, SESSIONS, 0.01, 10))


def test_quotes_that_are_known():
    market = next(cell.market for cell in FEW.dealers("q", "expected").cells() if cell.market.tick == 0.3)
    found = dealers(market, [(2, 1), (1, 3), (2, 2)])
    np.testing.assert_allclose(found.best, np.resize([0.3, 0.3, 0.6], SESSIONS))
    levels, theory = [0.3, 0.6, 0.9, market.theory.widest], market.theory
    table = theory.payoffs(0.3, 2)
    for (own, other), gains, profit in zip([(2, 1), (1, 3), (2, 2)], found.gains, found.profit, strict=False):
        best = [table[:, other - 1, 0].max(), table[own - 1, :, 1].max()]
        np.testing.assert_allclose(gains, np.array(best) - table[own - 1, other - 1])
        assert profit == pytest.approx(table[own - 1, other - 1].sum())
        # Whoever has the better quote has all customers.
        np.testing.assert_allclose(profit, theory.profit(levels[min(own, other) - 1]))
    time, windows = found.curve()
    assert list(time) == [k * market.customers for k in (1, 2, 4)]
    assert windows.shape == (SESSIONS, 3)
