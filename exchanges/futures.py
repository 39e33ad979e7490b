"""The future that ccxt's code awaits, on trio: made without a loop, settled synchronously.

It differs from asyncio's where asyncio's hurts: cancelling a task that waits for it never cancels
the future, so one cancelled watcher cannot cancel the other watchers of the same message.
"""

from collections.abc import Callable, Generator, Sequence
from types import TracebackType
from typing import Any, Self

import trio

from exchanges.ccxt_names import ExchangeClosedByUser, ExchangeError


class FutureCancelledError(ExchangeClosedByUser):  # type: ignore[misc]  # ccxt has no types
    """Raised in the waiters of a future that was cancelled: the exchange was closed."""


Callback = Callable[["TrioFuture"], None]


class TrioFuture:
    """A value that comes later. Awaiting raises its exception, or `FutureCancelledError`."""

    __slots__ = (
        "__weakref__",
        "_callbacks",
        "_exception",
        "_lot",
        "_result",
        "_state",
        "_traceback",
    )

    def __init__(self) -> None:
        self._state = "pending"
        self._result: Any = None
        self._exception: BaseException | None = None
        self._traceback: TracebackType | None = None
        self._lot: trio.lowlevel.ParkingLot | None = None
        self._callbacks: dict[Callback, None] = {}

    # -- state, with asyncio's names because ccxt calls them

    def done(self) -> bool:
        return self._state != "pending"

    def cancelled(self) -> bool:
        return self._state == "cancelled"

    def waited_for(self) -> bool:
        """Return whether anybody would notice an exception now."""
        return bool(self._callbacks) or (self._lot is not None and len(self._lot) > 0)

    def result(self) -> Any:  # noqa: ANN401 - what the venue sent
        if self._state == "cancelled":
            raise FutureCancelledError("the exchange was closed while this was awaited")
        assert self._state == "done", "a future's result was read before it was settled"
        if self._exception is not None:
            # With the original traceback each time: several waiters must not make it grow.
            raise self._exception.with_traceback(self._traceback)
        return self._result

    def exception(self) -> BaseException | None:
        if self._state == "cancelled":
            raise FutureCancelledError("the exchange was closed while this was awaited")
        return self._exception

    # -- settling: the first one counts

    def resolve(self, result: object = None) -> None:
        if self._state == "pending":
            self._result = result
            self._settle("done")

    def reject(self, error: object = None) -> None:
        if self._state == "pending":
            self._exception = as_exception(error)
            self._traceback = self._exception.__traceback__
            self._settle("done")

    def cancel(self, msg: object = None) -> bool:
        if self._state != "pending":
            return False
        self._settle("cancelled")
        return True

    def _settle(self, state: str) -> None:
        self._state = state
        if self._lot is not None:
            self._lot.unpark_all()
        callbacks, self._callbacks = self._callbacks, {}
        for callback in callbacks:
            callback(self)

    # -- waiting

    def add_done_callback(self, callback: Callback) -> None:
        if self._state == "pending":
            self._callbacks[callback] = None
        else:
            callback(self)

    def remove_done_callback(self, callback: Callback) -> None:
        self._callbacks.pop(callback, None)

    def __await__(self) -> Generator[Any, Any, Any]:
        if self._state == "pending":
            if self._lot is None:
                self._lot = trio.lowlevel.ParkingLot()
            yield from self._lot.park().__await__()
        else:
            checkpoint = trio.lowlevel.checkpoint_if_cancelled  # awaited below, by hand
            yield from checkpoint().__await__()
        return self.result()

    @classmethod
    def race(cls, futures: Sequence["TrioFuture"]) -> Self:
        """Return a future that is settled as the first of `futures` is."""
        first = cls()
        if not futures:
            first.reject(ExchangeError("a watch call named no symbol: name at least one"))
            return first

        def settle(winner: TrioFuture) -> None:
            _copy(winner, first)
            for other in futures:
                other.remove_done_callback(settle)

        for future in futures:
            future.add_done_callback(settle)
            if first.done():
                break
        return first


def as_exception(error: object) -> BaseException:
    """Return what ccxt's code rejects with as an exception: some venues pass raw payloads."""
    if isinstance(error, type) and issubclass(error, BaseException):
        return error()
    if isinstance(error, BaseException):
        return error
    translated: BaseException = ExchangeError(str(error))
    return translated


def _copy(source: TrioFuture, target: TrioFuture) -> None:
    if source.cancelled():
        target.cancel()
        return
    error = source.exception()
    if error is not None:
        target.reject(error)
    else:
        target.resolve(source.result())
