"""One execution as movements of money and coins, for a sleeve or for nobody."""

from fractions import Fraction

from actors import books as bk
from actors.desk import Desk
from actors.positions import BPS, Position, lot_minor
from actors.vault import LedgerState, Reservation, SleeveBook, free_coins
from messages.market import Instrument
from messages.orders import Side, VenueFill
from messages.rows import FillRow


class Holder:
    """Who a trade is booked to: where its cash and coins lie, and its position."""

    def __init__(
        self,
        cash: str,
        coins: str,
        reserved: str,
        position: Position,
        owed: dict[str, int] | None,
        margin: str = "",
    ) -> None:
        self.cash = cash
        self.coins = coins
        self.reserved = reserved
        self.position = position
        self.owed = owed
        """What suspense advanced to it; None for suspense itself, which may go below zero."""
        self.margin = margin

    @classmethod
    def of_sleeve(cls, sleeve: SleeveBook, instrument: Instrument) -> "Holder":
        """Return a sleeve as the holder of its position in one symbol."""
        return cls(
            bk.cash_of(sleeve.name),
            bk.coins_of(sleeve.name, instrument.base),
            bk.reserved_of(sleeve.name),
            sleeve.position(instrument.symbol),
            sleeve.owed,
            bk.margin_of(sleeve.name),
        )

    @classmethod
    def suspense(cls, state: LedgerState, symbol: str) -> "Holder":
        """Return `suspense` as the holder of what nobody ordered in one symbol."""
        position = state.suspense.setdefault(symbol, Position())
        return cls(bk.SUSPENSE, bk.SUSPENSE, "", position, None)

    def held(self, books: bk.Books, asset: str) -> int:
        """Return its coins or contracts, those that open orders hold included."""
        held = books.balance(asset, self.coins)
        return held + books.balance(asset, self.reserved) if self.reserved else held


def book_trade(
    desk: Desk,
    holder: Holder,
    instrument: Instrument,
    fill: VenueFill,
    order: Reservation | None,
) -> None:
    """Book an execution and its fee; `order` is what reserved for it, if one did."""
    base_minor = instrument.base_minor(fill.quantity_lots)
    reference = fill.exec_id
    if fill.side is Side.BUY:
        _draw(desk, holder, instrument, instrument.quote, fill.cost_minor, order, reference)
        desk.pen.move(instrument.base, bk.MARKET, holder.coins, base_minor, "post", reference)
        holder.position.bought(fill.cost_minor)
    else:
        held = _held(desk, holder, instrument)
        closes = held - base_minor < lot_minor(instrument)
        _draw(desk, holder, instrument, instrument.base, base_minor, order, reference)
        desk.pen.move(instrument.quote, bk.MARKET, holder.cash, fill.cost_minor, "post", reference)
        holder.position.sold(held, base_minor, fill.cost_minor, closes=closes)
    _round(desk, instrument, fill)
    _book_fee(desk, holder, instrument, fill, order)


def settle(desk: Desk, holder: Holder, instrument: Instrument, reference: str) -> None:
    """Pay back to suspense what it advanced, as far as free balances go."""
    if not holder.owed:
        return
    for asset, account in ((instrument.quote, holder.cash), (instrument.base, holder.coins)):
        amount = min(holder.owed.get(asset, 0), desk.state.books.balance(asset, account))
        if amount <= 0:
            continue
        if asset == instrument.base:
            # These coins were sold before they were bought: now their cost is known.
            held = _held(desk, holder, instrument)
            closes = held - amount < lot_minor(instrument)
            holder.position.sold(held, amount, 0, closes=closes)
        desk.pen.move(asset, account, bk.SUSPENSE, amount, "settle", reference)
        holder.owed[asset] -= amount
        if holder.owed[asset] == 0:
            del holder.owed[asset]


def owner_of_manual_close(desk: Desk, instrument: Instrument, fill: VenueFill) -> SleeveBook | None:
    """Return the sleeve whose position a trade at the venue by hand closed (V9), if there is one.

    One that holds exactly the quantity sold comes first, then one that holds more.
    """
    if fill.side is not Side.SELL:
        return None
    sold = instrument.base_minor(fill.quantity_lots)
    able = None
    for sleeve in desk.state.sleeves.values():
        free = free_coins(desk.state, sleeve.name, instrument.base)
        if instrument.symbol not in sleeve.positions or free < sold:
            continue
        if free - sold < lot_minor(instrument):
            return sleeve
        able = able or sleeve
    return able


def record_fill(
    desk: Desk, fill: VenueFill, client_order_id: str, sleeve: str, instrument: Instrument
) -> None:
    """Record the row that shows an execution."""
    config = desk.config
    scales = {instrument.base: instrument.base_scale, instrument.quote: instrument.quote_scale}
    desk.ctx.record(
        FillRow(
            exec_id=fill.exec_id,
            client_order_id=client_order_id,
            environment=config.environment,
            venue=config.venue,
            user=config.user,
            vault=config.vault,
            sleeve=sleeve,
            symbol=fill.symbol,
            side=fill.side.value,
            quantity_lots=fill.quantity_lots,
            price_ticks=fill.price_ticks,
            cost_minor=fill.cost_minor,
            fee_minor=fill.fee_minor,
            fee_asset=fill.fee_asset,
            fee_scale=scales.get(fill.fee_asset, 0),
            tick=instrument.tick,
            lot=instrument.lot,
            quote_scale=instrument.quote_scale,
            liquidity="maker" if fill.maker else "taker",
            at_ns=fill.at_ns,
        )
    )


def book_other_fee(desk: Desk, fill: VenueFill) -> None:
    """Book a fee that the venue took in an asset of neither side."""
    asset, fee = fill.fee_asset, fill.fee_minor
    desk.pen.move(asset, bk.EXTERNAL, bk.FEES, abs(fee), "fee", fill.exec_id)
    desk.notice(
        "fee in another asset",
        f"{fill.exec_id} cost {desk.amount(asset, fee)}: it is not part of Total Coins",
    )


def _held(desk: Desk, holder: Holder, instrument: Instrument) -> int:
    return holder.held(desk.state.books, instrument.base)


def _draw(
    desk: Desk,
    holder: Holder,
    instrument: Instrument,
    asset: str,
    amount_minor: int,
    order: Reservation | None,
    reference: str,
    target: str = bk.MARKET,
) -> None:
    """Take an amount out: from the order's reservation, the free balance, then suspense."""
    account = holder.cash if asset == instrument.quote else holder.coins
    left = amount_minor
    kind = "fee" if target == bk.FEES else "post"
    if order is not None and order.asset == asset:
        posted = min(left, order.reserved_minor)
        desk.pen.move(asset, holder.reserved, target, posted, kind, reference)
        order.reserved_minor -= posted
        left -= posted
    if holder.owed is None:
        desk.pen.move(asset, account, target, left, kind, reference)
        return
    free = min(left, desk.state.books.balance(asset, account))
    desk.pen.move(asset, account, target, free, kind, reference)
    left -= free
    if left:
        if asset == instrument.base:
            # What suspense lacks counts in Total Coins like what it holds.
            desk.state.suspense.setdefault(instrument.symbol, Position())
        desk.pen.move(asset, bk.SUSPENSE, target, left, kind, reference)
        holder.owed[asset] = holder.owed.get(asset, 0) + left
        desk.page(
            "fill beyond the balance",
            f"{reference} took {desk.amount(asset, left)} more than {account} had: suspense "
            "advanced them and gets them back from what comes in next; run `bot ledger reconcile`",
        )


def _round(desk: Desk, instrument: Instrument, fill: VenueFill) -> None:
    """Move what the venue rounded away, or up, from `market` to `rounding`."""
    exact = Fraction(instrument.tick) * Fraction(instrument.lot) * 10**instrument.quote_scale
    nominal = exact * fill.price_ticks * fill.quantity_lots
    drift = fill.cost_minor - round(nominal)
    if abs(drift) > 1 + nominal / BPS:
        desk.notice(
            "cost is not price times quantity",
            f"{fill.exec_id} moved {desk.amount(instrument.quote, fill.cost_minor)} where price "
            f"times quantity is {desk.money(round(nominal))}: the venue's figure is booked",
        )
        return
    # A buy that cost more, or a sell that brought less, is what the outside gained by rounding.
    gained = drift if fill.side is Side.BUY else -drift
    source, target = (bk.MARKET, bk.ROUNDING) if gained > 0 else (bk.ROUNDING, bk.MARKET)
    desk.pen.move(instrument.quote, source, target, abs(gained), "rounding", fill.exec_id)


def _book_fee(
    desk: Desk,
    holder: Holder,
    instrument: Instrument,
    fill: VenueFill,
    order: Reservation | None,
) -> None:
    """Book the fee in whatever asset the venue took it; a negative fee is a rebate."""
    asset, fee = fill.fee_asset, fill.fee_minor
    if fee == 0:
        return
    if asset not in (instrument.quote, instrument.base):
        book_other_fee(desk, fill)
        return
    account = holder.cash if asset == instrument.quote else holder.coins
    held = _held(desk, holder, instrument)
    if fee < 0:
        desk.pen.move(asset, bk.FEES, account, -fee, "fee", fill.exec_id)
    else:
        _draw(desk, holder, instrument, asset, fee, order, fill.exec_id, bk.FEES)
    if asset == instrument.quote:
        holder.position.paid(fee)
    elif fee > 0:
        holder.position.surrendered(held, fee)
