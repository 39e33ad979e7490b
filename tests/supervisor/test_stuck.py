"""Stuck handlers are ended, in processor time, and nothing but handlers is."""

import gc
import logging
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from types import CodeType, FrameType
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio
import trio.testing
from msgspec.structs import replace

from messages.base import Message
from messages.runtime import Stuck
from supervisor import limits
from supervisor.actor import Actor, Context, State
from supervisor.clock import ManualClock, perf_ns, thread_cpu_ns
from supervisor.fold import Fold
from supervisor.journal import MemoryJournal
from supervisor.spec import Backoff, ChildSpec, Ended, Poison, SpecError, SupervisorSpec
from supervisor.stuck import Sampler, StruckError, is_handling
from supervisor.system import System
from tests.supervisor.demo import Add, Running, book, post, recorder, running, settled

if TYPE_CHECKING:
    from _typeshed import TraceFunction

BUDGET_NS = limits.STEP_BUDGET_NS
NO_BACKOFF = Backoff(min_ns=0, max_ns=0)


class Spin(Message, frozen=True, kw_only=True, tag="demo.Spin"):
    """Uses processor time, for ever or for so long."""

    times: int = 1_000_000
    """At how many tries."""
    name: str = "spin"
    """Messages of one name count their tries together."""
    stubborn: bool = False
    """Whether it catches what it is struck with, once."""


class Spun(State):
    value: int = 0
    struck: list[int] = msgspec.field(default_factory=list)


class Spinner(Actor[Spun]):
    def __init__(self, tries: dict[str, int]) -> None:
        self.tries = tries

    def on_add(self, state: Spun, message: Add, ctx: Context) -> None:
        state.value += message.amount

    def on_spin(self, state: Spun, message: Spin, ctx: Context) -> None:
        state.value = -1
        ctx.send("/sibling", Add(amount=1_000))
        tried = self.tries[message.name] = self.tries.get(message.name, 0) + 1
        if tried > message.times:
            return
        while True:
            try:
                _work()
            except StruckError:
                if not message.stubborn or self.tries.setdefault("caught", 0):
                    raise
                self.tries["caught"] = 1

    def on_stuck(self, state: Spun, message: Stuck, ctx: Context) -> None:
        state.struck.append(message.used_ns)


def _work() -> None:
    for _ in range(1_000):
        pass


def tree(tries: dict[str, int] | None = None, **settings: object) -> SupervisorSpec:
    made = tries if tries is not None else {}
    spin = ChildSpec(name="spin", start=lambda: Spinner(made))
    spin = replace(spin, backoff=NO_BACKOFF, **settings)
    return SupervisorSpec(name="", children=(recorder("sibling"), spin), intensity=10)


def spun(system: System) -> Spun:
    fold = system.cells["/spin"].fold
    assert fold is not None
    assert isinstance(fold.state, Spun)
    return fold.state


@asynccontextmanager
async def striking(spec: SupervisorSpec) -> AsyncIterator[Running]:
    """Run a tree whose stuck handlers are struck."""
    async with running(spec) as run:
        with run.system.sampler.installed():
            yield run


def _use(cpu_ns: int) -> None:
    end_ns = thread_cpu_ns() + cpu_ns
    while thread_cpu_ns() < end_ns:
        _work()


async def test_a_handler_that_does_not_end_is_struck_and_its_actor_goes_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with striking(tree()) as run:
        cpu_ns = thread_cpu_ns()
        post(run.system, "/spin", Add(amount=3), Spin(times=1), Add(amount=4))
        post(run.system, "/sibling", Add(amount=5))
        await settled()
        # Struck once, then handled: nothing of the first try is left, in the state or elsewhere.
        assert spun(run.system).value == 3
        assert len(spun(run.system).struck) == 1
        assert BUDGET_NS <= spun(run.system).struck[0] <= 2 * BUDGET_NS
        assert thread_cpu_ns() - cpu_ns < 20 * BUDGET_NS
        assert book(run.system, "/sibling").seen == ["booted 1", "add 5", "add 1000"]
        last = run.system.root.find("spin").last_exit
        assert last is not None
        assert last.ended is Ended.STUCK
        assert str(last).startswith("stuck: used ")
        assert "the budget is 50 ms" in str(last)


async def test_who_is_stuck_twice_on_a_message_has_it_set_aside(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with striking(tree()) as run:
        post(run.system, "/spin", Spin(), Add(amount=4))
        await settled()
        assert spun(run.system).value == 4
        assert len(spun(run.system).struck) == 2
        (item,) = run.system.journal.quarantined()
        assert "StruckError" in item.error
        assert not item.blocking


async def test_money_is_not_skipped_for_being_stuck(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with striking(tree(poison=Poison.BLOCK)) as run:
        post(run.system, "/spin", Spin(times=2), Add(amount=4))
        await settled()
        assert spun(run.system).value == 0
        run.system.cells["/spin"].release(discard=False, operator="alice", reason="")
        await settled()
        assert spun(run.system).value == 3


async def test_a_handler_that_catches_everything_is_struck_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tries: dict[str, int] = {}
    async with striking(tree(tries)) as run:
        post(run.system, "/spin", Spin(times=1, stubborn=True))
        await settled()
        assert tries["caught"] == 1
        assert run.system.sampler.strikes == 2
        assert len(spun(run.system).struck) == 1


async def test_each_child_has_its_own_budget(autojump_clock: trio.testing.MockClock) -> None:
    async with striking(tree(step_budget_ns=20_000_000)) as run:
        post(run.system, "/spin", Spin(times=1))
        await settled()
        assert 20_000_000 <= spun(run.system).struck[0] < BUDGET_NS


async def test_time_that_nobody_used_strikes_nobody(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(self: Spinner, state: Spun, message: Add, ctx: Context) -> None:
        # What a suspended machine looks like from inside.
        threading.Event().wait(3 * BUDGET_NS / 1e9)
        state.value += message.amount

    monkeypatch.setattr(Spinner, "on_add", sleep)
    async with striking(tree()) as run:
        start_ns = perf_ns()
        post(run.system, "/spin", Add(amount=1))
        await settled()
        assert perf_ns() - start_ns > 2 * BUDGET_NS
        assert spun(run.system).value == 1
        assert run.system.sampler.strikes == 0


async def test_off_the_main_thread_it_only_reports_and_says_so(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def long(self: Spinner, state: Spun, message: Add, ctx: Context) -> None:
        _use(2 * BUDGET_NS)
        state.value += message.amount

    async def main() -> int:
        async with running(tree()) as run:
            with run.system.sampler.installed():
                post(run.system, "/spin", Add(amount=1))
                await settled()
            assert spun(run.system).value == 1
            return run.system.cells["/spin"].notes.overruns

    monkeypatch.setattr(Spinner, "on_add", long)
    found: list[int] = []
    with caplog.at_level(logging.WARNING, "supervisor"):
        await trio.to_thread.run_sync(
            lambda: found.append(trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)))
        )
    assert found == [1]
    assert "stuck actors are not ended, only reported" in caplog.text
    assert "/spin used" in caplog.text


def test_after_it_nothing_is_left_installed() -> None:
    sampler = Sampler()
    before = signal.getsignal(signal.SIGPROF), len(gc.callbacks)
    with sampler.installed():
        assert signal.getitimer(signal.ITIMER_PROF)[1] == pytest.approx(0.01, abs=0.002)
    assert (signal.getsignal(signal.SIGPROF), len(gc.callbacks)) == before
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)


def test_a_budget_below_nothing_is_refused() -> None:
    with pytest.raises(SpecError, match="step_budget_ns was -1"):
        System(tree(step_budget_ns=-1), MemoryJournal(), ManualClock())


# --- one look after the other, with a clock of our own


class _Looks:
    """A fold whose handler is looked at while a clock is moved by hand."""

    def __init__(self, *, is_debugged: bool = False) -> None:
        self.cpu_ns = 1
        self.sampler = Sampler(lambda: self.cpu_ns, lambda: is_debugged)
        self.do: Callable[[], None] = lambda: None
        looks = self

        class Looked(Actor[Spun]):
            def on_add(self, state: Spun, message: Add, ctx: Context) -> None:
                looks.do()

        self.fold = Fold(Looked(), bytes(16), 1, "/a")

    def run(self, do: Callable[[], None], budget_ns: int = BUDGET_NS) -> BaseException | None:
        self.do = do
        self.sampler.begin(self.fold, budget_ns)
        add = msgspec.msgpack.encode(Add(amount=1))
        crash = self.fold.run([(1, 1, 1, 0, add, "", 0)], 0, timed=False).crash
        self.over_ns = self.sampler.end()
        return crash

    def look(self, after_ns: int) -> None:
        self.cpu_ns += after_ns
        self.sampler.look(signal.SIGPROF, sys._getframe())


def _over_budget(looks: _Looks) -> Callable[[], None]:
    def do() -> None:
        looks.look(0)
        looks.look(BUDGET_NS)

    return do


def test_the_budget_is_per_message_and_counts_from_the_first_look() -> None:
    looks = _Looks()
    for _ in range(3):
        assert looks.run(lambda: looks.look(BUDGET_NS - 1)) is None

    def short() -> None:
        looks.look(10 * BUDGET_NS)
        looks.look(BUDGET_NS - 1)

    assert looks.run(short) is None
    assert isinstance(looks.run(_over_budget(looks)), StruckError)


def test_nothing_is_struck_without_a_budget_nor_under_a_debugger() -> None:
    looks = _Looks()
    assert looks.run(_over_budget(looks), budget_ns=0) is None
    debugged = _Looks(is_debugged=True)
    assert debugged.run(_over_budget(debugged)) is None
    assert debugged.over_ns == BUDGET_NS


def test_a_full_garbage_collection_is_nobodys_fault() -> None:
    looks = _Looks()

    def collect(generation: int) -> None:
        looks.look(0)
        looks.sampler.note_collection("start", {"generation": generation})
        looks.cpu_ns += 2 * BUDGET_NS
        looks.sampler.note_collection("stop", {"generation": generation})
        looks.look(BUDGET_NS - 1)

    assert looks.run(lambda: collect(2)) is None
    assert isinstance(looks.run(lambda: collect(0)), StruckError)


def test_finalisers_and_code_that_holds_locks_run_to_their_end() -> None:
    looks = _Looks()

    class Final:
        def __del__(self) -> None:
            _over_budget(looks)()

    def die() -> None:
        Final()

    assert looks.run(die) is None
    assert looks.over_ns == BUDGET_NS

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            _over_budget(looks)()

    logger = logging.getLogger("tests.nowhere")
    logger.addHandler(Handler())
    assert looks.run(lambda: logger.info("a lock is held here")) is None
    assert looks.run(_over_budget(looks)) is not None


# --- a look at every line there is


async def test_bookkeeping_is_never_struck_wherever_the_look_falls(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Interrupt the runtime at each line it executes in a turn: only handlers may be struck."""
    looked = handling = 0
    async with running(tree()) as run:
        sampler = run.system.sampler

        def trace(frame: FrameType, event: str, argument: object) -> "TraceFunction":
            nonlocal looked, handling
            if not str(frame.f_globals.get("__name__")).startswith("supervisor."):
                return trace
            fold = sampler._fold
            if event == "line" and fold is not None:
                looked += 1
                inside = any(code in _HANDLERS for code in _codes(frame))
                handling += inside
                assert is_handling(fold, frame) == inside, frame
            return trace

        sys.settrace(trace)
        post(run.system, "/spin", Spin(times=0), *(Add(amount=1) for _ in range(20)))
        await settled()
        sys.settrace(None)
        assert spun(run.system).value == 19
    assert looked > 200
    assert 0 < handling < looked


_HANDLERS = frozenset({Spinner.on_add.__code__, Spinner.on_spin.__code__})


def _codes(frame: FrameType | None) -> Iterator[CodeType]:
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back


# --- many of them, amid traffic


@pytest.mark.check
async def test_forty_strikes_amid_traffic_lose_and_double_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Wherever the signal falls, state and effects are those of handlers that ran once."""
    tries: dict[str, int] = {}
    spec = replace(tree(tries), intensity=1_000)
    async with striking(spec) as run:
        for number in range(40):
            # Each is struck at its first try and handled at its second.
            post(run.system, "/spin", *(Add(amount=1) for _ in range(50)))
            post(run.system, "/spin", Spin(times=1, name=f"{number}"))
            post(run.system, "/spin", *(Add(amount=1) for _ in range(50)))
            post(run.system, "/sibling", *(Add(amount=1) for _ in range(100)))
        await trio.sleep(60)
        assert run.system.sampler.strikes == 40
        assert len(spun(run.system).struck) == 40
        # What each second try leaves is -1, and fifty came after the last of them.
        assert spun(run.system).value == 49
        seen = book(run.system, "/sibling").seen
        assert seen.count("add 1") == 4_000
        assert seen.count("add 1000") == 40
