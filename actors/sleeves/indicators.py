"""Indicators as folds: a NamedTuple of numbers, and a function that takes it one value further.

Plain Python live, compiled by numba in bulk: only + - * / and comparisons, so both agree to the
last bit.
"""

from typing import NamedTuple

# --- exponential moving average


class Ema(NamedTuple):
    """An exponential moving average, started by the mean of its first `period` values."""

    value: float
    """0 until there is one; then the mean so far, then the average."""
    seen: int


def ema_begin() -> Ema:
    """Return an average that has seen nothing."""
    return Ema(0.0, 0)


def ema_step(ema: Ema, value: float, period: int) -> Ema:
    """Take one value in; from the `period`th on this is TA-Lib's EMA."""
    if ema.seen < period:
        seen = ema.seen + 1
        return Ema(ema.value + (value - ema.value) / seen, seen)
    weight = 2.0 / (period + 1.0)
    return Ema(ema.value + weight * (value - ema.value), ema.seen)


# --- average true range


class Atr(NamedTuple):
    """Wilder's average true range."""

    value: float
    last_close: float
    seen: int
    """Ranges taken in; the first candle has none."""


def atr_begin() -> Atr:
    """Return a range that has seen nothing."""
    return Atr(0.0, 0.0, -1)


def atr_step(atr: Atr, high: float, low: float, close: float, period: int) -> Atr:
    """Take one closed candle in; from the `period`th range on this is TA-Lib's ATR."""
    if atr.seen < 0:
        return Atr(0.0, close, 0)
    spread = high - low
    up = high - atr.last_close
    down = atr.last_close - low
    spread = max(spread, up)
    spread = max(spread, down)
    if atr.seen < period:
        seen = atr.seen + 1
        return Atr(atr.value + (spread - atr.value) / seen, close, seen)
    return Atr((atr.value * (period - 1.0) + spread) / period, close, atr.seen)


# --- volume-weighted average price


class Vwap(NamedTuple):
    """The volume-weighted average price of a session."""

    notional: float
    volume: float
    session: int
    """The number of the session that is being summed."""


def vwap_begin() -> Vwap:
    """Return an average that has seen nothing."""
    return Vwap(0.0, 0.0, -1)


def vwap_step(vwap: Vwap, price: float, volume: float, now_ns: int, session_ns: int) -> Vwap:
    """Take one trade or candle in; a new session starts anew."""
    session = now_ns // session_ns
    if session != vwap.session:
        return Vwap(price * volume, volume, session)
    return Vwap(vwap.notional + price * volume, vwap.volume + volume, session)


def vwap_value(vwap: Vwap) -> float:
    """Return the average; 0 without any volume."""
    return vwap.notional / vwap.volume if vwap.volume > 0.0 else 0.0


# --- highest and lowest of a span of time

SPAN_PARTS = 8


class Extremes(NamedTuple):
    """The highest and lowest of the last `span_ns`, in eight parts, the oldest leaving whole.

    So it covers between seven and eight eighths of the span, in a state of fixed size.
    """

    highs: tuple[int, int, int, int, int, int, int, int]
    """The newest part first; 0 for a part without values."""
    lows: tuple[int, int, int, int, int, int, int, int]
    part: int
    """The number of the newest part since the epoch."""
    first_ns: int
    """When the first value since the last gap of a whole span came; 0 before any."""


def extremes_begin() -> Extremes:
    """Return extremes that have seen nothing."""
    none = (0, 0, 0, 0, 0, 0, 0, 0)
    return Extremes(none, none, 0, 0)


def extremes_step(extremes: Extremes, value: int, now_ns: int, span_ns: int) -> Extremes:
    """Take one positive value in."""
    none = (0, 0, 0, 0, 0, 0, 0, 0)
    part = now_ns // (span_ns // SPAN_PARTS)
    highs, lows = extremes.highs, extremes.lows
    behind = part - extremes.part
    first_ns = extremes.first_ns
    if behind >= SPAN_PARTS or first_ns == 0:
        highs, lows, first_ns = none, none, now_ns
        behind = 0
    for _ in range(behind):
        highs = (0, highs[0], highs[1], highs[2], highs[3], highs[4], highs[5], highs[6])
        lows = (0, lows[0], lows[1], lows[2], lows[3], lows[4], lows[5], lows[6])
    high = max(highs[0], value)
    low = value if lows[0] == 0 or value < lows[0] else lows[0]
    highs = (high, highs[1], highs[2], highs[3], highs[4], highs[5], highs[6], highs[7])
    lows = (low, lows[1], lows[2], lows[3], lows[4], lows[5], lows[6], lows[7])
    return Extremes(highs, lows, part, first_ns)


def highest(extremes: Extremes) -> int:
    """Return the highest value of the span; 0 without values."""
    found = 0
    for value in extremes.highs:
        found = max(found, value)
    return found


def lowest(extremes: Extremes) -> int:
    """Return the lowest value of the span; 0 without values."""
    found = 0
    for value in extremes.lows:
        if value > 0 and (found == 0 or value < found):
            found = value
    return found
