"""Which candle is closed: venues send the running one as it changes, and never say the end."""

from decimal import Decimal

from msgspec.structs import replace

from exchanges.types import Candle as VenueCandle
from messages.market import Candle, Instrument

SECOND_NS = 1_000_000_000


class CandleCloser:
    """Turns a venue's candles into ours: a candle is closed when a later one comes."""

    def __init__(self, venue: str, instrument: Instrument) -> None:
        self._venue = venue
        self._symbol = instrument.symbol
        self._lot = Decimal(instrument.lot)
        self._running: Candle | None = None

    def take(self, candle: VenueCandle) -> tuple[Candle, ...]:
        """Return what to publish, oldest first; nothing for a candle that is already closed."""
        fresh = Candle(
            venue=self._venue,
            symbol=self._symbol,
            timeframe_ns=candle.interval_s * SECOND_NS,
            open_ns=candle.open_at_ns,
            open_ticks=candle.open_ticks,
            high_ticks=candle.high_ticks,
            low_ticks=candle.low_ticks,
            close_ticks=candle.close_ticks,
            # Volumes may be written finer than a lot; what is below one is nobody's order.
            volume_lots=int(Decimal(candle.volume) / self._lot),
            closed=False,
        )
        running = self._running
        if running is not None and fresh.open_ns < running.open_ns:
            return ()
        self._running = fresh
        if running is None or fresh.open_ns == running.open_ns:
            return (fresh,)
        return (replace(running, closed=True), fresh)
