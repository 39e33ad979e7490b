"""What the public channels say of a product: a snapshot to who subscribes, then what changes."""

from collections.abc import Callable

from venue.candles import Candle
from venue.engine import Engine
from venue.listing import Listing
from venue.market_data import BookDiff, Level, MarketData, top_of
from venue.protocols.coinbase_names import product_id, time_text
from venue.protocols.coinbase_public import (
    LEVELS_MAX,
    Json,
    PublicEndpoints,
    percent_change,
)

TRADES_IN_SNAPSHOT = 100
CANDLES_IN_SNAPSHOT = 100
# Of this channel only, whatever is asked for by REST.
CANDLE_MINUTES = 5
BOOK, TRADES, TICKER = "level2", "market_trades", "ticker"
TICKERS, CANDLES = "ticker_batch", "candles"
PUBLIC = (BOOK, TRADES, TICKER, TICKERS, CANDLES)
# How often a channel speaks of a product at most.
INTERVALS_MS = {TRADES: 250, TICKERS: 5_000, CANDLES: 1_000}


class Channels:
    """Makes the events of every public channel."""

    def __init__(self, engine: Engine, public: PublicEndpoints, data: MarketData) -> None:
        self._engine = engine
        self._public = public
        self._data = data
        self._snapshots: dict[str, Callable[[Listing, int], Json]] = {
            BOOK: self.book_snapshot,
            TRADES: self._trades_snapshot,
            TICKER: self._ticker_snapshot,
            TICKERS: self._ticker_snapshot,
            CANDLES: self._candles_snapshot,
        }

    def snapshot(self, channel: str, listing: Listing, now_ns: int) -> Json:
        """Return the event that a new subscriber of a product gets."""
        return self._snapshots[channel](listing, now_ns)

    # --- level2 --------------------------------------------------------------------------------

    def book_id(self, listing: Listing, now_ns: int) -> int:
        """Return the number of the last change that a snapshot includes now."""
        return self._data.snapshot(listing.symbol, 1, now_ns).last_id

    def book_snapshot(self, listing: Listing, now_ns: int) -> Json:
        """Return the whole book."""
        found = self._data.snapshot(listing.symbol, LEVELS_MAX, now_ns)
        updates = self._updates(listing, found.bids, found.asks, now_ns)
        return self._book(listing, "snapshot", updates)

    def book_update(self, listing: Listing, diff: BookDiff) -> Json:
        """Return one difference: each level as it is now, gone ones with 0."""
        # What goes before what comes, so that the book is never crossed on the way.
        updates = self._updates(listing, diff.bids, diff.asks, diff.at_ns)
        updates.sort(key=lambda update: update["new_quantity"] != "0")
        return self._book(listing, "update", updates)

    @staticmethod
    def _book(listing: Listing, kind: str, updates: list[Json]) -> Json:
        name = product_id(listing.instrument)
        return {"type": kind, "product_id": name, "updates": updates}

    def _updates(
        self, listing: Listing, bids: list[Level], asks: list[Level], at_ns: int
    ) -> list[Json]:
        numbers, at = self._public.numbers[listing.symbol], time_text(at_ns)
        return [
            {
                "side": side,
                "event_time": at,
                "price_level": numbers.price(ticks),
                "new_quantity": numbers.quantity(lots) if lots else "0",
            }
            for side, levels in (("bid", bids), ("offer", asks))
            for ticks, lots in levels
        ]

    # --- trades, tickers, candles --------------------------------------------------------------

    def trades(self, listing: Listing, count: int, kind: str = "update") -> Json:
        """Return the last `count` trades, newest first."""
        found = reversed(listing.tape.last(count))
        return {"type": kind, "trades": [self._public.trade(listing, each) for each in found]}

    def _trades_snapshot(self, listing: Listing, now_ns: int) -> Json:
        return self.trades(listing, TRADES_IN_SNAPSHOT, "snapshot")

    def ticker(self, listing: Listing, kind: str = "update") -> Json:
        """Return the last day and the best prices."""
        numbers, day, top = self._public.numbers[listing.symbol], listing.day(), top_of(listing)
        row: Json = {
            "type": "ticker",
            "product_id": product_id(listing.instrument),
            "price": numbers.price(listing.last_ticks),
            "volume_24_h": numbers.quantity(day.volume_lots),
            "low_24_h": numbers.price(day.low_ticks),
            "high_24_h": numbers.price(day.high_ticks),
            # The box remembers a month.
            "low_52_w": numbers.price(day.low_ticks),
            "high_52_w": numbers.price(day.high_ticks),
            "price_percent_chg_24_h": percent_change(listing),
            "best_bid": numbers.price(top.bid_ticks),
            "best_ask": numbers.price(top.ask_ticks),
            "best_bid_quantity": numbers.quantity(top.bid_lots),
            "best_ask_quantity": numbers.quantity(top.ask_lots),
        }
        return {"type": kind, "tickers": [row]}

    def _ticker_snapshot(self, listing: Listing, now_ns: int) -> Json:
        return self.ticker(listing, "snapshot")

    def candles(self, listing: Listing, last_ns: int) -> Json:
        """Return the open candle, behind the one that began at `last_ns` if that has closed."""
        current = listing.current_candle(CANDLE_MINUTES)
        found = [] if current is None else [current]
        if current is not None and 0 < last_ns < current.open_ns:
            closed = listing.candles(CANDLE_MINUTES, last_ns - 1)
            found = [each for each in closed if each.open_ns <= last_ns] + found
        return {"type": "update", "candles": [self._candle(listing, each) for each in found]}

    def _candles_snapshot(self, listing: Listing, now_ns: int) -> Json:
        found = listing.candles(CANDLE_MINUTES, 0, CANDLES_IN_SNAPSHOT)
        return {"type": "snapshot", "candles": [self._candle(listing, each) for each in found]}

    def _candle(self, listing: Listing, candle: Candle) -> Json:
        name = product_id(listing.instrument)
        return {**self._public.candle(listing, candle), "product_id": name}
