"""The linear public-goods game: everybody gains from a pot to which nobody wants to contribute."""

from typing import ClassVar, Literal

import numpy as np

from tacitlab.games.base import Actions, CongestionForm, StageGame
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks
from tacitlab.theory.congestion import ClosedForms, congestion_benchmarks


class PublicGoods(StageGame):
    """Players put part of an endowment into a pot, which is multiplied and shared equally.

    A player who contributes g_i earns e - g_i + (m/n) sum_j g_j (voluntary contribution mechanism, VCM). A token in
    the pot returns m/n to its giver: below 1 it is dominant to give nothing, above 1 to give everything. All
    together it returns m: above 1 the optimum is to give everything, below 1 nothing. In between lies the dilemma.

    As a congestion game the pot is one facility, its load the number of contribution steps, which everybody values
    alike, whatever he gave.

    Raises
    ------
    TacitError
        If a parameter is out of bounds.

    References
    ----------
    J. O. Ledyard, "Public goods: a survey of experimental research", in *Handbook of Experimental Economics* (1995).

    Examples
    --------
    >>> benchmarks = PublicGoods(players=4, levels=3, multiplier=1.6).benchmarks()
    >>> benchmarks.nash.average, benchmarks.optimum.average
    (1.0, 1.6)
    """

    kind: Literal["public-goods"] = "public-goods"
    players: int = param(4, "number of players, n", unit="players", ge=2, le=10_000)
    levels: int = param(
        2, "number of contributions to choose from, in equal steps from 0 to the endowment", ge=2, le=101
    )
    multiplier: float = param(1.6, "factor by which the pot is multiplied, m", ge=0, le=1e6)
    endowment: float = param(1.0, "tokens of a player in each period, e", unit="tokens", gt=0, le=1e6)

    payoff_unit: ClassVar[str] = "tokens"

    @property
    def n_players(self) -> int:
        return self.players

    def actions(self) -> Actions:
        return Actions("contribution", np.linspace(0.0, self.endowment, self.levels)[None], unit="tokens")

    def form(self) -> CongestionForm:
        step = self.endowment / (self.levels - 1)
        pot = self.multiplier * step * np.arange(self.players * (self.levels - 1) + 1) / self.players
        kept = self.endowment - self.actions().values[0]
        incidence = np.arange(self.levels)[None]
        return CongestionForm(self.players, incidence, np.ones((self.levels, 1)), pot[None], kept)

    def benchmarks(self) -> Benchmarks:
        """Nash equilibrium and social optimum, in closed form."""
        nothing, everything = self.players * np.eye(self.levels, dtype=np.int64)[[0, -1]]
        dominant = nothing if self.multiplier < self.players else everything
        indifferent = self.multiplier == self.players  # then every profile is an equilibrium
        known = ClosedForms(
            nash=None if indifferent else dominant[None],
            optimum=everything if self.multiplier > 1 else nothing,
        )
        return congestion_benchmarks(self.form(), self.actions(), known=known)
