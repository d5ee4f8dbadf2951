"""A step of the token economy as loops over the reference's formulas: one agent, one asset at a time.

Without anything random: noise and volatilities are 0, values at their means; who comes first is an input.
"""

from math import log

from tacitlab.markets.token.parts import Factors, Resource
from tacitlab.markets.token.pricing import Imbalance, Ito, Premium


class Economy:
    """Accounts between two steps; ``step`` goes on to the next and returns rewards."""

    def __init__(self, market):
        self.market, self.factors = market, market.factors or Factors(volatility=0.0)
        n, m = market.agents, market.assets
        self.cash = [market.capital] * n
        self.holdings = [[float(h)] * m for h in market.endowments()]
        self.supply, self.treasury = [market.supply] * m, [market.treasury] * m
        self.reserve = sum(curve.reserve(market.supply) for curve in market.curves)
        self.fees, self.treasury_cash = 0.0, market.treasury_cash
        self.z, self.premium = [self.factors.mean] * m, [0.0] * m
        self.price = [market.curves[j].price(market.supply) * self.times(j) for j in range(m)]
        self.first_price = list(self.price)
        self.last, self.time = [[0.0] * m for _ in range(n)], 0

    def times(self, j):
        return max(1 + self.premium[j] + self.factors.premium * self.z[j], 0.01)

    def average(self, j, supply, change):
        """What a token costs if so many are bought together."""
        if self.market.clearing == "spot":
            return max(self.price[j], 0)
        curve = self.market.curves[j]
        mean = (curve.reserve(supply + change) - curve.reserve(supply)) / change if change else curve.price(supply)
        return mean * self.times(j)

    def wanted(self, parts):
        market, peer = self.market, self.market.peer
        largest, n = market.order_size * market.supply / market.agents, market.agents
        orders = []
        for i in range(n):
            orders.append([])
            for j in range(market.assets):
                part = parts[i][j] + self.factors.demand * self.z[j]
                if peer and peer.mode == "orders":
                    part += peer.strength * sum(self.last[k][j] for k in range(n) if k != i) / (n - 1) / largest
                orders[i].append(largest * min(max(part, -1), 1))
        return orders

    def batch(self, wanted):
        """Trades and payments where all trade at once."""
        market, (n, m) = self.market, (self.market.agents, self.market.assets)
        most = market.largest_supplies()
        sells = [[min(max(-wanted[i][j], 0), max(self.holdings[i][j], 0)) for j in range(m)] for i in range(n)]
        buys = [[max(wanted[i][j], 0) for j in range(m)] for i in range(n)]
        for j in range(m):
            total, sold = sum(b[j] for b in buys), sum(s[j] for s in sells)
            room = max(most[j] - self.supply[j] + sold, 0)
            if total > room:
                for b in buys:
                    b[j] *= room / total
        net = [sum(buys[i][j] - sells[i][j] for i in range(n)) for j in range(m)]
        for i in range(n):
            cost = sum(buys[i][j] * self.average(j, self.supply[j], net[j]) for j in range(m)) * (1 + market.fee)
            part = max(self.cash[i], 0) / cost if cost > max(self.cash[i], 0) else 1
            buys[i] = [b * part for b in buys[i]]
        trades = [[buys[i][j] - sells[i][j] for j in range(m)] for i in range(n)]
        prices = [self.average(j, self.supply[j], sum(t[j] for t in trades)) for j in range(m)]
        return trades, [[trades[i][j] * prices[j] for j in range(m)] for i in range(n)]

    def in_turn(self, wanted, order):
        """Trades and payments one after the other."""
        market, (n, m) = self.market, (self.market.agents, self.market.assets)
        supply, most = list(self.supply), market.largest_supplies()
        trades, paid = [[0.0] * m for _ in range(n)], [[0.0] * m for _ in range(n)]
        for i in order:
            buys = [min(max(wanted[i][j], 0), max(most[j] - supply[j], 0)) for j in range(m)]
            cost = sum(buys[j] * self.average(j, supply[j], buys[j]) for j in range(m)) * (1 + market.fee)
            part = max(self.cash[i], 0) / cost if cost > max(self.cash[i], 0) else 1
            for j in range(m):
                trades[i][j] = buys[j] * part - min(max(-wanted[i][j], 0), self.holdings[i][j])
                paid[i][j] = trades[i][j] * self.average(j, supply[j], trades[i][j])
                supply[j] += trades[i][j]
        return trades, paid

    def wealth(self):
        values = []
        for cash, held in zip(self.cash, self.holdings, strict=True):
            total = cash
            for j, curve in enumerate(self.market.curves):
                share = curve.reserve(self.supply[j]) / self.supply[j]
                total += held[j] * (share if self.market.rewards.wealth == "liquidation" else self.price[j])
            values.append(total)
        return values

    def mint(self):
        law = self.factors
        for j, curve in enumerate(self.market.curves):
            amount = max(law.mint * self.z[j] * self.supply[j], -self.treasury[j], -self.supply[j])
            amount = min(amount, self.market.largest_supplies()[j] - self.supply[j])
            if amount > 0 and law.backed:
                cost = curve.cost(self.supply[j], amount)
                amount *= min(1, self.treasury_cash / cost)  # one asset mints, or there is cash enough
            if law.backed:
                paid = curve.reserve(self.supply[j] + amount) - curve.reserve(self.supply[j])
                self.reserve, self.treasury_cash = self.reserve + paid, self.treasury_cash - paid
            self.supply[j] += amount
            self.treasury[j] += amount

    def next_prices(self, before, wanted, trades):
        market, law, n = self.market, self.market.pricing, self.market.agents
        for j in range(market.assets):
            net = sum(t[j] for t in trades)
            self.z[j] = self.factors.mean + self.factors.persistence * (self.z[j] - self.factors.mean)
            if self.factors.shock and self.factors.shock.step == self.time:
                self.z[j] += self.factors.shock.size
            if isinstance(law, Premium):
                missed = sum(wanted[i][j] - trades[i][j] for i in range(n))
                kept = (1 - law.decay) * self.premium[j]
                self.premium[j] = kept + (law.flow * net + law.excess * missed) / before[j]
            if isinstance(law, Imbalance):
                bought = sum(max(t[j], 0) for t in trades)
                self.price[j] += law.flow * net + law.imbalance * (bought - before[j])
            elif isinstance(law, Ito):
                for _ in range(law.substeps):
                    pull = law.pull * (market.curves[j].price(self.supply[j]) - self.price[j])
                    self.price[j] += (pull + law.drift * self.price[j]) / law.substeps
            else:
                self.price[j] = market.curves[j].price(self.supply[j]) * self.times(j)

    def step(self, parts, order=None):
        market, (n, m) = self.market, (self.market.agents, self.market.assets)
        wealth, price, before = self.wealth(), list(self.price), list(self.supply)
        wanted = self.wanted(parts)
        trades, paid = self.in_turn(wanted, order) if market.clearing == "sequential" else self.batch(wanted)
        received, owed = (sum(max(sign * x, 0) for row in paid for x in row) for sign in (1, -1))
        if owed > self.reserve + received:
            paid = [[x if x > 0 else x * (self.reserve + received) / owed for x in row] for row in paid]
        for i in range(n):
            for j in range(m):
                fee, tax = market.fee * abs(paid[i][j]), market.exit_tax * max(-paid[i][j], 0)
                self.cash[i] -= paid[i][j] + fee + tax
                self.holdings[i][j] += trades[i][j]
                if market.peer and market.peer.mode == "literal":
                    self.holdings[i][j] += market.peer.strength * sum(trades[k][j] for k in range(n) if k != i)
                self.supply[j] += trades[i][j]
                self.reserve, self.fees = self.reserve + paid[i][j], self.fees + fee
                self.treasury_cash += tax
            self.cash[i] += market.income
        self.mint()
        self.next_prices(before, wanted, trades)
        self.last, self.time = trades, self.time + 1
        return self.rewards(wealth, price)

    def rewards(self, wealth, price):
        market, rewards, n = self.market, self.market.rewards, self.market.agents
        own = []
        for i, now in enumerate(self.wealth()):
            gain = rewards.profit * (now - wealth[i] - market.income)
            for j, held in enumerate(self.holdings[i]):
                if isinstance(market.utility, Resource):
                    taste = market.utility.each(n)[i]
                    gain += market.utility.rate * (taste * held - held**2 / 2 - self.price[j] * held)
                elif market.utility:
                    value = market.utility.mean * self.first_price[j]
                    gain += market.utility.rate * (value - self.price[j]) * held
            own.append(gain)
        changes = [abs(log(a / b)) if rewards.changes == "relative" else abs(a - b)
                   for a, b in zip(self.price, price, strict=True)]  # fmt: skip
        found = []
        for i in range(n):
            others = sum(own) - own[i]
            weight = rewards.cooperation / (n - 1 if rewards.others == "mean" else 1)
            found.append(own[i] + weight * others - rewards.stability * sum(changes))
        return found
