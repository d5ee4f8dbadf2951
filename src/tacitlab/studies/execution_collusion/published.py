"""What Macrì and Lillo publish on two deep Q-learners that liquidate the same asset, and how the data were read.

A. Macrì and F. Lillo, "Deviations from the Nash equilibrium and emergence of tacit collusion in a two-player optimal
execution game with reinforcement learning", arXiv 2408.11773 (version 1, 2024). (P) is its text; (D) was digitised from
the vector figures of July 2024 in the repository of its code, see ``data/README.md``; (C) is that code.

Costs are in currency per agent and episode; the paper plots them per step, a tenth of that.
"""

import csv
from collections.abc import Iterator
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FIGURES = "figures (D)"

STEPS = 10
RUNS = 20  # independent trainings at each volatility
MISSPECIFIED_RUNS = 10
EPISODES, TEST_EPISODES = 5000, 2500
DECAY_EVERY = 75  # steps
VOLATILITIES = (1e-9, 1e-3, 1e-2)

# The stars of the paper's scatter plots. "Nash" is the equilibrium of Schied and Zhang, where temporary impact is
# shared and time continuous, costed with impact from the next step on. No timing gives the "Pareto" star, which is
# plotted at 0.89 or 0.90 a step: with 9.0 one run at volatility 1e-3 fewer lies in the rectangle.
NASH_STAR = 11.2186
PARETO_STAR = 8.9

# Of 49,991 test episodes at volatility 1e-9, the share whose costs add up to less than any two full liquidations can
# cost with impact from the next step on (D; the episodes themselves are not in the data).
IMPOSSIBLE_EPISODES = 0.923


@cache
def centroids() -> dict[float, Floats]:
    """Mean cost of agents 1 and 2 over the test episodes of each run, (20, 2), by volatility; currency per episode.

    Examples
    --------
    >>> centroids()[1e-9][0].round(3)
    array([10.658,  9.7  ])
    """
    found = {sigma: np.full((RUNS, 2), np.nan) for sigma in VOLATILITIES}
    for row in _rows("macri-lillo-centroids.csv"):
        costs = [STEPS * row["IS1_per_step"], STEPS * row["IS2_per_step"]]
        found[row["sigma"]][int(row["run"])] = costs
    return found


@cache
def schedules() -> dict[float, Floats]:
    """Mean shares sold at each step by agents 1 and 2, (20, 10, 2), by volatility.

    The digitised rows add up to 100 within 0.002; they are scaled to do so exactly.

    Examples
    --------
    >>> schedules()[1e-3].mean((0, 2)).round(1)
    array([ 4.5, 10.9, 13. , 12. , 12.6,  9.9,  9.7,  6.6,  5.2, 15.7])
    """
    found = {sigma: np.full((RUNS, STEPS, 2), np.nan) for sigma in VOLATILITIES}
    for row in _rows("macri-lillo-schedules.csv"):
        sold = np.array([row[f"v{step}"] for step in range(1, STEPS + 1)])
        found[row["sigma"]][int(row["run"]), :, int(row["agent"]) - 1] = 100 * sold / sold.sum()
    return found


def _rows(name: str) -> Iterator[dict[str, float]]:
    text = (resources.files("tacitlab.studies.execution_collusion") / name).read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        yield {key: float(value) for key, value in row.items()}


def label(volatility: float) -> str:
    """A volatility with its letter.

    Examples
    --------
    >>> label(1e-9), label(1e-2)
    ('σ = 1e-9', 'σ = 0.01')
    """
    return f"σ = {plain(volatility)}"


def plain(volatility: float) -> str:
    """A volatility as the paper writes it: "1e-9", "0.001"."""
    return f"{volatility:g}".replace("e-0", "e-")


def share_error(successes: int, n: int = RUNS) -> float:
    """Standard error of a published share of runs, from two more successes and failures each (Agresti and Coull 1998).

    Unlike the plain one it is not 0 at 0 or ``n``.

    Examples
    --------
    >>> round(share_error(12), 3), round(share_error(20), 3)
    (0.1, 0.056)
    """
    share = (successes + 2) / (n + 4)
    return float(np.sqrt(share * (1 - share) / (n + 4)))
