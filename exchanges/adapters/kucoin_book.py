"""KuCoin's book by its numbered changes, over a snapshot by REST.

Changes are heard first and kept; then the snapshot is read, and every change behind its number is
applied. A snapshot without a key has the best 100 levels of each side.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from exchanges.adapters.known_book import GapError, KnownBook, Levels
from exchanges.types import Instrument

Row = Mapping[str, Any]

# What is kept while the snapshot is on its way: minutes of a wild market. More means that it does
# not come, and the stream begins anew.
KEPT_MAX = 20_000
SNAPSHOT_LEVELS = 100
WHOLE = 1 << 30


class NumberedBook:
    """One symbol's book."""

    def __init__(self, instrument: Instrument, depth: int) -> None:
        self._book = KnownBook(instrument, depth)
        self._kept: list[Row] = []
        self._last: int | None = None
        """The number of the last change applied; None before the snapshot."""

    @property
    def has_begun(self) -> bool:
        """Whether the snapshot has come."""
        return self._last is not None

    def begin(self, snapshot: Row, *, is_whole: bool = False) -> None:
        """Take the snapshot, perhaps of the whole book; apply what was kept. Raises `GapError`."""
        number = int(snapshot["sequence"])
        if self._kept and int(self._kept[0]["sequenceStart"]) > number + 1:
            raise GapError(f"the snapshot {number} is older than the changes heard")
        known = WHOLE if is_whole else SNAPSHOT_LEVELS
        self._book.begin(snapshot["bids"], snapshot["asks"], known)
        self._last = number
        kept, self._kept = self._kept, []
        for row in kept:
            self.change(row)

    def change(self, row: Row) -> bool:
        """Take a frame's changes; False if they are kept, or known already. Raises `GapError`."""
        if self._last is None:
            if len(self._kept) >= KEPT_MAX:
                raise GapError(f"no snapshot came while {KEPT_MAX} changes did")
            self._kept.append(row)
            return False
        first, last = int(row["sequenceStart"]), int(row["sequenceEnd"])
        if last <= self._last:
            return False
        if first > self._last + 1:
            raise GapError(f"change {self._last} was followed by {first}")
        changes = row["changes"]
        self._book.change(self._fresh(changes["bids"]), self._fresh(changes["asks"]))
        self._last = last
        return True

    def sides(self) -> tuple[Levels, Levels]:
        """Return the best bids and asks. Raises `GapError` when too few are known."""
        return self._book.sides()

    def crossed(self) -> bool:
        """Whether the best bid is at or above the best ask."""
        return self._book.crossed()

    def _fresh(self, rows: Iterable[Any]) -> list[Any]:
        """Return the changes of a frame that are not known already."""
        assert self._last is not None, "changes are applied over a snapshot"
        # A price of 0 says that numbers were used up by what no book shows.
        return [row for row in rows if int(row[2]) > self._last and row[0] != "0"]
