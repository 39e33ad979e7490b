"""What open orders hold: pending transfers to their sleeve's `reserved` account, and back.

An order that enters holds money of the vault's asset; one that leaves holds coins, or contracts.
Contracts of a short position are below zero, so what closes it holds them the other way round.
"""

from actors import books as bk
from actors.desk import Desk
from actors.positions import lot_minor, need_minor
from actors.vault import Reservation
from messages.market import Instrument


def free_account(order: Reservation) -> str:
    """Return the account from which what an order holds was taken."""
    if order.leaves:
        return bk.coins_of(order.sleeve, order.asset)
    return bk.cash_of(order.sleeve)


def free_minor(desk: Desk, order: Reservation) -> int:
    """Return how much more an order could hold."""
    free = desk.state.books.balance(order.asset, free_account(order))
    return -free if order.closes_short else free


def hold(desk: Desk, order: Reservation, amount_minor: int, kind: str = "reserve") -> None:
    """Make the pending transfer of an amount that an order is to hold."""
    free, reserved = free_account(order), bk.reserved_of(order.sleeve)
    if order.closes_short:
        free, reserved = reserved, free
    desk.pen.move(order.asset, free, reserved, amount_minor, kind, order.client_order_id)


def void(desk: Desk, order: Reservation, keep_minor: int = 0) -> None:
    """Give back what an order still holds, all but `keep_minor`."""
    amount = max(0, order.reserved_minor - keep_minor)
    free, reserved = free_account(order), bk.reserved_of(order.sleeve)
    if order.closes_short:
        free, reserved = reserved, free
    desk.pen.move(order.asset, reserved, free, amount, "void", order.client_order_id)
    order.reserved_minor -= amount


def needed_minor(
    desk: Desk, order: Reservation, instrument: Instrument, price_ticks: int, lots: int
) -> int:
    """Return what `lots` of an order must hold at a price."""
    if order.leaves:
        return lots * lot_minor(instrument)
    return need_minor(instrument, price_ticks, lots, desk.config.leverage)
