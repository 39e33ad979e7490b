"""One cell: bring the operation to the step, hit it, let everything settle, compare books."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import apsw
import trio

from actors.execution.order_state import Record
from actors.execution.reads import TRIES_MAX
from messages.account import AccountRead, AccountSeen
from messages.amends import AmendIntent, AmendOrder, AmendOutcome, AmendRequest
from messages.base import Message
from messages.money import CancelAll, FundingSettled, FundsMoved, Mode, ReconcileNow
from messages.orders import (
    TERMINAL,
    CancelIntent,
    CancelOutcome,
    FillReported,
    InquiryOutcome,
    Intent,
    Order,
    OrderReported,
    OrderRequest,
    OrderState,
    OrderType,
    ProtectiveExit,
    Side,
    SubmitOutcome,
)
from state.backup import restore_backup
from state.database import DATABASE_NAME
from tests.whole.matrix import checks
from tests.whole.matrix.cells import Cell, Fault, Operation, Step
from tests.whole.matrix.client import Network
from tests.whole.matrix.life import (
    LEDGER,
    ORDERS,
    RECONCILE,
    SECOND_NS,
    InjectedError,
    Killed,
    Life,
    World,
    live,
)
from tests.whole.matrix.venue import Order as VenueOrder
from tests.whole.matrix.venue import Venue

LOTS = 1_000
PART_LOTS = 400
LIMIT_TICKS = 199_000
AMENDED = (198_000, 1_500)
STOP_TICKS = 195_000
FUNDING_MINOR = 7 * 10**6
# Longer than an inquiry, an expiry and the visibility lag together take.
REACH_S = 60.0
SETTLE_S = 25.0
AGREE_S = 150.0
LOOK_S = 0.25
SKEW_NS = -3 * SECOND_NS
WRITE_FAILURES = 3

# Kills are of the process, not of the machine: nothing needs to reach a disk, and a cell is quick.
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a private folder in it

READS = ("transfers", "funding")
Where = tuple[str, type[Message]]


class Result(NamedTuple):
    """What became of a cell."""

    outcome: str
    problems: tuple[str, ...]


_SUBMIT: dict[Step, Where | str] = {
    Step.RESERVED: ("/risk", OrderRequest),
    Step.APPROVED: (ORDERS, Order),
    Step.DURABLE: "submit:durable",
    Step.SENT: "submit:sent",
    Step.ACCEPTED: "submit:accepted",
    Step.ACK_LOST: (ORDERS, SubmitOutcome),
    Step.ACK: (ORDERS, SubmitOutcome),
    Step.PARTIAL: (ORDERS, FillReported),
    Step.LOST_FILL: (ORDERS, AccountSeen),
    Step.FILLED: (ORDERS, InquiryOutcome),
    Step.CANCELLED: (ORDERS, OrderReported),
}
_MOVED: dict[Step, Where | str] = {
    Step.DURABLE: (LEDGER, FundsMoved),
    Step.ACCEPTED: "transfers:sent",
    Step.ACK_LOST: (RECONCILE, AccountRead),
    Step.ACK: (RECONCILE, AccountRead),
}
_FUNDED: dict[Step, Where | str] = {
    **_MOVED,
    Step.DURABLE: (LEDGER, FundingSettled),
    Step.ACCEPTED: "funding:sent",
}
SUBMITS = (Operation.SUBMIT, Operation.WS_SUBMIT)
POINTS: dict[Operation, dict[Step, Where | str]] = {
    **{key: {**_SUBMIT, Step.BUILT: (LEDGER, Intent)} for key in SUBMITS},
    Operation.CANCEL: {
        **_SUBMIT,
        Step.BUILT: (LEDGER, CancelIntent),
        # It is over too soon to be looked for: the snapshot is taken while it is on its way.
        Step.SNAPSHOT: "cancel:sent",
        Step.DURABLE: "cancel:durable",
        Step.SENT: "cancel:sent",
        Step.ACCEPTED: "cancel:accepted",
        Step.ACK_LOST: (ORDERS, CancelOutcome),
        Step.ACK: (ORDERS, CancelOutcome),
    },
    Operation.AMEND: {
        **_SUBMIT,
        Step.BUILT: (LEDGER, AmendIntent),
        Step.RESERVED: ("/risk", AmendRequest),
        Step.APPROVED: (ORDERS, AmendOrder),
        Step.DURABLE: "amend:durable",
        Step.SENT: "amend:sent",
        Step.ACCEPTED: "amend:accepted",
        Step.ACK_LOST: (ORDERS, AmendOutcome),
        Step.ACK: (ORDERS, AmendOutcome),
    },
    Operation.STOP: {**_SUBMIT, Step.BUILT: (LEDGER, ProtectiveExit)},
    Operation.FUNDING: _FUNDED,
    Operation.TRANSFER: _MOVED,
}
REQUEST = {
    **dict.fromkeys(SUBMITS, "submit"),
    Operation.CANCEL: "cancel",
    Operation.AMEND: "amend",
    Operation.STOP: "submit",
    Operation.FUNDING: "funding",
    Operation.TRANSFER: "transfers",
}


class Play:
    """The world of one cell, over one or two lives of the bot."""

    def __init__(self, cell: Cell, folder: Path, *, forge: bool = False) -> None:
        self.cell = cell
        self._forge = forge
        self.folder = folder
        self.world = World()
        kind = Venue.of_perpetuals if cell.operation is Operation.FUNDING else Venue
        self.venue = kind(self.world.now_ns)
        self.network = self._new_network()
        self.life: Life | None = None
        self.armed = False
        self.fired = False
        self.found = checks.Findings()

    def run(self) -> Result:
        """Play it; return what became of it."""
        first, second = self.folder / "first", self.folder / "second"
        first.mkdir()
        killed = live(self.world, first, self.network, self._hook, self._first_life)
        if not self.fired:
            return Result("not reached", ("the step was never reached",))
        if killed:
            if self.cell.step is Step.BACKUP:
                restore_backup(self.folder / "backup.db", second, lambda count: b"\1" * count)
            else:
                second.mkdir()
                (self.folder / "killed.db").rename(second / DATABASE_NAME)
            self.network = self._new_network()
            live(self.world, second, self.network, self._hook, self._settle)
        elif self.network.by_socket and self.venue.orders and not self.network.socket_requests:
            self.found.problems.append("nothing went over the socket")
        return Result(self.found.outcome(self.venue), tuple(self.found.problems))

    def _new_network(self) -> Network:
        network = Network(self.venue, self._at)
        network.by_socket = self.cell.operation is Operation.WS_SUBMIT
        return network

    # --- the two lives

    async def _first_life(self, life: Life) -> None:
        self.life = life
        await self._until(lambda: life.state(RECONCILE).mode is Mode.ACTIVE)
        await self._prepare(life)
        if self.cell.step is Step.BACKUP:
            await life.store.committed()
            life.copy(self.folder / "backup.db")
        self._arrange()
        self.armed = self.cell.step in POINTS[self.cell.operation]
        await self._act(life)
        await self._bring_on(life)
        await self._until(lambda: self.fired)
        if self.cell.step is Step.BACKUP:
            await trio.sleep(SETTLE_S)
            raise self._death()
        await self._settle(life)

    async def _prepare(self, life: Life) -> None:
        """Make what the operation is done to."""
        if self.cell.operation in (Operation.CANCEL, Operation.AMEND):
            life.post(LEDGER, self._intent())
            await self._until(lambda: self._is(OrderState.OPEN))
        elif self.cell.operation in (Operation.STOP, Operation.FUNDING):
            life.post(LEDGER, self._intent(market=True))
            await self._until(lambda: self._is(OrderState.FILLED))
            await trio.sleep(3)

    def _arrange(self) -> None:
        """Have the network and the venue do what the step is about."""
        step, request = self.cell.step, REQUEST[self.cell.operation]
        if step in (Step.ACK_LOST, Step.FILLED):
            self.network.lost[request] = TRIES_MAX if request in READS else 1
        if step is Step.FILLED:
            self.network.muted = True
            self.network.before[request] = self._fill_before
            self.network.after[request] = self._fill_after
        if step is Step.LOST_FILL:
            self.network.muted = True
        if self.cell.operation is Operation.STOP and step in (Step.PARTIAL, Step.LOST_FILL):
            self.venue.market_lots = PART_LOTS
        if self.cell.operation is Operation.STOP and step is Step.CANCELLED:
            self.venue.market_lots = 0
        if self.cell.operation is Operation.CANCEL and step in (Step.PARTIAL, Step.LOST_FILL):
            self.network.before["cancel"] = lambda: self.venue.fill(self._open(), PART_LOTS)

    def _fill_before(self) -> None:
        if self.cell.operation is Operation.CANCEL:
            self.venue.fill(self._open(), LOTS)

    def _fill_after(self) -> None:
        if self.cell.operation in (*SUBMITS, Operation.AMEND):
            self.venue.fill(self._open(), self._open().quantity_lots)

    async def _act(self, life: Life) -> None:
        operation = self.cell.operation
        if operation in SUBMITS:
            life.post(LEDGER, self._intent())
        elif operation is Operation.CANCEL:
            life.post(LEDGER, CancelIntent(intent_id="wish", sleeve="hand"))
        elif operation is Operation.AMEND:
            limit, lots = AMENDED
            life.post(
                LEDGER,
                AmendIntent(intent_id="wish", sleeve="hand", limit_ticks=limit, quantity_lots=lots),
            )
        elif operation is Operation.STOP:
            self.venue.bid_ticks = STOP_TICKS - 100
        else:
            if operation is Operation.FUNDING:
                self.venue.settle(-FUNDING_MINOR)
            else:
                self.venue.transfer("deposit", 250 * 10**6)
            life.post(RECONCILE, ReconcileNow(operator="test"))

    async def _bring_on(self, life: Life) -> None:
        """Have happen what the step waits for, once the operation is under way."""
        step, operation = self.cell.step, self.cell.operation
        rests = operation in (*SUBMITS, Operation.AMEND)
        if step in (Step.PARTIAL, Step.LOST_FILL, Step.CANCELLED) and rests:
            await self._until(self._is_resting)
            if step is Step.CANCELLED:
                self.venue.cancel(self._open())
            else:
                self.venue.fill(self._open(), PART_LOTS)
        if step is Step.LOST_FILL:
            await trio.sleep(3)
            life.post(RECONCILE, ReconcileNow(operator="test"))
        if step in (Step.SNAPSHOT, Step.BACKUP) and not self.armed and not self.fired:
            await self._until(self._is_done)
            if step is Step.SNAPSHOT:
                life.snapshot_all()
                await life.store.committed()
            elif operation in SUBMITS:
                self.venue.fill(self._open(), PART_LOTS)
            self._fire()

    def _is_resting(self) -> bool:
        if self.cell.operation is Operation.AMEND:
            return (self._open().price_ticks, self._open().quantity_lots) == AMENDED
        return self._is(OrderState.OPEN)

    def _is_done(self) -> bool:
        """Whether the operation has come to where a snapshot or an old backup is interesting."""
        operation = self.cell.operation
        if operation in (*SUBMITS, Operation.AMEND):
            return bool(self.venue.orders) and self._is_resting()
        if operation is Operation.CANCEL:
            return self._is(OrderState.CANCELLED)
        if operation is Operation.STOP:
            return bool(self.venue.orders[-1].ticket.side == "sell")
        assert self.life is not None, "asked of a life"
        reference = "funding:F1" if operation is Operation.FUNDING else "T1"
        return reference in self.life.state(RECONCILE).references

    async def _settle(self, life: Life) -> None:
        """Let everybody behave; end what is open; wait until the books can be compared."""
        self.life = life
        self.armed = False
        await trio.sleep(SETTLE_S)
        network = self.network
        network.muted = network.doubled = False
        network.lost.clear()
        network.before.clear()
        network.after.clear()
        self.venue.market_lots = 10**9
        await trio.sleep(SETTLE_S)
        life.post(ORDERS, CancelAll(operator="test"))
        await trio.sleep(SETTLE_S)
        self.found.foreign = self.cell.step is Step.BACKUP
        if self.found.foreign:
            for order in self.venue.orders:
                if order.is_open and order.ticket.client_order_id not in checks.records(life):
                    self.found.by_hand.append(order.venue_id)
                    self.venue.cancel(order)
        life.post(RECONCILE, ReconcileNow(operator="test"))
        with trio.move_on_after(AGREE_S):
            await _when(lambda: not checks.unsettled(life))
        await trio.sleep(AGREE_S if self.found.foreign else 5)
        await life.store.committed()
        if self._forge:
            self.venue.balances["USDT"] -= 1
        self.found.look(self.cell, life, self.venue)

    # --- looking

    async def _until(self, holds: Callable[[], bool]) -> None:
        with trio.fail_after(REACH_S):
            await _when(holds)

    def _is(self, state: OrderState) -> bool:
        assert self.life is not None, "asked of a life"
        found: dict[str, Record] = checks.records(self.life)
        return bool(found) and list(found.values())[-1].state is state

    def _open(self) -> VenueOrder:
        return next(order for order in reversed(self.venue.orders) if order.is_open)

    def _intent(self, *, market: bool = False) -> Intent:
        return Intent(
            intent_id="wish",
            sleeve="hand",
            symbol=self.venue.listed.symbol,
            side=Side.BUY,
            type=OrderType.MARKET if market else OrderType.LIMIT,
            quantity_lots=LOTS,
            limit_ticks=0 if market else LIMIT_TICKS,
            reference_ticks=200_010,
            stop_ticks=STOP_TICKS if self.cell.operation is Operation.STOP else 0,
        )

    # --- the fault

    def _at(self, point: str) -> None:
        if self.armed and POINTS[self.cell.operation].get(self.cell.step) == point:
            if self.cell.step is Step.SNAPSHOT and self.life is not None:
                self.life.snapshot_all()
            self._fire()

    def _hook(self, address: str, message: Message, *, done: bool) -> None:
        where = POINTS[self.cell.operation].get(self.cell.step)
        if not self.armed or not isinstance(where, tuple):
            return
        if (address, type(message)) != where or not self._matters(message):
            return
        # A handler that crashes does so when its work is done: all of it is thrown away.
        if done == (self.cell.fault is Fault.CRASH):
            self._fire()

    def _matters(self, message: Message) -> bool:
        """Whether this is the message that the step is about."""
        step = self.cell.step
        if isinstance(message, AccountSeen):
            return bool(message.fills)
        if isinstance(message, OrderReported):
            return message.order.state in TERMINAL
        if isinstance(message, InquiryOutcome):
            return bool(message.fills) or self.cell.operation is Operation.STOP
        if isinstance(message, AccountRead):
            return message.complete == (step is Step.ACK)
        return True

    def _fire(self) -> None:
        self.armed = False
        self.fired = True
        fault, network = self.cell.fault, self.network
        assert self.life is not None, "a fault hits a life"
        if fault is Fault.KILL:
            if self.cell.step is not Step.BACKUP:
                self.life.copy(self.folder / "killed.db")
            raise self._death()
        here = self.cell.step in POINTS[self.cell.operation]
        if fault is Fault.CRASH and not here:
            self.life.system.ports[f"{ORDERS.rsplit('/', 1)[0]}/line"].nursery.start_soon(_crash)
        elif fault is Fault.CRASH:
            raise InjectedError("an injected fault")
        elif fault is Fault.CUT:
            network.cut()
        elif fault in (Fault.LATE, Fault.SERVER_ERROR):
            network.answer = "late" if fault is Fault.LATE else "5xx"
        elif fault is Fault.DUPLICATE:
            network.doubled = True
        elif fault is Fault.SKEW:
            self.venue.skew_ns = SKEW_NS
        else:
            _fail_writes(self.life)

    def _death(self) -> Killed:
        self.network.die()
        return Killed()


async def _when(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - nothing says when; the time that passes is virtual
        await trio.sleep(LOOK_S)


async def _crash() -> None:
    raise InjectedError("an injected fault")


def _fail_writes(life: Life) -> None:
    """Have the disk refuse the next commits."""
    writer = life.store._writer
    write = writer.write
    left = [WRITE_FAILURES]

    def failing(group: object) -> object:
        if left[0]:
            left[0] -= 1
            raise apsw.IOError("an injected fault")
        return write(group)  # type: ignore[arg-type] # what the store gives it

    writer.write = failing  # type: ignore[method-assign, assignment] # the disk, not the writer


def play(cell: Cell, *, forge: bool = False) -> Result:
    """Play one cell in a folder of its own; `forge` has the venue lie at the end."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY, prefix="cell-") as folder:
        return Play(cell, Path(folder), forge=forge).run()
