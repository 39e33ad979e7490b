"""The books, looked at from outside: `bot ledger balances` and `bot ledger check`."""

import apsw

from bot.views import balance_view
from messages.rows import BalanceRow, SleeveRow
from messages.views import BalanceView, CheckView
from state.database import Database
from state.ledger import check_all
from state.rows import Reader
from state.sql import fetch_all

# The common number of decimals; `asset_scales` names those that differ.
SCALE_COMMON = 8

_UNBALANCED = """
SELECT vault_address, asset, sum(sum_minor) FROM balance_sums
GROUP BY vault_address, asset HAVING sum(sum_minor) <> 0
"""
_NEGATIVE = """
SELECT vault_address, account, asset, balance_minor FROM balances_current
WHERE balance_minor < 0 AND NOT may_be_negative
"""
_COUNT = "SELECT count(*), count(DISTINCT vault_address) FROM transfers"


async def balance_views(reader: Reader, scales: dict[str, int]) -> list[BalanceView]:
    """Return the balance of every account, by vault and account."""
    rows = await reader.current(BalanceRow)
    rows.sort(key=lambda row: (row.vault_address, row.account, row.asset))
    # Contracts of a perpetual are counted in lots: their decimals are those of a lot.
    lots = {row.symbol: row.lot for row in await reader.current(SleeveRow) if ":" in row.symbol}
    known = scales | {symbol: len(lot.partition(".")[2]) for symbol, lot in lots.items() if lot}
    return [balance_view(row, known.get(row.asset, SCALE_COMMON)) for row in rows]


def check_books(database: Database, now_ns: int) -> list[CheckView]:
    """Check the books against themselves, on a connection of its own. Blocks: not for the loop."""
    connection = database.reader()
    try:
        return checks_of(connection, now_ns)
    finally:
        if connection is not database.writer:
            connection.close()


def checks_of(connection: apsw.Connection, now_ns: int) -> list[CheckView]:
    """Ask the three questions that books must answer."""
    (transfers, vaults), *_ = fetch_all(connection, _COUNT)
    counted = f"{transfers} transfers of {vaults} vaults"
    unbalanced = [
        f"{vault}: {asset} sums to {total} minor units"
        for vault, asset, total in fetch_all(connection, _UNBALANCED)
    ]
    negative = [
        f"{vault}: {account} holds {balance} minor units of {asset}"
        for vault, account, asset, balance in fetch_all(connection, _NEGATIVE)
    ]
    differing = ""
    try:
        check_all(connection)
    except apsw.ConstraintError as error:
        differing = str(error)
    return [
        _check("sums", "; ".join(unbalanced), f"{counted}: every asset sums to zero", now_ns),
        _check("balances", differing, "every balance is the sum of its transfers", now_ns),
        _check("signs", "; ".join(negative), "no account of ours is negative", now_ns),
    ]


def _check(name: str, wrong: str, right: str, now_ns: int) -> CheckView:
    remedy = f"{wrong}: stop with `bot stop`, keep a copy of the data folder, and report this"
    return CheckView(name=name, agreed=not wrong, detail=remedy if wrong else right, at_ns=now_ns)
