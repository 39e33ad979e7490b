"""Looking into a data folder without holding it: beside a running bot, or after one.

Nothing is written; a write-ahead log that is there is read.
"""

from pathlib import Path
from types import TracebackType
from typing import Self, cast

import apsw

from state.bodies import CACHE_BYTES
from state.database import (
    APPLICATION_ID,
    DAMAGE_REPORTED_MAX,
    DATABASE_NAME,
    Database,
    configure,
    migrations,
    refusing,
)
from state.errors import (
    DatabaseForeignError,
    DatabaseNewerError,
    DataFolderError,
    DataRefusedError,
)
from state.history import History
from state.lineages import Lineages, read_lineages
from state.rows import SomeRow, current_rows
from state.sql import fetch_all, fetch_one


class Look:
    """A read-only connection to the database of a data folder; a context manager."""

    def __init__(self, folder: Path) -> None:
        """Connect. Raises `DataFolderError`, or a `DataRefusedError` for what is not ours."""
        self.path = folder / DATABASE_NAME
        if not self.path.exists():
            raise DataFolderError(folder, "there is no database in it: the bot never ran here")
        with refusing(self.path):
            self.connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            with refusing(self.path):
                self._identify()
        except DataRefusedError:
            self.connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.connection.close()

    def _identify(self) -> None:
        configure(self.connection)
        application_id = int(self.connection.pragma("application_id") or 0)
        if application_id != APPLICATION_ID:
            raise DatabaseForeignError(self.path, application_id)
        self.version = int(self.connection.pragma("user_version") or 0)
        known = len(migrations())
        if self.version > known:
            raise DatabaseNewerError(self.path, self.version, known)
        found = fetch_one(self.connection, "SELECT lineage, boot FROM meta")
        assert found is not None, "a database of ours says who it is"
        self.lineage: bytes = found[0]
        self.boot: int = found[1]

    def history(self, cache_bytes: int = CACHE_BYTES) -> History:
        """Return the past of every actor; twice `cache_bytes` of blocks are kept in memory."""
        # A history asks its database for nothing but the path, for its errors.
        return History(cast(Database, self), self.connection, cache_bytes)

    def names(self) -> dict[str, int]:
        """Return every address and topic with its number."""
        return dict(fetch_all(self.connection, "SELECT name, id FROM names"))

    def configuration(self, actor: int) -> bytes | None:
        """Return the newest configuration sent to `actor`."""
        query = "SELECT configuration FROM configurations WHERE actor = ?"
        row = fetch_one(self.connection, query, (actor,))
        return row[0] if row is not None else None

    def newest(self, kind: type[SomeRow], count: int) -> list[SomeRow]:
        """Return the newest row of each entity, newest first, at most `count`."""
        with refusing(self.path):
            return current_rows(self.connection, kind, count)

    def lineages(self) -> Lineages:
        """Return under which lineage what was made."""
        return read_lineages(self.lineage, self.names(), self.configuration)

    def damage(self) -> list[str]:
        """Check the whole file, seconds per gigabyte; return what is wrong, if anything is."""
        with refusing(self.path):
            rows = fetch_all(self.connection, f"PRAGMA quick_check({DAMAGE_REPORTED_MAX})")
        found = [str(row[0]) for row in rows]
        return [] if found == ["ok"] else found
