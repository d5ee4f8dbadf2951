"""A limit order book in plain Python, with queues in heaps: what the compiled one is compared with, event by event."""

import heapq
from dataclasses import dataclass, field

BUY, SELL = 0, 1


@dataclass
class PlainBook:
    """Prices and numbers of arrival in two heaps; what has left stays in the heap until it comes to the top."""

    capacity: int = 10**9
    heaps: tuple = field(default_factory=lambda: ([], []))
    orders: dict = field(default_factory=dict)  # number: [side, price, lots, owner]
    arrivals: int = 0
    refused: int = 0

    def top(self, side):
        heap = self.heaps[side]
        while heap and heap[0][1] not in self.orders:
            heapq.heappop(heap)
        return self.orders[heap[0][1]] if heap else None

    def best(self, side):
        top = self.top(side)
        return None if top is None else top[1]

    def submit(self, side, price, lots, owner, rests):
        """Returns what was traded: (lots, price, owner of the resting order), best first."""
        fills = []
        while lots and (other := self.top(1 - side)) is not None:
            if rests and (other[1] > price if side == BUY else other[1] < price):
                break
            traded = min(lots, other[2])
            fills.append((traded, other[1], other[3]))
            lots -= traded
            other[2] -= traded
            if not other[2]:
                del self.orders[heapq.heappop(self.heaps[1 - side])[1]]
        if rests and lots:
            if len(self.orders) < self.capacity:
                self.orders[self.arrivals] = [side, price, lots, owner]
                heapq.heappush(self.heaps[side], (-price if side == BUY else price, self.arrivals))
                self.arrivals += 1
            else:
                self.refused += lots
        return fills

    def queue(self, side):
        """Live orders of a side, best first: (price, lots, owner)."""
        found = [(-p if side == BUY else p, n) for n, (s, p, _, _) in self.orders.items() if s == side]
        return [tuple(self.orders[n][1:]) for _, n in sorted(found)]

    def cancel(self, side, rank):
        """The order of this rank leaves its queue, if there is one; returns its lots."""
        found = sorted((-p if side == BUY else p, n) for n, (s, p, _, _) in self.orders.items() if s == side)
        return self.orders.pop(found[rank][1])[2] if rank < len(found) else 0
