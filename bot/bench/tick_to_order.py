"""From a WebSocket frame received to the order's bytes written, the intent durable in between."""

from pathlib import Path

import trio

from bot.bench import _market
from bot.bench._children import child
from bot.bench._tracing import STAGES, TracedNetwork, TracedStore, Tracer, Way
from bot.bench.commit import sync_times_ms
from bot.measuring import (
    NANOSECONDS_PER_MS,
    CpuTime,
    Figures,
    Required,
    machine,
    percentile,
    scaled,
)
from bot.tuning import settle, tune
from messages.settings import OrderEntry
from state.database import Database
from state.port import store_child
from supervisor import net
from supervisor.clock import NANOSECONDS_PER_SECOND, ProcessClock, perf_ns
from supervisor.system import System

REQUIRED = (Required("tick_to_order_p50_ms", 2), Required("tick_to_order_p99_ms", 10))
SYMBOLS = 50
# At some four orders a second, a minute and a half.
ORDERS = 300
# Longer than that many orders take; a machine that is too slow for them says what it got.
SECONDS_MAX = 180.0
SYNCS = 100
# Over the socket once it is up. Who wants REST's figures sets `OrderEntry.REST`.
ORDER_ENTRY = OrderEntry.AUTO
# The first orders meet code that has not run yet.
WARM_UP_ORDERS = 5


def run(folder: Path, scale: float = 1.0) -> Figures:
    """Trade with the real tree at an exchange that is a process of its own."""
    before = machine()
    syncs = sync_times_ms(folder, scaled(SYNCS, scale, 5))
    tune()
    count = scaled(SYMBOLS, scale, 2)
    trading = _Trading(folder, count, scaled(ORDERS, scale, 3))
    trio.run(trading.run)
    ways = trading.ways
    totals = [way.total_ns / NANOSECONDS_PER_MS for way in ways]
    return Figures(
        name="tick-to-order",
        figures={
            "tick_to_order_p50_ms": percentile(totals, 50),
            "tick_to_order_p99_ms": percentile(totals, 99),
            **_split(ways),
            "orders": len(ways),
            "symbols": count,
            "updates_per_s": trading.updates_per_s,
            "loop_busy_percent": trading.busy_percent,
        },
        compared_with={
            "fsync_p50_ms": percentile(syncs, 50),
            "fsync_p99_ms": percentile(syncs, 99),
        },
        environment=before,
    )


def _split(ways: list[Way]) -> dict[str, float]:
    columns = zip(*(way.stages_ns() for way in ways), strict=True)
    figures = {}
    for stage, times_ns in zip(STAGES, columns, strict=True):
        for percent in (50, 99):
            figures[f"{stage}_p{percent}_ms"] = percentile(times_ns, percent) / NANOSECONDS_PER_MS
    return figures


class _Trading:
    def __init__(self, folder: Path, count: int, orders: int) -> None:
        self._folder = folder
        self._count = count
        self._orders = orders
        self.ways: list[Way] = []
        self.updates_per_s = 0.0
        self.busy_percent = 0.0

    async def run(self) -> None:
        """Trade until enough orders left."""
        clock = ProcessClock()
        tracer = Tracer(clock)
        async with child("bot.bench._market", [str(self._count)]) as market:
            port = int(await market.next())
            with net.use(TracedNetwork(net.network(), tracer)):
                await self._trade(port, clock, tracer)
        self.ways = tracer.done[WARM_UP_ORDERS:]

    async def _trade(self, port: int, clock: ProcessClock, tracer: Tracer) -> None:
        from actors.tree import build

        store = TracedStore(Database.open(self._folder), tracer)
        front = (store_child(store),)
        settings = _market.settings(self._count, port, ORDER_ENTRY)
        system = System(build(settings, self._folder, clock, front), store, clock)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(system.run)
            # Raises when it does not trade at all: there is nothing to measure then.
            with trio.fail_after(SECONDS_MAX):
                await tracer.wait_done(WARM_UP_ORDERS)
            settle()
            start_ns, frames, cpu = perf_ns(), tracer.frames, CpuTime()
            with trio.move_on_after(SECONDS_MAX):
                await tracer.wait_done(self._orders + WARM_UP_ORDERS)
            took_ns = perf_ns() - start_ns
            self.updates_per_s = (tracer.frames - frames) * NANOSECONDS_PER_SECOND / took_ns
            self.busy_percent = 100 * cpu.used_ns() / took_ns
            system.request_stop()
