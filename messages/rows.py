"""The rows that people see: read models, appended by turns, the newest per key kept beside them.

Field names of what scripts read (`orders`, `fills`, `vaults`) are the product's contract. Amounts
are integers here; `scale` fields tell the control port how to write them as decimal strings.
"""

from messages.base import Row


class VaultRow(Row, frozen=True, kw_only=True, tag="row.Vault"):
    """How a vault stands."""

    table = "vaults"
    user: str
    vault: str
    venue: str
    environment: str
    asset: str
    asset_scale: int
    total_minor: int
    tradeable_minor: int
    remaining_minor: int
    """Tradeable that is allocated to no sleeve."""
    reserve_minor: int
    realised_minor: int
    unrealised_minor: int
    fees_minor: int
    mode: str
    address: str
    funding_minor: int = 0

    def key(self) -> str:
        return self.address


class SleeveRow(Row, frozen=True, kw_only=True, tag="row.Sleeve"):
    """How a sleeve stands, by its ledger's books."""

    table = "sleeves"
    user: str
    vault: str
    sleeve: str
    style: str
    strategy: str
    asset_scale: int
    allocated_minor: int
    cash_minor: int
    reserved_minor: int
    symbol: str
    position_lots: int
    lot: str
    average_entry_ticks: int
    tick: str
    realised_minor: int
    unrealised_minor: int
    fees_minor: int
    swept_minor: int
    """Flash profit returned, cumulative."""
    address: str
    funding_minor: int = 0
    """Received, or below zero paid."""
    margin_minor: int = 0
    """What positions in perpetuals hold."""

    def key(self) -> str:
        return self.address


class SleeveStateRow(Row, frozen=True, kw_only=True, tag="row.SleeveState"):
    """What a sleeve is doing and why, by its own word."""

    table = "sleeve_states"
    address: str
    state: str
    """active, pausing, paused, reconciling, untrusted, frozen, idle."""
    reason: str

    def key(self) -> str:
        return self.address


class OrderRow(Row, frozen=True, kw_only=True, tag="row.Order"):
    """One order, at one state."""

    table = "orders"
    client_order_id: str
    venue_order_id: str
    environment: str
    venue: str
    user: str
    vault: str
    sleeve: str
    symbol: str
    side: str
    type: str
    quantity_lots: int
    limit_ticks: int
    filled_lots: int
    cost_minor: int
    """Sum of the fills' costs: average price = cost / filled."""
    tick: str
    lot: str
    quote_scale: int
    state: str
    reason: str
    created_ns: int
    updated_ns: int

    def key(self) -> str:
        return self.client_order_id


class FillRow(Row, frozen=True, kw_only=True, tag="row.Fill"):
    """One execution."""

    table = "fills"
    exec_id: str
    client_order_id: str
    environment: str
    venue: str
    user: str
    vault: str
    sleeve: str
    symbol: str
    side: str
    quantity_lots: int
    price_ticks: int
    cost_minor: int
    fee_minor: int
    fee_asset: str
    fee_scale: int
    tick: str
    lot: str
    quote_scale: int
    liquidity: str
    at_ns: int

    def key(self) -> str:
        return f"{self.venue}/{self.user}/{self.exec_id}"


class TransferRow(Row, frozen=True, kw_only=True, tag="row.Transfer"):
    """One balanced movement in a vault's books: `amount_minor` from `debit` to `credit`."""

    table = "transfers"
    vault_address: str
    number: int
    """Dense per vault, from 1."""
    asset: str
    debit: str
    """The account that the amount leaves."""
    credit: str
    """The account that it reaches."""
    amount_minor: int
    kind: str
    """deposit, withdraw, allocate, reserve, post, void, fee, sweep, rounding, …"""
    reference: str
    """The client order id, exec id or operator's act behind it."""
    at_ns: int

    def key(self) -> str:
        return f"{self.vault_address}#{self.number}"


class BalanceRow(Row, frozen=True, kw_only=True, tag="row.Balance"):
    """The balance of one account of a vault's books after a transfer."""

    table = "balances"
    vault_address: str
    account: str
    asset: str
    balance_minor: int
    may_be_negative: bool
    """Only accounts that stand for the outside world (external, fees, rounding) may be."""

    def key(self) -> str:
        return f"{self.vault_address}:{self.account}:{self.asset}"


class ReconciliationRow(Row, frozen=True, kw_only=True, tag="row.Reconciliation"):
    """One comparison of our books with the venue's."""

    table = "reconciliations"
    user: str
    venue: str
    agreed: bool
    differences: str
    """One per line; empty when agreed."""
    at_ns: int

    def key(self) -> str:
        return f"{self.user}@{self.venue}"


class AlertRow(Row, frozen=True, kw_only=True, tag="row.Alert"):
    """One alert, as it was raised."""

    table = "alerts"
    alert_id: str
    severity: str
    subject: str
    text: str
    at_ns: int

    def key(self) -> str:
        return self.alert_id


class SwitchRow(Row, frozen=True, kw_only=True, tag="row.Switch"):
    """The kill switch."""

    table = "switch"
    engaged: bool
    confirmed: bool
    """Every line has confirmed."""
    operator: str
    reason: str
    at_ns: int

    def key(self) -> str:
        return "switch"


class FundingRow(Row, frozen=True, kw_only=True, tag="row.Funding"):
    """What holding a perpetual costs; rates are billionths per interval, paid by longs."""

    table = "funding"
    venue: str
    symbol: str
    rate_ppb: int
    next_rate_ppb: int
    """As predicted; nothing if not `is_predicted`."""
    is_predicted: bool
    mark_price: str
    interval_ns: int
    settles_ns: int
    """0 where the venue does not say."""
    yearly_ppm: int
    at_ns: int

    def key(self) -> str:
        return f"{self.venue} {self.symbol}"


class OpportunityRow(Row, frozen=True, kw_only=True, tag="row.Opportunity"):
    """A pair that could be bought at one venue and sold at another for more, net of fees."""

    table = "opportunities"
    symbol: str
    buy_venue: str
    sell_venue: str
    buy_ticks: int
    buy_tick: str
    sell_ticks: int
    sell_tick: str
    quantity_lots: int
    """What both best levels offer, in the buying venue's lots."""
    lot: str
    net_ppm: int
    best_net_ppm: int
    began_ns: int
    ended_ns: int
    """0 while it lasts."""

    def key(self) -> str:
        return f"{self.symbol} {self.buy_venue} {self.sell_venue} {self.began_ns}"
