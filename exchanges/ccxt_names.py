"""Every name of ccxt that this package uses, imported after the lazy packages are in place."""

from exchanges import lazy

lazy.install()

from ccxt.async_support.base.exchange import BaseExchange  # noqa: E402 - after the lazy packages
from ccxt.async_support.base.ws.client import Client  # noqa: E402 - after the lazy packages
from ccxt.base import errors  # noqa: E402 - after the lazy packages
from ccxt.base.errors import (  # noqa: E402 - after the lazy packages
    BaseError,
    ChecksumError,
    ExchangeClosedByUser,
    ExchangeError,
    ExchangeNotAvailable,
    InvalidNonce,
    NetworkError,
    NotSupported,
    RateLimitExceeded,
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
    "InvalidNonce",
    "NetworkError",
    "NotSupported",
    "RateLimitExceeded",
    "RequestTimeout",
    "errors",
]
