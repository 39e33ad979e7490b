"""Who is asked whether the bot lives, and what systemd hears: a real tree, a real socket."""

import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from actors.alerts import Alerts, AlertsState
from actors.liveness import PULSE_TOPIC, Liveness
from bot.environment import Environment
from bot.notify import Notifier
from bot.vitals import EVERY_S, TreeVitals, summary
from messages.views import StatusView
from supervisor.clock import ProcessClock, trio_monotonic_ns
from supervisor.journal import MemoryJournal
from supervisor.spec import ChildSpec, SupervisorSpec
from supervisor.supervisor import Supervisor
from supervisor.system import System
from tests.supervisor.demo import BOOT_NS, SECOND_NS, recorder
from tests.supervisor.test_condemned import Shielded

WATCHDOG_S = 20.0
STATUS = StatusView(
    state="running", uptime_s=1, environment="sim", actors=7, restarts=2, orders=9, fills=3,
    trading=True, orders_open=4,
)  # fmt: skip
SAID = "running, active: 4 orders open, 3 fills, 7 actors, 2 restarts"


class Slow(MemoryJournal):
    """A journal whose commits can be made to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.commits = trio.Event()
        self.commits.set()

    async def committed(self) -> None:
        await self.commits.wait()


class Ward:
    """A running tree with liveness in it, and what systemd has heard."""

    def __init__(self, listener: socket.socket, journal: Slow, system: System) -> None:
        self.listener = listener
        self.journal = journal
        self.system = system

    def heard(self) -> list[str]:
        """Return what came since the last look."""
        words: list[str] = []
        while True:
            try:
                words.append(self.listener.recv(4_096).decode())
            except BlockingIOError:
                return words

    @property
    def alerts(self) -> list[str]:
        """Return what a person was told."""
        fold = self.system.cells["/alerts"].fold
        assert fold is not None
        assert isinstance(fold.state, AlertsState)
        return list(fold.state.told)

    def supervisor(self, address: str) -> Supervisor:
        if address == "/":
            return self.system.root
        above, name = self.system.supervisor_of(address)
        found = above.find(name).runner
        assert isinstance(found, Supervisor)
        return found


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


@asynccontextmanager
async def ward(listener: socket.socket) -> AsyncIterator[Ward]:
    period_us = str(int(WATCHDOG_S * 1_000_000))
    variables = {"NOTIFY_SOCKET": listener.getsockname(), "WATCHDOG_USEC": period_us}
    notifier = Notifier(Environment(variables))
    vitals = TreeVitals(notifier, lambda: STATUS)
    vitals.is_ready = True
    live = ChildSpec(
        name="liveness",
        start=lambda: Liveness(vitals, vitals.every_s, vitals.every_s),
        topics=(PULSE_TOPIC,),
    )
    one, two = (SupervisorSpec(name=name, children=(recorder("feed"),)) for name in ("one", "two"))
    venues = SupervisorSpec(name="venues", bulkhead=True, children=(one, two))
    alerts = ChildSpec(name="alerts", start=Alerts)
    journal = Slow()
    clock = ProcessClock(0, lambda: BOOT_NS, trio_monotonic_ns)
    system = System(SupervisorSpec(name="", children=(live, alerts, venues)), journal, clock)
    vitals.attach(system)
    opened = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(system.run, opened.set)
        await opened.wait()
        yield Ward(listener, journal, system)
        system.request_stop()
    notifier.close()


async def hang(supervisor: Supervisor, until: trio.Event) -> None:
    """Have a supervisor do something that does not end, in its own loop."""
    await supervisor._call(until.wait)


async def test_systemd_hears_at_least_twice_per_period_while_all_answer(
    autojump_clock: trio.testing.MockClock, listener: socket.socket
) -> None:
    async with ward(listener) as found:
        for _ in range(8):
            await trio.sleep(WATCHDOG_S / 2)
            words = found.heard()
            assert f"WATCHDOG=1\nSTATUS={SAID}" in words


async def test_a_child_that_cannot_be_ended_stops_the_word(
    autojump_clock: trio.testing.MockClock, listener: socket.socket
) -> None:
    async with ward(listener) as found:
        stuck = ChildSpec(name="s", start=Shielded, shutdown_ns=SECOND_NS)
        await found.system.root.start_child(stuck)
        await found.system.root.terminate_child("s")
        found.heard()
        await trio.sleep(WATCHDOG_S / 2)
        assert set(found.heard()) == {"STATUS=cannot be ended: /s"}
        # It ended after all.
        await trio.sleep(2 * WATCHDOG_S)
        found.heard()
        await trio.sleep(WATCHDOG_S / 2)
        assert f"WATCHDOG=1\nSTATUS={SAID}" in found.heard()


@pytest.mark.parametrize("address", ["/", "/venues/one", "/venues/two"])
async def test_a_supervisor_that_does_not_answer_stops_the_word_until_it_does(
    autojump_clock: trio.testing.MockClock,
    listener: socket.socket,
    caplog: pytest.LogCaptureFixture,
    address: str,
) -> None:
    async with ward(listener) as found, trio.open_nursery() as nursery:
        await trio.sleep(WATCHDOG_S)
        released = trio.Event()
        nursery.start_soon(hang, found.supervisor(address), released)
        await trio.sleep(WATCHDOG_S / 2)
        found.heard()
        with caplog.at_level(logging.ERROR, "liveness"):
            await trio.sleep(2 * WATCHDOG_S)
        words = found.heard()
        assert not any("WATCHDOG" in word for word in words), "systemd will end us"
        released.set()
        await trio.sleep(WATCHDOG_S / 2)
        assert any("WATCHDOG=1" in word for word in found.heard())
        (told,) = found.alerts
        assert told.startswith(f"page liveness {address} did not answer within 5 s")
    lines = [record.getMessage() for record in caplog.records if record.name == "liveness"]
    assert [line for line in lines if line.startswith(f"no answer within 5 s from {address};")]
    assert any("the tasks then:" in line and "/venues/two/feed: " in line for line in lines)
    assert any("the threads then:" in line and "Current thread" in line for line in lines)


async def test_a_store_that_does_not_commit_stops_the_word(
    autojump_clock: trio.testing.MockClock, listener: socket.socket
) -> None:
    async with ward(listener) as found:
        await trio.sleep(WATCHDOG_S)
        found.journal.commits = trio.Event()
        await trio.sleep(WATCHDOG_S / 2)
        assert "STATUS=no answer from /store" in found.heard()
        await trio.sleep(2 * WATCHDOG_S)
        assert found.heard() == []
        found.journal.commits.set()
        await trio.sleep(WATCHDOG_S / 2)
        assert any("WATCHDOG=1" in word for word in found.heard())


async def test_a_venue_that_its_supervisor_gave_up_is_no_stall(
    autojump_clock: trio.testing.MockClock, listener: socket.socket
) -> None:
    async with ward(listener) as found:
        await trio.sleep(WATCHDOG_S)
        await found.supervisor("/venues").terminate_child("one")
        found.heard()
        for _ in range(4):
            await trio.sleep(WATCHDOG_S / 2)
            assert f"WATCHDOG=1\nSTATUS={SAID}" in found.heard()


def test_without_systemd_it_is_looked_all_the_same() -> None:
    vitals = TreeVitals(Notifier(Environment({})), lambda: STATUS)
    assert vitals.every_s == EVERY_S
    vitals.alive()


def test_the_summary_says_that_the_switch_is_engaged() -> None:
    said = summary(replace(STATUS, kill_switch=True))
    assert said == f"{SAID}; the kill switch is engaged"


def test_what_systemd_has_not_taken_is_told_with_the_next_word(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    notifier = Notifier(Environment({"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "1000000"}))
    notifier.tell("READY=1", "STATUS=a")
    notifier.tell("WATCHDOG=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(address))
        listening.setblocking(False)
        notifier.tell("STATUS=b")
        assert listening.recv(4_096) == b"READY=1\nSTATUS=b", "an old pulse says nothing"
        notifier.begin("opening the database")
        assert listening.recv(4_096) == (
            b"STATUS=opening the database\nEXTEND_TIMEOUT_USEC=300000000"
        )
    notifier.close()
