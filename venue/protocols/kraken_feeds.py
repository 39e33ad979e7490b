"""The other public WebSocket v2 channels: trade, ohlc, ticker, instrument. Frames as bytes.

Numbers are JSON numbers with the pair's fixed decimals, trailing zeros included, as Kraken writes
them.
"""

from collections.abc import Iterable

import msgspec

from venue.candles import MINUTE_NS, Candle, PublicTrade
from venue.engine import Engine
from venue.instruments import Instrument, format_units
from venue.listing import Listing
from venue.protocols.kraken_names import nanosecond_timestamp, timestamp
from venue.protocols.kraken_public import pair_status, vwap
from venue.protocols.kraken_views import Json, side_name, type_name

SNAPSHOT_TRADES = 50


def raw(text: str) -> msgspec.Raw:
    """Return a number that is written exactly as `text`."""
    return msgspec.Raw(text.encode())


def encode(message: Json) -> bytes:
    """Return `message` as JSON."""
    return msgspec.json.encode(message)


def trade_frame(instrument: Instrument, kind: str, trades: Iterable[PublicTrade]) -> bytes:
    """Return trades as a `trade` frame of type snapshot or update."""
    data = [
        {
            "symbol": instrument.symbol,
            "side": side_name(trade.side),
            "price": raw(instrument.format_price(trade.price_ticks)),
            "qty": raw(instrument.format_quantity(trade.quantity_lots)),
            "ord_type": type_name(trade.is_market),
            "trade_id": trade.trade_id,
            "timestamp": timestamp(trade.at_ns),
        }
        for trade in trades
    ]
    return encode({"channel": "trade", "type": kind, "data": data})


def ohlc_frame(
    instrument: Instrument, interval_min: int, kind: str, candles: Iterable[Candle], now_ns: int
) -> bytes:
    """Return candles as an `ohlc` frame."""
    data = [_candle(instrument, interval_min, candle) for candle in candles]
    moment = nanosecond_timestamp(now_ns)
    return encode({"channel": "ohlc", "type": kind, "timestamp": moment, "data": data})


def _candle(instrument: Instrument, interval_min: int, candle: Candle) -> Json:
    price = instrument.format_price
    return {
        "symbol": instrument.symbol,
        "open": raw(price(candle.open_ticks)),
        "high": raw(price(candle.high_ticks)),
        "low": raw(price(candle.low_ticks)),
        "close": raw(price(candle.close_ticks)),
        "trades": candle.trades,
        "volume": raw(instrument.format_quantity(candle.volume_lots)),
        "vwap": raw(vwap(instrument, candle.turnover, candle.volume_lots)),
        "interval_begin": nanosecond_timestamp(candle.open_ns),
        "interval": interval_min,
        "timestamp": timestamp(candle.open_ns + interval_min * MINUTE_NS),
    }


def ticker_frame(listing: Listing, kind: str, now_ns: int) -> bytes:
    """Return the best prices and the last day as a `ticker` frame."""
    instrument, day = listing.instrument, listing.day()
    price, quantity = instrument.format_price, instrument.format_quantity
    bids, asks = listing.book.depth(1)
    (bid_ticks, bid_lots), *_ = bids.tolist() or [[0, 0]]
    (ask_ticks, ask_lots), *_ = asks.tolist() or [[0, 0]]
    change_ticks = listing.last_ticks - day.open_ticks
    change_bps = 10_000 * change_ticks // day.open_ticks if day.open_ticks else 0
    data = {
        "symbol": instrument.symbol,
        "bid": raw(price(bid_ticks)),
        "bid_qty": raw(quantity(bid_lots)),
        "ask": raw(price(ask_ticks)),
        "ask_qty": raw(quantity(ask_lots)),
        "last": raw(price(listing.last_ticks)),
        "volume": raw(quantity(day.volume_lots)),
        "vwap": raw(vwap(instrument, day.turnover, day.volume_lots)),
        "low": raw(price(day.low_ticks)),
        "high": raw(price(day.high_ticks)),
        "change": raw(price(change_ticks)),
        "change_pct": raw(format_units(change_bps, 2)),
        "timestamp": timestamp(now_ns),
    }
    return encode({"channel": "ticker", "type": kind, "data": [data]})


def instrument_frame(engine: Engine) -> bytes:
    """Return all assets and pairs as the snapshot of the `instrument` channel."""
    assets = [
        {
            "id": asset.name,
            "status": "enabled",
            "precision": asset.decimals,
            "precision_display": min(5, asset.decimals),
            "borrowable": False,
            "collateral_value": raw("0.00"),
            "margin_rate": raw("0.00"),
        }
        for asset in engine.assets.values()
    ]
    pairs = [_pair(listing) for listing in engine.listings.values()]
    data = {"assets": assets, "pairs": pairs}
    return encode({"channel": "instrument", "type": "snapshot", "data": data})


def _pair(listing: Listing) -> Json:
    instrument = listing.instrument
    return {
        "symbol": instrument.symbol,
        "base": instrument.base.name,
        "quote": instrument.quote.name,
        "status": pair_status(listing),
        "qty_precision": instrument.lot_decimals,
        "qty_increment": raw(instrument.format_quantity(1)),
        "price_precision": instrument.price_decimals,
        "price_increment": raw(instrument.format_price(1)),
        "tick_size": raw(instrument.format_price(1)),
        "cost_precision": instrument.quote.decimals,
        "cost_min": raw(instrument.quote.format(instrument.cost_minimum_units)),
        "qty_min": raw(instrument.format_quantity(instrument.order_minimum_lots)),
        "marginable": False,
        "has_index": False,
    }
