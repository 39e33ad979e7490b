"""Our trio class and ccxt's asyncio class cannot be told apart by what they return."""

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from exchanges.adapters.kraken import KrakenAdapter
from exchanges.exchange import TrioExchange
from exchanges.factory import build_exchange
from exchanges.types import Credentials, Endpoints
from supervisor.clock import ManualClock
from tests.exchanges.acceptance.scenario import START_MS, STEPS, Untyped, play
from tests.venue.boxes import ALICE, BUSY, SECRET
from tests.venue.boxes import config as box_config
from venue.box import serve_venue
from venue.config import VenueConfig

MILLISECOND_NS = 1_000_000
COMMAND = (sys.executable, "-m", "tests.exchanges.acceptance.stock_side")
# ccxt takes seconds to import on two shared cores.
PATIENCE_S = 60


def still_box() -> VenueConfig:
    return box_config(accounts=(ALICE,), markets=(BUSY,), seed=7)


class TrioSide:
    """See `Side`."""

    def __init__(self, exchange: TrioExchange, clock: ManualClock, nursery: trio.Nursery) -> None:
        self.exchange = exchange
        self._clock = clock
        self._nursery = nursery

    async def advance(self, milliseconds: int) -> None:
        await trio.lowlevel.checkpoint()
        self._clock.advance(milliseconds * MILLISECOND_NS)

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)

    def keep(self, watch: Callable[[], Awaitable[Untyped]]) -> None:
        async def forever() -> None:
            while True:
                await watch()

        self._nursery.start_soon(forever)


async def ours(seen: dict[str, Any]) -> None:
    clock = ManualClock(START_MS * MILLISECOND_NS)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve_venue, still_box(), clock)
        socket = f"ws://127.0.0.1:{port}/v2"
        exchange = build_exchange(
            KrakenAdapter(),
            clock,
            credentials=Credentials(ALICE.api_key, SECRET),
            endpoints=Endpoints(
                rest=f"http://127.0.0.1:{port}", websocket_public=socket, websocket_private=socket
            ),
            request_timeout_ms=5_000,
            rate_limited=False,
        )
        async with exchange, trio.open_nursery() as watching:
            found = await play(TrioSide(exchange, clock, watching))
            seen.update(json.loads(json.dumps(found)))
            watching.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


async def stock(seen: dict[str, Any]) -> None:
    clock = ManualClock(START_MS * MILLISECOND_NS)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve_venue, still_box(), clock)
        process = await trio.lowlevel.open_process(
            (*COMMAND, str(port), ALICE.api_key, SECRET),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            seen.update(await _served(process, clock))
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
        nursery.cancel_scope.cancel()


async def _served(process: trio.Process, clock: ManualClock) -> dict[str, Any]:
    """Let time pass when asked; return the last line."""
    assert process.stdin is not None
    assert process.stdout is not None
    text = b""
    async for part in process.stdout:
        text += part
        *lines, text = text.split(b"\n")
        for line in lines:
            if line.startswith(b"{"):
                found: dict[str, Any] = json.loads(line)
                return found
            clock.advance(int(line) * MILLISECOND_NS)
            await process.stdin.send_all(b"\n")
    raise AssertionError(f"the stock class ended without a result: {text!r}")


@pytest.fixture(scope="module")
def both() -> tuple[dict[str, Any], dict[str, Any]]:
    """Play with ours and with the stock class; return what each saw."""
    mine: dict[str, Any] = {}
    theirs: dict[str, Any] = {}

    async def play_both() -> None:
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ours, mine)
                nursery.start_soon(stock, theirs)

    trio.run(play_both)
    return mine, theirs


def test_everything_seen_is_equal(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    mine, theirs = both
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if mine[name] != theirs[name]] == []


def test_something_was_seen(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    seen, _ = both
    books = [json.dumps(book) for book in seen["watched books"]]
    assert len(set(books)) == STEPS
    assert len(seen["watched trades"]) == 50
    assert len(seen["watched fills"]) == 1 + STEPS // 2
    assert [order["status"] for order in seen["parsed closed"]].count("canceled") == 2
    assert [name for name, _ in seen["refused"]] == [
        "InsufficientFunds",
        "InvalidOrder",
        "ExchangeError",
        "OrderNotFound",
        "ExchangeError",
    ]
