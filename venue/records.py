"""The venue's books of record in memory: balances, orders, fills, ledger, counters.

They know what of them changed since the last commit. Closed orders, fills and ledger entries are
kept in bounded numbers; older ones stay in the file.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from copy import copy
from typing import NamedTuple

from venue.accounts import FEES_ACCOUNT, Account
from venue.candles import PublicTrade
from venue.changes import AccountRow, BalanceRow, Changes, FundingRow, PositionRow, order_row
from venue.ids import transaction_id
from venue.orders import Fill, LedgerEntry, Order, OrderRequest, Report, ReportKind
from venue.positions import Position, position_of

# What queries can look back on: a week of a busy bot, some 50 MB.
CLOSED_ORDERS_KEPT_MAX = 20_000
FILLS_KEPT_MAX = 50_000
LEDGER_KEPT_MAX = 100_000
FUNDING_KEPT_MAX = 10_000

COUNTERS = ("order", "fill", "ledger", "book", "amend", "token", "session")


class FillAmounts(NamedTuple):
    """What a fill moves: lots, their cost in quote, the fee in its asset, profit realised."""

    lots: int
    cost_units: int
    fee_units: int
    fee_asset: str
    realised_units: int = 0


class Records:
    """Everything that must survive a kill, and the rows that a commit still has to write."""

    def __init__(
        self,
        seed: int,
        counters: Mapping[str, int],
        balances: Iterable[BalanceRow],
        orders: Iterable[Order],
        fills: Iterable[Fill],
        ledger: Iterable[LedgerEntry],
        positions: Iterable[PositionRow] = (),
        funding: Iterable[FundingRow] = (),
    ) -> None:
        self._seed = seed
        self.counters = {name: counters.get(name, 0) for name in COUNTERS}
        self.balances: dict[int, dict[str, int]] = {}
        for row in balances:
            self.balances.setdefault(row.account, {})[row.asset] = row.units
        self.open_orders: dict[int, Order] = {}
        self.orders: dict[str, Order] = {}
        for order in orders:
            self.orders[order.txid] = order
            if order.is_open:
                self.open_orders[order.number] = order
        self._client_ids = {
            (order.account, order.client_order_id) for order in self.orders.values()
        }
        self.fills: dict[str, Fill] = {fill.txid: fill for fill in fills}
        self.ledger: dict[str, LedgerEntry] = {entry.txid: entry for entry in ledger}
        self._closed_kept = len(self.orders) - len(self.open_orders)
        for fill in self.fills.values():
            if fill.order_txid in self.orders:
                self.orders[fill.order_txid].fills.append(fill.txid)
        self.positions = {(row.account, row.symbol): position_of(row) for row in positions}
        self.funding: deque[FundingRow] = deque(funding, FUNDING_KEPT_MAX)
        self.funded_ns = {row.symbol: row.at_ns for row in self.funding}
        self._changes = Changes()
        self._changed_positions: dict[tuple[int, str], Position] = {}
        self._changed_orders: dict[int, Order] = {}
        self._changed_balances: set[tuple[int, str]] = set()
        self._changed_accounts: set[int] = set()

    # --- reading -----------------------------------------------------------------------------

    def open_orders_of(self, account: int) -> list[Order]:
        """Return the open orders of `account`, oldest first."""
        return [order for order in self.open_orders.values() if order.account == account]

    def order_of(self, account: int, txid: str) -> Order | None:
        """Return the order `txid` if it is one of `account`."""
        order = self.orders.get(txid)
        return order if order is not None and order.account == account else None

    def has_client_id(self, account: int, client_order_id: str) -> bool:
        """Whether any order still remembered has this client order id."""
        return (account, client_order_id) in self._client_ids

    def balance_units(self, account: int, asset: str) -> int:
        return self.balances.get(account, {}).get(asset, 0)

    # --- writing -----------------------------------------------------------------------------

    def next_number(self, counter: str) -> int:
        """Return the next number of `counter`; numbers start at one and never repeat."""
        self.counters[counter] += 1
        self._changes.counters[counter] = self.counters[counter]
        return self.counters[counter]

    def next_book_id(self) -> int:
        """Return a matching-engine id: positive, where the flow's are negative."""
        return self.next_number("book")

    def new_txid(self, prefix: str, counter: str) -> str:
        return transaction_id(prefix, self.next_number(counter), self._seed + 3)

    def new_order(self, account: int, request: OrderRequest, now_ns: int) -> Order:
        """Create a pending order from `request` and list it as open."""
        number = self.next_number("order")
        order = Order(
            number=number,
            txid=transaction_id("O", number, self._seed),
            account=account,
            symbol=request.symbol,
            side=request.side,
            is_market=request.is_market,
            price_ticks=request.price_ticks,
            quantity_lots=request.quantity_lots,
            post_only=request.post_only,
            time_in_force=request.time_in_force,
            expire_ns=request.expire_ns,
            client_order_id=request.client_order_id,
            user_reference=request.user_reference,
            by_hand=request.by_hand,
            reduce_only=request.reduce_only,
            trigger_kind=request.trigger.kind,
            trigger_by=request.trigger.by,
            trigger_ticks=request.trigger.ticks,
            opened_ns=now_ns,
            book_id=self.next_book_id(),
            changed_ns=now_ns,
        )
        self.orders[order.txid] = order
        self.open_orders[number] = order
        if order.client_order_id:
            self._client_ids.add((account, order.client_order_id))
        return order

    def new_fill(
        self,
        order: Order,
        booked: FillAmounts,
        trade: PublicTrade,
        *,
        is_maker: bool,
    ) -> Fill:
        """Create the record of one execution of `order`."""
        number = self.next_number("fill")
        fill = Fill(
            number=number,
            txid=transaction_id("T", number, self._seed + 1),
            order_number=order.number,
            order_txid=order.txid,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            price_ticks=trade.price_ticks,
            quantity_lots=booked.lots,
            cost_units=booked.cost_units,
            fee_units=booked.fee_units,
            is_maker=is_maker,
            is_market=order.is_market,
            trade_number=trade.trade_id,
            at_ns=trade.at_ns,
            fee_asset=booked.fee_asset,
            realised_units=booked.realised_units,
        )
        order.fills.append(fill.txid)
        self.fills[fill.txid] = fill
        self._changes.fills.append(fill)
        if len(self.fills) > FILLS_KEPT_MAX:
            del self.fills[next(iter(self.fills))]
        return fill

    def move(self, to_account: int, from_account: int, asset: str, units: int) -> None:
        """Move `units` of `asset` between two accounts."""
        assert units >= 0, "a movement is not negative: swap the accounts"
        for account, signed_units in ((to_account, units), (from_account, -units)):
            balances = self.balances.setdefault(account, {})
            balances[asset] = balances.get(asset, 0) + signed_units
            self._changed_balances.add((account, asset))

    def transfer(self, to_account: int, from_account: int, asset: str, units: int) -> None:
        """Move a signed amount: below zero, the other way round."""
        if units >= 0:
            self.move(to_account, from_account, asset, units)
        else:
            self.move(from_account, to_account, asset, -units)

    def charge_fee(self, account: int, asset: str, units: int) -> None:
        """Move a fee to the venue's own account."""
        self.move(FEES_ACCOUNT, account, asset, units)

    def enter(
        self,
        account: int,
        asset: str,
        kind: str,
        reference: str,
        amount_and_fee_units: tuple[int, int],
        now_ns: int,
    ) -> None:
        """Write the ledger entry of a movement that was just made."""
        number = self.next_number("ledger")
        txid = transaction_id("L", number, self._seed + 2)
        entry = LedgerEntry(
            number=number,
            txid=txid,
            account=account,
            asset=asset,
            kind=kind,
            reference=reference or txid,
            amount_units=amount_and_fee_units[0],
            fee_units=amount_and_fee_units[1],
            balance_units=self.balance_units(account, asset),
            at_ns=now_ns,
        )
        self.ledger[txid] = entry
        self._changes.ledger.append(entry)
        if len(self.ledger) > LEDGER_KEPT_MAX:
            del self.ledger[next(iter(self.ledger))]

    def report(self, kind: ReportKind, order: Order, fill: Fill | None, at_ns: int) -> None:
        """Queue an execution report with the order as it is now, and the order's row."""
        self._changed_orders[order.number] = order
        self._changes.reports.append(Report(kind, copy(order), fill, at_ns))

    def close(self, order: Order) -> None:
        """Take `order` off the open list; forget the oldest closed one beyond the bound."""
        del self.open_orders[order.number]
        self._closed_kept += 1
        if self._closed_kept > CLOSED_ORDERS_KEPT_MAX:
            oldest = next(old for old in self.orders.values() if not old.is_open)
            del self.orders[oldest.txid]
            self._client_ids.discard((oldest.account, oldest.client_order_id))
            self._closed_kept -= 1

    def touch_account(self, account: Account) -> None:
        """Note that the nonce or the dead man's switch of `account` changed."""
        self._changed_accounts.add(account.number)

    def touch_position(self, position: Position) -> None:
        """Note that a position changed."""
        self._changed_positions[position.account, position.symbol] = position

    def note_funding(self, row: FundingRow) -> None:
        """Remember a settlement of funding."""
        self.funding.append(row)
        self.funded_ns[row.symbol] = row.at_ns
        self._changes.funding.append(row)

    def take_changes(self, accounts: Mapping[int, Account]) -> Changes:
        """Return everything that changed since the last call, as rows, and forget it."""
        changes, self._changes = self._changes, Changes()
        changes.orders = [order_row(order) for order in self._changed_orders.values()]
        changes.positions = [position.row() for position in self._changed_positions.values()]
        changes.balances = [
            BalanceRow(account, asset, self.balance_units(account, asset))
            for account, asset in self._changed_balances
        ]
        changes.accounts = [
            AccountRow(account.number, account.name, account.last_nonce, account.cancel_after_ns)
            for account in map(accounts.__getitem__, self._changed_accounts)
        ]
        self._changed_orders.clear()
        self._changed_positions.clear()
        self._changed_balances.clear()
        self._changed_accounts.clear()
        return changes
