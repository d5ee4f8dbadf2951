"""A recommender: what it tells an agent becomes the agent's state."""

from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tacitlab.engine.arrays import Steering
from tacitlab.games.base import CongestionForm, NormalForm, StageGame
from tacitlab.interventions.base import Intervention, refuse
from tacitlab.schema import param
from tacitlab.theory.congestion import optimum_counts

Share = Annotated[float, Field(ge=0, le=1)]


class Recommender(Intervention):
    """Tells every agent one of ``states`` things in every period; agents learn what to do about each.

    ``none``: the first half of the agents is always told 0, the other half 1. ``random``: uniform draws. ``aligned``:
    state k means action k, and nobody is told to do what it would not do: who would take one wanted action k in state
    k is told k, and who would take several goes to the one that is shortest of agents for its share, the last agents
    first; who would take an unwanted action alone is told that. All others are told the same: the action whose state
    has the largest sum of its estimated cost (the crowd that cannot be aligned being on the unwanted actions) and what
    agents expect there, on average. ``optimised``: belief improvement. The recommender sees all value tables; it knows
    which actions it can induce in whom, and sends agents to the actions of the target so that their numbers come as
    close to it as they can:

    1. Of the states in which an agent prefers a wanted action, it is shown the one in which it expects *least* of it:
       what it learns there is good news. Who prefers no wanted action in any state is shown the state in which it
       expects most of an unwanted one, and is disappointed.
    2. Who can be sent to one wanted action only is sent there. The others go first to the action that is shortest of
       agents for its share, those first who expect most of it, until it has its share; then to the next.

    In Braess's paradox with an even number of drivers these are the recommenders of Carissimo, Korecki and Dailisan
    (``aligned`` as in their public code, with three states), step by step; for other congestion games they are our
    generalisations, with the social optimum as their target. The published
    rule ranks states and drivers by an estimated travel time less the expected one; the estimate is the same for all
    that are compared, and drops out.

    The next state of a transition is the state that the agent is told next. With gamma = 0 it does not matter and the
    recommender knows the last payoff already; with gamma > 0 it knows all but the last. (The authors' code takes the
    current state for the next one.)

    References
    ----------
    C. Carissimo, M. Korecki and D. Dailisan, arXiv 2502.18988.

    Examples
    --------
    >>> from tacitlab.games import Braess
    >>> Recommender(rule="aligned", states=3).target_counts(Braess(players=10).form())
    array([5, 5, 0])
    """

    kind: Literal["recommender"] = "recommender"
    rule: Literal["none", "random", "aligned", "optimised"] = param("optimised", "how it chooses what to tell")
    states: int = param(3, "number of different things that it can tell an agent, m", ge=1, le=100_000)
    target: tuple[Share, ...] | None = param(
        None, "share of agents wanted on each action, for aligned and optimised; null: the social optimum"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.target is not None and abs(sum(self.target) - 1) > 1e-9:
            raise ValueError(f"target: the shares add up to {sum(self.target):g}; they must add up to 1")
        return self

    def signals(self, game: StageGame) -> int:
        return self.states

    def target_counts(self, form: CongestionForm) -> NDArray[np.int64]:
        """How many agents are wanted on each action, shape (actions,).

        Raises
        ------
        TacitError
            If the target has not one share an action.
        """
        if self.target is None:
            return optimum_counts(form)[0]
        if len(self.target) != form.actions:
            problem = f"{len(self.target)} shares for {form.actions} actions"
            raise refuse("target", problem, "give one an action, or null for the social optimum")
        shares = np.array(self.target) * form.players
        counts = np.floor(shares + 1e-9).astype(np.int64)
        counts[np.argsort(counts - shares, kind="stable")[: form.players - counts.sum()]] += 1
        return counts

    def steering(self, game: StageGame, form: NormalForm | CongestionForm) -> Steering:
        from tacitlab.interventions import recommending

        if not isinstance(form, CongestionForm):
            kind = type(game).model_fields["kind"].default
            raise refuse("kind", f"'recommender' needs a congestion game, {kind!r} is none", "choose braess or network")
        if self.rule == "random":
            return Steering(self.states, recommending.random)
        if self.rule == "none":
            return Steering(self.states, recommending.halves)
        counts = self.target_counts(form)
        if self.rule == "aligned":
            if self.states < form.actions:
                raise refuse("states", f"{self.states} cannot name {form.actions} actions", f"set {form.actions}")
            places = np.zeros(form.players + form.actions, np.uint64)
            memory = np.zeros(form.actions)
            return Steering(self.states, recommending.aligned, numbers=counts / 1.0, memory=memory, places=places)
        cells = form.players * form.actions
        places = np.zeros(cells + 2 * form.players + 3 * form.actions, np.uint64)
        return Steering(
            self.states, recommending.optimised, numbers=counts / 1.0, memory=np.zeros(cells), places=places
        )
