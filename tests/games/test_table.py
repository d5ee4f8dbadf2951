import numpy as np
import pytest

from tacitlab.errors import TacitError
from tacitlab.games.table import MAX_ENTRIES, check_size, spread, tabulate


@pytest.mark.parametrize("players", [2, 3, 4])
def test_every_joint_action_once(players):
    values = np.arange(3.0 * players).reshape(players, 3)
    table = tabulate(values, lambda joint: joint, "actions")
    assert table.shape == (3,) * players + (players,)
    for joint in np.ndindex(*(3,) * players):
        assert table[joint].tolist() == [values[i, a] for i, a in enumerate(joint)]


def test_size_limit():
    check_size((5000, 5000), "n_prices")
    with pytest.raises(TacitError, match=r"^n_prices: 5001 actions for 2 players .* at most 5e\+07"):
        check_size((5001, 5001), "n_prices")
    with pytest.raises(TacitError, match=r"^n_prices: "):
        check_size((5000, 5000), "n_prices", regimes=2)
    with pytest.raises(TacitError, match=r"^payoffs: "):
        check_size((10**9,) * 10, "payoffs")
    assert MAX_ENTRIES == 2 * 5000**2


def test_spread():
    assert spread((1.0, 2.0), 2).tolist() == [1, 2]
    assert spread(1.0, 2).tolist() == [1, 1]
