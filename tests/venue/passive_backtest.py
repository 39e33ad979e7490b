"""A small backtest of single orders on recorded data: depth and trades at the exchange's times.

The exchange sees an order one latency after it was sent, its owner sees the answer one latency
later. An order is filled whole or not at all, never changes the market, and its place in the
queue follows a model of `venue.models`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from venue import models
from venue.capture import DepthSnapshot, DepthUpdate, Line, Trade, to_units
from venue.l2 import L2Book
from venue.matching import BUY, LIMIT

LATENCY_NS = 10_000_000
NEW, FILLED, EXPIRED, CANCELED = "new", "filled", "expired", "canceled"


@dataclass
class SimulatedOrder:
    side: int
    kind: int
    price_ticks: int
    quantity_lots: int
    sent_ns: int
    post_only: bool = False
    # (status, when its owner saw it), in order.
    seen: list[tuple[str, int]] = field(default_factory=list)
    fill_price_ticks: int = 0
    is_maker: bool = False
    position: models.QueuePosition | None = None

    def status_at(self, now_ns: int) -> str:
        return next((s for s, at_ns in reversed(self.seen) if at_ns <= now_ns), "")

    def answer(self, status: str, at_ns: int) -> None:
        self.seen.append((status, at_ns + LATENCY_NS))

    def fill(self, price_ticks: int, at_ns: int, *, is_maker: bool) -> None:
        self.fill_price_ticks, self.is_maker, self.position = price_ticks, is_maker, None
        self.answer(FILLED, at_ns)


class Exchange:
    """What the exchange does with the orders, message by message."""

    def __init__(self, orders: list[SimulatedOrder]) -> None:
        self.book = L2Book(1, 3)
        self.waiting = sorted(orders, key=lambda order: order.sent_ns)
        self.resting: list[SimulatedOrder] = []

    def run(self, lines: Iterable[Line], until_ns: int) -> None:
        """Feed the record's messages up to `until_ns` of the exchange's clock."""
        for line in lines:
            message = line.message
            if isinstance(message, DepthSnapshot):
                self.book.replace(message.bids, message.asks)
            elif isinstance(message, (DepthUpdate, Trade)):
                at_ns = message.transaction_ms * 1_000_000
                self.accept_until(min(at_ns, until_ns))
                if at_ns > until_ns:
                    return
                self.apply(message, at_ns)

    def accept_until(self, now_ns: int) -> None:
        while self.waiting and self.waiting[0].sent_ns + LATENCY_NS <= now_ns:
            order = self.waiting.pop(0)
            self.accept(order, order.sent_ns + LATENCY_NS)

    def accept(self, order: SimulatedOrder, at_ns: int) -> None:
        bid, _, ask, _ = self.book.top()
        best = ask if order.side == BUY else bid
        crosses = order.kind != LIMIT or order.side * (order.price_ticks - best) >= 0
        if crosses and order.post_only:
            order.answer(EXPIRED, at_ns)
        elif crosses:
            order.fill(best, at_ns, is_maker=False)
        else:
            level = self.book.lots_at(order.side, order.price_ticks)
            order.position = models.queue_joined(level)
            order.answer(NEW, at_ns)
            self.resting.append(order)

    def cancel(self, order: SimulatedOrder, sent_ns: int) -> None:
        """Cancel a resting order; messages up to its arrival must have been fed."""
        self.resting.remove(order)
        order.answer(CANCELED, sent_ns + LATENCY_NS)

    def apply(self, message: DepthUpdate | Trade, at_ns: int) -> None:
        if isinstance(message, Trade):
            price, lots = to_units(message.price, 1), to_units(message.quantity, 3)
            for order in self.resting:
                self.trade_against(order, message.side, price, lots, at_ns)
        else:
            before = [self.book.lots_at(o.side, o.price_ticks) for o in self.resting]
            self.book.apply(message.bids, message.asks)
            for order, lots in zip(self.resting, before, strict=True):
                self.depth_around(order, lots, at_ns)
        self.resting = [order for order in self.resting if order.position is not None]

    def trade_against(
        self, order: SimulatedOrder, taker_side: int, price: int, lots: int, at_ns: int
    ) -> None:
        if order.side == taker_side or order.position is None:
            return
        if order.side * (order.price_ticks - price) > 0:
            order.fill(order.price_ticks, at_ns, is_maker=True)
        elif order.price_ticks == price:
            order.position = models.queue_after_trade(order.position, lots)
            if models.is_filled(order.position):
                order.fill(order.price_ticks, at_ns, is_maker=True)

    def depth_around(self, order: SimulatedOrder, before_lots: int, at_ns: int) -> None:
        assert order.position is not None
        bid, _, ask, _ = self.book.top()
        best = ask if order.side == BUY else bid
        if best and order.side * (order.price_ticks - best) >= 0:
            order.fill(order.price_ticks, at_ns, is_maker=True)
            return
        after = self.book.lots_at(order.side, order.price_ticks)
        order.position = models.queue_after_depth(
            order.position, models.RISK_AVERSE, before_lots, after
        )
