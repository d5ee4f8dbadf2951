"""Runs of drivers as the engine would leave them, of travel times that are made up."""

from types import SimpleNamespace

import numpy as np
import xarray as xr

APART = np.array([-0.02, 0.02])  # the travel times of two drivers around the mean; nobody asks for the other ones


def driven(experiment, travel, limit=2.0, tables=None, end=1.5):
    """A run whose mean travel time is ``travel(cell, time, session)``; ``time`` is (windows,), ``session`` (n, 1).

    Greedy play afterwards takes ``limit`` and a little more with session and exploration; the optimum takes ``end``.
    """
    window, windows = experiment.recorded()
    time, session = window * np.arange(1.0, windows + 1), np.arange(experiment.sessions)[:, None]
    swept = {name: range(len(v)) if isinstance(v[0], dict) else v for name, v in experiment.sweep_dimensions().items()}
    shape = (*map(len, swept.values()), experiment.sessions)
    means = np.stack([travel(cell, time, session) * np.ones((len(session), windows)) for cell in experiment.cells()])
    means = means.reshape(*shape, windows)
    share, spread = time / time[-1], 0.03 * (1 + session / 7)
    shares = np.stack([0.5 - 0.2 * share, 0.3 - 0.1 * share**2, 0.2 + 0.2 * share + 0.1 * share**2], axis=-1)
    shares = np.broadcast_to(shares[:, None], (*shape, windows, 2, 3))
    rates = [getattr(cell.learners[0].exploration, "epsilon", 0.0) for cell in experiment.cells()]
    greedy = limit + 0.01 * np.reshape(rates, shape[:-1])[..., None] + 0.01 * session[:, 0]
    dims = (*swept, "session")
    data = xr.Dataset(
        {
            "payoff": ((*dims, "time", "agent"), -(means[..., None] + APART)),
            "payoff_square": ((*dims, "time"), means**2 + spread**2),
            "limit_payoff": ((*dims, "agent"), -(greedy[..., None] + APART)),
            "frequency": ((*dims, "time", "agent", "action"), shares),
            "nash_payoff": (("agent",), [-2.0, -2.0]), "optimum_payoff": (("agent",), [-end, -end]),
        },
        {**swept, "session": np.arange(experiment.sessions), "time": time},
    )  # fmt: skip
    return SimpleNamespace(experiment=experiment, data=data, values=lambda cell=0: tables)
