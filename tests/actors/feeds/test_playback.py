"""The feed at the exchange in a box, in virtual time: each way of falling silent; and once more."""

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.execution.translate import Scales
from actors.feeds.capture import Capture, Tape
from actors.feeds.playback import play
from actors.feeds.segments import FORMAT, Head, SegmentError, kept
from actors.feeds.stream import MarketFeed
from exchanges.types import Endpoints
from exchanges.venue_client import VenueClient, open_venue
from messages.market import BookTop, StreamTrust
from messages.money import Alert, Severity
from messages.settings import CaptureSettings
from research.simulation.network import SimulatedNetwork
from supervisor import net
from supervisor.clock import trio_monotonic_ns
from supervisor.threads import InlineThreads, use
from tests.actors.port_context import RecordingContext, running
from tests.actors.trading import ALERTS, START_NS
from tests.venue.boxes import config
from venue.box import serve_venue

SYMBOL = "ETH/USDT"
PLACE = "/market/kraken-sim/eth-usdt"
# Longer than any test: faults that stay.
FRAMES = 900


class VirtualClock:
    """The clock of box and client: trio's."""

    def __init__(self) -> None:
        self._zero_ns = trio_monotonic_ns()

    def now_ns(self) -> int:
        return START_NS + trio_monotonic_ns() - self._zero_ns


class World:
    """A box, a network between, and a feed that is recorded."""

    def __init__(self, network: SimulatedNetwork, port: int, context: RecordingContext) -> None:
        self.network = network
        self.port = port
        self.context = context

    async def arm(self, fault: str, target: str = "", count: int = FRAMES) -> None:
        """Have the box treat frames badly from now on."""
        body = json.dumps({"fault": fault, "target": target, "count": count}).encode()
        head = f"POST /_box/faults/arm HTTP/1.1\r\nHost: box\r\nContent-Length: {len(body)}\r\n\r\n"
        stream = await self.network.connect_quietly(("127.0.0.1", self.port))
        await stream.send_all(head.encode() + body)
        assert b" 200 " in await stream.receive_some()
        await stream.aclose()

    def trust(self) -> list[str]:
        """Return the changes of trust: "" where the symbol is trusted."""
        found: list[str] = []
        for message in self.context.on(f"{PLACE}/trust"):
            assert isinstance(message, StreamTrust)
            if not found or found[-1] != message.reason:
                found.append(message.reason)
        return found

    def pages(self) -> list[str]:
        alerts = [each for each in self.context.sent_to(ALERTS) if isinstance(each, Alert)]
        return [each.text for each in alerts if each.severity is Severity.PAGE]

    sockets = 0
    """How often the feed has opened a client."""


@asynccontextmanager
async def world(folder: Path | None = None) -> AsyncIterator[World]:
    network = SimulatedNetwork(random.Random(1), lambda text: None)  # noqa: S311 - weather
    clock = VirtualClock()
    with net.use(network), use(InlineThreads()):
        async with trio.open_nursery() as nursery:
            box = config(tick_interval_ms=250, warm_up_s=65)
            port = await nursery.start(serve_venue, box, clock)
            socket = f"ws://127.0.0.1:{port}/v2"
            endpoints = Endpoints(
                rest=f"http://127.0.0.1:{port}", websocket_public=socket, websocket_private=socket
            )
            tape = Tape(clock)
            opened = World(network, port, None)  # type: ignore[arg-type]  # set below

            def open_public() -> VenueClient:
                opened.sockets += 1
                hook = tape.frame if folder is not None else None
                return open_venue(
                    "kraken", clock, endpoints=endpoints, rate_limited=False, on_frame=hook
                )

            if folder is not None:
                head = Head(
                    format=FORMAT, venue="kraken-sim", protocol="kraken", symbols=(SYMBOL,),
                    began_ns=0,
                )  # fmt: skip
                capture = Capture(head, tape, folder, CaptureSettings(), ALERTS)
                await nursery.start(_run_port, capture)
                await trio.sleep(0.1)
                assert tape.is_running
            feed = MarketFeed(
                "kraken-sim", (SYMBOL,), open_public, Scales({"USDT": 8, "ETH": 10}), (), ALERTS
            )
            async with running(feed, "/feed") as context:
                opened.context = context
                yield opened
            nursery.cancel_scope.cancel()


async def _run_port(
    port: Capture, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    async with running(port, "/capture"):
        task_status.started()
        await trio.sleep_forever()


@pytest.mark.check
async def test_a_market_that_lives_is_trusted_and_nothing_is_done(
    autojump_clock: MockClock,
) -> None:
    async with world() as w:
        await trio.sleep(100)
        assert w.trust() == ["no data yet", ""]
        assert (w.pages(), w.sockets) == ([], 1)


async def test_a_silent_subscription_is_renewed_then_reconnected_then_paged_and_comes_back(
    autojump_clock: MockClock,
) -> None:
    async with world() as w:
        await trio.sleep(5)
        await w.arm("gap", "book")
        await trio.sleep(31)
        assert w.trust()[-1] == "no book for 30 s"
        assert w.sockets == 1, "first the subscription"
        await trio.sleep(31)
        assert w.sockets == 2, "then the connection"
        assert w.pages() == []
        await trio.sleep(33)
        (page,) = w.pages()
        assert "is silent although it was subscribed and connected anew" in page
        assert len(w.context.on(f"{PLACE}/trades")) > 10, "trades went on"
        # The fault is used up in the end.
        await trio.sleep(300)
        assert w.trust()[-1] == ""


async def test_a_half_open_connection_is_noticed_and_replaced(autojump_clock: MockClock) -> None:
    async with world() as w:
        await trio.sleep(5)
        w.network.lose_all()
        lost = len(w.context.on(f"{PLACE}/top"))
        await trio.sleep(2)
        assert len(w.context.on(f"{PLACE}/top")) == lost
        await trio.sleep(60)
        assert any(w.trust()[2:]), "nobody traded on what was not there"
        assert w.trust()[-1] == ""
        tops = w.context.on(f"{PLACE}/top")
        assert isinstance(tops[-1], BookTop)
        assert len(tops) > lost


async def test_a_socket_that_is_cut_is_replaced_at_once(autojump_clock: MockClock) -> None:
    async with world() as w:
        await trio.sleep(5)
        w.network.sever()
        await trio.sleep(3)
        _start, trusted, cut, *_, again = w.trust()
        assert (trusted, again) == ("", "")
        assert "disconnected" in cut


@pytest.mark.check
async def test_a_venue_that_cannot_be_reached_is_asked_again_until_it_can(
    autojump_clock: MockClock,
) -> None:
    async with world() as w:
        await trio.sleep(5)
        w.network.is_cut = True
        w.network.sever()
        await trio.sleep(120)
        assert w.trust()[-1] != ""
        w.network.is_cut = False
        await trio.sleep(60)
        assert w.trust()[-1] == ""


@pytest.mark.check
async def test_frames_that_are_damaged_are_never_passed_on(autojump_clock: MockClock) -> None:
    async with world() as w:
        await trio.sleep(5)
        for fault in ("truncate_frame", "garbage_frame", "duplicate"):
            await w.arm(fault, "book", 30)
        await trio.sleep(60)
        tops = [each for each in w.context.on(f"{PLACE}/top") if isinstance(each, BookTop)]
        assert all(0 < each.bid_ticks < each.ask_ticks for each in tops)
        assert len(w.trust()) > 3


def test_what_was_captured_leads_to_the_same_once_more(tmp_path: Path) -> None:
    seen: dict[str, int] = {}
    trust: list[str] = []

    async def record() -> None:
        async with world(tmp_path) as w:
            await trio.sleep(5)
            await w.arm("gap", "book")
            await trio.sleep(40)
            w.network.sever()
            await trio.sleep(20.5)
            trust.extend(w.trust())
        for kind in ("top", "trades", "candles"):
            seen[f"{PLACE}/{kind}"] = len(w.context.on(f"{PLACE}/{kind}"))

    trio.run(record, clock=MockClock(autojump_threshold=0))
    files = [Path(each.path) for each in kept(tmp_path)]
    played = play(files)
    assert _kinds([each.reason for each in played.trust]) == _kinds(trust)
    assert (played.lost, played.published) == (0, seen)
    with pytest.raises(SegmentError):
        play([_without_the_beginning(files[0])])


def _kinds(reasons: list[str]) -> list[str]:
    """Return reasons without the stream that was noticed first, and without addresses."""
    known = ("disconnected", "no book for 30 s", "no data yet")
    kinds = [next((kind for kind in known if kind in reason), reason) for reason in reasons]
    return [kind for before, kind in pairwise(["?", *kinds]) if kind != before]


def _without_the_beginning(file: Path) -> Path:
    import gzip

    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    cut = file.with_name("9.jsonl.gz")
    cut.write_bytes(gzip.compress(lines[0] + b"".join(lines[-20:])))
    return cut
