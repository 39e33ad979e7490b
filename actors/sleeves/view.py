"""What a sleeve knows: its settings, its legs, what is in flight; and what step is shown of it."""

import msgspec

from actors.sleeves.life import Life
from actors.sleeves.strategy import Holding, Leg, Numbers, Opinion, Strategy
from messages.market import BookTop, Candle, Instrument
from messages.money import Direction, Mode, SleeveConfigured, SleeveStanding
from messages.orders import Side
from supervisor.actor import State

BPS_TO_PPM = 100
# A wish that was refused is made again after this, then after twice as long, up to the most: what
# refused it (too little money, a limit per minute) seldom passes sooner.
COOL_MIN_NS = 2_000_000_000
COOL_MAX_NS = 64_000_000_000
# A venue counts amendments, the young ones thrice (Kraken), against what an account may send; a
# price that is followed faster than this is chased, not amended.
AMEND_INTERVAL_NS = 1_000_000_000
# Older data may not be acted on: the loop is behind, or the feed is, and the price has moved since.
STALE_NS = 1_000_000_000
# The other legs of a strategy may be quieter than the one that moved; silence beyond this is
# the feed's to report, this is the second look.
OTHER_LEG_STALE_NS = 10_000_000_000


NOTHING_GUARDED = (0, 0, 0)


class LegView(msgspec.Struct):
    """One symbol of the sleeve."""

    symbol: str
    top: BookTop | None = None
    top_ns: int = 0
    candle: Candle | None = None
    """The newest closed one."""
    trusted: bool = False
    """Untrusted until its feed says otherwise, and again after every start."""
    distrust: str = "the feed has not spoken yet"
    instrument: Instrument | None = None
    fee_ppm: int = -1
    """The taker's fee of the account itself; below 0 while the venue has not told it."""
    lots: int = 0
    entry_ticks: int = 0
    since_ns: int = 0
    refusals: int = 0
    cool_until_ns: int = 0
    guarded: tuple[int, int, int] = NOTHING_GUARDED
    """Kind, price and stop of the newest wish that guard holds: it is not sent again."""


class Flight(msgspec.Struct):
    """A wish whose end has not been told yet."""

    intent_id: str
    symbol: str
    side: Side
    cancelling: bool = False
    limit_ticks: int = 0
    """The price asked for last; 0 for a market order."""
    amend_after_ns: int = 0
    wish: tuple[int, int, int] = NOTHING_GUARDED
    """Its kind, price and stop."""


class SleeveState(State):
    """Everything a sleeve knows."""

    config: SleeveConfigured | None = None
    life: Life = Life.ACTIVE
    reconciled: bool = False
    unreconciled_reason: str = "waiting for the account to be reconciled"
    mode: Mode = Mode.ACTIVE
    mode_reason: str = ""
    standing: SleeveStanding | None = None
    cash_minor: int = 0
    legs: dict[str, LegView] = msgspec.field(default_factory=dict)
    flights: dict[str, Flight] = msgspec.field(default_factory=dict)
    """By intent id."""
    settings: tuple[int | float, ...] = ()
    """The strategy's params, in the declared order."""
    memory: Numbers = None
    """The strategy's, a NamedTuple of numbers; None before its first step."""
    said: int = 0
    """The strategy's newest reason."""
    shown: tuple[str, str] = ("", "")
    """State and reason of the newest row."""
    shown_ns: int = 0

    def flight(self, symbol: str, side: Side) -> Flight | None:
        """Return what is in flight on one side of a symbol."""
        for flight in self.flights.values():
            if flight.symbol == symbol and flight.side is side:
                return flight
        return None

    @property
    def flat(self) -> bool:
        """Whether there is neither a position nor anything in flight."""
        return not self.flights and all(leg.lots == 0 for leg in self.legs.values())


def leg_of(state: SleeveState, view: LegView) -> Leg:
    """Return a leg as step sees it."""
    top, candle, standing = view.top, view.candle, state.standing
    fee_ppm = view.fee_ppm
    if fee_ppm < 0:
        # The listed one is the first tier's: too careful rather than not careful enough.
        fee_ppm = view.instrument.taker_fee_ppm if view.instrument is not None else 0
    slippage_bps = standing.slippage_bps if standing is not None else 0
    edge_bps = standing.edge_bps_min if standing is not None else 0
    return Leg(
        bid_ticks=top.bid_ticks if top else 0,
        bid_lots=top.bid_lots if top else 0,
        ask_ticks=top.ask_ticks if top else 0,
        ask_lots=top.ask_lots if top else 0,
        top_ns=view.top_ns,
        candle_ns=candle.open_ns if candle else 0,
        open_ticks=candle.open_ticks if candle else 0,
        high_ticks=candle.high_ticks if candle else 0,
        low_ticks=candle.low_ticks if candle else 0,
        close_ticks=candle.close_ticks if candle else 0,
        volume_lots=candle.volume_lots if candle else 0,
        cost_ppm=2 * (fee_ppm + slippage_bps * BPS_TO_PPM),
        edge_ppm_min=edge_bps * BPS_TO_PPM,
    )


def holding_of(state: SleeveState, view: LegView) -> Holding:
    """Return a position as step sees it."""
    return Holding(
        lots=view.lots,
        entry_ticks=view.entry_ticks,
        buying=int(state.flight(view.symbol, Side.BUY) is not None),
        selling=int(state.flight(view.symbol, Side.SELL) is not None),
        since_ns=view.since_ns,
    )


def enters(view: LegView, side: Side) -> bool:
    """Return whether an order on that side opens or grows the position; a spot sale never does."""
    if view.instrument is None or not view.instrument.is_perpetual:
        return side is Side.BUY
    return view.lots >= 0 if side is Side.BUY else view.lots <= 0


def may_enter(state: SleeveState, side: Side) -> bool:
    """Return whether the sleeve's direction allows to open by that side."""
    direction = state.config.direction if state.config is not None else Direction.LONG
    other = Direction.SHORT if side is Side.BUY else Direction.LONG
    return direction is not other


def no_opinion() -> Opinion:
    """Return what step is shown without a model."""
    return Opinion(0.0, 0.0, 0.0, 0.0, 0)


def data_fault(state: SleeveState, now_ns: int, cause_ns: int) -> str:
    """Return why the data may not be acted on; "" if it may."""
    if now_ns - cause_ns > STALE_NS:
        return "the data came too late to be acted on"
    for view in state.legs.values():
        if not view.trusted:
            return f"{view.symbol} is untrusted: {view.distrust}"
        if view.top is None or view.instrument is None:
            return f"{view.symbol} has no price yet, or is not listed"
        if now_ns - view.top_ns > OTHER_LEG_STALE_NS:
            return f"{view.symbol} has had no price for too long"
    return ""


def entry_fault(state: SleeveState) -> str:
    """Return why the sleeve may not enter for now; "" if it may."""
    if state.mode is not Mode.ACTIVE:
        return f"the account is {state.mode.value}: {state.mode_reason}"
    if state.standing is None:
        return "the ledger has not said yet what may be spent"
    return state.standing.idle_reason


def appearance(state: SleeveState, chosen: type[Strategy], fault: str) -> tuple[str, str]:
    """Return what the sleeve is doing and why, for people; `fault`: what is wrong with the data."""
    if state.life is Life.FROZEN:
        return "frozen", "a message crashed it twice: look with `bot replay`, then `bot resume`"
    if not state.reconciled:
        return "reconciling", state.unreconciled_reason
    if state.life is not Life.ACTIVE:
        return state.life.value, "" if state.flat else "waiting for the exit of its position"
    if fault:
        return "untrusted", fault
    if entry_fault(state) and state.flat:
        return "idle", entry_fault(state)
    return "active", chosen.reasons[state.said]


def memory_of(state: SleeveState, chosen: type[Strategy]) -> Numbers:
    """Return the strategy's memory in its own type: a snapshot brings back bare lists."""
    if state.memory is None:
        return chosen.begin(params_of(state, chosen))
    if isinstance(state.memory, chosen.memory_type):
        return state.memory
    return msgspec.convert(state.memory, chosen.memory_type)


def params_of(state: SleeveState, chosen: type[Strategy]) -> Numbers:
    """Return the strategy's params in its own type."""
    return chosen.params_type(*state.settings)
