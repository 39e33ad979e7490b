"""Power cuts at every operation, kills at random moments: nothing acknowledged is lost."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import apsw
import pytest
import trio

from state.crash_vfs import CrashVFS, Dice, Disk, PowerCutError
from state.database import Database, Settings
from state.errors import StateError
from state.store import Store
from supervisor.threads import InlineThreads, use
from tests.state.samples import post, snapshot, turn

GROUPS = 6
_numbers = count(1)


def draw(number: int) -> bytes:
    return bytes(number)


class Machine:
    """A process on a disk that may lose power."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self.disk = disk
        self._folder = folder
        self._vfs = CrashVFS(f"crash-{next(_numbers)}", disk)
        self.settings = Settings(ballast_bytes=0, vfs=self._vfs.name)
        self.acknowledged = 0
        self.appended = 0

    def store(self) -> Store:
        return Store.open(self._folder, self.settings, draw=draw)

    def live(self) -> None:
        """Append and commit groups until the power goes or all are done."""
        with use(InlineThreads()):
            trio.run(self._live)

    async def _live(self) -> None:
        store: Store | None = None
        try:
            store = self.store()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._run, store)
                for number in range(1, GROUPS + 1):
                    await self._group(store, number)
                nursery.cancel_scope.cancel()
            await store.aclose()
        except* PowerCutError:
            if store is not None:
                with suppress(PowerCutError):
                    store.database.close()

    async def _run(self, store: Store) -> None:
        await store.run()

    async def _group(self, store: Store, number: int) -> None:
        first = 3 * number - 2
        if number == 1:
            store.enroll("/a")
        store.durable(post(first))
        store.stream(post(first + 1))
        store.durable(post(first + 2))
        store.turn(turn(2, 2 * number - 1, [first, first + 1]))
        store.snapshot(snapshot(2, 2 * number, b"state %d" % number * 50))
        self.appended = number
        await store.committed()
        self.acknowledged = number

    def examine(self) -> None:
        """Read everything back, and compare it with what was acknowledged and appended."""
        with use(InlineThreads()):
            trio.run(self._examine)
        self._vfs.unregister()

    async def _examine(self) -> None:
        store = self.store()
        try:
            self._compare(store)
        finally:
            await store.aclose()

    def _compare(self, store: Store) -> None:
        store.database.check_all()
        groups, rest = divmod(store.next_position() - 1, 3)
        assert rest == 0, "a group is there whole or not at all"
        assert self.acknowledged <= groups <= self.appended
        found, turns = store.restore(2)
        assert list(turns) == []
        assert found == (snapshot(2, 2 * groups, b"state %d" % groups * 50) if groups else None)
        assert [each.position for each in store.inbox()] == [3 * n for n in range(1, groups + 1)]
        history = [each.position for one in store.turns(2, 1, 99) for each in one.inputs]
        assert history == [p for n in range(1, groups + 1) for p in (3 * n - 2, 3 * n - 1)]


@pytest.fixture
def prepared(tmp_path: Path) -> Disk:
    """Return a disk with an empty database."""
    disk = Disk(0)
    machine = Machine(tmp_path, disk)
    Database.open(tmp_path, machine.settings, draw).close()
    machine._vfs.unregister()
    return disk


def sweep(prepared: Disk, folder: Path, seeds: int, step: int) -> tuple[int, int]:
    """Cut the power at every `step`th operation under `seeds` seeds; return (runs, undecided)."""
    whole = Machine(folder, prepared.copy(0))
    whole.live()
    assert whole.acknowledged == GROUPS
    operations = whole.disk.operations
    whole.examine()
    undecided = 0
    for cut_at in range(1, operations + 1, step):
        for seed in range(seeds):
            machine = Machine(folder, prepared.copy(1 + seed + 1000 * cut_at))
            machine.disk.cut_at = cut_at
            machine.live()
            undecided += machine.appended > machine.acknowledged
            machine.disk.power_on()
            machine.examine()
    return operations * seeds // step, undecided


def test_a_power_cut_at_any_operation_loses_nothing_acknowledged(
    tmp_path: Path, prepared: Disk
) -> None:
    runs, undecided = sweep(prepared, tmp_path, seeds=2, step=1)
    assert runs > 70
    assert undecided > 20, "many cuts must fall between an append and its acknowledgement"


@pytest.mark.check
def test_a_power_cut_under_many_seeds(tmp_path: Path, prepared: Disk) -> None:
    sweep(prepared, tmp_path, seeds=20, step=1)


def test_without_a_sync_per_commit_the_sweep_finds_lost_commits(
    tmp_path: Path, prepared: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    import state.database as module

    durable: Callable[..., None] = module.make_durable

    def lax(connection: apsw.Connection) -> None:
        durable(connection)
        connection.pragma("synchronous", "normal")

    monkeypatch.setattr(module, "make_durable", lax)
    with pytest.raises(AssertionError):
        sweep(prepared, tmp_path, seeds=3, step=1)


def test_a_power_cut_while_the_database_is_made(tmp_path: Path) -> None:
    whole = Disk(0)
    machine = Machine(tmp_path, whole)
    Database.open(tmp_path, machine.settings, draw).close()
    for cut_at in range(1, whole.operations + 1, 5):
        machine = Machine(tmp_path, Disk(cut_at))
        machine.disk.cut_at = cut_at
        # A cut in the middle of the last closing may go unnoticed.
        with suppress(PowerCutError, StateError):
            Database.open(tmp_path, machine.settings, draw).close()
        machine.disk.power_on()
        made = Database.open(tmp_path, machine.settings, draw)
        assert made.boot in {1, 2}
        made.check_all()
        assert made.writer.pragma("auto_vacuum") == 2
        made.close()
        machine._vfs.unregister()


KILLED = """
import sys
from pathlib import Path
import trio
from state.database import Settings
from state.store import Store
from tests.state.samples import post, snapshot, turn

async def main() -> None:
    store = Store.open(Path(sys.argv[1]), Settings(ballast_bytes=0))
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        position = store.next_position()
        snap, turns = store.restore(2)
        seq = (snap.seq if snap else 0) + sum(len(one.inputs) for one in turns) + 1
        while True:
            store.durable(post(position))
            store.stream(post(position + 1))
            store.turn(turn(2, seq, [position, position + 1]))
            seq += 2
            if seq % 16 < 2:
                store.snapshot(snapshot(2, seq - 1))
            def say(position=position, seq=seq):
                sys.stdout.write(f"{position + 1} {seq - 1}\\\\n")
                sys.stdout.flush()
            position += 2
            if seq % 3 == 0:
                store.after_commit(say)
            await trio.lowlevel.checkpoint()

trio.run(main)
"""


def kill(folder: Path, lines: int) -> tuple[int, int]:
    """Run the writer, kill it after it said `lines` lines; return the last it acknowledged."""
    script = KILLED.replace("\\\\n", "\\n")
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    process.kill()
    # What it said before it died counts as well.
    said += process.stdout.read().splitlines(keepends=True)
    process.wait()
    process.stdout.close()
    position, seq = [line for line in said if line.endswith("\n")][-1].split()
    return int(position), int(seq)


async def test_a_killed_process_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    dice = Dice(7)
    last_position = 0
    for boot in range(1, 6):
        position, seq = await trio.to_thread.run_sync(kill, tmp_path, 1 + dice.below(40))
        assert position > last_position, "each run goes on after the one before"
        store = Store.open(tmp_path, Settings(ballast_bytes=0))
        assert store.boot == 2 * boot
        assert store.next_position() - 1 >= position
        found, turns = store.restore(2)
        newest = (found.seq if found else 0) + sum(len(one.inputs) for one in turns)
        assert newest >= seq
        assert newest == store.next_position() - 1, "a turn comes with its messages"
        assert list(store.inbox()) == []
        last_position = store.next_position() - 1
        await store.aclose()
