"""Blocks of messages: how the bodies of one group are stored, and found again by position.

A block's `heads` holds the positions and times (int64), then senders, targets and lengths (uint32)
of its messages, column after column, little-endian; `bodies` holds their bodies end to end.
"""

import sys
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate

import apsw

from state.sql import fetch_one, fill
from supervisor.journal import Input, Post

# 2 × int64 + 3 × uint32.
HEAD_BYTES = 28
# Blocks kept decoded while reading back. A recovery reads 50 000 messages of some 200 bytes, each
# actor's spread over all blocks: they must all fit, or every actor would decode every block again.
CACHE_BYTES = 32_000_000
# A position may lie behind a few blocks of late single messages (see `Store.stream`).
LATE_BLOCKS_MAX = 64

_NEAREST = """
SELECT first, last, heads, bodies FROM {table} WHERE last = coalesce(
    (
        SELECT last
        FROM (SELECT last, first FROM {table} WHERE last >= ? ORDER BY last LIMIT {late})
        WHERE first <= ? ORDER BY last LIMIT 1
    ),
    (SELECT last FROM {table} WHERE last >= ? ORDER BY last LIMIT 1)
)
"""

StoredBlock = tuple[int, int, bytes, bytes]
"""first, last, heads, bodies."""

assert sys.byteorder == "little", "the journal's columns are little-endian"
assert array("I").itemsize * 3 + array("q").itemsize * 2 == HEAD_BYTES, "columns have these widths"


def encode_block(posts: Sequence[Post]) -> tuple[bytes, bytes]:
    """Return (heads, bodies) of `posts`, which are in order of position."""
    assert posts, "an empty block has no position"
    # Envelopes are posts that go on: what they have more is not stored here.
    positions, senders, targets, times, bodies, *_ = zip(*posts, strict=False)
    columns = (
        array("q", positions),
        array("q", times),
        array("I", senders),
        array("I", targets),
        array("I", map(len, bodies)),
    )
    return b"".join(columns), b"".join(bodies)


def fetch_block(connection: apsw.Connection, table: str, position: int) -> StoredBlock | None:
    """Return the nearest block of `table` that reaches to `position` or beyond, or `None`."""
    query = fill(_NEAREST, table=table, late=LATE_BLOCKS_MAX)
    row = fetch_one(connection, query, (position, position, position))
    return (row[0], row[1], row[2], row[3]) if row is not None else None


class Block:
    """A block read back."""

    __slots__ = (
        "_bodies",
        "_ends",
        "_positions",
        "_senders",
        "_targets",
        "_times",
        "first",
        "size",
    )

    def __init__(self, first: int, heads: bytes, bodies: bytes) -> None:
        count, rest = divmod(len(heads), HEAD_BYTES)
        if rest or not count:
            raise ValueError("the heads of a block are cut short")
        self.first = first
        self.size = len(heads) * 2 + len(bodies)
        self._bodies = bodies
        self._positions = _column("q", heads, 0, count)
        self._times = _column("q", heads, 8 * count, count)
        self._senders = _column("I", heads, 16 * count, count)
        self._targets = _column("I", heads, 20 * count, count)
        lengths = _column("I", heads, 24 * count, count)
        self._ends = array("q", accumulate(lengths))
        if self._ends[-1] != len(bodies):
            raise ValueError("the bodies of a block are cut short")

    def __len__(self) -> int:
        return len(self._positions)

    def find(self, position: int) -> Input | None:
        """Return the message at `position`, or `None` if this block does not have it."""
        index = bisect_left(self._positions, position)
        if index == len(self._positions) or self._positions[index] != position:
            return None
        start = self._ends[index - 1] if index else 0
        return Input(
            position,
            self._senders[index],
            self._targets[index],
            self._times[index],
            self._bodies[start : self._ends[index]],
        )

    def take(self, positions: list[int], start: int, out: list[Input | None]) -> int:
        """Append the messages at `positions` from index `start` on; return where one is missing.

        A turn handles, and sends, runs of neighbours: each is looked for behind the one before.
        """
        own, ends, bodies, count = self._positions, self._ends, self._bodies, len(self._positions)
        at, index = start, 0
        while at < len(positions):
            index = bisect_left(own, positions[at], index if own[index] <= positions[at] else 0)
            if index == count or own[index] != positions[at]:
                return at
            length = self._run(positions, at, index)
            end = index + length
            cuts = [ends[index - 1] if index else 0, *ends[index:end]]
            columns = zip(
                positions[at : at + length],
                self._senders[index:end],
                self._targets[index:end],
                self._times[index:end],
                map(bodies.__getitem__, map(slice, cuts, cuts[1:])),
                strict=True,
            )
            out.extend(map(_input, columns))
            at, index = at + length, end - 1
        return len(positions)

    def _run(self, positions: list[int], at: int, index: int) -> int:
        """Return how many of `positions` from `at` on are neighbours here from `index` on."""
        own = self._positions
        most = min(len(positions) - at, len(own) - index)
        if own[index + most - 1] == positions[at + most - 1] and (
            own[index : index + most].tolist() == positions[at : at + most]
        ):
            return most
        length = 1
        while length < most and positions[at + length] == own[index + length]:
            length += 1
        return length


# A named tuple's constructor without its call in Python: half the time of a read.
_input = partial(tuple.__new__, Input)


def _column(code: str, heads: bytes, offset: int, count: int) -> "array[int]":
    column = array(code)
    column.frombytes(heads[offset : offset + count * column.itemsize])
    return column


class BlockCache:
    """Finds messages by position; keeps the blocks it read, newest use last, up to a size."""

    def __init__(
        self,
        fetch: Callable[[int], StoredBlock | None],
        *,
        late: bool,
        size_max: int = CACHE_BYTES,
    ) -> None:
        self._fetch = fetch
        """Returns the nearest stored block that reaches up to a position or beyond."""
        self._late = late
        """Whether a message may lie in a block of its own inside the range of another."""
        self._size_max = size_max
        self._size = 0
        self._blocks: OrderedDict[int, Block] = OrderedDict()
        self._lasts: list[int] = []

    def find(self, position: int) -> Input | None:
        """Return the message at `position`, or `None` if it is not stored."""
        block = self._kept(position)
        if block is not None:
            found = block.find(position)
            if found is not None or not self._late:
                return found
        stored = self._fetch(position)
        if stored is None:
            return None
        first, last, heads, bodies = stored
        if last not in self._blocks:
            # Nothing lies between the position asked for and this block: the block answers for it.
            self._keep(last, Block(min(first, position), heads, bodies))
        return self._blocks[last].find(position)

    def find_all(self, positions: list[int]) -> list[Input | None]:
        """Return the message at each of `positions`, `None` for those that are not stored."""
        found: list[Input | None] = []
        while len(found) < len(positions):
            at = len(found)
            block = self._kept(positions[at])
            if block is None or (block.take(positions, at, found) == at and self._late):
                found.append(self.find(positions[at]))
            elif len(found) == at:
                found.append(None)
        return found

    def _kept(self, position: int) -> Block | None:
        """Return the kept block that answers for `position`, if there is one."""
        index = bisect_left(self._lasts, position)
        if index == len(self._lasts):
            return None
        last = self._lasts[index]
        block = self._blocks[last]
        if block.first > position:
            return None
        self._blocks.move_to_end(last)
        return block

    def forget(self) -> None:
        """Give the memory back."""
        self._blocks.clear()
        self._lasts.clear()
        self._size = 0

    def _keep(self, last: int, block: Block) -> None:
        self._blocks[last] = block
        self._lasts.insert(bisect_left(self._lasts, last), last)
        self._size += block.size
        while self._size > self._size_max and len(self._blocks) > 1:
            oldest, dropped = self._blocks.popitem(last=False)
            del self._lasts[bisect_left(self._lasts, oldest)]
            self._size -= dropped.size
