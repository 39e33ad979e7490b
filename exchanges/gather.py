"""`asyncio` as ccxt's exchange modules see it: `gather` on trio, and nothing else.

`gather` is the only asyncio name in ccxt's generated exchange files (tests/exchanges/test_drift.py
holds it to that). `patch` rebinds the module-global name `asyncio` in the modules of one class; it
looks at the running async library, so stock users in the same process keep the real one. Json other
asyncio name used under trio raises: a new use in a newer ccxt must be loud.
"""

import sys
from collections.abc import Awaitable
from types import ModuleType

import sniffio
import trio

from exchanges.errors import CCXT_RAISES
from exchanges.json_text import Json


def _on_trio() -> bool:
    try:
        return sniffio.current_async_library() == "trio"
    except sniffio.AsyncLibraryNotFoundError:
        return False


async def trio_gather(*awaitables: Awaitable[Json], return_exceptions: bool = False) -> list[Json]:
    """Run `awaitables` side by side and return their results in order.

    The first error cancels the others and is raised bare, never in a group, because ccxt says
    `except NetworkError`. They take their first step in order, as under asyncio: some take a nonce.
    """
    results: list[Json] = [None] * len(awaitables)
    failures: list[Exception] = []

    async def run(
        index: int, awaitable: Awaitable[Json], turn: trio.Event, next_turn: trio.Event
    ) -> None:
        await turn.wait()
        next_turn.set()
        try:
            results[index] = await awaitable
        except CCXT_RAISES as error:
            if return_exceptions:
                results[index] = error
                return
            failures.append(error)
            nursery.cancel_scope.cancel()

    turns = [trio.Event() for _ in range(len(awaitables) + 1)]
    turns[0].set()
    try:
        async with trio.open_nursery() as nursery:
            for index, awaitable in enumerate(awaitables):
                nursery.start_soon(run, index, awaitable, turns[index], turns[index + 1])
    finally:
        _close_unstarted(awaitables)
    if failures:
        raise failures[0]
    if not awaitables:
        await trio.lowlevel.checkpoint()
    return results


def _close_unstarted(awaitables: tuple[Awaitable[Json], ...]) -> None:
    for awaitable in awaitables:
        close = getattr(awaitable, "close", None)
        if close is not None:
            close()


class AsyncioShim:
    """Stands for the module `asyncio` (`real`) inside ccxt's exchange modules."""

    __name__ = "asyncio"

    def __init__(self, real: ModuleType) -> None:
        self._real = real

    def gather(self, *awaitables: Awaitable[Json], **options: Json) -> Json:
        """Return asyncio's or trio's gather of `awaitables`, whichever library runs."""
        if _on_trio():
            return trio_gather(*awaitables, **options)
        return self._real.gather(*awaitables, **options)

    def __getattr__(self, name: str) -> Json:
        if _on_trio():
            raise RuntimeError(
                f"ccxt used asyncio.{name} on trio: read docs/ccxt-upgrade.md before upgrading"
            )
        return getattr(self._real, name)


def patch(exchange_class: type) -> list[str]:
    """Rebind `asyncio` in every ccxt module of the class's bases; return the modules' names."""
    patched = []
    for base in exchange_class.__mro__:
        module = sys.modules.get(base.__module__)
        if module is None or not base.__module__.startswith("ccxt."):
            continue
        found = module.__dict__.get("asyncio")
        if isinstance(found, ModuleType):
            module.__dict__["asyncio"] = AsyncioShim(found)
            patched.append(base.__module__)
    return patched
