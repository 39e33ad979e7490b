"""From committed rows to log lines: what a person follows the bot by."""

import logging
from collections.abc import Callable

from bot.text import trimmed
from bot.views import fill_view, minor_text, order_view, vault_address
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


class News:
    """Tells what is new; remembers as much as is needed to know that it is."""

    def __init__(self, scales: Callable[[], dict[str, int]]) -> None:
        """Prepare. `scales` returns the decimals of assets' minor units, as far as known."""
        self._scales = scales
        self._states: dict[str, str] = {}

    def tell(self, row: Row) -> None:
        """Log what a row says, if it is news."""
        if isinstance(row, OrderRow):
            _tell_order(row)
        elif isinstance(row, FillRow):
            _tell_fill(row)
        elif isinstance(row, TransferRow) and row.kind in _TOLD_TRANSFERS:
            amount = trimmed(minor_text(row.amount_minor, self._scales().get(row.asset, 8)))
            logger.info(
                "%s: %s %s %s from %s to %s",
                vault_address(row.vault_address), row.kind, amount, row.asset, row.debit,
                row.credit,
            )  # fmt: skip
        elif isinstance(row, SleeveStateRow):
            self._tell_state(row)
        elif isinstance(row, SwitchRow) and row.operator:
            _tell_switch(row)
        elif isinstance(row, ReconciliationRow):
            _tell_reconciliation(row)
        elif isinstance(row, AlertRow):
            level = logging.ERROR if row.severity == _PAGE else logging.WARNING
            logger.log(level, "%s: %s", row.subject, row.text)

    def _tell_state(self, row: SleeveStateRow) -> None:
        # Why a sleeve waits changes every few seconds; that it does is no news.
        is_news = self._states.get(row.address) != row.state
        self._states[row.address] = row.state
        level = logging.INFO if is_news else logging.DEBUG
        reason = f": {row.reason}" if row.reason else ""
        logger.log(level, "%s: %s%s", row.address, row.state, reason)


def _tell_fill(row: FillRow) -> None:
    fill = fill_view(row)
    logger.info(
        "%s: filled %s %s %s at %s, fee %s %s (%s)",
        row.sleeve, row.side, trimmed(fill.quantity), row.symbol, trimmed(fill.price),
        trimmed(fill.fee), row.fee_asset, row.liquidity,
    )  # fmt: skip


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
