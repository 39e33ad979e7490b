"""The store's place in the tree: the first child of root, so the last to stop."""

from state.store import Store
from supervisor.port import Port, PortContext


class StorePort(Port):
    """Runs the store; its end ends the process, with the exit code that the error names."""

    announces_start = True

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self, ctx: PortContext) -> None:
        """Commit until cancelled, then commit what is left and close the database."""
        try:
            ctx.started()
            await self._store.run()
        finally:
            await self._store.aclose()
