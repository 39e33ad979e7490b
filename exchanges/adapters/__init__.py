"""One module per venue: everything that is special about it, and nothing else."""

from collections.abc import Callable

from exchanges.adapters.base import Adapter
from exchanges.adapters.binance import BinanceAdapter
from exchanges.adapters.binanceus import BinanceUsAdapter
from exchanges.adapters.binanceusdm import BinanceUsdmAdapter
from exchanges.adapters.bybit import BybitAdapter
from exchanges.adapters.coinbase import CoinbaseAdapter
from exchanges.adapters.kraken import KrakenAdapter
from exchanges.adapters.kucoin import KucoinAdapter
from exchanges.adapters.okx import OkxAdapter

_ADAPTERS: dict[str, Callable[[], Adapter]] = {
    "binance": BinanceAdapter,
    "binanceus": BinanceUsAdapter,
    "binanceusdm": BinanceUsdmAdapter,
    "bybit": BybitAdapter,
    "coinbase": CoinbaseAdapter,
    "kraken": KrakenAdapter,
    "kucoin": KucoinAdapter,
    "okx": OkxAdapter,
}


def adapter_for(venue: str) -> Adapter:
    """Return a new adapter. Raises `ValueError` naming the venues there are."""
    try:
        return _ADAPTERS[venue]()
    except KeyError:
        known = ", ".join(sorted(_ADAPTERS))
        raise ValueError(
            f"there is no adapter for venue {venue!r}: choose one of {known}"
        ) from None
