import random
import struct
from collections.abc import Callable
from typing import Any

import pytest

from actors.sleeves import indicators as ind
from actors.sleeves.compiled import compiled
from actors.sleeves.strategies.buy_low_sell_high import BuyLowSellHigh
from actors.sleeves.strategy import SELL, Holding, Leg, Opinion

SECOND_NS = 10**9


def bits(value: object) -> object:
    """Return numbers by their bits, so that equal means the same to the last one."""
    if isinstance(value, tuple):
        return tuple(bits(part) for part in value)
    if isinstance(value, float):
        return struct.pack("<d", value)
    return value


def path(seed: int, length: int) -> list[Leg]:
    draw = random.Random(seed)  # noqa: S311 - a test path, not a secret
    bid, legs = 200_000, []
    now = 1_800_000_000 * SECOND_NS
    for _ in range(length):
        bid = max(1_000, bid + int(draw.gauss(0, 200)))
        spread = draw.choice((-1, 1, 5, 20))
        now += draw.choice((1, SECOND_NS // 10, SECOND_NS))
        if draw.random() < 0.01:
            now += 20 * SECOND_NS
        legs.append(Leg(bid, 1, bid + spread, 1, now, 0, 0, 0, 0, 0, 0, 2_000, 500))
    return legs


@pytest.mark.check
def test_the_compiled_step_does_the_same_to_the_last_bit() -> None:
    fast = compiled(BuyLowSellHigh.step)
    for seed in range(20):
        compare(fast, path(seed, 400))


def compare(fast: Callable[..., Any], legs: list[Leg]) -> None:
    strategy = BuyLowSellHigh
    params = strategy.settings({"window_ns": 5.0 * SECOND_NS, "dip_ppm": 1_000})
    plain_memory = fast_memory = strategy.begin(params)
    holding, wished = Holding(0, 0, 0, 0, 0), 0
    for leg in legs:
        shown = (leg.top_ns, (leg,), (holding,), (Opinion(0.0, 0.0, 0.0, 0.0, 0),), params)
        plain_memory, plain = strategy.step(plain_memory, *shown)
        fast_memory, quick = fast(fast_memory, *shown)
        assert bits(plain_memory) == bits(fast_memory)
        assert bits(plain) == bits(quick)
        if plain[0].kind:
            wished += 1
            holding = (
                Holding(0, 0, 0, 0, 0)
                if plain[0].side == SELL
                else Holding(10, leg.ask_ticks, 0, 0, leg.top_ns)
            )
    assert wished > 1, "a path without trades shows nothing"


def test_the_compiled_indicators_do_the_same_to_the_last_bit() -> None:
    draw = random.Random(7)  # noqa: S311 - a test path, not a secret
    ema, atr, vwap = compiled(ind.ema_step), compiled(ind.atr_step), compiled(ind.vwap_step)
    one, two = ind.ema_begin(), ind.ema_begin()
    three, four = ind.atr_begin(), ind.atr_begin()
    five, six = ind.vwap_begin(), ind.vwap_begin()
    for step in range(300):
        value = draw.uniform(1.0, 2.0)
        one, two = ind.ema_step(one, value, 10), ema(two, value, 10)
        high, low = value * 1.01, value * 0.99
        three = ind.atr_step(three, high, low, value, 14)
        four = atr(four, high, low, value, 14)
        five = ind.vwap_step(five, value, high, step, 100)
        six = vwap(six, value, high, step, 100)
        assert bits((one, three, five)) == bits((two, four, six))


def test_a_step_is_a_pure_function_of_its_arguments() -> None:
    params = BuyLowSellHigh.settings({"window_ns": 5.0 * SECOND_NS})
    memory = BuyLowSellHigh.begin(params)
    for leg in path(3, 50):
        shown = (leg.top_ns, (leg,), (Holding(0, 0, 0, 0, 0),), (Opinion(0, 0, 0, 0, 0),), params)
        first = BuyLowSellHigh.step(memory, *shown)
        assert first == BuyLowSellHigh.step(memory, *shown)
        memory = first[0]
