"""From what venues say (exchanges.types, decimal text) to messages (integers), and orders back.

Minor units are 10**-scale of an asset; the scale comes from `Scales`, and once used it never
changes. What a venue writes finer than a minor unit is cut off, as venues do themselves. Raises
`OffGridError` for numbers that are no multiple of the instrument's tick or lot, or no numbers.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from fractions import Fraction
from typing import Literal

from actors.books import is_contract
from exchanges import types
from exchanges.grid import OffGridError
from messages.account import AccountFee
from messages.amends import Amend
from messages.amounts import SCALE_COMMON
from messages.market import Instrument
from messages.money import VenueBalance
from messages.orders import OrderState, OrderType, Side, Submit, TimeInForce, VenueFill, VenueOrder

PPM = 1_000_000
# Where a venue names no largest quantity: what an int64 notional can still hold.
QUANTITY_LOTS_MAX = 10**12
# A number longer than this is garbage, and would make Decimal slow.
NUMBER_TEXT_MAX = 64

_ENDED: dict[types.OrderStatus, OrderState] = {
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELLED,
    "expired": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED,
}
_TIME_IN_FORCE: dict[TimeInForce, types.TimeInForce] = {
    TimeInForce.GOOD_TILL_CANCELLED: "GTC",
    TimeInForce.IMMEDIATE_OR_CANCEL: "IOC",
}


_TRIGGERS: dict[OrderType, Literal["stop", "take_profit"]] = {
    OrderType.STOP: "stop",
    OrderType.TAKE_PROFIT: "take_profit",
}


class Scales:
    """How many decimals the minor unit of each asset has."""

    def __init__(self, known: Mapping[str, int], common: int = SCALE_COMMON) -> None:
        self._known = dict(known)
        self._common = common

    def of(self, asset: str) -> int:
        """Return the scale of an asset."""
        return self._known.get(asset, self._common)

    def minor(self, asset: str, text: str) -> int:
        """Return an amount in minor units, cut off below one."""
        return _cut(text, self.of(asset))


def _cut(text: str, scale: int) -> int:
    if len(text) > NUMBER_TEXT_MAX:
        raise OffGridError(f"an amount of {len(text)} characters: no venue sends that")
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise OffGridError(f"the amount {text!r} is not a decimal number") from error
    if not value.is_finite():
        raise OffGridError(f"the amount {text} is not a number that can be owned")
    return int(value.scaleb(scale).to_integral_value(ROUND_DOWN))


def instrument_of(listed: types.Instrument, scales: Scales) -> Instrument:
    """Return the instrument as messages carry it. Raises `OffGridError` if a lot has no unit.

    A perpetual's position is counted in contracts: an asset named as the symbol, whose minor unit
    has as many decimals as a lot.
    """
    base, base_scale, quote_scale = listed.base, scales.of(listed.base), scales.of(listed.quote)
    if is_contract(listed.symbol):
        base, base_scale = listed.symbol, contract_scale(listed)
    if (Fraction(listed.lot_size) * 10**base_scale).denominator != 1:
        raise OffGridError(
            f"a lot of {listed.symbol} is {listed.lot_size}, finer than {base_scale} decimals of "
            f"{listed.base}: raise that asset's scale in bot.toml"
        )
    return Instrument(
        symbol=listed.symbol,
        base=base,
        quote=listed.quote,
        tick=listed.tick_size,
        lot=listed.lot_size,
        base_scale=base_scale,
        quote_scale=quote_scale,
        quantity_lots_min=listed.min_quantity_lots,
        quantity_lots_max=QUANTITY_LOTS_MAX,
        # Rounded up: an order of exactly the minimum must not fall below it.
        notional_minor_min=-(-Fraction(listed.min_notional) * 10**quote_scale // 1),
        maker_fee_ppm=_ppm(listed.maker_fee),
        taker_fee_ppm=_ppm(listed.taker_fee),
    )


def contract_scale(listed: types.Instrument) -> int:
    """Return the decimals of a perpetual's contracts: those of a lot."""
    exponent = Decimal(listed.lot_size).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def ticket_of(submit: Submit) -> types.OrderTicket:
    """Return what the client is asked to submit."""
    terms = submit.terms
    return types.OrderTicket(
        client_order_id=terms.client_order_id,
        symbol=terms.symbol,
        side="buy" if terms.side is Side.BUY else "sell",
        # A stop with a limit rests there once its trigger has come.
        type="limit" if terms.limit_ticks else "market",
        quantity_lots=terms.quantity_lots,
        price_ticks=terms.limit_ticks or None,
        time_in_force=_TIME_IN_FORCE[terms.time_in_force],
        post_only=terms.post_only,
        expires_at_ns=submit.expires_ns,
        reduces=terms.reduces,
        trigger=_TRIGGERS.get(terms.type, ""),
        trigger_ticks=terms.trigger_ticks,
    )


def change_of(amend: Amend) -> types.OrderChange:
    """Return what the client is asked to amend."""
    terms = amend.terms
    assert terms.type is OrderType.LIMIT, "what has no price of its own is not amended"
    return types.OrderChange(
        client_order_id=terms.client_order_id,
        venue_order_id=amend.venue_order_id,
        symbol=terms.symbol,
        quantity_lots=terms.quantity_lots,
        price_ticks=terms.limit_ticks,
        post_only=terms.post_only,
        expires_at_ns=amend.expires_ns,
    )


def account_fee_of(told: types.AccountFee) -> AccountFee:
    """Return what an account pays in a market."""
    return AccountFee(symbol=told.symbol, maker_ppm=_ppm(told.maker), taker_ppm=_ppm(told.taker))


def order_of(report: types.OrderReport, listed: types.Instrument) -> VenueOrder:
    """Return an order as the venue's books have it."""
    return VenueOrder(
        client_order_id=report.client_order_id or "",
        venue_order_id=report.venue_order_id,
        symbol=report.symbol,
        side=Side(report.side),
        type=OrderType.MARKET if report.price is None else OrderType.LIMIT,
        quantity_lots=listed.lots(report.quantity),
        limit_ticks=0 if report.price is None else listed.ticks(report.price),
        filled_lots=listed.lots(report.filled),
        state=_ENDED.get(report.status, OrderState.OPEN),
        reason=report.reason,
        updated_ns=report.updated_ns,
    )


def fill_of(report: types.FillReport, listed: types.Instrument, scales: Scales) -> VenueFill:
    """Return an execution as the venue's books have it."""
    fee_asset, fee_minor = _fee(report.fees, listed, scales)
    return VenueFill(
        exec_id=report.exec_id,
        client_order_id=report.client_order_id or "",
        venue_order_id=report.venue_order_id,
        symbol=report.symbol,
        side=Side(report.side),
        price_ticks=listed.ticks(report.price),
        quantity_lots=listed.lots(report.quantity),
        cost_minor=scales.minor(listed.quote, report.cost),
        fee_minor=fee_minor,
        fee_asset=fee_asset,
        maker=report.liquidity == "maker",
        at_ns=report.at_ns,
        realised_minor=scales.minor(listed.quote, report.realised),
        forced=report.forced,
    )


def streamed_fill(
    report: types.Execution, listed: types.Instrument, scales: Scales
) -> VenueFill | None:
    """Return the execution that a private stream tells of; None if it leaves out what matters."""
    if report.side is None or not report.exec_id:
        return None
    price_ticks = listed.ticks(report.last_price)
    quantity_lots = listed.lots(report.last_quantity)
    fee_asset, fee_minor = _fee(report.fees, listed, scales)
    step = Fraction(listed.tick_size) * Fraction(listed.lot_size) * 10 ** scales.of(listed.quote)
    return VenueFill(
        exec_id=report.exec_id,
        client_order_id=report.client_order_id or "",
        venue_order_id=report.venue_order_id,
        symbol=report.symbol,
        side=Side(report.side),
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        # Venues cut the cost off below the minor unit; the stream does not carry it.
        cost_minor=int(price_ticks * quantity_lots * step),
        fee_minor=fee_minor,
        fee_asset=fee_asset,
        maker=report.liquidity == "maker",
        at_ns=report.at_ns,
        realised_minor=scales.minor(listed.quote, report.realised),
        forced=report.forced,
    )


def streamed_order(report: types.Execution, listed: types.Instrument) -> VenueOrder | None:
    """Return the order that a private stream tells of; None if its state is not told for certain.

    An end without the quantity that filled is not taken: it could end an order before its fills.
    """
    ended = _ENDED.get(report.status)
    working = report.status in ("open", "partially_filled")
    if report.side is None or not (working or (ended is not None and report.filled is not None)):
        return None
    return VenueOrder(
        client_order_id=report.client_order_id or "",
        venue_order_id=report.venue_order_id,
        symbol=report.symbol,
        side=Side(report.side),
        type=OrderType.MARKET if report.price is None else OrderType.LIMIT,
        quantity_lots=listed.lots(report.quantity) if report.quantity else 0,
        limit_ticks=listed.ticks(report.price) if report.price else 0,
        filled_lots=listed.lots(report.filled) if report.filled else 0,
        state=ended or OrderState.OPEN,
        reason=report.reason,
        updated_ns=report.at_ns,
    )


def balance_of(balance: types.Balance, scales: Scales) -> VenueBalance:
    """Return what an account holds of one asset; free is the total where the venue does not say."""
    return VenueBalance(
        asset=balance.asset,
        total_minor=scales.minor(balance.asset, balance.total),
        free_minor=scales.minor(
            balance.asset, balance.total if balance.free is None else balance.free
        ),
    )


def contracts_of(balance: types.Balance, listed: types.Instrument) -> VenueBalance:
    """Return a position in a perpetual; raises `OffGridError` if it is no whole number of lots."""
    sign = -1 if balance.total.startswith("-") else 1
    lots = listed.lots(balance.total.lstrip("-"))
    scale = contract_scale(listed)
    contracts = sign * lots * int(Decimal(listed.lot_size).scaleb(scale))
    return VenueBalance(asset=balance.asset, total_minor=contracts, free_minor=0, scale=scale)


def _fee(fees: Sequence[types.Fee], listed: types.Instrument, scales: Scales) -> tuple[str, int]:
    """Return asset and amount of a fee; venues charge one fill in one asset."""
    assets = list(dict.fromkeys(fee.asset for fee in fees)) or [listed.quote]
    if len(assets) > 1:
        raise OffGridError(f"a fill of {listed.symbol} was charged in {' and '.join(assets)}")
    return assets[0], sum(scales.minor(fee.asset, fee.amount) for fee in fees)


def _ppm(fraction: str) -> int:
    return int(Decimal(fraction) * PPM)
