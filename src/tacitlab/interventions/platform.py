"""Rules by which a platform decides which sellers its customers see."""

from abc import abstractmethod
from itertools import permutations
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tacitlab.engine.arrays import Steering
from tacitlab.games.base import CongestionForm, NormalForm, StageGame
from tacitlab.games.bertrand import Bertrand
from tacitlab.interventions.base import Intervention, refuse
from tacitlab.schema import param

Array = NDArray[np.float64]

MOST_NUMBERS = 20_000_000  # profits by shown set, joint price and seller: 160 MB


class PlatformRule(Intervention):
    """What the rules share: profits of every set of sellers that may be shown.

    Customers choose among the sellers that they are shown and the outside option, by the game's own logit demand.
    """

    pays: ClassVar[bool] = True

    @abstractmethod
    def _rule(self, game: Bertrand, settings: Array) -> Steering:
        """The rule in numbers; ``settings`` are what :func:`display_numbers` made."""

    def steering(self, game: StageGame, form: NormalForm | CongestionForm) -> Steering:
        sellers = self._sellers(game)
        return self._rule(sellers, display_numbers(sellers))

    def _sellers(self, game: StageGame) -> Bertrand:
        """Refuse games whose demand is not known when some sellers are hidden."""
        if not isinstance(game, Bertrand):
            name = type(game).model_fields["kind"].default
            raise refuse(
                "kind", f"{self.kind!r} needs logit demand, {name!r} has none", "set environment.kind=bertrand"
            )
        if game.entry_persistence is not None:
            raise refuse("kind", f"{self.kind!r} needs sellers who stay", "leave out environment.entry_persistence")
        if game.demand_shock > 0:
            raise refuse("kind", f"{self.kind!r} needs a steady demand", "set environment.demand_shock=0")
        size = 2.0**game.players * float(game.n_prices) ** game.players * (game.players + 1)
        if size > MOST_NUMBERS:
            problem = f"{game.players} sellers with {game.n_prices} prices need {size:.1e} numbers"
            raise refuse("kind", problem, f"at most {MOST_NUMBERS:.0e}; lower environment.n_prices")
        return game


def display_numbers(game: Bertrand) -> Array:
    """Prices, profits and consumer surplus by shown set, one after the other.

    Returns
    -------
    float64 array
        Prices (players, prices), profits (sets, joint, players), surplus (sets, joint). Set number ``sum of 2**i`` over
        the shown sellers i; joint prices in row-major order.
    """
    grid, n = game.prices(), game.players
    joint = np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1).reshape(-1, n)
    masks = [np.array([bool(mask >> i & 1) for i in range(n)]) for mask in range(2**n)]
    profits = np.stack([game.profits(joint, shown=mask) for mask in masks])
    surplus = np.stack([game.consumer_surplus(joint, shown=mask) for mask in masks])
    return np.concatenate([grid.ravel(), profits.ravel(), surplus.ravel()])


class Prominence(PlatformRule):
    """Price-directed prominence: customers are shown only the ``shown`` cheapest sellers.

    Sellers of one price draw lots for the last place, or are all shown (``ties: all``).

    References
    ----------
    J. P. Johnson, A. Rhodes and M. Wildenbeest, "Platform design when sellers use pricing algorithms", Econometrica
    91(5), 2023, 1841-1879.

    Examples
    --------
    Whoever undercuts sells alone; at equal prices each sells half of the time:

    >>> game = Bertrand(n_prices=2, price_grid=(1.5, 1.9))
    >>> Prominence().paid(game, game.form()).tensor()[..., 0].round(4)
    array([[0.2202, 0.4404],
           [0.    , 0.2694]])
    """

    kind: Literal["prominence"] = "prominence"
    shown: int = param(1, "number of sellers that are shown", "sellers", ge=1, le=20)
    ties: Literal["lot", "all"] = param("lot", "which of several sellers of one price are shown")

    def paid(self, game: StageGame, form: NormalForm | CongestionForm) -> NormalForm:
        """The one-shot game under the rule: expected profits, where lots decide."""
        game = self._sellers(game)
        assert isinstance(form, NormalForm)
        n, grid = game.players, game.prices()
        joint = np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1).reshape(-1, n)
        profits = [game.profits(joint, shown=shown) for shown in self._displays(joint)]
        return NormalForm.from_tensor(np.mean(profits, axis=0).reshape(*form.shape, n))

    def _displays(self, joint: Array) -> list[NDArray[np.bool_]]:
        """Who is shown, (joint, sellers), for every order in which lots may fall."""
        n = joint.shape[1]
        if self.ties == "all":
            last = np.sort(joint, axis=1)[:, min(self.shown, n) - 1]
            return [joint <= last[:, None]]
        found = []
        for lots in permutations(range(n)):
            order = np.lexsort((np.broadcast_to(lots, joint.shape), joint), axis=1)
            shown = np.zeros(joint.shape, dtype=bool)
            np.put_along_axis(shown, order[:, : self.shown], True, axis=1)
            found.append(shown)
        return found

    def _rule(self, game: Bertrand, settings: Array) -> Steering:
        from tacitlab.interventions import displaying

        own = [float(self.shown), float(self.ties == "lot")]
        return Steering(after=displaying.prominence, numbers=np.concatenate([own, settings]))


class DynamicProminence(PlatformRule):
    """Who cut its price is the one that is shown, and stays it while it keeps its price down.

    The seller that was shown yesterday is shown again if its price is at most the price that it won the place with,
    and at most ``advantage`` above the cheapest. Otherwise the cheapest seller wins the place (by lot among equals).
    The rule looks at past prices and treats sellers unequally, which is what Johnson, Rhodes and Wildenbeest (2023)
    find is needed; how long a place is kept is our reading of "dynamic price-directed prominence".
    """

    kind: Literal["dynamic-prominence"] = "dynamic-prominence"
    advantage: float = param(
        0.2, "how much dearer than the cheapest the seller in place may be", unit="money", ge=0, le=1e6
    )
    informed: bool = param(False, "whether a seller sees if it has the place (two signals: no, yes)")

    def signals(self, game: StageGame) -> int:
        return 2 if self.informed else 1

    def _rule(self, game: Bertrand, settings: Array) -> Steering:
        from tacitlab.interventions import displaying

        numbers = np.concatenate([[self.advantage], settings])
        return Steering(
            self.signals(game), displaying.tell_incumbent, displaying.dynamic, numbers, places=np.zeros(2, np.uint64)
        )


class LearnedThreshold(PlatformRule):
    """A platform that learns above which price a seller is not shown.

    Its thresholds are ``arms`` prices, evenly spaced over the sellers' grid; the last hides nobody. It keeps one for
    ``hold`` periods, earns the mean consumer surplus, and moves its value of that threshold by ``alpha`` of the
    difference: a bandit that tries each once, then the best, or any with probability ``epsilon``. If every seller is
    too dear customers buy nothing.
    """

    kind: Literal["learned-threshold"] = "learned-threshold"
    arms: int = param(8, "number of thresholds", ge=2, le=1000)
    hold: int = param(100, "periods for which a threshold is kept", "periods", ge=1, le=10_000_000)
    alpha: float = param(0.1, "learning rate of the platform", gt=0, le=1)
    epsilon: float = param(0.1, "probability of trying any threshold", ge=0, le=1)

    def _rule(self, game: Bertrand, settings: Array) -> Steering:
        from tacitlab.interventions import displaying

        grid = game.prices()
        thresholds = np.linspace(grid.min(), grid.max(), self.arms)
        own = [float(self.arms), float(self.hold), self.alpha, self.epsilon]
        numbers = np.concatenate([own, thresholds, settings])
        memory, places = np.zeros(self.arms + 1), np.zeros(self.arms + 2, np.uint64)
        return Steering(after=displaying.threshold, numbers=numbers, memory=memory, places=places)
