"""The double auction in plain Python: quotes come in one by one."""

from dataclasses import dataclass, field


@dataclass
class Auction:
    """Quotes are kept in the order in which they came: {trader: price}."""

    worth: list
    buyers: int
    units: list
    improving: bool
    clearing: bool
    quotes: dict = field(default_factory=dict)
    gains: dict = field(default_factory=dict)
    prices: list = field(default_factory=list)

    def buys(self, who):
        return who < self.buyers

    def standing(self, buying):
        """The best quote of a side and whose it is, the first of equal ones; None if there is none."""
        found = [(price, who) for who, price in self.quotes.items() if self.buys(who) == buying]
        if not found:
            return None
        best = (max if buying else min)(price for price, _ in found)
        return next((price, who) for price, who in found if price == best)

    def quote(self, who, price):
        if not self.units[who]:
            return
        buying = self.buys(who)
        other, same = self.standing(not buying), self.standing(buying)
        if other and (price >= other[0] if buying else price <= other[0]):
            self.trade(who, other[1], other[0])
        elif not self.improving or same is None or (price > same[0] if buying else price < same[0]):
            self.quotes.pop(who, None)  # a quote that replaces another one comes last
            self.quotes[who] = price

    def trade(self, one, other, price):
        for who in (one, other):
            self.units[who] -= 1
            gain = self.worth[who] - price if self.buys(who) else price - self.worth[who]
            self.gains[who] = self.gains.get(who, 0) + gain
        self.prices.append(price)
        for who in list(self.quotes) if self.clearing else [one, other]:
            self.quotes.pop(who, None)
