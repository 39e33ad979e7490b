"""An exchange in a box, running: the engine, its protocol, its port and its loop of ticks.

`serve_venue` is all that others need: inside a daemon's nursery or as the body of `bot venue`.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

import trio
from trio.abc import HalfCloseableStream, Listener

from supervisor.clock import Clock
from supervisor.net import network
from supervisor.threads import threads
from venue.admin import PREFIX, Admin
from venue.config import AccountConfig, VenueConfig, VenueConfigError, asset_named
from venue.engine import Engine
from venue.http import HttpReply, HttpRequest
from venue.instruments import MalformedNumberError
from venue.protocol import VenueProtocol
from venue.protocols import protocol_named
from venue.rules import Rules
from venue.server import Server
from venue.storage import Storage
from venue.websocket import WebSocketSession

TICK_INTERVAL_MS_MIN = 5  # faster ticks than clients can follow only burn the processor
TICK_INTERVAL_MS_MAX = 10_000


FORBIDDEN = HttpReply(403, b'{"error":"administration is for this machine: use 127.0.0.1"}')


class Box:
    """The application behind the port: administration under `/_box/`, a protocol elsewhere."""

    def __init__(self, engine: Engine, protocol: VenueProtocol) -> None:
        self._protocol = protocol
        self._admin = Admin(engine, protocol)

    async def answer(self, request: HttpRequest) -> HttpReply:
        if request.path.startswith(PREFIX):
            return await self._admin.answer(request) if request.is_local else FORBIDDEN
        return await self._protocol.answer(request)

    def fault_target(self, request: HttpRequest) -> str | None:
        if request.path.startswith(PREFIX):
            return None
        return self._protocol.fault_target(request)

    def refusal(self) -> HttpReply:
        return self._protocol.refusal()

    def opened(self, session: WebSocketSession) -> None:
        self._protocol.opened(session)

    async def received(self, session: WebSocketSession, message: bytes) -> None:
        await self._protocol.received(session, message)

    def closed(self, session: WebSocketSession) -> None:
        self._protocol.closed(session)


def check_config(config: VenueConfig) -> None:
    """Raise `VenueConfigError` for values that cannot work together."""
    protocol = protocol_named(config.protocol)
    if not TICK_INTERVAL_MS_MIN <= config.tick_interval_ms <= TICK_INTERVAL_MS_MAX:
        raise VenueConfigError(
            f"tick_interval_ms: was {config.tick_interval_ms}, allowed: "
            f"{TICK_INTERVAL_MS_MIN} to {TICK_INTERVAL_MS_MAX}"
        )
    if not config.markets:
        raise VenueConfigError("markets: was empty, list at least one")
    for market in config.markets:
        if market.recorded and market.candles:
            raise VenueConfigError(f"market {market.spec.symbol}: choose recorded or candles")
    for key in ("name", "api_key"):
        values = [getattr(account, key) for account in config.accounts]
        if len(set(values)) < len(values):
            raise VenueConfigError(f"accounts: two have the same {key}")
    for account in config.accounts:
        protocol.check_account(account)
        _check_account(account, protocol.rules)


def _check_account(account: AccountConfig, rules: Rules) -> None:
    key = f"account {account.name}"
    tiers = len(rules.fee_schedule)
    if not 0 <= account.fee_tier < tiers:
        raise VenueConfigError(
            f"{key}, fee_tier: was {account.fee_tier}, allowed: 0 to {tiers - 1}"
        )
    for asset, amount in account.balances.items():
        try:
            asset_named(asset, rules.asset_decimals).parse(amount)
        except MalformedNumberError as error:
            raise VenueConfigError(f"{key}, balances.{asset}: {error}") from error


async def serve_venue(
    config: VenueConfig,
    clock: Clock,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a box until cancelled; `task_status` gets the port once clients may connect.

    Opening the data file, reading records and catching up with missed time happen before that, in
    a thread. Raises `VenueConfigError`, `StorageError`, and `OSError` when the port is taken.
    """
    check_config(config)
    engine = await threads().run(partial(_open, config, clock, clock.now_ns()))
    try:
        protocol = protocol_named(config.protocol)(engine)
        engine.format_reports = protocol.format_reports
        server = Server(Box(engine, protocol), engine.faults)
        listeners = await network().open_tcp_listeners(config.host, config.port)
        await _run(engine, protocol, server, listeners, task_status)
    finally:
        engine.storage.close()


def _open(config: VenueConfig, clock: Clock, now_ns: int) -> Engine:
    with ExitStack() as stack:
        storage = Storage(config.data_file, config.data_vfs)
        stack.callback(storage.close)
        rules = protocol_named(config.protocol).rules
        engine = Engine(config, clock, storage, now_ns, rules)
        stack.pop_all()
    return engine


async def _run(
    engine: Engine,
    protocol: VenueProtocol,
    server: Server,
    listeners: Sequence[Listener[HalfCloseableStream]],
    task_status: trio.TaskStatus[int],
) -> None:
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(engine.commits.run)
            await engine.settle()
            nursery.start_soon(_tick, engine, protocol)
            for listener in listeners:
                nursery.start_soon(_accept, listener, server)
            task_status.started(_port(listeners))
    finally:
        with trio.CancelScope(shield=True):
            for listener in listeners:
                await listener.aclose()
            await engine.commits.flush()


def _port(listeners: Sequence[Listener[HalfCloseableStream]]) -> int:
    listener = listeners[0]
    if isinstance(listener, trio.SocketListener):
        return int(listener.socket.getsockname()[1])
    return int(getattr(listener, "port", 0))


async def _accept(listener: Listener[HalfCloseableStream], server: Server) -> None:
    async with trio.open_nursery() as nursery:
        while True:
            nursery.start_soon(server.serve, await listener.accept())


async def _tick(engine: Engine, protocol: VenueProtocol) -> None:
    """Move the market and publish its changes at a fixed rate; a late tick is not made up for."""
    interval_s = engine.config.tick_interval_ms / 1_000
    next_s = trio.current_time() + interval_s
    while True:
        await trio.sleep_until(next_s)
        next_s = max(next_s + interval_s, trio.current_time())
        now_ns = engine.advance()
        await engine.settle(protocol.market_frames(now_ns))
