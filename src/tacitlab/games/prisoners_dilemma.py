"""The prisoner's dilemma, the smallest game in which competition and cooperation differ."""

from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from tacitlab.games.base import Actions, NormalForm, StageGame
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks

Payoff = Annotated[float, Field(ge=-1e6, le=1e6)]


class PrisonersDilemma(StageGame):
    """Two players cooperate or defect, with payoffs T > R > P > S.

    Both get R if both cooperate and P if both defect; a lone defector gets T and leaves S to the other.

    Raises
    ------
    TacitError
        If the payoffs are not in the order T > R > P > S.

    References
    ----------
    Axelrod, *The Evolution of Cooperation*, 1984; the default payoffs are his.

    Examples
    --------
    >>> benchmarks = PrisonersDilemma().benchmarks()
    >>> benchmarks.nash.average, benchmarks.optimum.average
    (1.0, 3.0)
    """

    kind: Literal["prisoners-dilemma"] = "prisoners-dilemma"
    temptation: Payoff = param(5.0, "payoff of defecting against a cooperator, T")
    reward: Payoff = param(3.0, "payoff of mutual cooperation, R")
    punishment: Payoff = param(1.0, "payoff of mutual defection, P")
    sucker: Payoff = param(0.0, "payoff of cooperating against a defector, S")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        names = ("temptation", "reward", "punishment", "sucker")
        for higher, lower in pairwise(names):
            if getattr(self, higher) <= getattr(self, lower):
                raise ValueError(
                    f"{higher}: {getattr(self, higher):g} is too small; it must be above {lower}, "
                    f"{getattr(self, lower):g} (temptation > reward > punishment > sucker)"
                )
        return self

    @property
    def n_players(self) -> int:
        return 2

    def actions(self) -> Actions:
        return Actions("action", np.tile([0.0, 1.0], (2, 1)), labels=("cooperate", "defect"))

    def form(self) -> NormalForm:
        own = np.array([[self.reward, self.sucker], [self.temptation, self.punishment]])
        return NormalForm.from_tensor(np.stack([own, own.T], axis=-1))

    def benchmarks(self) -> Benchmarks:
        """Mutual defection, the only equilibrium, and the joint optimum.

        The optimum is mutual cooperation unless 2 R < T + S, when one should exploit the other.
        """
        from tacitlab.theory.equilibrium import grid_benchmarks

        benchmarks = grid_benchmarks(self.form(), self.actions())
        if 2 * self.reward > self.temptation + self.sucker:
            return benchmarks
        note = "2 reward <= temptation + sucker: taking turns at defecting pays at least as much as cooperating"
        return replace(benchmarks, notes=(*benchmarks.notes, note))
