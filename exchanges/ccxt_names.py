"""Every name of ccxt that this package uses, imported after the lazy packages are in place."""

import importlib

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
    InvalidProxySettings,
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
    "InvalidProxySettings",
    "NetworkError",
    "NotSupported",
    "RateLimitExceeded",
    "RequestTimeout",
    "ccxt_version",
    "errors",
    "exchange_class",
]


def exchange_class(name: str) -> type:
    """Return ccxt's class of an id: with WebSockets where ccxt has them for it.

    "prediction/NAME" is a prediction market's. Raises `ModuleNotFoundError` for an unknown id.
    """
    package, _, last = name.rpartition("/")
    packages = (package,) if package else ("pro", "async_support")
    for each in packages:
        if last in getattr(importlib.import_module(f"ccxt.{each}"), "exchanges", ()):
            found: type = getattr(importlib.import_module(f"ccxt.{each}.{last}"), last)
            return found
    raise ModuleNotFoundError(
        f"ccxt {ccxt_version()} has no exchange {name!r}: see ccxt.exchanges for those it has"
    )


def ccxt_version() -> str:
    """Return the version of the installed ccxt."""
    version: str = importlib.import_module("ccxt").__version__
    return version
