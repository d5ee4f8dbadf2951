"""What play ended in, session by session: payoffs, actions, and their place between the benchmarks.

Functions take the dataset of a result (:class:`tacitlab.lab.result.Result`) and keep its sweep and session dimensions.
"""

import xarray as xr

from tacitlab.measures.base import Measure, Run, variable

CLOSING_SHARE = 0.2  # the last fifth of the periods: Carissimo (2024) averages over it
ROUNDING = 1e-9  # benchmarks that differ by a smaller share are the same


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
    return (payoff.mean("agent") - nash) / room.where(abs(room) > ROUNDING * abs(optimum).clip(min=1e-300))


def learning_curve(data: xr.Dataset, name: str) -> xr.DataArray:
    """A traced variable (``payoff`` or ``frequency``) over all windows that some session reached.

    A session that has converged goes on along its limit cycle, so that a mean over sessions is always over all.
    """
    limit = data["limit_" + name]
    reached = data["payoff"].notnull().any([d for d in data["payoff"].dims if d != "time"])
    last = int(reached.sum())
    return data[name].isel(time=slice(0, last)).fillna(limit)


class Payoff(Measure):
    """What each agent earns: greedy play after convergence, the last fifth of learning, or the test of a market."""

    kind = "payoff"

    def of(self, run: Run) -> xr.DataArray:
        if "test_payoff" in run.data:
            return run.data["test_payoff"].mean("episode")
        variable(run, "payoff")
        return final_payoff(run.data, run.experiment.length.stable_for > 0)


class Gain(Measure):
    """Place of the mean payoff between the competitive benchmark (0) and the cooperative one (1)."""

    kind = "gain"

    def of(self, run: Run) -> xr.DataArray:
        variable(run, "nash_payoff")
        return gain(Payoff().of(run), run.data)


class Inequality(Measure):
    """Standard deviation of the agents' payoffs over agents: 0 if all earn the same."""

    kind = "payoff-inequality"

    def of(self, run: Run) -> xr.DataArray:
        return Payoff().of(run).std("agent")


class Action(Measure):
    """Mean value of what each agent chooses: a price, a quantity, a road's number."""

    kind = "action"

    def of(self, run: Run) -> xr.DataArray:
        variable(run, "frequency")
        return final_action(run.data, run.experiment.length.stable_for > 0)


class ClosingSpread(Measure):
    """Standard deviation of the mean payoff over the last fifth of learning (T_std of Carissimo 2024)."""

    kind = "closing-spread"

    def of(self, run: Run) -> xr.DataArray:
        variable(run, "payoff_square")
        return closing_spread(run.data)
