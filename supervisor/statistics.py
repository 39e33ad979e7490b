"""What the tree tells of itself, to the control port, tests and benchmarks."""

import msgspec

from supervisor.mailbox import MailboxStatistics


class CellStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One actor's or port's cell."""

    address: str
    kind: str
    incarnation: int
    seq: int
    """Messages handled since the actor was first made; 0 for a port."""
    mailbox: MailboxStatistics
    tail_messages: int = 0
    blocked: bool = False
    suspended: bool = False
    timers: int = 0


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One place in the supervision tree, with what is below it."""

    address: str
    kind: str
    """supervisor, actor or port."""
    state: str
    """starting, running, blocked, suspended, backoff, stopped, halted."""
    incarnation: int
    restarts: int
    last_exit: str
    mailbox: int
    handled: int
    children: tuple["Node", ...] = ()
