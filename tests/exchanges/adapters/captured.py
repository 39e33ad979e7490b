"""What venues really sent, for our parsers: every frame is read or explained.

The counts beside ours are those that cryptofeed, which recorded the sessions, has published for
them (shared/data/README.md, figure 6).
"""

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import zstandard

from exchanges.adapters.numbers import decimals, plain
from exchanges.types import Book, Instrument, PublicTrade
from tests.venue.recordings import SHARED

FOLDER = SHARED / "cryptofeed"
needs_frames = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"recorded frames are not at {FOLDER}"
)
Row = dict[str, Any]


def rows_of(name: str) -> Iterator[Row]:
    """Yield the rows of a recording, the header first."""
    data = (FOLDER / f"{name}.jsonl.zst").read_bytes()
    text = zstandard.ZstdDecompressor().stream_reader(data).read().decode()
    yield from map(json.loads, text.splitlines())


def listed(symbol: str, venue_symbol: str, tick: str, lot: str) -> Instrument:
    base, quote = symbol.split("/")
    return Instrument(
        symbol=symbol,
        venue_symbol=venue_symbol,
        base=base,
        quote=quote,
        tick_size=plain(tick),
        lot_size=plain(lot),
        price_decimals=decimals(Decimal(tick)),
        quantity_decimals=decimals(Decimal(lot)),
        min_quantity_lots=1,
        min_notional="0",
        maker_fee="0",
        taker_fee="0",
    )


class Heard:
    """What the parser made of a recording."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        """Frames that are ccxt's business, or no topic's of ours, by what they are."""
        self.snapshots = 0

    def take(self, decoded: object, kind: str) -> None:
        if not isinstance(decoded, list) or not decoded:
            self.left[kind] += 1
            return
        for topic, event in decoded:
            self.events[topic.channel] += 1
            if isinstance(event, Book):
                best_bid, best_ask = event.bids[0][0], event.asks[0][0]
                assert best_bid < best_ask
            if isinstance(event, Book | PublicTrade):
                self.snapshots += event.snapshot
