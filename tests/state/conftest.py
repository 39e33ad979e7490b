"""What the tests of the store share."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio

from state.database import Settings
from state.store import Store
from supervisor.threads import InlineThreads, use

SMALL = Settings(ballast_bytes=0)
OpenStore = Callable[..., AbstractAsyncContextManager[Store]]


@asynccontextmanager
async def running(folder: Path, settings: Settings = SMALL) -> AsyncIterator[Store]:
    """A store whose task runs, for the length of a block."""
    store = Store.open(folder, settings)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            yield store
            await store.aclose()
    finally:
        await store.aclose()


@pytest.fixture
def inline() -> object:
    """Commits on the trio thread, so that virtual time can be used."""
    with use(InlineThreads()) as threads:
        yield threads
