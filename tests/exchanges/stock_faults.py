"""The six faults of ccxt's asyncio base, shown on ccxt's own classes.

`python -m tests.exchanges.stock_faults` prints fault -> what happened. Time is virtual and no
socket is opened. If ccxt mends one of them, the test that reads this says so, and the counterpart
here may become simpler.
"""

import asyncio
import importlib
import json
from collections.abc import Awaitable, Callable, Coroutine
from types import SimpleNamespace
from unittest.mock import patch

from aiohttp import WSMsgType

from exchanges.errors import CCXT_RAISES
from exchanges.json_text import Json
from tests.exchanges.parity_calls import CONFIG, prepare
from tests.exchanges.parity_run import quiet, stub_clients, virtual_loop

# Far longer than anything here takes.
PATIENCE_S = 10.0
SYMBOL = "BTC/USDT"


def stock(name: str, **config: Json) -> Json:
    made = getattr(importlib.import_module(f"ccxt.pro.{name}"), name)({**CONFIG, **config})
    prepare(made)
    made.open()
    return made


async def outcome(awaitable: Awaitable[Json]) -> str:
    try:
        await asyncio.wait_for(awaitable, PATIENCE_S)
    except TimeoutError:
        return "waits for ever"
    except asyncio.CancelledError:
        return "cancelled"
    except CCXT_RAISES as error:
        return type(error).__name__
    return "works"


async def started(coroutine: Coroutine[Json, Json, Json]) -> asyncio.Task[Json]:
    """Start a task and let it come to where it waits."""
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0.1)
    return task


async def cancelled_leader_of_a_login() -> str:
    exchange = stock("kraken")
    stub_clients(exchange, [])

    async def slow_token(*_args: Json) -> Json:
        await asyncio.sleep(1)
        return {"result": {"token": "token"}}

    exchange.fetch = slow_token
    leader = await started(exchange.authenticate())
    leader.cancel()
    await asyncio.sleep(2)
    return await outcome(exchange.authenticate())


async def cancelled_watcher_of_two() -> str:
    exchange = stock("kraken")
    stub_clients(exchange, [])
    first = await started(exchange.watch_ohlcv(SYMBOL))
    second = await started(exchange.watch_ohlcv(SYMBOL))
    first.cancel()
    return await outcome(second)


async def cancelled_negotiation() -> str:
    exchange = stock("kucoin")

    async def slow_helper(*_args: Json) -> str:
        await asyncio.sleep(1)
        return "wss://somewhere"

    exchange.negotiate_helper = slow_helper
    leader = await started(exchange.negotiate(privateChannel=False))
    leader.cancel()
    await asyncio.sleep(2)
    return await outcome(exchange.negotiate(privateChannel=False))


async def cancelled_leader_of_load_markets() -> str:
    exchange = stock("kraken")

    async def slow_markets(*_args: Json) -> Json:
        await asyncio.sleep(1)
        return {}

    exchange.load_markets_helper = slow_markets
    leader = await started(exchange.load_markets())
    follower = await started(exchange.load_markets())
    leader.cancel()
    return await outcome(follower)


class Frames:
    """A connection that has many frames to give, and whose handler fails at the first."""

    closed = False
    _conn = None

    def __init__(self) -> None:
        self.taken = 0

    async def receive(self) -> Json:
        self.taken += 1
        await asyncio.sleep(0.1)
        return SimpleNamespace(type=WSMsgType.TEXT, data='{"channel":"trade","data":[5]}')

    async def close(self) -> None:
        self.closed = True


async def error_in_a_handler() -> str:
    exchange = stock("kraken")
    client = exchange.client("wss://somewhere")
    client.connection = frames = Frames()
    waiting = client.future("trade")
    client.receive_loop()
    heard = await outcome(waiting)
    return f"{heard}, after {frames.taken} frame"


async def pause_between_requests() -> str:
    exchange = stock("kraken", rateLimit=1000)
    now_s = asyncio.get_running_loop().time
    with patch("ccxt.async_support.base.throttler.time", now_s):
        await exchange.throttle(1)
        await asyncio.sleep(1.5)
        before_s = now_s()
        await exchange.throttle(1)
    return f"waits {now_s() - before_s:.1f} s more"


FAULTS: tuple[Callable[[], Awaitable[str]], ...] = (
    cancelled_leader_of_a_login,
    cancelled_watcher_of_two,
    cancelled_negotiation,
    cancelled_leader_of_load_markets,
    error_in_a_handler,
    pause_between_requests,
)


def main() -> None:
    quiet()

    async def shown() -> dict[str, str]:
        return {fault.__name__: await fault() for fault in FAULTS}

    with asyncio.Runner(loop_factory=virtual_loop) as runner:
        print(json.dumps(runner.run(shown())))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main()
