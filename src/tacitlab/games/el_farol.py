"""The El Farol bar: pleasant unless too many come."""

from dataclasses import replace
from math import floor
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from tacitlab.games.base import Actions, CongestionForm, StageGame
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks, Profile
from tacitlab.theory.congestion import ClosedForms, congestion_benchmarks


class ElFarol(StageGame):
    """Players go to a bar or stay at home; the bar is worth it if at most a share ``threshold`` of them come.

    In the pure equilibria the bar is filled exactly to capacity, which is the optimum too. They need coordination;
    the symmetric equilibrium is mixed and wastes all gains: everybody earns what staying at home earns. It is the
    reference.

    Raises
    ------
    TacitError
        If a parameter is out of bounds or the payoffs are not ordered crowded < home < uncrowded.

    References
    ----------
    W. B. Arthur, "Inductive reasoning and bounded rationality", American Economic Review 84(2), 1994, 406-411;
    for the equilibria D. Whitehead, "The El Farol bar problem revisited", University of Edinburgh, 2008.

    Examples
    --------
    >>> benchmarks = ElFarol(players=100, threshold=0.6).benchmarks()
    >>> benchmarks.nash.name, benchmarks.nash.average, benchmarks.optimum.average
    ('symmetric mixed Nash', 0.0, 0.6)
    """

    kind: Literal["el-farol"] = "el-farol"
    players: int = param(100, "number of players", unit="players", ge=2, le=10_000)
    threshold: float = param(0.6, "largest share of players for which the bar is not crowded", ge=0, le=1)
    uncrowded: float = param(1.0, "payoff in a bar that is not crowded", unit="points", ge=-1e6, le=1e6)
    crowded: float = param(-1.0, "payoff in a crowded bar", unit="points", ge=-1e6, le=1e6)
    home: float = param(0.0, "payoff at home", unit="points", ge=-1e6, le=1e6)

    payoff_unit: ClassVar[str] = "points"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.home < self.uncrowded:
            raise ValueError(f"uncrowded: {self.uncrowded:g} is too small; it must be above home = {self.home:g}")
        if not self.crowded < self.home:
            raise ValueError(f"crowded: {self.crowded:g} is too large; it must be below home = {self.home:g}")
        return self

    @property
    def n_players(self) -> int:
        return self.players

    @property
    def capacity(self) -> int:
        """Largest number of players for which the bar is not crowded."""
        return floor(self.threshold * self.players + 1e-9)  # 0.29 * 100 is 28.999999999999996

    def actions(self) -> Actions:
        return Actions("evening", np.array([[0.0, 1.0]]), labels=("bar", "home"))

    def form(self) -> CongestionForm:
        bar = np.where(np.arange(self.players + 1) <= self.capacity, self.uncrowded, self.crowded)
        incidence = np.array([[1, 0]])
        return CongestionForm(self.players, incidence, incidence.T.astype(float), bar[None], np.array([0.0, self.home]))

    def attendance_probability(self) -> float:
        """Probability p of going in the symmetric equilibrium.

        Whoever goes must be indifferent: at most capacity - 1 of the n - 1 others come, P(Bin(n-1, p) < capacity),
        with probability (home - crowded) / (uncrowded - crowded). The binomial tail is an incomplete beta function.
        Extremes: 1 if there is room for all, 0 if for nobody.
        """
        from scipy.special import betaincinv

        if self.capacity in (0, self.players):
            return float(self.capacity > 0)
        room = (self.home - self.crowded) / (self.uncrowded - self.crowded)
        return float(betaincinv(self.capacity, self.players - self.capacity, 1 - room))

    def benchmarks(self) -> Benchmarks:
        """The symmetric equilibrium, the pure Nash equilibria and the social optimum."""
        counts = np.array([self.capacity, self.players - self.capacity])
        known = ClosedForms(nash=counts[None], optimum=counts)
        pure = congestion_benchmarks(self.form(), self.actions(), known=known)
        if self.capacity in (0, self.players):
            return pure
        chance = self.attendance_probability()
        mixture = np.array([chance, 1 - chance])
        mixed = Profile(
            "symmetric mixed Nash",
            "mixed-nash",
            np.array([self.home]),
            "closed form (inverse incomplete beta function)",
            quantities={"share": mixture, "payoff": np.full(2, self.home)},
            strategies=(mixture,),
        )
        notes = ("the reference is the symmetric equilibrium: the pure ones need coordination and attain the optimum",)
        numbers = {"mean attendance in the reference": chance * self.players}
        return replace(pure, competitive=(mixed, *pure.competitive), numbers=numbers, notes=notes)
