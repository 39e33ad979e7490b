"""A strategy that follows the price with its order, and one stop: what the shipped one does not."""

from typing import NamedTuple

import pytest

from actors.sleeves.strategy import (
    AMEND,
    BUY,
    LIMIT,
    SELL,
    STOP,
    STOP_LIMIT,
    TRAIL,
    Holding,
    Leg,
    Opinion,
    Strategy,
    Wish,
    register,
)
from messages.amends import AmendIntent
from messages.money import SleeveConfigured
from messages.orders import Intent, OrderState, OrderType
from tests.actors.sleeves.scenes import SECOND_NS, Scene
from tests.actors.vaults import LEDGER, SYMBOL, VENUE


class Nothing(NamedTuple):
    pass


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
    if holdings[0].lots:
        return memory, (Wish(STOP, 0, SELL, 190_000, 0, 0, 0, 0, 0, 0),)
    kind = AMEND if holdings[0].buying else LIMIT
    return memory, (Wish(kind, 0, BUY, legs[0].bid_ticks - 100, 50, 1, 0, 0, 0, 0),)


@register
class Follower(Strategy):
    """Rests a hundred ticks below the bid; what it bought it protects with a stop."""

    name = "test_follower"
    text = "For tests."
    memory_type = Nothing
    params_type = Nothing

    begin = staticmethod(begin)
    step = staticmethod(step)


def scene() -> tuple[Scene, Intent]:
    one = Scene()
    one.do(
        SleeveConfigured(
            user="ann",
            vault="kraken-sim-usdt",
            venue=VENUE,
            environment="sim",
            sleeve="flash",
            strategy="test_follower",
            symbols=(SYMBOL,),
            parameters={},
            ledger=LEDGER,
        )
    )
    (intent,) = one.top(200_000)
    return one, intent


def test_another_price_is_asked_for_once_and_not_too_soon() -> None:
    one, intent = scene()
    assert intent.limit_ticks == 199_900
    assert one.top(200_050) == []
    assert one.sent(AmendIntent) == [
        AmendIntent(intent_id=intent.intent_id, sleeve="flash", limit_ticks=199_950)
    ]
    one.top(200_050)
    assert one.sent(AmendIntent) == [], "the same price is no news"
    one.top(200_060)
    assert one.sent(AmendIntent) == [], "a second has not passed"
    one.top(200_060, SECOND_NS)
    assert [a.limit_ticks for a in one.sent(AmendIntent)] == [199_960]


def test_a_new_wish_follows_the_end_of_the_old_one() -> None:
    one, intent = scene()
    one.told(intent.intent_id, OrderState.OPEN, reason="not amended: too little money")
    assert one.top(200_500, SECOND_NS) == []
    assert len(one.sent(AmendIntent)) == 1
    one.told(intent.intent_id, OrderState.CANCELLED)
    assert [i.limit_ticks for i in one.top(200_500)] == [200_400]


def test_a_stop_is_wished_for_with_its_trigger() -> None:
    one, intent = scene()
    one.told(intent.intent_id, OrderState.FILLED, 50, 199_900)
    (stop,) = one.top(200_000)
    assert (stop.type, stop.trigger_ticks, stop.limit_ticks) == (OrderType.STOP, 190_000, 0)
    assert one.top(200_000) == [], "it rests"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (STOP_LIMIT, (OrderType.STOP, 189_000, 189_900)),
        (TRAIL, (OrderType.TRAILING_STOP, 0, 189_000)),
    ],
)
def test_what_guard_holds_is_wished_for_once(
    kind: int, expected: tuple[OrderType, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, bought = scene()
    one.told(bought.intent_id, OrderState.FILLED, 50, 199_900)
    wish = Wish(kind, 0, SELL, 189_000, 0, 0, 0, 189_900 if kind == STOP_LIMIT else 0, 0, 0)
    monkeypatch.setattr(Follower, "step", staticmethod(lambda memory, *_: (memory, (wish,))))
    (intent,) = one.top(200_000)
    assert (intent.type, intent.limit_ticks, intent.trigger_ticks) == expected
    assert intent.stop_ticks == 0
    one.told(intent.intent_id, OrderState.CANCELLED, 50, 199_900, guarded=True)
    assert one.top(200_100) == []
    another = wish._replace(price_ticks=189_100)
    monkeypatch.setattr(Follower, "step", staticmethod(lambda memory, *_: (memory, (another,))))
    assert len(one.top(200_200)) == 1
