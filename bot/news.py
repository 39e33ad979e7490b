"""From committed rows to log lines: what a person follows the bot by."""

import logging

from bot.text import trimmed
from bot.views import fill_view, minor_text, order_view
from messages.base import Row
from messages.rows import (
    AlertRow,
    FillRow,
    OrderRow,
    ReconciliationRow,
    SleeveStateRow,
    SwitchRow,
    TransferRow,
)

logger = logging.getLogger("news")

# Transfers that a person wants to know of; the others are an order's every step.
_TOLD_TRANSFERS = frozenset({"deposit", "withdraw", "allocate", "unallocate", "sweep"})
_PAGE = "page"


def tell(row: Row, scales: dict[str, int]) -> None:
    """Log what a row says, if it is news."""
    if isinstance(row, OrderRow):
        _tell_order(row)
    elif isinstance(row, FillRow):
        fill = fill_view(row)
        logger.info(
            "%s: filled %s %s %s at %s, fee %s %s (%s)",
            row.sleeve, row.side, trimmed(fill.quantity), row.symbol, trimmed(fill.price),
            trimmed(fill.fee), row.fee_asset, row.liquidity,
        )  # fmt: skip
    elif isinstance(row, TransferRow) and row.kind in _TOLD_TRANSFERS:
        amount = trimmed(minor_text(row.amount_minor, scales.get(row.asset, 8)))
        logger.info(
            "%s: %s %s %s from %s to %s",
            row.vault_address, row.kind, amount, row.asset, row.debit, row.credit,
        )  # fmt: skip
    elif isinstance(row, SleeveStateRow):
        logger.info("%s: %s%s", row.address, row.state, f": {row.reason}" if row.reason else "")
    elif isinstance(row, SwitchRow):
        _tell_switch(row)
    elif isinstance(row, ReconciliationRow):
        _tell_reconciliation(row)
    elif isinstance(row, AlertRow):
        level = logging.ERROR if row.severity == _PAGE else logging.WARNING
        logger.log(level, "%s: %s", row.subject, row.text)


def _tell_order(row: OrderRow) -> None:
    order = order_view(row)
    logger.info(
        "%s: order %s %s %s %s at %s is %s%s",
        row.sleeve, row.client_order_id[:8], row.side, trimmed(order.quantity), row.symbol,
        trimmed(order.price) or "the market", row.state, f": {row.reason}" if row.reason else "",
    )  # fmt: skip


def _tell_switch(row: SwitchRow) -> None:
    state = "ENGAGED" if row.engaged else "released"
    confirmed = "confirmed by every line" if row.confirmed else "not yet confirmed by every line"
    logger.warning("kill switch %s by %s (%s), %s", state, row.operator, row.reason, confirmed)


def _tell_reconciliation(row: ReconciliationRow) -> None:
    if row.agreed:
        logger.info("%s at %s: the books agree with the venue's", row.user, row.venue)
        return
    logger.error("%s at %s: the books differ: %s", row.user, row.venue, row.differences)
