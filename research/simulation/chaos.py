"""The faults that are chosen one by one, from the fault stream: what is done, and to whom."""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial

import apsw
import msgspec
import trio

from messages.base import Message
from messages.money import CancelAll, KillSwitch, Pause, ReconcileNow, Resume, SetTradeable
from research.simulation.crashes import Crashes
from research.simulation.host import LOSE_SNAPSHOTS, SPOIL_SNAPSHOTS, Host
from research.simulation.network import SimulatedNetwork
from research.simulation.plan import Kind, Plan
from research.simulation.seeds import stream
from research.simulation.venue_desk import VenueDesk
from supervisor.clock import NANOSECONDS_PER_SECOND
from supervisor.determinism import VirtualClock
from supervisor.journal import RUNTIME
from supervisor.system import System

RISK = "/risk"
# Of the kinds that are done one by one a run has about so many.
KINDS_USUAL = 7
OPERATOR = "simulation"
# A power cut falls within so many disk operations: about two seconds of a busy bot.
OPERATIONS_AHEAD_MAX = 400
# Below what a start refuses as a wrong clock (5 s), once in each direction.
SKEW_NS_MAX = 2 * NANOSECONDS_PER_SECOND
STOPPED_S_MAX = 60.0
# Below the 30 s after which the store is lost and the process ends with 9.
FULL_S_MAX = 20.0
PARTITION_S_MAX = 40.0
NO_FILES_S_MAX = 15.0
CANCEL_ONLY_S_MAX = 30.0
SUSPENDED_S_MAX = 10.0
# Longer than a port is given to end.
HANG_S_MAX = 30.0
DEPOSIT_MAX = 1_000
SWITCH_S_MAX = 10.0
# Longer than the market breathes, so an order comes along; shorter than its life at the venue.
ORDER_AWAITED_S_MAX = 20.0


class Chaos:
    """Does the plan's faults to a host, one after another."""

    def __init__(
        self,
        plan: Plan,
        faults: random.Random,
        host: Host,
        network: SimulatedNetwork,
        crashes: Crashes,
        venue: VenueDesk,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.acts: list[str] = []
        """What was done one by one: the kind, and which of its kind."""
        self.is_buggy = False
        self.switch_released: Callable[[], None] = _nothing
        """Called when the operator asks for an end of the kill switch."""
        self.violate: Callable[[str], None] = host.note
        """Called with what does not hold."""
        self.order_under_way: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        """Waits until an order is under way."""
        self._plan = plan
        self._faults = faults
        self._draws = faults
        self._host = host
        self._network = network
        self._crashes = crashes
        self._venue = venue
        self._points: dict[str, bool] = {}
        self._acts = self._all_acts()

    def _all_acts(self) -> dict[Kind, Callable[[], Awaitable[None]]]:
        return {
            Kind.WALL_JUMP: self._wall_jump,
            Kind.STOPPED: self._stopped,
            Kind.UNKNOWN_MESSAGE: self._unknown_message,
            Kind.CRASH: self._crash,
            Kind.POISON: self._poison,
            Kind.PORT_CRASH: self._port_crash,
            Kind.PORT_HANG: self._port_hang,
            Kind.MEMORY: self._out_of_memory,
            Kind.SUSPENDED: self._suspended,
            Kind.IO_ERROR: self._io_error,
            Kind.STALE_SNAPSHOT: self._stale_snapshot,
            Kind.BIT_ROT: self._bit_rot,
            Kind.DISK_FULL: self._disk_full,
            Kind.PARTITION: self._partition,
            Kind.LOST_ACK: self._lost_ack,
            Kind.DROP_SOCKETS: self._drop_sockets,
            Kind.CANCEL_ONLY: self._cancel_only,
            Kind.DEPOSIT: self._deposit,
            Kind.TOKENS: self._revoke_tokens,
            Kind.NO_FILES: self._no_files,
            Kind.SECOND: self._second_instance,
            Kind.POWER_CUT: self._power_cut,
            Kind.KILL: self._kill,
            Kind.RESTART: self._restart,
            Kind.KILL_SWITCH: self._kill_switch,
            Kind.PAUSE: self._pause,
            Kind.RECONCILE: self._reconcile,
            Kind.CANCEL_ALL: self._cancel_all,
        }

    async def run(self) -> None:
        """Do one fault after another until cancelled; a host that is down is left alone."""
        schedule = [self._times(kind) for kind in self._plan.kinds if kind in self._acts]
        only = self._plan.acts
        for due_s, kind, number in heapq.merge(*schedule):
            await trio.sleep_until(due_s)
            act = f"{kind}:{number}"
            is_left_out = only is not None and act not in only
            if is_left_out or self._host.system is None or not self._host.opened.is_set():
                continue
            # Each has draws of its own, so that one less moves no other.
            self._draws = stream(self._plan.seed, act)
            self.acts.append(act)
            self.counts[kind] += 1
            self._host.note(f"fault: {act}")
            await self._acts[Kind(kind)]()

    def _times(self, kind: Kind) -> Iterator[tuple[float, str, int]]:
        """Say when the faults of one kind are due, whatever others there are."""
        draws = stream(self._plan.seed, f"when {kind.value}")
        mean_s = KINDS_USUAL * self._plan.fault_every_s
        due_s = trio.current_time()
        for number in itertools.count(1):
            due_s += draws.expovariate(1 / mean_s)
            yield due_s, kind.value, number

    def buggify(self, point: str) -> bool:
        """Answer `supervisor.buggify`: a point is armed for the run or not, and then now and then.

        Both with one chance in four.
        """
        if not self.is_buggy or not self._plan.has(Kind.BUGGIFY):
            return False
        if point not in self._points:
            self._points[point] = self._faults.randrange(4) == 0
        fires = self._points[point] and self._faults.randrange(4) == 0
        if fires:
            self.counts[f"{Kind.BUGGIFY.value}.{point}"] += 1
        return fires

    def perf_ns(self) -> int:
        """Answer `supervisor.clock.perf_ns`: now and then a step takes longer than a turn may."""
        self._now_ns += 1_000
        if self.is_buggy and self._plan.has(Kind.LONG_STEP) and self._faults.randrange(64) == 0:
            self.counts[Kind.LONG_STEP.value] += 1
            self._now_ns += NANOSECONDS_PER_SECOND
        return self._now_ns

    _now_ns = 0

    def commit_s(self) -> float:
        """Return how long the next piece of disk work takes."""
        if self.is_buggy and self._plan.has(Kind.SLOW_COMMIT) and not self._faults.randrange(50):
            self.counts[Kind.SLOW_COMMIT.value] += 1
            return self._faults.random() * 3
        return self._faults.random() * self._plan.commit_s_max

    # --- clock, mailbox, actor

    async def _wall_jump(self) -> None:
        self._host.skew_ns = int(self._draws.uniform(-SKEW_NS_MAX, SKEW_NS_MAX))

    async def _stopped(self) -> None:
        # SIGSTOP, or a laptop's lid: time goes on and nothing runs.
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, VirtualClock), "a simulation has a clock of its own"
        clock.jump(self._draws.uniform(1.0, STOPPED_S_MAX))

    async def _unknown_message(self) -> None:
        system = self._host.system
        assert system is not None, "chaos leaves a host alone that is down"
        address = self._draws.choice(sorted(system.cells))
        # No actor handles it but ledgers: to all others it is a letter nobody can open.
        message = SetTradeable(tradeable_minor=0, operator=OPERATOR)
        if not address.endswith("/ledger"):
            system.router.post(RUNTIME, address, message)

    async def _crash(self) -> None:
        self._crashes.arm(self._an_actor(), times=1)

    async def _poison(self) -> None:
        self._crashes.arm(self._an_actor(), times=2)

    async def _out_of_memory(self) -> None:
        self._crashes.starved.add(self._an_actor())

    async def _suspended(self) -> None:
        system, address = self._running, self._an_actor()
        system.cells[address].suspend()
        try:
            await trio.sleep(self._draws.uniform(0.1, SUSPENDED_S_MAX))
        finally:
            # It ends with the process, and by itself when too much waits.
            if self._host.system is system and system.cells[address].suspended:
                system.cells[address].resume()

    async def _port_crash(self) -> None:
        self._begin_in_a_port(_raise)

    async def _port_hang(self) -> None:
        # It leaks a task that no cancellation ends, and is to be stopped then.
        self._begin_in_a_port(partial(_ignore_cancellation, self._draws.uniform(1.0, HANG_S_MAX)))
        self._begin_in_a_port(_raise)

    def _begin_in_a_port(self, work: Callable[[], Awaitable[None]]) -> None:
        # The store's end is the process's.
        ports = self._running.ports
        address = self._draws.choice(sorted(a for a in ports if a != "/store"))
        nursery = getattr(ports[address], "nursery", None)
        if nursery is not None:
            # One that has just ended takes no more tasks, and has nothing to crash.
            with suppress(RuntimeError):
                nursery.start_soon(work)

    @property
    def _running(self) -> System:
        system = self._host.system
        assert system is not None, "chaos leaves a host alone that is down"
        return system

    def _an_actor(self) -> str:
        system = self._host.system
        assert system is not None, "chaos leaves a host alone that is down"
        return self._draws.choice(sorted(system.cells))

    # --- store and host

    async def _io_error(self) -> None:
        self._host.disk.faults[self._an_operation()] = self._draws.choice(
            (apsw.IOError, apsw.FullError)
        )

    async def _disk_full(self) -> None:
        disk = self._host.disk
        disk.fault_until_freed = apsw.FullError
        try:
            await trio.sleep(self._draws.uniform(1.0, FULL_S_MAX))
        finally:
            disk.fault_until_freed = None

    async def _stale_snapshot(self) -> None:
        self._host.suffers = LOSE_SNAPSHOTS
        self._host.kill()

    async def _bit_rot(self) -> None:
        self._host.suffers = SPOIL_SNAPSHOTS
        self._host.kill()

    async def _no_files(self) -> None:
        self._network.has_no_files = True
        try:
            await trio.sleep(self._draws.uniform(1.0, NO_FILES_S_MAX))
        finally:
            self._network.has_no_files = False

    async def _second_instance(self) -> None:
        if not self._host.refuses_a_second():
            self.violate("a second process took the data folder of the first")

    async def _power_cut(self) -> None:
        disk = self._host.disk
        if self._draws.randrange(3) == 0:
            disk.after_sync = self._host.cut_power
        else:
            disk.cut_at = self._an_operation()

    async def _kill(self) -> None:
        disk = self._host.disk
        when = self._draws.randrange(3)
        if when == 0:
            self._host.kill()
        elif when == 1:
            disk.kill_at = self._an_operation()
        else:
            disk.after_sync = self._host.kill

    def _an_operation(self) -> int:
        ahead = self._draws.randrange(OPERATIONS_AHEAD_MAX)
        return self._host.disk.operations + 1 + ahead

    async def _restart(self) -> None:
        system = self._host.system
        assert system is not None, "chaos leaves a host alone that is down"
        system.request_stop()

    # --- network and exchange

    async def _partition(self) -> None:
        self._network.lose_all()
        self._network.is_cut = True
        try:
            await trio.sleep(self._draws.uniform(1.0, PARTITION_S_MAX))
        finally:
            self._network.is_cut = False

    async def _lost_ack(self) -> None:
        for way in (b"AddOrder", b"add_order"):
            body = b'{"fault":"lose_ack","target":"%s","count":1}' % way
            await self._venue.ask("POST", "/_box/faults/arm", body)

    async def _cancel_only(self) -> None:
        await self._venue.ask("POST", "/_box/market/cancel-only", b'{"is_on":true}')
        try:
            await trio.sleep(self._draws.uniform(1.0, CANCEL_ONLY_S_MAX))
        finally:
            await self.open_markets()

    async def open_markets(self) -> None:
        """Have the venue's markets take orders again."""
        with trio.CancelScope(shield=True):
            await self._venue.ask("POST", "/_box/market/cancel-only", b'{"is_on":false}')

    async def _deposit(self) -> None:
        books = await self._venue.ask("GET", "/_box/books")
        users = sorted(user for user in (books or {}).get("balances", {}) if user[0] != "(")
        if users:
            amount = self._draws.randrange(1, DEPOSIT_MAX)
            body = {"account": self._draws.choice(users), "asset": "USDT", "amount": str(amount)}
            await self._venue.ask("POST", "/_box/deposit", msgspec.json.encode(body))

    async def _revoke_tokens(self) -> None:
        await self._venue.ask("POST", "/_box/tokens/revoke", b"{}")

    async def _drop_sockets(self) -> None:
        await self._venue.ask("POST", "/_box/sockets/drop", b"{}")

    # --- operator

    async def _kill_switch(self) -> None:
        # People reach for it while something happens, so half of the times something does.
        if self._draws.randrange(2):
            with trio.move_on_after(ORDER_AWAITED_S_MAX):
                await self.order_under_way()
        self._post(RISK, KillSwitch(engaged=True, operator=OPERATOR, reason="a test of it"))
        try:
            await trio.sleep(self._draws.uniform(0.1, SWITCH_S_MAX))
        finally:
            self.release_switch()

    def release_switch(self) -> None:
        """Have the operator end the kill switch."""
        self.switch_released()
        self._post(RISK, KillSwitch(engaged=False, operator=OPERATOR, reason="the test is over"))

    async def _pause(self) -> None:
        for address in self._addresses("/sleeves/"):
            self._post(address, Pause(operator=OPERATOR))
        await trio.sleep(self._draws.uniform(0.1, SWITCH_S_MAX))
        for address in self._addresses("/sleeves/"):
            self._post(address, Resume(operator=OPERATOR))

    async def _reconcile(self) -> None:
        for address in self._addresses("/reconcile"):
            self._post(address, ReconcileNow(operator=OPERATOR))

    async def _cancel_all(self) -> None:
        for address in self._addresses("/orders"):
            self._post(address, CancelAll(operator=OPERATOR))

    def _addresses(self, part: str) -> list[str]:
        system = self._host.system
        return sorted(a for a in system.cells if part in a) if system is not None else []

    def _post(self, address: str, message: Message) -> None:
        self._host.post(address, message)


async def _ignore_cancellation(seconds: float) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(seconds)


async def _raise() -> None:
    raise OSError("an injected fault")


def _nothing() -> None:
    """Do nothing when the switch is released."""
