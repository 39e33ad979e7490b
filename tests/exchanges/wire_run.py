"""One side of the wire suite.

Calls some methods of each exchange with every address replaced by a capturing server on loopback,
and returns the raw requests, so that the two sides can be compared byte for byte.
"""

import contextlib
import copy
import importlib
import re

from exchanges.errors import CCXT_RAISES
from exchanges.json_text import Json
from tests.exchanges.parity_run import CONFIG, NOW_MS, arguments, prepare

CALLS = (
    "fetch_ticker", "fetch_tickers", "fetch_order_book", "fetch_trades", "fetch_ohlcv",
    "fetch_balance", "create_order", "cancel_order", "fetch_open_orders", "fetch_closed_orders",
    "fetch_order", "fetch_my_trades", "fetch_deposits", "create_orders", "cancel_orders",
    "cancel_all_orders", "fetch_currencies", "fetch_markets", "edit_order", "withdraw", "transfer",
)  # fmt: skip
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Capture:
    """Splits what arrives into requests."""

    def __init__(self) -> None:
        self.buffer = b""
        self.requests: list[Json] = []

    def feed(self, data: bytes) -> int:
        """Take bytes; return how many whole requests they completed."""
        self.buffer += data
        count = 0
        while b"\r\n\r\n" in self.buffer:
            head, rest = self.buffer.split(b"\r\n\r\n", 1)
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            size = int(length.group(1)) if length else 0
            if len(rest) < size:
                break
            self.requests.append(readable(head, rest[:size]))
            self.buffer = rest[size:]
            count += 1
        return count


def readable(head: bytes, body: bytes) -> list[Json]:
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = sorted(tuple(line.split(": ", 1)) for line in lines)
    return [first, [each for each in headers if each[0].lower() != "host"], body.decode()]


def redirect(exchange: Json, port: int) -> None:
    prepared = type(exchange).fetch

    async def fetch(url: str, *args: Json, **kwargs: Json) -> Json:
        local = re.sub(r"^https?://[^/?]*", f"http://127.0.0.1:{port}", url)
        return await prepared(exchange, local, *args, **kwargs)

    exchange.fetch = fetch


def run_stock(ids: list[str]) -> dict[str, Json]:
    import asyncio

    async def main() -> dict[str, Json]:
        capture = Capture()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                writer.write(ANSWER * capture.feed(data))
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        results: dict[str, Json] = {}
        for exchange_id in ids:
            cls = getattr(importlib.import_module(f"ccxt.pro.{exchange_id}"), exchange_id)
            exchange = cls(copy.deepcopy(CONFIG))
            prepare(exchange, {}, [])
            redirect(exchange, port)
            for name in CALLS:
                with contextlib.suppress(*CCXT_RAISES):
                    await getattr(exchange, name)(*arguments(getattr(cls, name)))
                results[f"{exchange_id}.{name}"], capture.requests = capture.requests, []
            exchange.timeout_on_exit = 0
            await exchange.close()
        server.close()
        return results

    return asyncio.run(main())


def run_trio(ids: list[str]) -> dict[str, Json]:
    import trio

    from exchanges.factory import trio_class
    from supervisor.clock import ManualClock

    async def main() -> dict[str, Json]:
        capture = Capture()

        async def serve(stream: trio.SocketStream) -> None:
            async for data in stream:
                await stream.send_all(ANSWER * capture.feed(bytes(data)))

        results: dict[str, Json] = {}
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, serve, listeners)
            port = listeners[0].socket.getsockname()[1]
            for exchange_id in ids:
                cls = trio_class(exchange_id)
                clock = ManualClock(NOW_MS * 1_000_000)
                async with cls(copy.deepcopy(CONFIG), clock=clock) as exchange:
                    prepare(exchange, {}, [])
                    redirect(exchange, port)
                    for name in CALLS:
                        with contextlib.suppress(*CCXT_RAISES):
                            await getattr(exchange, name)(*arguments(getattr(cls, name)))
                        results[f"{exchange_id}.{name}"] = capture.requests
                        capture.requests = []
            nursery.cancel_scope.cancel()
        return results

    return trio.run(main)
