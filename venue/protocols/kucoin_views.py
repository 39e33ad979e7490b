"""Orders and trades as KuCoin's REST API shows them. Numbers are text."""

from venue.instruments import format_units
from venue.listing import Listing
from venue.orders import Fill, Order
from venue.protocols.kucoin_names import (
    Numbers,
    is_cancelled,
    milliseconds,
    order_id,
    order_type,
    side_name,
    stop_name,
    symbol_id,
    time_in_force,
)

Json = dict[str, object]

PPM_DECIMALS = 6


class Views:
    """Of one listing."""

    def __init__(self, listing: Listing) -> None:
        instrument = listing.instrument
        self._instrument = instrument
        self.id = symbol_id(instrument)
        self.numbers = Numbers(instrument)

    def order(self, order: Order) -> Json:
        """Return an order as a query shows it."""
        numbers, asked = (
            self.numbers,
            self._instrument.cost_units(order.price_ticks, order.quantity_lots),
        )
        left_lots = order.remaining_lots if order.is_open else 0
        cancelled_lots = 0 if order.is_open else order.remaining_lots
        return {
            **self._common(order),
            "opType": "DEAL",
            "price": numbers.price(order.price_ticks),
            "funds": numbers.quote(asked),
            "dealSize": numbers.quantity(order.filled_lots),
            "dealFunds": numbers.quote(order.cost_units),
            "remainSize": numbers.quantity(left_lots),
            "remainFunds": numbers.quote(self._instrument.cost_units(order.price_ticks, left_lots)),
            "cancelledSize": numbers.quantity(cancelled_lots),
            "cancelledFunds": numbers.quote(
                self._instrument.cost_units(order.price_ticks, cancelled_lots)
            ),
            "fee": numbers.quote(order.fee_units),
            "feeCurrency": self._instrument.quote.name,
            "tax": "0",
            "cancelExist": is_cancelled(order),
            "lastUpdatedAt": milliseconds(order.changed_ns),
            "inOrderBook": order.is_open,
            "active": order.is_open,
        }

    def stop_order(self, order: Order) -> Json:
        """Return an order that waits, or waited, for its price."""
        status = "NEW" if order.is_waiting else "TRIGGERED" if order.triggered_ns else "CANCELLED"
        return {
            **self._common(order),
            "status": status,
            "price": None if order.is_market else self.numbers.price(order.price_ticks),
            "stop": stop_name(order),
            "stopPrice": self.numbers.price(order.trigger_ticks),
            "stopTriggerTime": milliseconds(order.triggered_ns) if order.triggered_ns else None,
            "orderTime": order.opened_ns,
            "cancelExist": is_cancelled(order),
            "feeCurrency": self._instrument.quote.name,
            "tradeSource": "USER",
        }

    def sync(self, order: Order) -> Json:
        """Return the answer of a request that waits for the matching."""
        cancelled_lots = 0 if order.is_open else order.remaining_lots
        return {
            "orderId": order_id(order.number),
            "clientOid": client_id(order),
            "orderTime": milliseconds(order.opened_ns),
            "originSize": self.numbers.quantity(order.quantity_lots),
            "dealSize": self.numbers.quantity(order.filled_lots),
            "remainSize": self.numbers.quantity(order.remaining_lots if order.is_open else 0),
            "canceledSize": self.numbers.quantity(cancelled_lots),
            "status": "open" if order.is_open else "done",
            "matchTime": milliseconds(order.changed_ns),
        }

    def trade(self, fill: Fill, rate_ppm: int) -> Json:
        """Return one of an account's trades."""
        return {
            "id": fill.number,
            "symbol": self.id,
            "tradeId": trade_id(fill.trade_number),
            "orderId": order_id(fill.order_number),
            "counterOrderId": counter_id(fill.trade_number),
            "side": side_name(fill.side),
            "liquidity": "maker" if fill.is_maker else "taker",
            "forceTaker": False,
            "price": self.numbers.price(fill.price_ticks),
            "size": self.numbers.quantity(fill.quantity_lots),
            "funds": self.numbers.quote(fill.cost_units),
            "fee": self.numbers.fee(fill),
            "feeRate": format_units(rate_ppm, PPM_DECIMALS),
            "feeCurrency": fill.fee_asset,
            "stop": "",
            "tradeType": "TRADE",
            "type": "market" if fill.is_market else "limit",
            "createdAt": milliseconds(fill.at_ns),
        }

    def _common(self, order: Order) -> Json:
        return {
            "id": order_id(order.number),
            "symbol": self.id,
            "type": order_type(order),
            "side": side_name(order.side),
            "size": self.numbers.quantity(order.quantity_lots),
            "stp": None,
            "timeInForce": time_in_force(order),
            "postOnly": order.post_only,
            "hidden": False,
            "iceberg": False,
            "visibleSize": "0",
            "cancelAfter": (order.expire_ns - order.opened_ns) // 10**9 if order.expire_ns else 0,
            "channel": "API",
            "clientOid": client_id(order),
            "remark": None,
            "tags": None,
            "createdAt": milliseconds(order.opened_ns),
            "tradeType": "TRADE",
        }


def client_id(order: Order) -> str:
    """Return the client's id of an order; the venue makes one where the client gave none."""
    return order.client_order_id or order.txid


def trade_id(number: int) -> str:
    """Return the id of a trade as everybody sees it."""
    return str(number)


def counter_id(trade_number: int) -> str:
    """Return the id of the other side's order, which is nobody's that could be asked for."""
    return f"7{trade_number:023x}"
