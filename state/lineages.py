"""Which lineage the turns of a journal were made under: of an older one, before a restore.

The ids and random numbers that actors make follow from the lineage, so what was recorded before a
backup was restored is only made again under the lineage of then. Each restore notes until when that
was, among the journal's configurations, under a name that no actor can have.
"""

from collections.abc import Callable, Mapping

import apsw
import msgspec

from state.sql import fetch_one, fill
from state.tables import Hours

NAME = "//lineages"


class PastLineage(msgspec.Struct, frozen=True, array_like=True):
    """A lineage before a restore."""

    until_ns: int
    """The newest moment in the backup: the process clock of the next life begins above it."""
    lineage: bytes


class Lineages(msgspec.Struct, frozen=True):
    """The lineage in force, and those before it, oldest first."""

    now: bytes
    before: tuple[PastLineage, ...] = ()

    def at(self, now_ns: int) -> tuple[bytes, int, int]:
        """Return under which lineage a turn at `now_ns` was made, and its first and last moment."""
        first_ns = 0
        for past in self.before:
            if now_ns <= past.until_ns:
                return past.lineage, first_ns, past.until_ns
            first_ns = past.until_ns + 1
        return self.now, first_ns, 2**63 - 1


_decode = msgspec.msgpack.Decoder(tuple[PastLineage, ...]).decode


def read_lineages(
    now: bytes, names: Mapping[str, int], configuration: Callable[[int], bytes | None]
) -> Lineages:
    """Return the lineages of a database with these names and configurations."""
    number = names.get(NAME)
    document = configuration(number) if number is not None else None
    return Lineages(now, _decode(document) if document is not None else ())


def note_restore(connection: apsw.Connection) -> None:
    """Note in a backup that is being restored, inside a transaction, what its past was made under.

    Restored twice without a life in between, it has the same past: that is noted once.
    """
    (lineage,) = fetch_one(connection, "SELECT coalesce(tail_lineage, lineage) FROM meta") or (b"",)
    until_ns = _newest_ns(connection)
    found = fetch_one(connection, "SELECT id FROM names WHERE name = ?", (NAME,))
    (number,) = found or fetch_one(connection, "SELECT count(*) + 1 FROM names") or (1,)
    query = "SELECT configuration FROM configurations WHERE actor = ?"
    kept = fetch_one(connection, query, (number,)) if found else None
    before = _decode(kept[0]) if kept else ()
    if not lineage or (before and before[-1].until_ns >= until_ns):
        return
    document = msgspec.msgpack.encode((*before, PastLineage(until_ns, lineage)))
    connection.execute("INSERT OR IGNORE INTO names (id, name) VALUES (?, ?)", (number, NAME))
    connection.execute(
        "INSERT OR REPLACE INTO configurations (actor, configuration) VALUES (?, ?)",
        (number, document),
    )


def _newest_ns(connection: apsw.Connection) -> int:
    """Return the time of the newest turn."""
    for hour in reversed(Hours(connection).of("turn")):
        query = fill("SELECT max(at_ns) FROM turn_{hour}", hour=hour)
        (at_ns,) = fetch_one(connection, query) or (None,)
        if at_ns is not None:
            return int(at_ns)
    return 0
