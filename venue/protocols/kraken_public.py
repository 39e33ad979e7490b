"""Kraken's public REST endpoints: time, assets, pairs, ticker, book, trades, candles."""

import re
from collections.abc import Mapping
from email.utils import formatdate

from venue.accounts import FEE_SCHEDULE
from venue.candles import Candle
from venue.engine import Engine
from venue.instruments import Instrument
from venue.listing import Listing
from venue.orders import BUY
from venue.protocols.kraken_errors import (
    UNKNOWN_ASSET,
    UNKNOWN_METHOD,
    UNKNOWN_PAIR,
    KrakenError,
    invalid,
)
from venue.protocols.kraken_names import (
    asset_altname,
    asset_id,
    pair_altname,
    pair_id,
    pair_names,
    pair_wsname,
    seconds,
    timestamp,
)
from venue.protocols.kraken_views import Json

DEPTH_DEFAULT = 100
DEPTH_MAX = 500
TRADES_MAX = 1_000
INTERVALS_MIN = (1, 5, 15, 30, 60, 240, 1_440, 10_080, 21_600)
_SECOND_NS = 1_000_000_000
_WHOLE = re.compile(r"-?[0-9]{1,20}")


def whole_number(parameters: Mapping[str, str], name: str, default: int) -> int:
    """Return an integer parameter. Raises `KrakenError` for anything else."""
    text = parameters.get(name, "")
    if not text:
        return default
    if not _WHOLE.fullmatch(text):
        raise invalid(name)
    return int(text)


def pair_status(listing: Listing) -> str:
    """Return the trading mode of a pair."""
    return "cancel_only" if listing.is_halted else "online"


def pair_info(listing: Listing) -> Json:
    """Return a pair as AssetPairs shows it."""
    instrument = listing.instrument
    return {
        "altname": pair_altname(instrument),
        "wsname": pair_wsname(instrument),
        "aclass_base": "currency",
        "base": asset_id(instrument.base),
        "aclass_quote": "currency",
        "quote": asset_id(instrument.quote),
        "lot": "unit",
        "cost_decimals": instrument.quote.decimals,
        "pair_decimals": instrument.price_decimals,
        "lot_decimals": instrument.lot_decimals,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[volume, taker / 10_000] for volume, taker, _ in FEE_SCHEDULE],
        "fees_maker": [[volume, maker / 10_000] for volume, _, maker in FEE_SCHEDULE],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": instrument.format_quantity(instrument.order_minimum_lots),
        "costmin": instrument.quote.format(instrument.cost_minimum_units),
        "tick_size": instrument.format_price(1),
        "status": pair_status(listing),
    }


class PublicEndpoints:
    """Answers what needs no key."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._by_name = {
            name: listing
            for listing in engine.listings.values()
            for name in pair_names(listing.instrument)
        }

    def listing_named(self, name: str) -> Listing:
        """Return the listing that `name` means. Raises `KrakenError`."""
        listing = self._by_name.get(name)
        if listing is None:
            raise KrakenError(UNKNOWN_PAIR)
        return listing

    def answer(self, endpoint: str, parameters: Mapping[str, str]) -> Json:
        """Return the result of a public endpoint. Raises `KrakenError`."""
        method = {
            "Time": self._time,
            "SystemStatus": self._system_status,
            "Assets": self._assets,
            "AssetPairs": self._asset_pairs,
            "Ticker": self._ticker,
            "Depth": self._depth,
            "Trades": self._trades,
            "OHLC": self._ohlc,
        }.get(endpoint)
        if method is None:
            raise KrakenError(UNKNOWN_METHOD)
        return method(parameters)

    def _time(self, parameters: Mapping[str, str]) -> Json:
        unixtime = self._engine.now_ns() // _SECOND_NS
        return {"unixtime": unixtime, "rfc1123": formatdate(unixtime)}

    def _system_status(self, parameters: Mapping[str, str]) -> Json:
        now = timestamp(self._engine.now_ns())
        return {"status": "online", "timestamp": f"{now[:19]}Z"}

    def _assets(self, parameters: Mapping[str, str]) -> Json:
        wanted = set(filter(None, parameters.get("asset", "").split(",")))
        assets = {
            asset_id(asset): asset
            for asset in self._engine.assets.values()
            if not wanted or wanted & {asset_id(asset), asset_altname(asset), asset.name}
        }
        if len(assets) < len(wanted):
            raise KrakenError(UNKNOWN_ASSET)
        return {
            name: {
                "aclass": "currency",
                "altname": asset_altname(asset),
                "decimals": asset.decimals,
                "display_decimals": min(5, asset.decimals),
                "status": "enabled",
            }
            for name, asset in assets.items()
        }

    def _wanted(self, parameters: Mapping[str, str]) -> list[Listing]:
        names = parameters.get("pair", "")
        if not names:
            return list(self._engine.listings.values())
        return [self.listing_named(name) for name in names.split(",")]

    def _asset_pairs(self, parameters: Mapping[str, str]) -> Json:
        return {
            pair_id(listing.instrument): pair_info(listing) for listing in self._wanted(parameters)
        }

    def _ticker(self, parameters: Mapping[str, str]) -> Json:
        self._engine.advance()
        return {
            pair_id(listing.instrument): _ticker(listing) for listing in self._wanted(parameters)
        }

    def _depth(self, parameters: Mapping[str, str]) -> Json:
        listing = self.listing_named(parameters.get("pair", ""))
        count = whole_number(parameters, "count", DEPTH_DEFAULT)
        if not 1 <= count <= DEPTH_MAX:
            raise invalid("count")
        now_ns = self._engine.advance()
        instrument = listing.instrument
        bids, asks = listing.book.depth(count)
        at_s = now_ns // _SECOND_NS
        sides = {
            name: [
                [instrument.format_price(ticks), instrument.format_quantity(lots), at_s]
                for ticks, lots in levels.tolist()
            ]
            for name, levels in (("asks", asks), ("bids", bids))
        }
        return {pair_id(instrument): sides}

    def _trades(self, parameters: Mapping[str, str]) -> Json:
        listing = self.listing_named(parameters.get("pair", ""))
        count = whole_number(parameters, "count", TRADES_MAX)
        if not 1 <= count <= TRADES_MAX:
            raise invalid("count")
        since = whole_number(parameters, "since", 0)
        # Small numbers are seconds, as ccxt sends them; Kraken's own `last` is in nanoseconds.
        since_ns = since * _SECOND_NS if since < 10**12 else since
        self._engine.advance()
        instrument = listing.instrument
        trades = listing.tape.last(TRADES_MAX * 10)
        chosen = [t for t in trades if t.at_ns > since_ns]
        chosen = chosen[:count] if since else chosen[-count:]
        rows = [
            [
                instrument.format_price(trade.price_ticks),
                instrument.format_quantity(trade.quantity_lots),
                seconds(trade.at_ns),
                "b" if trade.side == BUY else "s",
                "m" if trade.is_market else "l",
                "",
                trade.trade_id,
            ]
            for trade in chosen
        ]
        last_ns = chosen[-1].at_ns if chosen else since_ns
        return {pair_id(instrument): rows, "last": str(last_ns)}

    def _ohlc(self, parameters: Mapping[str, str]) -> Json:
        listing = self.listing_named(parameters.get("pair", ""))
        interval = whole_number(parameters, "interval", 1)
        if interval not in INTERVALS_MIN:
            raise invalid("interval")
        since_ns = whole_number(parameters, "since", 0) * _SECOND_NS
        self._engine.advance()
        candles = listing.candles(interval, since_ns)
        rows = [_candle_row(listing.instrument, candle) for candle in candles]
        closed = candles[-2:-1] or candles[-1:]
        last = closed[0].open_ns // _SECOND_NS if closed else since_ns // _SECOND_NS
        return {pair_id(listing.instrument): rows, "last": last}


def vwap(instrument: Instrument, turnover: int, volume_lots: int) -> str:
    """Return the volume-weighted price of `turnover` (ticks times lots)."""
    ticks = turnover // volume_lots if volume_lots else 0
    return instrument.format_price(ticks)


def _candle_row(instrument: Instrument, candle: Candle) -> list[object]:
    prices = (candle.open_ticks, candle.high_ticks, candle.low_ticks, candle.close_ticks)
    return [
        candle.open_ns // _SECOND_NS,
        *map(instrument.format_price, prices),
        vwap(instrument, candle.turnover, candle.volume_lots),
        instrument.format_quantity(candle.volume_lots),
        candle.trades,
    ]


def _ticker(listing: Listing) -> Json:
    instrument, day = listing.instrument, listing.day()
    bids, asks = listing.book.depth(1)
    volume = instrument.format_quantity(day.volume_lots)
    mean = vwap(instrument, day.turnover, day.volume_lots)
    last = listing.tape.last(1)
    last_lots = last[0].quantity_lots if last else 0

    def level(levels: list[list[int]]) -> list[str]:
        if not levels:
            return ["0", "0", "0"]
        quantity = instrument.format_quantity(levels[0][1])
        return [instrument.format_price(levels[0][0]), quantity.partition(".")[0], quantity]

    return {
        "a": level(asks.tolist()),
        "b": level(bids.tolist()),
        "c": [instrument.format_price(listing.last_ticks), instrument.format_quantity(last_lots)],
        "v": [volume, volume],
        "p": [mean, mean],
        "t": [day.trades, day.trades],
        "l": [instrument.format_price(day.low_ticks)] * 2,
        "h": [instrument.format_price(day.high_ticks)] * 2,
        "o": instrument.format_price(day.open_ticks),
    }
