"""What survives: an orderly stop, hours of absence, and SIGKILL at any moment."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
import trio

from supervisor.clock import ManualClock
from tests.venue.boxes import SYMBOL, RestClient, Untyped, config, running_box
from tests.venue.exchanges import SPEC, limit, market
from tests.venue.stopping import stop
from venue.config import MarketConfig, VenueConfigError
from venue.engine import Engine
from venue.orders import BUY, SELL, OrderStatus
from venue.storage import Storage, StorageError

NOW_NS = 1_750_000_000 * 10**9
HOUR_NS = 3_600 * 10**9


def make_engine(path: Path, clock: ManualClock) -> Engine:
    settings = config(data_file=str(path), markets=(MarketConfig(spec=SPEC),))
    return Engine(settings, clock, Storage(str(path)), clock.now_ns())


def remembered(engine: Engine) -> Untyped:
    """Return everything that a restart must not change."""
    records = engine.records
    accounts = engine.exchange.accounts.values()
    return (
        records.counters,
        records.balances,
        records.orders,
        records.fills,
        records.ledger,
        [(a.number, a.name, a.last_nonce, a.cancel_after_ns, a.balances) for a in accounts],
        {(a.name, asset): units for a in accounts for asset, units in a.holds.items() if units},
        [listing.book.snapshot() for listing in engine.listings.values()],
        [list(listing.minutes) for listing in engine.listings.values()],
        [listing.current_minute for listing in engine.listings.values()],
    )


async def test_an_orderly_restart_changes_nothing(tmp_path: Path) -> None:
    clock = ManualClock(NOW_NS)
    engine = make_engine(tmp_path / "box.sqlite", clock)
    alice = engine.exchange.accounts[1]
    best = engine.listings[SYMBOL].book.best_bid_ticks()
    engine.exchange.place(alice, market(BUY, 5_000), NOW_NS)
    engine.exchange.place(alice, limit(BUY, best - 100, 5_000, client_order_id="x"), NOW_NS)
    engine.exchange.place(alice, limit(SELL, best + 900, 5_000, post_only=True), NOW_NS)
    alice.last_nonce = 77
    alice.cancel_after_ns = NOW_NS + HOUR_NS * 9
    engine.records.touch_account(alice)
    for _ in range(200):
        clock.advance(10**9)
        engine.advance()
    await stop(engine)
    before = remembered(engine)
    again = make_engine(tmp_path / "box.sqlite", clock)
    assert remembered(again) == before
    await stop(again)


async def test_missed_time_is_lived_through_with_resting_orders(tmp_path: Path) -> None:
    """The restarted box does what the one that never stopped does."""
    clock, other_clock = ManualClock(NOW_NS), ManualClock(NOW_NS)
    stopped = make_engine(tmp_path / "stopped.sqlite", clock)
    running = make_engine(tmp_path / "running.sqlite", other_clock)
    for engine in (stopped, running):
        best = engine.listings[SYMBOL].book.best_bid_ticks()
        engine.exchange.place(engine.exchange.accounts[1], limit(BUY, best - 300, 5_000), NOW_NS)
    await stop(stopped)
    clock.advance(300 * 10**9)
    for _ in range(300):
        other_clock.advance(10**9)
        running.advance()
    again = make_engine(tmp_path / "stopped.sqlite", clock)
    (order,) = again.records.orders.values()
    assert order.status is OrderStatus.CLOSED
    assert again.records.fills == running.records.fills
    assert again.records.balances == running.records.balances
    again.storage.close()
    running.storage.close()


async def test_a_longer_absence_is_lived_through_for_its_last_hour(tmp_path: Path) -> None:
    clock = ManualClock(NOW_NS)
    engine = make_engine(tmp_path / "box.sqlite", clock)
    best = engine.listings[SYMBOL].book.best_bid_ticks()
    order = engine.exchange.place(engine.exchange.accounts[1], limit(BUY, best // 2, 5_000), NOW_NS)
    index = engine.listings[SYMBOL].next_index
    await stop(engine)
    clock.advance(24 * HOUR_NS)
    again = make_engine(tmp_path / "box.sqlite", clock)
    listing = again.listings[SYMBOL]
    assert listing.next_index - index > 23 * 3_600 * SPEC.events_per_second
    assert listing.book.remaining_lots(order.book_id) == 5_000
    oldest = listing.tape.last(10_000)[0]
    assert clock.now_ns() - oldest.at_ns <= HOUR_NS
    again.storage.close()


async def test_accounts_of_the_file_must_be_configured(tmp_path: Path) -> None:
    clock = ManualClock(NOW_NS)
    await stop(make_engine(tmp_path / "box.sqlite", clock))
    settings = config(data_file=str(tmp_path / "box.sqlite"), accounts=())
    storage = Storage(settings.data_file)
    with pytest.raises(VenueConfigError, match="alice, bob"):
        Engine(settings, clock, storage, clock.now_ns())
    storage.close()


def test_a_file_that_is_not_a_boxs_is_refused(tmp_path: Path) -> None:
    import apsw

    other = tmp_path / "other.sqlite"
    with apsw.Connection(str(other)) as connection:
        connection.execute("CREATE TABLE notes (text TEXT)")
    connection.close()
    with pytest.raises(StorageError, match="name another data_file"):
        Storage(str(other))
    garbage = tmp_path / "garbage.sqlite"
    garbage.write_bytes(b"not a database" * 500)
    with pytest.raises(StorageError, match="cannot be opened"):
        Storage(str(garbage))


async def test_a_restart_continues_over_the_wire(tmp_path: Path) -> None:
    settings = config(data_file=str(tmp_path / "box.sqlite"))
    async with running_box(settings) as alice:
        txid = await alice.limit("buy", "0.1", "1500.00", cl_ord_id="kept")
        await alice.result("Balance", nonce=1_900_000_000_000)
    async with running_box(settings) as alice:
        assert await alice.error("Balance", nonce=1_900_000_000_000) == "EAPI:Invalid nonce"
        open_orders = (await alice.result("OpenOrders", nonce=1_900_000_000_001))["open"]
        assert open_orders[txid]["cl_ord_id"] == "kept"


class BoxProcesses:
    """One box after the other, each a process that ends by SIGKILL."""

    def __init__(self, process: trio.Process, http: httpx2.AsyncClient) -> None:
        self._process = process
        self._http = http

    async def start(self) -> RestClient:
        return RestClient(int(await self._ask(b"start\n")), self._http)

    async def kill(self) -> None:
        assert await self._ask(b"kill\n") == b"killed\n"

    async def _ask(self, command: bytes) -> bytes:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdin.send_all(command)
        return bytes(await process.stdout.receive_some())


@asynccontextmanager
async def box_processes(path: Path) -> AsyncIterator[BoxProcesses]:
    command = [sys.executable, "-m", "tests.venue.box_process", str(path)]
    pipe = subprocess.PIPE
    process = await trio.lowlevel.open_process(command, stdin=pipe, stdout=pipe)
    try:
        async with httpx2.AsyncClient(timeout=10, verify=False, trust_env=False) as http:
            yield BoxProcesses(process, http)
    finally:
        with trio.CancelScope(shield=True):
            assert process.stdin is not None
            assert process.stdout is not None
            # At the end of its input the process kills the box that is left, and ends.
            await process.stdin.aclose()
            await process.wait()
            await process.stdout.aclose()


async def trade_until_killed(alice: RestClient, life: int, acknowledged: dict[str, str]) -> None:
    """Place and cancel until the connection breaks; note what the venue acknowledged."""
    number = 0
    try:
        while True:
            number += 1
            client_id = str(UUID(int=life * 10_000 + number))
            if number % 4 == 0:
                txid = await alice.market("buy" if number % 8 else "sell", "0.01")
                acknowledged[txid] = "closed"
            else:
                txid = await alice.limit("buy", "0.01", "1500.00", cl_ord_id=client_id)
                acknowledged[txid] = "open"
            if number % 4 == 2:
                await alice.result("CancelOrder", txid=txid)
                acknowledged[txid] = "canceled"
    except (httpx2.TransportError, ValueError):
        return


async def test_sigkill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    await kill_again_and_again(tmp_path / "box.sqlite", (150, 420))


@pytest.mark.check
async def test_many_sigkills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    lives = tuple(50 + 137 * number % 900 for number in range(10))
    await kill_again_and_again(tmp_path / "box.sqlite", lives)


async def kill_again_and_again(path: Path, lives_ms: tuple[int, ...]) -> None:
    acknowledged: dict[str, str] = {}
    async with box_processes(path) as boxes:
        for life, milliseconds in enumerate(lives_ms):
            alice = await boxes.start()
            await check_books(alice, acknowledged)
            await alice.result("CancelAll")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trade_until_killed, alice, life, acknowledged)
                await trio.sleep(milliseconds / 1_000)
                await boxes.kill()
        await check_books(await boxes.start(), acknowledged)
    assert len(acknowledged) > 20


async def check_books(alice: RestClient, acknowledged: dict[str, str]) -> None:
    """Assert that the venue's own books agree with themselves and with every acknowledgement."""
    books = await alice.admin("books")
    orders = {order["txid"]: order for order in books["orders"]}
    for txid, status in acknowledged.items():
        allowed = {status, "canceled"} if status == "open" else {status}
        assert orders[txid]["status"] in allowed
    assert all(Decimal(total) == 0 for total in books["totals"].values())
    for name in ("alice", "bob"):
        for asset, balance in books["balances"][name].items():
            mine = [e for e in books["ledger"] if (e["account"], e["asset"]) == (name, asset)]
            moved = sum(Decimal(e["amount"]) - Decimal(e["fee"]) for e in mine)
            assert moved == Decimal(balance)
    fees = sum(Decimal(fill["fee"]) for fill in books["fills"])
    assert fees == Decimal(books["balances"].get("(fees)", {}).get("USDT", "0"))
    filled = {txid for order in books["orders"] for txid in order["fills"]}
    assert filled == {fill["txid"] for fill in books["fills"]}
