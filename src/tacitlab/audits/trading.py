"""Exact exploitability of learned tabular agents: what their policies are worth, and what adversaries gain by them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.lab.result import Result

if TYPE_CHECKING:
    from tacitlab.markets.resource.market import ResourceMarket
    from tacitlab.markets.token.market import TokenEconomy

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Exploitability:
    """Expected gains of an episode, exact to rounding: (sessions, 2) arrays by session and agent, in currency.

    Attributes
    ----------
    values : array
        Of both agents, as they have learned to play.
    best : array
        Of an adversary in an agent's place who knows everything and responds best to the other, who stays.
    suffered : array
        Of an agent who stays, against such a responder in the other's place.
    spoofed : array
        Of an agent who stays, against one in the other's place who only minimises this.
    """

    values: Floats
    best: Floats
    suffered: Floats
    spoofed: Floats

    @property
    def gain(self) -> Floats:
        """Exploitability: what each agent could gain by a best response; not negative but for rounding."""
        return self.best - self.values

    @property
    def loss_to_responder(self) -> Floats:
        """What an agent loses if the other is replaced by a best responder; negative if it gains too."""
        return self.values - self.suffered

    @property
    def loss_to_spoofer(self) -> Floats:
        """What an agent loses if the other is replaced by a spoofer."""
        return self.values - self.spoofed


def exploitability(result: Result, sessions: int | None = None) -> Exploitability:
    """Exact exploitability of the greedy policies that two Q-learners ended with in a resource market or token economy.

    Parameters
    ----------
    result : Result
        A stored run of one cell, of two ``q-learning`` agents. It is judged in the market of training. Resource market:
        traders who see trend, level and, if there are any, signals. Token economy: where
        :func:`tacitlab.markets.token.exact.holding_game` knows the game, and agents do not tell amounts of cash and
        returns apart (``bins``: 1 of them).
    sessions : int, optional
        The first so many; all, if left out. A session takes seconds.

    Raises
    ------
    TacitError
        If the run is not stored, is a sweep, has other agents, or cash binds, so that there is no exact value.

    Notes
    -----
    Dynamic programming over inventories, trend and signals, :mod:`tacitlab.markets.resource.response`, or over
    holdings, :mod:`tacitlab.markets.token.holding_game`.

    Examples
    --------
    >>> import tempfile
    >>> from tacitlab.lab.experiment import load
    >>> from tacitlab.lab.run import run
    >>> small = ["length.episodes=5", "environment.steps=10", "sessions=2", "test={episodes: 2, baselines: false}"]
    >>> experiment = load("resource", small)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = exploitability(run(experiment, folder + "/run"))
    >>> found.gain.shape, bool((found.gain > -1e-9).all())
    ((2, 2), True)
    """
    from tacitlab.markets.resource.market import ResourceMarket
    from tacitlab.markets.token.market import TokenEconomy

    experiment, market = result.experiment, result.experiment.environment
    if result.folder is None:
        raise TacitError("result: it is not stored; give the run a folder")
    if isinstance(market, TokenEconomy) and not experiment.sweep:
        return _holders(market, str(result.folder), sessions)
    if experiment.sweep or not isinstance(market, ResourceMarket) or (market.traders, market.n_players) != (2, 2):
        raise TacitError(f"{experiment.name}: no single resource market of two traders; run one without a sweep")
    return _traders(market, experiment.name, str(result.folder), sessions)


def _traders(market: "ResourceMarket", name: str, folder: str, sessions: int | None) -> Exploitability:
    """In a resource market."""
    from tacitlab.lab.earlier import trained
    from tacitlab.learners.best_response import frozen_policies
    from tacitlab.markets.resource.response import best_response, value

    game = market.game
    if game is None:
        raise TacitError(f"{name}: cash binds, so that there is no exact value; limit inventories instead")
    pair = []
    for agent in range(2):
        group, policies, role = trained(folder, agent, 1)
        pair.append(frozen_policies(market, group, policies, role)[:sessions])
    parts: list[list[Floats]] = [[], [], [], []]
    for first, second in zip(*pair, strict=True):
        # To the first agent, then to the second: (responder's gain, frozen agent's gain).
        own = [best_response(game, policy).values for policy in (first, second)]
        spoofed = [best_response(game, policy, "others").values[1] for policy in (first, second)]
        one = value(game, (first, second)), [own[1][0], own[0][0]], [own[0][1], own[1][1]], spoofed
        for rows, row in zip(parts, one, strict=True):
            rows.append(np.asarray(row, dtype=np.float64))
    return Exploitability(*(np.array(rows) for rows in parts))


def _holders(market: "TokenEconomy", folder: str, sessions: int | None) -> Exploitability:
    """In a token economy."""
    from tacitlab.lab.earlier import trained
    from tacitlab.learners.best_response import frozen_holders
    from tacitlab.markets.token.exact import holding_game
    from tacitlab.markets.token.holding_game import best_response, value

    game, pair = holding_game(market), []
    for agent in range(2):
        group, policies, role = trained(folder, agent, 1)
        pair.append(frozen_holders(market, group, policies, role, agent, game.rewards.shape[1:3])[:sessions])
    found = []
    for both in zip(*pair, strict=True):
        own, others = ([best_response(game, k, both, goal).values for k in range(2)] for goal in ("own", "others"))
        # By responder: what it gains in an agent's place, and what it leaves to the agent who stays.
        found.append([value(game, both), [own[0][0], own[1][1]], [own[1][0], own[0][1]], [others[1][0], others[0][1]]])
    return Exploitability(*np.array(found).swapaxes(0, 1))
