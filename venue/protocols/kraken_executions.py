"""The private WebSocket v2 channels: what an account is told about its orders and balances.

As at Kraken only `pending_new` describes the whole order; later events carry the ids and what
changed.
"""

from collections.abc import Iterable

from venue.accounts import Account
from venue.instruments import Asset
from venue.listing import Listing
from venue.orders import Fill, LedgerEntry, Order, Report, ReportKind
from venue.protocols.kraken_feeds import raw
from venue.protocols.kraken_names import timestamp
from venue.protocols.kraken_triggers import order_type, triggers
from venue.protocols.kraken_views import Json, average_price, side_name, type_name

_STATUS = {
    ReportKind.PENDING_NEW: "pending_new",
    ReportKind.NEW: "new",
    ReportKind.FILLED: "filled",
    ReportKind.CANCELED: "canceled",
    ReportKind.EXPIRED: "expired",
}


# Kraken has no event of its own for a trigger that fires.
_EXEC_TYPES = {ReportKind.TRIGGERED: "status"}


def _working_status(order: Order) -> str:
    return "partially_filled" if order.filled_lots else "new"


def _ids(order: Order) -> Json:
    ids: Json = {"order_id": order.txid, "order_userref": order.user_reference}
    if order.client_order_id:
        ids["cl_ord_id"] = order.client_order_id
    if order.post_only:
        ids["post_only"] = True
    return ids


def _totals(listing: Listing, order: Order) -> Json:
    instrument = listing.instrument
    return {
        "cum_qty": raw(instrument.format_quantity(order.filled_lots)),
        "cum_cost": raw(instrument.quote.format(order.cost_units)),
        "fee_usd_equiv": raw(instrument.quote.format(order.fee_units)),
        "avg_price": raw(average_price(instrument, order.cost_units, order.filled_lots)),
    }


def _terms(listing: Listing, order: Order) -> Json:
    instrument = listing.instrument
    terms: Json = {
        "symbol": order.symbol,
        "side": side_name(order.side),
        "order_type": order_type(order),
        "order_qty": raw(instrument.format_quantity(order.quantity_lots)),
        "time_in_force": order.time_in_force.value,
        "limit_price_type": "static",
        "stop_price": raw(instrument.format_price(0)),
        "fee_ccy_pref": "fciq",
    }
    if not order.is_market:
        terms["limit_price"] = raw(instrument.format_price(order.price_ticks))
    if order.expire_ns:
        terms["expire_time"] = timestamp(order.expire_ns)
    return {**terms, **triggers(instrument, order)}


def order_snapshot(listing: Listing, order: Order) -> Json:
    """Return an open order as a snapshot shows it."""
    status = _working_status(order)
    kind = "trade" if order.filled_lots else "new"
    return {
        **_ids(order),
        **_terms(listing, order),
        **_totals(listing, order),
        "exec_type": "status" if kind == "trade" else kind,
        "order_status": status,
        "timestamp": timestamp(order.changed_ns),
    }


def trade_data(listing: Listing, order: Order | None, fill: Fill) -> Json:
    """Return a fill; `order` as of then, None when only the fill is still known."""
    instrument = listing.instrument
    data: Json = {"order_id": fill.order_txid}
    if order is not None:
        data = {**_ids(order), **_totals(listing, order)}
    return {
        **data,
        "exec_id": fill.txid,
        "exec_type": "trade",
        "trade_id": fill.trade_number,
        "symbol": fill.symbol,
        "side": side_name(fill.side),
        "order_type": type_name(fill.is_market),
        "last_qty": raw(instrument.format_quantity(fill.quantity_lots)),
        "last_price": raw(instrument.format_price(fill.price_ticks)),
        "liquidity_ind": "m" if fill.is_maker else "t",
        "cost": raw(instrument.quote.format(fill.cost_units)),
        "fee_usd_equiv": raw(instrument.quote.format(fill.fee_units)),
        "fees": [
            {
                "asset": instrument.quote.name,
                "qty": raw(instrument.quote.format(fill.fee_units)),
            }
        ],
        # A trade may say so even when it completes the order; `filled` follows and decides.
        "order_status": "partially_filled",
        "timestamp": timestamp(fill.at_ns),
    }


def execution_data(listing: Listing, report: Report) -> Json:
    """Return one execution report as an item of `data`."""
    order = report.order
    if report.fill is not None:
        return trade_data(listing, order, report.fill)
    data: Json = {
        **_ids(order),
        "exec_type": _EXEC_TYPES.get(report.kind, report.kind.value),
        "order_status": _STATUS.get(report.kind) or _working_status(order),
        "timestamp": timestamp(report.at_ns),
    }
    if report.kind is ReportKind.PENDING_NEW:
        quote = listing.instrument.quote
        nothing = {"cum_cost": raw(quote.format(0)), "fee_usd_equiv": raw(quote.format(0))}
        return {**data, **_terms(listing, order), **nothing}
    if report.kind is ReportKind.AMENDED:
        return {**data, **_terms(listing, order), **_totals(listing, order), "amended": True}
    if report.kind in (ReportKind.CANCELED, ReportKind.EXPIRED):
        reason = {"cancel_reason": order.reason, "reason": order.reason}
        return {**data, **_totals(listing, order), **reason}
    if report.kind is ReportKind.FILLED:
        return {**data, **_totals(listing, order)}
    return {**data, **triggers(listing.instrument, order)}


def balance_snapshot(assets: Iterable[Asset], account: Account) -> list[Json]:
    """Return all balances of `account` as the `balances` snapshot."""
    data: list[Json] = []
    for asset in assets:
        if asset.name in account.balances:
            balance = raw(asset.format(account.balances[asset.name]))
            wallet = {"type": "spot", "id": "main", "balance": balance}
            data.append(
                {
                    "asset": asset.name,
                    "asset_class": "currency",
                    "balance": balance,
                    "wallets": [wallet],
                }
            )
    return data


def balance_update(asset: Asset, entry: LedgerEntry) -> Json:
    """Return one ledger entry as an item of a `balances` update."""
    return {
        "ledger_id": entry.txid,
        "ref_id": entry.reference,
        "timestamp": timestamp(entry.at_ns),
        "type": entry.kind,
        "subtype": "",
        "asset": asset.name,
        "asset_class": "currency",
        "category": entry.kind,
        "wallet_type": "spot",
        "wallet_id": "main",
        "amount": raw(asset.format(entry.amount_units)),
        "fee": raw(asset.format(entry.fee_units)),
        "balance": raw(asset.format(entry.balance_units)),
    }
