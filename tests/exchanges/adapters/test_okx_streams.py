"""Frames of OKX, as a box sends them and spoiled: nothing passes that the venue did not say.

The seeds are what a box told in some seconds: books, trades, tickers, candles, orders, balances.
"""

import copy
import json
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from exchanges.adapters.base import Decoded, MalformedFrameError, Refused, StreamError, Topic
from exchanges.adapters.okx_streams import OkxStreams
from exchanges.json_text import decode_json
from exchanges.types import Balances, Book, Candle, Execution, Instrument, PublicTrade, Ticker
from tests.venue.okx_client import SPOT, hear, running, subscribe

# What JSON decodes to.
Untyped: TypeAlias = Any

NOW_NS = 1_750_000_000 * 10**9
SYMBOL = "ETH/USDT"
INSTRUMENT = Instrument(
    symbol=SYMBOL,
    venue_symbol=SPOT,
    base="ETH",
    quote="USDT",
    tick_size="0.01",
    lot_size="0.00001",
    price_decimals=2,
    quantity_decimals=5,
    min_quantity_lots=200,
    min_notional="0",
    maker_fee="0.0008",
    taker_fee="0.001",
    active=True,
)
TOPICS = {
    "books": Topic("book", SYMBOL, 10),
    "trades": Topic("trades", SYMBOL),
    "tickers": Topic("ticker", SYMBOL),
    "candle1m": Topic("candles", SYMBOL, 60),
    "orders": Topic("executions"),
    "account": Topic("balances"),
}
KINDS = {
    "books": Book,
    "trades": PublicTrade,
    "tickers": Ticker,
    "candle1m": Candle,
    "orders": Execution,
    "account": Balances,
}
BOOKS = 6


class Seeds(NamedTuple):
    """Frames as text, by channel, in the order in which they came."""

    frames: dict[str, list[str]]


@cache
def seeds() -> Seeds:
    """Return what a box told; asked once."""
    frames: dict[str, list[str]] = {name: [] for name in TOPICS}

    async def listen() -> None:
        async with (
            running() as alice,
            alice.socket("public") as public,
            alice.socket("business") as business,
            alice.socket("private") as private,
        ):
            for name in ("books", "trades", "tickers"):
                await subscribe(public, name, instId=SPOT)
            await subscribe(business, "candle1m", instId=SPOT)
            await alice.log_in(private)
            await subscribe(private, "orders", instType="SPOT")
            await subscribe(private, "account")
            for _ in range(BOOKS):
                alice.clock.advance(400 * 10**6)
                frames["books"].append(json.dumps(await hear(public, "books")))
            for name, socket in (("trades", public), ("tickers", public), ("candle1m", business)):
                alice.clock.advance(2 * 10**9)
                frames[name].append(json.dumps(await hear(socket, name)))
            frames["account"].append(json.dumps(await hear(private, "account")))
            await alice.limit("buy", "2400", clOrdId="0" * 32)
            await alice.post("trade/cancel-order", {"instId": SPOT, "clOrdId": "0" * 32})
            await alice.market("buy")
            for _ in range(4):
                frames["orders"].append(json.dumps(await hear(private, "orders")))

    trio.run(listen)
    return Seeds(frames)


def listening() -> OkxStreams:
    """Return a parser to which the venue has said yes for each topic."""
    streams = OkxStreams({SYMBOL: INSTRUMENT})
    for topic in TOPICS.values():
        plan = streams.subscription("ws://there", topic)
        answer = {"event": "subscribe", "arg": plan.subscribe["args"][0], "connId": "1"}
        (told,) = events(streams, answer)
        assert told.topic == topic
    return streams


def events(streams: OkxStreams, message: Untyped) -> list[Decoded]:
    """Return what a frame that is understood says."""
    found = streams.decode(message, NOW_NS)
    assert found is None or isinstance(found, list)
    return found or []


def read(text: str) -> Untyped:
    """Return a frame as the client's sockets decode it: numbers as text."""
    return decode_json(text)


@pytest.mark.parametrize("channel", TOPICS)
def test_what_a_box_tells_is_understood(channel: str) -> None:
    streams = listening()
    for text in seeds().frames[channel]:
        found = events(streams, read(text))
        assert found
        assert {each.topic for each in found} == {TOPICS[channel]}
        assert {type(each.event) for each in found} == {KINDS[channel]}


def test_an_orders_life_is_told_in_our_words() -> None:
    streams = listening()
    told = [events(streams, read(text))[0].event for text in seeds().frames["orders"]]
    assert all(isinstance(each, Execution) for each in told)
    kinds = [each.kind for each in told if isinstance(each, Execution)]
    assert kinds == ["accepted", "canceled", "accepted", "fill"]
    names = [each.client_order_id for each in told if isinstance(each, Execution)]
    assert names[:2] == ["00000000-0000-0000-0000-000000000000"] * 2


def test_a_refusal_names_its_topic_where_the_text_does() -> None:
    streams = listening()
    text = "Wrong URL or channel:books,instId:ETH-USDT doesn't exist."
    refused = streams.decode({"event": "error", "code": "60018", "msg": text}, NOW_NS)
    assert isinstance(refused, Refused)
    assert refused.topic == TOPICS["books"]
    login = streams.decode({"event": "error", "code": "60011", "msg": "Please log in"}, NOW_NS)
    assert isinstance(login, Refused)
    assert login.topic.channel in ("executions", "balances")
    assert streams.decode({"event": "error", "code": "60014", "msg": "?"}, NOW_NS) is None
    assert streams.decode({"event": "login", "code": "0"}, NOW_NS) is None
    assert streams.decode("pong", NOW_NS) is None


# --- spoiled frames ------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
NUMBERS = st.sampled_from(
    ["-1", "0", "1e400", "NaN", "Infinity", "9" * 30, "0.001", "1.5", "", " 1", "0x1", "٣"]
)
CHANNELS = st.sampled_from(sorted(TOPICS))
PATHS = st.lists(st.integers(min_value=0, max_value=40), min_size=1, max_size=6)


def replaced(message: Untyped, path: list[int], value: Untyped) -> Untyped:
    """Return a frame in which one part, however deep, is something else."""
    spoiled = copy.deepcopy(message)
    at = spoiled
    for depth, step in enumerate(path):
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            return spoiled
        key = keys[step % len(keys)]
        if depth == len(path) - 1 or not isinstance(at[key], dict | list):
            at[key] = value
            return spoiled
        at = at[key]
    return spoiled


def heard(streams: OkxStreams, message: Untyped) -> list[Decoded]:
    """Return what is passed on; a frame that cannot be believed raises what a feed expects."""
    try:
        found = streams.decode(message, NOW_NS)
    except (StreamError, MalformedFrameError):
        return []
    return found if isinstance(found, list) else []


@pytest.mark.check
@given(channel=CHANNELS, path=PATHS, value=ANYTHING | NUMBERS)
def test_a_part_that_is_something_else_never_passes_the_feed(
    channel: str, path: list[int], value: Untyped
) -> None:
    streams = listening()
    for text in seeds().frames[channel]:
        for each in heard(streams, replaced(read(text), path, value)):
            assert_sane(each)


@pytest.mark.check
@given(channel=CHANNELS, at=st.integers(min_value=0), end=st.integers(min_value=0), put=st.text())
def test_a_frame_with_other_letters_never_passes_the_feed(
    channel: str, at: int, end: int, put: str
) -> None:
    streams = listening()
    for text in seeds().frames[channel]:
        start = at % len(text)
        spoiled = text[:start] + put + text[start + end % (len(text) - start + 1) :]
        try:
            message = read(spoiled)
        except ValueError:
            continue
        for each in heard(streams, message):
            assert_sane(each)


@pytest.mark.check
@given(message=ANYTHING)
def test_what_is_no_frame_at_all_never_passes_the_feed(message: Untyped) -> None:
    assert heard(listening(), message) == []


def assert_sane(decoded: Decoded) -> None:
    """Check what money might act on."""
    event = decoded.event
    if isinstance(event, PublicTrade):
        assert event.price_ticks > 0
        assert event.quantity_lots > 0
    elif isinstance(event, Ticker):
        assert min(event.bid_ticks, event.ask_ticks, event.bid_lots, event.ask_lots) >= 0
        assert event.last_ticks > 0
    elif isinstance(event, Candle):
        assert 0 < event.low_ticks <= event.open_ticks <= event.high_ticks
    elif isinstance(event, Book):
        assert all(ticks > 0 and lots > 0 for ticks, lots in (*event.bids, *event.asks))
        assert not (event.bids and event.asks) or event.bids[0][0] < event.asks[0][0]


def true_books() -> list[Book]:
    """Return the books that the seeds are."""
    streams = listening()
    found = [events(streams, read(text))[0].event for text in seeds().frames["books"]]
    return [each for each in found if isinstance(each, Book)]


@given(
    at=st.integers(min_value=0, max_value=BOOKS - 1),
    side=st.sampled_from(["bids", "asks"]),
    level=st.integers(min_value=0, max_value=400),
    column=st.sampled_from([0, 1]),
    by=st.sampled_from(["0.01", "1", "0.00001", "1000"]),
)
def test_a_book_with_another_number_is_never_passed_on(
    at: int, side: str, level: int, column: int, by: str
) -> None:
    """The checksum sees the 25 best levels: what is passed on is the venue's, or nothing is."""
    streams, books = listening(), true_books()
    for number, text in enumerate(seeds().frames["books"]):
        message = read(text)
        rows = message["data"][0][side]
        if number == at and rows:
            row = rows[level % len(rows)]
            row[column] = f"{float(row[column]) + float(by):.5f}".rstrip("0").rstrip(".")
        for each in heard(streams, message):
            assert isinstance(each.event, Book)
            assert (each.event.bids, each.event.asks) == (books[number].bids, books[number].asks)


@given(lost=st.integers(min_value=1, max_value=BOOKS - 2))
def test_after_a_lost_update_there_is_no_book_until_a_snapshot(lost: int) -> None:
    streams, frames = listening(), [read(text) for text in seeds().frames["books"]]
    for message in frames[:lost]:
        assert heard(streams, message)
    with pytest.raises(StreamError) as gap:
        streams.decode(frames[lost + 1], NOW_NS)
    assert (gap.value.kind, gap.value.topic) == ("sequence", TOPICS["books"])
    assert [heard(streams, message) for message in frames[lost + 2 :]] == [[]] * (
        len(frames) - lost - 2
    )
    (again,) = heard(streams, frames[0])
    assert isinstance(again.event, Book)
    assert again.event.snapshot


def test_a_checksum_of_0_is_none() -> None:
    """OKX sends it since June 2026: then only the chain of ids is followed."""
    streams, books = listening(), true_books()
    for book, text in zip(books, seeds().frames["books"], strict=True):
        message = read(text)
        message["data"][0]["checksum"] = 0
        (told,) = events(streams, message)
        assert told.event == book
