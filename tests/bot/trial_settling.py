"""The small tree of `trial`, with an account that is compared once a file says so."""

from pathlib import Path

import trio
from msgspec.structs import replace

from messages.money import ReconcileNow
from messages.runtime import Settled
from messages.settings import TreeSettings
from supervisor.actor import Actor, Context, State
from supervisor.clock import Clock
from supervisor.port import Port, PortContext
from supervisor.spec import ChildSpec, SupervisorSpec
from supervisor.timers import SETTLED_TOPIC
from tests.bot.trial import TrialSleeve
from tests.bot.trial import assemble as assemble_small

POLL_S = 0.02


class TrialReconcile(Actor[State]):
    """Agrees when it is asked."""

    def on_now(self, state: State, message: ReconcileNow, ctx: Context) -> None:
        ctx.publish(SETTLED_TOPIC, Settled())


class Asker(Port):
    """Asks once the file is there."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def run(self, ctx: PortContext) -> None:
        while not self._file.exists():  # noqa: ASYNC110 - another process makes it
            await trio.sleep(POLL_S)
        ctx.send("/reconcile", ReconcileNow())
        await trio.sleep_forever()


def assemble(
    settings: TreeSettings, folder: Path, clock: Clock, front: tuple[ChildSpec, ...]
) -> SupervisorSpec:
    """Build the tree; `compared` in the data folder is the file."""
    spec = assemble_small(settings, folder, clock, front)
    more = (
        ChildSpec(name="reconcile", start=TrialReconcile),
        ChildSpec(name="asker", start=lambda: Asker(folder / "compared")),
        ChildSpec(name="waiting", start=TrialSleeve, timers_after="/reconcile"),
    )
    return replace(spec, children=(*spec.children, *more))
