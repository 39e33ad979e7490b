"""Kraken's names for assets and pairs, and its ways to write numbers and times.

An old asset has three names: `XXBT` (id), `XBT` (altname) and, on WebSocket v2, `BTC`. Newer ones
have one. A pair's id joins ids where both assets are old (`XETHZUSD`), altnames otherwise
(`ETHUSDT`).
"""

from datetime import UTC, datetime

from venue.instruments import Asset, Instrument

# Common name -> (id, altname), where they differ from the common name.
_OLD_NAMES = {
    "BTC": ("XXBT", "XBT"),
    "ETH": ("XETH", "ETH"),
    "ETC": ("XETC", "ETC"),
    "LTC": ("XLTC", "LTC"),
    "XRP": ("XXRP", "XRP"),
    "XLM": ("XXLM", "XLM"),
    "XMR": ("XXMR", "XMR"),
    "ZEC": ("XZEC", "ZEC"),
    "MLN": ("XMLN", "MLN"),
    "DOGE": ("XXDG", "XDG"),
    "USD": ("ZUSD", "USD"),
    "EUR": ("ZEUR", "EUR"),
    "GBP": ("ZGBP", "GBP"),
    "CAD": ("ZCAD", "CAD"),
    "JPY": ("ZJPY", "JPY"),
    "AUD": ("ZAUD", "AUD"),
}


def asset_id(asset: Asset) -> str:
    """Return the REST id of `asset`: `XXBT`."""
    return _OLD_NAMES.get(asset.name, (asset.name, asset.name))[0]


def asset_altname(asset: Asset) -> str:
    """Return the REST altname of `asset`: `XBT`."""
    return _OLD_NAMES.get(asset.name, (asset.name, asset.name))[1]


def pair_id(instrument: Instrument) -> str:
    """Return the REST id of a pair: `XETHZUSD`, `ETHUSDT`."""
    base, quote = instrument.base, instrument.quote
    if base.name in _OLD_NAMES and quote.name in _OLD_NAMES:
        return asset_id(base) + asset_id(quote)
    return pair_altname(instrument)


def pair_altname(instrument: Instrument) -> str:
    """Return the altname of a pair: `ETHUSD`."""
    return asset_altname(instrument.base) + asset_altname(instrument.quote)


def pair_wsname(instrument: Instrument) -> str:
    """Return the old WebSocket name of a pair: `XBT/USD`."""
    return f"{asset_altname(instrument.base)}/{asset_altname(instrument.quote)}"


def pair_names(instrument: Instrument) -> tuple[str, ...]:
    """Return every name under which requests may mean this pair."""
    return (
        pair_id(instrument),
        pair_altname(instrument),
        pair_wsname(instrument),
        instrument.symbol,
    )


def seconds(at_ns: int) -> float:
    """Return a time as REST writes it: seconds with microseconds."""
    return at_ns // 1_000 / 1_000_000


def timestamp(at_ns: int) -> str:
    """Return a time as WebSocket v2 writes it: RFC 3339 with microseconds."""
    whole_s, fraction_ns = divmod(at_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(whole_s, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction_ns // 1_000:06d}Z"


def nanosecond_timestamp(at_ns: int) -> str:
    """Return a time as candles write it: RFC 3339 with nanoseconds."""
    whole_s, fraction_ns = divmod(at_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(whole_s, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction_ns:09d}Z"


def parse_timestamp(text: str) -> int:
    """Return the nanoseconds of an RFC 3339 time. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
