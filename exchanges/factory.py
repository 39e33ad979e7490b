"""Turns any ccxt exchange class into a trio one, and builds configured instances.

`type(name, (cls, TrioExchange))`, with `TrioExchange` deriving from ccxt's async base, linearises
to New, pro.kraken, async.kraken, Exchange, TrioExchange, BaseExchange. A mixin placed first would
swallow the overrides of exchange classes that call `super()`.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from exchanges.adapters.base import Adapter
from exchanges.ccxt_names import exchange_class
from exchanges.exchange import TrioExchange
from exchanges.gather import patch
from exchanges.turns import KeyTurns
from exchanges.types import Credentials, Endpoints
from supervisor.clock import Clock

_classes: dict[tuple[type, int], type[TrioExchange]] = {}


def trio_class(
    exchange: str | type, overrides: Mapping[str, Callable[..., Any]] | None = None
) -> type[TrioExchange]:
    """Return the trio class of a ccxt exchange: an id such as "kraken", or one of ccxt's classes.

    "prediction/polymarket" is a prediction market's. Instances are made as
    `cls(config, clock=clock)`. `overrides` are an adapter's methods, placed over ccxt's. Raises
    `ModuleNotFoundError` for an id that ccxt does not know.
    """
    cls = exchange_class(exchange) if isinstance(exchange, str) else exchange
    key = (cls, id(overrides))
    if key not in _classes:
        patch(cls)
        namespace: dict[str, Any] = {
            "__module__": __name__,
            "__doc__": cls.__doc__,
            "__init__": _initializer(cls),
            "nonce": _increasing_nonce(cls),
            **_detached_flights(cls),
            **(overrides or {}),
        }
        _classes[key] = type(cls.__name__, (cls, TrioExchange), namespace)
    return _classes[key]


def _initializer(cls: type) -> Callable[..., None]:
    def __init__(  # noqa: N807 - it becomes the class's own
        self: TrioExchange, config: Mapping[str, Any] | None = None, *, clock: Clock
    ) -> None:
        # Before ccxt's constructor, which may ask for the time.
        self._clock = clock
        self._turns = KeyTurns()
        cls.__init__(self, config or {})  # type: ignore[misc]  # what super() would call

    return __init__


def _increasing_nonce(cls: type) -> Callable[[TrioExchange], int]:
    def nonce(self: TrioExchange) -> int:
        drawn = cls.nonce(self)  # type: ignore[attr-defined]  # ccxt has no types
        return self.nonce_above(int(drawn))

    return nonce


def _detached_flights(cls: type) -> dict[str, Callable[..., Any]]:
    """Find the methods whose callers share one flight, and take them out of the caller's task.

    ccxt settles such a flight only on `except Exception`: if the leading caller is cancelled, every
    later caller would wait for ever. Run in the exchange's nursery the flight ends by itself, and a
    cancelled caller only stops waiting. They are found by what their code mentions.
    """
    found: dict[str, Callable[..., Any]] = {}
    for base in cls.__mro__:
        if not base.__module__.startswith("ccxt.") or ".base" in base.__module__:
            continue
        for name, function in vars(base).items():
            if name not in found and _is_shared_flight(function):
                found[name] = _detached(function)
    return found


def _is_shared_flight(function: object) -> bool:
    if not inspect.iscoroutinefunction(function):
        return False
    code = function.__code__
    return "reusableFuture" in code.co_names or "unSubscriptionPending" in code.co_consts


def _detached(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def detached(self: TrioExchange, *args: object, **kwargs: object) -> object:
        async def body() -> object:
            return await function(self, *args, **kwargs)

        body.__name__ = function.__name__
        result: object = await self.spawn(body)
        return result

    return detached


def build_exchange(
    adapter: Adapter,
    clock: Clock,
    *,
    credentials: Credentials | None = None,
    endpoints: Endpoints | None = None,
    proxy_url: str = "",
    request_timeout_ms: int,
    rate_limited: bool,
) -> TrioExchange:
    """Return a configured instance of the adapter's venue, not yet entered."""
    config: dict[str, Any] = {
        "timeout": request_timeout_ms,
        "enableRateLimit": rate_limited,
        "numbers_as_text": True,
        **adapter.config(endpoints),
    }
    if proxy_url:
        # Whatever kind it is: the URL's scheme decides (exchanges/tunnel.py).
        config["socksProxy"] = config["wsSocksProxy"] = proxy_url
    if credentials is not None:
        config["apiKey"], config["secret"] = credentials.reveal()
        config["password"] = credentials.reveal_passphrase()
    exchange = trio_class(adapter.venue, adapter.exchange_overrides)(config, clock=clock)
    turns = credentials.turns if credentials is not None else KeyTurns()
    exchange.take_turns(turns, adapter.turn_of)
    return exchange
