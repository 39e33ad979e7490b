"""Markets: who else trades, and what the public sees of it.

`GeneratedMarket` is the flow of all other participants, a pure function of (seed, epoch, event
index). A server keeps the next index in its own file, calls `flow` up to now before anything an
account does, and needs nothing else: after a restart `rebuild(index)` gives the flow's book as if
no account had ever traded, and the accounts' orders go back in with `OrderBook.place_resting`, in
id order. (With `OrderBook.snapshot` in the file instead, the book is exactly the one that was.)
"""

from decimal import Decimal
from typing import Final, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from venue import flow
from venue.candles import Candle, CandleBuilder, PublicTrade, TradeTape
from venue.kernels import entry_point, warm
from venue.matching import BookEvent, OrderBook, example_book

__all__ = [
    "Candle",
    "CandleBuilder",
    "FlowResult",
    "GeneratedMarket",
    "Market",
    "MarketSpec",
    "PublicTrade",
    "TradeTape",
]

DEFAULT_MAX_EVENTS: Final = 4096
"""Book events of one `flow` call: what a caller may hold in memory at once."""
FLOW_BOOK_CAPACITY: Final = 16_384
"""Resting orders of a market's book: at most some hundreds are the flow's."""
_MAX_SWING: Final = 0.6
"""The amplitudes may never add up to more than this share of the price: it stays positive."""
_RANGES: Final[dict[str, tuple[float, float]]] = {
    "events_per_second": (1, 10_000),
    "levels_per_side": (1, flow.MAX_SLOTS // 2),
    # Below, a tick is more than 1 % of the price; above, swings leave the book's window.
    "open_price_ticks": (100, 16_000_000),
    "typical_lots": (10, 1 << 40),
    "taker_probability": (0.0, 0.33),
    "cycle_period_s": (2, 86_400),
    "regime_period_s": (2, 86_400),
    "cycle_amplitude_bps": (0.0, 5_000.0),
    "wander_bps": (0.0, 5_000.0),
    "rough_bps": (0.0, 2_000.0),
    "slow_swing_bps": (0.0, 6_000.0),
    "half_spread_bps": (0.0, 500.0),
    "level_gap_bps": (0.0, 100.0),
}
_INNER_LEVELS: Final = 4
_MIDDLE_LEVELS: Final = 12


class MarketSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument and the character of its market. Raises ValueError if it cannot be."""

    symbol: str = "ETH/USDT"
    base: str = "ETH"
    quote: str = "USDT"
    tick: str = "0.01"
    lot: str = "0.00001"
    open_price_ticks: int = 250_000
    seed: int = 1
    events_per_second: int = 50
    cycle_period_s: int = 20
    cycle_amplitude_bps: float = 70.0
    """Half the height of a typical swing. With the defaults a buy-low/sell-high rule with
    thresholds of 0.3–0.5 % makes a round trip about every cycle; 0 turns cycles off."""
    wander_bps: float = 25.0
    """Wander within about ten minutes."""
    slow_swing_bps: float = 2000.0
    """Bound on how far the price strays from the open in hours to months."""
    rough_bps: float = 4.0
    """Noise within a second or two."""
    regime_period_s: int = 45
    half_spread_bps: float = 0.4
    level_gap_bps: float = 0.5
    levels_per_side: int = 40
    typical_lots: int = 200_000
    """Size of a typical quote."""
    taker_probability: float = 0.05
    """Chance that an event brings market orders, before the regime scales it."""

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{self.symbol}: {name} must be {low} to {high}")
        if min(Decimal(self.tick), Decimal(self.lot)) <= 0:
            raise ValueError(f"{self.symbol}: tick and lot must be positive decimals")
        if self.max_swing() > _MAX_SWING:
            raise ValueError(f"{self.symbol}: the price could stray more than 60 %; lower a *_bps")

    def max_swing(self) -> float:
        """Bound on the distance of fair price from open, as a share of the open."""
        amplitudes = (self.cycle_amplitude_bps, self.wander_bps, self.rough_bps)
        bps = 1.1 * amplitudes[0] + 1.5 * amplitudes[1] + 2.5 * amplitudes[2]
        return (bps + self.slow_swing_bps) / 10_000

    def price_bounds_ticks(self) -> tuple[int, int]:
        """Ticks that the fair price never leaves."""
        reach = self.open_price_ticks * self.max_swing()
        return int(self.open_price_ticks - reach) - 1, int(self.open_price_ticks + reach) + 1


class FlowResult(NamedTuple):
    """What a stretch of flow did."""

    events: list[BookEvent]
    """Trades (between others too), and what befell accounts' orders, in order."""
    next_index: int
    complete: bool
    """False: stopped at the bound on events; call again from `next_index`."""


class Market(Protocol):
    """What a server needs of a market; generated, recorded and candle markets are this."""

    def flow(
        self, from_index: int, until_ns: int, book: OrderBook, max_events: int = ...
    ) -> FlowResult:
        """Apply the events from `from_index` up to `until_ns` (inclusive) to `book`."""

    def event_time_ns(self, index: int) -> int:
        """When the event happens. Strictly increasing, or at least never decreasing."""

    def index_at(self, now_ns: int) -> int:
        """How many events have happened by `now_ns` (inclusive): the next index then."""

    def has_ended(self, index: int) -> bool:
        """Whether the market is over: event `index` will never be."""

    def rebuild(self, index: int) -> OrderBook:
        """Make the flow's book before event `index`."""


def _schedule(levels: int) -> NDArray[np.int64]:
    """Slots in the order of their refreshing: inner levels four times per cycle, outer once."""
    entries: list[tuple[float, int]] = []
    for level in range(levels):
        times = 4 if level < _INNER_LEVELS else 2 if level < _MIDDLE_LEVELS else 1
        for side in range(2):
            # Spread evenly over the cycle, the golden ratio keeping slots from bunching.
            phase = ((2 * level + side) * 0.6180339887498949) % 1.0
            slot = 2 * level + side
            entries += [((phase + k) / times, slot) for k in range(times)]
    return np.array([slot for _, slot in sorted(entries)], np.int64)


def _since_last(schedule: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each step, how many steps ago its slot was scheduled before, cyclically."""
    length = len(schedule)
    last: dict[int, int] = {}
    since = np.zeros(length, np.int64)
    for step in range(2 * length):
        slot = int(schedule[step % length])
        since[step % length] = step - last.get(slot, step - length)
        last[slot] = step
    return since


def _parameters(spec: MarketSpec) -> flow.FlowParameters:
    schedule = _schedule(spec.levels_per_side)
    return flow.FlowParameters(
        seed=spec.seed & 0x7FFF_FFFF_FFFF_FFFF,
        interval_ns=flow.SECOND_NS // spec.events_per_second,
        open_price_ticks=float(spec.open_price_ticks),
        cycle_period_ns=spec.cycle_period_s * flow.SECOND_NS,
        cycle_amplitude=spec.cycle_amplitude_bps / 10_000,
        wander_amplitude=spec.wander_bps / 10_000,
        slow_amplitude=spec.slow_swing_bps / 10_000,
        rough_amplitude=spec.rough_bps / 10_000,
        regime_period_ns=spec.regime_period_s * flow.SECOND_NS,
        half_spread=spec.half_spread_bps / 10_000,
        level_gap=spec.level_gap_bps / 10_000,
        typical_lots=float(spec.typical_lots),
        taker_probability=spec.taker_probability,
        slots_per_side=spec.levels_per_side,
        schedule=schedule,
        since=_since_last(schedule),
    )


entry_point(flow.apply_events, lambda: (example_book(), _parameters(MarketSpec()), 0, 0, 0))
entry_point(flow.event_time, lambda: (_parameters(MarketSpec()), 0))
entry_point(flow.fair_price, lambda: (_parameters(MarketSpec()), 0))
entry_point(flow.regime_of, lambda: (_parameters(MarketSpec()), 0))


class GeneratedMarket:
    """The other participants of one instrument since `epoch_ns` (UTC).

    The same (spec, epoch, index) is the same event on every machine. What the events do depends
    on the book they are applied to: accounts' orders take part, and leave their mark until the
    quotes they consumed are refreshed.
    """

    def __init__(self, spec: MarketSpec, epoch_ns: int) -> None:
        warm()
        self.spec: Final = spec
        self.epoch_ns: Final = epoch_ns
        self._parameters: Final = _parameters(spec)

    def flow(
        self,
        from_index: int,
        until_ns: int,
        book: OrderBook,
        max_events: int = DEFAULT_MAX_EVENTS,
    ) -> FlowResult:
        """Apply the events from `from_index` whose time is at most `until_ns` to `book`.

        Two microseconds per event. Call again from `next_index` until `complete`. The book's
        capacity must be at least four times `levels_per_side`.
        """
        assert book.capacity >= 4 * self.spec.levels_per_side
        assert from_index >= 0
        assert max_events >= 1
        until = until_ns - self.epoch_ns
        index = flow.apply_events(book.arrays, self._parameters, from_index, until, max_events)
        assert not book.is_crossed()
        complete = flow.event_time(self._parameters, index) > until
        return FlowResult(book.drain_events(self.epoch_ns), int(index), bool(complete))

    def event_time_ns(self, index: int) -> int:
        """When event `index` happens (UTC ns); strictly increasing."""
        return self.epoch_ns + int(flow.event_time(self._parameters, index))

    def index_at(self, now_ns: int) -> int:
        """How many events have happened by `now_ns`, inclusive. O(1)."""
        since = now_ns - self.epoch_ns
        if since < 0:
            return 0
        # Event i lies somewhere in the i-th interval, so only the running one is in question.
        index = since // self._parameters.interval_ns
        return index + 1 if flow.event_time(self._parameters, index) <= since else index

    def has_ended(self, index: int) -> bool:
        """Never: it is generated for as long as anybody looks."""
        return False

    def rebuild(self, index: int) -> OrderBook:
        """Make the book before event `index`, accounts apart; at most a block is replayed."""
        assert index >= 0
        book = OrderBook(FLOW_BOOK_CAPACITY)
        next_index = max(index - 1, 0) // flow.BLOCK * flow.BLOCK
        while next_index < index:
            result = self.flow(next_index, self.event_time_ns(index - 1), book)
            next_index = result.next_index
        book.take_touched()
        return book

    def fair_price_ticks(self, now_ns: int) -> float:
        """Tell the price the quotes surround at `now_ns`. Nobody in the market can see it."""
        return float(flow.fair_price(self._parameters, max(now_ns - self.epoch_ns, 0)))

    def regime_at(self, now_ns: int) -> str:
        """Name of the regime of this moment's block."""
        block = max(now_ns - self.epoch_ns, 0) // self._parameters.regime_period_ns
        return flow.REGIME_NAMES[int(flow.regime_of(self._parameters, block))]
