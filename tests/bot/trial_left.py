"""The small tree of `trial`, with a port that nothing ends."""

from pathlib import Path

import trio
from msgspec.structs import replace

from messages.settings import TreeSettings
from supervisor.clock import Clock
from supervisor.port import Port, PortContext
from supervisor.spec import ChildSpec, SupervisorSpec
from tests.bot.trial import assemble as assemble_small


class Immortal(Port):
    """Waits behind a shield for what does not come."""

    async def run(self, ctx: PortContext) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep_forever()


def assemble(
    settings: TreeSettings, folder: Path, clock: Clock, front: tuple[ChildSpec, ...]
) -> SupervisorSpec:
    """Build the tree, the port below a supervisor of its own."""
    spec = assemble_small(settings, folder, clock, front)
    immortal = ChildSpec(name="immortal", start=Immortal, shutdown_ns=10_000_000)
    inner = SupervisorSpec(name="inner", children=(immortal,))
    return replace(spec, children=(*spec.children, inner))
