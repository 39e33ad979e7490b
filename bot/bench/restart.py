"""From a crash in a handler to the next incarnation's, beside real OTP and a bare task."""

import logging
import statistics
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import msgspec
import trio

from bot.bench import _otp
from bot.measuring import Figures, Required, machine, percentile, scaled
from messages.base import Message
from supervisor.actor import Actor, Context, State
from supervisor.clock import ProcessClock, perf_ns
from supervisor.journal import MemoryJournal
from supervisor.spec import Backoff, ChildSpec, SupervisorSpec
from supervisor.system import System

REQUIRED = (
    Required("restart_p50_us", 100),
    Required("restart_with_100_kb_p50_us", 2_000),
    # Only where Erlang is installed: OTP's own supervisor, measured in the same run.
    *([Required("times_otp", 3)] if _otp.is_here() else []),
)
CRASHES = 400
CRASHES_OF_LARGE = 100
STATE_BYTES = 100_000
# Of such numbers books and windows are made; 11 000 of them take the 100 kB.
STATE_NUMBERS = STATE_BYTES // 9
FIRST_NUMBER = 1_800_000_000_000_000_000
NANOSECONDS_PER_US = 1_000


class Fail(Message, frozen=True, kw_only=True, tag="bench.Fail"):
    """Crashes once; handled again, it does nothing."""


class Grow(Message, frozen=True, kw_only=True, tag="bench.Grow"):
    """Makes the state as large as so many numbers."""

    count: int


class Numbers(State):
    """A state of some size."""

    numbers: list[int] = msgspec.field(default_factory=list)


class Stopwatch:
    """When the crash happened, and how long it was until the message was handled again."""

    def __init__(self) -> None:
        self.crashed_ns = 0
        self.took_us: list[float] = []
        self.is_back = trio.Event()


class Fragile(Actor[Numbers]):
    """Crashes on each message at the first try."""

    def __init__(self, watch: Stopwatch) -> None:
        self._watch = watch

    def on_grow(self, state: Numbers, message: Grow, ctx: Context) -> None:
        """Fill the state."""
        state.numbers = [FIRST_NUMBER + n for n in range(message.count)]
        self._watch.is_back.set()

    def on_fail(self, state: Numbers, message: Fail, ctx: Context) -> None:
        """Crash, or note that we are back."""
        now_ns = perf_ns()
        # Outside the state on purpose: the second try must go another way.
        if self._watch.crashed_ns:
            self._watch.took_us.append((now_ns - self._watch.crashed_ns) / NANOSECONDS_PER_US)
            self._watch.crashed_ns = 0
            self._watch.is_back.set()
        else:
            self._watch.crashed_ns = perf_ns()
            raise RuntimeError("told to")


def run(folder: Path, scale: float = 1.0) -> Figures:
    """Crash an actor again and again; what it logs goes nowhere, as writing is the terminal's."""
    before = machine()
    with silent():
        small = trio.run(_crashes, scaled(CRASHES, scale), 0)
        large = trio.run(_crashes, scaled(CRASHES_OF_LARGE, scale), STATE_NUMBERS)
    bare = trio.run(_bare, scaled(CRASHES, scale))
    figures = {
        "restart_p50_us": statistics.median(small),
        "restart_p99_us": percentile(small, 99),
        "restart_with_100_kb_p50_us": statistics.median(large),
        "restart_with_100_kb_p99_us": percentile(large, 99),
    }
    compared = {"bare_p50_us": statistics.median(bare), "bare_p99_us": percentile(bare, 99)}
    if _otp.is_here():
        otp = _otp.crash_to_running_us(folder, scaled(CRASHES, scale))
        compared |= {"otp_p50_us": statistics.median(otp), "otp_p99_us": percentile(otp, 99)}
        figures["times_otp"] = figures["restart_p50_us"] / compared["otp_p50_us"]
    return Figures(name="restart", figures=figures, compared_with=compared, environment=before)


@contextmanager
def silent() -> Iterator[None]:
    """Keep the daemon's log level, and write what it lets through nowhere."""
    logger = logging.getLogger("supervisor")
    before, nowhere = logger.propagate, logging.NullHandler()
    logger.propagate = False
    logger.addHandler(nowhere)
    try:
        yield
    finally:
        logger.removeHandler(nowhere)
        logger.propagate = before


async def _crashes(count: int, numbers: int) -> list[float]:
    """Return how many microseconds each of `count` first restarts took."""
    watch = Stopwatch()
    # Each crash is to be the first in a while: no waiting, no limit on how many.
    child = ChildSpec(
        name="fragile",
        start=partial(Fragile, watch),
        backoff=Backoff(min_ns=0, max_ns=0),
    )
    spec = SupervisorSpec(name="", children=(child,), intensity=count)
    system = System(spec, MemoryJournal(), ProcessClock())
    opened = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(system.run, opened.set)
        await opened.wait()
        cell = system.cells["/fragile"]
        system.router.post(0, "/fragile", Grow(count=numbers))
        await watch.is_back.wait()
        for _ in range(count):
            watch.is_back = trio.Event()
            # What the fold starts from is then the snapshot alone, as after a quiet while.
            cell.take_snapshot()
            system.router.post(0, "/fragile", Fail())
            await watch.is_back.wait()
        system.request_stop()
    return watch.took_us


async def _bare(count: int) -> list[float]:
    """Return how many microseconds a task takes to be replaced in a nursery of its own."""
    found: list[float] = []
    crashed_ns = 0

    async def crash() -> None:
        nonlocal crashed_ns
        if crashed_ns:
            found.append((perf_ns() - crashed_ns) / NANOSECONDS_PER_US)
        crashed_ns = perf_ns()
        raise RuntimeError("told to")

    while len(found) < count:
        with suppress(ExceptionGroup):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(crash)
    return found
