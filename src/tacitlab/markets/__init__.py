"""Markets: games with state, one file each, with their benchmarks; in motion in ``markets/dynamics``."""

from tacitlab.markets.auction.market import Auction
from tacitlab.markets.base import Continuous, Discrete, Market, Quantity, Role
from tacitlab.markets.double_auction.market import DoubleAuction
from tacitlab.markets.execution.market import Execution
from tacitlab.markets.glosten_milgrom.market import GlostenMilgrom
from tacitlab.markets.kyle.market import KyleMarket
from tacitlab.markets.order_book.market import OrderBook
from tacitlab.markets.portfolio.market import Portfolio
from tacitlab.markets.quoting.market_making import MarketMaking
from tacitlab.markets.quoting.rfq import RequestForQuote
from tacitlab.markets.repeated_game import RepeatedGame
from tacitlab.markets.resource.market import ResourceMarket
from tacitlab.markets.team_game import TeamGame
from tacitlab.markets.token.market import TokenEconomy

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
