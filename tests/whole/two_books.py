"""Our books beside the venue's: every order, every fill, every balance, to the last digit."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import apsw

Json = Any
# What stands for the outside world in a vault's books: all else must lie at the venue.
OUTSIDE = ("external", "market", "fees", "funding", "rounding")
SCALES = {"USDT": 8, "ETH": 10}
# Our states that say that no order of the id ever was in the venue's book.
NEVER_THERE = ("denied", "rejected", "absent", "cancelled")
ENDS = {"filled": "closed", "cancelled": "canceled", "expired": "expired"}


class OurBooks(NamedTuple):
    """What the database says."""

    orders: dict[str, Json]
    """By client order id; the newest row."""
    fills: list[Json]
    balances: dict[tuple[str, str], int]
    """(asset, account) → minor units, summed over vaults."""
    vaults: list[Json]
    problems: list[str]
    """What is wrong with the books by themselves."""
    alerts: Counter[str]


def our_books(folder: Path) -> OurBooks:
    """Read the database of a bot that does not run."""
    connection = apsw.Connection(str(folder / "canopy.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        orders = {row["client_order_id"]: row for row in _rows(connection, "orders_current")}
        balances: Counter[tuple[str, str]] = Counter()
        for transfer in _rows(connection, "transfers"):
            balances[transfer["asset"], transfer["debit"]] -= transfer["amount_minor"]
            balances[transfer["asset"], transfer["credit"]] += transfer["amount_minor"]
        return OurBooks(
            orders,
            list(_rows(connection, "fills")),
            dict(balances),
            list(_rows(connection, "vaults_current")),
            [*_own_problems(connection, balances)],
            Counter(row["text"].split(":")[0] for row in _rows(connection, "alerts")),
        )
    finally:
        connection.close()


def _rows(connection: apsw.Connection, table: str) -> Iterable[Json]:
    cursor = connection.execute(f"SELECT * FROM {table} ORDER BY id")
    for row in cursor:
        names = [column[0] for column in cursor.get_description()]
        yield dict(zip(names, row, strict=True))


def _own_problems(connection: apsw.Connection, summed: Counter[tuple[str, str]]) -> Iterable[str]:
    """Check the books against themselves: sums, kept balances, Total."""
    for asset in {asset for asset, _ in summed}:
        total = sum(amount for (each, _), amount in summed.items() if each == asset)
        if total:
            yield f"the transfers of {asset} sum to {total}"
    kept: Counter[tuple[str, str]] = Counter()
    for row in _rows(connection, "balances_current"):
        kept[row["asset"], row["account"]] += row["balance_minor"]
        if row["balance_minor"] < 0 and not row["may_be_negative"]:
            yield f"{row['account']} holds {row['balance_minor']} of {row['asset']}"
    for key in {*summed, *kept}:
        if kept[key] != summed[key]:
            yield f"{key}: kept {kept[key]}, the transfers sum to {summed[key]}"
    for vault in _rows(connection, "vaults_current"):
        deposits = -summed[vault["asset"], "external"]
        expected = deposits + vault["realised_minor"] + vault["unrealised_minor"]
        if vault["total_minor"] != expected:
            yield f"{vault['vault']}: Total {vault['total_minor']}, by its parts {expected}"
    for (count,) in connection.execute("SELECT count(*) FROM quarantine"):
        if count:
            yield f"{count} messages in quarantine"


def differences(ours: OurBooks, theirs: Json, account: str = "alice") -> list[str]:
    """Return one line for everything in which our books and the venue's differ."""
    orders = [order for order in theirs["orders"] if order["account"] == account]
    fills = [fill for fill in theirs["fills"] if fill["account"] == account]
    return [
        *ours.problems,
        *_order_differences(ours.orders, orders),
        *_fill_differences(ours.fills, fills),
        *_balance_differences(ours.balances, theirs["balances"][account]),
        *(f"the venue's own {a} sums to {t}" for a, t in theirs["totals"].items() if Decimal(t)),
    ]


def _order_differences(ours: dict[str, Json], theirs: list[Json]) -> Iterable[str]:
    counted = Counter(order["client_order_id"] for order in theirs)
    yield from (f"{ours_id}: {n} orders at the venue" for ours_id, n in counted.items() if n > 1)
    for order in theirs:
        row = ours.get(order["client_order_id"])
        name = f"{order['client_order_id']} ({order['txid']})"
        if row is None:
            yield f"{name}: lost: we do not know it"
            continue
        filled = Decimal(row["filled_lots"]) * Decimal(row["lot"])
        cost = Decimal(row["cost_minor"]).scaleb(-row["quote_scale"])
        said = ENDS.get(row["state"], row["state"])
        found = (row["venue_order_id"], said, filled, cost)
        expected = (
            order["txid"],
            order["status"],
            Decimal(order["filled"]),
            Decimal(order["cost"]),
        )
        if found != expected:
            yield f"{name}: ours {found} ({row['reason']}), the venue's {expected}"
    for ours_id, row in ours.items():
        if ours_id not in counted and (row["state"] not in NEVER_THERE or row["filled_lots"]):
            yield f"{ours_id}: {row['state']} with us, never at the venue"


def _fill_differences(ours: list[Json], theirs: list[Json]) -> Iterable[str]:
    mine = Counter(
        (
            row["exec_id"],
            row["client_order_id"],
            row["side"],
            Decimal(row["quantity_lots"]) * Decimal(row["lot"]),
            Decimal(row["price_ticks"]) * Decimal(row["tick"]),
            Decimal(row["cost_minor"]).scaleb(-row["quote_scale"]),
            Decimal(row["fee_minor"]).scaleb(-row["fee_scale"]),
            row["fee_asset"],
        )
        for row in ours
    )
    his = Counter(
        (
            fill["txid"],
            fill["client_order_id"],
            fill["side"],
            Decimal(fill["quantity"]),
            Decimal(fill["price"]),
            Decimal(fill["cost"]),
            Decimal(fill["fee"]),
            fill["fee_asset"],
        )
        for fill in theirs
    )
    yield from (
        f"fill {fill}: {n} times too often in our books" for fill, n in (mine - his).items()
    )
    yield from (f"fill {fill}: {n} times missing in our books" for fill, n in (his - mine).items())


def _balance_differences(ours: dict[tuple[str, str], int], theirs: dict[str, str]) -> Iterable[str]:
    for asset, scale in SCALES.items():
        held = sum(
            amount for (a, account), amount in ours.items() if a == asset and account not in OUTSIDE
        )
        expected = Decimal(theirs.get(asset, "0"))
        if Decimal(held).scaleb(-scale) != expected:
            yield f"{asset}: our books {Decimal(held).scaleb(-scale)}, the venue's {expected}"
