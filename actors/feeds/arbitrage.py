"""The same pair at several venues: where it could be bought for less than it is sold for, net.

A monitor: it trades nothing. Both best levels must be trusted and fresh, and the gain is what is
left after both takers' fees and the costs configured beside them.
"""

from decimal import Decimal

import msgspec

from messages.market import BookTop, Instrument, InstrumentListed, StreamTrust
from messages.money import Alert, Severity
from messages.monitors import ArbitrageConfigured
from messages.rows import OpportunityRow
from messages.runtime import Booted, TimerFired
from supervisor.actor import Actor, Context, State

PPM = 1_000_000
# Prices and quantities of different venues are compared in units of 10**-12: finer than any tick.
COMMON_DIGITS = 12
# A side that falls silent ends an opportunity; this often is looked for one.
LOOK_NS = 500_000_000
LOOK = "look"
# A row while it lasts, so that people see it; each change would be a row a millisecond.
ROW_NS = 1_000_000_000


class SideView(msgspec.Struct):
    """One venue's best prices of a symbol."""

    venue: str
    symbol: str
    instrument: Instrument | None = None
    price_unit: int = 0
    """A tick in common units."""
    lot_unit: int = 0
    top: BookTop | None = None
    top_ns: int = 0
    trusted: bool = False


class Open(msgspec.Struct):
    """An opportunity that lasts."""

    symbol: str
    buy: str
    sell: str
    began_ns: int
    best_ppm: int
    shown_ns: int
    is_told: bool = False
    last: OpportunityRow | None = None


class ArbitrageState(State):
    """Everything the monitor knows."""

    config: ArbitrageConfigured | None = None
    sides: dict[str, dict[str, SideView]] = msgspec.field(default_factory=dict)
    """By symbol, then venue."""
    open: dict[str, Open] = msgspec.field(default_factory=dict)


class ArbitrageMonitor(Actor[ArbitrageState]):
    """Watches pairs of venues."""

    def on_configured(
        self, state: ArbitrageState, message: ArbitrageConfigured, ctx: Context
    ) -> None:
        state.config = message
        known = state.sides
        state.sides = {
            symbol: {
                venue: known.get(symbol, {}).get(venue) or SideView(venue, symbol)
                for venue in venues
            }
            for symbol, venues in message.venues.items()
        }

    def on_booted(self, state: ArbitrageState, message: Booted, ctx: Context) -> None:
        """Believe nothing from before the start."""
        for sides in state.sides.values():
            for side in sides.values():
                side.trusted, side.top = False, None

    def on_listed(self, state: ArbitrageState, message: InstrumentListed, ctx: Context) -> None:
        side = _side(state, message.venue, message.instrument.symbol)
        if side is not None:
            side.instrument = message.instrument
            side.price_unit = _common(message.instrument.tick)
            side.lot_unit = _common(message.instrument.lot)

    def on_trust(self, state: ArbitrageState, message: StreamTrust, ctx: Context) -> None:
        side = _side(state, message.venue, message.symbol)
        if side is not None and side.trusted != message.trusted:
            side.trusted = message.trusted
            _compare(state, side, ctx)

    def on_top(self, state: ArbitrageState, message: BookTop, ctx: Context) -> None:
        side = _side(state, message.venue, message.symbol)
        if side is not None:
            side.top, side.top_ns = message, ctx.at_ns
            _compare(state, side, ctx)

    def on_timer(self, state: ArbitrageState, message: TimerFired, ctx: Context) -> None:
        """End what rests on a side that has fallen silent."""
        for open_ in list(state.open.values()):
            _compare(state, state.sides[open_.symbol][open_.buy], ctx)
            _compare(state, state.sides[open_.symbol][open_.sell], ctx)
        if state.open:
            ctx.after(LOOK, LOOK_NS)


def _side(state: ArbitrageState, venue: str, symbol: str) -> SideView | None:
    return state.sides.get(symbol, {}).get(venue)


def _common(step: str) -> int:
    return int(Decimal(step).scaleb(COMMON_DIGITS))


def _compare(state: ArbitrageState, side: SideView, ctx: Context) -> None:
    for other in state.sides[side.symbol].values():
        if other is not side:
            _judge(state, side, other, ctx)
            _judge(state, other, side, ctx)


def _judge(state: ArbitrageState, buy: SideView, sell: SideView, ctx: Context) -> None:
    """Look at buying at one venue and selling at another."""
    assert state.config is not None, "an actor is configured first"
    key = f"{buy.symbol} {buy.venue} {sell.venue}"
    gain_ppm = net_ppm(buy, sell, state.config, ctx.now_ns)
    open_ = state.open.get(key)
    if gain_ppm is None or gain_ppm <= 0:
        if open_ is not None:
            _end(state, key, open_, ctx)
        return
    if open_ is None:
        open_ = Open(buy.symbol, buy.venue, sell.venue, ctx.now_ns, gain_ppm, 0)
        state.open[key] = open_
        ctx.after(LOOK, LOOK_NS)
    open_.best_ppm = max(open_.best_ppm, gain_ppm)
    open_.last = _row(open_, buy, sell, gain_ppm)
    if ctx.now_ns - open_.shown_ns >= ROW_NS:
        open_.shown_ns = ctx.now_ns
        ctx.record(open_.last)
    if gain_ppm >= state.config.alert_ppm and not open_.is_told:
        open_.is_told = True
        text = (
            f"{buy.symbol}: bought at {buy.venue} and sold at {sell.venue} it brings "
            f"{gain_ppm / 100:.1f} bps after fees"
        )
        alert = Alert(severity=Severity.NOTICE, subject=ctx.address, text=text)
        ctx.send(state.config.alerts, alert)


def _end(state: ArbitrageState, key: str, open_: Open, ctx: Context) -> None:
    del state.open[key]
    assert open_.last is not None, "what is open was seen"
    ended = msgspec.structs.replace(
        open_.last, best_net_ppm=open_.best_ppm, ended_ns=max(ctx.now_ns, open_.began_ns + 1)
    )
    ctx.record(ended)


def net_ppm(buy: SideView, sell: SideView, config: ArbitrageConfigured, now_ns: int) -> int | None:
    """Return the gain per price paid, in millionths; None while a side cannot be used."""
    if not (_is_usable(buy, config, now_ns) and _is_usable(sell, config, now_ns)):
        return None
    bought, buying = _known(buy)
    sold, selling = _known(sell)
    ask = bought.ask_ticks * buy.price_unit
    bid = sold.bid_ticks * sell.price_unit
    got = bid * (PPM - selling.taker_fee_ppm)
    paid = ask * (PPM + buying.taker_fee_ppm)
    return (got - paid) // ask - config.extra_ppm


def _known(side: SideView) -> tuple[BookTop, Instrument]:
    assert side.top is not None, "a usable side has prices"
    assert side.instrument is not None, "and what they are counted in"
    return side.top, side.instrument


def _is_usable(side: SideView, config: ArbitrageConfigured, now_ns: int) -> bool:
    if side.instrument is None or side.top is None or not side.trusted:
        return False
    return now_ns - side.top_ns <= config.stale_ns


def _row(open_: Open, buy: SideView, sell: SideView, gain_ppm: int) -> OpportunityRow:
    bought, buying = _known(buy)
    sold, selling = _known(sell)
    smaller = min(bought.ask_lots * buy.lot_unit, sold.bid_lots * sell.lot_unit)
    return OpportunityRow(
        symbol=open_.symbol,
        buy_venue=open_.buy,
        sell_venue=open_.sell,
        buy_ticks=bought.ask_ticks,
        buy_tick=buying.tick,
        sell_ticks=sold.bid_ticks,
        sell_tick=selling.tick,
        quantity_lots=smaller // buy.lot_unit,
        lot=buying.lot,
        net_ppm=gain_ppm,
        best_net_ppm=open_.best_ppm,
        began_ns=open_.began_ns,
        ended_ns=0,
    )
