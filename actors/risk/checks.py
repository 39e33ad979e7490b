"""What risk asks of every order: a table of small pure functions, each with its own denial.

A check returns None when it has nothing against the order, else a sentence that says what is wrong
and what to do. Orders that only shrink a position pass where entries do not, but what the venue
would refuse anyway (grid, minimum) is refused for them too. The first denial counts.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from messages.market import Instrument
from messages.money import Mode
from messages.orders import TRIGGERED, OrderRequest, OrderType, Side, TimeInForce

MINUTE_NS = 60 * 1_000_000_000
MILLISECOND_NS = 1_000_000


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The configured limits as they concern one order; -1 where none is configured."""

    order_notional_max: int
    position_notional_max: int
    orders_per_minute_max: int
    symbols_allowed: tuple[str, ...]
    stale_ns_max: int


class Question(NamedTuple):
    """Everything that the checks look at, for one order."""

    request: OrderRequest
    instrument: Instrument | None
    limits: Limits
    switch_engaged: bool
    switch_reason: str
    mode: Mode
    mode_reason: str
    age_ns: int
    """How old the cause of the order is."""
    position_lots: int
    """What the vault holds of the symbol, by the fills that risk has seen."""
    adding_lots: int
    """What other orders of the vault on this side of the symbol may still add."""
    orders_last_minute: int
    working_orders: int
    journal_fault: str = ""
    """Why the journal does not keep up; "" while it does."""
    leverage: int = 1
    """That of positions at the venue."""


Check = Callable[[Question], str | None]
"""Returns the denial, or None."""

# Working orders that risk follows for all accounts together: at 200 bytes each, 200 kB of state.
WORKING_ORDERS_MAX = 1_000


def _listed(question: Question) -> str | None:
    terms = question.request.terms
    if question.instrument is not None:
        return None
    return (
        f"{terms.venue} has not listed {terms.symbol} yet: check the symbol with `bot doctor`, "
        "or wait until the venue is connected"
    )


def _switch_off(question: Question) -> str | None:
    if not question.switch_engaged:
        return None
    return (
        f"the kill switch is on ({question.switch_reason}): only exits are allowed until "
        "`bot kill-switch release`"
    )


def _mode_allows(question: Question) -> str | None:
    terms = question.request.terms
    if question.mode is Mode.ACTIVE:
        return None
    return (
        f"the account of {terms.user} at {terms.venue} is {question.mode.value} "
        f"({question.mode_reason}): only exits are allowed until that is resolved, see `bot status`"
    )


def _journal_keeps_up(question: Question) -> str | None:
    if not question.journal_fault:
        return None
    return (
        f"the journal does not keep up ({question.journal_fault}): no entries until it does; look "
        "at the disk with `bot doctor`"
    )


def _fresh(question: Question) -> str | None:
    stale_ns_max = question.limits.stale_ns_max
    if question.age_ns <= stale_ns_max:
        return None
    return (
        f"its cause is {question.age_ns // MILLISECOND_NS} ms old, more than "
        f"{stale_ns_max // MILLISECOND_NS} ms: wait for fresh market data"
    )


def _pair_allowed(question: Question) -> str | None:
    terms = question.request.terms
    if terms.symbol in question.limits.symbols_allowed:
        return None
    allowed = ", ".join(question.limits.symbols_allowed) or "none"
    return (
        f"{terms.symbol} is not allowed at {terms.venue} (allowed: {allowed}): "
        "add it to the venue's symbols in bot.toml"
    )


def _quoted_in_vault_asset(question: Question) -> str | None:
    terms = question.request.terms
    assert question.instrument is not None, "asked after `_listed`"
    quote = question.instrument.quote
    if terms.vault == f"{terms.venue}-{quote.lower()}":
        return None
    return (
        f"{terms.symbol} is quoted in {quote}, which is not the asset of the vault {terms.vault}: "
        f"trade it from a {quote} vault"
    )


def _sensible(question: Question) -> str | None:
    terms = question.request.terms
    market = terms.type is not OrderType.LIMIT
    if (terms.type in TRIGGERED) != (terms.trigger_ticks > 0):
        return "a stop or take-profit order has a trigger price, and no other order has one"
    if market and terms.limit_ticks and terms.type not in TRIGGERED:
        return "a market order has no limit price: leave it 0, or make it a limit order"
    if market and terms.post_only:
        return "a market order cannot be post-only: make it a limit order"
    if terms.post_only and terms.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL:
        return "an immediate-or-cancel order cannot be post-only: choose one of the two"
    return None


def _on_lot_grid(question: Question) -> str | None:
    terms = question.request.terms
    instrument = question.instrument
    assert instrument is not None, "asked after `_listed`"
    if terms.quantity_lots < max(1, instrument.quantity_lots_min):
        return (
            f"the quantity is {terms.quantity_lots} lots of {instrument.lot}, below the venue's "
            f"minimum of {max(1, instrument.quantity_lots_min)}: order more"
        )
    if terms.quantity_lots > instrument.quantity_lots_max:
        return (
            f"the quantity is {terms.quantity_lots} lots of {instrument.lot}, above the venue's "
            f"maximum of {instrument.quantity_lots_max}: split the order"
        )
    return None


def _on_tick_grid(question: Question) -> str | None:
    terms = question.request.terms
    if terms.type is OrderType.LIMIT and terms.limit_ticks <= 0:
        return f"the limit price is {terms.limit_ticks} ticks: give a price of at least one tick"
    if _price_ticks(question) <= 0:
        return "there is no price to judge it by: give the reference price it was formed at"
    return None


def _above_minimum(question: Question) -> str | None:
    instrument = question.instrument
    assert instrument is not None, "asked after `_listed`"
    notional_minor = _notional_minor(question, question.request.terms.quantity_lots)
    # A perpetual's remainder may be closed however small it is.
    is_exempt = instrument.is_perpetual and question.request.terms.reduces
    if notional_minor >= instrument.notional_minor_min or is_exempt:
        return None
    return (
        f"it is worth {_money(notional_minor, instrument)}, below the venue's minimum of "
        f"{_money(instrument.notional_minor_min, instrument)}: order more"
    )


def _below_order_maximum(question: Question) -> str | None:
    instrument = question.instrument
    assert instrument is not None, "asked after `_listed`"
    notional_minor = _notional_minor(question, question.request.terms.quantity_lots)
    maximum_minor = question.limits.order_notional_max
    if maximum_minor < 0:
        return f"no largest order is set for {instrument.quote}: set it in [limits] of bot.toml"
    if notional_minor <= maximum_minor:
        return None
    return (
        f"it is worth {_money(notional_minor, instrument)}, above the largest order allowed of "
        f"{_money(maximum_minor, instrument)}: order less, or raise the limit in bot.toml"
    )


def _below_position_maximum(question: Question) -> str | None:
    instrument = question.instrument
    assert instrument is not None, "asked after `_listed`"
    maximum_minor = question.limits.position_notional_max
    if maximum_minor < 0:
        return f"no largest position is set for {instrument.quote}: set it in [limits] of bot.toml"
    terms = question.request.terms
    lots = abs(question.position_lots) + question.adding_lots + terms.quantity_lots
    position_minor = _notional_minor(question, lots)
    if position_minor <= maximum_minor:
        return None
    return (
        f"the position in {terms.symbol} could become {_money(position_minor, instrument)}, above "
        f"the largest allowed of {_money(maximum_minor, instrument)}: reduce it first, "
        "or raise the limit in bot.toml"
    )


def _not_too_many(question: Question) -> str | None:
    maximum = question.limits.orders_per_minute_max
    if question.orders_last_minute < maximum:
        return None
    return (
        f"{question.orders_last_minute} orders in the last minute reach the limit of {maximum}: "
        "wait a minute, or raise the limit in bot.toml"
    )


def _room_to_follow(question: Question) -> str | None:
    if question.working_orders < WORKING_ORDERS_MAX:
        return None
    return (
        f"{question.working_orders} orders are working, as many as risk follows: "
        "cancel some before placing more"
    )


def _entry_buys(question: Question) -> str | None:
    assert question.instrument is not None, "asked after `_listed`"
    if question.request.terms.side is Side.BUY or question.instrument.is_perpetual:
        return None
    return "a sell that opens a position needs margin, which spot has not: mark it as reducing"


def _one_way(question: Question) -> str | None:
    terms = question.request.terms
    if question.position_lots * _sign(terms.side) >= 0:
        return None
    return (
        f"the vault holds {question.position_lots} lots of {terms.symbol}, which a "
        f"{terms.side.value} would close first: the venue has one position per symbol; mark it as "
        "reducing"
    )


def _margin_held(question: Question) -> str | None:
    """Deny an entry into a perpetual whose margin is not there; an amendment's is the ledger's."""
    request, instrument = question.request, question.instrument
    assert instrument is not None, "asked after `_listed`"
    if not instrument.is_perpetual or not request.reserved_asset:
        return None
    notional = _notional_minor(question, request.terms.quantity_lots)
    least = -(-notional // question.leverage)
    if request.reserved_asset == instrument.quote and request.reserved_minor >= least:
        return None
    return (
        f"its margin at {question.leverage}x is {_money(least, instrument)}, and "
        f"{_money(request.reserved_minor, instrument)} are held for it: `leverage` of the venue in "
        "bot.toml and the ledger's differ"
    )


def _really_reduces(question: Question) -> str | None:
    terms = question.request.terms
    assert question.instrument is not None, "asked after `_listed`"
    if question.instrument.is_perpetual:
        return _shrinks(question)
    if terms.side is not Side.SELL:
        return "a buy does not reduce a spot position: place it as an entry"
    if terms.quantity_lots <= question.position_lots:
        return None
    return (
        f"it sells {terms.quantity_lots} lots of {terms.symbol} and the vault holds "
        f"{question.position_lots}: sell at most that, and reconcile with `bot ledger reconcile`"
    )


def _shrinks(question: Question) -> str | None:
    terms = question.request.terms
    against = -question.position_lots * _sign(terms.side)
    if terms.quantity_lots <= against:
        return None
    return (
        f"it would {terms.side.value} {terms.quantity_lots} lots of {terms.symbol} to close, and "
        f"the vault holds {question.position_lots}: close at most that, and reconcile with "
        "`bot ledger reconcile`"
    )


def _sign(side: Side) -> int:
    return 1 if side is Side.BUY else -1


EVERY_ORDER: tuple[Check, ...] = (_listed, _sensible, _on_lot_grid, _on_tick_grid, _above_minimum)
ENTRIES: tuple[Check, ...] = (
    _switch_off,
    _journal_keeps_up,
    _mode_allows,
    _entry_buys,
    _one_way,
    _margin_held,
    _fresh,
    _pair_allowed,
    _quoted_in_vault_asset,
    _below_order_maximum,
    _below_position_maximum,
    _not_too_many,
    _room_to_follow,
)
REDUCTIONS: tuple[Check, ...] = (_really_reduces,)


def denial(question: Question) -> str | None:
    """Return why the order may not be placed, or None if it may."""
    kind = REDUCTIONS if question.request.terms.reduces else ENTRIES
    for check in (*EVERY_ORDER, *kind):
        text = check(question)
        if text is not None:
            return text
    return None


def _price_ticks(question: Question) -> int:
    terms = question.request.terms
    return terms.limit_ticks or terms.trigger_ticks or question.request.reference_ticks


def _notional_minor(question: Question, lots: int) -> int:
    assert question.instrument is not None, "asked after `_listed`"
    return question.instrument.notional_minor(_price_ticks(question), lots)


def _money(amount_minor: int, instrument: Instrument) -> str:
    scale = instrument.quote_scale
    digits = str(amount_minor).rjust(scale + 1, "0")
    whole, fraction = digits[: len(digits) - scale], digits[len(digits) - scale :].rstrip("0")
    return f"{whole}.{fraction} {instrument.quote}" if fraction else f"{whole} {instrument.quote}"
