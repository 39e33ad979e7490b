"""What a commit that fails does: poison turns, full disks, broken disks."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import apsw
import pytest
import trio
from trio.testing import MockClock

from messages.rows import BalanceRow, TransferRow
from state.crash_vfs import CrashVFS, Disk
from state.database import Settings
from state.errors import DatabaseDamagedError, PoisonTurnError, StoreLostError
from state.store import Store
from supervisor import limits
from supervisor.journal import Commit
from tests.state.conftest import SMALL, running
from tests.state.samples import START_NS, post, turn

_numbers = count(1)


def transfer(number: int, amount_minor: int = 5) -> TransferRow:
    return TransferRow(
        vault_address="/v",
        number=number,
        asset="USDT",
        debit="external",
        credit="tradeable",
        amount_minor=amount_minor,
        kind="deposit",
        reference="",
        at_ns=START_NS,
    )


def balance(account: str, balance_minor: int) -> BalanceRow:
    return BalanceRow(
        vault_address="/v",
        account=account,
        asset="USDT",
        balance_minor=balance_minor,
        may_be_negative=account == "external",
    )


GOOD = (transfer(1), balance("external", -5), balance("tradeable", 5))
BAD = {
    "a negative amount": (transfer(2, -5),),
    "a missing number": (transfer(3),),
    "a number used twice": (transfer(1),),
    "a negative balance": (balance("tradeable", -1),),
    "a balance that its transfers do not sum to": (transfer(2), balance("tradeable", 5)),
    "a balance that forgot a transfer": (transfer(2),),
    "a transfer to itself": (
        TransferRow(
            vault_address="/v", number=2, asset="USDT", debit="a", credit="a", amount_minor=1,
            kind="post", reference="", at_ns=1,
        ),
    ),
    "an overflow": (transfer(2, 2**63 - 1), transfer(3, 2**63 - 1)),
}  # fmt: skip


@pytest.mark.parametrize("rows", BAD.values(), ids=BAD)
async def test_a_turn_that_breaks_the_books_is_set_aside_and_ends_the_process(
    tmp_path: Path, rows: tuple[TransferRow | BalanceRow, ...]
) -> None:
    store = Store.open(tmp_path, SMALL)
    called: list[str] = []
    ledger = store.enroll("/users/ada/vaults/v/ledger")
    caught: PoisonTurnError | None = None
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            nonlocal caught
            with pytest.raises(PoisonTurnError, match="broke a constraint") as info:
                await store.run()
            caught = info.value

        nursery.start_soon(run)
        store.durable(post(1, 9, ledger))
        store.durable(post(2, 9, ledger))
        store.durable(post(3, 9, ledger))
        store.durable(post(4, ledger, 5))
        store.turn(turn(ledger, 1, [1], emitted=(4,), rows=GOOD))
        # What the culprit emitted stands before it in the log, and must not survive it.
        store.durable(post(5, ledger, 6))
        store.turn(turn(ledger, 2, [2], emitted=(5,), rows=rows))
        store.turn(turn(7, 1, [3]))
        store.after_commit(lambda: called.append("the group"))
        with pytest.raises(PoisonTurnError):
            await store.committed()
    assert caught is not None
    assert caught.exit_code == 70
    assert (caught.actor, caught.first_seq) == (ledger, 2)
    assert "/users/ada/vaults/v/ledger" in str(caught)
    assert called == []
    await store.aclose()
    async with running(tmp_path) as store:
        assert [each.position for each in store.inbox()] == [3, 4]
        (item,) = store.quarantined()
        assert (item.position, item.actor, item.sender, item.blocking) == (2, ledger, 9, True)
        assert item.body == b"body 2"
        assert item.error
        _, turns = store.restore(ledger)
        assert [each.first_seq for each in turns] == [1]
        assert store.restore(7)[1] is not None
        assert list(store.restore(7)[1]) == []


async def test_good_books_are_kept(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        store.durable(post(1))
        store.durable(post(2))
        store.turn(turn(2, 1, [1], rows=GOOD))
        more = (transfer(2), balance("external", -10), balance("tradeable", 10))
        store.turn(turn(2, 2, [2], rows=more))
        await store.committed()
        sums = store.database.writer.execute("SELECT account, sum_minor FROM balance_sums")
        assert sums.fetchall() == [("external", -10), ("tradeable", 10)]
        with pytest.raises(apsw.ConstraintError, match="append-only"):
            store.database.writer.execute("UPDATE transfers SET amount_minor = 1")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Disk, Settings]]:
    """Give a disk in memory whose operations can fail, and the settings that use it."""
    disk = Disk(seed=1)
    vfs = CrashVFS(f"faulty-{next(_numbers)}", disk)
    yield disk, Settings(ballast_bytes=1_000_000, vfs=vfs.name)
    vfs.unregister()


async def test_a_full_disk_costs_streams_and_nothing_else(
    tmp_path: Path, disk: tuple[Disk, Settings], inline: object, autojump_clock: MockClock
) -> None:
    machine, settings = disk
    told: list[str] = []
    async with running(tmp_path, settings) as store:
        store.on_degraded(told.append)
        assert (tmp_path / "ballast").exists()
        store.durable(post(1))
        await store.committed()
        machine.fault_until_freed = apsw.FullError
        store.stream(post(2))
        store.stream(post(3))
        store.durable(post(4))
        store.turn(turn(2, 1, [1, 2]))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.committed)
            # Half-way to the first retry.
            await trio.sleep(limits.GROUP_NS_MAX / 2e9)
            assert store.degraded
            assert not (tmp_path / "ballast").exists()
            # The room that the reserve took is there now.
            machine.fault_until_freed = None
        assert told == [store.degraded]
        assert store.statistics().withheld == 1
        # A turn that handles a withheld message brings it into the journal.
        store.stream(post(5))
        store.turn(turn(2, 3, [3]))
        await store.committed()
        assert store.statistics().withheld == 1
        _, turns = store.restore(2)
        bodies = [[each.body for each in one.inputs] for one in turns]
        assert bodies == [[b"body 1", b"body 2"], [b"body 3"]]
        assert [each.position for each in store.inbox()] == [4]
        # Within a minute the reserve is made again.
        await trio.sleep(61)
        store.durable(post(6))
        await store.committed()
        await trio.sleep(1)
        assert not store.degraded
        assert (tmp_path / "ballast").exists()
        assert told[-1] == ""
        store.turn(turn(2, 4, [5]))
        await store.committed()
        assert store.statistics().withheld == 0
        assert next(iter(store.turns(2, 4, 4))).inputs[0].body == b"body 5"


@pytest.mark.parametrize("fault", [apsw.FullError, apsw.IOError])
async def test_one_failed_operation_is_survived_whichever_it_is(
    tmp_path: Path, inline: object, autojump_clock: MockClock, fault: type[apsw.Error]
) -> None:
    machine = Disk(seed=3)
    vfs = CrashVFS(f"faulty-{next(_numbers)}", machine)
    settings = Settings(ballast_bytes=0, vfs=vfs.name)
    position = 0
    failed = 0
    async with running(tmp_path, settings) as store:
        for ahead in range(1, 30):
            heard: list[Commit] = []
            store.listen(heard.append)
            machine.faults = {machine.operations + ahead: fault}
            position += 1
            store.durable(post(position))
            if position > 1:
                store.turn(turn(2, position - 1, [position - 1]))
            before = machine.operations
            await store.committed()
            failed += before + ahead <= machine.operations
            machine.faults = {}
            assert [each.position for each in store.inbox()] == [position]
            assert not store.degraded
    assert failed >= 3, "a commit has several operations, and each of them failed once"
    async with running(tmp_path, settings) as store:
        assert [each.position for each in store.inbox()] == [position]
        assert sum(len(each.inputs) for each in store.restore(2)[1]) == position - 1
    vfs.unregister()


async def test_a_store_that_stays_down_ends_with_9(
    tmp_path: Path, disk: tuple[Disk, Settings], inline: object, autojump_clock: MockClock
) -> None:
    machine, settings = disk
    store = Store.open(tmp_path, settings)
    machine.fault_until_freed = apsw.IOError
    called: list[int] = []
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            with pytest.raises(StoreLostError, match="took no commit for") as caught:
                await store.run()
            assert caught.value.exit_code == 9

        nursery.start_soon(run)
        started = trio.current_time()
        store.durable(post(1))
        store.after_commit(lambda: called.append(1))
        with pytest.raises(StoreLostError):
            await store.committed()
        waited_ns = (trio.current_time() - started) * 1e9
        assert limits.STORE_DOWN_NS_MAX <= waited_ns <= 1.1 * limits.STORE_DOWN_NS_MAX
    with pytest.raises(StoreLostError):
        await store.committed()
    assert called == [], "no act on the outside without its commit"
    await store.aclose()


async def test_damage_found_while_running_ends_with_8(
    tmp_path: Path, disk: tuple[Disk, Settings], inline: object, autojump_clock: MockClock
) -> None:
    machine, settings = disk
    store = Store.open(tmp_path, settings)
    machine.fault_until_freed = apsw.CorruptError
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            with pytest.raises(DatabaseDamagedError, match="restore the newest backup") as caught:
                await store.run()
            assert caught.value.exit_code == 8

        nursery.start_soon(run)
        store.durable(post(1))
        with pytest.raises(DatabaseDamagedError):
            await store.committed()
    await store.aclose()
