"""What theory predicts for an environment: the yardsticks that stand beside every outcome."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: "team-optimum": the joint optimum under what agents can see of the state; "independent": everybody optimises what it
#: would get if the others did not matter, which need not be an equilibrium.
Concept = Literal[
    "nash", "mixed-nash", "wardrop", "joint-optimum", "pareto", "team-optimum", "independent", "random"
]  # fmt: skip


@dataclass(frozen=True)
class Profile:
    """One predicted outcome.

    Attributes
    ----------
    name : str
        What a reader calls it: "Nash", "Nash on the grid", "monopoly", "Wardrop", "social optimum".
    concept : Concept
        The solution concept.
    payoffs : (players,) array
        Expected payoff a period of each player. In a congestion game players are anonymous and the array has
        one entry, the mean over players.
    method : str
        How it was obtained, for example "closed form", "enumeration of 225 profiles", "best replies".
    actions : (players,) int array or None
        Indices of the actions; None for mixed or off-grid profiles and for congestion games.
    quantities : dict of arrays
        Interpretable numbers by name, for example ``{"price": (players,)}`` or ``{"share": (actions,)}``.
    strategies : tuple of arrays
        Mixed strategy of each player, only for mixed profiles.
    exact : bool
        True if the mathematics leaves no numerical error beyond rounding.
    error : float
        Bound on, or residual of, the payoffs' numerical error.
    """

    name: str
    concept: Concept
    payoffs: NDArray[np.float64]
    method: str
    actions: NDArray[np.int64] | None = None
    quantities: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    strategies: tuple[NDArray[np.float64], ...] = ()
    exact: bool = True
    error: float = 0.0

    @property
    def average(self) -> float:
        """Mean payoff over players."""
        return float(np.mean(self.payoffs))


@dataclass(frozen=True)
class Benchmarks:
    """The competitive and the cooperative outcomes of an environment.

    The first entry of each tuple is the reference of normalised measures such as the profit gain; the others
    are reported beside it.

    Attributes
    ----------
    competitive : tuple of Profile
        Equilibria. ``complete`` says whether these are all pure equilibria of the game that is played.
    cooperative : tuple of Profile
        Joint optima.
    complete : bool
        True if all pure Nash equilibria of the discrete game are listed, by proof or enumeration.
    numbers : dict
        Derived numbers by name, for example ``{"price of anarchy": 1.333}``.
    notes : tuple of str
        Warnings: degenerate games, missing equilibria, benchmarks that coincide.
    random : Profile or None
        Uniformly random play, where its payoff is known exactly.
    rules : dict of (players,) arrays
        Expected payoffs if everybody follows a scripted rule, of those rules of a market for which they are exact.
    """

    competitive: tuple[Profile, ...]
    cooperative: tuple[Profile, ...]
    complete: bool = True
    numbers: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    random: Profile | None = None
    rules: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def nash(self) -> Profile:
        """The competitive reference."""
        return self.competitive[0]

    @property
    def null(self) -> tuple[Profile, ...]:
        """Random play, if it is known."""
        return (self.random,) if self.random else ()

    @property
    def optimum(self) -> Profile:
        """The cooperative reference."""
        return self.cooperative[0]
