"""The vital signs of one running tree: who is asked for them, and who is told."""

import logging
from collections.abc import Callable, Sequence

import trio

from actors.liveness import ROOT
from bot.notify import Notifier
from bot.stacks import task_stacks, thread_stacks
from messages.views import StatusView
from supervisor.supervisor import ChildError, Supervisor
from supervisor.system import System

logger = logging.getLogger("liveness")

VENUES = "/venues"
# Asked four times per period of the watchdog, and given a quarter of it: between two words at
# systemd lies at most half of the period, as it wants.
PARTS = 4
# Without a watchdog: stalls are still logged, and paged.
EVERY_S = 5.0


class TreeVitals:
    """Fulfils `actors.liveness.Vitals` for a `System`; `status` is for the summary."""

    def __init__(self, notifier: Notifier, status: Callable[[], StatusView]) -> None:
        self._notifier = notifier
        self._status = status
        self._system: System | None = None
        self._was_silent = False
        self.is_ready = False
        """Until it is, others say what is being waited for."""
        self.is_stopping = False

    @property
    def every_s(self) -> float:
        """How often is asked, and how long is waited for answers."""
        watchdog_s = self._notifier.watchdog_s
        return watchdog_s / PARTS if watchdog_s else EVERY_S

    def attach(self, system: System) -> None:
        """Say which tree it is about; called before it runs."""
        self._system = system

    def watched(self) -> Sequence[str]:
        if self.is_stopping:
            # They stop in order and answer nothing else; whoever stops us has a time-out for that.
            return []
        assert self._system is not None, "the tree was attached"
        venues = [
            child.address
            for node in self._system.tree().children
            if node.address == VENUES
            for child in node.children
            # One that is halted was given up by its supervisor: that is known, and no stall.
            if child.kind == "supervisor" and child.state == "running"
        ]
        return [ROOT, *venues]

    async def ping(self, address: str) -> None:
        try:
            await self._supervisor(address).ping()
        except (ChildError, LookupError):
            # It is gone. If its own supervisor took it down meanwhile, that is known, and no stall.
            if address in self.watched():
                await trio.sleep_forever()

    def alive(self) -> None:
        if self._was_silent:
            self._was_silent = False
            logger.warning("all answer again")
        status = [f"STATUS={summary(self._status())}"] if self.is_ready else []
        left = self._system.unkillable if self._system is not None else []
        if left:
            # Nobody in this process can end it; systemd can.
            self._notifier.tell(f"STATUS=cannot be ended: {', '.join(left)}")
            return
        self._notifier.tell("WATCHDOG=1", *status)

    def silent(self, addresses: Sequence[str], patience_s: float) -> None:
        if self._was_silent or self.is_stopping:
            return
        self._was_silent = True
        logger.error(
            "no answer within %g s from %s; until there is, systemd is not told that the bot lives",
            patience_s, ", ".join(addresses),
        )  # fmt: skip
        logger.error("the threads then: %s", thread_stacks())
        logger.error("the tasks then: %s", task_stacks())
        self._notifier.tell(f"STATUS=no answer from {', '.join(addresses)}")

    def _supervisor(self, address: str) -> Supervisor:
        assert self._system is not None, "the tree was attached"
        if address == ROOT:
            return self._system.root
        above, name = self._system.supervisor_of(address)
        found = above.find(name).runner
        assert isinstance(found, Supervisor), "supervisors are asked"
        return found


def summary(status: StatusView) -> str:
    """Return how the bot is, in one line for `systemctl status`."""
    said = (
        f"{status.state}, {status.mode}: {status.orders_open} orders open, {status.fills} fills, "
        f"{status.actors} actors, {status.restarts} restarts"
    )
    return f"{said}; the kill switch is engaged" if status.kill_switch else said
