"""Orders, fills and ledger entries as Kraken's REST API shows them. Numbers are text."""

from venue.instruments import Instrument, format_units
from venue.listing import Listing
from venue.orders import BUY, Fill, LedgerEntry, Order
from venue.protocols.kraken_names import asset_id, pair_altname, pair_id, seconds
from venue.protocols.kraken_triggers import order_type

Json = dict[str, object]

COST_DECIMALS = 8  # Kraken shows 5; all that were booked, so that books can be compared exactly


def side_name(side: int) -> str:
    """Return Kraken's word for a side."""
    return "buy" if side == BUY else "sell"


def type_name(is_market: bool) -> str:  # noqa: FBT001 - the flag is all it is about
    """Return Kraken's word for an order type."""
    return "market" if is_market else "limit"


def average_price(instrument: Instrument, cost_units: int, lots: int) -> str:
    """Return the mean price with three more decimals than the pair's."""
    extra = 3
    wide = instrument._replace(price_decimals=instrument.price_decimals + extra)
    units = wide.average_price_units(cost_units, lots)
    return format_units(units, wide.price_decimals)


def description(instrument: Instrument, order: Order) -> Json:
    """Return the `descr` of an order."""
    ticks = order.trigger_ticks or order.price_ticks
    price = instrument.format_price(ticks) if ticks else "0"
    has_limit = order.trigger_ticks and order.price_ticks
    return {
        "pair": pair_altname(instrument),
        "type": side_name(order.side),
        "ordertype": order_type(order),
        "price": price,
        "price2": instrument.format_price(order.price_ticks) if has_limit else "0",
        "leverage": "none",
        "order": sentence(instrument, order.side, order.quantity_lots, price, order_type(order)),
        "close": "",
    }


def sentence(instrument: Instrument, side: int, lots: int, price: str, kind: str) -> str:
    """Return the order in words."""
    kind = kind if kind == "market" else f"{kind} {price}"
    quantity = instrument.format_quantity(lots)
    return f"{side_name(side)} {quantity} {pair_altname(instrument)} @ {kind}"


def order_flags(order: Order) -> str:
    """Return the `oflags` of an order: fees are always in quote currency here."""
    return "fciq,post" if order.post_only else "fciq"


def order_info(listing: Listing, order: Order, *, with_trades: bool) -> Json:
    """Return an order as OpenOrders, ClosedOrders and QueryOrders show it."""
    instrument = listing.instrument
    quote = instrument.quote
    info: Json = {
        "refid": None,
        "userref": order.user_reference or None,
        "status": order.status.value,
        "opentm": seconds(order.opened_ns),
        "starttm": 0,
        "expiretm": seconds(order.expire_ns) if order.expire_ns else 0,
        "descr": description(instrument, order),
        "vol": instrument.format_quantity(order.quantity_lots),
        "vol_exec": instrument.format_quantity(order.filled_lots),
        "cost": quote.format(order.cost_units),
        "fee": quote.format(order.fee_units),
        "price": average_price(instrument, order.cost_units, order.filled_lots),
        "stopprice": instrument.format_price(order.trigger_ticks)
        if order.triggered_ns
        else "0.00000",
        "limitprice": "0.00000",
        "misc": "",
        "oflags": order_flags(order),
    }
    if order.client_order_id:
        info["cl_ord_id"] = order.client_order_id
    if not order.is_open:
        info["reason"] = order.reason or None
        info["closetm"] = seconds(order.closed_ns)
    if with_trades and order.fills:
        info["trades"] = list(order.fills)
    return info


def fill_info(listing: Listing, fill: Fill, client_order_id: str) -> Json:
    """Return a fill as TradesHistory and QueryTrades show it."""
    instrument = listing.instrument
    info: Json = {
        "ordertxid": fill.order_txid,
        "postxid": fill.txid,
        "pair": pair_id(instrument),
        "aclass": "forex",
        "time": seconds(fill.at_ns),
        "type": side_name(fill.side),
        "ordertype": type_name(fill.is_market),
        "price": instrument.format_price(fill.price_ticks),
        "cost": instrument.quote.format(fill.cost_units),
        "fee": instrument.quote.format(fill.fee_units),
        "vol": instrument.format_quantity(fill.quantity_lots),
        "margin": "0.00000",
        "leverage": "0",
        "misc": "",
        "trade_id": fill.trade_number,
        "maker": fill.is_maker,
    }
    if client_order_id:
        info["cl_ord_id"] = client_order_id
    return info


def ledger_info(asset_names: dict[str, tuple[str, int]], entry: LedgerEntry) -> Json:
    """Return a ledger entry; `asset_names` maps names to (REST id, decimals)."""
    name, decimals = asset_names[entry.asset]
    return {
        "aclass": "currency",
        "amount": format_units(entry.amount_units, decimals),
        "asset": name,
        "balance": format_units(entry.balance_units, decimals),
        "fee": format_units(entry.fee_units, decimals),
        "refid": entry.reference,
        "time": seconds(entry.at_ns),
        "type": entry.kind,
        "subtype": "",
    }


def ledger_assets(listings: list[Listing]) -> dict[str, tuple[str, int]]:
    """Return name -> (REST id, decimals) of every listed asset."""
    assets = {}
    for listing in listings:
        for asset in (listing.instrument.base, listing.instrument.quote):
            assets[asset.name] = (asset_id(asset), asset.decimals)
    return assets
