"""What the control socket says of a moment of the past: rows as they were recorded by then."""

from collections.abc import Iterable, Mapping, Sequence

from bot.board import ENTITIES_MAX, Board
from bot.views import OPEN_STATES, fill_view, order_view
from messages.base import Row
from messages.control import Fills, Log, Moment, Orders, Request, Vaults, View
from messages.rows import (
    AlertRow,
    FillRow,
    OrderRow,
    SleeveRow,
    SleeveStateRow,
    SwitchRow,
    VaultRow,
)
from messages.views import (
    AnyView,
    FillView,
    LogLine,
    MomentView,
    OrderView,
    TreeNode,
    VaultView,
    matches,
)
from state.rows import ROWS_MAX, Reader

_EVENTS: tuple[type[Row], ...] = (SleeveStateRow, OrderRow, FillRow, AlertRow, SwitchRow)
_RECORDED_IN: dict[View, tuple[type[Row], ...]] = {
    View.STATUS: _EVENTS,
    View.TREE: _EVENTS,
    View.VAULTS: (VaultRow, SleeveRow, SleeveStateRow),
    View.ORDERS: (OrderRow,),
    View.FILLS: (FillRow,),
    View.LOG: (AlertRow,),
}
_LEVELS = {"page": "error", "notice": "warning"}

assert set(_RECORDED_IN) == set(View), "every view can be gone through moment by moment"


async def answer_then(reader: Reader, request: Request) -> Sequence[AnyView] | None:
    """Return what is asked of the past, or `None` if the question is about now."""
    if isinstance(request, Moment):
        return await _moment(reader, request)
    if isinstance(request, Vaults) and request.as_of_ns:
        return await _vaults_then(reader, request.as_of_ns)
    if isinstance(request, Log) and request.as_of_ns:
        return await _alerts_then(reader, request)
    return None


async def listed(reader: Reader, request: Orders | Fills) -> Sequence[OrderView | FillView]:
    """Return the orders or fills as they stood then, or stand now, newest first."""
    if isinstance(request, Orders):
        return await _orders(reader, request)
    rows = await reader.current(FillRow, newest=ROWS_MAX, as_of_ns=request.as_of_ns)
    rows.sort(key=lambda row: (row.at_ns, row.exec_id), reverse=True)
    return [fill_view(row) for row in rows]


async def _vaults_then(reader: Reader, at_ns: int) -> list[VaultView]:
    board = Board()
    for kind in _RECORDED_IN[View.VAULTS]:
        for row in await reader.current(kind, newest=ENTITIES_MAX, as_of_ns=at_ns):
            board.put(row, is_new=False)
    return board.vault_views()


async def _orders(reader: Reader, request: Orders) -> list[OrderView]:
    wanted = [{"state": state} for state in OPEN_STATES] if request.only_open else [None]
    rows: list[OrderRow] = []
    for where in wanted:
        rows += await reader.current(OrderRow, where, newest=ROWS_MAX, as_of_ns=request.as_of_ns)
    rows.sort(key=lambda row: (row.created_ns, row.client_order_id), reverse=True)
    return [order_view(row) for row in rows]


async def _alerts_then(reader: Reader, request: Log) -> list[LogLine]:
    rows = await reader.current(AlertRow, newest=ROWS_MAX, as_of_ns=request.as_of_ns)
    lines = [
        LogLine(
            number=number,
            at_ns=row.at_ns,
            level=_LEVELS.get(row.severity, "info"),
            address=row.subject if row.subject.startswith("/") else "",
            text=row.text,
        )
        for number, row in enumerate(reversed(rows), 1)
    ]
    return [line for line in lines if matches(line, request.filter)][-request.tail :]


async def _moment(reader: Reader, request: Moment) -> list[MomentView]:
    kinds = _RECORDED_IN[request.view]
    found_ns = await reader.neighbour_ns(kinds, request.at_ns, later=request.later)
    return [MomentView(at_ns=found_ns)] if found_ns else []


async def tree_then(
    reader: Reader, today: TreeNode, blocked: Mapping[str, str], at_ns: int
) -> TreeNode:
    """Return the tree as it was recorded: who had handled how many messages, and what they said.

    `today` tells where whom to look for; `blocked` gives why actors were. Who is no longer in the
    tree stands below the nearest place that is.
    """
    handled = await reader.handled(at_ns)
    rows = await reader.current(SleeveStateRow, newest=ENTITIES_MAX, as_of_ns=at_ns)
    said = {row.address: (row.state, row.reason) for row in rows}
    said |= {address: ("blocked", why) for address, why in blocked.items()}
    gone = _gone(today, handled)
    return _then(today, handled, said, gone)


def _then(
    node: TreeNode,
    handled: Mapping[str, int],
    said: Mapping[str, tuple[str, str]],
    gone: Mapping[str, list[str]],
) -> TreeNode:
    below = [_then(child, handled, said, gone) for child in node.children]
    for address in gone.get(node.address, ()):
        lost = TreeNode(
            address=address, kind="actor", state="", incarnation=0, restarts=0, mailbox=0,
            handled=0, children=(),
        )  # fmt: skip
        below.append(_then(lost, handled, said, {}))
    count = handled.get(node.address, 0)
    state, reason = said.get(node.address, ("recorded", ""))
    if node.kind == "port":
        state, reason = "no record", "ports have no journal of their own"
    elif node.kind in ("actor", "process") and not count:
        state, reason = "stopped", "nothing that it handled by then is kept"
    return TreeNode(
        address=node.address,
        kind=node.kind,
        state=state,
        incarnation=0,
        restarts=0,
        mailbox=0,
        handled=count or sum(child.handled for child in below),
        children=tuple(below),
        reason=reason,
        strategy=node.strategy,
    )


def _gone(today: TreeNode, handled: Iterable[str]) -> dict[str, list[str]]:
    """Return who handled something and has no place today, by the nearest place above it."""
    places = {node.address for node in _all(today)}
    gone: dict[str, list[str]] = {}
    for address in sorted(handled):
        if address in places or not address.startswith("/"):
            continue
        above = address
        while above and above not in places:
            above = above.rpartition("/")[0]
        if above or today.address == "/":
            gone.setdefault(above or "/", []).append(address)
    return gone


def _all(node: TreeNode) -> Iterable[TreeNode]:
    yield node
    for child in node.children:
        yield from _all(child)
