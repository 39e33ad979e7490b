"""Frames of Bybit, recorded and spoiled: what the parser makes of them, and that it never raises.

The recording holds a linear and a spot connection of 2026-08. Others count 2 148 book frames, 347
trades, 100 candles, 839 tickers and 758 rates of funding in it; the last are linear's tickers.
"""

import copy
import functools
import json
from collections import Counter
from typing import Any, NamedTuple, TypeAlias

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from exchanges.adapters.base import Channel, Decoded, MalformedFrameError, StreamError, Topic
from exchanges.adapters.bybit import spot_instrument
from exchanges.adapters.bybit_streams import BybitStreams
from exchanges.types import Book, Candle, Execution, Instrument, PublicTrade, Ticker
from tests.venue.recordings import SHARED

# What JSON decodes to.
Untyped: TypeAlias = Any

RECORDING = SHARED / "cryptofeed" / "BYBIT.jsonl.zst"
NOW_NS = 1_786_310_820 * 10**9
SYMBOL = "ETH/USDT"
ROW = {
    "symbol": "ETHUSDT",
    "baseCoin": "ETH",
    "quoteCoin": "USDT",
    "priceFilter": {"tickSize": "0.01"},
    "lotSizeFilter": {"basePrecision": "0.00001", "minOrderQty": "0.0001", "minOrderAmt": "5"},
}
INSTRUMENT = spot_instrument(SYMBOL, ROW, maker="0.001", taker="0.001")
TOPICS: dict[str, Channel] = {
    "orderbook": "book",
    "publicTrade": "trades",
    "kline": "candles",
    "tickers": "ticker",
}
needs_recording = pytest.mark.skipif(not RECORDING.exists(), reason=f"{RECORDING} is not here")


# The rows of instruments, by category and id.
Listed = dict[tuple[str, str], Untyped]


class Connection(NamedTuple):
    """What was subscribed on a connection, and what came."""

    topics: list[str]
    frames: list[str]


class Session(NamedTuple):
    """A connection and what its frames are read with."""

    category: str
    connection: Connection
    instruments: dict[str, Instrument]
    topics: list[Topic]


def connections() -> tuple[dict[str, Connection], Listed]:
    """Return the connections by category, and the rows of instruments by category and id."""
    data = zstandard.ZstdDecompressor().stream_reader(RECORDING.read_bytes()).read()
    rows = [json.loads(line) for line in data.decode().splitlines()[1:]]
    found: dict[str, Connection] = {}
    listed: Listed = {}
    names = {r["conn"]: r["addr"].rpartition("/")[2] for r in rows if r["t"] == "send"}
    for row in rows:
        if row["t"] == "http":
            result = json.loads(row["data"])["result"]
            for each in result["list"]:
                listed[result["category"], each["symbol"]] = each
            continue
        known = found.setdefault(names.get(row["conn"], ""), Connection([], []))
        if row["t"] == "send":
            known.topics.extend(json.loads(row["data"])["args"])
        elif row["t"] == "recv":
            known.frames.append(row["data"])
    return found, listed


def events(streams: BybitStreams, message: Untyped) -> list[Decoded]:
    """Return what a frame that is understood says."""
    found = streams.decode(message, NOW_NS)
    assert found is None or isinstance(found, list)
    return found or []


def subscribed(instruments: dict[str, Instrument], topics: list[Topic]) -> BybitStreams:
    """Return a parser to which the venue has said yes for each topic."""
    streams = BybitStreams(instruments)
    for topic in topics:
        plan = streams.subscription("ws://there", topic)
        answer = {"op": "subscribe", "success": True, "req_id": plan.subscribe["req_id"]}
        (told,) = events(streams, answer)
        assert told.topic == topic
    return streams


def read_with(
    category: str, connection: Connection, listed: Listed
) -> tuple[dict[str, Instrument], list[Topic]]:
    """Return the instruments of a connection, and our topics for its streams."""
    ids = dict.fromkeys(name.rpartition(".")[2] for name in connection.topics)
    instruments = {
        name: spot_instrument(name, listed[category, name], maker="0", taker="0") for name in ids
    }
    topics = []
    for name in connection.topics:
        channel, _, symbol = name.partition(".")
        detail = {"orderbook": 200, "kline": 60}.get(channel, 0)
        if channel in TOPICS:
            topics.append(Topic(TOPICS[channel], symbol.rpartition(".")[2], detail))
    return instruments, topics


def replayed(category: str, connection: Connection, listed: Listed) -> Counter[str]:
    """Return how many events of each kind a connection's frames are."""
    instruments, topics = read_with(category, connection, listed)
    streams = subscribed(instruments, topics)
    if category == "spot":
        # The recorder did not ask for the best prices, without which there is no ticker of ours.
        for name, instrument in instruments.items():
            price = instrument.price_text(1)
            data = {"u": 2, "b": [[price, "0"]], "a": []}
            top = {"topic": f"orderbook.1.{name}", "type": "snapshot", "ts": 1, "data": data}
            assert streams.decode(top, NOW_NS) == []
    counts: Counter[str] = Counter()
    for frame in connection.frames:
        for each in events(streams, json.loads(frame)):
            counts[type(each.event).__name__] += 1
    return counts


@needs_recording
def test_a_recorded_session_is_understood_to_the_last_frame() -> None:
    found, listed = connections()
    assert set(found) == {"linear", "spot"}
    linear = replayed("linear", found["linear"], listed)
    spot = replayed("spot", found["spot"], listed)
    assert linear["Ticker"] == 758
    assert linear + spot == {"Book": 2_148, "PublicTrade": 347, "Candle": 100, "Ticker": 839}


# --- spoiled frames ----------------------------------------------------------------------------


def frame(topic: str, kind: str, data: Untyped) -> dict[str, Untyped]:
    return {"topic": topic, "type": kind, "ts": 1_786_310_818_129, "data": data}


LEVELS = {"s": "ETHUSDT", "b": [["1922.42", "1.5"], ["1922.41", "2"]], "a": [["1922.43", "3"]]}
CHANGE = {"s": "ETHUSDT", "b": [["1922.42", "0"]], "a": [["1922.44", "1"]]}
TRADE = {"T": 1_786_310_819_680, "s": "ETHUSDT", "S": "Sell", "v": "0.004", "p": "1922.42"}
KLINE = {"start": 1_786_310_760_000, "open": "1922.1", "high": "1923", "low": "1921.9"}
TICKER = {"symbol": "ETHUSDT", "lastPrice": "1923.27", "volume24h": "19794.00132"}
ORDER = {
    "category": "spot", "symbol": "ETHUSDT", "orderId": "1", "orderLinkId": "a", "side": "Buy",
    "orderStatus": "New", "price": "1900", "qty": "1", "cumExecQty": "0", "avgPrice": "",
    "rejectReason": "EC_NoError", "createdTime": "1786310819680", "updatedTime": "1786310819680",
}  # fmt: skip
FILL = {
    "category": "spot", "symbol": "ETHUSDT", "orderId": "1", "orderLinkId": "a", "side": "Buy",
    "execType": "Trade", "execId": "9", "execPrice": "1900", "execQty": "1", "orderQty": "1",
    "leavesQty": "0", "execTime": "1786310819680", "feeCurrency": "ETH", "execFee": "0.001",
    "isMaker": False,
}  # fmt: skip
COIN = {"coin": "USDT", "walletBalance": "100", "locked": "10", "totalOrderIM": "0"}
SEEDS = [
    frame("orderbook.50.ETHUSDT", "snapshot", {**LEVELS, "u": 7, "seq": 1}),
    frame("orderbook.50.ETHUSDT", "delta", {**CHANGE, "u": 8, "seq": 2}),
    frame("orderbook.1.ETHUSDT", "snapshot", {**LEVELS, "u": 7, "seq": 1}),
    frame("publicTrade.ETHUSDT", "snapshot", [{**TRADE, "i": "2280000001739247417"}]),
    frame("kline.1.ETHUSDT", "snapshot", [{**KLINE, "close": "1922", "volume": "4.5"}]),
    frame("tickers.ETHUSDT", "snapshot", TICKER),
    frame("tickers.ETHUSDT", "delta", {"symbol": "ETHUSDT", "lastPrice": "1923.28"}),
    {"topic": "order.spot", "creationTime": 1_786_310_819_680, "data": [ORDER]},
    {"topic": "execution.spot", "creationTime": 1_786_310_819_680, "data": [FILL]},
    {"topic": "wallet", "creationTime": 1_786_310_819_680, "data": [{"coin": [COIN]}]},
]
HOSTILE: st.SearchStrategy[Untyped] = st.sampled_from(
    [None, True, -1, 0, 10**30, 1e308, "", "-1", "NaN", "Infinity", "1e999", "9" * 5_000, "1_000",
     "orderbook.50.ETHUSDT", "snapshot", [], [[]], {}, {"b": 1}, [["1", "1"]] * 3]
)  # fmt: skip
ALL = [
    Topic("book", SYMBOL, 10),
    Topic("trades", SYMBOL),
    Topic("candles", SYMBOL, 60),
    Topic("ticker", SYMBOL),
    Topic("executions"),
    Topic("balances"),
]


def places(value: Untyped, path: tuple[Untyped, ...] = ()) -> list[tuple[Untyped, ...]]:
    """Return the path of everything inside a JSON value."""
    keys: list[Untyped] = []
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    inside = [places(value[key], (*path, key)) for key in keys]
    return [*([path] if path else []), *(each for part in inside for each in part)]


def spoil(draw: st.DrawFn, message: Untyped) -> Untyped:
    """Take some parts of a frame away, or make them something else."""
    for _ in range(draw(st.integers(0, 2))):
        found = places(message)
        if not found:
            break
        *way, last = draw(st.sampled_from(found))
        holder: Untyped = message
        for key in way:
            holder = holder[key]
        if draw(st.booleans()) and isinstance(holder, dict):
            del holder[last]
        else:
            holder[last] = copy.deepcopy(draw(HOSTILE))
    return message


@st.composite
def spoiled(draw: st.DrawFn) -> Untyped:
    """Return one of our own frames, spoiled."""
    return spoil(draw, copy.deepcopy(draw(st.sampled_from(SEEDS))))


def is_sound(event: object) -> bool:
    """Whether what is passed on can be believed, and encoded."""
    msgspec.msgpack.encode(event)
    if isinstance(event, Book):
        bids, asks = [level[0] for level in event.bids], [level[0] for level in event.asks]
        ordered = bids == sorted(bids, reverse=True) and asks == sorted(asks)
        best = (bids[:1] or [0])[0] < (asks[:1] or [2**62])[0]
        return ordered and best and all(lots > 0 for _, lots in (*event.bids, *event.asks))
    if isinstance(event, PublicTrade):
        return event.price_ticks > 0 and event.quantity_lots >= 0
    if isinstance(event, Candle):
        return min(event.open_ticks, event.high_ticks, event.low_ticks, event.close_ticks) > 0
    if isinstance(event, Ticker):
        return event.last_ticks > 0 and min(event.bid_ticks, event.ask_ticks) >= 0
    return True


def hold(streams: BybitStreams, message: Untyped) -> None:
    """Have a frame read: it is malformed, or what it says is sound."""
    try:
        found = streams.decode(message, NOW_NS)
    except (MalformedFrameError, StreamError):
        return
    assert all(is_sound(each.event) for each in found or [] if isinstance(each, Decoded))


@given(st.lists(spoiled(), min_size=1, max_size=12))
def test_spoiled_frames_are_malformed_and_nothing_else(frames: list[Untyped]) -> None:
    streams = subscribed({SYMBOL: INSTRUMENT}, ALL)
    for message in frames:
        hold(streams, message)


@needs_recording
@pytest.mark.check
@given(st.data())
def test_a_recording_that_is_spoiled_here_and_there(data: st.DataObject) -> None:
    category, connection, instruments, topics = data.draw(st.sampled_from(sessions()))
    streams = subscribed(instruments, topics)
    begin = data.draw(st.integers(0, len(connection.frames) - 30), label=category)
    # Snapshots came first: without them nothing would be known that could be spoiled.
    for text in (*connection.frames[:30], *connection.frames[begin : begin + 30]):
        message: Untyped = json.loads(text)
        if data.draw(st.integers(0, 9)) == 0:
            message = data.draw(spoiled_copy(message))
        hold(streams, message)


@st.composite
def spoiled_copy(draw: st.DrawFn, message: Untyped) -> Untyped:
    """Return a recorded frame, spoiled."""
    return spoil(draw, copy.deepcopy(message))


@functools.cache
def sessions() -> list[Session]:
    """Return what the recording's connections are read with."""
    found, listed = connections()
    return [
        Session(category, connection, *read_with(category, connection, listed))
        for category, connection in found.items()
    ]


def test_the_seeds_themselves_are_understood() -> None:
    streams = subscribed({SYMBOL: INSTRUMENT}, ALL)
    kinds = {type(each.event) for seed in SEEDS for each in events(streams, seed)}
    assert kinds > {Book, PublicTrade, Candle, Ticker, Execution}


def test_an_order_older_than_the_step_of_quantities_is_no_fault() -> None:
    streams = subscribed({SYMBOL: INSTRUMENT}, ALL)
    levels = {**LEVELS, "b": [["1922.42", "1.5000001"], ["1922.41", "0.0000001"]], "u": 7}
    *_, book = events(streams, frame("orderbook.50.ETHUSDT", "snapshot", levels))
    assert isinstance(book.event, Book)
    assert book.event.bids == ((192_242, 150_000),)


def test_a_book_that_jumps_or_crosses_is_not_believed() -> None:
    for change, kind in (
        ({**CHANGE, "u": 9}, "sequence"),
        ({**CHANGE, "u": 6}, "sequence"),
        ({"s": "ETHUSDT", "b": [["1922.50", "1"]], "a": [], "u": 8}, "crossed"),
    ):
        streams = subscribed({SYMBOL: INSTRUMENT}, ALL)
        streams.decode(SEEDS[0], NOW_NS)
        with pytest.raises(StreamError) as lost:
            streams.decode(frame("orderbook.50.ETHUSDT", "delta", change), NOW_NS)
        assert lost.value.kind == kind
        # Nothing is built upon it until a snapshot comes.
        assert streams.decode(SEEDS[1], NOW_NS) == []
        assert streams.decode(SEEDS[0], NOW_NS) != []
