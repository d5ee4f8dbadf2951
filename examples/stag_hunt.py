"""A game of your own: actions and payoffs; equilibria, play, sweeps, meta-games and reports come by themselves.

tacit show stag_hunt.py:StagHunt gain=6
tacit run prisoners-dilemma "environment={kind: 'stag_hunt.py:StagHunt', gain: 6}" sessions=20
"""

from typing import Literal

import numpy as np

from tacitlab.games import Actions, NormalForm, StageGame
from tacitlab.schema import param


class StagHunt(StageGame):
    """Two hunters chase a stag together, or each a hare alone (Rousseau 1755)."""

    kind: Literal["stag-hunt"] = "stag-hunt"
    gain: float = param(4.0, "what each gets of a stag", "hares", gt=3)

    def actions(self) -> Actions:
        return Actions("choice", np.array([[0.0, 1.0], [0.0, 1.0]]), labels=("hare", "stag"))

    def form(self) -> NormalForm:
        return NormalForm.from_tensor(np.array([[[3, 3], [3, 0]], [[0, 3], [self.gain, self.gain]]], dtype=float))
