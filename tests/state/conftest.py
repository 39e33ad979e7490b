"""What the tests of the store share."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from state.database import Settings
from state.store import Store
from supervisor.threads import InlineThreads, use

SMALL = Settings(ballast_bytes=0)


@asynccontextmanager
async def running(folder: Path, settings: Settings = SMALL) -> AsyncIterator[Store]:
    """Yield a store whose task runs, for the length of a block."""
    store = Store.open(folder, settings)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            yield store
            await store.aclose()
    finally:
        await store.aclose()


@pytest.fixture
def inline() -> Iterator[object]:
    """Commit on the trio thread, so that virtual time can be used."""
    with use(InlineThreads()) as threads:
        yield threads
