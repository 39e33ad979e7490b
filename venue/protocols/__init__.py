"""What real venues speak: the table of protocols. Each is imported when a box speaks it."""

import importlib
from typing import cast

from venue.config import VenueConfigError
from venue.protocol import VenueProtocol

# Name in the configuration -> (module, class).
PROTOCOLS: dict[str, tuple[str, str]] = {
    "binance": ("venue.protocols.binance", "Binance"),
    "binanceus": ("venue.protocols.binance", "BinanceUs"),
    "binanceusdm": ("venue.protocols.binance", "BinanceUsdm"),
    "bybit": ("venue.protocols.bybit", "Bybit"),
    "coinbase": ("venue.protocols.coinbase", "Coinbase"),
    "kraken": ("venue.protocols.kraken", "Kraken"),
    "kucoin": ("venue.protocols.kucoin", "Kucoin"),
    "okx": ("venue.protocols.okx", "Okx"),
    "okxdemo": ("venue.protocols.okx", "OkxDemo"),
}


def protocol_named(name: str) -> type[VenueProtocol]:
    """Return the class of a protocol. Raises `VenueConfigError` naming those there are."""
    if name not in PROTOCOLS:
        known = ", ".join(sorted(PROTOCOLS))
        raise VenueConfigError(f"protocol: was {name!r}, the box speaks: {known}")
    module, class_name = PROTOCOLS[name]
    return cast(type[VenueProtocol], getattr(importlib.import_module(module), class_name))
