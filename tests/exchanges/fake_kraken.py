"""A thin but strict Kraken spot on loopback: signatures, nonces, faults on command, real checksums.

Nothing happens by itself: tests push every frame, so nothing depends on time.
"""

import base64
import hashlib
import hmac
import json
import ssl
import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import parse_qs, urlsplit

import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection, serve

from exchanges.json_text import Json

API_KEY = "key-of-the-fake"
API_SECRET = base64.b64encode(b"secret of the fake kraken").decode()
TIME = "2024-07-18T12:00:00.123456Z"
UNIX_TIME = 1721304000

PAIRS = {
    "ETHUSDT": {
        "altname": "ETHUSDT",
        "wsname": "ETH/USDT",
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
        "fees": [[0, 0.26], [50000, 0.24]],
        "fees_maker": [[0, 0.16], [50000, 0.14]],
        "fee_volume_currency": "ZUSD",
        "ordermin": "0.002",
        "costmin": "0.5",
        "tick_size": "0.01",
        "status": "online",
    },
    "XXBTZUSD": {
        "altname": "XBTUSD",
        "wsname": "XBT/USD",
        "aclass_base": "currency",
        "base": "XXBT",
        "aclass_quote": "currency",
        "quote": "ZUSD",
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": 1,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "fee_volume_currency": "ZUSD",
        "ordermin": "0.00005",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    },
}
ASSETS = {
    name: {
        "aclass": "currency",
        "altname": alt,
        "decimals": 10,
        "display_decimals": 5,
        "status": "enabled",
    }
    for name, alt in (("XETH", "ETH"), ("USDT", "USDT"), ("XXBT", "XBT"), ("ZUSD", "USD"))
}
BALANCES = {
    "USDT": {"balance": "1000.00000000", "hold_trade": "0.10000000"},
    "XETH": {"balance": "2.0000000010", "hold_trade": "0.0000000000"},
}
BIDS = [(f"{2999.99 - i / 100:.2f}", f"{1 + i}.50000000") for i in range(10)]
ASKS = [(f"{3000.01 + i / 100:.2f}", f"{2 + i}.25000000") for i in range(10)]


@dataclass
class Request:
    """One REST request as it came."""

    head: bytes
    body: bytes
    endpoint: str
    params: dict[str, str]


AnyStream = trio.SocketStream | trio.SSLStream[trio.SocketStream]
# What to do instead of answering: gets the stream, returns the bytes to send or None to close.
Fault = Callable[[AnyStream], Json]


def status(code: int, body: str = '{"error":[]}', **headers: str) -> Fault:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    text = (
        f"HTTP/1.1 {code} X\r\nContent-Type: application/json\r\n{lines}"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )

    async def answer(stream: AnyStream) -> bytes:
        return text.encode()

    return answer


def error(*words: str) -> Fault:
    return status(200, json.dumps({"error": words}))


async def hang(stream: AnyStream) -> bytes | None:
    await trio.sleep_forever()
    return None


async def drop(stream: AnyStream) -> bytes | None:
    return None


def held(event: trio.Event) -> Fault:
    async def wait(stream: AnyStream) -> str:
        await event.wait()
        return "answer"

    return wait


@dataclass(eq=False)
class Socket:
    """One WebSocket of a client."""

    connection: ServerConnection
    path: str
    subscriptions: set[tuple[str, str]] = field(default_factory=set)
    received: list[dict[str, Json]] = field(default_factory=list)

    async def send(self, message: object) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        await self.connection.send(text)


class FakeKraken:
    """`await nursery.start(fake.run)`, then `fake.rest`, `fake.public`, `fake.private`."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.requests: list[Request] = []
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.results: dict[str, Json] = {}
        self.orders: dict[str, dict[str, str]] = {}
        self.sockets: list[Socket] = []
        self.refusals: dict[str, list[str]] = defaultdict(list)
        self.refuse_dials: list[tuple[int, dict[str, str]]] = []
        self.dials = 0
        self.mute = False
        self.last_nonce = 0
        self.tokens: list[str] = []
        self.book_checksum_error = 0
        self._streams: list[AnyStream] = []
        self._changed = trio.Event()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, self._serve_rest, listeners)
            scheme = "https" if self.tls else "http"
            self.rest = f"{scheme}://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
            server = await nursery.start(
                partial(
                    serve,
                    self._websocket,
                    0,
                    host="127.0.0.1",
                    process_request=self._gate,
                    ping_interval=None,
                    ssl=self.tls,
                )
            )
            listener = server.listeners[0]
            listener = getattr(listener, "transport_listener", listener)
            scheme = "wss" if self.tls else "ws"
            base = f"{scheme}://127.0.0.1:{listener.socket.getsockname()[1]}"
            self.public, self.private = f"{base}/v2", f"{base}/auth/v2"
            task_status.started()

    def seen(self, endpoint: str) -> list[Request]:
        return [each for each in self.requests if each.endpoint == endpoint]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something the fake saw makes `condition` true."""
        with trio.fail_after(5):
            while not condition():
                self._changed = trio.Event()
                await self._changed.wait()

    # -- REST

    async def _serve_rest(self, plain: trio.SocketStream) -> None:
        await self._rest(trio.SSLStream(plain, self.tls, server_side=True) if self.tls else plain)

    async def _rest(self, stream: AnyStream) -> None:
        self._streams.append(stream)
        buffer = b""
        try:
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = await stream.receive_some()
                    if not data:
                        return
                    buffer += data
                head, buffer = buffer.split(b"\r\n\r\n", 1)
                length = _content_length(head)
                while len(buffer) < length:
                    buffer += await stream.receive_some()
                body, buffer = buffer[:length], buffer[length:]
                answer = await self._answer(stream, head, body)
                if answer is None:
                    return
                await stream.send_all(answer)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def close_idle_connections(self) -> None:
        for stream in self._streams:
            await stream.aclose()
        self._streams.clear()

    async def _answer(self, stream: AnyStream, head: bytes, body: bytes) -> bytes | None:
        target = head.split(b" ", 2)[1].decode()
        path = urlsplit(target).path
        endpoint = path.rsplit("/", 1)[-1]
        query = body.decode() if "/private/" in path else urlsplit(target).query
        params = {key: values[0] for key, values in parse_qs(query).items()}
        self.requests.append(Request(head, body, endpoint, params))
        self._changed.set()
        if self.faults[endpoint]:
            outcome = await self.faults[endpoint].pop(0)(stream)
            if outcome != "answer":
                return outcome  # type: ignore[no-any-return]  # a fault gives bytes or None
        try:
            if "/private/" in path:
                self._authenticate(path, head, body, params)
            answer = {"error": [], "result": self._result(endpoint, params)}
        except LookupError as problem:
            answer = {"error": [problem.args[0]]}
        data = json.dumps(answer)
        return (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n{data}"
        ).encode()

    def _authenticate(self, path: str, head: bytes, body: bytes, params: dict[str, str]) -> None:
        headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        lowered = {name.lower(): value.decode() for name, value in headers.items()}
        if lowered.get(b"api-key") != API_KEY:
            raise LookupError("EAPI:Invalid key")
        digest = hashlib.sha256(params["nonce"].encode() + body).digest()
        mac = hmac.new(base64.b64decode(API_SECRET), path.encode() + digest, hashlib.sha512)
        if lowered.get(b"api-sign") != base64.b64encode(mac.digest()).decode():
            raise LookupError("EAPI:Invalid signature")
        if int(params["nonce"]) <= self.last_nonce:
            raise LookupError("EAPI:Invalid nonce")
        self.last_nonce = int(params["nonce"])

    def _result(self, endpoint: str, params: dict[str, str]) -> Json:
        if endpoint in self.results:
            result = self.results[endpoint]
            return result(params) if callable(result) else result
        answers: dict[str, Callable[[dict[str, str]], Json]] = {
            "AssetPairs": lambda _: PAIRS,
            "Assets": lambda _: ASSETS,
            "Time": lambda _: {"unixtime": UNIX_TIME, "rfc1123": ""},
            "BalanceEx": lambda _: BALANCES,
            "GetWebSocketsToken": lambda _: self._token(),
            "AddOrder": self._add_order,
            "CancelOrder": self._cancel,
        }
        if endpoint not in answers:
            raise LookupError("EGeneral:Unknown method")
        return answers[endpoint](params)

    def _token(self) -> dict[str, Json]:
        self.tokens.append(f"token-{len(self.tokens)}")
        return {"token": self.tokens[-1], "expires": 900}

    def _add_order(self, params: dict[str, str]) -> dict[str, Json]:
        if params["pair"] not in PAIRS:
            raise LookupError("EQuery:Unknown asset pair")
        if any(each.get("cl_ord_id") == params["cl_ord_id"] for each in self.orders.values()):
            raise LookupError("EOrder:Duplicate cl_ord_id")
        order_id = f"O{len(self.orders):05d}-FAKE0-ORDER0"
        self.orders[order_id] = params
        words = f"{params['type']} {params['volume']} {params['pair']} @ {params['ordertype']}"
        return {"descr": {"order": f"{words} {params.get('price', '')}"}, "txid": [order_id]}

    def _cancel(self, params: dict[str, str]) -> dict[str, Json]:
        for order_id, order in self.orders.items():
            if params.get("txid") == order_id or (
                "cl_ord_id" in params and params["cl_ord_id"] == order.get("cl_ord_id")
            ):
                del self.orders[order_id]
                return {"count": 1}
        raise LookupError("EOrder:Unknown order")

    # -- WebSocket

    def _gate(self, connection: ServerConnection, request: Json) -> Json:
        self.dials += 1
        self._changed.set()
        if not self.refuse_dials:
            return None
        code, headers = self.refuse_dials.pop(0)
        response = connection.respond(code, "no")
        for name, value in headers.items():
            response.headers[name] = value
        return response

    async def _websocket(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        socket = Socket(connection, connection.request.path)
        self.sockets.append(socket)
        try:
            # Not `async for`: its generator would be left to the garbage collector.
            while True:
                message = json.loads(await connection.recv())
                socket.received.append(message)
                self._changed.set()
                if not self.mute:
                    await self._react(socket, message)
        except (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.sockets.remove(socket)
            self._changed.set()

    async def _react(self, socket: Socket, message: dict[str, Json]) -> None:
        method, params = message["method"], message.get("params", {})
        if method == "ping":
            await socket.send({"method": "pong", "req_id": message.get("req_id")})
            return
        if method == "add_order":
            result = {"order_id": "O-WS", "cl_ord_id": params.get("cl_ord_id")}
            await socket.send(
                {
                    "method": "add_order",
                    "req_id": message["req_id"],
                    "success": True,
                    "result": result,
                }
            )
            return
        channel = params["channel"]
        for symbol in params.get("symbol", [""]):
            ack = {
                "method": method,
                "req_id": message.get("req_id"),
                "success": True,
                "result": {"channel": channel, "symbol": symbol},
            }
            if self.refusals[channel]:
                words = self.refusals[channel].pop(0)
                await socket.send({**ack, "success": False, "error": words})
                continue
            if channel in ("executions", "balances") and params["token"] not in self.tokens:
                await socket.send({**ack, "success": False, "error": "ESession:Invalid session"})
                continue
            if method == "unsubscribe":
                socket.subscriptions.discard((channel, symbol))
            else:
                socket.subscriptions.add((channel, symbol))
            await socket.send(ack)
            if channel == "book" and method == "subscribe":
                await socket.send(self.book_frame(symbol, "snapshot", BIDS, ASKS, (BIDS, ASKS)))

    def book_frame(
        self,
        symbol: str,
        kind: str,
        bids: list[tuple[str, str]],
        asks: list[tuple[str, str]],
        after: tuple[list[tuple[str, str]], list[tuple[str, str]]],
    ) -> str:
        """Write a frame by hand: the numbers must keep the zeros that the checksum needs."""
        checksum = checksum_of(*after) + self.book_checksum_error
        sides = ",".join(
            f'"{name}":[' + ",".join(f'{{"price":{p},"qty":{q}}}' for p, q in levels) + "]"
            for name, levels in (("bids", bids), ("asks", asks))
        )
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{symbol}",{sides},'
            f'"checksum":{checksum},"timestamp":"{TIME}"}}]}}'
        )

    async def push(self, channel: str, message: object, symbol: str = "") -> None:
        """Send a frame to every socket that has subscribed."""
        await self.until(
            lambda: any((channel, symbol) in each.subscriptions for each in self.sockets)
        )
        for socket in list(self.sockets):
            if (channel, symbol) in socket.subscriptions:
                await socket.send(message)

    async def abort_sockets(self) -> None:
        """Cut every WebSocket without a word."""
        for socket in list(self.sockets):
            await trio.aclose_forcefully(socket.connection.stream)


def checksum_of(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> int:
    levels = [*asks[:10], *bids[:10]]
    text = "".join(
        price.replace(".", "").lstrip("0") + size.replace(".", "").lstrip("0")
        for price, size in levels
    )
    return zlib.crc32(text.encode())


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0
