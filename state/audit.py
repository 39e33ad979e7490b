"""The audit: what operators did, append-only, each entry sealed by a hash over all before it."""

import hashlib

import apsw
import msgspec

from state.group import Audited
from state.sql import fetch_one, insert_many

CHAIN_BYTES = 32
ORIGIN = bytes(CHAIN_BYTES)
_COLUMNS = ("number", "at_ns", "operator", "act", "subject", "detail", "chain")
_encode = msgspec.msgpack.Encoder().encode


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One entry, read back."""

    number: int
    at_ns: int
    operator: str
    act: str
    subject: str
    detail: str
    chain: bytes


class Tail(msgspec.Struct, frozen=True):
    """Where the audit ends."""

    number: int = 0
    chain: bytes = ORIGIN


def tail(connection: apsw.Connection) -> Tail:
    """Return where the audit of a database ends."""
    row = fetch_one(connection, "SELECT number, chain FROM audit ORDER BY number DESC LIMIT 1")
    return Tail(*row) if row is not None else Tail()


def seal(chain: bytes, number: int, entry: Audited) -> bytes:
    """Return the chain after `entry`."""
    return hashlib.blake2b(chain + _encode((number, *entry)), digest_size=CHAIN_BYTES).digest()


def append(connection: apsw.Connection, end: Tail, entries: list[Audited]) -> Tail:
    """Append `entries` in the transaction that is open; return the new end."""
    rows = []
    for entry in entries:
        end = Tail(end.number + 1, seal(end.chain, end.number + 1, entry))
        rows.append((end.number, *entry, end.chain))
    insert_many(connection, "audit", _COLUMNS, rows)
    return end


def verify(connection: apsw.Connection) -> tuple[int, str]:
    """Return how many entries hold, and what is wrong with the next ("" if nothing is)."""
    number, chain = 0, ORIGIN
    for row in connection.execute(
        "SELECT number, at_ns, operator, act, subject, detail, chain FROM audit ORDER BY number"
    ):
        entry = msgspec.convert(row, Entry)
        if entry.number != number + 1:
            return number, f"entry {number + 1} is missing"
        acted = Audited(entry.at_ns, entry.operator, entry.act, entry.subject, entry.detail)
        chain = seal(chain, entry.number, acted)
        if chain != entry.chain:
            return number, f"entry {entry.number} was changed after it was written"
        number = entry.number
    return number, ""
