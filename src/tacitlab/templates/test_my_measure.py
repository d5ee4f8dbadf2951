from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from my_measure import MyMeasure

from tacitlab.measures.base import Unfit
from tacitlab.testing import check_measure


def test_it_keeps_what_all_measures_promise():
    check_measure(MyMeasure)


def test_of_numbers_that_are_known():
    payoff = xr.DataArray([[[3.0, 2.0]], [[1.0, 1.0]]], dims=("session", "episode", "agent"))
    data = xr.Dataset({"test_payoff": payoff}, coords={"nash_payoff": ("agent", [1.0, 1.0])})
    assert np.array_equal(MyMeasure().of(SimpleNamespace(data=data)), [2 / 3, np.nan], equal_nan=True)


def test_a_run_without_benchmarks_is_refused():
    data = xr.Dataset({"test_payoff": (("session", "episode", "agent"), np.zeros((1, 1, 2)))})
    with pytest.raises(Unfit, match="keeps no nash_payoff"):
        MyMeasure().of(SimpleNamespace(data=data))
