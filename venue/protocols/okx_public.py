"""What needs no key: time, instruments, books, trades, candles, tickers, mark prices, funding."""

import re
from collections.abc import Callable, Iterable, Mapping

from venue.candles import MAX_TAPE, MINUTE_NS, Candle, PublicTrade
from venue.engine import Engine
from venue.listing import MINUTES_KEPT_MAX, Listing
from venue.market_data import MarketData
from venue.protocols.okx_errors import empty, incorrect, no_instrument
from venue.protocols.okx_names import (
    INTERVALS,
    MS_NS,
    SPOT,
    SWAP,
    Numbers,
    decimal,
    family,
    inst_id,
    inst_type,
    milliseconds,
    side_name,
)

Json = dict[str, object]
Row = Json | list[object]
Parameters = Mapping[str, str]
Method = Callable[[Parameters, int], list[Row]]

INSTRUMENT_TYPES = (SPOT, "MARGIN", SWAP, "FUTURES", "OPTION", "ANY")
BOOK_LEVELS_MAX = 400
FULL_BOOK_LEVELS_MAX = 5_000
TRADES_MAX = 500
CANDLES_MAX = 300
FUNDING_ROWS_MAX = 400
PAGE_MAX = 100
SIZE_MAX = "9999999999"
PPB_DECIMALS = 9
NEVER_MS = 1 << 43  # in the year 2248
_WHOLE = re.compile(r"[0-9]{1,18}")


def whole_number(given: Parameters, name: str, default: int) -> int:
    """Return an integer parameter. Raises `OkxError`."""
    text = given.get(name, "")
    if not text:
        return default
    if not _WHOLE.fullmatch(text):
        raise incorrect(name)
    return int(text)


def page_size(given: Parameters, default: int, most: int) -> int:
    """Return how many rows a query wants. Raises `OkxError`."""
    return max(1, min(whole_number(given, "limit", default), most))


class PublicEndpoints:
    """Answers what needs no key. The caller has advanced the market."""

    def __init__(self, engine: Engine, data: MarketData) -> None:
        self._engine = engine
        self._data = data
        self._derivatives = engine.exchange.derivatives
        listings = engine.listings
        self._by_id = {inst_id(each.instrument): each for each in listings.values()}
        self.codes = {name: at for at, name in enumerate(self._by_id, start=1)}
        """The numbers by which orders over a socket name instruments."""
        self.numbers = {name: Numbers(each.instrument) for name, each in listings.items()}
        self.methods: dict[str, Method] = {
            "public/time": self._time,
            "public/instruments": self._instruments,
            "public/mark-price": self._mark_prices,
            "public/funding-rate": self._funding_rates,
            "public/funding-rate-history": self._funding_history,
            "public/price-limit": self._price_limit,
            "market/books": lambda given, now_ns: self.books(given, BOOK_LEVELS_MAX, now_ns),
            "market/books-full": lambda given, now_ns: self.books(
                given, FULL_BOOK_LEVELS_MAX, now_ns
            ),
            "market/trades": self._trades,
            "market/history-trades": self._trades,
            "market/candles": self._candles,
            "market/history-candles": self._candles,
            "market/ticker": self._ticker,
            "market/tickers": self._tickers,
            "market/index-tickers": self._index_tickers,
            "system/status": self._maintenance,
        }

    # --- instruments ---------------------------------------------------------------------------

    def listing_of(self, given: Parameters) -> Listing:
        """Return the listing that `instId` names. Raises `OkxError`."""
        name = given.get("instId", "")
        if not name:
            raise empty("instId")
        return self.listing_named(name)

    def listing_named(self, name: str) -> Listing:
        """Return the listing with OKX's id `name`. Raises `OkxError`."""
        listing = self._by_id.get(name)
        if listing is None:
            raise no_instrument()
        return listing

    def perpetual_of(self, given: Parameters) -> Listing:
        """Return the perpetual that `instId` names. Raises `OkxError`."""
        listing = self.listing_of(given)
        if listing.instrument.contract is None:
            raise incorrect("instId")
        return listing

    def wanted(self, given: Parameters) -> list[Listing]:
        """Return the listings that `instType`, `instId`, `instFamily` and `uly` name, if given."""
        kind = given.get("instType", "")
        if kind and kind not in INSTRUMENT_TYPES:
            raise incorrect("instType")
        name = given.get("instId", "")
        of = given.get("instFamily", "") or given.get("uly", "")
        return [
            each
            for each in self._engine.listings.values()
            if kind in ("", "ANY", inst_type(each.instrument))
            and name in ("", inst_id(each.instrument))
            and of in ("", family(each.instrument))
        ]

    def _of_type(self, given: Parameters) -> list[Listing]:
        if not given.get("instType"):
            raise empty("instType")
        return self.wanted(given)

    def _time(self, given: Parameters, now_ns: int) -> list[Row]:
        return [{"ts": milliseconds(now_ns)}]

    def _maintenance(self, given: Parameters, now_ns: int) -> list[Row]:
        return []

    def _instruments(self, given: Parameters, now_ns: int) -> list[Row]:
        return [self._instrument(each) for each in self._of_type(given)]

    def _instrument(self, listing: Listing) -> Json:
        instrument, numbers = listing.instrument, self.numbers[listing.symbol]
        contract = instrument.contract
        is_spot = contract is None
        name = inst_id(instrument)
        return {
            "alias": "",
            "baseCcy": instrument.base.name if is_spot else "",
            "category": "1",
            "ctMult": "" if is_spot else "1",
            "ctType": "" if is_spot else "linear",
            "ctVal": "" if is_spot else numbers.contract_value,
            "ctValCcy": "" if is_spot else instrument.base.name,
            "expTime": "",
            "instFamily": "" if is_spot else family(instrument),
            "instId": name,
            "instIdCode": self.codes[name],
            "instType": inst_type(instrument),
            "lever": "" if contract is None else str(contract.leverage_max),
            "listTime": milliseconds(listing.epoch_ns),
            "lotSz": numbers.size(1),
            "maxLmtSz": SIZE_MAX,
            "maxMktSz": SIZE_MAX,
            "maxStopSz": SIZE_MAX,
            "maxTriggerSz": SIZE_MAX,
            "minSz": numbers.size(instrument.order_minimum_lots),
            "optType": "",
            "quoteCcy": instrument.quote.name if is_spot else "",
            "ruleType": "normal",
            "settleCcy": "" if is_spot else instrument.quote.name,
            "state": "suspend" if listing.is_halted else "live",
            "stk": "",
            "tickSz": numbers.price(1),
            "uly": "" if is_spot else family(instrument),
        }

    def _price_limit(self, given: Parameters, now_ns: int) -> list[Row]:
        listing = self.listing_of(given)
        last = listing.last_ticks
        numbers = self.numbers[listing.symbol]
        return [
            {
                "instType": inst_type(listing.instrument),
                "instId": inst_id(listing.instrument),
                "buyLmt": numbers.price(last * 2),
                "sellLmt": numbers.price(last // 2),
                "ts": milliseconds(now_ns),
                "enabled": False,
            }
        ]

    # --- book and trades -----------------------------------------------------------------------

    def books(self, given: Parameters, most: int, now_ns: int) -> list[Row]:
        """Return the best levels and the id of the last update that they include."""
        listing = self.listing_of(given)
        wanted = whole_number(given, "sz", 1)
        if not 1 <= wanted <= most:
            raise incorrect("sz")
        snapshot = self._data.snapshot(listing.symbol, wanted, now_ns)
        numbers = self.numbers[listing.symbol]
        return [
            {
                "asks": levels(numbers, snapshot.asks),
                "bids": levels(numbers, snapshot.bids),
                "ts": milliseconds(now_ns),
                "seqId": snapshot.last_id,
            }
        ]

    def _trades(self, given: Parameters, now_ns: int) -> list[Row]:
        """Return trades, newest first; `after` and `before` are ids."""
        listing = self.listing_of(given)
        limit = page_size(given, PAGE_MAX, TRADES_MAX)
        after = whole_number(given, "after", 1 << 62)
        before = whole_number(given, "before", 0)
        trades = [each for each in listing.tape.last(MAX_TAPE) if before < each.trade_id < after]
        return [self.trade(listing, each) for each in reversed(trades[-limit:])]

    def trade(self, listing: Listing, trade: PublicTrade) -> Json:
        """Return a public trade."""
        numbers = self.numbers[listing.symbol]
        return {
            "instId": inst_id(listing.instrument),
            "tradeId": str(trade.trade_id),
            "px": numbers.price(trade.price_ticks),
            "sz": numbers.size(trade.quantity_lots),
            "side": side_name(trade.side),
            "ts": milliseconds(trade.at_ns),
            "source": "0",
        }

    # --- candles -------------------------------------------------------------------------------

    def _candles(self, given: Parameters, now_ns: int) -> list[Row]:
        """Return candles, newest first; `after` and `before` are times."""
        listing = self.listing_of(given)
        minutes = INTERVALS.get(given.get("bar", "1m"))
        if minutes is None:
            raise incorrect("bar")
        limit = page_size(given, PAGE_MAX, CANDLES_MAX)
        before_ns = whole_number(given, "before", 0) * MS_NS
        after_ns = whole_number(given, "after", NEVER_MS) * MS_NS
        found = listing.candles(minutes, before_ns, MINUTES_KEPT_MAX)
        chosen = [each for each in found if each.open_ns < after_ns][-limit:]
        return [self.candle(listing, minutes, each, now_ns) for each in reversed(chosen)]

    def candle(self, listing: Listing, minutes: int, candle: Candle, now_ns: int) -> list[object]:
        """Return a candle: time, prices, volume, volume in base or quote, in quote, is it over."""
        numbers = self.numbers[listing.symbol]
        is_spot = listing.instrument.contract is None
        turnover = numbers.turnover(candle.turnover)
        is_over = candle.open_ns + minutes * MINUTE_NS <= now_ns
        return [
            milliseconds(candle.open_ns),
            numbers.price(candle.open_ticks),
            numbers.price(candle.high_ticks),
            numbers.price(candle.low_ticks),
            numbers.price(candle.close_ticks),
            numbers.size(candle.volume_lots),
            turnover if is_spot else numbers.base(candle.volume_lots),
            turnover,
            "1" if is_over and candle != listing.current_candle(minutes) else "0",
        ]

    # --- tickers -------------------------------------------------------------------------------

    def _ticker(self, given: Parameters, now_ns: int) -> list[Row]:
        return [self.ticker(self.listing_of(given), now_ns)]

    def _tickers(self, given: Parameters, now_ns: int) -> list[Row]:
        return [self.ticker(each, now_ns) for each in self._of_type(given)]

    def ticker(self, listing: Listing, now_ns: int) -> Json:
        """Return the last day of a listing and its best prices."""
        numbers, day = self.numbers[listing.symbol], listing.day()
        is_spot = listing.instrument.contract is None
        bids, asks = listing.book.depth(1)
        (bid, bid_lots), *_ = bids.tolist() or [[0, 0]]
        (ask, ask_lots), *_ = asks.tolist() or [[0, 0]]
        last = listing.tape.last(1)
        turnover = numbers.turnover(day.turnover)
        return {
            "instType": inst_type(listing.instrument),
            "instId": inst_id(listing.instrument),
            "last": numbers.price(listing.last_ticks),
            "lastSz": numbers.size(last[0].quantity_lots if last else 0),
            "askPx": numbers.price(ask) if ask else "",
            "askSz": numbers.size(ask_lots),
            "bidPx": numbers.price(bid) if bid else "",
            "bidSz": numbers.size(bid_lots),
            "open24h": numbers.price(day.open_ticks),
            "high24h": numbers.price(day.high_ticks),
            "low24h": numbers.price(day.low_ticks),
            "volCcy24h": turnover if is_spot else numbers.base(day.volume_lots),
            "vol24h": numbers.size(day.volume_lots),
            "sodUtc0": numbers.price(day.open_ticks),
            "sodUtc8": numbers.price(day.open_ticks),
            "ts": milliseconds(now_ns),
        }

    def _index_tickers(self, given: Parameters, now_ns: int) -> list[Row]:
        rows: list[Row] = []
        for listing in self._perpetuals(self.wanted({**given, "instType": SWAP, "instId": ""})):
            name = family(listing.instrument)
            if given.get("instId", name) != name:
                continue
            index = self._derivatives.index_ticks(listing.symbol)
            text = self.numbers[listing.symbol].price(index)
            rows.append({"instId": name, "idxPx": text, "ts": milliseconds(now_ns)})
        return rows

    # --- perpetuals ----------------------------------------------------------------------------

    @staticmethod
    def _perpetuals(found: Iterable[Listing]) -> list[Listing]:
        return [each for each in found if each.instrument.contract is not None]

    def _mark_prices(self, given: Parameters, now_ns: int) -> list[Row]:
        found = [self.listing_of(given)] if given.get("instId") else self._of_type(given)
        return [self.mark_price(each, now_ns) for each in self._perpetuals(found)]

    def mark_price(self, listing: Listing, now_ns: int) -> Json:
        """Return the mark price of a perpetual."""
        mark = self._derivatives.mark_ticks(listing.symbol)
        return {
            "instType": SWAP,
            "instId": inst_id(listing.instrument),
            "markPx": self.numbers[listing.symbol].price(mark),
            "ts": milliseconds(now_ns),
        }

    def _funding_rates(self, given: Parameters, now_ns: int) -> list[Row]:
        if given.get("instId") == "ANY":
            found = self._perpetuals(self._engine.listings.values())
        else:
            found = [self.perpetual_of(given)]
        return [self.funding_rate(each, now_ns) for each in found]

    def funding_rate(self, listing: Listing, now_ns: int) -> Json:
        """Return the coming settlement of a perpetual, and when the one behind it is."""
        derivatives, symbol = self._derivatives, listing.symbol
        next_ns = derivatives.next_funding_ns(symbol, now_ns)
        behind_ns = derivatives.next_funding_ns(symbol, next_ns)
        settled = next((row for row in reversed(self._rows(symbol))), None)
        rate = decimal(derivatives.funding_rate_ppb(symbol, next_ns), PPB_DECIMALS)
        return {
            "formulaType": "noRate",
            "fundingRate": rate,
            "fundingTime": milliseconds(next_ns),
            "instId": inst_id(listing.instrument),
            "instType": SWAP,
            "interestRate": "0.0001",
            "maxFundingRate": "0.02",
            "method": "current_period",
            "minFundingRate": "-0.02",
            "nextFundingRate": "",
            "nextFundingTime": milliseconds(behind_ns),
            "premium": "0",
            "settFundingRate": decimal(settled[1], PPB_DECIMALS) if settled else "",
            "settState": "settled",
            "ts": milliseconds(now_ns),
        }

    def _rows(self, symbol: str) -> list[tuple[int, int]]:
        funding = self._engine.records.funding
        return [(row.at_ns, row.rate_ppb) for row in funding if row.symbol == symbol]

    def _funding_history(self, given: Parameters, now_ns: int) -> list[Row]:
        """Return settlements, newest first; `after` and `before` are times."""
        listing = self.perpetual_of(given)
        limit = page_size(given, FUNDING_ROWS_MAX, FUNDING_ROWS_MAX)
        before_ns = whole_number(given, "before", 0) * MS_NS
        after_ns = whole_number(given, "after", NEVER_MS) * MS_NS
        rows = [row for row in self._rows(listing.symbol) if before_ns < row[0] < after_ns]
        name = inst_id(listing.instrument)
        return [
            {
                "formulaType": "noRate",
                "fundingRate": decimal(rate, PPB_DECIMALS),
                "fundingTime": milliseconds(at_ns),
                "instId": name,
                "instType": SWAP,
                "method": "current_period",
                "realizedRate": decimal(rate, PPB_DECIMALS),
            }
            for at_ns, rate in reversed(rows[-limit:])
        ]


def levels(numbers: Numbers, found: Iterable[tuple[int, int]]) -> list[list[str]]:
    """Return levels as OKX writes them: price, size, a zero, how many orders."""
    return [
        [numbers.price(ticks), numbers.size(lots), "0", "1" if lots else "0"]
        for ticks, lots in found
    ]
