"""The control socket's server against clients that behave, misbehave, stall and leave."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from messages import control as c
from messages.base import Message
from messages.framing import encode_frame
from messages.readers import client_reader
from messages.views import AnyView, LogLine, matches
from supervisor.actor import Actor, Context, State
from supervisor.clock import ProcessClock, trio_monotonic_ns
from supervisor.control import ControlPort, Desk, Identity
from supervisor.journal import MemoryJournal
from supervisor.net import network
from supervisor.spec import ChildSpec, SupervisorSpec
from supervisor.system import System
from supervisor.watching import Shown

BOOT_NS = 1_700_000_000_000_000_000


class Ping(Message, frozen=True, kw_only=True, tag="controltest.Ping"):
    reply_to: str
    reply_id: str


class Pong(Message, frozen=True, kw_only=True, tag="controltest.Pong"):
    reply_id: str


class Count(State):
    value: int = 0


class Echo(Actor[Count]):
    def on_ping(self, state: Count, message: Ping, ctx: Context) -> None:
        state.value += 1
        ctx.send(message.reply_to, Pong(reply_id=message.reply_id))


def line(number: int, text: str = "said") -> LogLine:
    return LogLine(number=number, at_ns=number, level="info", address="", text=text)


class Answers:
    """Rows that a test sets, acts that an actor answers."""

    identity = Identity(
        version="1", boot_id="b", pid=1, started_ns=0, config_hash="h", environment="sim"
    )

    def __init__(self) -> None:
        self.rows: list[AnyView] = []
        self.changes = 0
        self.silent = False
        self.broken = False
        self.acts = 0
        self.prepared = 0

    def set(self, *rows: AnyView) -> None:
        self.rows = list(rows)
        self.changes += 1

    def version(self, view: c.View) -> int:
        return self.changes

    def show(self, wish: c.Subscribe) -> Shown:
        rows = [row for row in self.rows if matches(row, wish.filter)]
        return Shown(rows, complete=True, is_log=wish.view is c.View.LOG)

    async def prepare(self) -> None:
        self.prepared += 1

    async def query(self, request: c.Request, desk: Desk) -> c.Answer:
        if self.broken:
            raise LookupError("no rows here")
        if self.silent:
            await trio.sleep_forever()
        return c.Answer(request_id=request.request_id, outcome=c.Outcome.OK, rows=tuple(self.rows))

    async def act(self, request: c.Act, operator: str, desk: Desk) -> c.Answer:
        self.acts += 1
        address = "/nobody" if self.silent else "/echo"
        reply_id = desk.new_id()
        await desk.ask(address, Ping(reply_to=desk.address, reply_id=reply_id), reply_id)
        await desk.committed()
        return c.Answer(request_id=request.request_id, outcome=c.Outcome.OK, text=operator)

    def reply_id(self, message: Message) -> str:
        assert isinstance(message, Pong)
        return message.reply_id


class Port(ControlPort):
    commands = (Pong,)


class House:
    """A running tree with a control port."""

    def __init__(self, folder: Path) -> None:
        self.answers = Answers()
        self.path = folder / "s"
        self.pointer = folder / "socket"
        self.ports: list[Port] = []

        def start() -> Port:
            self.ports.append(Port(self.path, self.pointer, self.answers))
            return self.ports[-1]

        spec = SupervisorSpec(
            name="",
            children=(ChildSpec(name="echo", start=Echo), ChildSpec(name="control", start=start)),
        )
        clock = ProcessClock(wall=lambda: BOOT_NS, monotonic=trio_monotonic_ns)
        self.system = System(spec, MemoryJournal(), clock)

    @property
    def port(self) -> Port:
        return self.ports[-1]


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[House]:
    house = House(folder)
    opened = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.system.run, opened.set)
        await opened.wait()
        yield house
        house.system.request_stop()


class Client:
    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._reader = client_reader()
        self._frames: list[c.ServerFrame] = []

    async def send(self, *frames: msgspec.Struct) -> None:
        await self.stream.send_all(b"".join(encode_frame(frame) for frame in frames))

    async def receive(self) -> c.ServerFrame | None:
        """Return the next frame, or None when the daemon has closed the connection."""
        while not self._frames:
            try:
                data = await self.stream.receive_some(65_536)
            except trio.BrokenResourceError:
                return None
            if not data:
                return None
            self._frames += self._reader.feed(bytes(data))
        return self._frames.pop(0)

    async def ask(self, request: c.Request) -> c.Answer:
        await self.send(request)
        frame = await self.receive()
        assert isinstance(frame, c.Answer)
        assert frame.request_id == request.request_id
        return frame


@asynccontextmanager
async def client(house: House, hello: c.Hello | None = None) -> AsyncIterator[Client]:
    async with await network().open_unix_stream(house.path) as stream:
        link = Client(stream)
        await link.send(hello or c.Hello(client="test"))
        assert isinstance(await link.receive(), c.Welcome)
        yield link


async def test_welcome_says_who_the_daemon_is_and_the_pointer_where(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        assert house.pointer.read_text() == f"{house.path}\n"
        assert house.path.stat().st_mode & 0o777 == 0o600
        async with await network().open_unix_stream(house.path) as stream:
            link = Client(stream)
            await link.send(c.Hello(client="test"))
            welcome = await link.receive()
        assert isinstance(welcome, c.Welcome)
        assert (welcome.boot_id, welcome.environment, welcome.read_only) == ("b", "sim", False)
    assert not house.path.exists()
    assert not house.pointer.exists()


async def test_another_protocol_version_may_only_read(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        async with client(house, c.Hello(protocol=99)) as link:
            denied = await link.ask(c.Stop(request_id="1"))
            assert denied.outcome is c.Outcome.DENIED
            assert "version 99" in denied.text
            assert (await link.ask(c.Status(request_id="2"))).outcome is c.Outcome.OK
        async with client(house, c.Hello(read_only=True)) as link:
            denied = await link.ask(c.Stop(request_id="3"))
            assert denied.text == "this connection may only read (the client asked for it)"
        assert house.answers.acts == 0


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


GARBAGE: dict[str, tuple[bytes, str]] = {
    "http": (b"GET / HTTP/1.1\r\n\r\n", "oversized"),
    "oversized": ((c.REQUEST_BYTES_MAX + 1).to_bytes(4, "big"), "oversized"),
    "empty": (bytes(4), "empty"),
    "not msgpack": ((3).to_bytes(4, "big") + b"\xc1\xc1\xc1", "malformed"),
    "unknown tag": (encode_frame(Ping(reply_to="/x", reply_id="1")), "unknown_tag"),
    "unknown field": (
        framed(msgspec.msgpack.encode({"tag": "control.Status", "request_id": "1", "limitt": 3})),
        "malformed",
    ),
    "rate out of range": (
        encode_frame(c.Subscribe(view=c.View.LOG, rate_hz=1_000.0)),
        "malformed",
    ),
}


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("greeted", [True, False])
async def test_garbage_closes_that_connection_and_no_other(
    tmp_path: Path, name: str, greeted: bool
) -> None:
    data, fault = GARBAGE[name]
    async with running(tmp_path) as house, client(house) as bystander:
        async with await network().open_unix_stream(house.path) as stream:
            link = Client(stream)
            if greeted:
                await link.send(c.Hello())
                assert isinstance(await link.receive(), c.Welcome)
            await stream.send_all(data)
            goodbye = await link.receive()
            assert isinstance(goodbye, c.Goodbye)
            assert goodbye.reason is c.GoodbyeReason.PROTOCOL
            assert await link.receive() is None
        assert house.port.refused == {fault: 1}
        assert (await bystander.ask(c.Status(request_id="1"))).outcome is c.Outcome.OK
        assert house.system.restarts == 0


async def test_a_first_frame_that_is_no_hello_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        async with await network().open_unix_stream(house.path) as stream:
            link = Client(stream)
            await link.send(c.Status(request_id="1"))
            goodbye = await link.receive()
        assert isinstance(goodbye, c.Goodbye)
        assert goodbye.text == "the first frame was Status, it must be Hello"


async def test_silence_is_cut_before_and_after_hello(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as house:
        start_s = trio.current_time()
        async with await network().open_unix_stream(house.path) as stream:
            goodbye = await Client(stream).receive()
        assert isinstance(goodbye, c.Goodbye)
        assert goodbye.text == "no hello within 5 s"
        async with client(house) as link:
            goodbye = await link.receive()
        assert isinstance(goodbye, c.Goodbye)
        assert goodbye.reason is c.GoodbyeReason.IDLE
        assert trio.current_time() - start_s == pytest.approx(15, abs=2)


async def test_a_client_that_reads_nothing_is_cut_and_holds_nobody_up(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as house:
        house.answers.set(*(line(n, "x" * 400) for n in range(1_000)))
        stream = await network().open_unix_stream(house.path)
        link = Client(stream)
        await link.send(c.Hello())
        assert isinstance(await link.receive(), c.Welcome)
        await link.send(*(c.Log(request_id=str(n), tail=1_000) for n in range(20)))
        async with client(house) as other:
            assert (await other.ask(c.Status(request_id="1"))).outcome is c.Outcome.OK
        with trio.fail_after(60):
            # It pings, so it is not idle: it just does not read.
            with suppress(trio.BrokenResourceError):
                while True:
                    await trio.sleep(1)
                    await link.send(c.Ping(number=1, sent_ns=0))
        await trio.sleep(2)
        assert house.port.refused["stalled"] == 1
        assert house.port.clients == 0
        await stream.aclose()


async def test_too_many_clients_are_told_so(tmp_path: Path) -> None:
    async with running(tmp_path) as house, trio.open_nursery() as nursery:
        streams = []
        for _ in range(c.CLIENTS_MAX):
            stream = await network().open_unix_stream(house.path)
            streams.append(stream)
            await Client(stream).send(c.Hello())
        await trio.testing.wait_all_tasks_blocked(0.01)
        async with await network().open_unix_stream(house.path) as stream:
            goodbye = await Client(stream).receive()
        assert isinstance(goodbye, c.Goodbye)
        assert goodbye.reason is c.GoodbyeReason.CROWDED
        for stream in streams:
            nursery.start_soon(stream.aclose)


async def test_a_view_is_a_snapshot_and_then_what_changed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as house:
        house.answers.set(line(1), line(2))
        async with client(house) as link:
            await link.send(c.Subscribe(view=c.View.ORDERS, rate_hz=10))
            assert await link.receive() == c.Snapshot(
                view=c.View.ORDERS, seq=0, rows=(line(1), line(2))
            )
            house.answers.set(line(1), line(2, "other"), line(3))
            assert await link.receive() == c.Delta(
                view=c.View.ORDERS, seq=1, changed=(line(2, "other"), line(3))
            )
            house.answers.set(line(3))
            house.answers.set(line(2, "other"))
            assert await link.receive() == c.Delta(view=c.View.ORDERS, seq=2, removed=("1", "3"))


async def test_a_log_forgets_without_saying_removed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as house:
        house.answers.set(line(1), line(2))
        async with client(house) as link:
            await link.send(c.Subscribe(view=c.View.LOG, rate_hz=10))
            await link.receive()
            house.answers.set(line(2), line(3))
            assert await link.receive() == c.Delta(view=c.View.LOG, seq=1, changed=(line(3),))


async def test_subscribing_again_replaces_and_unsubscribing_ends(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as house:
        house.answers.set(line(1, "alpha"), line(2, "beta"))
        async with client(house) as link:
            await link.send(
                c.Subscribe(view=c.View.LOG, rate_hz=10),
                c.Subscribe(view=c.View.LOG, rate_hz=10, filter="beta"),
            )
            frames = [await link.receive()]
            with trio.move_on_after(1):
                frames.append(await link.receive())
            assert frames[-1] == c.Snapshot(view=c.View.LOG, seq=0, rows=(line(2, "beta"),))
            await link.send(c.Unsubscribe(view=c.View.LOG))
            await link.ask(c.Status(request_id="1"))
            house.answers.set(line(3, "beta"))
            with trio.move_on_after(1) as waited:
                await link.receive()
            assert waited.cancelled_caught


async def test_an_act_is_done_once_and_its_fate_can_be_asked(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        async with client(house) as link:
            first = await link.ask(c.Stop(request_id="a"))
            again = await link.ask(c.Stop(request_id="a"))
            assert first.outcome is c.Outcome.OK
            assert again == first
            assert house.answers.acts == 1
        async with client(house) as link:
            fate = await link.ask(c.Fate(request_id="f", of="a"))
            assert (fate.outcome, fate.text) == (first.outcome, first.text)
            unknown = await link.ask(c.Fate(request_id="g", of="b"))
            assert unknown.outcome is c.Outcome.UNKNOWN


async def test_what_takes_too_long_is_answered_all_the_same(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as house:
        house.answers.silent = True
        async with client(house) as link:
            query = await link.ask(c.Status(request_id="q", timeout_ms=500))
            assert (query.outcome, query.text) == (
                c.Outcome.ERROR,
                "no answer within 500 ms: ask again, for less",
            )
            act = await link.ask(c.Stop(request_id="a", timeout_ms=500))
            assert act.outcome is c.Outcome.UNKNOWN
            assert act.text == "not confirmed within 500 ms: look with `bot status`"
            fate = await link.ask(c.Fate(request_id="f", of="a"))
            assert fate.outcome is c.Outcome.UNKNOWN


async def test_an_error_of_ours_is_answered_as_one(tmp_path: Path) -> None:
    async with running(tmp_path) as house, client(house) as link:
        house.answers.broken = True
        answer = await link.ask(c.Vaults(request_id="v"))
        assert answer.outcome is c.Outcome.ERROR
        assert answer.text == "LookupError: no rows here: `bot log` has the details"
        assert house.system.restarts == 0


async def test_a_stopping_daemon_says_goodbye(tmp_path: Path) -> None:
    async with running(tmp_path) as house, client(house) as link:
        house.system.request_stop()
        goodbye = await link.receive()
        assert isinstance(goodbye, c.Goodbye)
        assert goodbye.reason is c.GoodbyeReason.STOPPING


async def test_the_socket_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    async with running(tmp_path):
        os.link(tmp_path / "s", tmp_path / "left")
    (tmp_path / "left").rename(tmp_path / "s")
    async with running(tmp_path) as house, client(house) as link:
        assert (await link.ask(c.Status(request_id="1"))).outcome is c.Outcome.OK
