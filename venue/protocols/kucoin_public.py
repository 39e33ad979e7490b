"""What needs no key: time, symbols, currencies, book, trades, candles, tickers."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from venue.candles import Candle, PublicTrade
from venue.engine import Engine
from venue.instruments import format_units
from venue.listing import MINUTES_KEPT_MAX, Listing
from venue.market_data import Level, MarketData, top_of
from venue.protocols.kucoin_errors import invalid, no_such_symbol
from venue.protocols.kucoin_names import (
    INTERVALS,
    SECOND_NS,
    Numbers,
    milliseconds,
    side_name,
    symbol_id,
)
from venue.protocols.kucoin_orders import whole_number

Json = dict[str, object]
Answer = Json | list[Json] | list[list[str]] | str | int | bool | None
Parameters = Mapping[str, str]

CANDLES_MAX = 1_500
TRADES = 100
# The whole book by REST: more levels than the flow ever quotes.
LEVELS_MAX = 20_000
_RATE_DECIMALS = 4


class PublicEndpoints:
    """Answers what needs no key. The caller has advanced the market."""

    def __init__(self, engine: Engine, data: MarketData) -> None:
        self._engine = engine
        self._data = data
        self._by_id = {symbol_id(each.instrument): each for each in engine.listings.values()}
        self.numbers = {name: Numbers(each.instrument) for name, each in engine.listings.items()}
        self.methods: dict[str, Callable[[Parameters, int], Answer]] = {
            "timestamp": self._timestamp,
            "status": self._status,
            "symbols": self._symbols,
            "symbols/{symbol}": self._one_symbol,
            "currencies": self._currencies,
            "market/allTickers": self._all_tickers,
            "market/stats": self._stats,
            "market/orderbook/level1": self._level1,
            "market/orderbook/level2_20": self._book20,
            "market/orderbook/level2_100": self._book100,
            "market/histories": self._histories,
            "market/candles": self._candles,
        }

    def listing_of(self, given: Parameters) -> Listing:
        """Return the listing that `symbol` names. Raises `KucoinError`."""
        name = given.get("symbol", "")
        if not name:
            raise invalid("symbol is required")
        listing = self._by_id.get(name)
        if listing is None:
            raise no_such_symbol()
        return listing

    def listing_named(self, name: str) -> Listing | None:
        """Return the listing with KuCoin's id `name`."""
        return self._by_id.get(name)

    # --- reference data ------------------------------------------------------------------------

    def _timestamp(self, given: Parameters, now_ns: int) -> int:
        return milliseconds(now_ns)

    def _status(self, given: Parameters, now_ns: int) -> Json:
        return {"status": "open", "msg": ""}

    def _one_symbol(self, given: Parameters, now_ns: int) -> Json:
        return self._symbol(self.listing_of(given))

    def _symbols(self, given: Parameters, now_ns: int) -> list[Json]:
        return [self._symbol(listing) for listing in self._engine.listings.values()]

    def _symbol(self, listing: Listing) -> Json:
        instrument, numbers = listing.instrument, self.numbers[listing.symbol]
        least_cost = instrument.quote.format(instrument.cost_minimum_units)
        return {
            "symbol": symbol_id(instrument),
            "name": symbol_id(instrument),
            "baseCurrency": instrument.base.name,
            "quoteCurrency": instrument.quote.name,
            "feeCurrency": instrument.quote.name,
            "market": instrument.quote.name,
            "baseMinSize": numbers.quantity(instrument.order_minimum_lots),
            "quoteMinSize": least_cost,
            "minFunds": least_cost,
            "baseMaxSize": "10000000000",
            "quoteMaxSize": "99999999",
            "baseIncrement": numbers.quantity(1),
            "quoteIncrement": "0.000001",
            "priceIncrement": numbers.price(1),
            "priceLimitRate": "0.1",
            "isMarginEnabled": False,
            "enableTrading": not listing.is_halted,
            "feeCategory": 1,
            "makerFeeCoefficient": "1.00",
            "takerFeeCoefficient": "1.00",
            "st": False,
        }

    def _currencies(self, given: Parameters, now_ns: int) -> list[Json]:
        return [
            {
                "currency": name,
                "name": name,
                "fullName": name,
                "precision": asset.decimals,
                "confirms": None,
                "contractAddress": None,
                "isMarginEnabled": False,
                "isDebitEnabled": False,
                "chains": None,
            }
            for name, asset in self._engine.assets.items()
        ]

    # --- book and trades -----------------------------------------------------------------------

    def book(self, given: Parameters, now_ns: int, levels: int = LEVELS_MAX) -> Json:
        """Return the best levels and the number of the last change that they include."""
        listing = self.listing_of(given)
        snapshot = self._data.snapshot(listing.symbol, levels, now_ns)
        return {
            "time": milliseconds(now_ns),
            "sequence": str(snapshot.last_id),
            "bids": self._levels(listing, snapshot.bids),
            "asks": self._levels(listing, snapshot.asks),
        }

    def _book20(self, given: Parameters, now_ns: int) -> Json:
        return self.book(given, now_ns, 20)

    def _book100(self, given: Parameters, now_ns: int) -> Json:
        return self.book(given, now_ns, 100)

    def _levels(self, listing: Listing, levels: list[Level]) -> list[list[str]]:
        numbers = self.numbers[listing.symbol]
        return [[numbers.price(ticks), numbers.quantity(lots)] for ticks, lots in levels]

    def _histories(self, given: Parameters, now_ns: int) -> list[Json]:
        listing = self.listing_of(given)
        return [self._trade(listing, trade) for trade in listing.tape.last(TRADES)]

    def _trade(self, listing: Listing, trade: PublicTrade) -> Json:
        numbers = self.numbers[listing.symbol]
        return {
            "sequence": str(trade.trade_id),
            "price": numbers.price(trade.price_ticks),
            "size": numbers.quantity(trade.quantity_lots),
            "side": side_name(trade.side),
            "time": trade.at_ns,
        }

    # --- candles and tickers -------------------------------------------------------------------

    def _candles(self, given: Parameters, now_ns: int) -> list[list[str]]:
        """Return the candles of a span, newest first."""
        listing = self.listing_of(given)
        interval = given.get("type", "")
        if interval not in INTERVALS:
            raise invalid("type is invalid")
        start_ns = whole_number(given, "startAt", 0) * SECOND_NS
        end_ns = whole_number(given, "endAt", 0) * SECOND_NS or 1 << 62
        candles = [
            candle
            for candle in listing.candles(INTERVALS[interval], start_ns - 1, MINUTES_KEPT_MAX)
            if candle.open_ns < end_ns + SECOND_NS
        ]
        return [self.candle(listing, each) for each in reversed(candles[-CANDLES_MAX:])]

    def candle(self, listing: Listing, candle: Candle) -> list[str]:
        """Return when it began, open, close, high, low, volume in base and in quote."""
        numbers = self.numbers[listing.symbol]
        ticks = (candle.open_ticks, candle.close_ticks, candle.high_ticks, candle.low_ticks)
        return [
            str(candle.open_ns // SECOND_NS),
            *map(numbers.price, ticks),
            numbers.quantity(candle.volume_lots),
            numbers.turnover(candle.turnover),
        ]

    def _all_tickers(self, given: Parameters, now_ns: int) -> Json:
        return {
            "time": milliseconds(now_ns),
            "ticker": [
                {**self.day(each), "symbolName": symbol_id(each.instrument)}
                for each in self._engine.listings.values()
            ],
        }

    def _stats(self, given: Parameters, now_ns: int) -> Json:
        return {"time": milliseconds(now_ns), **self.day(self.listing_of(given))}

    def day(self, listing: Listing) -> Json:
        """Return the last 24 hours and the best prices."""
        numbers, day, top = self.numbers[listing.symbol], listing.day(), top_of(listing)
        mean = day.turnover // day.volume_lots if day.volume_lots else 0
        return {
            "symbol": symbol_id(listing.instrument),
            "buy": numbers.price(top.bid_ticks),
            "bestBidSize": numbers.quantity(top.bid_lots),
            "sell": numbers.price(top.ask_ticks),
            "bestAskSize": numbers.quantity(top.ask_lots),
            "changeRate": change_rate(listing),
            "changePrice": numbers.price(listing.last_ticks - day.open_ticks),
            "high": numbers.price(day.high_ticks),
            "low": numbers.price(day.low_ticks),
            "vol": numbers.quantity(day.volume_lots),
            "volValue": numbers.turnover(day.turnover),
            "last": numbers.price(listing.last_ticks),
            "averagePrice": numbers.price(mean),
            "takerFeeRate": "0.001",
            "makerFeeRate": "0.001",
            "takerCoefficient": "1",
            "makerCoefficient": "1",
        }

    def _level1(self, given: Parameters, now_ns: int) -> Json:
        return self.top(self.listing_of(given), now_ns)

    def top(self, listing: Listing, now_ns: int) -> Json:
        """Return the best prices and the last trade."""
        numbers, top = self.numbers[listing.symbol], top_of(listing)
        last = listing.tape.last(1)
        return {
            "sequence": str(self._data.snapshot(listing.symbol, 1, now_ns).last_id),
            "price": numbers.price(listing.last_ticks),
            "size": numbers.quantity(last[0].quantity_lots if last else 0),
            "bestBid": numbers.price(top.bid_ticks),
            "bestBidSize": numbers.quantity(top.bid_lots),
            "bestAsk": numbers.price(top.ask_ticks),
            "bestAskSize": numbers.quantity(top.ask_lots),
            "time": milliseconds(now_ns),
        }


def change_rate(listing: Listing) -> str:
    """Return how the price has changed in 24 hours, as a fraction with four decimals."""
    open_ticks = listing.day().open_ticks
    change = listing.last_ticks - open_ticks
    units = int(Decimal(change * 10**_RATE_DECIMALS) / open_ticks) if open_ticks else 0
    return format_units(units, _RATE_DECIMALS)
