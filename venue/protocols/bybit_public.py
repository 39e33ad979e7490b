"""What needs no key: time, instruments, book, trades, candles, tickers, funding rates."""

import re
from collections.abc import Callable, Mapping

from venue.candles import MAX_TAPE, PublicTrade
from venue.engine import Engine
from venue.instruments import format_units
from venue.listing import MINUTES_KEPT_MAX, Listing
from venue.market_data import MarketData
from venue.protocols.bybit_errors import BybitError, invalid, parameter
from venue.protocols.bybit_filters import instrument_row
from venue.protocols.bybit_names import (
    CATEGORIES,
    EMPTY_CATEGORIES,
    INTERVALS,
    LINEAR,
    MS_NS,
    SPOT,
    Numbers,
    category_of,
    milliseconds,
    side_name,
    symbol_id,
    venue_id,
)

Json = dict[str, object]
Parameters = Mapping[str, str]

DEPTH_MAX = {SPOT: 200, LINEAR: 500}
DEPTH_DEFAULT = {SPOT: 1, LINEAR: 25}
TRADES_MAX = {SPOT: 60, LINEAR: 1_000}
CANDLES_MAX = 1_000
CANDLES_DEFAULT = 200
FUNDINGS_MAX = 200
PPB_DECIMALS = 9
PERCENT_DECIMALS = 4
_WHOLE = re.compile(r"[0-9]{1,18}")


def whole_number(given: Parameters, name: str, default: int) -> int:
    """Return an integer parameter. Raises `BybitError`."""
    text = given.get(name, "")
    if not text:
        return default
    if not _WHOLE.fullmatch(text):
        raise parameter(f"{name} invalid")
    return int(text)


def required(given: Parameters, name: str) -> str:
    """Return a parameter that must be there. Raises `BybitError`."""
    text = given.get(name, "")
    if not text:
        raise parameter(f"{name} is required")
    return text


class PublicEndpoints:
    """Answers what needs no key. The caller has advanced the market."""

    def __init__(self, engine: Engine, data: MarketData) -> None:
        self._engine = engine
        self._data = data
        self._derivatives = engine.exchange.derivatives
        self._by_id = {
            (category_of(each), symbol_id(each.instrument)): each
            for each in engine.listings.values()
        }
        self.numbers = {name: Numbers(each.instrument) for name, each in engine.listings.items()}
        self.methods: dict[str, Callable[[Parameters, int], Json]] = {
            "market/time": self._time,
            "market/instruments-info": self._instruments,
            "market/orderbook": self._order_book,
            "market/tickers": self._tickers,
            "market/recent-trade": self._trades,
            "market/kline": self._candles,
            "market/funding/history": self._funding_rates,
            "market/risk-limit": self._risk_limits,
            "system/status": self._status,
        }

    def category(self, given: Parameters) -> str:
        """Return the category that a request names. Raises `BybitError`."""
        category = required(given, "category")
        if category not in (*CATEGORIES, *EMPTY_CATEGORIES):
            raise parameter("category only support linear or inverse or option or spot")
        return category

    def listing_of(self, given: Parameters) -> Listing:
        """Return the listing that category and symbol name. Raises `BybitError`."""
        category, name = self.category(given), required(given, "symbol")
        listing = self._by_id.get((category, name))
        if listing is None:
            raise invalid(category, 170121, "Invalid symbol.", "symbol invalid")
        return listing

    def listing_named(self, category: str, name: str) -> Listing | None:
        """Return the listing with Bybit's id `name`."""
        return self._by_id.get((category, name))

    def listings_of(self, category: str) -> list[Listing]:
        """Return everything that is listed under a category."""
        return [each for (kind, _), each in self._by_id.items() if kind == category]

    def _wanted(self, given: Parameters) -> tuple[str, list[Listing]]:
        category = self.category(given)
        if given.get("symbol"):
            listing = self._by_id.get((category, given["symbol"]))
            if listing is None:
                raise BybitError(10001, "Not supported symbols")
            return category, [listing]
        return category, self.listings_of(category)

    # --- reference data ------------------------------------------------------------------------

    def _time(self, given: Parameters, now_ns: int) -> Json:
        return {"timeSecond": str(now_ns // 1_000_000_000), "timeNano": str(now_ns)}

    def _status(self, given: Parameters, now_ns: int) -> Json:
        return {"list": []}

    def _instruments(self, given: Parameters, now_ns: int) -> Json:
        category, wanted = self._wanted(given)
        if given.get("status", "Trading") != "Trading":
            wanted = []
        rows = [instrument_row(each) for each in wanted]
        return {"category": category, "list": rows, "nextPageCursor": ""}

    def _risk_limits(self, given: Parameters, now_ns: int) -> Json:
        category, wanted = self._wanted(given)
        rows: list[Json] = []
        for listing in wanted:
            contract = listing.instrument.contract
            if contract is not None:
                rows.append(
                    {
                        "id": 1,
                        "symbol": symbol_id(listing.instrument),
                        "riskLimitValue": "2000000",
                        "maintenanceMargin": format_units(contract.maintenance_ppm, 6),
                        "initialMargin": format_units(1_000_000 // contract.leverage_max, 6),
                        "isLowestRisk": 1,
                        "maxLeverage": f"{contract.leverage_max}.00",
                        "mmDeduction": "",
                    }
                )
        return {"category": category, "list": rows, "nextPageCursor": ""}

    # --- book and trades -----------------------------------------------------------------------

    def _order_book(self, given: Parameters, now_ns: int) -> Json:
        listing = self.listing_of(given)
        category = category_of(listing)
        limit = whole_number(given, "limit", DEPTH_DEFAULT[category])
        if not 1 <= limit <= DEPTH_MAX[category]:
            raise parameter("limit invalid")
        snapshot = self._data.snapshot(listing.symbol, limit, now_ns)
        numbers = self.numbers[listing.symbol]
        return {
            "s": symbol_id(listing.instrument),
            "b": [[numbers.price(p), numbers.quantity(q)] for p, q in snapshot.bids],
            "a": [[numbers.price(p), numbers.quantity(q)] for p, q in snapshot.asks],
            "ts": int(milliseconds(now_ns)),
            "u": snapshot.last_id,
            "seq": snapshot.last_id,
            "cts": int(milliseconds(now_ns)),
        }

    def _trades(self, given: Parameters, now_ns: int) -> Json:
        listing = self.listing_of(given)
        category, numbers = category_of(listing), self.numbers[listing.symbol]
        most = TRADES_MAX[category]
        trades = listing.tape.last(min(MAX_TAPE, most, max(1, whole_number(given, "limit", most))))
        symbol = symbol_id(listing.instrument)

        def row(trade: PublicTrade) -> Json:
            return {
                "execId": venue_id(category, "trade", trade.trade_id),
                "symbol": symbol,
                "price": numbers.price(trade.price_ticks),
                "size": numbers.quantity(trade.quantity_lots),
                "side": side_name(trade.side),
                "time": milliseconds(trade.at_ns),
                "isBlockTrade": False,
                "isRPITrade": False,
                "seq": str(trade.trade_id),
            }

        return {"category": category, "list": [row(each) for each in reversed(trades)]}

    # --- candles and tickers -------------------------------------------------------------------

    def _candles(self, given: Parameters, now_ns: int) -> Json:
        listing = self.listing_of(given)
        minutes = INTERVALS.get(required(given, "interval"))
        if minutes is None:
            raise parameter("Invalid period!")
        limit = max(1, min(whole_number(given, "limit", CANDLES_DEFAULT), CANDLES_MAX))
        start_ns = whole_number(given, "start", 0) * MS_NS
        end_ns = whole_number(given, "end", 0) * MS_NS or 1 << 62
        found = listing.candles(minutes, start_ns - 1, MINUTES_KEPT_MAX)
        candles = [each for each in found if each.open_ns <= end_ns]
        candles = candles[:limit] if start_ns else candles[-limit:]
        numbers = self.numbers[listing.symbol]
        rows = [
            [
                milliseconds(each.open_ns),
                *map(
                    numbers.price,
                    (each.open_ticks, each.high_ticks, each.low_ticks, each.close_ticks),
                ),
                numbers.quantity(each.volume_lots),
                numbers.turnover(each.turnover),
            ]
            for each in reversed(candles)
        ]
        symbol = symbol_id(listing.instrument)
        return {"category": category_of(listing), "symbol": symbol, "list": rows}

    def _tickers(self, given: Parameters, now_ns: int) -> Json:
        category, wanted = self._wanted(given)
        return {"category": category, "list": [self.ticker(each, now_ns) for each in wanted]}

    def ticker(self, listing: Listing, now_ns: int) -> Json:
        """Return everything that a ticker tells of a listing."""
        numbers, day = self.numbers[listing.symbol], listing.day()
        bids, asks = listing.book.depth(1)
        (bid, bid_lots), *_ = bids.tolist() or [[0, 0]]
        (ask, ask_lots), *_ = asks.tolist() or [[0, 0]]
        change = listing.last_ticks - day.open_ticks
        percent = 10**PERCENT_DECIMALS * change // day.open_ticks if day.open_ticks else 0
        row: Json = {
            "symbol": symbol_id(listing.instrument),
            "bid1Price": numbers.price(bid),
            "bid1Size": numbers.quantity(bid_lots),
            "ask1Price": numbers.price(ask),
            "ask1Size": numbers.quantity(ask_lots),
            "lastPrice": numbers.price(listing.last_ticks),
            "prevPrice24h": numbers.price(day.open_ticks),
            "price24hPcnt": format_units(percent, PERCENT_DECIMALS),
            "highPrice24h": numbers.price(day.high_ticks),
            "lowPrice24h": numbers.price(day.low_ticks),
            "turnover24h": numbers.turnover(day.turnover),
            "volume24h": numbers.quantity(day.volume_lots),
        }
        if listing.instrument.contract is None:
            return row | {"usdIndexPrice": numbers.price(listing.last_ticks)}
        return row | self._contract_ticker(listing, now_ns)

    def _contract_ticker(self, listing: Listing, now_ns: int) -> Json:
        symbol, numbers = listing.symbol, self.numbers[listing.symbol]
        contract = listing.instrument.contract
        assert contract is not None, "a spot pair has no mark price"
        next_ns = self._derivatives.next_funding_ns(symbol, now_ns)
        rate_ppb = self._derivatives.funding_rate_ppb(symbol, next_ns)
        positions = self._engine.records.positions.values()
        open_lots = sum(abs(each.lots) for each in positions if each.symbol == symbol)
        mark_ticks = self._derivatives.mark_ticks(symbol)
        return {
            "markPrice": numbers.price(mark_ticks),
            "indexPrice": numbers.price(self._derivatives.index_ticks(symbol)),
            "prevPrice1h": numbers.price(listing.day().open_ticks),
            "openInterest": numbers.quantity(open_lots),
            "openInterestValue": numbers.quote(
                listing.instrument.cost_units(mark_ticks, open_lots)
            ),
            "fundingRate": format_units(rate_ppb, PPB_DECIMALS),
            "nextFundingTime": milliseconds(next_ns),
            "fundingIntervalHour": str(contract.funding_interval_s // 3_600),
        }

    def _funding_rates(self, given: Parameters, now_ns: int) -> Json:
        listing = self.listing_of(given)
        start_ns = whole_number(given, "startTime", 0) * MS_NS
        end_ns = whole_number(given, "endTime", 0) * MS_NS or 1 << 62
        limit = max(1, min(whole_number(given, "limit", FUNDINGS_MAX), FUNDINGS_MAX))
        rows = [
            {
                "symbol": symbol_id(listing.instrument),
                "fundingRate": format_units(row.rate_ppb, PPB_DECIMALS),
                "fundingRateTimestamp": milliseconds(row.at_ns),
            }
            for row in reversed(self._engine.records.funding)
            if row.symbol == listing.symbol and start_ns <= row.at_ns <= end_ns
        ]
        return {"category": category_of(listing), "list": rows[:limit]}
