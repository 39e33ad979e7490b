"""One side of the parity suite.

Runs every call of `parity_calls` with stubbed transport and returns call -> [requests and frames
handed to the transport, outcome]. The other side must return the same. Offline: no socket is
opened. Time is virtual on both sides, so that a call which waits for an answer that never comes is
known to wait at once, on however slow a machine.
"""

import copy
import functools
import gc
import hashlib
import importlib
import inspect
import json
import logging
import re
import selectors
import ssl
from typing import TYPE_CHECKING
from unittest.mock import patch

import trio
import trio.testing

from exchanges.errors import CCXT_RAISES
from exchanges.factory import trio_class
from exchanges.json_text import Json
from supervisor.clock import ManualClock
from tests.exchanges.parity_calls import CONFIG, NOW_MS, Call, arguments, calls, prepare

if TYPE_CHECKING:
    import asyncio

# A call that has no answer after this long waits for one that never comes.
PATIENCE_S = 0.25
# A call that pages for ever on a canned answer is ended after so many requests.
REQUESTS_MAX = 40
TEXT_CHARACTERS_MAX = 200
NONCE = "nonce"
ADDRESS = re.compile(r"0x[0-9a-f]{8,}")

Side = dict[str, list[Json]]


def shown(value: Json) -> str:
    """Return a value's JSON; the end of a long one as its hash."""
    return _short(json.dumps(value, sort_keys=True, default=lambda _: "object"))


def failed(error: BaseException) -> str:
    return _short(f"{type(error).__name__}: {ADDRESS.sub('0x', str(error))}")


def _short(text: str) -> str:
    if len(text) <= TEXT_CHARACTERS_MAX:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[:TEXT_CHARACTERS_MAX]}… {digest}"


def answer(exchange: Json, canned: Json, log: list[Json]) -> None:
    """Make the exchange's fetch write down the request and answer `canned`."""

    async def fetch(url: str, method: str = "GET", headers: Json = None, body: Json = None) -> Json:
        log.append(["http", method, url, sorted((headers or {}).items()), body])
        if len(log) > REQUESTS_MAX:
            raise RuntimeError("too many requests in one call")
        return copy.deepcopy(canned)

    exchange.fetch = fetch


def _in_order(log: list[Json]) -> list[Json]:
    return sorted(log, key=lambda each: json.dumps(each, default=str))


class StubSocket:
    """Stands for the socket under the client, on both sides."""

    closed = False

    def __init__(self, url: str, log: list[Json]) -> None:
        self.url, self.log = url, log

    async def send_str(self, text: str) -> None:
        try:
            message = json.loads(text)
        except ValueError:
            message = text
        self.log.append(["frame", self.url, message])

    send_text = send_str

    async def close(self, code: int = 1000) -> None:
        self.closed = True

    aclose = close


# -- ccxt's own side


class VirtualSelector(selectors.SelectSelector):
    """Instead of waiting it lets the time of its loop pass."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> Json:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "a loop that waits for nothing would wait for ever"
            self.now_s += timeout
        return ready


def virtual_loop() -> "asyncio.SelectorEventLoop":
    import asyncio

    selector = VirtualSelector()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now_s  # type: ignore[method-assign]  # what asyncio lets one do
    loop.set_exception_handler(lambda _loop, _context: None)
    return loop


def run_stock(ids: list[str]) -> Side:
    import asyncio

    # One for all: making it takes longer than a call.
    tls = ssl.create_default_context()

    async def main() -> Side:
        return {call.key: await _call_on_asyncio(call, tls) for call in calls(ids)}

    with asyncio.Runner(loop_factory=virtual_loop) as runner:
        return runner.run(main())


async def _call_on_asyncio(call: Call, tls: ssl.SSLContext) -> list[Json]:
    import asyncio

    log: list[Json] = []
    exchange = call.cls(copy.deepcopy(CONFIG))
    prepare(exchange)
    answer(exchange, call.canned, log)
    exchange.ssl_context = tls
    exchange.open()
    stub_clients(exchange, log)
    try:
        result = getattr(exchange, call.method)(
            *arguments(getattr(call.cls, call.method), swap=call.swap)
        )
        if inspect.isawaitable(result):
            result = await asyncio.wait_for(result, PATIENCE_S)
        outcome = "ok " + shown(result)
    except TimeoutError:
        outcome = "pending"
    except asyncio.CancelledError:
        outcome = "cancelled"
    except CCXT_RAISES as error:
        outcome = failed(error)
    # What the call has started and not waited for takes its first steps too.
    await asyncio.sleep(PATIENCE_S)
    exchange.timeout_on_exit = 0
    await exchange.close()
    return [_in_order(log), outcome]


def stub_clients(exchange: Json, log: list[Json]) -> None:
    make = exchange.client

    def client(url: str) -> Json:
        found = make(url)
        if found.connection is None:
            found.connection, found.isConnected = StubSocket(url, log), True
            found.connecting = True
            found.connected.resolve(url)
        return found

    exchange.client = client


# -- ours

# The stubs of the trio side find the log of their exchange by the headers they are dialed with.
LOGS: dict[str, list[Json]] = {}


class TrioStub(StubSocket):
    """Never receives anything."""

    async def receive(self) -> None:
        await trio.sleep_forever()

    async def send_ping(self) -> None:
        return


async def dial(url: str, _tls: object, headers: dict[str, str], **_: object) -> TrioStub:
    return TrioStub(url, LOGS[headers["log"]])


async def _call_on_trio(call: Call) -> list[Json]:
    log: list[Json] = []
    exchange = trio_class(call.cls)(copy.deepcopy(CONFIG), clock=ManualClock(NOW_MS * 1_000_000))
    prepare(exchange)
    answer(exchange, call.canned, log)
    # The one difference on purpose: our nonces increase although the clock stands.
    exchange.__dict__["nonce"] = functools.partial(getattr(call.cls, NONCE), exchange)
    LOGS[str(id(exchange))] = log
    outcome = "pending"
    async with exchange:
        mark_clients(exchange)
        try:
            with trio.move_on_after(PATIENCE_S):
                result = getattr(exchange, call.method)(
                    *arguments(getattr(call.cls, call.method), swap=call.swap)
                )
                if inspect.isawaitable(result):
                    result = await result
                outcome = "ok " + shown(result)
        except CCXT_RAISES as error:
            outcome = failed(error)
        await trio.sleep(PATIENCE_S)
    del LOGS[str(id(exchange))]
    return [_in_order(log), outcome]


def mark_clients(exchange: Json) -> None:
    make = exchange.client

    def client(url: str) -> Json:
        found = make(url)
        found.options = {**found.options, "headers": {"log": str(id(exchange))}}
        return found

    exchange.__dict__["client"] = client


def run_trio(ids: list[str]) -> Side:
    asyncio = importlib.import_module("asyncio")

    async def main() -> Side:
        return {call.key: await _call_on_trio(call) for call in calls(ids)}

    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError("an event loop of asyncio was made")

    with (
        patch("exchanges.socket_client.dial", dial),
        patch("asyncio.base_events.BaseEventLoop.__init__", refuse),
    ):
        results = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    loops = [each for each in gc.get_objects() if isinstance(each, asyncio.AbstractEventLoop)]
    assert not loops, "ours runs without any event loop of asyncio"
    return results


def quiet() -> None:
    """Say nothing about what thousands of canned answers are no answers to."""
    logging.disable(logging.CRITICAL)
