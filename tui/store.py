"""What the daemon has told us, as plain dictionaries: filled by the client, read by the screens.

No Textual and no asyncio here. Rows are immutable; a changed row is another object, which is how
screens know what to format again.
"""

from collections.abc import Iterable, Iterator

from messages.control import Delta, Pong, Snapshot, View, Welcome
from messages.inspection import ActorState, ActorStats
from messages.views import (
    AnyView,
    FillView,
    LogLine,
    OrderView,
    SleeveView,
    StatusView,
    TreeRow,
    VaultView,
)

# Newest rows kept of the views that grow: what a person scrolls through before using a verb
# instead.
WINDOWS = {View.ORDERS: 500, View.FILLS: 500, View.LOG: 1_000}


class Store:
    """The rows of every view, and which views changed since they were last painted."""

    def __init__(self) -> None:
        self._rows: dict[View, dict[str, AnyView]] = {view: {} for view in View}
        self._seq: dict[View, int | None] = dict.fromkeys(View)
        self.changed: set[View] = set()
        """Views with news; whoever paints a view takes it out."""
        self.loaded: set[View] = set()
        """Views of which a snapshot has arrived since the daemon was (re)started."""
        self.partial: set[View] = set()
        """Views that have more rows than the daemon could send."""
        self.welcome: Welcome | None = None
        self.pong: Pong | None = None
        self._nested: tuple[object, dict[str, list[TreeRow]]] = (None, {})
        self._versions = dict.fromkeys(View, 0)
        self.unfolds_state = False
        """Whether the person wants to see the state of the actor under the cursor."""
        self.no_state = ""
        """Why there is none to show."""
        self._stats: ActorStats | None = None
        self._state: ActorState | None = None

    def greet(self, welcome: Welcome) -> Welcome | None:
        """Take a new connection's `Welcome`; return the former one if the daemon was restarted.

        Rows stay until their snapshots replace them, so that the screen never goes blank; sequence
        numbers belong to a connection and are forgotten.
        """
        former = self.welcome
        self.welcome = welcome
        self._seq = dict.fromkeys(View)
        if former is None or former.boot_id == welcome.boot_id:
            return None
        self.loaded.clear()
        return former

    def apply(self, frame: Snapshot | Delta) -> bool:
        """Take news of a view; return False if some is missing and must be asked for again."""
        if isinstance(frame, Snapshot):
            self._rows[frame.view] = {row.key(): row for row in frame.rows}
            self.loaded.add(frame.view)
            (self.partial.discard if frame.complete else self.partial.add)(frame.view)
        elif self._seq[frame.view] != frame.seq - 1:
            self._seq[frame.view] = None
            return False
        else:
            self._patch(frame)
        self._seq[frame.view] = frame.seq
        self._bound(frame.view)
        self._versions[frame.view] += 1
        self.changed.add(frame.view)
        return True

    def expects(self, view: View) -> bool:
        """Say whether deltas of `view` can be applied, or a snapshot is on its way."""
        return self._seq[view] is not None

    def forget_sequence(self, view: View) -> None:
        """Ignore deltas of `view` until its next snapshot."""
        self._seq[view] = None

    def _patch(self, delta: Delta) -> None:
        rows = self._rows[delta.view]
        for row in delta.changed:
            rows[row.key()] = row
        for key in delta.removed:
            rows.pop(key, None)

    def _bound(self, view: View) -> None:
        window = WINDOWS.get(view)
        rows = self._rows[view]
        if window is None or len(rows) <= window:
            return
        newest_last = sorted(rows.values(), key=_age)
        self._rows[view] = {row.key(): row for row in newest_last[-window:]}

    # --- typed reading

    def status(self) -> StatusView | None:
        """Return the bot's status, if it has arrived."""
        row = self._rows[View.STATUS].get("status")
        return row if isinstance(row, StatusView) else None

    def tree(self) -> dict[str, list[TreeRow]]:
        """Return the children of every address in start order; the root is the child of ``""``."""
        version = self._versions[View.TREE]
        if self._nested[0] != version:
            children: dict[str, list[TreeRow]] = {}
            for row in self._rows[View.TREE].values():
                if isinstance(row, TreeRow):
                    children.setdefault(row.parent, []).append(row)
            for below in children.values():
                below.sort(key=lambda row: (row.place, row.address))
            self._nested = (version, children)
        return self._nested[1]

    def node(self, address: str) -> TreeRow | None:
        """Return one node of the tree."""
        row = self._rows[View.TREE].get(address)
        return row if isinstance(row, TreeRow) else None

    # --- the actor under the cursor

    def inspect(self, row: ActorStats | ActorState) -> None:
        """Take what was asked about one actor; of others nothing is kept."""
        if isinstance(row, ActorState):
            self._state, self.no_state = row, ""
        else:
            self._stats = row

    def forget_inspected(self, reason: str, *, is_state: bool) -> None:
        """Note that there is nothing to be shown, and why."""
        if is_state:
            self._state, self.no_state = None, reason
        else:
            self._stats = None

    def stats_of(self, address: str) -> ActorStats | None:
        """Return the figures of the actor at `address`, if they were asked for last."""
        stats = self._stats
        return stats if stats is not None and stats.address == address else None

    def state_of(self, address: str) -> ActorState | None:
        """Return the state of the actor at `address`, if it was asked for last."""
        state = self._state
        return state if state is not None and state.address == address else None

    def vaults(self) -> list[VaultView]:
        """Return the vaults by address."""
        rows = (row for row in self._rows[View.VAULTS].values() if isinstance(row, VaultView))
        return sorted(rows, key=lambda row: row.address)

    def sleeves(self) -> Iterator[tuple[VaultView, SleeveView]]:
        """Yield every sleeve with its vault."""
        for vault in self.vaults():
            for sleeve in vault.sleeves:
                yield vault, sleeve

    def orders(self) -> list[OrderView]:
        """Return the orders, newest first."""
        rows = (row for row in self._rows[View.ORDERS].values() if isinstance(row, OrderView))
        return sorted(rows, key=_age, reverse=True)

    def fills(self) -> list[FillView]:
        """Return the fills, newest first."""
        rows = (row for row in self._rows[View.FILLS].values() if isinstance(row, FillView))
        return sorted(rows, key=_age, reverse=True)

    def log(self) -> list[LogLine]:
        """Return the log, oldest first."""
        rows = (row for row in self._rows[View.LOG].values() if isinstance(row, LogLine))
        return sorted(rows, key=_age)

    def sizes(self) -> Iterable[tuple[View, int]]:
        """Return how many rows each view holds."""
        return [(view, len(rows)) for view, rows in self._rows.items()]


def _age(row: AnyView) -> tuple[int, str]:
    if isinstance(row, OrderView):
        return row.created_ns, row.client_order_id
    if isinstance(row, FillView):
        return row.at_ns, row.exec_id
    if isinstance(row, LogLine):
        return row.number, ""
    return 0, row.key()
