"""Forgetting: hourly tables are dropped whole, durable messages in small steps.

Nothing in front of the horizon goes: the older of each actor's two kept snapshots, and the oldest
body that a kept turn refers to. One step does one bounded thing, between two groups.
"""

from dataclasses import dataclass

import apsw

from state.database import immediate
from state.snapshots import SNAPSHOTS_KEPT
from state.sql import fetch_all, fetch_one, fill
from state.tables import HOUR_NS
from state.writer import Writer

# A step a minute keeps up with hourly tables and 64 blocks of durable messages, unnoticed.
MAINTENANCE_NS = 60_000_000_000
# Deleting a block of up to a megabyte frees 250 pages; so many are a few milliseconds.
DURABLE_BLOCKS_PER_STEP = 64
# Giving pages back to the disk moves others: so many take a few milliseconds; fewer can wait.
VACUUM_PAGES = 512


_STREAM_BYTES = "SELECT coalesce(sum(length(heads) + length(bodies)), 0) FROM stream_{hour}"


@dataclass(frozen=True)
class Keep:
    """How much of the past is kept, beyond what recovery needs."""

    hours: int = 24
    stream_bytes: int = 4_000_000_000


class Retention:
    """Drops what is behind the horizon and older or more than is to be kept."""

    def __init__(self, connection: apsw.Connection, writer: Writer, keep: Keep) -> None:
        assert keep.hours > 0, "the current hour is always kept"
        self._connection = connection
        self._writer = writer
        self._keep = keep
        self._sizes: dict[int, int] = {}
        self._lows: dict[int, int] = {}

    def step(self) -> None:
        """Do the first thing that is to be done; called off the loop, never beside the writer."""
        if self._drop_turns() or self._drop_streams() or self._delete_durable():
            return
        self._vacuum()

    def horizon_hour(self) -> int:
        """Return the first hour whose turns some actor may still need to be rebuilt."""
        kept = self._writer.shelf.kept
        hours = [self._writer.newest_ns // HOUR_NS]
        for actor, first_hour in self._writer.actors.items():
            own = kept.get(actor, ())
            # Those that are kept beside them serve replay, as far back as there happen to be turns.
            has_both = len(own) >= SNAPSHOTS_KEPT
            hours.append(own[-SNAPSHOTS_KEPT].hour if has_both else first_hour)
        return min(hours)

    def low(self) -> int:
        """Return the oldest position that a kept turn refers to; older bodies are not needed."""
        now = self._writer.newest_ns // HOUR_NS
        lows = []
        for hour in self._writer.hours.of("turn"):
            if hour not in self._lows:
                # The running hour's table is read once, the rest the writer has seen itself.
                query = fill("SELECT coalesce(min(low), 0) FROM turn_{hour}", hour=hour)
                (self._lows[hour],) = fetch_one(self._connection, query) or (0,)
            seen = self._writer.lows.get(hour, self._lows[hour])
            self._lows[hour] = min(seen, self._lows[hour])
            lows.append(self._lows[hour])
            assert hour <= now, "time does not go back"
        return min(lows, default=0)

    def _drop_turns(self) -> bool:
        horizon = self.horizon_hour()
        for hour in self._writer.hours.of("turn"):
            if hour < horizon and self._superfluous(hour):
                self._drop("turn", hour)
                return True
        return False

    def _drop_streams(self) -> bool:
        for hour in self._writer.hours.of("stream"):
            if not self._superfluous(hour):
                return False
            query = fill("SELECT coalesce(max(last), -1) FROM stream_{hour}", hour=hour)
            (last,) = fetch_one(self._connection, query) or (0,)
            if last < self.low():
                self._drop("stream", hour)
                return True
        return False

    def _superfluous(self, hour: int) -> bool:
        now = self._writer.newest_ns // HOUR_NS
        if hour >= now - 1:
            # The hour before is kept too: what waits in a mailbox was read minutes ago at most.
            return False
        return hour < now - self._keep.hours or self._stream_bytes() > self._keep.stream_bytes

    def _stream_bytes(self) -> int:
        hours = self._writer.hours.of("stream")
        now = self._writer.newest_ns // HOUR_NS
        for hour in hours:
            if hour not in self._sizes or hour >= now - 1:
                query = fill(_STREAM_BYTES, hour=hour)
                (self._sizes[hour],) = fetch_one(self._connection, query) or (0,)
        return sum(self._sizes[hour] for hour in hours)

    def _drop(self, kind: str, hour: int) -> None:
        with immediate(self._connection):
            self._connection.execute(f"DROP TABLE {kind}_{hour}")
        self._writer.hours.dropped(kind, hour)

    def _delete_durable(self) -> bool:
        with immediate(self._connection):
            self._connection.execute(
                """
                DELETE FROM durable WHERE last IN (
                    SELECT last FROM durable AS d
                    WHERE last < ?
                    AND NOT EXISTS (
                        SELECT 1 FROM inbox WHERE position BETWEEN d.first AND d.last
                    )
                    AND NOT EXISTS (
                        SELECT 1 FROM quarantine WHERE position BETWEEN d.first AND d.last
                    )
                    ORDER BY last LIMIT ?
                )
                """,
                (self.low(), DURABLE_BLOCKS_PER_STEP),
            )
            return self._connection.changes() > 0

    def _vacuum(self) -> None:
        (free,) = fetch_one(self._connection, "PRAGMA freelist_count") or (0,)
        if free >= VACUUM_PAGES:
            fetch_all(self._connection, f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
