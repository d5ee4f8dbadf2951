"""Markets: games with state, one file or folder each, with their benchmarks."""

from typing import TYPE_CHECKING

from tacitlab import registry

if TYPE_CHECKING:
    from tacitlab.markets.auction.market import Auction as Auction
    from tacitlab.markets.base import Continuous as Continuous
    from tacitlab.markets.base import Discrete as Discrete
    from tacitlab.markets.base import Market as Market
    from tacitlab.markets.base import Quantity as Quantity
    from tacitlab.markets.base import Role as Role
    from tacitlab.markets.double_auction.market import DoubleAuction as DoubleAuction
    from tacitlab.markets.execution.market import Execution as Execution
    from tacitlab.markets.glosten_milgrom.market import GlostenMilgrom as GlostenMilgrom
    from tacitlab.markets.kyle.market import KyleMarket as KyleMarket
    from tacitlab.markets.order_book.market import OrderBook as OrderBook
    from tacitlab.markets.portfolio.market import Portfolio as Portfolio
    from tacitlab.markets.quoting.market_making import MarketMaking as MarketMaking
    from tacitlab.markets.quoting.rfq import RequestForQuote as RequestForQuote
    from tacitlab.markets.repeated_game import RepeatedGame as RepeatedGame
    from tacitlab.markets.resource.market import ResourceMarket as ResourceMarket
    from tacitlab.markets.team_game import TeamGame as TeamGame
    from tacitlab.markets.token.market import TokenEconomy as TokenEconomy

__getattr__, __dir__ = registry.lazily(__name__)  # these names, and any new member, are imported when they are used
