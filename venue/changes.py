"""What one turn of the exchange changed: rows to commit and reports to send after the commit."""

from dataclasses import dataclass, field
from typing import NamedTuple

from venue.orders import Fill, LedgerEntry, Order, Report


class OrderRow(NamedTuple):
    """An order as it is stored."""

    number: int
    txid: str
    account: int
    symbol: str
    side: int
    is_market: int
    price_ticks: int
    quantity_lots: int
    post_only: int
    time_in_force: str
    expire_ns: int
    client_order_id: str
    user_reference: int
    by_hand: int
    opened_ns: int
    book_id: int
    status: str
    filled_lots: int
    cost_units: int
    fee_units: int
    held_units: int
    closed_ns: int
    changed_ns: int
    reason: str
    reduce_only: int
    trigger_kind: str
    trigger_by: str
    trigger_ticks: int
    triggered_ns: int


class PositionRow(NamedTuple):
    """A position in a perpetual: signed lots and what they cost, in units of quote."""

    account: int
    symbol: str
    lots: int
    cost_units: int
    leverage: int
    is_isolated: int
    extra_units: int
    realised_units: int
    funding_units: int
    changed_ns: int


class FundingRow(NamedTuple):
    """One settlement of funding."""

    symbol: str
    at_ns: int
    rate_ppb: int
    mark_ticks: int


class AccountRow(NamedTuple):
    """What of an account is not configuration."""

    number: int
    name: str
    last_nonce: int
    cancel_after_ns: int


class BalanceRow(NamedTuple):
    """One balance; accounts below 1 are the venue's own."""

    account: int
    asset: str
    units: int


class MarketRow(NamedTuple):
    """How far a market has come."""

    symbol: str
    epoch_ns: int
    event_index: int
    next_trade_id: int
    book: bytes
    """`OrderBook.snapshot`: with it a restart continues with the very same queue positions."""


class TermsRow(NamedTuple):
    """What the file's integers of one market mean: one tick and one lot, and the event index."""

    symbol: str
    tick: str
    lot: str
    source: str
    """`sources.source_mark`: the event index counts the events of that one."""


class CandleRow(NamedTuple):
    """One minute of one market; `turnover` is the sum of ticks times lots, as text (no int64)."""

    symbol: str
    open_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    turnover: str
    trades: int


def order_row(order: Order) -> OrderRow:
    """Return the row of `order` as it is now."""
    return OrderRow(
        number=order.number,
        txid=order.txid,
        account=order.account,
        symbol=order.symbol,
        side=order.side,
        is_market=int(order.is_market),
        price_ticks=order.price_ticks,
        quantity_lots=order.quantity_lots,
        post_only=int(order.post_only),
        time_in_force=order.time_in_force.value,
        expire_ns=order.expire_ns,
        client_order_id=order.client_order_id,
        user_reference=order.user_reference,
        by_hand=int(order.by_hand),
        opened_ns=order.opened_ns,
        book_id=order.book_id,
        status=order.status.value,
        filled_lots=order.filled_lots,
        cost_units=order.cost_units,
        fee_units=order.fee_units,
        held_units=order.held_units,
        closed_ns=order.closed_ns,
        changed_ns=order.changed_ns,
        reason=order.reason,
        reduce_only=int(order.reduce_only),
        trigger_kind=order.trigger_kind.value,
        trigger_by=order.trigger_by.value,
        trigger_ticks=order.trigger_ticks,
        triggered_ns=order.triggered_ns,
    )


@dataclass(slots=True)
class Changes:
    """Rows in the order in which they must be written; reports in the order they happened."""

    orders: list[OrderRow] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    ledger: list[LedgerEntry] = field(default_factory=list)
    accounts: list[AccountRow] = field(default_factory=list)
    balances: list[BalanceRow] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    markets: list[MarketRow] = field(default_factory=list)
    terms: list[TermsRow] = field(default_factory=list)
    candles: list[CandleRow] = field(default_factory=list)
    positions: list[PositionRow] = field(default_factory=list)
    funding: list[FundingRow] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not (
            self.orders
            or self.fills
            or self.ledger
            or self.accounts
            or self.balances
            or self.counters
            or self.markets
            or self.terms
            or self.candles
            or self.positions
            or self.funding
        )

    def add(self, later: "Changes") -> None:
        """Append what a later part of the same turn changed."""
        self.orders += later.orders
        self.fills += later.fills
        self.ledger += later.ledger
        self.accounts += later.accounts
        self.balances += later.balances
        self.counters |= later.counters
        self.markets += later.markets
        self.terms += later.terms
        self.candles += later.candles
        self.positions += later.positions
        self.funding += later.funding
        self.reports += later.reports
