"""Markets: games with state, one file each, with their benchmarks; in motion in ``markets/dynamics``."""

from tacit.markets.base import Continuous, Discrete, Market, Quantity, Role
from tacit.markets.execution import Execution
from tacit.markets.portfolio import Portfolio
from tacit.markets.repeated_game import RepeatedGame
from tacit.markets.resource import ResourceMarket
from tacit.markets.token import TokenEconomy

#: Every registered market; a new one is its description, its dynamics, and one line here.
MARKETS: tuple[type[Market], ...] = (Execution, Portfolio, RepeatedGame, ResourceMarket, TokenEconomy)

__all__ = [
    "MARKETS", "Continuous", "Discrete", "Execution", "Market", "Portfolio", "Quantity", "RepeatedGame",
    "ResourceMarket", "Role", "TokenEconomy",
]  # fmt: skip
