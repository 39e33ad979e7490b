"""Orders, fills and algo orders as OKX shows them. Numbers are text."""

from venue.instruments import Instrument
from venue.orders import BUY, Fill, Order, TriggerBy, TriggerKind
from venue.protocols.okx_names import (
    Numbers,
    cancel_source,
    inst_id,
    inst_type,
    milliseconds,
    order_type,
    side_name,
    state_name,
)
from venue.protocols.okx_orders import ALGO_TYPES, CONDITIONAL_TYPE, MARKET_PRICE

Json = dict[str, object]


class Views:
    """Of one instrument."""

    def __init__(self, numbers: Numbers) -> None:
        self.numbers = numbers
        self._instrument: Instrument = numbers.instrument
        self._head: Json = {
            "instType": inst_type(numbers.instrument),
            "instId": inst_id(numbers.instrument),
        }

    @property
    def is_spot(self) -> bool:
        return self._instrument.contract is None

    def trade_mode(self, *, is_isolated: bool) -> str:
        """Return the trade mode that orders of the instrument have."""
        if self.is_spot:
            return "cash"
        return "isolated" if is_isolated else "cross"

    def fee_asset(self, side: int) -> str:
        """Return the asset in which an order of a side pays its fees."""
        instrument = self._instrument
        is_base = self.is_spot and side == BUY
        return (instrument.base if is_base else instrument.quote).name

    # --- orders --------------------------------------------------------------------------------

    def order(self, order: Order, last: Fill | None, *, leverage: int, is_isolated: bool) -> Json:
        """Return an order with its last fill, as a query shows it."""
        numbers = self.numbers
        source, reason = cancel_source(order)
        asset = self.fee_asset(order.side)
        is_algo = bool(order.trigger_ticks)
        return {
            **self._head,
            "tgtCcy": "base_ccy" if self.is_spot and order.is_market else "",
            "ccy": "",
            "ordId": str(order.number),
            "clOrdId": order.client_order_id,
            "algoId": str(order.number) if is_algo else "",
            "algoClOrdId": order.client_order_id if is_algo else "",
            "tag": "",
            "px": "" if order.is_market else numbers.price(order.price_ticks),
            "sz": numbers.size(order.quantity_lots),
            "ordType": order_type(order),
            "side": side_name(order.side),
            "posSide": "" if self.is_spot else "net",
            "tdMode": self.trade_mode(is_isolated=is_isolated),
            "accFillSz": numbers.size(order.filled_lots),
            "fillPx": numbers.price(last.price_ticks) if last else "",
            "tradeId": str(last.trade_number) if last else "",
            "fillSz": numbers.size(last.quantity_lots) if last else "0",
            "fillTime": milliseconds(last.at_ns) if last else "",
            "state": state_name(order),
            "avgPx": numbers.average(order.cost_units, order.filled_lots),
            "lever": "" if self.is_spot else str(leverage),
            **_no_levels(),
            "stpMode": "cancel_maker",
            "feeCcy": asset,
            "fee": numbers.fee(order.fee_units, asset),
            "rebateCcy": asset,
            "rebate": "0",
            "pnl": "0",
            "source": "7" if is_algo else "",
            "category": "normal",
            "reduceOnly": "true" if order.reduce_only else "false",
            "cancelSource": source,
            "cancelSourceReason": reason,
            "quickMgnType": "",
            "isTpLimit": "false",
            "attachAlgoOrds": [],
            "linkedAlgoOrd": {"algoId": ""},
            "uTime": milliseconds(order.changed_ns),
            "cTime": milliseconds(order.triggered_ns or order.opened_ns),
        }

    def told(self, row: Json, fill: Fill | None, *, amended: bool) -> Json:
        """Return an order's row with what only the stream has; `fill` is what is told now."""
        extra: Json = {
            "code": "0",
            "msg": "",
            "reqId": "",
            "amendResult": "0" if amended else "",
            "amendSource": "1" if amended else "",
            "notionalUsd": "",
            "execType": "",
            "fillFee": "0",
            "fillFeeCcy": "",
            "fillNotionalUsd": "",
            "fillPnl": "0",
            "fillPx": "",
            "fillSz": "0",
            "fillTime": "",
            "tradeId": "",
        }
        if fill is not None:
            numbers = self.numbers
            extra |= {
                "execType": "M" if fill.is_maker else "T",
                "fillFee": numbers.fee(fill.fee_units, fill.fee_asset),
                "fillFeeCcy": fill.fee_asset,
                "fillNotionalUsd": numbers.quote(fill.cost_units),
                "fillPnl": numbers.quote(fill.realised_units),
                "fillPx": numbers.price(fill.price_ticks),
                "fillSz": numbers.size(fill.quantity_lots),
                "fillTime": milliseconds(fill.at_ns),
                "tradeId": str(fill.trade_number),
            }
        return row | extra

    def fill(self, fill: Fill, client_order_id: str) -> Json:
        """Return one of an account's fills."""
        numbers = self.numbers
        return {
            **self._head,
            "tradeId": str(fill.trade_number),
            "ordId": str(fill.order_number),
            "clOrdId": client_order_id,
            "billId": str(fill.number),
            "tag": "",
            "fillPx": numbers.price(fill.price_ticks),
            "fillSz": numbers.size(fill.quantity_lots),
            "fillPnl": numbers.quote(fill.realised_units),
            "side": side_name(fill.side),
            "posSide": "net",
            "execType": "M" if fill.is_maker else "T",
            "feeCcy": fill.fee_asset,
            "fee": numbers.fee(fill.fee_units, fill.fee_asset),
            "subType": "1" if fill.side == BUY else "2",
            "fillTime": milliseconds(fill.at_ns),
            "ts": milliseconds(fill.at_ns),
        }

    # --- algo orders ---------------------------------------------------------------------------

    def algo(self, order: Order, *, leverage: int, is_isolated: bool) -> Json:
        """Return an algo order; the order that it fires has the same number."""
        numbers = self.numbers
        price = MARKET_PRICE if order.is_market else numbers.price(order.price_ticks)
        trigger = numbers.price(order.trigger_ticks)
        by = "mark" if order.trigger_by is TriggerBy.MARK else "last"
        is_fired = bool(order.triggered_ns)
        row: Json = {
            **self._head,
            "algoId": str(order.number),
            "algoClOrdId": order.client_order_id,
            "clOrdId": order.client_order_id,
            "ordId": str(order.number) if is_fired else "",
            "ordIdList": [str(order.number)] if is_fired else [],
            "ordType": ALGO_TYPES.get(order.user_reference, "trigger"),
            "side": side_name(order.side),
            "posSide": "net",
            "sz": numbers.size(order.quantity_lots),
            "closeFraction": "",
            "state": algo_state(order),
            "ccy": "",
            "tag": "",
            "tdMode": self.trade_mode(is_isolated=is_isolated),
            "tgtCcy": "base_ccy" if self.is_spot and order.is_market else "",
            "lever": "" if self.is_spot else str(leverage),
            "actualPx": numbers.average(order.cost_units, order.filled_lots),
            "actualSide": "",
            "actualSz": numbers.size(order.filled_lots),
            "failCode": "51008" if algo_state(order) == "order_failed" else "",
            "reduceOnly": "true" if order.reduce_only else "false",
            "triggerTime": milliseconds(order.triggered_ns) if is_fired else "",
            "cTime": milliseconds(order.opened_ns),
            "uTime": milliseconds(order.changed_ns),
            "triggerPx": "",
            "triggerPxType": "",
            "ordPx": "",
            **_no_levels(),
        }
        if order.user_reference != CONDITIONAL_TYPE:
            return row | {"triggerPx": trigger, "triggerPxType": by, "ordPx": price}
        prefix = "sl" if order.trigger_kind is TriggerKind.STOP else "tp"
        return row | {
            f"{prefix}TriggerPx": trigger,
            f"{prefix}TriggerPxType": by,
            f"{prefix}OrdPx": price,
            "actualSide": prefix if is_fired else "",
        }


def _no_levels() -> Json:
    names = ("TriggerPx", "TriggerPxType", "OrdPx")
    return {f"{side}{name}": "" for side in ("sl", "tp") for name in names}


def algo_state(order: Order) -> str:
    """Return the word for an algo order's state."""
    if order.triggered_ns:
        return "effective"
    if order.is_waiting:
        return "live"
    return "canceled" if order.reason == "User requested" else "order_failed"
