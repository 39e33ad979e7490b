"""Kraken's stop-loss and take-profit orders: they wait outside the book, then trade.

At the market, or at a limit where they rest (`stop-loss-limit`, `take-profit-limit`).
Source: docs.kraken.com/api, AddOrder (`ordertype`, `price`, `trigger`) and the WebSocket v2 channel
`executions` (`triggers`). Trailing stops are not offered here.
"""

from venue.instruments import Instrument
from venue.orders import Order, Trigger, TriggerKind
from venue.protocols.kraken_errors import invalid

Json = dict[str, object]

_KINDS = {"stop-loss": TriggerKind.STOP, "take-profit": TriggerKind.TAKE_PROFIT}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_LIMIT = "-limit"
ORDER_TYPES = ("limit", "market", *_KINDS, *(f"{name}{_LIMIT}" for name in _KINDS))


def trigger_of(order_type: str, ticks: int, reference: str) -> Trigger:
    """Return the trigger of a new order of this type. Raises `KrakenError`."""
    if reference not in ("", "last"):
        # The index price of a spot pair is another exchange's: the box has none.
        raise invalid("trigger")
    return Trigger(_KINDS[order_type.removesuffix(_LIMIT)], ticks)


def is_triggered(order_type: str) -> bool:
    """Whether orders of this type wait for a trigger."""
    return order_type.removesuffix(_LIMIT) in _KINDS


def rests_then(order_type: str) -> bool:
    """Whether orders of this type have a limit at which they rest once they were triggered."""
    return is_triggered(order_type) and order_type.endswith(_LIMIT)


def order_type(order: Order) -> str:
    """Return the `ordertype` of an order."""
    waits = _NAMES.get(order.trigger_kind)
    if waits is None:
        return "market" if order.is_market else "limit"
    return waits if order.is_market else f"{waits}{_LIMIT}"


def triggers(instrument: Instrument, order: Order) -> Json:
    """Return what `executions` says of an order's trigger; nothing for one without."""
    if not order.trigger_ticks:
        return {}
    return {
        "triggers": {
            "reference": "last",
            "price": instrument.format_price(order.trigger_ticks),
            "price_type": "static",
            "status": "untriggered" if order.is_waiting else "triggered",
        }
    }
