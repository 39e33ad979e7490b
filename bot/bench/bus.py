"""Messages through four actors in a row, beside a stock trio channel."""

import statistics
from pathlib import Path

import trio

from bot.bench._pipeline import SAMPLE, Hop, Pipeline, pipeline
from bot.measuring import CpuTime, Figures, Required, machine, scaled
from messages.base import decoder, encode
from supervisor.clock import NANOSECONDS_PER_SECOND, perf_ns
from supervisor.journal import MemoryJournal

REQUIRED = (
    Required("hops_per_s", 600_000, at_least=True),
    Required("times_stock", 6, at_least=True),
)
# Each round takes a third of a second; the median of nine is not moved by a neighbour's burst.
ROUNDS = 9
BATCHES = 800
STOCK_MESSAGES = 20_000
# A stock channel between actors would have a bound of this order.
STOCK_CAPACITY = 1_024


def run(folder: Path, scale: float = 1.0) -> Figures:
    """Measure rounds of ours and of the stock channel in turn, so that both see the same load."""
    before = machine()
    ours: list[float] = []
    cpu_ns: list[float] = []
    stock: list[float] = []

    async def measure() -> None:
        async with pipeline(MemoryJournal()) as line:
            for _ in range(scaled(ROUNDS, scale)):
                stock.append(await stock_rate(scaled(STOCK_MESSAGES, scale)))
                rate, cost_ns = await _round(line, scaled(BATCHES, scale))
                ours.append(rate)
                cpu_ns.append(cost_ns)

    trio.run(measure)
    rate, stock_rate_per_s = statistics.median(ours), statistics.median(stock)
    return Figures(
        name="bus",
        figures={
            "hops_per_s": rate,
            "hops_best_round_per_s": max(ours),
            "cpu_ns_per_hop": statistics.median(cpu_ns),
            "times_stock": rate / stock_rate_per_s,
            "message_bytes": len(encode(SAMPLE)),
        },
        compared_with={"stock_channel_hops_per_s": stock_rate_per_s},
        environment=before,
    )


async def _round(line: Pipeline, batches: int) -> tuple[float, float]:
    start_ns, cpu = perf_ns(), CpuTime()
    hops = await line.pump(batches)
    return hops * NANOSECONDS_PER_SECOND / (perf_ns() - start_ns), cpu.used_ns() / hops


async def stock_rate(messages: int) -> float:
    """Return messages per second, each encoded, sent, awaited and decoded, over a stock channel."""
    decode = decoder((Hop,)).decode
    send, receive = trio.open_memory_channel[bytes](STOCK_CAPACITY)

    async def produce() -> None:
        async with send:
            for _ in range(messages):
                await send.send(encode(SAMPLE))

    start_ns = perf_ns()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(produce)
        async for body in receive:
            decode(body)
    return messages * NANOSECONDS_PER_SECOND / (perf_ns() - start_ns)
