"""The venue's books of record as one JSON document, for comparing with somebody else's books."""

from venue.accounts import FEES_ACCOUNT, FLOW_ACCOUNT, INSURANCE_ACCOUNT, OUTSIDE_ACCOUNT
from venue.engine import Engine
from venue.orders import BUY, Fill, LedgerEntry, Order
from venue.positions import Position

Json = dict[str, object]


def books_of_record(engine: Engine) -> Json:
    """Return every order, fill, ledger entry and balance that is in memory, in decimal text."""
    records, assets = engine.records, engine.assets
    names = {number: account.name for number, account in engine.exchange.accounts.items()}
    names |= {FLOW_ACCOUNT: "(flow)", FEES_ACCOUNT: "(fees)", OUTSIDE_ACCOUNT: "(outside)"}
    names[INSURANCE_ACCOUNT] = "(insurance)"
    totals: dict[str, int] = {}
    for balances in records.balances.values():
        for asset, units in balances.items():
            totals[asset] = totals.get(asset, 0) + units

    def decimal(balances: dict[str, int]) -> Json:
        return {asset: assets[asset].format(units) for asset, units in balances.items()}

    return {
        "orders": [_order(engine, order, names) for order in records.orders.values()],
        "fills": [_fill(engine, fill, names) for fill in records.fills.values()],
        "ledger": [_entry(engine, entry, names) for entry in records.ledger.values()],
        "positions": [
            _position(engine, position, names)
            for position in records.positions.values()
            if position.lots
        ],
        "balances": {names[number]: decimal(own) for number, own in records.balances.items()},
        "holds": {
            account.name: decimal(account.holds) for account in engine.exchange.accounts.values()
        },
        "totals": decimal(totals),
    }


def _order(engine: Engine, order: Order, names: dict[int, str]) -> Json:
    instrument = engine.listings[order.symbol].instrument
    return {
        "txid": order.txid,
        "client_order_id": order.client_order_id,
        "user_reference": order.user_reference,
        "account": names[order.account],
        "symbol": order.symbol,
        "side": "buy" if order.side == BUY else "sell",
        "type": "market" if order.is_market else "limit",
        "trigger": instrument.format_price(order.trigger_ticks) if order.trigger_ticks else None,
        "reduce_only": order.reduce_only,
        "price": None if order.is_market else instrument.format_price(order.price_ticks),
        "quantity": instrument.format_quantity(order.quantity_lots),
        "filled": instrument.format_quantity(order.filled_lots),
        "cost": instrument.quote.format(order.cost_units),
        "fee": engine.assets[engine.exchange.funds.fee_asset(order)].format(order.fee_units),
        "status": order.status.value,
        "reason": order.reason,
        "by_hand": order.by_hand,
        "opened_ns": order.opened_ns,
        "closed_ns": order.closed_ns,
        "fills": list(order.fills),
    }


def _fill(engine: Engine, fill: Fill, names: dict[int, str]) -> Json:
    instrument = engine.listings[fill.symbol].instrument
    order = engine.records.orders.get(fill.order_txid)
    return {
        "txid": fill.txid,
        "order_txid": fill.order_txid,
        "client_order_id": order.client_order_id if order is not None else "",
        "account": names[fill.account],
        "symbol": fill.symbol,
        "side": "buy" if fill.side == BUY else "sell",
        "price": instrument.format_price(fill.price_ticks),
        "quantity": instrument.format_quantity(fill.quantity_lots),
        "cost": instrument.quote.format(fill.cost_units),
        "fee": engine.assets[fill.fee_asset].format(fill.fee_units),
        "fee_asset": fill.fee_asset,
        "liquidity": "maker" if fill.is_maker else "taker",
        "trade_id": fill.trade_number,
        "at_ns": fill.at_ns,
    }


def _position(engine: Engine, position: Position, names: dict[int, str]) -> Json:
    instrument = engine.listings[position.symbol].instrument
    sign = "-" if position.lots < 0 else ""
    return {
        "account": names[position.account],
        "symbol": position.symbol,
        "quantity": sign + instrument.format_quantity(abs(position.lots)),
        "cost": instrument.quote.format(position.cost_units),
        "leverage": position.leverage,
    }


def _entry(engine: Engine, entry: LedgerEntry, names: dict[int, str]) -> Json:
    asset = engine.assets[entry.asset]
    return {
        "txid": entry.txid,
        "account": names[entry.account],
        "asset": entry.asset,
        "kind": entry.kind,
        "reference": entry.reference,
        "amount": asset.format(entry.amount_units),
        "fee": asset.format(entry.fee_units),
        "balance": asset.format(entry.balance_units),
        "at_ns": entry.at_ns,
    }
