"""A view whose client reads too slowly: deltas are dropped, then one fresh snapshot tells all."""

import trio
import trio.testing

from messages import control as c
from messages.readers import client_reader
from messages.views import AnyView, LogLine
from supervisor.outbox import Outbox
from supervisor.watching import Shown, Watch


def line(number: int, text: str = "said") -> LogLine:
    return LogLine(number=number, at_ns=number, level="info", address="", text=text)


class Rows:
    """Rows that a test sets."""

    def __init__(self, *rows: AnyView) -> None:
        self.rows = list(rows)
        self.changes = 0

    def set(self, *rows: AnyView) -> None:
        self.rows = list(rows)
        self.changes += 1

    def version(self, view: c.View) -> int:
        return self.changes

    def show(self, wish: c.Subscribe) -> Shown:
        return Shown(tuple(self.rows), complete=True)


async def test_deltas_without_room_are_dropped_and_a_snapshot_follows() -> None:
    rows, outbox = Rows(line(1)), Outbox(frames_max=2)
    near, far = trio.testing.memory_stream_pair()
    reader, frames = client_reader(), list[c.ServerFrame]()
    watch = Watch(c.Subscribe(view=c.View.ORDERS, rate_hz=10), rows, outbox)
    await outbox.put(watch._snapshot())
    for number in range(2, 6):
        rows.set(line(1), line(number))
        watch.step()
    assert outbox.dropped == 1, "after the first that has no room, none is even made"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.write_to, near)
        await trio.testing.wait_all_tasks_blocked()
        watch.step()
        await trio.testing.wait_all_tasks_blocked()
        rows.set(line(1), line(9))
        watch.step()
        await trio.testing.wait_all_tasks_blocked()
        while len(frames) < 4:
            frames += reader.feed(bytes(await far.receive_some(65_536)))
        nursery.cancel_scope.cancel()
    kinds = [type(frame).__name__ for frame in frames]
    assert kinds == ["Snapshot", "Delta", "Snapshot", "Delta"]
    first, before, fresh, after = frames
    assert isinstance(fresh, c.Snapshot)
    assert isinstance(after, c.Delta)
    assert fresh.rows == (line(1), line(5)), "the newest rows, none of those between"
    assert after.seq == fresh.seq + 1
    assert isinstance(first, c.Snapshot)
    assert isinstance(before, c.Delta)
    assert (first.seq, before.seq) == (0, 1)
