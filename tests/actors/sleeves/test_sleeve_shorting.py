"""A sleeve on a perpetual: which side enters depends on what it holds, and on its direction."""

from typing import NamedTuple

from actors.sleeves.strategy import (
    BUY,
    MARKET,
    SELL,
    Holding,
    Leg,
    Opinion,
    Strategy,
    Wish,
    register,
)
from messages.money import CloseNow, Direction, Pause
from messages.orders import CancelIntent, Intent, OrderState, Side
from tests.actors.perpetual_vaults import perpetual
from tests.actors.sleeves.scenes import Scene


class Nothing(NamedTuple):
    """Neither memory nor parameters."""


def begin(params: Nothing) -> Nothing:
    return params


def step(
    memory: Nothing,
    now_ns: int,
    legs: tuple[Leg],
    holdings: tuple[Holding],
    opinions: tuple[Opinion],
    params: Nothing,
) -> tuple[Nothing, tuple[Wish]]:
    """Sell above 2 000.00, buy below."""
    side = SELL if legs[0].bid_ticks > 200_000 else BUY
    return memory, (Wish(MARKET, 0, side, 0, 0, 0, 0, 0, 0, 0),)


@register
class Swing(Strategy):
    """For tests."""

    name = "test_swing"
    text = "For tests."
    memory_type = Nothing
    params_type = Nothing
    begin = staticmethod(begin)
    step = staticmethod(step)


def scene(direction: Direction) -> Scene:
    return Scene(listed=perpetual(), strategy="test_swing", direction=direction)


def sides(intents: list[Intent]) -> list[Side]:
    return [intent.side for intent in intents]


def test_a_sleeve_opens_what_its_direction_allows() -> None:
    assert sides(scene(Direction.LONG).top(201_000)) == []
    assert sides(scene(Direction.LONG).top(199_000)) == [Side.BUY]
    assert sides(scene(Direction.SHORT).top(201_000)) == [Side.SELL]
    assert sides(scene(Direction.SHORT).top(199_000)) == []
    assert sides(scene(Direction.BOTH).top(201_000)) == [Side.SELL]


def short(direction: Direction = Direction.SHORT) -> Scene:
    """Return a sleeve that is 1 000 lots short."""
    sleeve = scene(direction)
    (intent,) = sleeve.top(201_000)
    sleeve.told(intent.intent_id, OrderState.FILLED, -1_000, 201_000)
    return sleeve


def test_a_short_position_is_closed_by_a_buy_whatever_the_direction() -> None:
    sleeve = short()
    assert sides(sleeve.top(199_000)) == [Side.BUY]


def test_close_buys_a_short_position_back() -> None:
    sleeve = short()
    sleeve.do(CloseNow(operator="ann"))
    (intent,) = sleeve.sent(Intent)
    assert (intent.side, intent.quantity_lots) == (Side.BUY, 0)
    sleeve.told(intent.intent_id, OrderState.FILLED)
    assert sleeve.shown[0] == "paused"


def test_pause_calls_an_open_entry_back_and_leaves_an_exit_alone() -> None:
    entering = scene(Direction.SHORT)
    (entry,) = entering.top(201_000)
    entering.do(Pause(operator="ann"))
    (called,) = entering.sent(CancelIntent)
    assert called.intent_id == entry.intent_id
    leaving = short()
    leaving.top(199_000)
    leaving.do(Pause(operator="ann"))
    assert leaving.sent(CancelIntent) == []
