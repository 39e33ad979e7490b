"""Real recordings through the adapters: as many events as their recorder published for them.

`../shared/data/README.md`, figure 6. Binance's books were recorded as differences, so they go
through `DepthBook`; everything else through the adapters' own decoding.
"""

import contextlib
import json
import random
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import Any

import pytest

from actors.feeds.validate import BookCheck, top_of
from exchanges.adapters.base import Decoded, MalformedFrameError, StreamError, Topic
from exchanges.adapters.binance_streams import BinanceStreams
from exchanges.adapters.kraken_streams import KrakenStreams
from exchanges.book import Level
from exchanges.depth import DepthBook, Difference
from exchanges.grid import grid
from exchanges.json_text import decode_json
from exchanges.types import Book, Instrument
from tests.exchanges import recorded

DEPTH = 1_000
DAMAGE = ("", "0", "-", ".", '"', "}", "]", "null", "1e400", "\\u0000", "[[", "NaN")


def test_kraken() -> None:
    found = recorded.tape("KRAKEN")
    instruments = recorded.kraken_instruments(found)
    streams = KrakenStreams(instruments)
    for symbol in instruments:
        streams.subscription("", Topic("book", symbol, DEPTH), None)
    events: Counter[str] = Counter()
    checks: dict[str, BookCheck] = {}
    for frame in recorded.kraken_frames(found):
        decoded = streams.decode(frame, 0)
        assert isinstance(decoded, list)
        for topic, event in decoded:
            events[topic.channel] += 1
            if isinstance(event, Book):
                top = top_of(event.bids, event.asks, event.at_ns)
                assert top is not None
                assert checks.setdefault(event.symbol, BookCheck()).fault(top) == ""
    assert events == {"book": 4_279, "ticker": 18, "trades": 10}


def test_recorded_frames_that_are_damaged_raise_nothing_but_what_streams_expect() -> None:
    found = recorded.tape("KRAKEN")
    instruments = recorded.kraken_instruments(found)
    streams = KrakenStreams(instruments)
    for symbol in instruments:
        streams.subscription("", Topic("book", symbol, DEPTH), None)
    draws = random.Random(5)  # noqa: S311 - damage
    refused = 0
    for frame in islice(recorded.kraken_frames(found), 1_500):
        text = json.dumps(frame)
        for _ in range(2):
            place = draws.randrange(len(text))
            damaged = text[:place] + draws.choice(DAMAGE) + text[place + draws.randrange(3) :]
            try:
                message = decode_json(damaged[: draws.choice((len(damaged), place + 2))])
            except ValueError:
                continue
            try:
                streams.decode(message, 0)
            except (StreamError, MalformedFrameError):
                refused += 1
        with contextlib.suppress(StreamError):
            streams.decode(frame, 0)
    assert refused > 100


@pytest.mark.parametrize(
    ("name", "books", "tickers", "trades", "candles"),
    [("BINANCE", 176, 84, 2, 2), ("BINANCE_FUTURES", 756, 613, 91, None)],
)
def test_binance(name: str, books: int, tickers: int, trades: int, candles: int | None) -> None:
    """Their recorder counted no candles of futures."""
    found = recorded.tape(name)
    by_name = recorded.binance_instruments(found)
    snapshots = recorded.binance_snapshots(found)
    streams = BinanceStreams({each.symbol: each for each in by_name.values()})
    depth: dict[str, DepthBook] = {}
    events: Counter[str] = Counter()
    for frame in found.frames:
        market_id, _, kind = frame["stream"].partition("@")
        instrument, row = by_name[market_id.upper()], frame["data"]
        if kind.startswith("depth"):
            book = depth.get(instrument.symbol)
            if book is None:
                book = depth[instrument.symbol] = DepthBook()
                snapshot = snapshots[instrument.venue_symbol]
                last_id, bids, asks = snapshot["lastUpdateId"], snapshot["bids"], snapshot["asks"]
                book.start(last_id, levels(bids), levels(asks))
                events["book"] += 1
            events["book"] += book.take(difference(row))
            assert not book.crossed()
        else:
            for decoded in others(streams, instrument, kind, row):
                events[decoded.topic.channel] += 1
    wanted = {"book": books, "ticker": tickers, "trades": trades}
    if candles is not None:
        wanted["candles"] = candles
    assert {name: events[name] for name in wanted} == wanted


def levels(rows: list[list[str]]) -> tuple[Level, ...]:
    # Orders rest in these books that are older than the steps of price and quantity then.
    fine = grid("0.00000001")
    return tuple(Level(fine.units(row[0]), fine.units(row[1]), "") for row in rows)


def difference(row: Mapping[str, Any]) -> Difference:
    numbers = row["U"], row["u"], row.get("pu", 0)
    return Difference(*numbers, levels(row["b"]), levels(row["a"]))


def others(
    streams: BinanceStreams, instrument: Instrument, kind: str, row: Mapping[str, Any]
) -> list[Decoded]:
    """Decode what was recorded of streams that say the same as those we subscribe to."""
    name = instrument.venue_symbol.lower()
    if kind == "bookTicker":
        # The price of the last trade and the day's volume are not in it.
        topic, stream = Topic("ticker", instrument.symbol), f"{name}@ticker"
        row = {**row, "c": row["b"], "v": "0"}
    elif kind == "aggTrade":
        topic, stream = Topic("trades", instrument.symbol), f"{name}@trade"
        row = {**row, "t": row["a"]}
    else:
        topic, stream = Topic("candles", instrument.symbol, 60), f"{name}@{kind}"
    if topic not in streams._topics.values():
        streams.subscription("", topic)
    decoded = streams.decode({"stream": stream, "data": row}, 0)
    assert isinstance(decoded, list)
    assert decoded, f"{stream} is known"
    return decoded
