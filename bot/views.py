"""From the database's rows, in integers, to what people see, in decimals."""

from collections.abc import Iterable
from decimal import Context, Decimal

from messages.orders import TERMINAL, OrderState
from messages.rows import BalanceRow, FillRow, OrderRow, SleeveRow, SleeveStateRow, VaultRow
from messages.views import (
    BalanceView,
    FillView,
    OrderView,
    SleeveView,
    TreeNode,
    TreeRow,
    VaultView,
)
from supervisor.spec import Spec, SupervisorSpec
from supervisor.statistics import Node

# Digits of an average price: all of a price's own, and some of the fraction that averaging makes.
AVERAGE_DIGITS = Context(prec=12)
OPEN_STATES = tuple(state.value for state in OrderState if state not in TERMINAL)


def vault_address(ledger: str) -> str:
    """Return the vault whose books the ledger at this address keeps."""
    return ledger.removesuffix("/ledger")


def minor_text(amount_minor: int, scale: int) -> str:
    """Write minor units as a decimal of the asset."""
    return f"{Decimal(amount_minor).scaleb(-scale):f}"


def times_text(count: int, unit: str) -> str:
    """Write `count` ticks or lots of size `unit` as a decimal."""
    return f"{count * Decimal(unit):f}"


def order_view(row: OrderRow) -> OrderView:
    """Return an order as people see it."""
    average = ""
    if row.filled_lots:
        cost = Decimal(row.cost_minor).scaleb(-row.quote_scale)
        quotient = AVERAGE_DIGITS.divide(cost, row.filled_lots * Decimal(row.lot))
        average = f"{quotient.normalize(AVERAGE_DIGITS):f}"
    return OrderView(
        client_order_id=row.client_order_id,
        venue_order_id=row.venue_order_id,
        environment=row.environment,
        venue=row.venue,
        user=row.user,
        vault=row.vault,
        sleeve=row.sleeve,
        symbol=row.symbol,
        side=row.side,
        type=row.type,
        quantity=times_text(row.quantity_lots, row.lot),
        price=times_text(row.limit_ticks, row.tick) if row.limit_ticks else "",
        filled=times_text(row.filled_lots, row.lot),
        average_price=average,
        state=row.state,
        created_ns=row.created_ns,
        updated_ns=row.updated_ns,
        reason=row.reason,
    )


def fill_view(row: FillRow) -> FillView:
    """Return an execution as people see it."""
    return FillView(
        exec_id=row.exec_id,
        client_order_id=row.client_order_id,
        environment=row.environment,
        venue=row.venue,
        sleeve=row.sleeve,
        symbol=row.symbol,
        side=row.side,
        quantity=times_text(row.quantity_lots, row.lot),
        price=times_text(row.price_ticks, row.tick),
        fee=minor_text(row.fee_minor, row.fee_scale),
        fee_asset=row.fee_asset,
        liquidity=row.liquidity,
        at_ns=row.at_ns,
        user=row.user,
        vault=row.vault,
    )


def sleeve_view(row: SleeveRow, state: SleeveStateRow | None) -> SleeveView:
    """Return a sleeve as people see it: its books, and what it says of itself."""
    scale = row.asset_scale
    return SleeveView(
        address=row.address,
        sleeve=row.sleeve,
        style=row.style,
        strategy=row.strategy,
        symbol=row.symbol,
        state=state.state if state else "idle",
        allocated=minor_text(row.allocated_minor, scale),
        cash=minor_text(row.cash_minor, scale),
        reserved=minor_text(row.reserved_minor, scale),
        position=times_text(row.position_lots, row.lot) if row.position_lots else "0",
        average_entry=times_text(row.average_entry_ticks, row.tick) if row.position_lots else "",
        realised=minor_text(row.realised_minor, scale),
        unrealised=minor_text(row.unrealised_minor, scale),
        fees=minor_text(row.fees_minor, scale),
        swept=minor_text(row.swept_minor, scale),
        reason=state.reason if state else "it has not spoken yet",
        funding=minor_text(row.funding_minor, scale),
        margin=minor_text(row.margin_minor, scale),
    )


def vault_view(row: VaultRow, sleeves: Iterable[SleeveView]) -> VaultView:
    """Return a vault as people see it."""
    scale = row.asset_scale
    return VaultView(
        address=vault_address(row.address),
        asset=row.asset,
        total=minor_text(row.total_minor, scale),
        tradeable=minor_text(row.tradeable_minor, scale),
        reserve=minor_text(row.reserve_minor, scale),
        sleeves=tuple(sleeves),
        user=row.user,
        vault=row.vault,
        venue=row.venue,
        environment=row.environment,
        mode=row.mode,
        remaining=minor_text(row.remaining_minor, scale),
        realised=minor_text(row.realised_minor, scale),
        unrealised=minor_text(row.unrealised_minor, scale),
        fees=minor_text(row.fees_minor, scale),
        funding=minor_text(row.funding_minor, scale),
    )


def balance_view(row: BalanceRow, scale: int) -> BalanceView:
    """Return the balance of an account as people see it."""
    return BalanceView(
        vault=vault_address(row.vault_address),
        account=row.account,
        asset=row.asset,
        balance=minor_text(row.balance_minor, scale),
    )


def supervisors_in(spec: Spec, path: str = "") -> dict[str, SupervisorSpec]:
    """Map the address of each supervisor in a tree to its spec."""
    if not isinstance(spec, SupervisorSpec):
        return {}
    address = f"{path}/{spec.name}" if spec.name else "/"
    below = "" if address == "/" else address
    found = {address: spec}
    for child in spec.children:
        found |= supervisors_in(child, below)
    return found


def tree_node(node: Node, supervisors: dict[str, SupervisorSpec]) -> TreeNode:
    """Return a place in the tree, with all below it, as people see it."""
    kind, strategy = _kind(node, supervisors)
    return TreeNode(
        address=node.address,
        kind=kind,
        state=node.state,
        incarnation=node.incarnation,
        restarts=node.restarts,
        mailbox=node.mailbox,
        handled=node.handled,
        children=tuple(tree_node(child, supervisors) for child in node.children),
        reason=node.last_exit,
        strategy=strategy,
    )


def tree_rows(
    node: Node, supervisors: dict[str, SupervisorSpec], parent: str = "", place: int = 0
) -> Iterable[TreeRow]:
    """Yield the tree flat, parents before their children."""
    kind, strategy = _kind(node, supervisors)
    yield TreeRow(
        address=node.address,
        parent=parent,
        place=place,
        kind=kind,
        state=node.state,
        incarnation=node.incarnation,
        restarts=node.restarts,
        mailbox=node.mailbox,
        handled=node.handled,
        reason=node.last_exit,
        strategy=strategy,
    )
    for at, child in enumerate(node.children):
        yield from tree_rows(child, supervisors, node.address, at)


def _kind(node: Node, supervisors: dict[str, SupervisorSpec]) -> tuple[str, str]:
    spec = supervisors.get(node.address)
    if spec is None:
        return node.kind, ""
    return "bulkhead" if spec.bulkhead else "supervisor", spec.strategy.value
