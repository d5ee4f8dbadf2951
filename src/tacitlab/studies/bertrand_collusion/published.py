"""What is known of the baseline duopoly of Calvano et al. (2020): published values and re-runs of the public code.

Calvano, Calzolari, Denicolò and Pastorello, "Artificial intelligence, algorithmic pricing, and collusion", American
Economic Review 110(10), 2020, 3267-3297. Every value rests on 1,000 runs. (P) is published, (R) was printed by a re-run
of the authors' public code, (R*) was computed by an independent script from the limit strategies of such a re-run.
"""

from typing import NamedTuple

RUNS = 1000
PAPER = "Calvano et al. 2020 (P)"
PAPER_AND_CODE = "Calvano et al. 2020 (P), their code (R)"
CODE = "re-run of their code (R)"
STRATEGIES = "limit strategies of a re-run (R*)"
PAPER_AND_STRATEGIES = "Calvano et al. 2020 (P), limit strategies of a re-run (R*)"


class Value(NamedTuple):
    """A value, its source, half a unit of its last digit, and its standard deviation over runs where that is known."""

    mean: float
    source: str
    rounding: float
    sd: float | None = None


# Outcome. Profits and prices are in money a period, times in episodes of 25,000 periods without the final 100,000.
GAIN = Value(0.84872, PAPER_AND_CODE, 5e-6, 0.112)
GAINS = Value(0.84414, PAPER_AND_CODE, 5e-6), Value(0.85329, PAPER_AND_CODE, 5e-6)
PROFIT = Value(0.32016, PAPER_AND_CODE, 5e-6, 0.01283)
PRICES = Value(1.7919, CODE, 5e-5), Value(1.7908, CODE, 5e-5)
CONVERGED = Value(1.0, PAPER_AND_CODE, 0.0)
TIME_MEAN = Value(70.05, PAPER_AND_CODE, 5e-3, 11.73)
TIME_SD = Value(11.73, PAPER_AND_CODE, 5e-3)
TIME_MEDIAN = Value(68.07, PAPER_AND_CODE, 5e-3)
EPISODE, STABLE = 25_000, 100_000

# Best responses, by the one-step test that the public code makes and by full re-optimisation.
NASH = Value(0.505, PAPER_AND_CODE, 5e-4)
BEST_RESPONSE = Value(0.686, CODE, 5e-4)
BEST_RESPONSE_STATES = Value(0.2331, CODE, 5e-5)
NASH_STATES = Value(0.1243, CODE, 5e-5)
BEST_RESPONSE_EVERYWHERE = Value(0.0, CODE, 0.0)
OPTIMAL = Value(0.067, STRATEGIES, 5e-4)
EQUILIBRIUM = Value(0.001, STRATEGIES, 5e-4)
FORGONE = Value(0.13, STRATEGIES, 5e-3)
LOSS_ON_PATH = Value(0.002, PAPER_AND_CODE, 5e-4, 0.004)
LOSS_EVERYWHERE = Value(0.018, PAPER_AND_CODE, 5e-4, 0.006)

# One-period deviations to the static best reply: means over run, cycle point and deviator (3,098 observations).
DETERRED = Value(0.9364, PAPER_AND_STRATEGIES, 5e-5)
CUT = Value(-0.1271, PAPER_AND_STRATEGIES, 5e-5)
LENGTH = Value(5.7046, PAPER_AND_STRATEGIES, 5e-5)

# Price cuts from a constant path at 1.776. The paper gives ranges: the middle, and half the width for the rounding.
CUT_FROM = 1.776
CUTS_UNPROFITABLE = Value(0.975, PAPER, 0.025)  # above .95
CUTS_LOSS = Value(3.5, PAPER, 0.5)  # 3 to 4 percent of discounted profit
CUTS_ANSWER = Value(-0.13, PAPER, 5e-3)  # about 13 percent

# Impulse responses: prices and profits in the periods 1, ..., 9, the first of which is the deviation.
Series = dict[tuple[str, str], tuple[float, ...]]
SERIES_ROUNDING = 5e-6
DEFINED: Series = {  # (R*): the deviator replies to the rival's price on the path
    ("deviator", "price"): (1.61065, 1.56565, 1.57386, 1.63791, 1.69368, 1.73311, 1.76388, 1.77744, 1.78521),
    ("rival", "price"): (1.79135, 1.55546, 1.58595, 1.63527, 1.69562, 1.73667, 1.76337, 1.77799, 1.78403),
    ("deviator", "profit"): (0.35879, 0.24357, 0.25625, 0.27014, 0.28960, 0.30316, 0.31083, 0.31581, 0.31771),
}
ROUTINE: Series = {  # (R): what the authors' routine prints and their Figure 4 plots
    ("deviator", "price"): (1.50462, 1.55880, 1.57816, 1.63828, 1.69235, 1.73232, 1.76107, 1.77590, 1.78423),
    ("rival", "price"): (1.79135, 1.54747, 1.58878, 1.63472, 1.69101, 1.73369, 1.76210, 1.77622, 1.78180),
    ("deviator", "profit"): (0.34204, 0.24130, 0.25721, 0.26976, 0.28812, 0.30183, 0.31083, 0.31513, 0.31657),
    ("rival", "profit"): (0.17258, 0.24713, 0.25079, 0.27252, 0.28888, 0.30116, 0.30993, 0.31473, 0.31846),
}

# By length of the limit cycle, as in measures.collusion.cycle_groups: share of runs, profit gain, Nash on path (P).
GROUPS = {
    "1 symmetric": (0.277, 0.866, 0.686),
    "1 asymmetric": (0.366, 0.855, 0.661),
    "1": (0.643, 0.860, 0.672),
    "2": (0.238, 0.846, 0.294),
    "3 or more": (0.119, 0.793, 0.025),
    "all": (1.0, 0.849, 0.505),
}
DISJOINT = ("1 symmetric", "1 asymmetric", "2", "3 or more")
GROUPS_ROUNDING = 5e-4
GAIN_OF_NASH = Value(0.854, PAPER, 5e-4)
CYCLES = (643, 238, 74, 25, 13, 6, 1)  # runs with cycles of length 1, ..., 7 (R)
