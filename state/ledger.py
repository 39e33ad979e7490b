"""The last assertion about money: an account's newest balance is what its transfers sum to."""

from collections.abc import Iterable

import apsw

from messages.base import Row
from messages.rows import BalanceRow, TransferRow
from state.sql import fetch_one, listed

_DIFFERENT = """
SELECT b.entity, b.balance_minor, coalesce(s.sum_minor, 0)
FROM json_each(?) AS touched
JOIN balances_current AS b ON b.entity = touched.value
LEFT JOIN balance_sums AS s
  ON s.vault_address = b.vault_address AND s.account = b.account AND s.asset = b.asset
WHERE b.balance_minor <> coalesce(s.sum_minor, 0)
LIMIT 1
"""
_ALL_DIFFERENT = _DIFFERENT.replace(
    "json_each(?)", "(SELECT entity AS value FROM balances_current)"
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


def check(connection: apsw.Connection, keys: set[str]) -> None:
    """Compare the balances `keys` with their transfers; raises `apsw.ConstraintError`.

    Keys that have no balance row are left out. Runs inside the transaction that brought the rows.
    """
    if not keys:
        return
    _refuse(fetch_one(connection, _DIFFERENT, (listed(sorted(keys)),)))


def check_all(connection: apsw.Connection) -> None:
    """Compare every balance with its transfers (`bot doctor`); raises `apsw.ConstraintError`."""
    _refuse(fetch_one(connection, _ALL_DIFFERENT))


def _refuse(row: tuple[object, ...] | None) -> None:
    if row is not None:
        entity, balance_minor, sum_minor = row
        raise apsw.ConstraintError(
            f"the balance of {entity} is {balance_minor}, its transfers sum to {sum_minor}"
        )
