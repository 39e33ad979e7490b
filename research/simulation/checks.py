"""What must hold whatever happens, checked by books of our own: at each commit, start and send."""

import re
from collections import Counter
from collections.abc import Callable

import trio
from msgspec.structs import replace

from actors.books import is_outside
from exchanges.websocket import unmasked
from messages.base import Row
from messages.orders import TERMINAL, OrderState
from messages.rows import (
    BalanceRow,
    FillRow,
    OrderRow,
    ReconciliationRow,
    SleeveRow,
    SwitchRow,
    TransferRow,
)
from state.store import Store
from state.tables import decode_row
from supervisor import limits
from supervisor.journal import Commit
from supervisor.system import System

# As REST writes them, and as the order socket does.
_CLIENT_ID = re.compile(rb"cl_ord_id(?:=|\":\")([0-9a-f-]+)")
_ADD_ORDER = re.compile(rb"/0/private/AddOrder|\"add_order\"")
_BUYS = re.compile(rb"type=buy|\"side\":\"buy\"")
# More are the same trouble again.
VIOLATIONS_KEPT = 20
UNDER_WAY = frozenset(state.value for state in OrderState if state not in TERMINAL)
"""An order in one of these may still fill."""
_TRANSFERS = "SELECT vault_address, number, asset, debit, credit, amount_minor FROM transfers"
_OUTSIDE = "SELECT DISTINCT vault_address, account, asset FROM balances WHERE may_be_negative"
_ORDERS = "SELECT client_order_id, state, filled_lots FROM orders_current"
_FILLS = "SELECT entity, venue, user, vault, sleeve, symbol, side, quantity_lots FROM fills"
Account = tuple[str, str, str]
"""Vault address, account, asset."""
Sleeve = tuple[str, str, str, str]
"""User, vault, sleeve, symbol."""


class Checks:
    """The books, the orders and the switch of one run, as far as anybody was told of them."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self.violations: list[str] = []
        self.seen: Counter[str] = Counter()
        """Row tables, and rare states, and how often they came."""
        self.sums: Counter[Account] = Counter()
        self.outside: set[Account] = set()
        """Accounts that stand for the world, which may be negative."""
        self.positions: Counter[Sleeve] = Counter()
        self.sleeves: dict[Sleeve, int] = {}
        self.orders: dict[str, OrderRow] = {}
        self.reconciled: dict[str, ReconciliationRow] = {}
        self.switch_stands = False
        """Every line has confirmed the kill switch, durably, and nobody has asked for its end."""
        self.checked = 0
        self.lost: set[str] = set()
        """Actors that are lost with their process, which ends."""
        self.intent_of: Callable[[str], str] = _of_none
        """Says of which wish an order is, by its client order id; empty for none."""
        self.on_violation: Callable[[], None] = _nothing
        """Called when something does not hold: what comes after says little."""
        self._note = note
        self._transfers: Counter[str] = Counter()
        self._fills: dict[str, int] = {}
        self._acknowledged = 0
        self._sent: dict[str, str] = {}
        self._moved = trio.Event()

    def violate(self, text: str) -> None:
        """Note that something does not hold."""
        self._note(f"VIOLATION: {text}")
        if len(self.violations) < VIOLATIONS_KEPT:
            self.violations.append(text)
        self.on_violation()

    # --- at each commit

    def committed(self, store: Store, commit: Commit) -> None:
        """Check what has become durable."""
        self.checked += 1
        if commit.position < self._acknowledged:
            self.violate(f"a commit at {commit.position} after one at {self._acknowledged}")
        self._acknowledged = commit.position
        for _, _, _, body in commit.rows:
            self._take(decode_row(body)[1])

    def _take(self, row: Row) -> None:
        self.seen[row.table] += 1
        if isinstance(row, TransferRow):
            self._transfer(row)
        elif isinstance(row, BalanceRow):
            self._balance(row)
        elif isinstance(row, FillRow):
            self._fill(row)
        elif isinstance(row, OrderRow):
            self._order(row)
        elif isinstance(row, SleeveRow):
            self.sleeves[(row.user, row.vault, row.sleeve, row.symbol)] = row.position_lots
        elif isinstance(row, ReconciliationRow):
            self.reconciled[row.key()] = row
        elif isinstance(row, SwitchRow):
            self.switch_stands = row.engaged and row.confirmed
            self.seen["switch.confirmed"] += self.switch_stands
            self.seen["switch.order"] += row.engaged and self._is_trading()

    def _transfer(self, row: TransferRow) -> None:
        vault = row.vault_address
        self._transfers[vault] += 1
        if row.number != self._transfers[vault]:
            self.violate(f"transfer {row.number} of {vault} comes after {self._transfers[vault]}")
        if row.amount_minor <= 0:
            self.violate(f"transfer {row.number} of {vault} moves {row.amount_minor}")
        self.sums[vault, row.debit, row.asset] -= row.amount_minor
        self.sums[vault, row.credit, row.asset] += row.amount_minor

    def _balance(self, row: BalanceRow) -> None:
        account = (row.vault_address, row.account, row.asset)
        if row.may_be_negative:
            self.outside.add(account)
        elif row.balance_minor < 0:
            self.violate(f"{account} is {row.balance_minor}")

    def _fill(self, row: FillRow) -> None:
        if row.key() in self._fills:
            self.violate(f"fill {row.key()} was recorded twice")
        self._fills[row.key()] = row.quantity_lots
        signed_lots = row.quantity_lots if row.side == "buy" else -row.quantity_lots
        self.positions[row.user, row.vault, row.sleeve, row.symbol] += signed_lots

    def _order(self, row: OrderRow) -> None:
        before = self.orders.get(row.client_order_id)
        self.seen[f"order.{row.state}"] += 1
        if 0 < row.filled_lots < row.quantity_lots:
            self.seen["order.partial"] += 1
        if row.filled_lots > row.quantity_lots:
            self.violate(f"order {row.client_order_id} is filled beyond its quantity: {row}")
        if before is not None and row.filled_lots < before.filled_lots:
            self.violate(f"order {row.client_order_id} lost fills: {before} then {row}")
        self.orders[row.client_order_id] = row
        self._moved.set()

    async def order_under_way(self) -> None:
        """Wait until an order is under way, as far as anybody was told."""
        while not self._is_trading():
            self._moved = trio.Event()
            await self._moved.wait()

    def _is_trading(self) -> bool:
        return any(row.state in UNDER_WAY for row in self.orders.values())

    # --- at each start

    def restored(self, store: Store) -> None:
        """Check that a start finds all that was acknowledged, and take over what is there."""
        found = store.next_position() - 1
        if found < self._acknowledged:
            self.violate(f"the journal ends at {found}; {self._acknowledged} was acknowledged")
        connection = store.database.writer
        transfers, sums = Counter[str](), Counter[Account]()
        for vault, _, asset, debit, credit, amount_minor in connection.execute(_TRANSFERS):
            transfers[vault] += 1
            sums[vault, debit, asset] -= amount_minor
            sums[vault, credit, asset] += amount_minor
        for vault, count in self._transfers.items():
            if transfers[vault] < count:
                self.violate(f"{vault} has {transfers[vault]} transfers; {count} were acknowledged")
        fills, positions = {}, Counter[Sleeve]()
        for key, _, user, vault, sleeve, symbol, side, lots in connection.execute(_FILLS):
            fills[key] = lots
            positions[user, vault, sleeve, symbol] += lots if side == "buy" else -lots
        for key in self._fills:
            if key not in fills:
                self.violate(f"fill {key} was acknowledged and is gone")
        if self._acknowledged and self._is_trading():
            self.seen["start.order"] += 1
        if found > self._acknowledged > 0:
            self.seen["tail.unacknowledged"] += 1
        self._take_orders(store)
        self.outside |= set(connection.execute(_OUTSIDE))
        self._transfers, self.sums = transfers, sums
        self._fills, self.positions = fills, positions
        self._acknowledged = max(found, self._acknowledged)

    def _take_orders(self, store: Store) -> None:
        """Take over how orders stand: of the last commits before a death nobody had heard."""
        connection = store.database.writer
        for client_order_id, state, filled_lots in connection.execute(_ORDERS):
            known = self.orders.get(client_order_id)
            if known is not None:
                if filled_lots < known.filled_lots:
                    self.violate(f"order {client_order_id} lost fills: {known} then {filled_lots}")
                self.orders[client_order_id] = replace(known, state=state, filled_lots=filled_lots)

    # --- at each send

    def sent(self, data: bytes) -> None:
        """Look at what leaves the bot: an order is written once, and none against the switch."""
        data = unmasked(data)
        if not _ADD_ORDER.search(data):
            return
        self.seen["orders.written"] += 1
        found = _CLIENT_ID.search(data)
        if found is not None:
            client_order_id = found.group(1).decode()
            if client_order_id in self._sent:
                self.violate(f"order {client_order_id} was written twice")
            self._sent[client_order_id] = self.intent_of(client_order_id)
            self._one_per_intent(client_order_id)
        if self.switch_stands and _BUYS.search(data):
            self.violate("an entry was written while the kill switch stands")

    def _one_per_intent(self, client_order_id: str) -> None:
        """Check that no other order of the same wish may still fill, whatever it is called."""
        intent_id = self._sent[client_order_id]
        for other, theirs in self._sent.items():
            if intent_id and theirs == intent_id and other != client_order_id:
                row = self.orders.get(other)
                if row is None or row.state in UNDER_WAY:
                    self.violate(f"{client_order_id} and {other} are of one wish, {intent_id}")

    # --- at each look

    def look(self, system: System) -> None:
        """Check that nothing grows without bound and no message is unaccounted for."""
        for address, cell in system.cells.items():
            figures = cell.mailbox.statistics()
            if not figures.conserved and address not in self.lost:
                self.violate(f"{address} has lost count of its messages: {figures}")
            if figures.queued >= limits.MAILBOX_SOFT:
                self.violate(f"{figures.queued} messages wait for {address}")
            if cell.tail_bytes > limits.TAIL_BYTES_TOTAL:
                self.violate(f"{address} keeps a tail of {cell.tail_bytes} bytes")
            if cell.blocked is not None:
                self.seen["blocked"] += 1
        if system.journal.degraded:
            self.seen["store.degraded"] += 1
        backlog_bytes, _ = system.journal.backlog()
        if backlog_bytes > 2 * limits.BACKLOG_BYTES_MAX:
            self.violate(f"{backlog_bytes} bytes are not durable")

    def settled(self) -> None:
        """Check at rest: positions are the sums of unique fills, and no order is under way."""
        for sleeve, lots in self.sleeves.items():
            if lots != self.positions[sleeve]:
                self.violate(f"{sleeve} holds {lots}, its fills sum to {self.positions[sleeve]}")
        for account, amount_minor in self.sums.items():
            if amount_minor < 0 and account not in self.outside:
                self.violate(f"{account} is {amount_minor}")

    def held_minor(self, asset: str) -> int:
        """Return what all vaults together hold of `asset`, by their transfers."""
        return sum(
            amount
            for account, amount in self.sums.items()
            if account[2] == asset and not is_outside(account[1])
        )


def _of_none(client_order_id: str) -> str:
    return ""


def _nothing() -> None:
    """Go on after a violation."""
