"""Letting a market act on a book without a server."""

from venue.market import Market
from venue.matching import BookEvent, OrderBook


def play(of: Market, book: OrderBook, until_ns: int, index: int = 0) -> tuple[list[BookEvent], int]:
    """Apply everything from event `index` up to `until_ns`; return what happened, and the next."""
    events: list[BookEvent] = []
    while True:
        result = of.flow(index, until_ns, book)
        events += result.events
        index = result.next_index
        if result.complete:
            return events, index
