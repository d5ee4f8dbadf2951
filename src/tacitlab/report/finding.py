"""One outcome beside its benchmarks, and how it is written."""

from dataclasses import dataclass

import numpy as np

from tacitlab.measures.statistics import Estimate

RANDOM_PLAY = "random play"


@dataclass(frozen=True)
class Finding:
    """One outcome beside its benchmarks.

    Attributes
    ----------
    name : str
    estimate : Estimate
        Over sessions.
    nash, optimum : float or None
        None or NaN where unknown.
    unit : str
    detail : bool
        Left out where there is little room.
    random : float or None
        Of uniformly random play.
    """

    name: str
    estimate: Estimate
    nash: float | None = None
    optimum: float | None = None
    unit: str = ""
    detail: bool = False
    random: float | None = None

    @property
    def beside(self) -> tuple[float | None, float | None, float | None]:
        """The two benchmarks and random play."""
        return self.nash, self.optimum, self.random


def shown(estimate: Estimate | None) -> str:
    """A mean with its interval; what does not differ between sessions has none; or a dash.

    Examples
    --------
    >>> from tacitlab.measures.statistics import mean_interval
    >>> shown(mean_interval([1.0, 2.0, 3.0, 4.0])), shown(mean_interval([])), shown(None)
    ('2.5 (95 % CI 0.6 to 4.4, n=4)', '-', '-')
    >>> shown(mean_interval([0.25, 0.25, 0.25]))
    '0.25 (the same in all 3 sessions)'
    """
    if estimate is None or np.isnan(estimate.mean):
        return "-"
    return str(estimate)
