"""A strategy on candles, of two wishes, in a sleeve: what the shipped one does not use."""

from typing import NamedTuple

import pytest

from actors.sleeves.strategy import (
    BUY,
    CANCEL,
    LIMIT,
    Holding,
    Leg,
    Opinion,
    Parameter,
    Strategy,
    Wish,
    no_wish,
    register,
    strategy,
    strategy_names,
)
from messages.market import Candle
from messages.money import SleeveConfigured
from messages.orders import CancelIntent, Intent, OrderType, Side
from messages.runtime import Gap
from tests.actors.sleeves.scenes import SECOND_NS, Scene
from tests.actors.vaults import LEDGER, SYMBOL, VENUE

MINUTE_NS = 60 * SECOND_NS


class Memory(NamedTuple):
    candles: int
    mean: float


class Params(NamedTuple):
    every: int
    below: float


def begin(params: Params) -> Memory:
    return Memory(0, 0.0)


def step(
    memory: Memory,
    now_ns: int,
    legs: tuple[Leg],
    holdings: tuple[Holding],
    opinions: tuple[Opinion],
    params: Params,
) -> tuple[Memory, tuple[Wish, Wish]]:
    seen = memory.candles + 1
    memory = Memory(seen, memory.mean + (legs[0].close_ticks - memory.mean) / seen)
    if holdings[0].buying:
        return memory, (no_wish(1), Wish(CANCEL, 0, BUY, 0, 0, 0, 0, 0, 0, 0))
    if seen % params.every == 0:
        price = legs[0].close_ticks - 100
        return memory, (Wish(LIMIT, 0, BUY, price, 50, 1, 0, 0, 210_000, 0), no_wish(1))
    return memory, (no_wish(1), no_wish(1))


@register
class Counter(Strategy):
    """Buys below the close at every third candle, and takes it back at the next."""

    name = "test_counter"
    text = "For tests."
    wishes = 2
    timeframe_ns = MINUTE_NS
    parameters = (
        Parameter("every", 3, 1, 10, "candles"),
        Parameter("below", 0.5, 0.0, 1.0, "share of a percent"),
    )
    reasons = ("", "counting")
    memory_type = Memory
    params_type = Params

    begin = staticmethod(begin)
    step = staticmethod(step)


def scene() -> Scene:
    scene = Scene()
    scene.do(
        SleeveConfigured(
            user="ann",
            vault="kraken-sim-usdt",
            venue=VENUE,
            environment="sim",
            sleeve="flash",
            strategy="test_counter",
            symbols=(SYMBOL,),
            parameters={},
            ledger=LEDGER,
        )
    )
    return scene


def candle(
    scene: Scene, number: int, *, closed: bool = True, timeframe_ns: int = MINUTE_NS
) -> None:
    assert scene.top(200_000) == [], "it steps on candles, not on tops"
    scene.do(
        Candle(
            venue=VENUE,
            symbol=SYMBOL,
            timeframe_ns=timeframe_ns,
            open_ns=number * MINUTE_NS,
            open_ticks=200_000,
            high_ticks=200_100,
            low_ticks=199_900,
            close_ticks=200_000 + number,
            volume_lots=1,
            closed=closed,
        )
    )


def test_it_steps_once_per_closed_candle_of_its_timeframe() -> None:
    one = scene()
    candle(one, 1)
    candle(one, 2, closed=False)
    candle(one, 2, timeframe_ns=SECOND_NS)
    candle(one, 2)
    assert one.sent(Intent) == []
    candle(one, 3)
    (intent,) = one.sent(Intent)
    assert (intent.side, intent.type, intent.limit_ticks) == (Side.BUY, OrderType.LIMIT, 199_903)
    assert (intent.quantity_lots, intent.post_only, intent.take_ticks) == (50, True, 210_000)
    assert tuple(one.probe.state.memory) == (3, 200_002.0)
    candle(one, 4)
    assert one.sent(CancelIntent) == [CancelIntent(intent_id=intent.intent_id, sleeve="flash")]
    candle(one, 5)
    assert one.sent(CancelIntent) == [], "it asks once"


def test_missing_candles_make_it_forget() -> None:
    one = scene()
    candle(one, 1)
    one.do(Gap(topic="/market/kraken-sim/eth-usdt/top", missed=3))
    assert tuple(one.probe.state.memory) == (1, 200_001.0)
    one.do(Gap(topic="/market/kraken-sim/eth-usdt/candles", missed=1))
    candle(one, 4)
    assert tuple(one.probe.state.memory) == (1, 200_004.0)


def test_parameters_keep_the_kind_of_their_default() -> None:
    params = Counter.settings({"every": 2.0})
    assert (params.every, type(params.every)) == (2, int)
    assert (params.below, type(params.below)) == (0.5, float)


def test_names_are_given_once() -> None:
    assert strategy("test_counter") is Counter
    assert register(Counter) is Counter
    assert "buy_low_sell_high" in strategy_names()

    class Other(Counter):
        pass

    with pytest.raises(ValueError, match="two strategies are called 'test_counter'"):
        register(Other)
