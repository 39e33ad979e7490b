"""What needs no key: time, products, book, trades, candles, and what ccxt asks of version 2."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from venue.candles import Candle, PublicTrade
from venue.engine import Engine
from venue.instruments import format_units
from venue.listing import MINUTES_KEPT_MAX, Listing
from venue.market_data import Level, MarketData, top_of
from venue.orders import BUY, SELL
from venue.protocols.coinbase_errors import invalid, not_found
from venue.protocols.coinbase_names import (
    GRANULARITIES,
    SECOND_NS,
    Numbers,
    product_id,
    side_name,
    time_text,
)

Json = dict[str, object]

CANDLES_MAX = 350
TRADES_DEFAULT = 100
TRADES_MAX = 1_000
BOOK_DEFAULT = 50
# The whole book: more levels than the flow ever quotes.
LEVELS_MAX = 20_000
_PERCENT_DECIMALS = 14


class Asked(NamedTuple):
    """A request: parameters of its path, its query (names may be repeated), and its body."""

    path: Mapping[str, str] = {}
    query: Mapping[str, list[str]] = {}
    body: Mapping[str, object] = {}

    def one(self, name: str, default: str = "") -> str:
        """Return a parameter of the query; the last of several."""
        return self.query.get(name, [default])[-1]

    def whole(self, name: str, default: int) -> int:
        """Return an integer parameter of the query. Raises `CoinbaseError`."""
        text = self.one(name)
        if not text:
            return default
        if not (text.isascii() and text.isdigit()):
            raise invalid(f"{name} is not a whole number")
        return int(text)


class PublicEndpoints:
    """Answers what needs no key. The caller has advanced the market."""

    def __init__(self, engine: Engine, data: MarketData) -> None:
        self._engine = engine
        self._data = data
        self._by_id = {product_id(each.instrument): each for each in engine.listings.values()}
        self.numbers = {name: Numbers(each.instrument) for name, each in engine.listings.items()}
        market: dict[str, Callable[[Asked, int], Json]] = {
            "products": self._products,
            "products/{product_id}": self._one_product,
            "products/{product_id}/candles": self._candles,
            "products/{product_id}/ticker": self._ticker,
            "product_book": self._book,
        }
        self.methods: dict[str, Callable[[Asked, int], Json]] = {
            "brokerage/time": self._time,
            **{f"brokerage/market/{name}": method for name, method in market.items()},
            "time": self._older_time,
            "currencies": self._fiat,
            "currencies/crypto": self._crypto,
            "exchange-rates": self._rates,
        }
        # The same again for whoever has a key.
        self.keyed = {f"brokerage/{name}": method for name, method in market.items()}
        self.keyed["brokerage/best_bid_ask"] = self._best

    def listing_of(self, name: str) -> Listing:
        """Return the listing of a product. Raises `CoinbaseError`."""
        listing = self._by_id.get(name)
        if listing is None:
            raise not_found(f"product {name!r} was not found")
        return listing

    def listing_named(self, name: str) -> Listing | None:
        """Return the listing with Coinbase's id `name`."""
        return self._by_id.get(name)

    # --- reference data ------------------------------------------------------------------------

    def _time(self, asked: Asked, now_ns: int) -> Json:
        return {
            "iso": time_text(now_ns),
            "epochSeconds": str(now_ns // SECOND_NS),
            "epochMillis": str(now_ns // 1_000_000),
        }

    def _older_time(self, asked: Asked, now_ns: int) -> Json:
        return {"data": {"iso": time_text(now_ns), "epoch": now_ns // SECOND_NS}}

    def _fiat(self, asked: Asked, now_ns: int) -> Json:
        return {"data": [{"id": "USD", "name": "US Dollar", "min_size": "0.01"}]}

    def _crypto(self, asked: Asked, now_ns: int) -> Json:
        return {
            "data": [
                {
                    "asset_id": f"box-{name}",
                    "code": name,
                    "name": name,
                    "color": "#000000",
                    "sort_index": at,
                    "exponent": asset.decimals,
                    "type": "crypto",
                    "address_regex": "",
                }
                for at, (name, asset) in enumerate(self._engine.assets.items())
                if name != "USD"
            ]
        }

    def _rates(self, asked: Asked, now_ns: int) -> Json:
        return {"data": {"currency": "USD", "rates": {"USD": "1"}}}

    def _products(self, asked: Asked, now_ns: int) -> Json:
        wanted = asked.query.get("product_ids", [])
        listings = [self.listing_of(name) for name in wanted] or [*self._engine.listings.values()]
        if asked.one("product_type", "SPOT") != "SPOT":
            listings = []
        products = [self._product(listing) for listing in listings]
        return {"products": products, "num_products": len(products)}

    def _one_product(self, asked: Asked, now_ns: int) -> Json:
        return self._product(self.listing_of(asked.path["product_id"]))

    def _product(self, listing: Listing) -> Json:
        instrument, numbers = listing.instrument, self.numbers[listing.symbol]
        base, quote, day = instrument.base.name, instrument.quote.name, listing.day()
        halted = listing.is_halted
        return {
            "product_id": product_id(instrument),
            "price": numbers.price(listing.last_ticks),
            "price_percentage_change_24h": percent_change(listing),
            "volume_24h": numbers.quantity(day.volume_lots),
            "volume_percentage_change_24h": "0",
            "base_increment": numbers.quantity(1),
            "quote_increment": numbers.price(1),
            "quote_min_size": numbers.quote(instrument.cost_minimum_units),
            "quote_max_size": "150000000",
            "base_min_size": numbers.quantity(instrument.order_minimum_lots),
            "base_max_size": "42000000",
            "base_name": base,
            "quote_name": quote,
            "watched": False,
            "is_disabled": False,
            "new": False,
            "status": "online",
            "cancel_only": halted,
            "limit_only": False,
            "post_only": False,
            "trading_disabled": halted,
            "auction_mode": False,
            "product_type": "SPOT",
            "quote_currency_id": quote,
            "base_currency_id": base,
            "fcm_trading_session_details": None,
            "mid_market_price": "",
            "alias": "",
            "alias_to": [],
            "base_display_symbol": base,
            "quote_display_symbol": quote,
            "view_only": False,
            "price_increment": numbers.price(1),
            "display_name": product_id(instrument),
            "product_venue": "CBE",
            "approximate_quote_24h_volume": numbers.turnover(day.turnover),
        }

    # --- book, trades, candles -----------------------------------------------------------------

    def _book(self, asked: Asked, now_ns: int) -> Json:
        listing = self.listing_of(asked.one("product_id"))
        limit = max(1, min(asked.whole("limit", BOOK_DEFAULT), LEVELS_MAX))
        return {"pricebook": self._pricebook(listing, limit, now_ns)}

    def _best(self, asked: Asked, now_ns: int) -> Json:
        names = asked.query.get("product_ids", []) or list(self._by_id)
        books = [self._pricebook(self.listing_of(name), 1, now_ns) for name in names]
        return {"pricebooks": books}

    def _pricebook(self, listing: Listing, levels: int, now_ns: int) -> Json:
        snapshot = self._data.snapshot(listing.symbol, levels, now_ns)
        return {
            "product_id": product_id(listing.instrument),
            "bids": self._levels(listing, snapshot.bids),
            "asks": self._levels(listing, snapshot.asks),
            "time": time_text(now_ns),
        }

    def _levels(self, listing: Listing, levels: list[Level]) -> list[Json]:
        numbers = self.numbers[listing.symbol]
        return [{"price": numbers.price(p), "size": numbers.quantity(q)} for p, q in levels]

    def _ticker(self, asked: Asked, now_ns: int) -> Json:
        listing = self.listing_of(asked.path["product_id"])
        limit = max(1, min(asked.whole("limit", TRADES_DEFAULT), TRADES_MAX))
        numbers, top = self.numbers[listing.symbol], top_of(listing)
        return {
            "trades": [
                {**self.trade(listing, each), "bid": "", "ask": "", "exchange": "CBE"}
                for each in reversed(listing.tape.last(limit))
            ],
            "best_bid": numbers.price(top.bid_ticks),
            "best_ask": numbers.price(top.ask_ticks),
        }

    def trade(self, listing: Listing, trade: PublicTrade) -> Json:
        """Return a trade. Its side is that of the order that rested, as Coinbase has it."""
        numbers = self.numbers[listing.symbol]
        return {
            "product_id": product_id(listing.instrument),
            "trade_id": str(trade.trade_id),
            "price": numbers.price(trade.price_ticks),
            "size": numbers.quantity(trade.quantity_lots),
            "time": time_text(trade.at_ns),
            "side": side_name(SELL if trade.side == BUY else BUY),
        }

    def _candles(self, asked: Asked, now_ns: int) -> Json:
        listing = self.listing_of(asked.path["product_id"])
        granularity = asked.one("granularity")
        if granularity not in GRANULARITIES:
            raise invalid("granularity is not valid")
        minutes = GRANULARITIES[granularity]
        start_ns = asked.whole("start", 0) * SECOND_NS
        end_ns = asked.whole("end", 0) * SECOND_NS
        if not start_ns or (end_ns - start_ns) // (60 * minutes * SECOND_NS) > CANDLES_MAX:
            raise invalid(f"start and end must lie at most {CANDLES_MAX} candles apart")
        candles = [
            self.candle(listing, candle)
            for candle in reversed(listing.candles(minutes, start_ns - 1, MINUTES_KEPT_MAX))
            if candle.open_ns <= end_ns
        ]
        return {"candles": candles}

    def candle(self, listing: Listing, candle: Candle) -> Json:
        """Return a candle."""
        numbers = self.numbers[listing.symbol]
        return {
            "start": str(candle.open_ns // SECOND_NS),
            "low": numbers.price(candle.low_ticks),
            "high": numbers.price(candle.high_ticks),
            "open": numbers.price(candle.open_ticks),
            "close": numbers.price(candle.close_ticks),
            "volume": numbers.quantity(candle.volume_lots),
        }


def percent_change(listing: Listing) -> str:
    """Return by how many percent the price has changed in 24 hours."""
    open_ticks = listing.day().open_ticks
    change = listing.last_ticks - open_ticks
    units = 100 * change * 10**_PERCENT_DECIMALS
    sign = -1 if change < 0 else 1
    whole = sign * (abs(units) // open_ticks) if open_ticks else 0
    return format_units(whole, _PERCENT_DECIMALS)
