"""Orders, fills and wallets as Coinbase shows them. Numbers are text."""

from venue.accounts import Account
from venue.instruments import Asset
from venue.listing import Listing
from venue.orders import BUY, Fill, Order
from venue.protocols.coinbase_names import (
    Numbers,
    account_id,
    fill_id,
    order_id,
    order_type,
    product_id,
    side_name,
    status_name,
    stop_direction,
    time_in_force,
    time_text,
    trigger_status,
)
from venue.protocols.coinbase_orders import configuration

Json = dict[str, object]

_FIAT = frozenset({"USD", "EUR", "GBP"})


class Views:
    """Of one listing."""

    def __init__(self, listing: Listing) -> None:
        self.id = product_id(listing.instrument)
        self.numbers = Numbers(listing.instrument)

    def order(self, order: Order) -> Json:
        """Return an order as a query shows it."""
        numbers = self.numbers
        done = 100 * order.filled_lots // order.quantity_lots if order.quantity_lots else 0
        return {
            "order_id": order_id(order.number),
            "product_id": self.id,
            "user_id": f"box-{order.account}",
            "order_configuration": configuration(order, numbers),
            "side": side_name(order.side),
            "client_order_id": client_id(order),
            "status": status_name(order),
            "time_in_force": time_in_force(order),
            "created_time": time_text(order.opened_ns),
            "completion_percentage": str(done),
            "filled_size": numbers.quantity(order.filled_lots),
            "average_filled_price": numbers.average(order.cost_units, order.filled_lots),
            "fee": "",
            "number_of_fills": str(len(order.fills)),
            "filled_value": numbers.quote(order.cost_units),
            "pending_cancel": False,
            "size_in_quote": False,
            "total_fees": numbers.quote(order.fee_units),
            "size_inclusive_of_fees": False,
            "total_value_after_fees": numbers.quote(self._after_fees(order)),
            "trigger_status": trigger_status(order),
            "order_type": order_type(order),
            "reject_reason": "REJECT_REASON_UNSPECIFIED",
            "settled": not order.is_open,
            "product_type": "SPOT",
            "reject_message": "",
            "cancel_message": order.reason,
            "last_fill_time": time_text(order.changed_ns) if order.filled_lots else None,
            "last_update_time": time_text(order.changed_ns),
        }

    def told(self, order: Order) -> Json:
        """Return an order as the user channel tells it: sums, no single fills."""
        numbers = self.numbers
        left_lots = order.remaining_lots if order.is_open else 0
        done = 100 * order.filled_lots // order.quantity_lots if order.quantity_lots else 0
        return {
            "order_id": order_id(order.number),
            "client_order_id": client_id(order),
            "product_id": self.id,
            "product_type": "SPOT",
            "order_side": side_name(order.side),
            "order_type": order_type(order),
            "status": status_name(order),
            "time_in_force": time_in_force(order),
            "trigger_status": trigger_status(order),
            "limit_price": "" if order.is_market else numbers.price(order.price_ticks),
            "stop_price": numbers.price(order.trigger_ticks) if order.trigger_ticks else "",
            "stop_direction": stop_direction(order) if order.trigger_ticks else "",
            "cumulative_quantity": numbers.quantity(order.filled_lots),
            "leaves_quantity": numbers.quantity(left_lots),
            "avg_price": numbers.average(order.cost_units, order.filled_lots),
            "filled_value": numbers.quote(order.cost_units),
            "total_fees": numbers.quote(order.fee_units),
            "total_value_after_fees": numbers.quote(self._after_fees(order)),
            "number_of_fills": str(len(order.fills)),
            "completion_percentage": str(done),
            "outstanding_hold_amount": "0",
            "post_only": "true" if order.post_only else "false",
            "cancel_reason": order.reason,
            "reject_reason": "",
            "creation_time": time_text(order.opened_ns),
            "end_time": time_text(order.expire_ns) if order.expire_ns else "",
            "start_time": "",
        }

    def fill(self, fill: Fill) -> Json:
        """Return one of an account's fills."""
        return {
            "entry_id": fill.txid,
            "trade_id": fill_id(fill.number),
            "order_id": order_id(fill.order_number),
            "trade_time": time_text(fill.at_ns),
            "trade_type": "FILL",
            "price": self.numbers.price(fill.price_ticks),
            "size": self.numbers.quantity(fill.quantity_lots),
            "commission": self.numbers.quote(fill.fee_units),
            "product_id": self.id,
            "sequence_timestamp": time_text(fill.at_ns),
            "liquidity_indicator": "MAKER" if fill.is_maker else "TAKER",
            "size_in_quote": False,
            "user_id": f"box-{fill.account}",
            "side": side_name(fill.side),
            "retail_portfolio_id": f"box-{fill.account}",
        }

    @staticmethod
    def _after_fees(order: Order) -> int:
        fee = order.fee_units if order.side == BUY else -order.fee_units
        return order.cost_units + fee


def client_id(order: Order) -> str:
    """Return the client's id of an order; the venue makes one where the client gave none."""
    return order.client_order_id or order.txid


def wallet(account: Account, asset: Asset, at: int, since_ns: int) -> Json:
    """Return an account's balance of one asset, the `at`-th."""
    kind = "FIAT" if asset.name in _FIAT else "CRYPTO"
    return {
        "uuid": account_id(account.number, at),
        "name": f"{asset.name} Wallet",
        "currency": asset.name,
        "available_balance": _amount(asset, account.available_units(asset.name)),
        "hold": _amount(asset, account.holds.get(asset.name, 0)),
        "default": True,
        "active": True,
        "created_at": time_text(since_ns),
        "updated_at": time_text(since_ns),
        "deleted_at": None,
        "type": f"ACCOUNT_TYPE_{kind}",
        "ready": True,
        "retail_portfolio_id": f"box-{account.number}",
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }


def older_wallet(account: Account, asset: Asset, at: int, since_ns: int) -> Json:
    """Return an account's balance as version 2 shows it: the total only."""
    return {
        "id": account_id(account.number, at),
        "name": f"{asset.name} Wallet",
        "primary": False,
        "type": "fiat" if asset.name in _FIAT else "wallet",
        "currency": {"code": asset.name, "name": asset.name, "exponent": asset.decimals},
        "balance": {
            "amount": asset.format(account.balances.get(asset.name, 0)),
            "currency": asset.name,
        },
        "created_at": time_text(since_ns),
        "updated_at": time_text(since_ns),
        "resource": "account",
        "resource_path": f"/v2/accounts/{account_id(account.number, at)}",
        "allow_deposits": False,
        "allow_withdrawals": False,
    }


def _amount(asset: Asset, units: int) -> Json:
    return {"value": asset.format(units), "currency": asset.name}
