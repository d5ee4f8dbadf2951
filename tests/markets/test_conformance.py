"""Every market keeps the contract; a market that breaks it is told so in one line."""

import itertools
import re
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from tacitlab.games import Bertrand, Braess
from tacitlab.markets.base import Discrete, Market, Quantity, Role
from tacitlab.markets.double_auction.market import DoubleAuction
from tacitlab.markets.execution.market import Execution, Exponential, Liquidity
from tacitlab.markets.glosten_milgrom.market import GlostenMilgrom
from tacitlab.markets.kyle.market import KyleMarket
from tacitlab.markets.motion import Dynamics, Outcome
from tacitlab.markets.order_book.market import OrderBook
from tacitlab.markets.portfolio.market import Portfolio
from tacitlab.markets.quoting.market_making import MarketMaking
from tacitlab.markets.quoting.rfq import Positions, RequestForQuote
from tacitlab.markets.repeated_game import RepeatedGame
from tacitlab.markets.resource.market import ResourceMarket
from tacitlab.markets.team_game import TeamGame
from tacitlab.markets.token.market import TokenEconomy
from tacitlab.testing import check_market

TWO = {"cross_impact": ((1.0, 0.4), (0.4, 0.8)), "trades": "parts", "features": "plain", "parts": 3}
EVERYTHING = ("time", "inventory", "price", "last-price", "last-trade", "rival-inventory")
MARKETS = {
    "execution, buying": Execution(inventories=(8.0, -5.0, 0.0), steps=3, buying=True, observes=EVERYTHING),
    "execution, random liquidity": Execution(
        steps=3, liquidity=Liquidity(), shared_temporary=True, order="simultaneous", reward="trade", risk_aversion=1.0
    ),
    "execution, two assets, one step": Execution(
        inventories=((8.0, -5.0), (0.0, 3.0)), steps=1, kernel=Exponential(), observes=EVERYTHING, **TWO
    ),
    "portfolio, everything": Portfolio(
        sectors=3, steps=3, trading_cost=(0.1, 0.5, 1.0), signal_sd=(0.5, 1.0, 2.0), observe="all", reward="own"
    ),
    "portfolio, noisy signals": Portfolio(steps=3, observation_noise=1.0, realised=False),
    "bertrand with entry": RepeatedGame(
        game=Bertrand(players=3, n_prices=2, entry_persistence=0.9), horizon_periods=3, memory=0
    ),
    "braess": RepeatedGame(game=Braess(players=10), horizon_periods=3),
    "resource with adversaries": ResourceMarket(
        steps=3,
        traders=3,
        responders=1,
        spoofers=2,
        noise_traders=2,
        shock=0.3,
        end="truncated",
        cash=700.0,
        observes=("trend", "level", "signal", "time", "price", "change", "inventory", "cash", "flow"),
    ),
    "team game": TeamGame(),
    "market making, alone": MarketMaking(steps=3, end="truncated"),
    "market making, logit": MarketMaking(
        steps=3,
        makers=2,
        fills="logit",
        dt=0.01,
        cap=2,
        observes=("time", "inventory", "rival-inventory", "own-quote", "rival-quote"),
    ),
    "rfq with positions": RequestForQuote(requests=3, positions=Positions(cap=1), grid=3),
    "rfq, one request": RequestForQuote(fills="expected", observes=("side", "rival-quote")),
    "kyle, sequential": KyleMarket(insiders=3, auctions=3, price=2.0, value_sd=0.5, noise_sd=2.0),
    "kyle, a maker with history": KyleMarket(
        insiders=2, auctions=3, values="each", maker="rational", slope=2.0, habitat=1.0, inventory_weight=0.5
    ),
    "dealers with ticks": GlostenMilgrom(dealers=3, tick=0.15, levels=12, customers=3, observes="last-quote"),
    "dealers who learn a value": GlostenMilgrom(dealers=2, values="once", customers=3),
    "double auction, quote by quote": DoubleAuction(steps=3, buyers=2, sellers=1, units=2),
    "double auction, everybody at a loss": DoubleAuction(
        steps=3, buyers=2, sellers=2, arrival="all", improving=False, clearing=False, constrained=False
    ),
    "double auction, bilateral call": DoubleAuction(steps=1, buyers=1, sellers=1, trading="call", schedule="uniform"),
    "order book": OrderBook(steps=3, makers=2, noise_traders=2, levels=2, capacity=12, order_size=3.0, jump_rate=0.5),
    "order book, noise alone": OrderBook(
        steps=3, makers=0, informed=0, noise_traders=2, levels=2, capacity=8, valuation="mid"
    ),
    "resource, literal": ResourceMarket(steps=3, execution="pre", law="linear", valuation="mark-to-market"),
}


@pytest.mark.parametrize("name", MARKETS)
def test_markets_keep_the_contract(name):
    check_market(MARKETS[name])


@pytest.mark.parametrize("market", [*MARKETS.values(), TokenEconomy(), TokenEconomy(assets=2)])
def test_quantities_are_named_with_underscores(market):
    for quantity in market.quantities():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*(-\d+)?", quantity.name), "words, and the number of an asset"


# --- markets that do not -------------------------------------------------------------------------------------------

CALLS = itertools.count()
FAULTS = ("candidates", "too many", "none", "admissible", "rewards", "no end")  # in numbers, not in kind


class Tiny(Market):
    """Two players, who earn what they say, or break one promise."""

    kind: Literal["tiny"] = "tiny"
    broken: str = ""

    @property
    def horizon(self):
        return 0 if self.broken == "horizon" else 2

    @property
    def payoff_steps(self):
        return 3 if self.broken == "payoff steps" else 1

    @property
    def n_players(self):
        return 3 if self.broken == "players" else 2

    def roles(self):
        names = ("time", "time") if self.broken == "names" else ("time", "last")
        return (Role("player", 2, names, Discrete(3)),) if self.broken != "no roles" else ()

    def quantities(self):
        return (Quantity("word"), Quantity("sum", by_agent=False))

    def benchmarks(self):
        raise NotImplementedError

    def dynamics(self):
        number = 1.0 if self.broken == "static number" else jnp.ones(())
        again = next(CALLS) if self.broken == "fields" else 0
        fault = FAULTS.index(self.broken) if self.broken in FAULTS else -1
        return TinyDynamics(self.roles(), "" if fault >= 0 else self.broken, again, number, jnp.asarray(fault))


class TinyDynamics(Dynamics):
    roles: tuple[Role, ...] = eqx.field(static=True)
    broken: str = eqx.field(static=True)
    again: int = eqx.field(static=True)
    number: jax.Array
    fault: jax.Array

    def has(self, fault):
        return self.fault == FAULTS.index(fault)

    def reset(self, key):
        if self.broken == "branch" and key[0] > 0:
            return None
        return jnp.zeros(2) + (next(CALLS) if self.broken == "chance" else 0)

    def observe(self, state):
        seen = jnp.stack([state, state], axis=1)
        return {
            "observed names": {"players": seen},
            "observed shape": {"player": seen[:, :1]},
            "observed kind": {"player": seen.astype(int)},
        }.get(self.broken, {"player": seen})

    def candidates(self, role, observation):
        values = jnp.arange(3.0)[:, None] * jnp.where(self.has("candidates"), jnp.inf, 1.0)
        number = 3 + 1 * self.has("too many") - 3 * self.has("none")
        number = number * 1.0 if self.broken == "count" else number
        return (values[:, 0] if self.broken == "flat candidates" else values), number

    def explore(self, role, observation, draws):
        return jnp.concatenate([draws, draws]) if self.broken == "explore" else jnp.floor(3 * draws)

    def features(self, role, observation):
        return observation[None] if self.broken == "features" else observation

    def admissible(self, state, actions):
        return jax.tree.map(lambda x: jnp.where(self.has("admissible"), x / 2, x), actions)

    def step(self, key, state, actions):
        words = actions["player"][:, 0]
        rewards = {
            "reward shape": words.sum(),
            "eager": words + isinstance(words, jax.core.Tracer),
        }.get(self.broken, words)
        rewards = jnp.where(self.has("rewards"), words / (state - 1), rewards) if rewards.ndim else rewards
        over = state[0] + 1 >= jnp.where(self.has("no end"), 5, 2)
        after = {"state shape": jnp.append(state, 1), "state kind": state.astype(int), "state": (state, state)}
        info = {"word": words, "sum": words.sum()}
        if self.broken == "info":
            del info["sum"]
        if self.broken == "info shape":
            info["sum"] = words
        flag = over.astype(int) if self.broken == "flag" else over
        outcome = Outcome({"player": rewards}, flag, jnp.zeros((), bool), info)
        return after.get(self.broken, state + self.number), outcome

    def global_state(self, state):
        return state[None] if self.broken == "global" else state


def test_the_example_itself_keeps_the_contract():
    check_market(Tiny())


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ("horizon", "horizon is 0; give 1 or more"),
        ("payoff steps", "payoff_steps is 3; give 1 or the horizon"),
        ("players", "n_players is 3, but the roles have 2 agents"),
        ("names", "role player: observes names time twice"),
        ("no roles", "roles() is empty; name at least one"),
        ("static number", "dynamics().number is a float; make it an array, or static"),
        ("fields", "dynamics() has other static fields each time, so that everything compiles anew"),
        ("branch", "reset cannot be compiled: "),
        ("observed names", "observe needs one array for each of ['player']"),
        ("observed shape", "observe of role player is float64[2, 1]; make it float[2, 2]"),
        ("observed kind", "observe of role player is int64[2, 2]; make it float[2, 2]"),
        ("flat candidates", "candidates of role player are float64[3]; make them float[candidates, 1]"),
        ("count", "the number of feasible candidates of role player is float64[]; make it a single integer"),
        ("explore", "explore of role player gives float64[2]; make it float[1]"),
        ("features", "features of role player are float64[1, 2]; make them a vector"),
        ("state", "step returns another kind of state than it takes"),
        ("state shape", "step turns state from float64[2] into float64[3]; keep it"),
        ("state kind", "step turns state from float64[2] into int64[2]; keep it"),
        ("reward shape", "rewards of role player is float64[]; make it float[2]"),
        ("flag", "terminated is int64[]; make it a single boolean"),
        ("info", "info records ['word'], quantities() lists ['word', 'sum']; make them the same"),
        ("info shape", "info: sum is float64[2]; make it float[]"),
        ("global", "global_state is float64[1, 2]; make it a vector"),
        ("no end", "no flag ends the episode at the horizon, step 2"),
        ("rewards", "rewards, player is not finite in step 2"),
        ("candidates", "candidates of role player is not finite in step 1"),
        ("too many", "the number of feasible candidates of role player must be from 1 to 3"),
        ("none", "the number of feasible candidates of role player must be from 1 to 3"),
        ("admissible", "admissible changes the actions of role player a second time"),
        ("eager", "compiled and side by side it plays otherwise than step by step: rewards, player differs"),
        ("chance", "compiled and side by side it plays otherwise than step by step: observe, player differs"),
    ],
)
def test_a_broken_promise_is_named_in_one_line(broken, problem):
    with pytest.raises(AssertionError) as error:
        check_market(Tiny(broken=broken))
    line = str(error.value)
    assert problem in line
    assert line.startswith("Tiny")
    assert "\n" not in line
