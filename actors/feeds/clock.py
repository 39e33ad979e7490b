"""Asks a venue for its time, and alerts when the clocks are so far apart that it refuses orders."""

import contextlib
from typing import Protocol

import trio

from actors.feeds.telling import Telling
from actors.feeds.timing import ClockOffset
from exchanges.errors import VenueError
from supervisor.port import PortContext

# The first questions, quickly: one answer of a clock that shows seconds says little. At odd times,
# so that they meet different parts of a second.
FIRST_QUESTIONS = 8
FIRST_S = 1.37
EVERY_S = 60.0
# Venues refuse requests that are stamped a second ahead of their clock (Binance, OKX, Bybit), and
# those older than a receive window of some seconds. At half of the smaller one a person is told.
OFFSET_NS_MAX = 500_000_000


class TimeClient(Protocol):
    """What is needed of a venue's client."""

    time_step_ns: int

    async def fetch_time_ns(self) -> int: ...


class VenueClock:
    """Follows one venue's clock over all connections."""

    def __init__(self) -> None:
        self.measured = ClockOffset()
        self._is_told = False

    async def follow(self, client: TimeClient, telling: Telling, ctx: PortContext) -> None:
        """Ask for ever. What the venue does not answer is asked again later."""
        questions = 0
        while True:
            with contextlib.suppress(VenueError):
                asked_ns = ctx.now_ns()
                venue_ns = await client.fetch_time_ns()
                self.measured.note(asked_ns, ctx.now_ns(), venue_ns, client.time_step_ns)
                self._judge(telling)
            questions += 1
            await trio.sleep(FIRST_S if questions < FIRST_QUESTIONS else EVERY_S)

    def _judge(self, telling: Telling) -> None:
        offset = self.measured.offset
        assert offset is not None, "there is an answer"
        beyond = abs(offset.offset_ns) - offset.error_ns > OFFSET_NS_MAX
        if beyond and not self._is_told:
            side = "behind" if offset.offset_ns > 0 else "ahead of"
            telling.alert(
                f"our clock is {abs(offset.offset_ns) // 1_000_000} ms {side} {telling.venue}'s: "
                "it will refuse orders; set the clock (timedatectl set-ntp true)"
            )
        self._is_told = beyond
