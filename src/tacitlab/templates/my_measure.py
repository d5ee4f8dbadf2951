"""A measure of your own: numbers by session, that every run can be asked for which has what they need."""

import xarray as xr

from tacitlab.measures.base import Measure, Run, variable
from tacitlab.measures.outcome import Payoff


class MyMeasure(Measure):
    """The best-paid agent's part of all that agents get beyond the competitive outcome: 1 / n if they share alike."""

    kind = "my-measure"  # its name in reports
    unit = ""  # of its values

    def of(self, run: Run) -> xr.DataArray:
        """One number for each session; ``variable`` refuses a run that does not keep what is needed."""
        beyond = Payoff().of(run) - variable(run, "nash_payoff")
        total = beyond.sum("agent")
        return beyond.max("agent") / total.where(total > 0)  # none where they got nothing
