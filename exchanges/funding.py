"""Funding rates of perpetuals, from any exchange of ccxt that tells them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import msgspec

from exchanges.errors import CCXT_RAISES, Code, VenueError, venue_error
from exchanges.exchange import TrioExchange
from exchanges.factory import trio_class
from exchanges.flight import Flight
from exchanges.json_text import Json
from exchanges.timestamps import NANOSECONDS_PER_MILLISECOND
from supervisor.clock import Clock

# What the venues have that do not say: 00:00, 08:00 and 16:00 UTC.
INTERVAL_S = 8 * 3_600
_UNITS = {"m": 60, "h": 3_600, "d": 86_400}
PPB = 1_000_000_000


class FundingReport(msgspec.Struct, frozen=True, kw_only=True):
    """One perpetual's funding. `next_rate_ppb` is None, `settles_ns` 0 where nothing is said."""

    symbol: str
    rate_ppb: int
    next_rate_ppb: int | None
    mark_price: str
    interval_s: int
    settles_ns: int


class FundingClient:
    """Made by `open_funding`."""

    def __init__(self, exchange: TrioExchange) -> None:
        self._exchange = exchange

    async def fetch(self, symbol: str) -> FundingReport:
        """Ask for one perpetual. Raises `VenueError`."""
        try:
            return _report(symbol, await self._exchange.fetch_funding_rate(symbol))
        except CCXT_RAISES as error:
            raise venue_error(
                error, self._exchange.id, rules=(), secrets=(), flight=Flight()
            ) from None


@asynccontextmanager
async def open_funding(exchange: str, clock: Clock, rest: str = "") -> AsyncIterator[FundingClient]:
    """Open a client of a ccxt exchange; `rest` takes the place of its servers' addresses.

    Raises `VenueError` INVALID for one that ccxt does not know, or that tells no funding.
    """
    try:
        made = trio_class(exchange)({"options": {"fetchCurrencies": False}}, clock=clock)
    except ModuleNotFoundError:
        raise VenueError(
            Code.INVALID, exchange, "ccxt has no such exchange: correct [monitors.funding]"
        ) from None
    if not made.has.get("fetchFundingRate"):
        raise VenueError(Code.INVALID, exchange, "it tells no funding rates: leave it out")
    if rest:
        made.urls["api"] = _moved(made.urls["api"], rest.rstrip("/"))
    async with made:
        yield FundingClient(made)


def _moved(addresses: Json, rest: str) -> Json:
    if isinstance(addresses, dict):
        return {name: _moved(each, rest) for name, each in addresses.items()}
    return re.sub(r"^https?://[^/]+", rest, addresses) if isinstance(addresses, str) else addresses


def _report(symbol: str, found: Json) -> FundingReport:
    rate, next_rate = found.get("fundingRate"), found.get("nextFundingRate")
    if rate is None:
        raise VenueError(Code.UNAVAILABLE, symbol, "the answer has no funding rate")
    settles_ms = found.get("fundingTimestamp") or found.get("nextFundingTimestamp") or 0
    return FundingReport(
        symbol=symbol,
        rate_ppb=_ppb(rate),
        next_rate_ppb=_ppb(next_rate) if next_rate is not None else None,
        mark_price=str(found.get("markPrice") or ""),
        interval_s=_interval_s(found.get("interval")),
        settles_ns=int(settles_ms) * NANOSECONDS_PER_MILLISECOND,
    )


def _ppb(rate: object) -> int:
    return int((Decimal(str(rate)) * PPB).to_integral_value())


def _interval_s(text: str | None) -> int:
    if not text or text[-1] not in _UNITS or not text[:-1].isdecimal():
        return INTERVAL_S
    return int(text[:-1]) * _UNITS[text[-1]]
