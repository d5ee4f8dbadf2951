"""A stage game as a market, so that learners for markets can play it too."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import model_validator

from tacitlab.environment import Words
from tacitlab.games.base import NormalForm, StageGame
from tacitlab.kinds import OfKind
from tacitlab.markets.base import Discrete, Market, Quantity, Role
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks

if TYPE_CHECKING:
    from tacitlab.markets.repeated_game_dynamics import RepeatedGameDynamics

AnyGame = Annotated[StageGame, OfKind("game")]


class RepeatedGame(Market):
    """A stage game played again and again by players who remember the last periods.

    An episode is cut, not ended, after ``horizon_periods`` periods: learners value what would follow. Benchmarks are
    those of the stage game.

    Examples
    --------
    >>> from tacitlab.games import Bertrand
    >>> RepeatedGame(game=Bertrand(), memory=1).roles()[0].observes
    ('action of player 1', 'action of player 2')
    """

    role: ClassVar[str] = "player"
    kind: Literal["repeated-game"] = "repeated-game"
    game: AnyGame = param(..., "the stage game")
    memory: int = param(1, "periods remembered", "periods", ge=0, le=8)
    horizon_periods: int = param(1000, "length of an episode", "periods", ge=1)

    @model_validator(mode="after")
    def _equal_choices(self) -> Self:
        form = self.stage.form()
        if isinstance(form, NormalForm) and len(set(form.shape)) > 1:
            raise ValueError(f"game: players have {list(form.shape)} actions; give all of them as many")
        return self

    @property
    def horizon(self) -> int:
        return self.horizon_periods

    @property
    def payoff_steps(self) -> int:
        return self.horizon_periods

    @property
    def common_reward(self) -> bool:
        form = self.stage.form()
        return isinstance(form, NormalForm) and bool((form.payoffs == form.payoffs[..., :1]).all())

    @property
    def stage(self) -> StageGame:
        return self.game

    @property
    def n_players(self) -> int:
        return self.stage.n_players

    def words(self) -> Words:
        return self.stage.words()

    def roles(self) -> tuple[Role, ...]:
        form, labels = self.stage.form(), []
        for past in range(1, self.memory + 1):
            when = "" if self.memory == 1 else f", {past} periods ago"
            if isinstance(form, NormalForm):
                labels += [f"action of player {i + 1}{when}" for i in range(form.players)]
            else:
                labels += [f"share of {name}{when}" for name in self.stage.actions().labels or range(form.actions)]
        if isinstance(form, NormalForm) and form.observed and len(form.transition) > 1:
            labels.append("regime")
        size = max(form.shape) if isinstance(form, NormalForm) else form.actions
        levels: tuple[int, ...] = ()
        if isinstance(form, NormalForm):
            regimes = (len(form.transition),) if labels[-1:] == ["regime"] else ()
            levels = (size,) * (len(labels) - len(regimes)) + regimes or (1,)
        return (Role(self.role, self.n_players, tuple(labels) or ("nothing",), Discrete(size), levels),)

    def quantities(self) -> tuple[Quantity, ...]:
        actions = self.stage.actions()
        return (Quantity(actions.name, actions.unit),)

    def benchmarks(self) -> Benchmarks:
        return self.stage.benchmarks()

    def dynamics(self) -> "RepeatedGameDynamics":
        from tacitlab.markets.repeated_game_dynamics import build

        return build(self)
