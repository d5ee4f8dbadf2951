"""Concentration against definitions by brute force, bounds, and cases known by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tacitlab.errors import TacitError
from tacitlab.measures.concentration import effective_holders, gini, hhi, lorenz, normalised_hhi

AMOUNTS = st.floats(0, 1e300, allow_subnormal=False)
HELD = arrays(np.float64, st.integers(2, 12), elements=AMOUNTS).filter(lambda h: h.max() > 0)


def equal(agents):
    return np.full(agents, 7.0)


@pytest.mark.parametrize("agents", [2, 3, 50])
def test_equal_holdings_and_a_single_holder(agents):
    one = np.eye(agents)[0]
    found = np.array([[m(equal(agents)), m(one)] for m in (hhi, normalised_hhi, effective_holders, gini)])
    expected = [[1 / agents, 1], [0, 1], [agents, 1], [0, 1 - 1 / agents]]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@given(HELD)
def test_definitions(held):
    held = held / held.max()
    shares, n = held / held.sum(), len(held)
    np.testing.assert_allclose(hhi(held), sum(s**2 for s in shares))
    np.testing.assert_allclose(normalised_hhi(held), (hhi(held) - 1 / n) / (1 - 1 / n), atol=1e-12)
    between = np.abs(held[:, None] - held).mean()
    np.testing.assert_allclose(gini(held), between / 2 / held.mean(), atol=1e-12)
    curve = lorenz(held)
    np.testing.assert_allclose(gini(held), 1 - 2 * np.trapezoid(curve, dx=1 / n), atol=1e-12)
    np.testing.assert_allclose(curve[1:], [np.sort(shares)[: k + 1].sum() for k in range(n)], atol=1e-12)


@given(HELD, st.floats(1e-3, 1e3), st.randoms(use_true_random=False))
def test_bounds_scale_and_order(held, factor, random):
    n = len(held)
    assert 1 / n - 1e-12 <= hhi(held) <= 1 + 1e-12
    assert 0 <= normalised_hhi(held) <= 1 + 1e-12
    assert -1e-12 <= gini(held) <= 1 - 1 / n + 1e-12
    curve = lorenz(held)
    assert curve[0] == 0
    assert curve[-1] == pytest.approx(1)
    assert (np.diff(curve, 2) >= -1e-12).all()
    mixed = list(held * factor)
    random.shuffle(mixed)
    for measure in (hhi, normalised_hhi, gini, lorenz):
        np.testing.assert_allclose(measure(mixed), measure(held), atol=1e-9)


@given(HELD, st.integers(0, 11), st.integers(0, 11), st.floats(0, 0.5))
def test_giving_to_a_poorer_agent_lowers_concentration(held, i, j, share):
    """Pigou-Dalton: both indices fall, or stay, if the gap between two agents shrinks."""
    held = held / held.max()
    rich, poor = max(i % len(held), j % len(held), key=held.item), min(i % len(held), j % len(held), key=held.item)
    after = held.copy()
    gift = share * (held[rich] - held[poor])
    after[rich], after[poor] = after[rich] - gift, after[poor] + gift
    assert hhi(after) <= hhi(held) + 1e-12
    assert gini(after) <= gini(held) + 1e-12


def test_sessions_and_times_keep_their_axes():
    held = np.random.default_rng(0).random((4, 3, 5))
    for measure in (hhi, normalised_hhi, effective_holders, gini):
        assert measure(held).shape == (4, 3)
        np.testing.assert_allclose(measure(held)[2, 1], measure(held[2, 1]))
    assert lorenz(held).shape == (4, 3, 6)


def test_nothing_held_and_a_single_agent():
    for measure in (hhi, normalised_hhi, effective_holders, gini):
        assert np.isnan(measure(np.zeros(3)))
        np.testing.assert_array_equal(np.isnan(measure([[0.0, 0.0], [1.0, 0.0]])), [True, False])
    assert np.isnan(lorenz(np.zeros(3))).all()
    assert hhi([3.0]) == 1
    assert hhi([1e308] * 4) == 0.25
    assert np.isnan(normalised_hhi([3.0]))


@pytest.mark.parametrize(
    ("holdings", "message"),
    [
        ([1.0, -0.5], "holdings: -0.5 has no share \\(1 such values\\)"),
        ([1.0, np.nan], "nan has no share"),
        ([1.0, np.inf], "inf has no share"),
        (3.0, "no agents"),
        (np.zeros((2, 0)), "no agents"),
    ],
)
def test_what_has_no_share_is_refused(holdings, message):
    for measure in (hhi, normalised_hhi, effective_holders, gini, lorenz):
        with pytest.raises(TacitError, match=message):
            measure(holdings)
