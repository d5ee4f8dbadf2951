"""What learned quotes are worth, exactly: policy evaluation by dynamic programming, session by session."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tacitlab.errors import TacitError
from tacitlab.lab.result import Result
from tacitlab.learners.base import group_sizes
from tacitlab.markets.quoting.market import QuotingMarket
from tacitlab.markets.quoting.solutions import best_response
from tacitlab.markets.quoting.theory import QuotingGame, Record, record, values

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LearnedQuotes:
    """What the makers of a run ended with, without exploration.

    Attributes
    ----------
    market : QuotingMarket
        The market of the test.
    quotes : (sessions, steps, states, makers, 2) array
        Half-spreads of bids and asks in every joint inventory; infinite where inventories allow none; currency.
    """

    market: QuotingMarket
    quotes: Floats

    @property
    def game(self) -> QuotingGame:
        """The market as theory sees it."""
        return self.market.game

    @cached_property
    def payoffs(self) -> Floats:
        """Exact expected payoff of each maker, (sessions, makers), in the units of the market's payoffs."""
        return np.stack([self.market.payoff(values(self.game, one)[0, self.game.begin]) for one in self.quotes])

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """Exact means and deviations of an episode of each session."""
        return tuple(record(self.game, one) for one in self.quotes)

    def exploitability(self) -> Floats:
        """What each maker could gain by a best response to the others, who stay: (sessions, makers)."""
        game, found = self.game, np.empty_like(self.payoffs)
        for session, one in enumerate(self.quotes):
            for maker in range(game.makers):
                best = best_response(game, one, maker).at(game.begin)[maker]
                found[session, maker] = self.market.payoff(best) - self.payoffs[session, maker]
        return found


def learned_quotes(result: Result) -> LearnedQuotes:
    """The quotes that the makers of a stored run of a quoting market have learned.

    Parameters
    ----------
    result : Result
        Of one cell; makers see time, inventories and the side of a request alone.

    Raises
    ------
    TacitError
        If the run is not stored, is a sweep, or is one of another market; or if quotes depend on more.

    Examples
    --------
    >>> import tempfile
    >>> from tacitlab.lab.experiment import load
    >>> from tacitlab.lab.run import run
    >>> small = ["length.episodes=50", "sessions=2", "test={episodes: 2, baselines: false}"]
    >>> experiment = load("rfq", small)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = learned_quotes(run(experiment, folder + "/run"))
    >>> found.quotes.shape, found.payoffs.shape
    ((2, 1, 1, 2, 2), (2, 2))
    """
    from tacitlab.audits.quoting_tables import frozen_quotes
    from tacitlab.lab.earlier import trained

    experiment, market = result.experiment, result.experiment.environment
    if result.folder is None:
        raise TacitError("result: it is not stored; give the run a folder")
    if experiment.sweep or not isinstance(market, QuotingMarket):
        raise TacitError(f"{experiment.name}: no single market of quoting makers; run one without a sweep")
    parts, first = [], 0
    for size in group_sizes(market.n_players, experiment.learners):
        group, policies, role = trained(str(result.folder), first, size)
        found = frozen_quotes(market, group, policies, role, first)
        parts.append(np.broadcast_to(found, (experiment.sessions, *found.shape[1:])))
        first += size
    tested = experiment.test_market()
    assert isinstance(tested, QuotingMarket)
    return LearnedQuotes(tested, np.concatenate(parts, axis=3))
