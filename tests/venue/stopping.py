"""Stopping an engine that has no server around it."""

import trio

from venue.engine import Engine


async def stop(engine: Engine) -> None:
    """Commit what is open and close the file."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.commits.run)
        await engine.settle()
        nursery.cancel_scope.cancel()
    engine.storage.close()
