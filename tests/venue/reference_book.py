"""The matching engine again, in plain Python, slow and obvious: what the kernels are held to."""

from dataclasses import dataclass, field

from venue import matching as mt
from venue.matching import BookEvent


@dataclass
class Resting:
    order_id: int
    owner: int
    side: int
    price: int
    lots: int


@dataclass
class ReferenceBook:
    capacity: int
    resting: list[Resting] = field(default_factory=list)  # in order of arrival

    def opposite(self, side: int) -> list[Resting]:
        """List the other side, best price first, then oldest first."""
        others = [order for order in self.resting if order.side == -side]
        return sorted(others, key=lambda order: side * order.price)

    def refusal(self, order_id: int, side: int, kind: int, price: int, flags: int) -> int:
        best = self.opposite(side)[:1]
        if any(order.order_id == order_id for order in self.resting):
            return mt.DUPLICATE_ORDER
        if kind == mt.MARKET:
            return mt.NO_REASON if best else mt.NO_LIQUIDITY
        crosses = bool(best) and side * (price - best[0].price) >= 0
        if flags & mt.POST_ONLY and crosses:
            return mt.POST_ONLY_WOULD_CROSS
        may_rest = not flags & mt.IMMEDIATE_OR_CANCEL and not crosses
        if may_rest and len(self.resting) >= self.capacity:
            return mt.FULL
        return mt.NO_REASON

    def submit(
        self, oid: int, owner: int, side: int, kind: int, price: int, lots: int, flags: int, at: int
    ) -> list[BookEvent]:
        refusal = self.refusal(oid, side, kind, price, flags)
        if refusal:
            return [BookEvent(mt.REJECTED, oid, 0, owner, 0, side, price, lots, 0, 0, refusal, at)]
        events = [BookEvent(mt.ACCEPTED, oid, 0, owner, 0, side, price, lots, lots, 0, 0, at)]
        for maker in self.opposite(side):
            if not lots or (kind == mt.LIMIT and side * (price - maker.price) < 0):
                break
            who = (maker.order_id, owner, maker.owner)
            if owner and owner == maker.owner:
                self.resting.remove(maker)
                head = (mt.CANCELLED, maker.order_id, oid, owner, owner, -side, maker.price)
                events.append(BookEvent(*head, maker.lots, 0, lots, mt.SELF_TRADE, at))
                continue
            traded = min(lots, maker.lots)
            lots -= traded
            maker.lots -= traded
            if not maker.lots:
                self.resting.remove(maker)
            rest = (side, maker.price, traded, lots, maker.lots, 0, at)
            events.append(BookEvent(mt.TRADE, oid, *who, *rest))
        if lots and kind == mt.LIMIT and not flags & mt.IMMEDIATE_OR_CANCEL:
            self.resting.append(Resting(oid, owner, side, price, lots))
        elif lots:
            tail = (side, price, lots, 0, 0, mt.NO_LIQUIDITY, at)
            events.append(BookEvent(mt.EXPIRED, oid, 0, owner, 0, *tail))
        return events

    def withdraw(self, oid: int, by_lots: int, at: int) -> list[BookEvent]:
        for order in self.resting:
            if order.order_id == oid:
                taken = min(by_lots, order.lots)
                order.lots -= taken
                kind = mt.REDUCED if order.lots else mt.CANCELLED
                if not order.lots:
                    self.resting.remove(order)
                head = (kind, oid, 0, order.owner, 0, order.side, order.price, taken, order.lots)
                return [BookEvent(*head, 0, mt.REQUESTED, at)]
        return [BookEvent(mt.REJECTED, oid, 0, 0, 0, 0, 0, 0, 0, 0, mt.UNKNOWN_ORDER, at)]

    def levels(self, side: int) -> list[list[int]]:
        totals: dict[int, int] = {}
        for order in self.resting:
            if order.side == side:
                totals[order.price] = totals.get(order.price, 0) + order.lots
        return [[price, totals[price]] for price in sorted(totals, reverse=side == mt.BUY)]
