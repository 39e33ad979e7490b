"""Candles made of trades: what they begin from, what follows, what is missing."""

import pytest

from exchanges.adapters.coinbase_candles import TradeCandles
from exchanges.adapters.known_book import GapError
from exchanges.adapters.numbers import text_of_ns
from exchanges.types import Candle
from tests.exchanges.adapters.listening import LISTED, Untyped

MINUTE_NS = 60 * 10**9
NOW_NS = 1_786_309_548 * 10**9 // MINUTE_NS * MINUTE_NS


def trade(number: int, price: int, after_s: int, size: int = 1) -> Untyped:
    at = text_of_ns(NOW_NS + after_s * 10**9)
    return {"trade_id": str(number), "price": str(price), "size": str(size), "time": at}


def told(before: int, price: int) -> Untyped:
    """Return a candle by REST that began some minutes ago."""
    row = dict.fromkeys(("open", "high", "low", "close"), str(price))
    return {**row, "start": str(NOW_NS // 10**9 - 60 * before), "volume": "9"}


def shown(candle: Candle) -> tuple[int, int, int, int, int, str]:
    minutes = (candle.open_at_ns - NOW_NS) // MINUTE_NS
    prices = (candle.open_ticks, candle.high_ticks, candle.low_ticks, candle.close_ticks)
    return minutes, *prices, candle.volume


def test_the_open_candle_is_made_of_its_trades() -> None:
    candles = TradeCandles(LISTED, 60)
    trades = [trade(6, 50, -1), trade(7, 10, 1), trade(8, 12, 2, 3)]
    # The clock of ours is a minute ahead, which changes nothing.
    begun = candles.start([told(2, 5), told(1, 6), told(0, 7)], trades, NOW_NS + MINUTE_NS)
    assert [shown(each)[:2] for each in begun] == [(-2, 5), (-1, 6), (0, 10)]
    assert shown(begun[-1]) == (0, 10, 12, 10, 12, "4")
    assert all(each.snapshot for each in begun)
    # Seen already, then two more; the second opens the next minute.
    rows = [trade(8, 12, 2, 3), trade(9, 8, 30), trade(10, 9, 61)]
    after = candles.add(rows, NOW_NS)
    assert [shown(each) for each in after] == [(0, 10, 12, 8, 8, "5"), (1, 9, 9, 9, 9, "1")]
    assert [(each.trades, each.snapshot) for each in after] == [(3, False), (1, False)]


def test_a_longer_candle_goes_on_from_what_was_told() -> None:
    candles = TradeCandles(LISTED, 60)
    begun = candles.start([told(0, 7)], [trade(8, 12, 2)], NOW_NS)
    assert shown(begun[-1]) == (0, 7, 7, 7, 7, "9")
    (after,) = candles.add([trade(9, 8, 30)], NOW_NS)
    assert shown(after) == (0, 7, 8, 7, 8, "10")


def test_a_trade_that_is_missing_is_noticed() -> None:
    candles = TradeCandles(LISTED, 60)
    candles.start([], [trade(8, 12, 2)], NOW_NS)
    with pytest.raises(GapError, match="8 was followed by 10"):
        candles.add([trade(10, 12, 3)], NOW_NS)


def test_a_late_trade_belongs_to_the_candle_that_is_open() -> None:
    candles = TradeCandles(LISTED, 60)
    candles.start([], [trade(8, 12, 61)], NOW_NS)
    (after,) = candles.add([trade(9, 3, 59)], NOW_NS)
    assert shown(after) == (1, 12, 12, 3, 3, "2")


def test_without_any_trade_the_candles_are_told_as_they_are() -> None:
    candles = TradeCandles(LISTED, 60)
    assert [shown(each)[0] for each in candles.start([told(2, 5), told(1, 6)], [], NOW_NS)] == [
        -2,
        -1,
    ]
