"""Exceptions in the handlers of the production tree: for one message of one actor, live only.

The actors of a spec are replaced by ones of the same class whose handlers ask first whether they
are to fail. A handler that fails does so after its work, so that half-made state and effects are
there to be thrown away. A message that is folded again, in recovery or at a start, never fails.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Any

import msgspec
from msgspec.structs import replace

from messages.base import Message
from supervisor.actor import Actor, AnyState, Context
from supervisor.port import Port
from supervisor.spec import ChildSpec, SupervisorSpec

Matches = Callable[[Message, Any], bool]


class InjectedError(Exception):
    """What a handler raises that was told to fail."""


@dataclass
class Fault:
    """One message of one actor that its handler cannot take."""

    matches: Matches
    """Of message and state: whether this is the one."""
    times: int
    """How often handling it fails; then it is handled like any other."""
    message: bytes = b""
    """The one, once it came."""
    failures: int = 0


@dataclass
class Faults:
    """Who is to fail, on what."""

    is_live: Callable[[], bool] = lambda: False
    armed: dict[str, Fault] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    """Address → the last message that was handled live: up to it, all is folded again."""

    def arm(self, address: str, matches: Matches, times: int = 1) -> Fault:
        """Have `address` fail `times` at the first message that `matches`."""
        fault = self.armed[address] = Fault(matches, times)
        return fault

    def disarm(self, address: str) -> None:
        """Mend `address`."""
        self.armed.pop(address, None)

    def after(self, state: AnyState, message: Message, ctx: Context) -> None:
        """Fail if it is the message's turn; called when its handler has done its work."""
        if not self.is_live() or ctx.seq <= self.done.get(ctx.address, 0):
            return
        fault = self.armed.get(ctx.address)
        if fault is not None and fault.failures < fault.times:
            body = msgspec.msgpack.encode(message)
            if body == fault.message or (not fault.message and fault.matches(message, state)):
                fault.message = body
                fault.failures += 1
                raise InjectedError(f"failure {fault.failures} of {type(message).__name__}")
        self.done[ctx.address] = ctx.seq


def breakable(spec: SupervisorSpec, faults: Faults) -> SupervisorSpec:
    """Return `spec` with actors that fail when `faults` says so."""
    children: list[ChildSpec | SupervisorSpec] = []
    for child in spec.children:
        if isinstance(child, SupervisorSpec):
            children.append(breakable(child, faults))
        else:
            children.append(replace(child, start=partial(_start, child.start, faults)))
    return replace(spec, children=tuple(children))


def _start(start: Callable[[], Actor[Any] | Port], faults: Faults) -> Actor[Any] | Port:
    started = start()
    if isinstance(started, Actor):
        kind = type(started)
        methods = inspect.getmembers(kind, inspect.isfunction)
        handlers = {n: _failing(m, faults) for n, m in methods if n.startswith("on_")}
        started.__class__ = type(kind.__name__, (kind,), handlers)
    return started


def _failing(handler: Callable[..., None], faults: Faults) -> Callable[..., None]:
    @wraps(handler)
    def handle(actor: Actor[Any], state: AnyState, message: Message, ctx: Context) -> None:
        handler(actor, state, message, ctx)
        faults.after(state, message, ctx)

    return handle
