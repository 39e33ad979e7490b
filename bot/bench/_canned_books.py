"""Many books of a Kraken that has its frames ready, sent at a given rate.

python -m bot.bench._canned_books SYMBOLS RATE      serve, having printed the ports of REST, sockets

When a connection has subscribed to every book it is sent RATE updates a second, of each book in
turn, until it goes. Each says when it was due: one that is sent late, since the client does not
take them fast enough, is late by that too.
"""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import count

import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection, serve

from bot.bench import _canned_kraken as one
from exchanges.json_text import decode_json
from supervisor.clock import NANOSECONDS_PER_SECOND, wall_ns
from supervisor.net import network

# Frames leave so often, those that are due together: an exchange sends what a moment brought.
STEP_NS = 5_000_000
STAMP = "2024-07-18T12:00:00.123456Z"
NANOSECONDS_PER_US = 1_000
Parts = tuple[bytes, bytes]


def symbols(number: int) -> tuple[str, ...]:
    """Return the pairs."""
    return tuple(f"C{at:03d}/USDT" for at in range(number))


def answers(number: int) -> dict[str, bytes]:
    """Return the HTTP answers by the end of the path."""
    bases = [symbol.partition("/")[0] for symbol in symbols(number)]
    pairs = {
        f"{base}USDT": {**one.PAIR, "altname": f"{base}USDT", "wsname": f"{base}/USDT"}
        | {"base": base}
        for base in bases
    }
    assets = {
        name: {"aclass": "currency", "altname": name, "decimals": 10, "status": "enabled"}
        for name in (*bases, "USDT")
    }
    results = {"AssetPairs": pairs, "Assets": assets, "Time": {"unixtime": wall_ns() // 10**9}}
    return {name: one.http({"error": [], "result": found}) for name, found in results.items()}


def updates(symbol: str) -> tuple[Parts, Parts]:
    """Return two updates of a book, to be sent in turn: before and after the stamp."""
    found = []
    for quantity in (8, 9):
        bids = [(one.BIDS[0][0], f"{quantity}.00000000"), *one.BIDS[1 : one.BOOK_LEVELS]]
        after = (bids, one.ASKS[: one.BOOK_LEVELS])
        text = one.frame("update", bids[:1], [], after, symbol)
        head, _, tail = text.partition(STAMP.encode())
        size = len(text).to_bytes(2, "big")
        found.append((one.LENGTH_IN_TWO_BYTES + size + head, tail))
    return found[0], found[1]


class Subscribed:
    """What one connection has subscribed to."""

    def __init__(self, number: int) -> None:
        self._missing = set(symbols(number))
        self.complete = trio.Event()

    def answer(self, message: dict[str, object]) -> Iterator[str]:
        """Yield what Kraken says to a message of the client's."""
        params = message.get("params")
        if message.get("method") != "subscribe" or not isinstance(params, dict):
            return
        for symbol in params["symbol"]:
            taken = {"channel": params["channel"], "symbol": symbol}
            said = {"method": "subscribe", "success": True, "result": taken}
            yield json.dumps({**said, "req_id": message.get("req_id")})
            if params["channel"] == "book":
                bids, asks = one.BIDS[: one.BOOK_LEVELS], one.ASKS[: one.BOOK_LEVELS]
                yield one.frame("snapshot", bids, asks, (bids, asks), symbol).decode()
                self._missing.discard(symbol)
        if not self._missing:
            self.complete.set()


async def send(parts: list[Parts], rate: int, connection: ServerConnection) -> None:
    """Send the updates that are due, step by step, for ever."""
    sent, start_ns = 0, wall_ns()
    for step in count(1):
        due_ns = start_ns + step * STEP_NS
        await trio.sleep(max(0, due_ns - wall_ns()) / NANOSECONDS_PER_SECOND)
        stamp = _stamp(due_ns)
        until = step * STEP_NS * rate // NANOSECONDS_PER_SECOND
        chunk = [b"%b%b%b" % (head, stamp, tail) for head, tail in
                 (parts[at % len(parts)] for at in range(sent, until))]  # fmt: skip
        sent = until
        # Pongs are sent through the same stream.
        async with connection.send_lock:
            await connection.stream.send_all(b"".join(chunk))


def _stamp(at_ns: int) -> bytes:
    seconds, rest_ns = divmod(at_ns, NANOSECONDS_PER_SECOND)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{rest_ns // NANOSECONDS_PER_US:06d}Z".encode()


async def socket(number: int, rate: int, parts: list[Parts], connection: ServerConnection) -> None:
    """Serve one client."""
    subscribed = Subscribed(number)
    try:
        while not subscribed.complete.is_set():
            for said in subscribed.answer(decode_json(await connection.recv())):
                await connection.send(said)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, parts, rate, connection)
            while True:
                await connection.recv()
    except* (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
        # The client has gone: it has measured what it wanted.
        pass


async def main(number: int, rate: int) -> None:
    """Serve until killed."""
    ready = answers(number)
    both = [updates(symbol) for symbol in symbols(number)]
    parts = [each[0] for each in both] + [each[1] for each in both]
    serving = partial(socket, number, rate, parts)
    listeners = list(await network().open_tcp_listeners("127.0.0.1", 0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, partial(one.rest, ready), listeners))
        server = await nursery.start(partial(serve, serving, 0, host="127.0.0.1", compression=None))
        ports = [each.socket.getsockname()[1] for each in (*listeners, *server.listeners)]
        sys.stdout.write(f"{ports[0]} {ports[1]}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), int(sys.argv[2]))
