"""Every name of ccxt that this package uses, imported after the lazy packages are in place."""

# ruff: noqa: E402 - the lazy packages must stand before the first import of ccxt

from exchanges import lazy

lazy.install()

from ccxt.async_support.base.exchange import BaseExchange
from ccxt.async_support.base.ws.client import Client
from ccxt.base import errors
from ccxt.base.errors import (
    BaseError,
    ChecksumError,
    ExchangeClosedByUser,
    ExchangeError,
    ExchangeNotAvailable,
    NetworkError,
    NotSupported,
    RequestTimeout,
)

__all__ = [
    "BaseError",
    "BaseExchange",
    "ChecksumError",
    "Client",
    "ExchangeClosedByUser",
    "ExchangeError",
    "ExchangeNotAvailable",
    "NetworkError",
    "NotSupported",
    "RequestTimeout",
    "errors",
]
