"""What needs no key, spot and futures alike: time, symbols, book, trades, candles, tickers."""

import json
import re
from collections.abc import Callable, Mapping

from venue.candles import MAX_TAPE, MINUTE_NS, Candle, PublicTrade
from venue.engine import Engine
from venue.instruments import format_units
from venue.listing import MINUTES_KEPT_MAX, Listing
from venue.market_data import MarketData
from venue.orders import BUY
from venue.protocols.binance_errors import BinanceError, invalid_symbol, mandatory
from venue.protocols.binance_filters import filters_of
from venue.protocols.binance_flavor import Flavor
from venue.protocols.binance_names import (
    DECIMALS,
    INTERVALS,
    MS_NS,
    Numbers,
    milliseconds,
    symbol_id,
)
from venue.protocols.binance_orders import FUTURES_TIMES, FUTURES_TYPES, SPOT_TYPES

Json = dict[str, object]
Answer = Json | list[Json] | list[list[object]]
Parameters = Mapping[str, str]

DEPTH_MAX = 5_000
ROWS_MAX = 1_000
ROWS_DEFAULT = 500
FUTURES_DEPTHS = (5, 10, 20, 50, 100, 500, 1_000)
# A perpetual is delivered on Christmas 2100.
NEVER_MS = 4_133_404_800_000
_WHOLE = re.compile(r"[0-9]{1,18}")


def whole_number(given: Parameters, name: str, default: int) -> int:
    """Return an integer parameter. Raises `BinanceError`."""
    text = given.get(name, "")
    if not text:
        return default
    if not _WHOLE.fullmatch(text):
        raise BinanceError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return int(text)


class PublicEndpoints:
    """Answers what needs no key. Every method advances the market first."""

    def __init__(self, engine: Engine, flavor: Flavor, data: MarketData) -> None:
        self._engine = engine
        self._flavor = flavor
        self._data = data
        self._by_id = {symbol_id(each.instrument): each for each in engine.listings.values()}
        self._numbers = {
            symbol: Numbers(each.instrument, is_futures=flavor.is_futures)
            for symbol, each in engine.listings.items()
        }
        self.methods: dict[str, Callable[[Parameters, int], Answer]] = {
            "ping": self._ping,
            "time": self._time,
            "exchangeInfo": self._exchange_info,
            "depth": self.depth,
            "trades": self._trades,
            "aggTrades": self._aggregate_trades,
            "klines": self._klines,
            "ticker/24hr": self._day_tickers,
            "ticker/price": self._price_tickers,
            "ticker/bookTicker": self._book_tickers,
            "avgPrice": self._average_price,
        }

    def listing_of(self, given: Parameters) -> Listing:
        """Return the listing that `symbol` names. Raises `BinanceError`."""
        name = given.get("symbol", "")
        if not name:
            raise mandatory("symbol")
        listing = self._by_id.get(name)
        if listing is None:
            raise invalid_symbol()
        return listing

    def listing_named(self, name: str) -> Listing | None:
        """Return the listing with Binance's id `name`, in any case."""
        return self._by_id.get(name.upper())

    def many(self, given: Parameters, each: Callable[[Listing], Json]) -> Json | list[Json]:
        """Return one row for `symbol`, a list for `symbols` or for all."""
        if given.get("symbol"):
            return each(self.listing_of(given))
        names = given.get("symbols", "")
        if not names:
            return [each(listing) for listing in self._engine.listings.values()]
        try:
            wanted = json.loads(names)
            return [each(self.listing_of({"symbol": str(name)})) for name in wanted]
        except (ValueError, TypeError) as error:
            raise BinanceError(-1130, "Data sent for parameter 'symbols' is not valid.") from error

    # --- reference data ------------------------------------------------------------------------

    def _ping(self, given: Parameters, now_ns: int) -> Json:
        return {}

    def _time(self, given: Parameters, now_ns: int) -> Json:
        return {"serverTime": milliseconds(now_ns)}

    def _exchange_info(self, given: Parameters, now_ns: int) -> Json:
        minute = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        rows = self.many(given, self._symbol)
        info: Json = {
            "timezone": "UTC",
            "serverTime": milliseconds(now_ns),
            "rateLimits": [{**minute, "limit": self._flavor.weight_per_minute}],
            "exchangeFilters": [],
            "symbols": rows if isinstance(rows, list) else [rows],
        }
        if self._flavor.is_futures:
            info["assets"] = [
                {"asset": name, "marginAvailable": True, "autoAssetExchange": "0"}
                for name in {each.instrument.quote.name for each in self._engine.listings.values()}
            ]
        return info

    def _symbol(self, listing: Listing) -> Json:
        instrument = listing.instrument
        status = "BREAK" if listing.is_halted else "TRADING"
        common: Json = {
            "symbol": symbol_id(instrument),
            "status": status,
            "baseAsset": instrument.base.name,
            "quoteAsset": instrument.quote.name,
            "baseAssetPrecision": DECIMALS,
            "quotePrecision": DECIMALS,
            "filters": filters_of(self._flavor, instrument),
        }
        if self._flavor.is_futures:
            contract = instrument.contract
            assert contract is not None, "USD-M lists perpetuals only"
            return common | {
                "pair": symbol_id(instrument),
                "contractType": "PERPETUAL",
                "deliveryDate": NEVER_MS,
                "onboardDate": milliseconds(listing.epoch_ns),
                "maintMarginPercent": format_units(contract.maintenance_ppm, 4),
                "requiredMarginPercent": "5.0000",
                "marginAsset": instrument.quote.name,
                "pricePrecision": instrument.price_decimals,
                "quantityPrecision": instrument.lot_decimals,
                "underlyingType": "COIN",
                "orderTypes": list(FUTURES_TYPES),
                "timeInForce": list(FUTURES_TIMES),
                "orderType": list(FUTURES_TYPES),
            }
        return common | {
            "quoteAssetPrecision": DECIMALS,
            "baseCommissionPrecision": DECIMALS,
            "quoteCommissionPrecision": DECIMALS,
            "orderTypes": list(SPOT_TYPES),
            "icebergAllowed": False,
            "ocoAllowed": False,
            "otoAllowed": False,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": False,
            "cancelReplaceAllowed": True,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "permissions": ["SPOT"],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
            "allowedSelfTradePreventionModes": ["EXPIRE_MAKER"],
        }

    # --- book and trades -----------------------------------------------------------------------

    def depth(self, given: Parameters, now_ns: int) -> Json:
        """Return the best levels and the id of the last update that they include."""
        listing = self.listing_of(given)
        limit = whole_number(given, "limit", ROWS_DEFAULT if self._flavor.is_futures else 100)
        if self._flavor.is_futures and limit not in FUTURES_DEPTHS:
            raise BinanceError(-4021, f"{limit} is not valid depth limit.")
        snapshot = self._data.snapshot(listing.symbol, max(1, min(limit, DEPTH_MAX)), now_ns)
        numbers = self._numbers[listing.symbol]
        answer: Json = {"lastUpdateId": snapshot.last_id}
        if self._flavor.is_futures:
            answer |= {"E": milliseconds(now_ns), "T": milliseconds(now_ns)}
        for name, levels in (("bids", snapshot.bids), ("asks", snapshot.asks)):
            answer[name] = [[numbers.price(p), numbers.quantity(q)] for p, q in levels]
        return answer

    def _chosen(self, listing: Listing, given: Parameters) -> list[PublicTrade]:
        limit = max(1, min(whole_number(given, "limit", ROWS_DEFAULT), ROWS_MAX))
        from_id = whole_number(given, "fromId", 0)
        start_ns = whole_number(given, "startTime", 0) * MS_NS
        end_ns = whole_number(given, "endTime", 0) * MS_NS or 1 << 62
        chosen = [
            trade
            for trade in listing.tape.last(MAX_TAPE)
            if trade.trade_id >= from_id and start_ns <= trade.at_ns < end_ns + MS_NS
        ]
        return chosen[:limit] if from_id or start_ns else chosen[-limit:]

    def _trades(self, given: Parameters, now_ns: int) -> list[Json]:
        listing = self.listing_of(given)
        numbers = self._numbers[listing.symbol]
        cost = listing.instrument.cost_units
        return [
            {
                "id": trade.trade_id,
                "price": numbers.price(trade.price_ticks),
                "qty": numbers.quantity(trade.quantity_lots),
                "quoteQty": numbers.quote(cost(trade.price_ticks, trade.quantity_lots)),
                "time": milliseconds(trade.at_ns),
                "isBuyerMaker": trade.side != BUY,
                **({} if self._flavor.is_futures else {"isBestMatch": True}),
            }
            for trade in self._chosen(listing, given)
        ]

    def _aggregate_trades(self, given: Parameters, now_ns: int) -> list[Json]:
        listing = self.listing_of(given)
        numbers = self._numbers[listing.symbol]
        return [
            {
                "a": trade.trade_id,
                "p": numbers.price(trade.price_ticks),
                "q": numbers.quantity(trade.quantity_lots),
                "f": trade.trade_id,
                "l": trade.trade_id,
                "T": milliseconds(trade.at_ns),
                "m": trade.side != BUY,
                **({} if self._flavor.is_futures else {"M": True}),
            }
            for trade in self._chosen(listing, given)
        ]

    # --- candles and tickers -------------------------------------------------------------------

    def _klines(self, given: Parameters, now_ns: int) -> list[list[object]]:
        listing = self.listing_of(given)
        interval = given.get("interval", "")
        if not interval:
            raise mandatory("interval")
        if interval not in INTERVALS:
            raise BinanceError(-1120, "Invalid interval.")
        limit = max(1, min(whole_number(given, "limit", ROWS_DEFAULT), ROWS_MAX))
        start_ns = whole_number(given, "startTime", 0) * MS_NS
        end_ns = whole_number(given, "endTime", 0) * MS_NS or 1 << 62
        minutes = INTERVALS[interval]
        candles = [
            candle
            for candle in listing.candles(minutes, start_ns - 1, MINUTES_KEPT_MAX)
            if candle.open_ns <= end_ns
        ]
        candles = candles[:limit] if start_ns else candles[-limit:]
        return [self._kline(listing, candle, minutes) for candle in candles]

    def _kline(self, listing: Listing, candle: Candle, minutes: int) -> list[object]:
        numbers = self._numbers[listing.symbol]
        ticks = (candle.open_ticks, candle.high_ticks, candle.low_ticks, candle.close_ticks)
        return [
            milliseconds(candle.open_ns),
            *map(numbers.price, ticks),
            numbers.quantity(candle.volume_lots),
            milliseconds(candle.open_ns + minutes * MINUTE_NS) - 1,
            numbers.turnover(candle.turnover),
            candle.trades,
            # Who took is not kept in candles: half each.
            numbers.quantity(candle.volume_lots // 2),
            numbers.turnover(candle.turnover // 2),
            "0",
        ]

    def _day_tickers(self, given: Parameters, now_ns: int) -> Answer:
        return self.many(given, lambda listing: self._day_ticker(listing, now_ns))

    def _day_ticker(self, listing: Listing, now_ns: int) -> Json:
        numbers, day = self._numbers[listing.symbol], listing.day()
        change = listing.last_ticks - day.open_ticks
        percent = 100_000 * change // day.open_ticks if day.open_ticks else 0
        mean = day.turnover // day.volume_lots if day.volume_lots else 0
        last = listing.tape.last(1)
        row: Json = {
            "symbol": symbol_id(listing.instrument),
            "priceChange": numbers.price(change),
            "priceChangePercent": format_units(percent, 3),
            "weightedAvgPrice": numbers.price(mean),
            "lastPrice": numbers.price(listing.last_ticks),
            "lastQty": numbers.quantity(last[0].quantity_lots if last else 0),
            "openPrice": numbers.price(day.open_ticks),
            "highPrice": numbers.price(day.high_ticks),
            "lowPrice": numbers.price(day.low_ticks),
            "volume": numbers.quantity(day.volume_lots),
            "quoteVolume": numbers.turnover(day.turnover),
            "openTime": milliseconds(now_ns) - 86_400_000,
            "closeTime": milliseconds(now_ns),
            "firstId": max(0, listing.tape.next_id - day.trades),
            "lastId": listing.tape.next_id - 1,
            "count": day.trades,
        }
        if self._flavor.is_futures:
            return row
        return row | self._best(listing) | {"prevClosePrice": numbers.price(day.open_ticks)}

    def _price_tickers(self, given: Parameters, now_ns: int) -> Answer:
        def row(listing: Listing) -> Json:
            price = self._numbers[listing.symbol].price(listing.last_ticks)
            found: Json = {"symbol": symbol_id(listing.instrument), "price": price}
            return found | ({"time": milliseconds(now_ns)} if self._flavor.is_futures else {})

        return self.many(given, row)

    def _book_tickers(self, given: Parameters, now_ns: int) -> Answer:
        def row(listing: Listing) -> Json:
            found = {"symbol": symbol_id(listing.instrument), **self._best(listing)}
            return found | ({"time": milliseconds(now_ns)} if self._flavor.is_futures else {})

        return self.many(given, row)

    def _best(self, listing: Listing) -> Json:
        numbers = self._numbers[listing.symbol]
        bids, asks = listing.book.depth(1)
        (bid, bid_lots), *_ = bids.tolist() or [[0, 0]]
        (ask, ask_lots), *_ = asks.tolist() or [[0, 0]]
        return {
            "bidPrice": numbers.price(bid),
            "bidQty": numbers.quantity(bid_lots),
            "askPrice": numbers.price(ask),
            "askQty": numbers.quantity(ask_lots),
        }

    def _average_price(self, given: Parameters, now_ns: int) -> Json:
        listing = self.listing_of(given)
        price = self._numbers[listing.symbol].price(listing.last_ticks)
        return {"mins": 5, "price": price, "closeTime": milliseconds(now_ns)}
