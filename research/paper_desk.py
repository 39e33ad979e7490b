"""The money of one sleeve on paper: what it wishes is filled from recorded tops of book.

The rule, the same for every run that is compared with another: a wish is judged at the first top
of book after it, whole, at the touch: a market order and a limit that reaches the other side take
it and pay the taker's fee; a limit that does not rests, and is filled at its limit, with the
maker's fee, once the other side comes to it. Stops and takes close at the bid. The market does not
notice.
"""

from typing import NamedTuple

import msgspec

from actors.positions import (
    Position,
    average_ticks,
    fee_of,
    lots_affordable,
    need_minor,
    worst_ticks,
)
from messages.amends import AmendIntent
from messages.market import BookTop, Instrument
from messages.orders import CancelIntent, Intent, OrderState, OrderType, Side, SleeveUpdate

# Fills kept to be shown; sums go on.
FILLS_KEPT = 10_000


class PaperFill(NamedTuple):
    """One fill on paper."""

    at_ns: int
    symbol: str
    side: str
    price_ticks: int
    quantity_lots: int
    fee_minor: int
    cause: str
    """`wish`, or guard's `stop` or `take`."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a sleeve made on paper, in minor units of the vault's asset."""

    fills: int
    realised_minor: int
    fees_minor: int
    unrealised_minor: int
    """Of what it still holds, at the last bid."""
    position_lots: int
    crashes: int = 0

    @property
    def total_minor(self) -> int:
        """Realised and unrealised together."""
        return self.realised_minor + self.unrealised_minor


class _Holding(msgspec.Struct):
    instrument: Instrument
    lots: int = 0
    position: Position = msgspec.field(default_factory=Position)
    top: BookTop | None = None


class _Waiting(msgspec.Struct):
    intent: Intent
    since_ns: int
    is_maker: bool = False
    """Whether it has rested: it was judged once and did not reach the other side."""
    is_fired: bool = False
    """Whether its trigger has come."""
    best_ticks: int = 0
    """The best price since then, for a trailing stop."""


class PaperDesk:
    """Stands where ledger, risk, orders, venue and guard stand live."""

    def __init__(self, cash_minor: int, slippage_bps: int) -> None:
        self.cash_minor = cash_minor
        self.slippage_bps = slippage_bps
        self.fills: list[PaperFill] = []
        self.fills_ever = 0
        self._holdings: dict[str, _Holding] = {}
        self._waiting: dict[str, _Waiting] = {}

    def enlist(self, instrument: Instrument, lots: int = 0, entry_ticks: int = 0) -> None:
        """Take an instrument in, with what the sleeve holds of it at the start."""
        known = self._holdings.get(instrument.symbol)
        if known is not None:
            known.instrument = instrument
            return
        holding = _Holding(instrument, lots)
        if lots:
            holding.position.bought(instrument.notional_minor(entry_ticks, lots))
        self._holdings[instrument.symbol] = holding

    def result(self, crashes: int = 0) -> Result:
        """Return where it stands."""
        held = list(self._holdings.values())
        return Result(
            fills=self.fills_ever,
            realised_minor=sum(each.position.realised_minor for each in held),
            fees_minor=sum(each.position.fees_minor for each in held),
            unrealised_minor=sum(map(_unrealised_minor, held)),
            position_lots=sum(each.lots for each in held),
            crashes=crashes,
        )

    # --- what the sleeve asks

    def wish(self, intent: Intent, now_ns: int) -> list[SleeveUpdate]:
        """Take a wish; what becomes of it is told here or at a later top."""
        holding = self._holdings.get(intent.symbol)
        if holding is None:
            return [self._told(intent, OrderState.DENIED, "its symbol is not listed")]
        if not self._lots(holding, intent):
            return [self._told(intent, OrderState.DENIED, "nothing to buy or sell with")]
        self._waiting[intent.intent_id] = _Waiting(intent, now_ns)
        return [self._told(intent, OrderState.OPEN, "")]

    def cancel(self, cancel: CancelIntent) -> list[SleeveUpdate]:
        """Take a wish back, if it still waits."""
        waiting = self._waiting.pop(cancel.intent_id, None)
        return [] if waiting is None else [self._told(waiting.intent, OrderState.CANCELLED, "")]

    def amend(self, amend: AmendIntent) -> list[SleeveUpdate]:
        """Give a wish that waits another price."""
        waiting = self._waiting.get(amend.intent_id)
        if waiting is None:
            return []
        lots = amend.quantity_lots or waiting.intent.quantity_lots
        price = amend.limit_ticks or waiting.intent.limit_ticks
        change = {"limit_ticks": price, "quantity_lots": lots}
        waiting.intent = msgspec.structs.replace(waiting.intent, **change)
        return [self._told(waiting.intent, OrderState.OPEN, "amended")]

    # --- what the market says

    def see(self, top: BookTop, now_ns: int) -> list[SleeveUpdate]:
        """Judge what waits for this symbol, then its protective exits."""
        holding = self._holdings.get(top.symbol)
        if holding is None:
            return []
        holding.top = top
        told: list[SleeveUpdate] = []
        for key, waiting in list(self._waiting.items()):
            if waiting.intent.symbol == top.symbol:
                update = self._judge(holding, waiting, top, now_ns)
                if update is not None:
                    del self._waiting[key]
                    told.append(update)
        return told + self._protect(holding, top, now_ns)

    def _judge(
        self, holding: _Holding, waiting: _Waiting, top: BookTop, now_ns: int
    ) -> SleeveUpdate | None:
        """Return what became of a wish, or `None` while it waits."""
        intent = waiting.intent
        is_buy = intent.side is Side.BUY
        touch = top.ask_ticks if is_buy else top.bid_ticks
        if not _is_fired(waiting, touch):
            return None
        reaches = not intent.limit_ticks or (
            touch <= intent.limit_ticks if is_buy else touch >= intent.limit_ticks
        )
        if not reaches:
            lives_ns = intent.time_to_live_ns
            if lives_ns and now_ns - waiting.since_ns >= lives_ns:
                return self._told(intent, OrderState.EXPIRED, "its time is over")
            waiting.is_maker = True
            return None
        if intent.post_only and not waiting.is_maker:
            return self._told(intent, OrderState.REJECTED, "it would have taken")
        price = intent.limit_ticks if waiting.is_maker else touch
        lots = self._lots(holding, intent, price)
        if not lots:
            return self._told(intent, OrderState.DENIED, "nothing to buy or sell with")
        self._fill(
            holding,
            intent.side,
            price,
            lots,
            cause="wish",
            now_ns=now_ns,
            is_maker=waiting.is_maker,
        )
        if is_buy:
            holding.position.stop_ticks = intent.stop_ticks
            holding.position.take_ticks = intent.take_ticks
        return self._told(intent, OrderState.FILLED, "", price, lots)

    def _protect(self, holding: _Holding, top: BookTop, now_ns: int) -> list[SleeveUpdate]:
        """Close at the bid where guard would have."""
        bid, levels = top.bid_ticks, holding.position
        is_stop = levels.stop_ticks > 0 and bid <= levels.stop_ticks
        is_take = levels.take_ticks > 0 and bid >= levels.take_ticks
        if not holding.lots or not (is_stop or is_take):
            return []
        lots = holding.lots
        cause = "stop" if is_stop else "take"
        self._fill(holding, Side.SELL, bid, lots, cause=cause, now_ns=now_ns)
        return [self._update("", top.symbol, OrderState.FILLED, cause, bid, lots)]

    def _fill(
        self,
        holding: _Holding,
        side: Side,
        price_ticks: int,
        lots: int,
        *,
        cause: str,
        now_ns: int,
        is_maker: bool = False,
    ) -> None:
        instrument, position = holding.instrument, holding.position
        notional = instrument.notional_minor(price_ticks, lots)
        ppm = instrument.maker_fee_ppm if is_maker else instrument.taker_fee_ppm
        fee = fee_of(notional, ppm)
        if side is Side.BUY:
            position.bought(notional)
            holding.lots += lots
            self.cash_minor -= notional + fee
        else:
            position.sold(holding.lots, lots, notional, closes=lots == holding.lots)
            holding.lots -= lots
            self.cash_minor += notional - fee
        position.paid(fee)
        if not holding.lots:
            position.stop_ticks = position.take_ticks = 0
        assert holding.lots >= 0, "nothing is sold that is not held"
        self.fills_ever += 1
        if len(self.fills) < FILLS_KEPT:
            symbol = instrument.symbol
            self.fills.append(PaperFill(now_ns, symbol, side.value, price_ticks, lots, fee, cause))

    def _lots(self, holding: _Holding, intent: Intent, price_ticks: int = 0) -> int:
        """Return how much of a wish can be granted."""
        if intent.side is Side.SELL:
            return min(intent.quantity_lots or holding.lots, holding.lots)
        price = price_ticks or intent.limit_ticks
        price = price or worst_ticks(intent.reference_ticks, self.slippage_bps)
        # A market buy is sized by what it may cost at most, as the ledger does.
        if intent.type is OrderType.MARKET:
            price = max(price, worst_ticks(intent.reference_ticks, self.slippage_bps))
        if intent.type is OrderType.LIMIT:
            price = max(price, intent.limit_ticks)
        affordable = lots_affordable(holding.instrument, price, self.cash_minor)
        lots = min(intent.quantity_lots or affordable, affordable)
        assert not lots or need_minor(holding.instrument, price, lots) <= self.cash_minor
        return lots

    def _told(
        self, intent: Intent, state: OrderState, reason: str, price_ticks: int = 0, lots: int = 0
    ) -> SleeveUpdate:
        return self._update(intent.intent_id, intent.symbol, state, reason, price_ticks, lots)

    def _update(
        self,
        intent_id: str,
        symbol: str,
        state: OrderState,
        reason: str,
        price_ticks: int,
        lots: int,
    ) -> SleeveUpdate:
        holding = self._holdings.get(symbol)
        entry = 0
        if holding is not None and holding.lots:
            instrument = holding.instrument
            held_minor = instrument.base_minor(holding.lots)
            entry = average_ticks(instrument, holding.position.basis_minor, held_minor)
        return SleeveUpdate(
            intent_id=intent_id,
            symbol=symbol,
            state=state,
            reason=reason,
            filled_lots=lots,
            price_ticks=price_ticks,
            cash_minor=self.cash_minor,
            position_lots=holding.lots if holding else 0,
            average_entry_ticks=entry,
        )


def _unrealised_minor(holding: _Holding) -> int:
    if not holding.lots or holding.top is None:
        return 0
    worth = holding.instrument.notional_minor(holding.top.bid_ticks, holding.lots)
    return worth - holding.position.basis_minor


def _is_fired(waiting: _Waiting, touch: int) -> bool:
    """Return whether a wish's trigger has come, or it has none."""
    intent, sign = waiting.intent, -1 if waiting.intent.side is Side.BUY else 1
    if intent.type is OrderType.TRAILING_STOP and not waiting.is_fired:
        best = waiting.best_ticks or touch
        waiting.best_ticks = best if sign * (best - touch) >= 0 else touch
        waiting.is_fired = sign * (waiting.best_ticks - touch) >= intent.trigger_ticks
    elif intent.trigger_ticks and not waiting.is_fired:
        beyond = sign * (touch - intent.trigger_ticks)
        waiting.is_fired = beyond <= 0 if intent.type is OrderType.STOP else beyond >= 0
    else:
        return True
    return waiting.is_fired
