"""An actor for a process of its own: it counts, spins, eats memory, kills itself."""

import os
import signal
import sys

import msgspec

from messages.base import Message
from messages.runtime import Booted, Quarantined, Stuck, TimerFired
from supervisor.actor import Actor, Context, State


class Count(Message, frozen=True, kw_only=True, tag="isolated.Count"):
    amount: int


class Misbehave(Message, frozen=True, kw_only=True, tag="isolated.Misbehave"):
    how: str


class Counted(State):
    value: int = 0
    ids: list[str] = msgspec.field(default_factory=list)
    told: list[str] = msgspec.field(default_factory=list)


class Isolated(Actor[Counted]):
    def __init__(self, step: int = 1, to: str = "") -> None:
        self.step = step
        self.to = to

    def on_booted(self, state: Counted, message: Booted, ctx: Context) -> None:
        state.told.append(f"booted {message.boot}")

    def on_count(self, state: Counted, message: Count, ctx: Context) -> None:
        state.value += self.step * message.amount
        state.ids.append(f"{ctx.new_id()[:8]} {int(ctx.random() * 1_000)}")
        if self.to:
            ctx.send(self.to, message)
        if message.amount == 7:
            ctx.after("later", 1_000_000)

    def on_timer_fired(self, state: Counted, message: TimerFired, ctx: Context) -> None:
        state.told.append(f"timer {message.name}")

    def on_quarantined(self, state: Counted, message: Quarantined, ctx: Context) -> None:
        state.told.append(f"quarantined {message.tag_set_aside}")

    def on_stuck(self, state: Counted, message: Stuck, ctx: Context) -> None:
        state.told.append("stuck")

    def on_misbehave(self, state: Counted, message: Misbehave, ctx: Context) -> None:
        state.value = -1
        if message.how == "raise":
            raise RuntimeError("told to")
        if message.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if message.how == "exit":
            sys.exit(3)
        if message.how == "eat":
            eaten = [bytearray(20_000_000) for _ in range(100)]
            state.value = len(eaten)
        while message.how == "spin":
            pass
