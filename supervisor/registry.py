"""Who runs, under which name and incarnation; who watches whom, and who ends with whom.

A name is bound to an incarnation for as long as that runs. Monitors and links are asked for by
messages to `MONITORS` (see `Context.monitor`), belong to an address rather than to one incarnation
of it, and end with the process: an actor that needs them again asks when it is told `Booted`.

A `Down` begins the turn in which it is handled, so whoever asks to forget a monitor is not told by
the very turn in which it asked.
"""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, Protocol

from messages.base import Message, decoder
from messages.runtime import Demonitor, Down, Exited, Link, Monitor, Unlink
from supervisor import limits
from supervisor.actor import MONITORS
from supervisor.child import Child
from supervisor.journal import RUNTIME, Envelope
from supervisor.router import DeadLetter, Router
from supervisor.spec import NOPROC, ChildSpec, Ended, ExitReason


class Presence(Enum):
    """What stands behind a name now."""

    RUNNING = "running"
    RESTARTING = "restarting"
    """It is known and does not run: wait with a deadline, or give up."""
    ABSENT = "absent"


class Whereabouts(NamedTuple):
    """The answer to `Registry.whereis`."""

    presence: Presence
    incarnation: int
    """The running one, or the last; 0 if there was none."""


class Watched(NamedTuple):
    """One monitor."""

    ref: str
    watcher: str
    address: str


class Inbox(Protocol):
    """What the registry needs of an actor's mailbox, to take a `Down` back."""

    def mark(self, position: int) -> None:
        """Have the message at `position` begin a turn."""

    def recall(self, position: int) -> bool:
        """Take back what waits at `position`; return whether it was still there."""


class Registry:
    """The names of what runs, and the monitors and links between them."""

    address = MONITORS
    waits_for_commit = False

    def __init__(self, router: Router, inbox_of: Callable[[str], Inbox | None]) -> None:
        self.actor_id = router.enroll(MONITORS)
        self._router = router
        self._inbox_of = inbox_of
        self._running: dict[str, Child] = {}
        self._last: dict[str, int] = {}
        self._monitors: dict[str, Watched] = {}
        self._watching: dict[str, dict[str, None]] = {}
        self._of_watcher: dict[str, dict[str, None]] = {}
        self._told: dict[str, tuple[str, int]] = {}
        self._links: dict[str, dict[str, None]] = {}
        self.is_closing = False
        """Once the tree is to stop nobody is told of ends any more: all end."""
        self._decode = decoder((Monitor, Demonitor, Link, Unlink)).decode

    # --- names

    def up(self, child: Child) -> None:
        """Bind a name to an incarnation that begins."""
        assert child.address not in self._running, f"{child.address} runs already"
        self._running[child.address] = child

    def down(self, child: Child, reason: ExitReason) -> None:
        """Free the name of an incarnation that ended, and tell whoever watches it."""
        address = child.address
        del self._running[address]
        self._last[address] = child.runner.incarnation
        if not self.is_closing and (address in self._watching or address in self._links):
            self._tell(address, child.runner.incarnation, reason)

    def retire(self, address: str) -> None:
        """Forget what `address` watched: nobody has it any more."""
        self._last.pop(address, None)
        for ref in list(self._of_watcher.get(address, ())):
            self._drop(self._monitors[ref])
        for other in list(self._links.get(address, ())):
            self._unlink(address, other)

    @property
    def running(self) -> list[str]:
        """The names of all that runs."""
        return list(self._running)

    def whereis(self, address: str) -> Whereabouts:
        """Return what stands behind `address`; a reply of an older incarnation is not from it."""
        child = self._running.get(address)
        last = self._last.get(address, 0)
        if child is not None:
            return Whereabouts(Presence.RUNNING, child.runner.incarnation)
        return Whereabouts(Presence.RESTARTING if last else Presence.ABSENT, last)

    # --- Receiver

    def deliver(self, batch: list[Envelope]) -> None:
        """Take wishes: they hold from the end of the turn in which they were made."""
        for position, sender, _, at_ns, body, _, _ in batch:
            self._router.journal.conclude(position)
            watcher = self._router.names[sender]
            try:
                wish = self._decode(body)
                assert isinstance(wish, Message), "wishes are messages"
                self._do(wish, watcher)
            except ValueError as error:
                letter = DeadLetter(position, watcher, MONITORS, "", str(error), at_ns)
                self._router.bury(letter)

    def deliver_stream(self, envelope: Envelope) -> bool:
        return False

    def gap(self, topic: int) -> int:
        return 0

    def _do(self, wish: Message, watcher: str) -> None:
        if isinstance(wish, Monitor):
            self._monitor(wish, watcher)
        elif isinstance(wish, Demonitor):
            self._demonitor(wish.ref, watcher)
        elif isinstance(wish, Link):
            self._link(watcher, wish.address)
        elif isinstance(wish, Unlink):
            self._unlink(watcher, wish.address)

    # --- monitors

    def _monitor(self, wish: Monitor, watcher: str) -> None:
        watched = Watched(wish.ref, watcher, wish.address)
        if wish.address not in self._running:
            self._post_down(watched, self._last.get(wish.address, 0), NOPROC)
            return
        self._monitors[wish.ref] = watched
        self._watching.setdefault(wish.address, {})[wish.ref] = None
        self._of_watcher.setdefault(watcher, {})[wish.ref] = None

    def _demonitor(self, ref: str, watcher: str) -> None:
        watched = self._monitors.get(ref)
        if watched is not None and watched.watcher == watcher:
            self._drop(watched)
        told_to, position = self._told.pop(ref, ("", 0))
        inbox = self._inbox_of(watcher) if told_to == watcher else None
        if inbox is not None and inbox.recall(position):
            self._router.journal.conclude(position)

    def _drop(self, watched: Watched) -> None:
        del self._monitors[watched.ref]
        indexes = ((self._watching, watched.address), (self._of_watcher, watched.watcher))
        for index, name in indexes:
            del index[name][watched.ref]
            if not index[name]:
                del index[name]

    def _tell(self, address: str, incarnation: int, reason: ExitReason) -> None:
        for ref in list(self._watching.get(address, ())):
            watched = self._monitors[ref]
            self._drop(watched)
            self._post_down(watched, incarnation, reason)
        for other in list(self._links.get(address, ())):
            self._unlink(address, other)
            self._exit(other, address, incarnation, reason)

    def _post_down(self, watched: Watched, incarnation: int, reason: ExitReason) -> None:
        down = Down(
            address=watched.address, incarnation=incarnation, reason=str(reason), ref=watched.ref
        )
        position = self._router.post(RUNTIME, watched.watcher, down)
        inbox = self._inbox_of(watched.watcher)
        if inbox is not None:
            inbox.mark(position)
            self._told[watched.ref] = (watched.watcher, position)
            while len(self._told) > limits.DOWNS_RECALLABLE:
                del self._told[next(iter(self._told))]

    # --- links

    def _link(self, one: str, other: str) -> None:
        if other not in self._running:
            self._exit(one, other, self._last.get(other, 0), NOPROC)
            return
        self._links.setdefault(one, {})[other] = None
        self._links.setdefault(other, {})[one] = None

    def _unlink(self, one: str, other: str) -> None:
        for here, there in ((one, other), (other, one)):
            links = self._links.get(here, {})
            links.pop(there, None)
            if not links:
                self._links.pop(here, None)

    def _exit(self, address: str, ended: str, incarnation: int, reason: ExitReason) -> None:
        """Have `address` end because `ended` did, or be told, if it traps exits."""
        child = self._running.get(address)
        if child is None:
            return
        traps = isinstance(child.spec, ChildSpec) and child.spec.trap_exit
        if traps:
            exited = Exited(address=ended, incarnation=incarnation, reason=str(reason))
            self._router.post(RUNTIME, address, exited)
        elif reason.ended is not Ended.NORMAL:
            text = f"linked to {ended}, which ended: {reason}"
            child.kill(ExitReason(reason.ended, text, reason.error))
