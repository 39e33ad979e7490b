"""What a client of the control socket watches: one snapshot per view, then coalesced deltas.

Between two frames any number of changes of a row are one, because only the newest rows are compared
with those sent last. What does not fit into the client's outbox is not kept: the view gets a fresh
snapshot once there is room.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import trio

from messages.control import ROWS_MAX, Delta, Snapshot, Subscribe, View
from messages.framing import ProtocolError, encode_frame
from messages.views import AnyView
from supervisor.outbox import Outbox


class Shown(NamedTuple):
    """The rows of a view."""

    rows: Sequence[AnyView]
    complete: bool
    """Whether these are all that pass the filter."""
    is_log: bool = False
    """Rows that drop out at the old end are not said to be removed."""


class Views(Protocol):
    """Where rows come from. Called on the trio thread, must return at once."""

    def version(self, view: View) -> int:
        """Return a number that differs whenever the rows of `view` may differ."""

    def show(self, wish: Subscribe) -> Shown:
        """Return the rows of `wish.view` now, filtered, at most `wish.limit`."""


def snapshot_frame(view: View, seq: int, shown: Shown) -> bytes:
    """Encode a snapshot; of rows that are too many for one frame, only the first."""
    rows = tuple(shown.rows[:ROWS_MAX])
    complete = shown.complete and len(rows) == len(shown.rows)
    while True:
        try:
            return encode_frame(Snapshot(view=view, seq=seq, rows=rows, complete=complete))
        except ProtocolError:
            rows, complete = rows[: len(rows) // 2], False


class Watch:
    """One view on one client's screen."""

    def __init__(self, wish: Subscribe, views: Views, outbox: Outbox) -> None:
        self._wish = wish
        self._views = views
        self._outbox = outbox
        self._seq = 0
        self._sent: dict[str, AnyView] = {}
        self._version = -1
        self._is_lost = False

    async def run(self) -> None:
        """Send the snapshot, then what changes, until cancelled."""
        await self._outbox.put(self._snapshot())
        while True:
            await trio.sleep(1 / self._wish.rate_hz)
            self.step()

    def step(self) -> None:
        """Send what changed since the last frame, if anything did and there is room."""
        if self._is_lost:
            if self._outbox.has_room():
                self._is_lost = not self._outbox.try_put(self._snapshot())
            return
        version = self._views.version(self._wish.view)
        if version == self._version:
            return
        delta = self._delta()
        self._version = version
        if delta is not None:
            self._is_lost = not self._outbox.try_put(delta)

    def _snapshot(self) -> bytes:
        self._version = self._views.version(self._wish.view)
        shown = self._views.show(self._wish)
        self._sent = {row.key(): row for row in shown.rows}
        return snapshot_frame(self._wish.view, self._seq, shown)

    def _delta(self) -> bytes | None:
        shown = self._views.show(self._wish)
        now = {row.key(): row for row in shown.rows}
        changed = tuple(row for key, row in now.items() if self._sent.get(key) != row)
        removed: tuple[str, ...] = ()
        if not shown.is_log:
            removed = tuple(key for key in self._sent if key not in now)
        self._sent = now
        if not changed and not removed:
            return None
        self._seq += 1
        try:
            return encode_frame(
                Delta(view=self._wish.view, seq=self._seq, changed=changed, removed=removed)
            )
        except ProtocolError:
            return snapshot_frame(self._wish.view, self._seq, shown)
