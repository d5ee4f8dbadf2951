"""The loop with an intervention that does nothing is the plain loop, to the last bit."""

import numpy as np
import pytest
from test_tabular import CASES, ENTRY

from tacitlab.engine import tabular
from tacitlab.engine.arrays import Steering

SETTINGS = {"periods": 300, "stable_for": 0, "window": 10, "windows": 30, "sessions": 3, "keep_values": True}
SAME = [name for name, (form, _, options) in CASES.items() if form is not ENTRY and not options.get("alternating")]


def played(form, learners, steering=None, **changes):
    plan = tabular.prepare(
        form, learners, alternating=False, trained=lambda run, agent: (None, np.zeros(0)), steering=steering,
        **{**SETTINGS, **changes},
    )  # fmt: skip
    return tabular.play(plan, 7, 0, 3, np.zeros(1, np.bool_))


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("transfer", [False, True])
def test_doing_nothing_changes_nothing(name, transfer):
    form, learners, _ = CASES[name]
    plain, steered = played(form, learners), played(form, learners, Steering(transfer=transfer))
    for field in ("periods", "frequency", "values", "greedy"):
        assert np.array_equal(getattr(plain, field), getattr(steered, field)), field
    for field in ("payoff", "payoff_square"):  # summed in another order where payments are recorded
        np.testing.assert_allclose(getattr(plain, field), getattr(steered, field), rtol=1e-12, atol=1e-14)


def test_convergence_is_noticed_in_the_same_period():
    form, learners, _ = CASES["q memory 1"]
    changes = {"stable_for": 200, "periods": 100_000}
    plain, steered = played(form, learners, **changes), played(form, learners, Steering(), **changes)
    assert plain.converged.all()
    assert np.array_equal(plain.periods, steered.periods)
    # Greedy play is periodic: over 1,000 periods its mean is nearly that of its cycle.
    np.testing.assert_allclose(plain.limit_payoff, steered.limit_payoff, atol=0.01)
