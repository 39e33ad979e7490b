"""What a person trades by hand at the venue, adopted: the sleeve `manual`, which no actor runs.

Only where the configuration says so; elsewhere a purchase by hand belongs to nobody, and the books
differ from the venue's. Its money comes from what the vault has free and goes back there when its
coins are sold. Guard holds no levels for it, no strategy acts on it.
"""

from actors import books as bk
from actors.desk import Desk
from actors.vault import MANUAL, SleeveBook, cash_minor
from messages.market import Instrument
from messages.money import SleeveStyle
from messages.orders import Side, VenueFill


def manual_sleeve(desk: Desk, instrument: Instrument, fill: VenueFill) -> SleeveBook:
    """Return the vault's manual sleeve, with the money in it that a purchase took."""
    sleeve = desk.state.sleeves.get(MANUAL)
    if sleeve is None:
        sleeve = desk.state.sleeves[MANUAL] = SleeveBook(
            name=MANUAL,
            style=SleeveStyle.QUIET,
            address=f"{desk.ctx.address.rpartition('/')[0]}/sleeves/{MANUAL}",
            strategy="",
            symbols=(),
        )
    if fill.side is Side.BUY:
        fee_minor = fill.fee_minor if fill.fee_asset == instrument.quote else 0
        _fund(desk, fill.cost_minor + max(0, fee_minor), fill.exec_id)
    return sleeve


def give_back(desk: Desk, reference: str) -> None:
    """Return what a sale brought to what the vault has free."""
    cash = cash_minor(desk.state, MANUAL)
    desk.pen.move(desk.config.asset, bk.cash_of(MANUAL), bk.HOLDINGS, cash, "adopt", reference)


def _fund(desk: Desk, amount_minor: int, reference: str) -> None:
    """Move money to the manual sleeve; what is not free, suspense advances, and a person is paged.

    No sleeve's slice is touched.
    """
    asset = desk.config.asset
    left = amount_minor - cash_minor(desk.state, MANUAL)
    for source in (bk.HOLDINGS, bk.TRADEABLE, bk.RESERVE):
        amount = max(0, min(left, desk.state.books.balance(asset, source)))
        desk.pen.move(asset, source, bk.cash_of(MANUAL), amount, "adopt", reference)
        left -= amount
