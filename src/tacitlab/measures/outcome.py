"""What play ended in, session by session: payoffs, actions, and their place between the benchmarks.

Functions take the dataset of a result (:class:`tacitlab.lab.result.Result`) and keep its sweep and session dimensions.
"""

import xarray as xr

CLOSING_SHARE = 0.2  # the last fifth of the periods: Carissimo (2024) averages over it


def closing(data: xr.Dataset, name: str, share: float = CLOSING_SHARE) -> xr.DataArray:
    """Mean of a traced variable over the last ``share`` of the recorded windows.

    For sessions of a fixed length. Where a sweep changes the length, each session's own windows count.
    """
    reached = data["payoff_square"].notnull()
    windows = reached.sum("time")
    first = windows - (share * windows).round().clip(min=1)
    number = xr.DataArray(range(data.sizes["time"]), dims="time")
    return data[name].where(number >= first).mean("time")


def closing_spread(data: xr.Dataset, share: float = CLOSING_SHARE) -> xr.DataArray:
    """Standard deviation over the last periods of the agents' mean payoff (T_std of Carissimo 2024)."""
    mean = closing(data, "payoff", share).mean("agent")
    return (closing(data, "payoff_square", share) - mean**2).clip(min=0) ** 0.5


def final_payoff(data: xr.Dataset, by_limit: bool) -> xr.DataArray:
    """Payoff by session and agent: on the limit cycle of greedy play, or learning included over the last fifth."""
    return data["limit_payoff"] if by_limit else closing(data, "payoff")


def final_action(data: xr.Dataset, by_limit: bool) -> xr.DataArray:
    """Mean value of the actions (a price, a quantity) by session and agent, where :func:`final_payoff` looks."""
    frequency = data["limit_frequency"] if by_limit else closing(data, "frequency")
    return (frequency * data["action_value"]).sum("action")


def gain(payoff: xr.DataArray, data: xr.Dataset) -> xr.DataArray:
    """Place between the benchmarks: 0 at the competitive, 1 at the cooperative mean payoff over agents.

    Calvano et al.'s profit gain Delta for firms; the welfare of Carissimo (2024) for drivers. NaN where the two
    benchmarks coincide.
    """
    nash, optimum = data["nash_payoff"].mean("agent"), data["optimum_payoff"].mean("agent")
    room = optimum - nash
    return (payoff.mean("agent") - nash) / room.where(abs(room) > 1e-12 * abs(optimum).clip(min=1e-300))


def learning_curve(data: xr.Dataset, name: str) -> xr.DataArray:
    """A traced variable (``payoff`` or ``frequency``) over all windows that some session reached.

    A session that has converged goes on along its limit cycle, so that a mean over sessions is always over all.
    """
    limit = data["limit_" + name]
    reached = data["payoff"].notnull().any([d for d in data["payoff"].dims if d != "time"])
    last = int(reached.sum())
    return data[name].isel(time=slice(0, last)).fillna(limit)
