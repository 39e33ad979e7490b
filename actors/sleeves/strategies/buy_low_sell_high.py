"""The buy-low/sell-high cycle: buy a dip below the recent high, sell at a target above the entry.

Entries are limit orders at the ask, which cannot cost more than was reckoned with. No entry
unless the way back up to the recent high, which is the edge it expects, exceeds all costs by the
vault's minimum (V4).
"""

from typing import NamedTuple

from actors.sleeves.indicators import Extremes, extremes_begin, extremes_step, highest, lowest
from actors.sleeves.strategy import (
    BUY,
    LIMIT,
    MARKET,
    SELL,
    Holding,
    Leg,
    Opinion,
    Parameter,
    Strategy,
    Wish,
    no_wish,
    register,
)

SECOND_NS = 1_000_000_000
PPM = 1_000_000

WARMING, NO_PRICE, WAITING, NO_EDGE, IN_FLIGHT, HOLDING, ENTER, TARGET, STOP, FALLING = range(1, 11)
REASONS = (
    "",
    "watching the market until the window is full",
    "no price",
    "waiting for a dip",
    "the dip does not pay for fees, slippage and the minimum edge",
    "an order is in flight",
    "holding until target or stop",
    "bought the dip",
    "target reached",
    "stop reached",
    "waiting for the dip to turn",
)


class Memory(NamedTuple):
    """What it remembers: the recent prices, and when it last left by its stop."""

    recent: Extremes
    stopped_ns: int


class Params(NamedTuple):
    """The declared parameters, as numbers."""

    window_ns: int
    dip_ppm: int
    turn_ppm: int
    target_ppm: int
    stop_ppm: int
    guard_ppm: int
    rest_ns: int
    patience_ns: int


def begin(params: Params) -> Memory:
    """Return the memory before the first step."""
    return Memory(extremes_begin(), 0)


def step(
    memory: Memory,
    now_ns: int,
    legs: tuple[Leg],
    holdings: tuple[Holding],
    opinions: tuple[Opinion],
    params: Params,
) -> tuple[Memory, tuple[Wish]]:
    """Take one top of book in and decide."""
    leg = legs[0]
    holding = holdings[0]
    if leg.bid_ticks <= 0 or leg.ask_ticks <= leg.bid_ticks:
        return memory, (no_wish(NO_PRICE),)
    recent = extremes_step(memory.recent, leg.bid_ticks, now_ns, params.window_ns)
    memory = Memory(recent, memory.stopped_ns)
    if holding.buying or holding.selling:
        return memory, (no_wish(IN_FLIGHT),)
    if holding.lots > 0:
        return _leave(memory, now_ns, leg, holding, params)
    if now_ns - recent.first_ns < params.window_ns:
        return memory, (no_wish(WARMING),)
    return memory, (_enter(memory, now_ns, leg, params),)


def _enter(memory: Memory, now_ns: int, leg: Leg, params: Params) -> Wish:
    reference = highest(memory.recent)
    rise = reference - leg.ask_ticks
    bottom = lowest(memory.recent)
    if rise * PPM < params.dip_ppm * reference or now_ns - memory.stopped_ns < params.rest_ns:
        return no_wish(WAITING)
    if rise * PPM < (leg.cost_ppm + leg.edge_ppm_min) * leg.ask_ticks:
        return no_wish(NO_EDGE)
    if (leg.bid_ticks - bottom) * PPM < params.turn_ppm * bottom:
        return no_wish(FALLING)
    below = (params.stop_ppm + params.guard_ppm) * leg.ask_ticks // PPM
    return Wish(
        LIMIT,
        0,
        BUY,
        leg.ask_ticks,
        0,
        0,
        params.patience_ns,
        leg.ask_ticks - below,
        0,
        ENTER,
    )


def _leave(
    memory: Memory, now_ns: int, leg: Leg, holding: Holding, params: Params
) -> tuple[Memory, tuple[Wish]]:
    gain = leg.bid_ticks - holding.entry_ticks
    least = leg.cost_ppm + leg.edge_ppm_min
    target = max(least, params.target_ppm)
    if gain * PPM >= target * holding.entry_ticks:
        wish = Wish(LIMIT, 0, SELL, leg.bid_ticks, 0, 0, params.patience_ns, 0, 0, TARGET)
        return memory, (wish,)
    if -gain * PPM >= params.stop_ppm * holding.entry_ticks:
        wish = Wish(MARKET, 0, SELL, 0, 0, 0, 0, 0, 0, STOP)
        return Memory(memory.recent, now_ns), (wish,)
    return memory, (no_wish(HOLDING),)


@register
class BuyLowSellHigh(Strategy):
    """The declaration of the cycle."""

    name = "buy_low_sell_high"
    text = "Buys a dip below the recent high and sells at a target above the entry, or at a stop."
    parameters = (
        Parameter(
            "window_ns", 10 * SECOND_NS, SECOND_NS, 86_400 * SECOND_NS, "recent high: of this"
        ),
        Parameter("dip_ppm", 6_000, 100, 500_000, "how far below the recent high it buys"),
        Parameter("turn_ppm", 500, 0, 500_000, "how far above the recent low it buys"),
        Parameter(
            "target_ppm", 4_000, 100, 1_000_000, "how far above the entry it sells, at least"
        ),
        Parameter("stop_ppm", 20_000, 500, 500_000, "how far below the entry it gives up"),
        Parameter("guard_ppm", 3_000, 0, 500_000, "how far below its stop guard's stop lies"),
        Parameter("rest_ns", 10 * SECOND_NS, 0, 86_400 * SECOND_NS, "pause after a stop"),
        Parameter("patience_ns", 2 * SECOND_NS, 0, 3_600 * SECOND_NS, "cancel an order after this"),
    )
    reasons = REASONS
    warm_up_ns = 10 * SECOND_NS
    memory_type = Memory
    params_type = Params
    begin = staticmethod(begin)
    step = staticmethod(step)
