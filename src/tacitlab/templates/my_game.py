"""A stage game of your own: what the actions mean, and what each joint action pays. Benchmarks come from the table."""

from typing import ClassVar, Literal

import numpy as np

from tacitlab.games import Actions, NormalForm, StageGame
from tacitlab.schema import param


class MyGame(StageGame):
    """Players spend effort on a prize; each wins it with its share of all effort (Tullock 1980).

    A player who spends x_i of sum x earns V x_i / sum x - x_i. In equilibrium everybody spends V (n - 1) / n^2, and
    together they would rather spend nothing.
    """

    kind: Literal["my-game"] = "my-game"  # its name in scenarios
    players: int = param(2, "number of players, n", "players", ge=2, le=4)
    prize: float = param(4.0, "what is won, V", "money", gt=0)
    levels: int = param(9, "efforts to choose from, in equal steps from 0 to half of the prize", ge=2, le=30)

    payoff_unit: ClassVar[str] = "money"

    def efforts(self) -> np.ndarray:
        return np.linspace(0.0, self.prize / 2, self.levels)

    def actions(self) -> Actions:
        return Actions("effort", np.tile(self.efforts(), (self.players, 1)), unit="money")

    def form(self) -> NormalForm:
        """Payoffs of every joint action: (efforts of player 1, ..., of player n, players)."""
        own = np.stack(np.meshgrid(*[self.efforts()] * self.players, indexing="ij"), axis=-1)
        total = own.sum(axis=-1, keepdims=True)
        share = np.divide(own, total, out=np.full_like(own, 1 / self.players), where=total > 0)
        return NormalForm.from_tensor(self.prize * share - own)
