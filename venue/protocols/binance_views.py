"""Orders and trades as Binance's REST APIs show them. Numbers are text."""

from venue.listing import Listing
from venue.orders import BUY, Fill, Order
from venue.protocols.binance_flavor import Flavor
from venue.protocols.binance_names import (
    Numbers,
    decimal,
    futures_type,
    milliseconds,
    side_name,
    spot_type,
    status_name,
    symbol_id,
    time_in_force,
)

Json = dict[str, object]


class Views:
    """Of one listing."""

    def __init__(self, flavor: Flavor, listing: Listing) -> None:
        self._flavor = flavor
        self._listing = listing
        self.id = symbol_id(listing.instrument)
        self.numbers = Numbers(listing.instrument, is_futures=flavor.is_futures)

    # --- orders ------------------------------------------------------------------------------

    def order(self, order: Order) -> Json:
        """Return an order as a query shows it."""
        if self._flavor.is_futures:
            return self._futures_order(order) | {"time": milliseconds(order.opened_ns)}
        return {
            **self._spot_order(order),
            "stopPrice": self.numbers.price(order.trigger_ticks),
            "icebergQty": self.numbers.quantity(0),
            "time": milliseconds(order.opened_ns),
            "updateTime": milliseconds(order.changed_ns),
            "isWorking": not order.is_waiting,
            "workingTime": milliseconds(order.triggered_ns or order.opened_ns),
            "origQuoteOrderQty": self.numbers.quote(0),
        }

    def placed(self, order: Order, fills: list[Fill], kind: str) -> Json:
        """Return the answer to a new order: ACK, RESULT or FULL; futures know RESULT only."""
        if self._flavor.is_futures:
            return self._futures_order(order)
        answer: Json = {
            "symbol": self.id,
            "orderId": order.number,
            "orderListId": -1,
            "clientOrderId": client_id(order),
            "transactTime": milliseconds(order.changed_ns),
        }
        if kind == "ACK":
            return answer
        answer |= {**self._spot_order(order), "workingTime": milliseconds(order.opened_ns)}
        if order.trigger_ticks:
            answer["stopPrice"] = self.numbers.price(order.trigger_ticks)
        return answer if kind == "RESULT" else {**answer, "fills": [self._part(f) for f in fills]}

    def cancelled(self, order: Order, request_id: str) -> Json:
        """Return the answer to a cancel; spot orders get a new id with it."""
        if self._flavor.is_futures:
            return self._futures_order(order)
        return {
            **self._spot_order(order),
            "origClientOrderId": client_id(order),
            "clientOrderId": request_id or f"c{order.number}",
            "transactTime": milliseconds(order.changed_ns),
        }

    def algo_order(self, order: Order) -> Json:
        """Return a conditional order of futures; its order has the same number once it fires."""
        return {
            "algoId": order.number,
            "clientAlgoId": client_id(order),
            "algoType": "CONDITIONAL",
            "orderType": futures_type(order),
            "symbol": self.id,
            "side": side_name(order.side),
            "positionSide": "BOTH",
            "timeInForce": time_in_force(order, is_futures=True),
            "quantity": self.numbers.quantity(order.quantity_lots),
            "algoStatus": algo_status(order),
            "actualOrderId": str(order.number) if order.triggered_ns else "",
            "actualPrice": self.numbers.average(order.cost_units, order.filled_lots),
            "triggerPrice": self.numbers.price(order.trigger_ticks),
            "price": self.numbers.price(order.price_ticks),
            "icebergQuantity": None,
            "selfTradePreventionMode": "EXPIRE_MAKER",
            "workingType": working_type(order),
            "priceMatch": "NONE",
            "closePosition": False,
            "priceProtect": False,
            "reduceOnly": order.reduce_only,
            "createTime": milliseconds(order.opened_ns),
            "updateTime": milliseconds(order.changed_ns),
            "triggerTime": milliseconds(order.triggered_ns),
            "goodTillDate": 0,
        }

    def _spot_order(self, order: Order) -> Json:
        numbers = self.numbers
        return {
            "symbol": self.id,
            "orderId": order.number,
            "orderListId": -1,
            "clientOrderId": client_id(order),
            "price": numbers.price(order.price_ticks),
            "origQty": numbers.quantity(order.quantity_lots),
            "executedQty": numbers.quantity(order.filled_lots),
            "cummulativeQuoteQty": numbers.quote(order.cost_units),
            "status": status_name(order),
            "timeInForce": time_in_force(order, is_futures=False),
            "type": spot_type(order),
            "side": side_name(order.side),
            "selfTradePreventionMode": "EXPIRE_MAKER",
        }

    def _futures_order(self, order: Order) -> Json:
        numbers = self.numbers
        kind = "MARKET" if order.is_market else "LIMIT"
        return {
            "orderId": order.number,
            "symbol": self.id,
            "status": status_name(order),
            "clientOrderId": client_id(order),
            "price": numbers.price(order.price_ticks),
            "avgPrice": numbers.average(order.cost_units, order.filled_lots),
            "origQty": numbers.quantity(order.quantity_lots),
            "executedQty": numbers.quantity(order.filled_lots),
            "cumQty": numbers.quantity(order.filled_lots),
            "cumQuote": numbers.quote(order.cost_units),
            "timeInForce": time_in_force(order, is_futures=True),
            "type": kind,
            "reduceOnly": order.reduce_only,
            "closePosition": False,
            "side": side_name(order.side),
            "positionSide": "BOTH",
            "stopPrice": numbers.price(order.trigger_ticks),
            "workingType": working_type(order),
            "priceMatch": "NONE",
            "selfTradePreventionMode": "EXPIRE_MAKER",
            "goodTillDate": 0,
            "priceProtect": False,
            "origType": futures_type(order),
            "updateTime": milliseconds(order.changed_ns),
        }

    # --- trades ------------------------------------------------------------------------------

    def trade(self, fill: Fill) -> Json:
        """Return one of an account's trades."""
        common: Json = {
            "symbol": self.id,
            "id": fill.trade_number,
            "orderId": fill.order_number,
            "price": self.numbers.price(fill.price_ticks),
            "qty": self.numbers.quantity(fill.quantity_lots),
            "quoteQty": self.numbers.quote(fill.cost_units),
            "commission": self.fee(fill),
            "commissionAsset": fill.fee_asset,
            "time": milliseconds(fill.at_ns),
        }
        if self._flavor.is_futures:
            return common | {
                "side": side_name(fill.side),
                "positionSide": "BOTH",
                "realizedPnl": self.numbers.quote(fill.realised_units),
                "maker": fill.is_maker,
                "buyer": fill.side == BUY,
            }
        return common | {
            "orderListId": -1,
            "isBuyer": fill.side == BUY,
            "isMaker": fill.is_maker,
            "isBestMatch": True,
        }

    def fee(self, fill: Fill) -> str:
        """Return the fee of a fill in its asset."""
        instrument = self._listing.instrument
        is_base = fill.fee_asset == instrument.base.name
        asset = instrument.base if is_base else instrument.quote
        return decimal(fill.fee_units, asset.decimals)

    def _part(self, fill: Fill) -> Json:
        return {
            "price": self.numbers.price(fill.price_ticks),
            "qty": self.numbers.quantity(fill.quantity_lots),
            "commission": self.fee(fill),
            "commissionAsset": fill.fee_asset,
            "tradeId": fill.trade_number,
        }


def client_id(order: Order) -> str:
    """Return the client's id of an order; the venue makes one where the client gave none.

    That of an order by which the venue liquidates says so.
    """
    # Nothing else is placed by hand that may only reduce.
    if order.by_hand and order.reduce_only:
        return f"autoclose-{order.number}"
    return order.client_order_id or order.txid.replace("-", "")


def algo_status(order: Order) -> str:
    """Return the word for a conditional order's state."""
    if order.is_waiting:
        return "NEW"
    if not order.triggered_ns:
        return "CANCELED" if status_name(order) == "CANCELED" else "EXPIRED"
    return "FINISHED" if not order.is_open else "TRIGGERED"


def working_type(order: Order) -> str:
    """Return which price fires the order."""
    return "MARK_PRICE" if order.trigger_by.value == "mark" else "CONTRACT_PRICE"
