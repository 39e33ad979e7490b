"""Faults of every kind, one after another at random: nobody dies of it and nothing is left over."""

import gc
import importlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from websockets.exceptions import ConnectionClosed

from exchanges.ccxt_names import BaseError
from exchanges.exchange import TrioExchange
from exchanges.json_text import Json
from exchanges.socket_client import SocketClient
from supervisor.clock import ProcessClock
from tests.exchanges.conftest import make_kraken
from tests.exchanges.fake_kraken import (
    ASKS,
    BIDS,
    TIME,
    AnyStream,
    FakeKraken,
    Socket,
    drop,
    error,
    status,
)

SYMBOLS = ("ETH/USDT", "BTC/USD")
TICK_S = 0.004
# A hung request must come back several times within the shortest run.
TIMEOUT_MS = 150
WAITS_S = (0.01, 0.1, 2.0)
PAUSES_S = (0.02, 0.15)
DURATIONS = [
    pytest.param(2.0, id="short"),
    pytest.param(12.0, id="long", marks=pytest.mark.check),
    pytest.param(900.0, id="very long", marks=pytest.mark.soak),
]


async def stall(stream: AnyStream) -> None:
    """Answer nothing until the client has given up; the fake's own `hang` never ends."""
    await trio.sleep(3 * TIMEOUT_MS / 1000)


class Chaos:
    """One run: watchers that are cancelled at random while the venue misbehaves."""

    def __init__(self, fake: FakeKraken, seed: int) -> None:
        self.fake = fake
        self.random = random.Random(seed)  # noqa: S311 - faults are no secrets
        self.counts: Counter[str] = Counter()
        self.faults: tuple[Callable[[], Awaitable[None]], ...] = (
            fake.abort_sockets,
            self.close_sockets,
            self.refuse_dials,
            self.say_nonsense,
            self.fail_rest,
        )

    async def watch(self, call: Callable[..., Awaitable[Json]], *arguments: str) -> None:
        """Call until cancelled, again and again; only ccxt's errors may come out of it."""
        while True:
            patience_s = self.random.choice(WAITS_S)
            try:
                with trio.move_on_after(patience_s) as scope:
                    while True:
                        await call(*arguments)
                        self.counts["answers"] += 1
                self.counts["cancelled"] += scope.cancelled_caught
            except BaseError as problem:
                self.counts[type(problem).__name__] += 1
                await trio.sleep(TICK_S)

    async def misbehave(self) -> None:
        while True:
            await trio.sleep(self.random.uniform(*PAUSES_S))
            fault = self.random.choice(self.faults)
            self.counts[f"fault {fault.__name__}"] += 1
            await fault()

    async def close_sockets(self) -> None:
        for socket in list(self.fake.sockets):
            await _quietly(socket.connection.aclose, 1012)

    async def refuse_dials(self) -> None:
        code = self.random.choice((429, 503))
        # Each refusal has the next dial come later: made while nobody is connected, they would keep
        # everybody out until the end, and the other faults would meet nobody.
        if self.fake.sockets:
            self.fake.refuse_dials.append((code, {"Retry-After": "0.05"}))
        await self.fake.abort_sockets()

    async def say_nonsense(self) -> None:
        said = self.random.choice(
            ('{"channel":', "]", '{"channel":"book","data":[5]}', '{"method":{}}', "\x00", "[]")
        )
        for socket in list(self.fake.sockets):
            await _quietly(socket.connection.send, said)

    async def fail_rest(self) -> None:
        endpoint = self.random.choice(("Depth", "Depth", "Time", "GetWebSocketsToken"))
        refused = status(self.random.choice((429, 503)), "<html>no</html>", Retry_After="1")
        fault = self.random.choice((drop, stall, refused, error("EService:Busy")))
        self.fake.faults[endpoint].append(fault)

    async def tick(self) -> None:
        """Let the market move."""
        while True:
            await trio.sleep(TICK_S)
            for socket in list(self.fake.sockets):
                for channel, symbol in list(socket.subscriptions):
                    await self._tell(socket, channel, symbol)

    async def _tell(self, socket: Socket, channel: str, symbol: str) -> None:
        if channel == "book":
            bids = [(BIDS[0][0], f"{self.random.randint(1, 9)}.50000000"), *BIDS[1:]]
            frame: Json = self.fake.book_frame(symbol, "update", bids[:1], [], (bids, ASKS))
        elif channel == "trade":
            row = {"symbol": symbol, "side": "buy", "qty": 1.0, "price": 3.0, "trade_id": 1}
            row |= {"ord_type": "limit", "timestamp": TIME}
            frame = {"channel": "trade", "type": "update", "data": [row]}
        else:
            row = {"asset": "BTC", "balance": 2.5}
            frame = {"channel": "balances", "type": "update", "sequence": 1, "data": [row]}
        await _quietly(socket.send, frame)


async def _quietly(send: Callable[..., Awaitable[None]], *arguments: Json) -> None:
    try:
        # Cancelled in the middle the fake's own compression would be out of step from then on.
        with trio.CancelScope(shield=True):
            await send(*arguments)
    except (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
        return


async def run(chaos: Chaos, exchange: TrioExchange, duration_s: float) -> None:
    """Let everything happen at once for a while."""
    with trio.move_on_after(duration_s):
        async with trio.open_nursery() as nursery:
            for symbol in SYMBOLS:
                for call in (exchange.watch_order_book, exchange.watch_trades):
                    nursery.start_soon(chaos.watch, call, symbol)
                    nursery.start_soon(chaos.watch, call, symbol)
            nursery.start_soon(chaos.watch, exchange.watch_balance)
            nursery.start_soon(chaos.watch, exchange.fetch_order_book, SYMBOLS[0])
            nursery.start_soon(chaos.watch, exchange.fetch_time)
            nursery.start_soon(chaos.misbehave)
            nursery.start_soon(chaos.tick)


async def revive(chaos: Chaos, exchange: TrioExchange) -> None:
    """Let the venue behave again; fail unless a book can soon be watched."""
    chaos.fake.faults.clear()
    chaos.fake.refuse_dials.clear()
    # The waiting between dials is for the venue's sake; a test need not wait.
    exchange.ws_dial_backoff = {}
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(chaos.tick)
            while not await _has_book(exchange):  # noqa: ASYNC110 - dialing again takes a while
                await trio.sleep(TICK_S)
            nursery.cancel_scope.cancel()


async def _has_book(exchange: TrioExchange) -> bool:
    try:
        return bool((await exchange.watch_order_book(SYMBOLS[0]))["bids"])
    except BaseError:
        return False


def living_tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def living(kind: type) -> int:
    gc.collect()
    # By type: a weak proxy among them would be asked what it stands for, which may be gone.
    return sum(issubclass(type(each), kind) for each in gc.get_objects())


@pytest.mark.parametrize("duration_s", DURATIONS)
async def test_faults_leave_nothing_behind(fake: FakeKraken, duration_s: float) -> None:
    chaos = Chaos(fake, seed=7)
    fake.results["Depth"] = {
        each: {"bids": [[*BIDS[0], 1]], "asks": [[*ASKS[0], 1]]} for each in ("ETHUSDT", "XXBTZUSD")
    }
    tasks, files = living_tasks(), open_files()
    options = {"timeout": TIMEOUT_MS, "streaming": {"keepAlive": 300}}
    async with make_kraken(fake, ProcessClock(), **options) as exchange:
        await exchange.load_markets()
        await run(chaos, exchange, duration_s)
        await revive(chaos, exchange)
        assert len(exchange.clients) <= 2
        assert sum(len(each.futures) for each in exchange.clients.values()) <= 6
    del exchange
    await settle(fake, tasks, files)
    assert living(SocketClient) == 0
    assert living(importlib.import_module("asyncio").AbstractEventLoop) == 0
    print(dict(chaos.counts))  # noqa: T201 - the figures
    faults = sum(count for name, count in chaos.counts.items() if name.startswith("fault"))
    assert faults >= 4 * duration_s
    assert chaos.counts["answers"] >= 50 * duration_s
    assert chaos.counts["cancelled"] >= 5 * duration_s
    assert chaos.counts["NetworkError"] > 0


async def settle(fake: FakeKraken, tasks: int, files: int) -> None:
    """Wait until the fake, too, has noticed that its clients are gone; fail if something stays."""
    await fake.close_idle_connections()
    with trio.fail_after(5):
        while living_tasks() > tasks or open_files() > files:  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.01)
