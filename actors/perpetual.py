"""Perpetuals in a vault's books: an execution, and funding, as movements of contracts and money.

Contracts are an asset of their own, named as the symbol and counted in lots; a short position is
below zero. Money moves by what is realised: the sleeve's own profit by its own mean entry price,
the fee, funding. The venue knows one position per symbol and account, with one mean entry price:
what it has realised otherwise than our sleeves lies in `netting/<symbol>`, so the books equal its
wallet at every moment. When everything is closed, the two have realised the same.

`sleeve/<name>/margin` holds the initial margin of a sleeve's positions. A loss takes free cash
first, then margin, and what is lacking then is advanced by `suspense`.
"""

from msgspec.structs import replace

from actors import books as bk
from actors.desk import Desk
from actors.positions import margin_minor
from actors.trades import Holder, book_other_fee, settle
from actors.vault import Reservation, SleeveBook, contracts
from messages.market import Instrument
from messages.money import FundingSettled
from messages.orders import Side, VenueFill


def book_fill(
    desk: Desk,
    holder: Holder,
    instrument: Instrument,
    fill: VenueFill,
    order: Reservation | None,
) -> None:
    """Book an execution and its fee; `order` is what holds margin or contracts for it."""
    sign = 1 if fill.side is Side.BUY else -1
    moved = instrument.base_minor(fill.quantity_lots)
    held = holder.held(desk.state.books, instrument.base)
    closing = min(moved, abs(held)) if held * sign < 0 else 0
    closing_cost = fill.cost_minor * closing // moved
    _move_contracts(desk, holder, instrument, sign * moved, order, fill.exec_id)
    position = holder.position
    position.stepped(fill.at_ns, sign * moved)
    realised = position.closed(sign, closing, abs(held), closing_cost) if closing else 0
    opening_cost = fill.cost_minor - closing_cost
    position.basis_minor += sign * opening_cost
    if closing < moved:
        _margin_from_order(desk, holder, instrument, opening_cost, order, fill.exec_id)
    _earn(desk, holder, instrument.quote, realised, bk.MARKET, ("post", fill.exec_id))
    _net(desk, instrument, fill.realised_minor - realised, fill.exec_id)
    _book_fee(desk, holder, instrument, fill, order)


def settle_margin(desk: Desk, sleeve: SleeveBook, reference: str) -> None:
    """Bring a sleeve's margin to what its positions need, as far as its cash goes."""
    state, asset = desk.state, desk.config.asset
    needed = sum(
        margin_minor(abs(position.basis_minor), desk.config.leverage)
        for symbol, position in sleeve.positions.items()
        if state.instruments[symbol].is_perpetual
    )
    change = needed - state.books.balance(asset, bk.margin_of(sleeve.name))
    cash, margin = bk.cash_of(sleeve.name), bk.margin_of(sleeve.name)
    if change < 0:
        desk.pen.move(asset, margin, cash, -change, "margin", reference)
    else:
        change = min(change, state.books.balance(asset, cash))
        desk.pen.move(asset, cash, margin, change, "margin", reference)


def settle_netting(desk: Desk, holder: Holder, instrument: Instrument, reference: str) -> None:
    """Once an execution is booked and nobody holds anything, give what is left to the last closer.

    It is what the venue's rounding of its mean entry price came to.
    """
    accounts = desk.state.books.balances.get(instrument.base, {})
    if any(amount for account, amount in accounts.items() if account != bk.MARKET):
        return
    netting = bk.netting_of(instrument.symbol)
    left = desk.state.books.balance(instrument.quote, netting)
    _earn(desk, holder, instrument.quote, left, netting, ("netting", reference))
    holder.position.realised_minor += left


def split_by_hand(
    desk: Desk, instrument: Instrument, fill: VenueFill
) -> list[tuple[SleeveBook | None, VenueFill]]:
    """Return whose positions a trade that nobody ordered closed, each with its part of it.

    A sleeve that holds exactly that much comes first, then the others in their order; what closes
    nobody's position is nobody's.
    """
    sign = 1 if fill.side is Side.BUY else -1
    left = fill.quantity_lots
    able = []
    for sleeve in desk.state.sleeves.values():
        held = contracts(desk.state, sleeve.name, instrument)
        lots = abs(held) // instrument.base_minor(1) if held * sign < 0 else 0
        if lots:
            able.append((lots != left, sleeve, lots))
    able.sort(key=lambda each: each[0])
    shares: list[tuple[SleeveBook | None, int]] = []
    for _, sleeve, lots in able:
        taken = min(lots, left)
        if taken:
            shares.append((sleeve, taken))
            left -= taken
    if left:
        shares.append((None, left))
    return _parts(fill, shares)


def book_insurance(desk: Desk, message: FundingSettled) -> None:
    """Book what the venue made good after a liquidation: to those for whom suspense paid."""
    state, asset = desk.state, desk.config.asset
    instrument = state.instruments.get(message.symbol)
    left = message.amount_minor
    for sleeve in state.sleeves.values():
        share = max(0, min(left, sleeve.owed.get(asset, 0)))
        if instrument is None or not share:
            continue
        holder = Holder.of_sleeve(sleeve, instrument)
        _earn(desk, holder, asset, share, bk.MARKET, ("insurance", message.reference))
        holder.position.realised_minor += share
        settle(desk, holder, instrument, message.reference)
        left -= share
    nobody = Holder.suspense(state, message.symbol)
    _earn(desk, nobody, asset, left, bk.MARKET, ("insurance", message.reference))
    nobody.position.realised_minor += left


def book_funding(desk: Desk, message: FundingSettled) -> bool:
    """Book a payment of funding to those who held the position then; False if nobody did."""
    state = desk.state
    instrument = state.instruments.get(message.symbol)
    weights: list[tuple[SleeveBook, int]] = []
    if instrument is not None:
        for sleeve in state.sleeves.values():
            position = sleeve.positions.get(message.symbol)
            held = contracts(state, sleeve.name, instrument)
            then = position.held_at(message.at_ns, held) if position is not None else 0
            if then:
                weights.append((sleeve, then))
    whole = sum(weight for _, weight in weights)
    if instrument is None or not whole:
        holder = Holder.suspense(state, message.symbol)
        _earn_funding(desk, holder, message.amount_minor, message.reference)
        return False
    before = counted = 0
    for sleeve, weight in weights:
        counted += weight
        share = message.amount_minor * counted // whole - before
        before += share
        holder = Holder.of_sleeve(sleeve, instrument)
        _earn_funding(desk, holder, share, message.reference)
        settle_margin(desk, sleeve, message.reference)
    return True


def _parts(
    fill: VenueFill, shares: list[tuple[SleeveBook | None, int]]
) -> list[tuple[SleeveBook | None, VenueFill]]:
    """Split an execution so that the parts sum to it to the last unit."""
    if len(shares) == 1:
        return [(shares[0][0], fill)]
    parts: list[tuple[SleeveBook | None, VenueFill]] = []
    counted = 0
    for at, (sleeve, lots) in enumerate(shares):
        start, counted = counted, counted + lots

        def share(whole: int, start: int = start, end: int = counted) -> int:
            return whole * end // fill.quantity_lots - whole * start // fill.quantity_lots

        part = replace(
            fill,
            exec_id=fill.exec_id if at == 0 else f"{fill.exec_id}/{at + 1}",
            quantity_lots=lots,
            cost_minor=share(fill.cost_minor),
            fee_minor=share(fill.fee_minor),
            realised_minor=share(fill.realised_minor),
        )
        parts.append((sleeve, part))
    return parts


def _move_contracts(
    desk: Desk,
    holder: Holder,
    instrument: Instrument,
    signed_minor: int,
    order: Reservation | None,
    reference: str,
) -> None:
    """Move contracts from or to the market: those that the order holds first."""
    asset, left = instrument.base, abs(signed_minor)
    accounts = [(holder.coins, left)]
    if order is not None and order.asset == asset:
        posted = min(left, order.reserved_minor)
        order.reserved_minor -= posted
        accounts = [(holder.reserved, posted), (holder.coins, left - posted)]
    for account, amount in accounts:
        source, target = (bk.MARKET, account) if signed_minor > 0 else (account, bk.MARKET)
        desk.pen.move(asset, source, target, amount, "post", reference)


def _margin_from_order(
    desk: Desk,
    holder: Holder,
    instrument: Instrument,
    cost_minor: int,
    order: Reservation | None,
    reference: str,
) -> None:
    """Turn what an entry holds for its margin into the position's."""
    if order is None or order.asset != instrument.quote or not holder.margin:
        return
    amount = min(order.reserved_minor, margin_minor(cost_minor, desk.config.leverage))
    desk.pen.move(instrument.quote, holder.reserved, holder.margin, amount, "margin", reference)
    order.reserved_minor -= amount


def _earn(
    desk: Desk,
    holder: Holder,
    asset: str,
    amount_minor: int,
    other: str,
    why: tuple[str, str],
    order: Reservation | None = None,
) -> None:
    """Move a profit from `other` to the holder's cash, or a loss there from what it has."""
    kind, reference = why
    if amount_minor >= 0:
        desk.pen.move(asset, other, holder.cash, amount_minor, kind, reference)
        return
    left = -amount_minor
    if order is not None and order.asset == asset:
        posted = min(left, order.reserved_minor)
        desk.pen.move(asset, holder.reserved, other, posted, kind, reference)
        order.reserved_minor -= posted
        left -= posted
    if holder.owed is None:
        desk.pen.move(asset, holder.cash, other, left, kind, reference)
        return
    for account in (holder.cash, holder.margin):
        taken = min(left, desk.state.books.balance(asset, account))
        desk.pen.move(asset, account, other, taken, kind, reference)
        left -= taken
    if left:
        desk.pen.move(asset, bk.SUSPENSE, other, left, kind, reference)
        holder.owed[asset] = holder.owed.get(asset, 0) + left
        desk.page(
            "loss beyond the balance",
            f"{reference} took {desk.amount(asset, left)} more than {holder.cash} and its margin "
            "had: suspense advanced them and gets them back from what comes in next",
        )


def _net(desk: Desk, instrument: Instrument, amount_minor: int, reference: str) -> None:
    """Note what the venue has realised more (or less) than our sleeve."""
    netting = bk.netting_of(instrument.symbol)
    source, target = (bk.MARKET, netting) if amount_minor > 0 else (netting, bk.MARKET)
    desk.pen.move(instrument.quote, source, target, abs(amount_minor), "netting", reference)


def _book_fee(
    desk: Desk,
    holder: Holder,
    instrument: Instrument,
    fill: VenueFill,
    order: Reservation | None,
) -> None:
    if fill.fee_minor and fill.fee_asset != instrument.quote:
        book_other_fee(desk, fill)
        return
    entry = order if order is not None and order.asset == instrument.quote else None
    _earn(desk, holder, instrument.quote, -fill.fee_minor, bk.FEES, ("fee", fill.exec_id), entry)
    holder.position.paid(fill.fee_minor)


def _earn_funding(desk: Desk, holder: Holder, amount_minor: int, reference: str) -> None:
    _earn(desk, holder, desk.config.asset, amount_minor, bk.FUNDING, ("funding", reference))
    holder.position.funded(amount_minor)
