"""Handlers of the production tree that fail after their work, so that half a message is there."""

import inspect
from collections import Counter
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from msgspec.structs import replace

from messages.base import Message
from supervisor.actor import Actor, AnyState, Context
from supervisor.port import Port
from supervisor.spec import ChildSpec, SupervisorSpec


class InjectedError(Exception):
    """What a handler raises that was told to fail."""


class Crashes:
    """Who is to fail, and how often; live only, so that a fold of the past never does."""

    def __init__(self, is_live: Callable[[], bool], note: Callable[[str], None]) -> None:
        self.armed: dict[str, int] = {}
        """Address → how often handling its next message fails."""
        self.starved: set[str] = set()
        """Addresses whose next message finds no memory."""
        self.lost: set[str] = set()
        """Addresses that found none in this life, which ends with that: their counts do too."""
        self.done: Counter[str] = Counter()
        self._is_live = is_live
        self._note = note
        self._handled: dict[str, int] = {}
        self._failing: dict[str, int] = {}

    def arm(self, address: str, times: int) -> None:
        """Have the next message of `address` fail `times`."""
        self.armed[address] = times

    def forget(self) -> None:
        """Begin again with the next process: its actors may stand earlier."""
        self.armed.clear()
        self.starved.clear()
        self.lost.clear()
        self._handled.clear()
        self._failing.clear()

    def change(self, spec: SupervisorSpec) -> SupervisorSpec:
        """Return `spec` with actors that fail when told to."""
        children: list[ChildSpec | SupervisorSpec] = []
        for child in spec.children:
            if isinstance(child, SupervisorSpec):
                children.append(self.change(child))
            else:
                children.append(replace(child, start=partial(self._start, child.start)))
        return replace(spec, children=tuple(children))

    def _start(self, start: Callable[[], Actor[Any] | Port]) -> Actor[Any] | Port:
        started = start()
        if isinstance(started, Actor):
            started.__class__ = _failing(type(started))
            started.__dict__["crashes"] = self
        return started

    def after(self, message: Message, ctx: Context) -> None:
        address = ctx.address
        if not self._is_live() or ctx.seq <= self._handled.get(address, 0):
            return
        if address in self.starved:
            self.starved.discard(address)
            self.lost.add(address)
            self._note(f"{address} finds no memory at {type(message).__name__} {ctx.seq}")
            raise MemoryError("an injected lack of memory")
        left = self.armed.get(address, 0)
        # A fault meets one message: what comes after it is handled like any other.
        if left and self._failing.get(address, ctx.seq) == ctx.seq:
            self._failing[address] = ctx.seq
            self.armed[address] = left - 1
            self.done[address] += 1
            self._note(f"{address} fails on {type(message).__name__} {ctx.seq}")
            raise InjectedError(f"an injected failure at {type(message).__name__}")
        self.armed.pop(address, None)
        self._failing.pop(address, None)
        self._handled[address] = ctx.seq


def _failing(kind: type[Actor[Any]]) -> type[Actor[Any]]:
    """Return `kind` with handlers that may fail: one for all runs, since classes are for ever."""
    if kind not in _KINDS:
        methods = inspect.getmembers(kind, inspect.isfunction)
        handlers = {name: _failing_one(each) for name, each in methods if name.startswith("on_")}
        _KINDS[kind] = type(kind.__name__, (kind,), handlers)
    return _KINDS[kind]


_KINDS: dict[type[Actor[Any]], type[Actor[Any]]] = {}


def _failing_one(handler: Callable[..., None]) -> Callable[..., None]:
    @wraps(handler)
    def handle(actor: Actor[Any], state: AnyState, message: Message, ctx: Context) -> None:
        handler(actor, state, message, ctx)
        actor.__dict__["crashes"].after(message, ctx)

    return handle
