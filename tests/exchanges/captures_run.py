"""One side of the capture suite: recorded frames of real venues through ccxt's own handlers.

For each recording every stream of its symbols is watched, then the frames are given to the one
socket, in order. What each watcher got is returned, as it saw it. Time is virtual and nothing is
sent anywhere; REST snapshots are answered from the recording. Both sides must see the same.
"""

import copy
import importlib
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple, Protocol
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import trio
import trio.testing
import zstandard

from exchanges.errors import CCXT_RAISES
from exchanges.factory import trio_class
from exchanges.json_text import Json
from supervisor.clock import ManualClock
from tests.exchanges.parity_calls import CONFIG, NOW_MS, market
from tests.exchanges.parity_run import (
    LOGS,
    dial,
    failed,
    mark_clients,
    shown,
    stub_clients,
    virtual_loop,
)
from tests.venue.recordings import SHARED

FOLDER = SHARED / "cryptofeed"
STREAMS = ("watch_order_book", "watch_trades", "watch_ticker", "watch_ohlcv", "watch_bids_asks")
# What KuCoin called a coin then.
OLD_NAMES = {"BSV": "BCHSV"}
# Between two frames everybody comes to where he waits.
SETTLE_S = 0.001
# A watcher whose stream has ended that often is not coming back.
FAILURES_MAX = 50


class Recording(NamedTuple):
    """A file, ccxt's class for it, how symbols are written there, and which connection counts."""

    file: str
    exchange: str
    joint: str
    settle: str | None
    connection: str


RECORDINGS = (
    Recording("BINANCE", "binance", "", None, "BINANCE.ws.1"),
    Recording("BINANCE_FUTURES", "binanceusdm", "", "USDT", "BINANCE_FUTURES.ws.1"),
    Recording("BYBIT", "bybit", "", "USDT", "BYBIT.ws.2"),
    Recording("COINBASE", "coinbase", "-", None, "COINBASE.ws.2"),
    Recording("KUCOIN", "kucoin", "-", None, "KUCOIN.ws.1"),
)


class Tape(NamedTuple):
    """What a recording holds: pairs of base and quote, snapshots by market id, frames."""

    pairs: list[tuple[str, str]]
    snapshots: dict[str, str]
    frames: list[str]


def read(recording: Recording, frames_max: int | None) -> Tape:
    data = (FOLDER / f"{recording.file}.jsonl.zst").read_bytes()
    lines = zstandard.ZstdDecompressor().stream_reader(data).read().decode().splitlines()
    header, *rows = (json.loads(line) for line in lines)
    wanted: list[str] = header["config"]["l2_book"]
    if recording.settle is not None:
        wanted = [each for each in wanted if each.endswith("-PERP")]
    pairs = [(each.split("-")[0], each.split("-")[1]) for each in wanted]
    snapshots = {_symbol(row["url"]): row["data"] for row in rows if row["t"] == "http"}
    frames = [
        row["data"] for row in rows if row["t"] == "recv" and row["conn"] == recording.connection
    ]
    return Tape(pairs, snapshots, frames[:frames_max])


def _symbol(url: str) -> str:
    """Return the market id that a request asks for, "" if it asks for no market."""
    return parse_qs(urlsplit(url).query).get("symbol", [""])[0]


class Library(Protocol):
    """What differs between asyncio and trio for a player."""

    def start(self, watch: Callable[[], Awaitable[None]]) -> None:
        """Run beside the others until the end."""

    async def sleep(self, seconds: float) -> None:
        """Let the others run."""


Seen = dict[str, list[str]]


async def play(
    exchange: Json, recording: Recording, tape: Tape, library: Library, sent: list[Json]
) -> Seen:
    """Watch everything, give the frames, return what each watcher saw."""
    _prepare(exchange, recording, tape)
    seen: Seen = {}
    for symbol in exchange.symbols:
        for stream in STREAMS:
            results = seen[f"{recording.exchange}.{stream}|{symbol}"] = []
            argument = [symbol] if stream == "watch_bids_asks" else symbol
            library.start(_watcher(getattr(exchange, stream), argument, results))
            await library.sleep(SETTLE_S)
    (client,) = set(exchange.clients.values())
    # Binance's book begins with the answer to its subscription; others do not care.
    acknowledged = [
        json.dumps({"result": None, "id": message["id"]})
        for _, _, message in sent
        if isinstance(message, dict) and message.get("method") == "SUBSCRIBE"
    ]
    for frame in (*acknowledged, *tape.frames):
        try:
            client.handle_text_or_binary_message(frame)
        except CCXT_RAISES as error:
            seen.setdefault(f"{recording.exchange}.errors|", []).append(failed(error))
        await library.sleep(SETTLE_S)
    return seen


def _watcher(
    watch: Callable[..., Awaitable[Json]], argument: Json, results: list[str]
) -> Callable[[], Awaitable[None]]:
    async def watch_on() -> None:
        failures = 0
        while failures < FAILURES_MAX:
            try:
                results.append(shown(await watch(argument)))
            except CCXT_RAISES as error:
                failures += 1
                results.append(failed(error))

    return watch_on


def _prepare(exchange: Json, recording: Recording, tape: Tape) -> None:
    exchange.set_markets(
        [
            market(exchange, _id_of(recording, base, quote), base, recording.settle, quote)
            for base, quote in tape.pairs
        ],
        {},
    )

    async def fetch(url: str, *_args: Json, **_options: Json) -> Json:
        text = tape.snapshots.get(_symbol(url))
        return {} if text is None else json.loads(text)

    exchange.fetch = fetch
    exchange.negotiate = _negotiated
    _unite_clients(exchange)


def _id_of(recording: Recording, base: str, quote: str) -> str:
    return recording.joint.join((OLD_NAMES.get(base, base), quote))


async def _negotiated(*_args: Json, **_options: Json) -> str:
    """Stand for KuCoin's token request, which a recording does not show."""
    return "wss://recorded"


def _unite_clients(exchange: Json) -> None:
    """Give every stream the same socket, as the recording has one."""
    make = exchange.client
    clients: list[Json] = []

    def client(url: str) -> Json:
        if not clients or clients[0] not in exchange.clients.values():
            clients[:] = [make(url)]
        exchange.clients[url] = clients[0]
        return clients[0]

    exchange.__dict__["client"] = client


def config() -> dict[str, Json]:
    return {**copy.deepcopy(CONFIG), "apiKey": "", "secret": ""}


def tapes(frames_max: int | None) -> Iterator[tuple[Recording, Tape]]:
    for recording in RECORDINGS:
        yield recording, read(recording, frames_max)


def run_stock(frames_max: int | None) -> Seen:
    import asyncio

    class Asyncio:
        def __init__(self) -> None:
            self.tasks: list[asyncio.Task[None]] = []

        def start(self, watch: Callable[[], Awaitable[None]]) -> None:
            self.tasks.append(asyncio.ensure_future(watch()))

        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(seconds)

    async def main() -> Seen:
        seen: Seen = {}
        for recording, tape in tapes(frames_max):
            name = recording.exchange
            exchange = getattr(importlib.import_module(f"ccxt.pro.{name}"), name)(config())
            sent: list[Json] = []
            stub_clients(exchange, sent)
            exchange.open()
            library = Asyncio()
            seen.update(await play(exchange, recording, tape, library, sent))
            for task in library.tasks:
                task.cancel()
            exchange.timeout_on_exit = 0
            await exchange.close()
        return seen

    with asyncio.Runner(loop_factory=virtual_loop) as runner:
        return runner.run(main())


def run_trio(frames_max: int | None) -> Seen:
    class Trio:
        def __init__(self, nursery: trio.Nursery) -> None:
            self._nursery = nursery

        def start(self, watch: Callable[[], Awaitable[None]]) -> None:
            self._nursery.start_soon(watch)

        async def sleep(self, seconds: float) -> None:
            await trio.sleep(seconds)

    async def main() -> Seen:
        seen: Seen = {}
        clock = ManualClock(NOW_MS * 1_000_000)
        for recording, tape in tapes(frames_max):
            async with trio_class(recording.exchange)(config(), clock=clock) as exchange:
                sent = LOGS[str(id(exchange))] = []
                mark_clients(exchange)
                async with trio.open_nursery() as nursery:
                    library = Trio(nursery)
                    seen.update(await play(exchange, recording, tape, library, sent))
                    nursery.cancel_scope.cancel()
        return seen

    with patch("exchanges.socket_client.dial", dial):
        return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
