"""The minority game: whoever is on the smaller side wins."""

from dataclasses import replace
from math import comb
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from tacitlab.games.base import Actions, CongestionForm, StageGame
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Profile
from tacitlab.theory.congestion import ClosedForms, congestion_benchmarks


class Minority(StageGame):
    """An odd number n of players choose one of two sides; the side that fewer chose wins.

    With (n-1)/2 players on one side, nobody gains by a change: all pure equilibria, and the optimum. They need
    coordination; the equilibrium of strangers is the mixed one, a coin toss, and it is the reference.

    Raises
    ------
    TacitError
        If a parameter is out of bounds, the number of players is even or losing pays as much as winning.

    References
    ----------
    D. Challet and Y.-C. Zhang, "Emergence of cooperation and organization in an evolutionary game", Physica A 246
    (1997) 407-418.

    Examples
    --------
    >>> benchmarks = Minority(players=101).benchmarks()
    >>> round(benchmarks.nash.average, 4), round(benchmarks.optimum.average, 4)
    (0.4602, 0.495)
    """

    kind: Literal["minority"] = "minority"
    players: int = param(101, "number of players, odd", unit="players", ge=3, le=10_001)
    win: float = param(1.0, "payoff of the minority", unit="points", ge=-1e6, le=1e6)
    lose: float = param(0.0, "payoff of the majority", unit="points", ge=-1e6, le=1e6)

    payoff_unit: ClassVar[str] = "points"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.players % 2 == 0:
            raise ValueError(f"players: {self.players} is even, so that there may be no minority; take an odd number")
        if self.win <= self.lose:
            raise ValueError(f"win: {self.win:g} is too small; it must be above lose = {self.lose:g}")
        return self

    @property
    def n_players(self) -> int:
        return self.players

    def actions(self) -> Actions:
        return Actions("side", np.array([[0.0, 1.0]]), labels=("left", "right"))

    def form(self) -> CongestionForm:
        value = np.where(np.arange(self.players + 1) < self.players / 2, self.win, self.lose)
        return CongestionForm(self.players, np.eye(2, dtype=np.int64), np.eye(2), np.stack([value, value]), np.zeros(2))

    def coin_toss_payoff(self) -> float:
        """Expected payoff of the symmetric equilibrium, in which every player tosses a coin.

        A player wins if at most (n-3)/2 of the n-1 others are on the same side: with probability (1 - c) / 2, where
        c is the probability that they split evenly.
        """
        others = self.players - 1
        even = comb(others, others // 2) / 2**others
        return self.lose + (self.win - self.lose) * (1 - even) / 2

    def volatility(self, attendance: NDArray[np.float64]) -> float:
        """Variance of the attendance of one side, divided by the number of players: a coin toss has 1/4.

        Parameters
        ----------
        attendance : (time,) array
            Number of players on one side in each period.
        """
        return float(np.var(attendance)) / self.players

    def benchmarks(self) -> Benchmarks:
        """The coin toss, the pure Nash equilibria and the social optimum."""
        small, large = self.players // 2, self.players // 2 + 1
        splits = np.array([[small, large], [large, small]])
        known = ClosedForms(nash=splits, optimum=splits[0])
        pure = congestion_benchmarks(self.form(), self.actions(), known=known)
        half, payoff = np.full(2, 0.5), self.coin_toss_payoff()
        quantities = {"share": half, "payoff": np.full(2, payoff)}
        mixed = Profile(
            "symmetric mixed Nash",
            "mixed-nash",
            np.array([payoff]),
            "closed form",
            None,
            quantities,
            strategies=(half,),
        )
        notes = ("the reference is the coin toss: the pure Nash equilibria need coordination and attain the optimum",)
        numbers = {"volatility of the coin toss": 0.25}
        return replace(pure, competitive=(mixed, *pure.competitive), numbers=numbers, notes=notes)
