"""The system around a cell, as the cell sees it."""

from typing import Protocol

import trio

from supervisor.clock import Clock
from supervisor.journal import Journal
from supervisor.router import Router
from supervisor.stuck import Sampler
from supervisor.timers import Timers


class House(Protocol):
    """What a cell needs of the system around it."""

    router: Router
    journal: Journal
    clock: Clock
    timers: Timers
    sampler: Sampler
    gate: trio.Event
    """Set once every cell is restored: before that nothing is handled."""
    paranoid: bool

    def crowded(self, by: int) -> None:
        """Count mailboxes over their soft limit."""

    def tail_grew(self, by: int) -> None:
        """Count bytes kept in memory for crashes."""
