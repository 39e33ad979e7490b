"""Checks of market data, pure: what may be passed on, and what makes a stream untrusted.

A fault is a sentence; "" means none. Faults of books make the stream untrusted until a new
snapshot; trades that are doubled or late are left out.
"""

from typing import NamedTuple

SECOND_NS = 1_000_000_000
# A mid price that moves further than this between two books is an outlier until it repeats.
JUMP_BPS_MAX = 1_000
# An outlier that is seen this often in a row is the new price.
JUMP_REPEATS = 3
# Venue stamps of one stream may run backwards by this much (several matching engines' clocks).
BACKWARDS_NS_MAX = 2 * SECOND_NS
# Trade ids remembered to leave out what a resubscription repeats: Kraken repeats 50.
TRADE_IDS_MAX = 1_000


class Top(NamedTuple):
    """The best prices of a book; `at_ns` is the venue's stamp, 0 for none."""

    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    at_ns: int


def top_of(
    bids: tuple[tuple[int, int], ...], asks: tuple[tuple[int, int], ...], at_ns: int
) -> Top | None:
    """Return the top of a book; None while a side is empty."""
    if not bids or not asks:
        return None
    return Top(bids[0][0], bids[0][1], asks[0][0], asks[0][1], at_ns)


def crossed(top: Top) -> str:
    """Return the fault of a book whose bid is not below its ask, or that holds nonsense."""
    if top.bid_ticks <= 0:
        return f"the best bid is {top.bid_ticks} ticks"
    if min(top.bid_lots, top.ask_lots) <= 0:
        return "a best level holds nothing"
    if top.bid_ticks >= top.ask_ticks:
        return f"the book is crossed: bid {top.bid_ticks}, ask {top.ask_ticks} ticks"
    return ""


def backwards(top: Top, newest_ns: int) -> str:
    """Return the fault of a book that is older than what was seen."""
    behind_ns = newest_ns - top.at_ns
    if top.at_ns and behind_ns > BACKWARDS_NS_MAX:
        return f"the book is {behind_ns // 1_000_000} ms older than the one before"
    return ""


def jumped(top: Top, before: Top) -> bool:
    """Return whether the mid price moved further than a market does between two books."""
    mid, mid_before = top.bid_ticks + top.ask_ticks, before.bid_ticks + before.ask_ticks
    return abs(mid - mid_before) * 10_000 > mid_before * JUMP_BPS_MAX


class BookCheck:
    """Judges the books of one symbol in order."""

    def __init__(self) -> None:
        self._before: Top | None = None
        self._newest_ns = 0
        self._jumps = 0

    def resync(self) -> None:
        """Forget the order of stamps: a snapshot begins anew. The price level stays known."""
        self._newest_ns = 0

    def fault(self, top: Top) -> str:
        """Return what is wrong with the next book; "" if it may be passed on."""
        found = crossed(top) or backwards(top, self._newest_ns)
        if found:
            return found
        self._newest_ns = max(self._newest_ns, top.at_ns)
        if self._before is not None and jumped(top, self._before):
            self._jumps += 1
            if self._jumps < JUMP_REPEATS:
                return (
                    f"the price jumped from {self._before.bid_ticks} to {top.bid_ticks} ticks "
                    f"within one book (seen {self._jumps} of {JUMP_REPEATS} times)"
                )
        self._jumps = 0
        self._before = top
        return ""


class TradeCheck:
    """Leaves out what a stream of trades repeats, or tells too late."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}
        self._newest_ns = 0
        self.doubled = 0
        self.late = 0

    def is_new(self, trade_id: str, at_ns: int, price_ticks: int, quantity_lots: int) -> bool:
        """Return whether a trade is to be passed on."""
        if price_ticks <= 0 or quantity_lots <= 0:
            return False
        if trade_id in self._ids:
            self.doubled += 1
            return False
        self._ids[trade_id] = None
        if len(self._ids) > TRADE_IDS_MAX:
            del self._ids[next(iter(self._ids))]
        if at_ns and self._newest_ns - at_ns > BACKWARDS_NS_MAX:
            self.late += 1
            return False
        self._newest_ns = max(self._newest_ns, at_ns)
        return True
