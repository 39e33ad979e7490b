"""A Kraken that has its answers ready, so that a benchmark measures the client alone.

python -m bot.bench._canned_kraken UPDATES      serve, having printed the ports of REST and sockets

To a book's subscription it sends a snapshot and then UPDATES updates as fast as they are taken; the
last one has a quantity of its own.
"""

import json
import sys
import zlib
from functools import partial

import trio
from trio.abc import HalfCloseableStream
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection, serve

from exchanges.json_text import decode_json
from supervisor.net import network

SYMBOL = "ETH/USDT"
# What exchanges send when asked for 100 levels of each side.
LEVELS = 100
BOOK_LEVELS = 10
LAST_QUANTITY = 7
CHUNK_UPDATES = 500
LENGTH_IN_TWO_BYTES = b"\x81\x7e"
PAIR = {
    "altname": "ETHUSDT",
    "wsname": SYMBOL,
    "aclass_base": "currency",
    "base": "XETH",
    "aclass_quote": "currency",
    "quote": "USDT",
    "lot": "unit",
    "cost_decimals": 8,
    "pair_decimals": 2,
    "lot_decimals": 8,
    "lot_multiplier": 1,
    "leverage_buy": [],
    "leverage_sell": [],
    "fees": [[0, 0.26]],
    "fees_maker": [[0, 0.16]],
    "fee_volume_currency": "ZUSD",
    "ordermin": "0.002",
    "costmin": "0.5",
    "tick_size": "0.01",
    "status": "online",
}
ASSETS = {
    name: {"aclass": "currency", "altname": short, "decimals": 10, "status": "enabled"}
    for name, short in (("XETH", "ETH"), ("USDT", "USDT"))
}
Levels = list[tuple[str, str]]


def side(first_cents: int, step: int, levels: int) -> Levels:
    """Return price and quantity of `levels` levels, best first."""
    return [
        (f"{(first_cents + step * level) / 100:.2f}", f"{level + 1}.50000000")
        for level in range(levels)
    ]


BIDS, ASKS = side(299_999, -1, LEVELS), side(300_001, 1, LEVELS)


def answers() -> dict[str, bytes]:
    """Return the HTTP answers by the end of the path."""
    book = {name: [[*each, 1] for each in levels] for name, levels in
            (("bids", BIDS), ("asks", ASKS))}  # fmt: skip
    results = {"AssetPairs": {"ETHUSDT": PAIR}, "Assets": ASSETS, "Depth": {"ETHUSDT": book}}
    return {name: http({"error": [], "result": result}) for name, result in results.items()}


def http(document: object) -> bytes:
    """Return an answer that is `document`."""
    body = json.dumps(document)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n{body}".encode()


def frame(
    kind: str,
    bids: Levels,
    asks: Levels,
    after: tuple[Levels, Levels],
    symbol: str = SYMBOL,
) -> bytes:
    """Return a book's frame, as text; its checksum is that of the book `after` it."""
    digits = "".join(
        price.replace(".", "").lstrip("0") + size.replace(".", "").lstrip("0")
        for price, size in (*after[1], *after[0])
    )
    sides = ",".join(
        f'"{name}":[' + ",".join(f'{{"price":{p},"qty":{q}}}' for p, q in levels) + "]"
        for name, levels in (("bids", bids), ("asks", asks))
    )
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{symbol}",{sides},'
        f'"checksum":{zlib.crc32(digits.encode())},"timestamp":"2024-07-18T12:00:00.123456Z"}}]}}'
    ).encode()


def update(quantity: int) -> bytes:
    """Return the frame, ready for the socket, of an update that makes the best bid's quantity."""
    bids = [(BIDS[0][0], f"{quantity}.00000000"), *BIDS[1:BOOK_LEVELS]]
    text = frame("update", bids[:1], [], (bids, ASKS[:BOOK_LEVELS]))
    return LENGTH_IN_TWO_BYTES + len(text).to_bytes(2, "big") + text


async def rest(ready: dict[str, bytes], stream: HalfCloseableStream) -> None:
    """Answer what comes, until the client goes."""
    buffer = b""
    try:
        while data := await stream.receive_some():
            buffer += data
            *heads, buffer = buffer.split(b"\r\n\r\n")
            for head in heads:
                path = head.split(b" ", 2)[1].split(b"?")[0]
                await stream.send_all(ready[path.rsplit(b"/", 1)[-1].decode()])
    except trio.BrokenResourceError:
        return


async def socket(updates: int, connection: ServerConnection) -> None:
    """Send the book that is subscribed to, and all its updates."""
    try:
        message = decode_json(await connection.recv())
        taken = {"channel": "book", "symbol": SYMBOL}
        acknowledgement = {"method": "subscribe", "success": True, "result": taken}
        await connection.send(json.dumps({**acknowledgement, "req_id": message.get("req_id")}))
        bids, asks = BIDS[:BOOK_LEVELS], ASKS[:BOOK_LEVELS]
        await connection.send(frame("snapshot", bids, asks, (bids, asks)).decode())
        chunk = (update(8) + update(9)) * (CHUNK_UPDATES // 2)
        for _ in range(updates // CHUNK_UPDATES):
            await connection.stream.send_all(chunk)
        await connection.stream.send_all(update(LAST_QUANTITY))
        await connection.recv()
    except (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
        return


async def main(updates: int) -> None:
    """Serve until killed."""
    ready = answers()

    async def answer(stream: HalfCloseableStream) -> None:
        await rest(ready, stream)

    listeners = list(await network().open_tcp_listeners("127.0.0.1", 0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, answer, listeners))
        server = await nursery.start(
            partial(serve, partial(socket, updates), 0, host="127.0.0.1", compression=None)
        )
        ports = [each.socket.getsockname()[1] for each in (*listeners, *server.listeners)]
        sys.stdout.write(f"{ports[0]} {ports[1]}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
