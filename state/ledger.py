"""The last assertion about money: an account's newest balance is what its transfers sum to."""

from collections.abc import Iterable

import apsw

from messages.base import Row
from messages.rows import BalanceRow, TransferRow
from state.sql import fetch_one, fill

_DIFFERENT = """
SELECT {said} FROM {touched} AS touched
JOIN balances_current AS b ON b.entity = touched.value
LEFT JOIN balance_sums AS s
  ON s.vault_address = b.vault_address AND s.account = b.account AND s.asset = b.asset
WHERE b.balance_minor <> coalesce(s.sum_minor, 0)
LIMIT 1
"""
_SAID = """'the balance of ' || b.entity || ' is ' || b.balance_minor
    || ', its transfers sum to ' || coalesce(s.sum_minor, 0)"""
# Inside the transaction that brings rows (`state/gate.py`): compares the balances NEW.touched with
# their transfers. Keys that have no balance row are left out.
ASSERTION = fill(_DIFFERENT, said=f"RAISE(ABORT, {_SAID})", touched="json_each(NEW.touched)")
_ALL_DIFFERENT = fill(
    _DIFFERENT, said=_SAID, touched="(SELECT entity AS value FROM balances_current)"
)


def touched(rows: Iterable[Row]) -> set[str]:
    """Return the keys of the balances that `rows` change or should."""
    keys: set[str] = set()
    for row in rows:
        if isinstance(row, BalanceRow):
            keys.add(row.key())
        elif isinstance(row, TransferRow):
            keys.add(f"{row.vault_address}:{row.debit}:{row.asset}")
            keys.add(f"{row.vault_address}:{row.credit}:{row.asset}")
    return keys


def check_all(connection: apsw.Connection) -> None:
    """Compare every balance with its transfers (`bot doctor`); raises `apsw.ConstraintError`."""
    row = fetch_one(connection, _ALL_DIFFERENT)
    if row is not None:
        raise apsw.ConstraintError(row[0])
