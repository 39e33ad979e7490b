"""What the runtime itself says to actors: ordinary messages, journalled like any other."""

from messages.base import Message, Stream


class Booted(Message, frozen=True, kw_only=True, tag="runtime.Booted"):
    """The process started and this actor's state was restored; handled before anything else."""

    boot: int
    """The number of this start of the database, from 1."""
    restored: bool = False
    """The database is a backup: what happened since it was made is not in it."""


class TimerFired(Message, frozen=True, kw_only=True, tag="runtime.TimerFired"):
    """A timer of this actor is due."""

    name: str
    due_ns: int
    missed: int = 0
    """Whole periods that passed unfired, for a periodic timer."""


class Down(Message, frozen=True, kw_only=True, tag="runtime.Down"):
    """A monitored actor or port ended, or did not run; its last words were delivered before."""

    address: str
    incarnation: int
    reason: str
    ref: str = ""
    """Which `Monitor` this answers; empty for those that the spec names as monitors."""


class Monitor(Message, frozen=True, kw_only=True, tag="runtime.Monitor"):
    """To the runtime: tell the sender once, with `Down`, when this incarnation ends."""

    ref: str
    address: str


class Demonitor(Message, frozen=True, kw_only=True, tag="runtime.Demonitor"):
    """To the runtime: the sender does not want that `Down`, not even one on its way."""

    ref: str


class Link(Message, frozen=True, kw_only=True, tag="runtime.Link"):
    """To the runtime: if the sender or this address ends, not normally, so does the other."""

    address: str


class Unlink(Message, frozen=True, kw_only=True, tag="runtime.Unlink"):
    """To the runtime: forget a `Link`."""

    address: str


class Exited(Message, frozen=True, kw_only=True, tag="runtime.Exited"):
    """Who this actor is linked to ended, and it traps exits instead of ending too."""

    address: str
    incarnation: int
    reason: str


class Undeliverable(Message, frozen=True, kw_only=True, tag="runtime.Undeliverable"):
    """A durable message of this actor went to an address that nobody has."""

    address: str
    tag_sent: str


class Gap(Stream, frozen=True, kw_only=True, tag="runtime.Gap"):
    """`missed` deliveries on `topic` were dropped just before the next one."""

    topic: str
    missed: int


class StateReplaced(Message, frozen=True, kw_only=True, tag="runtime.StateReplaced"):
    """An operator replaced this actor's state: from here on it is `state`, encoded."""

    state: bytes
    operator: str
    reason: str


class Quarantined(Message, frozen=True, kw_only=True, tag="runtime.Quarantined"):
    """A message that crashed this actor twice was set aside; it will not be handled."""

    position: int
    tag_set_aside: str
    error: str
    timer_name: str = ""
    """If it was a `TimerFired`: which; a periodic timer goes on with its next period."""
    timer_due_ns: int = 0


class Blocked(Message, frozen=True, kw_only=True, tag="runtime.Blocked"):
    """A guarded actor has a poison message at the head of its inbox and handles nothing more."""

    address: str
    position: int
    error: str


class Unblocked(Message, frozen=True, kw_only=True, tag="runtime.Unblocked"):
    """The operator retried or discarded the poison message; the actor handles its inbox again."""

    address: str
    position: int


class Stuck(Message, frozen=True, kw_only=True, tag="runtime.Stuck"):
    """This actor's handler was struck for using more processor time than its step budget."""

    position: int
    used_ns: int


class StoreHealth(Stream, frozen=True, kw_only=True, tag="runtime.StoreHealth"):
    """Whether the journal keeps up, on topic `/system/store`; entries are off while it does not."""

    healthy: bool
    reason: str = ""


class Settled(Stream, frozen=True, kw_only=True, tag="runtime.Settled"):
    """Its sender knows what happened while the process was down: topic `/system/settled`.

    Timers that wait for it (`ChildSpec.timers_after`) fire from then on. To be said again is no
    error.
    """


class Pulse(Stream, frozen=True, kw_only=True, tag="runtime.Pulse"):
    """Liveness → itself, on topic `/system/pulse`: its commit shows that the store lives."""

    number: int
