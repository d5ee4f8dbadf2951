"""Tolls: every player pays for what it costs the others."""

from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tacitlab.engine.arrays import Steering
from tacitlab.errors import TacitError
from tacitlab.games.base import CongestionForm, NormalForm, StageGame
from tacitlab.interventions.base import Intervention, refuse
from tacitlab.schema import param
from tacitlab.theory.congestion import optimum_counts

Amount = Annotated[float, Field(ge=-1e9, le=1e9)]


class Toll(Intervention):
    """Charges the players of a congestion game for what they use.

    ``marginal``: with l players on a facility of value v(l) each of them pays (l - 1) (v(l - 1) - v(l)), what its
    coming has cost the others there; a share ``scale`` of it. With the whole, a player is paid what it adds to the sum
    of payoffs, that sum is the potential of the game, and the social optimum is a Nash equilibrium. ``fixed``: each
    action has its price, ``amounts``, or the marginal toll at the social optimum.

    Agents learn from payoffs less the toll. What is reported are payoffs without it: a toll is a transfer.

    References
    ----------
    A. C. Pigou, *The Economics of Welfare* (1920); M. Beckmann, C. B. McGuire and C. B. Winsten, *Studies in the
    Economics of Transportation* (1956). With whole players: the others' loss is a difference, not a derivative.

    Examples
    --------
    In Pigou's network with 10 drivers, half of them on the shortcut are an equilibrium with the toll:

    >>> from tacitlab.games import Pigou
    >>> from tacitlab.theory.congestion import nash_counts
    >>> game = Pigou(players=10)
    >>> nash_counts(game.form())[0].tolist(), nash_counts(Toll().paid(game, game.form()))[0].tolist()
    ([[0, 10], [1, 9]], [[5, 5]])
    """

    kind: Literal["toll"] = "toll"
    pays: ClassVar[bool] = True
    rule: Literal["marginal", "fixed"] = param("marginal", "what it depends on: the load, or the action alone")
    scale: float = param(1.0, "share of the marginal toll that is charged", ge=0, le=10)
    amounts: tuple[Amount, ...] | None = param(
        None, "toll of each action, for fixed; null: the marginal toll at the social optimum", unit="payoff"
    )

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.amounts is not None and self.rule == "marginal":
            raise ValueError("amounts: a marginal toll has none; leave them out, or set rule=fixed")
        if self.amounts is not None and self.scale != 1.0:
            raise ValueError(f"scale: {self.scale:g} changes given amounts; leave it out, or multiply them yourself")
        return self

    def paid(self, game: StageGame, form: NormalForm | CongestionForm) -> CongestionForm:
        if not isinstance(form, CongestionForm):
            raise refuse("kind", "'toll' needs a congestion game", "choose braess, pigou or network")
        if self.rule == "marginal":
            return replace(form, values=form.values - self.scale * marginal_tolls(form))
        return replace(form, own=form.own - self._amounts(form))

    def note(self) -> str:
        return f"{super().note()}; payoffs are told without the toll, a transfer"

    def _amounts(self, form: CongestionForm) -> NDArray[np.float64]:
        """Fixed toll of each action, shape (actions,)."""
        if self.amounts is None:
            tolls, counts = marginal_tolls(form), optimum_counts(form)[0]
            loads = form.incidence @ counts
            return self.scale * form.weights @ tolls[np.arange(len(tolls)), loads]
        if len(self.amounts) != form.actions:
            problem = f"{len(self.amounts)} amounts for {form.actions} actions"
            raise refuse("amounts", problem, "give one an action, or null")
        return np.array(self.amounts)

    def steering(self, game: StageGame, form: NormalForm | CongestionForm) -> Steering:
        from tacitlab.interventions import tolling

        paid = self.paid(game, form)
        assert isinstance(form, CongestionForm)
        if self.rule == "fixed":
            return Steering(after=tolling.fixed, numbers=form.own - paid.own, transfer=True)
        return Steering(after=tolling.by_load, numbers=(form.values - paid.values).ravel(), transfer=True)


def marginal_tolls(form: CongestionForm) -> NDArray[np.float64]:
    """What each of the players on a facility costs the others there, (l - 1) (v(l - 1) - v(l)).

    Parameters
    ----------
    form : CongestionForm
        Players receive the whole value of each facility that they load by one (Rosenthal's congestion game).

    Returns
    -------
    (facilities, loads) array
        In units of payoff; 0 for a load of none.

    Raises
    ------
    TacitError
        If the game is of another kind.

    Examples
    --------
    >>> from tacitlab.games import Braess
    >>> marginal_tolls(Braess(players=4).form())[0]
    array([0.  , 0.  , 0.25, 0.5 , 0.75])
    """
    if not np.array_equal(form.weights, form.incidence.T) or form.incidence.max(initial=0) > 1:
        raise TacitError(
            "intervention.kind: 'toll' needs a game in which players receive the value of what they use; "
            "choose braess, pigou or network"
        )
    others = np.arange(form.values.shape[1]) - 1.0
    tolls = np.zeros_like(form.values)
    tolls[:, 1:] = others[1:] * (form.values[:, :-1] - form.values[:, 1:])
    return tolls
