"""Which way an order goes: into a position or out of it, long or short, and what may be opened.

At a spot venue every buy enters and every sell leaves. A perpetual is entered both ways; at the
venue the account has one position per symbol, so all sleeves of a vault stand on the same side of
it: else one's entry would close another's position, and its exit be refused.
"""

from actors.desk import Desk
from actors.positions import lot_minor
from actors.vault import LedgerState, SleeveBook, free_coins, position_lots
from messages.market import Instrument
from messages.money import Direction
from messages.orders import Side

_ALLOWED = {
    Side.BUY: (Direction.LONG, Direction.BOTH),
    Side.SELL: (Direction.SHORT, Direction.BOTH),
}


class Refused(Exception):  # noqa: N818 - an expected answer, not an error
    """The wish cannot be granted; the text says why and what would help."""


def sign_of(side: Side) -> int:
    """Return what a side does to a position: 1 or -1."""
    return 1 if side is Side.BUY else -1


def is_entry(state: LedgerState, sleeve: SleeveBook, symbol: str, side: Side) -> bool:
    """Return whether an order on that side would open or grow the sleeve's position."""
    instrument = state.instruments.get(symbol)
    if instrument is None or not instrument.is_perpetual:
        return side is Side.BUY
    return position_lots(state, sleeve.name, symbol) * sign_of(side) >= 0


def exit_side(state: LedgerState, sleeve: SleeveBook, symbol: str) -> Side:
    """Return the side that closes the sleeve's position."""
    return Side.BUY if position_lots(state, sleeve.name, symbol) < 0 else Side.SELL


def free_lots(state: LedgerState, sleeve: SleeveBook, instrument: Instrument, side: Side) -> int:
    """Return how many lots of its position a sleeve may close with an order on that side."""
    free = free_coins(state, sleeve.name, instrument.base)
    if instrument.is_perpetual:
        free = max(0, -sign_of(side) * free)
    return free // lot_minor(instrument)


def check_side(desk: Desk, sleeve: SleeveBook, instrument: Instrument, side: Side) -> None:
    """Raise `Refused` if that side of a perpetual may not be entered now."""
    if not instrument.is_perpetual:
        return
    allocation = next((a for a in desk.config.sleeves if a.sleeve == sleeve.name), None)
    direction = allocation.direction if allocation is not None else Direction.LONG
    if direction not in _ALLOWED[side]:
        raise Refused(
            f"the sleeve's direction is {direction.value}: set `direction` in bot.toml to open "
            f"positions by a {side.value}"
        )
    symbol, sign = instrument.symbol, sign_of(side)
    for other in desk.state.sleeves.values():
        against = position_lots(desk.state, other.name, symbol) * sign < 0
        entering = any(
            order.symbol == symbol
            and order.sleeve == other.name
            and not order.leaves
            and order.side is not side
            for order in desk.state.orders.values()
        )
        if against or entering:
            raise Refused(
                f"{other.name} is on the other side of {symbol}: the venue has one position per "
                "symbol, so wait until it is closed"
            )
