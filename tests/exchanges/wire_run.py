"""One side of the wire suite.

Calls some methods of each exchange with every address replaced by a capturing server on loopback,
and returns the raw requests, so that the two sides can be compared byte for byte.
"""

import contextlib
import copy
import functools
import json
import re
import ssl
from collections.abc import Iterator

from exchanges.ccxt_names import exchange_class
from exchanges.errors import CCXT_RAISES
from exchanges.json_text import Json
from tests.exchanges.parity_calls import CONFIG, NOW_MS, arguments, prepare
from tests.exchanges.parity_run import NONCE, REQUESTS_MAX

CALLS = (
    "fetch_ticker", "fetch_tickers", "fetch_order_book", "fetch_trades", "fetch_ohlcv",
    "fetch_balance", "create_order", "cancel_order", "fetch_open_orders", "fetch_closed_orders",
    "fetch_order", "fetch_my_trades", "fetch_deposits", "create_orders", "cancel_orders",
    "cancel_all_orders", "fetch_currencies", "fetch_markets", "edit_order", "withdraw", "transfer",
    "fetch_positions", "set_leverage",
)  # fmt: skip
# The server answers at once: who waits longer waits for nothing.
PATIENCE_S = 2.0
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Capture:
    """Splits what arrives on one connection into requests, and adds them to `requests`."""

    def __init__(self, requests: list[Json]) -> None:
        self._requests = requests
        self._buffer = b""

    def feed(self, data: bytes) -> int:
        """Take bytes; return how many whole requests they completed."""
        self._buffer += data
        count = 0
        while b"\r\n\r\n" in self._buffer:
            head, rest = self._buffer.split(b"\r\n\r\n", 1)
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            size = int(length.group(1)) if length else 0
            if len(rest) < size:
                break
            self._requests.append(readable(head, rest[:size]))
            self._buffer = rest[size:]
            count += 1
        return count


def taken(requests: list[Json]) -> list[Json]:
    """Return the requests so far, sorted: gathered ones may overtake each other."""
    found = sorted(requests, key=json.dumps)
    requests.clear()
    return found


def readable(head: bytes, body: bytes) -> list[Json]:
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = sorted(tuple(line.split(": ", 1)) for line in lines)
    return [first, [each for each in headers if each[0].lower() != "host"], body.decode()]


def redirect(exchange: Json, port: int) -> None:
    prepared = type(exchange).fetch
    sent = 0

    async def fetch(url: str, *args: Json, **kwargs: Json) -> Json:
        nonlocal sent
        sent += 1
        if sent > REQUESTS_MAX:
            raise RuntimeError("too many requests in one call")
        local = re.sub(r"^https?://[^/?]*", f"http://127.0.0.1:{port}", url)
        return await prepared(exchange, local, *args, **kwargs)

    exchange.fetch = fetch


def wire_calls(ids: list[str]) -> Iterator[tuple[str, type, str]]:
    for exchange_id in ids:
        cls = exchange_class(exchange_id)
        for name in CALLS:
            if hasattr(cls, name):
                yield f"{exchange_id}.{name}", cls, name


def run_stock(ids: list[str]) -> dict[str, Json]:
    import asyncio

    async def one(cls: type, name: str, port: int, tls: ssl.SSLContext) -> None:
        exchange = cls(copy.deepcopy(CONFIG))
        prepare(exchange)
        redirect(exchange, port)
        exchange.ssl_context = tls
        with contextlib.suppress(TimeoutError, *CCXT_RAISES):
            await asyncio.wait_for(
                getattr(exchange, name)(*arguments(getattr(cls, name))), PATIENCE_S
            )
        exchange.timeout_on_exit = 0
        await exchange.close()

    async def main() -> dict[str, Json]:
        requests: list[Json] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            capture = Capture(requests)
            while data := await reader.read(65536):
                writer.write(ANSWER * capture.feed(data))
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        # One for all: making it takes longer than a call.
        tls = ssl.create_default_context()
        results: dict[str, Json] = {}
        for key, cls, name in wire_calls(ids):
            await one(cls, name, port, tls)
            results[key] = taken(requests)
        server.close()
        return results

    return asyncio.run(main())


def run_trio(ids: list[str]) -> dict[str, Json]:
    import trio

    from exchanges.factory import trio_class
    from supervisor.clock import ManualClock

    async def one(cls: type, name: str, port: int) -> None:
        clock = ManualClock(NOW_MS * 1_000_000)
        async with trio_class(cls)(copy.deepcopy(CONFIG), clock=clock) as exchange:
            prepare(exchange)
            redirect(exchange, port)
            # The one difference on purpose: our nonces increase although the clock stands.
            exchange.__dict__["nonce"] = functools.partial(getattr(cls, NONCE), exchange)
            with contextlib.suppress(*CCXT_RAISES), trio.move_on_after(PATIENCE_S):
                await getattr(exchange, name)(*arguments(getattr(cls, name)))

    async def main() -> dict[str, Json]:
        requests: list[Json] = []

        async def serve(stream: trio.SocketStream) -> None:
            capture = Capture(requests)
            with contextlib.suppress(trio.BrokenResourceError):
                async for data in stream:
                    await stream.send_all(ANSWER * capture.feed(bytes(data)))
            await trio.aclose_forcefully(stream)

        results: dict[str, Json] = {}
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, serve, listeners)
            port = listeners[0].socket.getsockname()[1]
            for key, cls, name in wire_calls(ids):
                await one(cls, name, port)
                results[key] = taken(requests)
            nursery.cancel_scope.cancel()
        return results

    return trio.run(main)
