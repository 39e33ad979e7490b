"""Liveness: asks those without whom nothing works whether they live, and tells who watches us.

A beat asks root and the supervisor of every venue that is up, each of which answers in its own
loop, and has the store commit something. Only when all of them have answered in time does anybody
hear that the bot lives: no answer, no word, and whoever watches ends the process. Nothing that is
asked can be answered by this port itself.
"""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import trio

from messages.money import Alert, Severity
from messages.runtime import Pulse
from supervisor.port import Port, PortContext

ROOT = "/"
STORE = "/store"
PULSE_TOPIC = "/system/pulse"
ALERTS = "/alerts"


class Vitals(Protocol):
    """The way to those who are asked, and to those who watch."""

    def watched(self) -> Sequence[str]:
        """Return the supervisors that are to answer now."""

    async def ping(self, address: str) -> None:
        """Return once the supervisor at `address` has answered; never, if it does not."""

    def alive(self) -> None:
        """Hear that all have answered."""

    def silent(self, addresses: Sequence[str], patience_s: float) -> None:
        """Hear who has not answered."""


class Liveness(Port):
    """Asks every `every_s`, and gives everybody `patience_s` to answer."""

    commands = (Pulse,)

    def __init__(self, vitals: Vitals, every_s: float, patience_s: float) -> None:
        self._vitals = vitals
        self._every_s = every_s
        self._patience_s = patience_s
        self._beats = 0

    async def run(self, ctx: PortContext) -> None:
        ctx.nursery.start_soon(self._take_pulses, ctx)
        # Root answers once all of its children have started: until then there is nothing to ask.
        await self._vitals.ping(ROOT)
        was_silent = False
        while True:
            silent = await self._beat(ctx)
            if not silent:
                self._vitals.alive()
            else:
                self._vitals.silent(silent, self._patience_s)
                if not was_silent:
                    ctx.send(ALERTS, _alert(silent, self._patience_s))
            was_silent = bool(silent)
            await trio.sleep(self._every_s)

    async def _beat(self, ctx: PortContext) -> list[str]:
        """Ask everybody; return who has not answered in time."""
        asks = {address: partial(self._vitals.ping, address) for address in self._vitals.watched()}
        asks[STORE] = partial(self._commit, ctx)
        waiting = list(asks)

        async def ask(address: str) -> None:
            await asks[address]()
            waiting.remove(address)

        with trio.move_on_after(self._patience_s):
            async with trio.open_nursery() as nursery:
                for address in asks:
                    nursery.start_soon(ask, address)
        return waiting

    async def _commit(self, ctx: PortContext) -> None:
        """Have the store commit a pulse. Streams are retired: it does not pile up."""
        self._beats += 1
        ctx.publish(PULSE_TOPIC, Pulse(number=self._beats))
        await ctx.committed()

    async def _take_pulses(self, ctx: PortContext) -> None:
        while True:
            await ctx.receive()


def _alert(silent: Sequence[str], patience_s: float) -> Alert:
    text = (
        f"{', '.join(silent)} did not answer within {patience_s:g} s: `bot log` has the stacks; "
        "under systemd the bot is restarted if this lasts"
    )
    return Alert(severity=Severity.PAGE, subject="liveness", text=text)
