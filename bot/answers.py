"""What the daemon says on its control socket: the rows behind every view and query."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import trio

from bot.acts import Acts
from bot.applying import Applier
from bot.board import Board, total_by_asset
from bot.ledger_checks import balance_views, check_books
from bot.logs import Memory
from bot.market_answers import feed_views, feed_words, in_doubt, monitored
from bot.news import News
from bot.past_answers import answer_then, listed, tree_then
from bot.shadowing import Shadowing
from bot.views import OPEN_STATES, minor_text, supervisors_in, tree_node, tree_rows
from messages.actor_control import Inspect
from messages.base import Message
from messages.control import (
    ROWS_MAX,
    Act,
    Answer,
    Apply,
    Fills,
    Ledger,
    LedgerQuery,
    Log,
    Orders,
    Outcome,
    Request,
    Status,
    Subscribe,
    Tree,
    Vaults,
    View,
)
from messages.market_views import Monitor
from messages.money import Acknowledged, Mode, VaultChecked
from messages.views import AnyView, AssetAmount, FillView, OrderView, StatusView, matches
from state.rows import Reader
from state.store import Store
from supervisor.clock import NANOSECONDS_PER_SECOND
from supervisor.control import Desk, Identity
from supervisor.spec import SupervisorSpec
from supervisor.statistics import Node
from supervisor.system import System
from supervisor.threads import threads
from supervisor.watching import Shown

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Until then symbols are untrusted because nothing has been heard yet.
FEEDS_START_S = 60
_CAREFUL = [Mode.ACTIVE, Mode.REDUCING, Mode.EXITS_ONLY, Mode.HALTED]
_ILL = frozenset({"blocked", "halted", "backoff", "unkillable"})


class DaemonAnswers:
    """Answers queries and acts; fulfils `supervisor.control.Answers`."""

    def __init__(self, identity: Identity, store: Store, log: Memory) -> None:
        self.identity = identity
        self.board = Board()
        self._store = store
        self._reader: Reader | None = None
        self._log = log
        self._system: System | None = None
        self._acts: Acts | None = None
        self._applier: Applier | None = None
        self._is_open = False
        self.stopping = trio.Event()
        """Set once somebody has asked for the end."""
        self._looks = 0
        self.loop_lag_ns = 0
        self.shadow: Shadowing | None = None
        """Whose findings are part of the status."""
        store.listen(self.board.take)

    def attach(self, system: System, applier: Applier) -> None:
        """Say which tree runs, and how its configuration is changed; called before it runs."""
        self._system = system
        self._acts = Acts(system, self._store, self.board, self.stop)
        self._applier = applier
        self.board.is_there = system.cells.__contains__

    def opened(self) -> None:
        """Everything is restored, and messages are being handled."""
        self._is_open = True

    def stop(self) -> None:
        """Have the daemon stop in good order."""
        self.stopping.set()
        if self._system is not None:
            self._system.request_stop()

    async def prepare(self) -> None:
        if self._reader is None:
            self._reader = Reader(self._store.database)
            await self.board.load(self._reader)
            self.board.on_row = News(self.board.asset_scales).tell

    async def aclose(self) -> None:
        """Close what was opened."""
        if self._reader is not None:
            await self._reader.aclose()

    def reply_id(self, message: Message) -> str:
        assert isinstance(message, Acknowledged | VaultChecked), "these are all replies"
        return message.request_id

    # --- Views

    def version(self, view: View) -> int:
        if view is View.LOG:
            return self._log.number
        if view in (View.STATUS, View.TREE):
            # They differ whenever anything at all was handled: comparing the rows is the test.
            self._looks += 1
            return self._looks
        return self.board.versions[view]

    def show(self, wish: Subscribe) -> Shown:
        rows = self._rows(wish.view)
        if wish.filter:
            rows = [row for row in rows if matches(row, wish.filter)]
        if wish.view in (View.ORDERS, View.FILLS):
            return Shown(rows[: wish.limit], complete=len(rows) <= wish.limit)
        if wish.view is View.LOG:
            return Shown(rows[-wish.limit :], complete=len(rows) <= wish.limit, is_log=True)
        return Shown(rows, complete=True)

    def _rows(self, view: View) -> Sequence[AnyView]:
        if view is View.STATUS:
            return [self.status()]
        if view is View.TREE:
            return list(tree_rows(self._tree(), supervisors_in(self._spec)))
        if view is View.VAULTS:
            return self.board.vault_views()
        if view is View.ORDERS:
            return self.board.order_views()
        if view is View.FILLS:
            return self.board.fill_views()
        return list(self._log.lines)

    # --- queries

    async def query(self, request: Request, desk: Desk) -> Answer:
        self.loop_lag_ns = desk.loop_lag_ns
        if isinstance(request, Inspect):
            assert self._acts is not None, "the tree runs"
            return self._acts.actors.look(request)
        if isinstance(request, Monitor):
            assert self._system is not None, "the tree runs"
            assert self._reader is not None, "the port was prepared"
            return await monitored(request, self._system, self._reader)
        if isinstance(request, Ledger):
            return await self._answer_ledger(request, desk)
        reader = self._reader
        assert reader is not None, "the port was prepared"
        if isinstance(request, Tree):
            return await self._answer_tree(request, reader)
        if isinstance(request, Orders | Fills):
            rows = await listed(reader, request)
            return _page(request, [row for row in rows if matches(row, request.filter)])
        then = await answer_then(reader, request)
        return self._answer_from_memory(request) if then is None else _ok(request, then)

    async def act(self, request: Act, operator: str, desk: Desk) -> Answer:
        assert self._acts is not None, "the tree runs"
        if isinstance(request, Apply):
            assert self._applier is not None, "it was attached with the tree"
            return await self._applier.apply(request, operator)
        return await self._acts.do(request, operator, desk)

    def _answer_from_memory(self, request: Request) -> Answer:
        if isinstance(request, Status):
            return _ok(request, [self.status()])
        if isinstance(request, Log):
            lines = [line for line in self._log.lines if matches(line, request.filter)]
            return _ok(request, lines[-request.tail :])
        assert isinstance(request, Vaults), "these are all queries"
        return _ok(request, self.board.vault_views())

    async def _answer_tree(self, request: Tree, reader: Reader) -> Answer:
        found = _find(self._tree(), request.address)
        if found is None:
            text = f"nothing stands at {request.address}: `bot tree` shows all addresses"
            return Answer(request_id=request.request_id, outcome=Outcome.ERROR, text=text)
        node = tree_node(found, supervisors_in(self._spec))
        if request.as_of_ns:
            blocked = self._blocked_by(request.as_of_ns)
            node = await tree_then(reader, node, blocked, request.as_of_ns)
        return _ok(request, [node])

    def _blocked_by(self, at_ns: int) -> dict[str, str]:
        """Return which actors have been blocked since before `at_ns`, and why."""
        assert self._system is not None, "the tree was attached"
        return {
            self._system.router.names[item.actor]: item.error
            for item in self._store.quarantined()
            if item.blocking and item.at_ns <= at_ns
        }

    async def _answer_ledger(self, request: Ledger, desk: Desk) -> Answer:
        assert self._reader is not None, "the port was prepared"
        if request.query is LedgerQuery.BALANCES:
            return _ok(request, await balance_views(self._reader, self.board.asset_scales()))
        if request.query is LedgerQuery.CHECK:
            check = partial(check_books, self._store.database, desk.now_ns())
            return _ok(request, await threads().run(check))
        assert self._acts is not None, "the tree runs"
        return _ok(request, await self._acts.reconcile(desk))

    # --- status

    @property
    def _spec(self) -> SupervisorSpec:
        assert self._system is not None, "the tree was attached"
        return self._system.root.spec

    def _tree(self) -> Node:
        assert self._system is not None, "the tree was attached"
        return self._system.tree()

    def status(self) -> StatusView:
        """Return the whole bot in one row."""
        system = self._system
        assert system is not None, "the tree was attached"
        now_ns = system.clock.now_ns()
        nodes = list(_all(system.tree()))
        vaults = self.board.vaults_there()
        switch = self.board.switch
        is_killed = switch is not None and switch.engaged
        modes = {vault.mode for vault in vaults}
        in_need = bool(self._store.degraded)
        strictest = modes | ({Mode.EXITS_ONLY.value} if in_need else set())
        can_enter = self._is_open and not is_killed and not in_need and Mode.ACTIVE.value in modes
        quarantined = len(list(self._store.quarantined()))
        diverged = self.shadow.diverged if self.shadow else 0
        feeds = feed_views(system)
        uptime_s = (now_ns - self.identity.started_ns) // NANOSECONDS_PER_SECOND
        is_ill = bool(quarantined or in_need or diverged or any(n.state in _ILL for n in nodes))
        orders = self.board.orders.values()
        return StatusView(
            state=self._state(is_ill=is_ill),
            uptime_s=uptime_s,
            environment=self.identity.environment,
            actors=sum(
                n.kind in ("actor", "process", "port") and n.state == "running" for n in nodes
            ),
            restarts=system.restarts,
            orders=self.board.orders_ever,
            fills=self.board.fills_ever,
            trading=can_enter,
            orders_open=sum(order.state in OPEN_STATES for order in orders),
            mode=next((m.value for m in reversed(_CAREFUL) if m.value in strictest), "active"),
            kill_switch=is_killed,
            kill_reason=switch.reason if switch is not None and is_killed else "",
            realised=_amounts(total_by_asset(vaults, "realised_minor")),
            unrealised=_amounts(total_by_asset(vaults, "unrealised_minor")),
            loop_lag_ns=self.loop_lag_ns,
            memory_bytes=memory_bytes(),
            quarantined=quarantined,
            version=self.identity.version,
            boot_id=self.identity.boot_id,
            pid=self.identity.pid,
            config_hash=self.identity.config_hash,
            at_ns=now_ns,
            shadow=self.shadow.told if self.shadow else "",
            shadow_diverged=diverged,
            feeds=feed_words(feeds),
            feeds_ill=uptime_s > FEEDS_START_S and any(in_doubt(view) for view in feeds),
        )

    def _state(self, *, is_ill: bool) -> str:
        if self.stopping.is_set():
            return "stopping"
        if not self._is_open:
            return "starting"
        return "degraded" if is_ill else "running"


def memory_bytes() -> int:
    """Return the memory that this process keeps resident."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def _amounts(totals: dict[str, tuple[int, int]]) -> tuple[AssetAmount, ...]:
    return tuple(
        AssetAmount(asset=asset, amount=minor_text(sum_minor, scale))
        for asset, (sum_minor, scale) in sorted(totals.items())
    )


def _all(node: Node) -> list[Node]:
    found = [node]
    for child in node.children:
        found += _all(child)
    return found


def _find(node: Node, address: str) -> Node | None:
    wanted = address.rstrip("/") or "/"
    return next((found for found in _all(node) if found.address == wanted), None)


def _ok(request: Request, rows: Sequence[AnyView]) -> Answer:
    return Answer(request_id=request.request_id, outcome=Outcome.OK, rows=tuple(rows[:ROWS_MAX]))


def _page(request: Orders | Fills, rows: Sequence[OrderView | FillView]) -> Answer:
    """Return the page of `rows` after the key that the request names."""
    start = 0
    if request.after:
        keys = [row.key() for row in rows]
        start = keys.index(request.after) + 1 if request.after in keys else 0
    page = tuple(rows[start : start + request.limit])
    has_more = start + request.limit < len(rows)
    return Answer(
        request_id=request.request_id,
        outcome=Outcome.OK,
        rows=page,
        next=page[-1].key() if has_more else "",
    )
