"""The store's place in the tree: the first child of root, so the last to stop."""

from state.store import Store
from supervisor.port import Port, PortContext
from supervisor.spec import ChildSpec, Restart


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


def store_child(store: Store) -> ChildSpec:
    """Return the child that runs `store`: nothing goes on without it, and it opens only once.

    The root that it stands in must have an `auto_shutdown`.
    """
    return ChildSpec(
        name="store",
        start=lambda: StorePort(store),
        restart=Restart.TEMPORARY,
        significant=True,
    )
