"""The box's own SQLite file: what must survive a kill at any instruction.

One connection, one transaction per commit, WAL, `synchronous=FULL`: when `commit` returns, the rows
are on the disk. A file is only read at start; afterwards memory is the authority and rows are
upserts of what memory holds, so writing the same changes twice is harmless.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import apsw

from venue.candles import Candle
from venue.changes import (
    AccountRow,
    BalanceRow,
    Changes,
    FundingRow,
    MarketRow,
    OrderRow,
    PositionRow,
    TermsRow,
)
from venue.file_lock import FileLock, StorageError
from venue.orders import (
    Fill,
    LedgerEntry,
    Order,
    OrderStatus,
    TimeInForce,
    TriggerBy,
    TriggerKind,
)

__all__ = ["Storage", "StorageError", "StoredState"]

SCHEMA_VERSION = 3
FUNDING_KEPT_MAX = 10_000  # settlements read back: three years of three perpetuals
APPLICATION_ID = 0x43_42_4F_58  # "CBOX"

_SCHEMA = """
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE accounts (
  number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
  last_nonce INTEGER NOT NULL, cancel_after_ns INTEGER NOT NULL);
CREATE TABLE balances (
  account INTEGER NOT NULL, asset TEXT NOT NULL, units INTEGER NOT NULL,
  PRIMARY KEY (account, asset)) WITHOUT ROWID;
CREATE TABLE orders (
  number INTEGER PRIMARY KEY, txid TEXT NOT NULL UNIQUE, account INTEGER NOT NULL,
  symbol TEXT NOT NULL, side INTEGER NOT NULL, is_market INTEGER NOT NULL,
  price_ticks INTEGER NOT NULL, quantity_lots INTEGER NOT NULL, post_only INTEGER NOT NULL,
  time_in_force TEXT NOT NULL, expire_ns INTEGER NOT NULL, client_order_id TEXT NOT NULL,
  user_reference INTEGER NOT NULL, by_hand INTEGER NOT NULL, opened_ns INTEGER NOT NULL,
  book_id INTEGER NOT NULL, status TEXT NOT NULL, filled_lots INTEGER NOT NULL,
  cost_units INTEGER NOT NULL, fee_units INTEGER NOT NULL, held_units INTEGER NOT NULL,
  closed_ns INTEGER NOT NULL, changed_ns INTEGER NOT NULL, reason TEXT NOT NULL,
  reduce_only INTEGER NOT NULL DEFAULT 0, trigger_kind TEXT NOT NULL DEFAULT '',
  trigger_by TEXT NOT NULL DEFAULT 'last', trigger_ticks INTEGER NOT NULL DEFAULT 0,
  triggered_ns INTEGER NOT NULL DEFAULT 0);
CREATE INDEX orders_open ON orders (status) WHERE status = 'open';
CREATE TABLE fills (
  number INTEGER PRIMARY KEY, txid TEXT NOT NULL UNIQUE, order_number INTEGER NOT NULL,
  order_txid TEXT NOT NULL, account INTEGER NOT NULL, symbol TEXT NOT NULL, side INTEGER NOT NULL,
  price_ticks INTEGER NOT NULL, quantity_lots INTEGER NOT NULL, cost_units INTEGER NOT NULL,
  fee_units INTEGER NOT NULL, is_maker INTEGER NOT NULL, is_market INTEGER NOT NULL,
  trade_number INTEGER NOT NULL, at_ns INTEGER NOT NULL, fee_asset TEXT NOT NULL DEFAULT '',
  realised_units INTEGER NOT NULL DEFAULT 0);
CREATE TABLE ledger (
  number INTEGER PRIMARY KEY, txid TEXT NOT NULL UNIQUE, account INTEGER NOT NULL,
  asset TEXT NOT NULL, kind TEXT NOT NULL, reference TEXT NOT NULL,
  amount_units INTEGER NOT NULL, fee_units INTEGER NOT NULL, balance_units INTEGER NOT NULL,
  at_ns INTEGER NOT NULL);
CREATE TABLE markets (
  symbol TEXT PRIMARY KEY, epoch_ns INTEGER NOT NULL, event_index INTEGER NOT NULL,
  next_trade_id INTEGER NOT NULL, book BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE terms (
  symbol TEXT PRIMARY KEY, tick TEXT NOT NULL, lot TEXT NOT NULL, source TEXT NOT NULL)
  WITHOUT ROWID;
CREATE TABLE candles (
  symbol TEXT NOT NULL, open_ns INTEGER NOT NULL, open_ticks INTEGER NOT NULL,
  high_ticks INTEGER NOT NULL, low_ticks INTEGER NOT NULL, close_ticks INTEGER NOT NULL,
  volume_lots INTEGER NOT NULL, turnover TEXT NOT NULL, trades INTEGER NOT NULL,
  PRIMARY KEY (symbol, open_ns)) WITHOUT ROWID;
"""
_PERPETUALS = """
CREATE TABLE positions (
  account INTEGER NOT NULL, symbol TEXT NOT NULL, lots INTEGER NOT NULL,
  cost_units INTEGER NOT NULL, leverage INTEGER NOT NULL, is_isolated INTEGER NOT NULL,
  extra_units INTEGER NOT NULL, realised_units INTEGER NOT NULL, funding_units INTEGER NOT NULL,
  changed_ns INTEGER NOT NULL, PRIMARY KEY (account, symbol)) WITHOUT ROWID;
CREATE TABLE funding (
  symbol TEXT NOT NULL, at_ns INTEGER NOT NULL, rate_ppb INTEGER NOT NULL,
  mark_ticks INTEGER NOT NULL, PRIMARY KEY (symbol, at_ns)) WITHOUT ROWID;
"""


# What a file of this version lacks that the next one has.
_UPGRADES = {
    1: """
CREATE TABLE terms (
  symbol TEXT PRIMARY KEY, tick TEXT NOT NULL, lot TEXT NOT NULL, source TEXT NOT NULL)
  WITHOUT ROWID;
""",
    2: """
ALTER TABLE orders ADD COLUMN reduce_only INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN trigger_kind TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN trigger_by TEXT NOT NULL DEFAULT 'last';
ALTER TABLE orders ADD COLUMN trigger_ticks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN triggered_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fills ADD COLUMN fee_asset TEXT NOT NULL DEFAULT '';
ALTER TABLE fills ADD COLUMN realised_units INTEGER NOT NULL DEFAULT 0;
"""
    + _PERPETUALS,
}


class StoredState(NamedTuple):
    """Everything a start needs."""

    counters: dict[str, int]
    accounts: list[AccountRow]
    balances: list[BalanceRow]
    orders: list[Order]
    fills: list[Fill]
    ledger: list[LedgerEntry]
    markets: dict[str, MarketRow]
    terms: dict[str, TermsRow]
    positions: list[PositionRow]
    funding: list[FundingRow]


class Storage:
    """The file at `path`, or a database in memory when `path` is None. Not for two threads at once.

    `vfs` names the SQLite file system it lies in, the default one unless a simulation says so.
    Raises `StorageError` for a file that is not a box's, of a newer version, or that another box
    has open.
    """

    def __init__(self, path: str | None, vfs: str = "") -> None:
        self.path = path
        self._lock = None if path is None else FileLock(path)
        try:
            self._connection = apsw.Connection(path or ":memory:", vfs=vfs or None)
            if vfs:
                # Without shared memory a log can be read only by who has the file alone.
                self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._prepare()
        except apsw.Error as error:
            self.close()
            raise StorageError(
                f"the box's data file {path} cannot be opened ({error}): "
                "name another data_file, or remove this one to start empty"
            ) from error
        except StorageError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; harmless when repeated."""
        connection = getattr(self, "_connection", None)
        try:
            if connection is not None:
                connection.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    def _prepare(self) -> None:
        database = self._connection
        database.set_busy_timeout(5_000)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        version = database.execute("PRAGMA user_version").get
        application = database.execute("PRAGMA application_id").get
        tables = database.execute("SELECT count(*) FROM sqlite_schema").get
        if version == 0 and tables == 0:
            with database:
                database.execute(_SCHEMA + _PERPETUALS)
                database.execute(f"PRAGMA application_id={APPLICATION_ID}")
                database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        elif application == APPLICATION_ID and version in _UPGRADES:
            with database:
                for step in range(version, SCHEMA_VERSION):
                    database.execute(_UPGRADES[step])
                database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        elif application != APPLICATION_ID or version != SCHEMA_VERSION:
            raise StorageError(
                f"the file {self.path} is not an exchange's data of version {SCHEMA_VERSION} "
                f"(application {application}, version {version}): name another data_file"
            )

    # --- writing -----------------------------------------------------------------------------

    def commit(self, changes: Iterable[Changes]) -> None:
        """Write all `changes` in one transaction, in order; on return they are durable."""
        with self._connection:
            for one in changes:
                self._upsert("counters", one.counters.items(), 2)
                self._upsert("accounts", one.accounts, 4)
                self._upsert("balances", one.balances, 3)
                self._upsert("orders", one.orders, 29)
                self._upsert("fills", one.fills, 17)
                self._upsert("ledger", one.ledger, 10)
                self._upsert("markets", one.markets, 5)
                self._upsert("terms", one.terms, 4)
                self._upsert("candles", one.candles, 9)
                self._upsert("positions", one.positions, 10)
                self._upsert("funding", one.funding, 4)

    def _upsert(self, table: str, rows: Iterable[tuple[Any, ...]], columns: int) -> None:
        marks = ",".join("?" * columns)
        bindings = [tuple(row) for row in rows]
        if bindings:
            statement = f"INSERT OR REPLACE INTO {table} VALUES ({marks})"  # noqa: S608 - constants
            self._connection.executemany(statement, bindings)

    # --- reading -----------------------------------------------------------------------------

    def load(self, closed_orders: int, fills: int, ledger: int) -> StoredState:
        """Return the state to start from: all open orders, and the newest of the rest."""
        return StoredState(
            counters=dict(self._rows("SELECT name, value FROM counters")),
            accounts=[AccountRow(*row) for row in self._rows("SELECT * FROM accounts")],
            balances=[BalanceRow(*row) for row in self._rows("SELECT * FROM balances")],
            orders=self.orders(closed_orders),
            fills=self.fills(fills),
            ledger=self.ledger(ledger),
            markets={row[0]: MarketRow(*row) for row in self._rows("SELECT * FROM markets")},
            terms={row[0]: TermsRow(*row) for row in self._rows("SELECT * FROM terms")},
            positions=[PositionRow(*row) for row in self._rows("SELECT * FROM positions")],
            funding=self._funding(),
        )

    def orders(self, closed_max: int) -> list[Order]:
        """Return the open orders and the `closed_max` newest others, oldest first."""
        rows = self._rows(
            "SELECT * FROM orders WHERE status = 'open' UNION SELECT * FROM"
            " (SELECT * FROM orders WHERE status <> 'open' ORDER BY number DESC LIMIT ?)"
            " ORDER BY number",
            closed_max,
        )
        return [_order(OrderRow(*row)) for row in rows]

    def fills(self, newest_max: int) -> list[Fill]:
        """Return the `newest_max` newest fills, oldest first."""
        rows = self._rows("SELECT * FROM fills ORDER BY number DESC LIMIT ?", newest_max)
        return [
            Fill(*row)._replace(is_maker=bool(row[11]), is_market=bool(row[12]))
            for row in reversed(rows)
        ]

    def ledger(self, newest_max: int) -> list[LedgerEntry]:
        """Return the `newest_max` newest ledger entries, oldest first."""
        rows = self._rows("SELECT * FROM ledger ORDER BY number DESC LIMIT ?", newest_max)
        return [LedgerEntry(*row) for row in reversed(rows)]

    def minutes(self, symbol: str, newest_max: int) -> list[Candle]:
        """Return the `newest_max` newest minutes of `symbol`, oldest first; forget the others."""
        with self._connection:
            self._connection.execute(
                "DELETE FROM candles WHERE symbol = ?1 AND open_ns < (SELECT open_ns FROM candles"
                " WHERE symbol = ?1 ORDER BY open_ns DESC LIMIT 1 OFFSET ?2)",
                (symbol, newest_max - 1),
            )
        rows = self._rows(
            "SELECT * FROM candles WHERE symbol = ? ORDER BY open_ns DESC LIMIT ?",
            symbol,
            newest_max,
        )
        return [Candle._make((*row[1:7], int(row[7]), row[8])) for row in reversed(rows)]

    def _funding(self) -> list[FundingRow]:
        rows = self._rows("SELECT * FROM funding ORDER BY at_ns DESC LIMIT ?", FUNDING_KEPT_MAX)
        return [FundingRow(*row) for row in reversed(rows)]

    def _rows(self, statement: str, *bindings: str | int) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, bindings).fetchall()


def _order(row: OrderRow) -> Order:
    values = row._asdict() | {
        "is_market": bool(row.is_market),
        "post_only": bool(row.post_only),
        "by_hand": bool(row.by_hand),
        "reduce_only": bool(row.reduce_only),
        "trigger_kind": TriggerKind(row.trigger_kind),
        "trigger_by": TriggerBy(row.trigger_by),
        "time_in_force": TimeInForce(row.time_in_force),
        "status": OrderStatus(row.status),
    }
    return Order(**values)
