"""Markets: games with state, one file each, with their benchmarks; in motion in ``markets/dynamics``."""

from tacit.markets.auction import Auction
from tacit.markets.base import Continuous, Discrete, Market, Quantity, Role
from tacit.markets.double_auction import DoubleAuction
from tacit.markets.execution import Execution
from tacit.markets.glosten_milgrom import GlostenMilgrom
from tacit.markets.kyle import KyleMarket
from tacit.markets.market_making import MarketMaking
from tacit.markets.order_book import OrderBook
from tacit.markets.portfolio import Portfolio
from tacit.markets.repeated_game import RepeatedGame
from tacit.markets.resource import ResourceMarket
from tacit.markets.rfq import RequestForQuote
from tacit.markets.team_game import TeamGame
from tacit.markets.token import TokenEconomy

#: Every registered market; a new one is its description, its dynamics, and one line here.
MARKETS: tuple[type[Market], ...] = (
    Execution, RepeatedGame, ResourceMarket, TeamGame, TokenEconomy, Portfolio, DoubleAuction, OrderBook,
    GlostenMilgrom, KyleMarket, Auction, MarketMaking, RequestForQuote,
)  # fmt: skip

__all__ = [
    "MARKETS", "Auction", "Continuous", "Discrete", "DoubleAuction", "Execution", "GlostenMilgrom", "KyleMarket",
    "Market", "MarketMaking", "OrderBook", "Portfolio", "Quantity", "RepeatedGame", "RequestForQuote",
    "ResourceMarket", "Role", "TeamGame", "TokenEconomy",
]  # fmt: skip
