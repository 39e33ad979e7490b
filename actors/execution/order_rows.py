"""The row that people see of an order."""

from typing import NamedTuple

from messages.market import Instrument
from messages.orders import OrderState, Terms
from messages.rows import OrderRow


class OrderFigures(NamedTuple):
    """What changes about an order while it lives."""

    created_ns: int
    updated_ns: int
    venue_order_id: str = ""
    filled_lots: int = 0
    cost_minor: int = 0


def order_row(
    terms: Terms,
    instrument: Instrument | None,
    state: OrderState,
    reason: str,
    figures: OrderFigures,
) -> OrderRow:
    """Return the row of an order; without an instrument its decimals are unknown ("")."""
    return OrderRow(
        client_order_id=terms.client_order_id,
        venue_order_id=figures.venue_order_id,
        environment=terms.environment,
        venue=terms.venue,
        user=terms.user,
        vault=terms.vault,
        sleeve=terms.sleeve,
        symbol=terms.symbol,
        side=terms.side.value,
        type=terms.type.value,
        quantity_lots=terms.quantity_lots,
        limit_ticks=terms.limit_ticks,
        filled_lots=figures.filled_lots,
        cost_minor=figures.cost_minor,
        tick=instrument.tick if instrument else "",
        lot=instrument.lot if instrument else "",
        quote_scale=instrument.quote_scale if instrument else 0,
        state=state.value,
        reason=reason,
        created_ns=figures.created_ns,
        updated_ns=figures.updated_ns,
    )
