"""Going back in time: the rows of another moment, asked for view by view.

No Textual here. A moment's rows are kept in a store of their own, so that what the daemon streams
meanwhile is neither shown nor lost.
"""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from messages import control
from messages.control import Answer, Outcome, Snapshot, View
from messages.times import NANOSECONDS_PER_SECOND
from messages.views import (
    AnyView,
    FillView,
    LogLine,
    MomentView,
    OrderView,
    TreeNode,
    VaultView,
    flatten,
)
from tui.client import Client
from tui.store import WINDOWS, Store

# How many seconds of the past a film shows in one: watching, skimming, a night in a minute.
SPEEDS = (1, 10, 60, 600)
JUMP_NS = 60 * NANOSECONDS_PER_SECOND
# What fits into a page of a screen; more is for the verbs.
ROWS = {view: WINDOWS.get(view, control.ROWS_MAX) for view in View}


class Travel:
    """Which moment is shown, and its rows."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.at_ns = 0
        """The moment shown; 0 is now."""
        self.goal_ns = 0
        """The moment that was asked for and may not be shown yet; 0 is now."""
        self.is_playing = False
        self.speed = SPEEDS[0]
        self.store = Store()
        self._sequence = 0

    @property
    def is_past(self) -> bool:
        """Whether another moment than now is shown."""
        return self.at_ns > 0

    def leave(self) -> None:
        """Be in the present again."""
        self.at_ns = self.goal_ns = 0
        self.is_playing = False
        self.store = Store()

    def faster(self) -> None:
        """Take the next speed; after the last comes the first."""
        self.speed = SPEEDS[(SPEEDS.index(self.speed) + 1) % len(SPEEDS)]

    async def neighbour_ns(self, view: View, at_ns: int, *, later: bool) -> int | str:
        """Return the recorded moment before `at_ns`, or after it; or why there is none."""
        request = control.Moment(
            request_id=self._client.new_id(), view=view, at_ns=at_ns, later=later
        )
        answer = await self._client.ask(request)
        if answer.outcome is not Outcome.OK:
            return answer.text or "the bot did not say"
        for row in answer.rows:
            if isinstance(row, MomentView):
                return row.at_ns
        return f"nothing in this view was recorded {'after' if later else 'before'} that"

    async def go(self, at_ns: int, views: Iterable[View]) -> str:
        """Show the rows of `at_ns`, all at once; return what went wrong, or nothing."""
        assert at_ns > 0, "now is where one leaves to"
        wanted = list(dict.fromkeys(view for view in views if view is not View.STATUS))
        self.goal_ns = at_ns
        answers = await asyncio.gather(
            *(self._client.ask(self._request(view, at_ns)) for view in wanted)
        )
        for answer in answers:
            if answer.outcome is not Outcome.OK:
                self.goal_ns = self.at_ns
                return answer.text or "the bot did not say"
        if at_ns != self.at_ns:
            self.at_ns, self.store = at_ns, Store()
        for view, answer in zip(wanted, answers, strict=True):
            self._take(view, answer)
        return ""

    def _take(self, view: View, answer: Answer) -> None:
        self._sequence += 1
        rows = tuple(_flat(answer))
        complete = not answer.next
        self.store.apply(Snapshot(view=view, seq=self._sequence, rows=rows, complete=complete))

    def _request(self, view: View, at_ns: int) -> control.Request:
        request_id = self._client.new_id()
        if view is View.TREE:
            return control.Tree(request_id=request_id, as_of_ns=at_ns)
        if view is View.VAULTS:
            return control.Vaults(request_id=request_id, as_of_ns=at_ns)
        if view is View.ORDERS:
            return control.Orders(request_id=request_id, as_of_ns=at_ns, limit=ROWS[view])
        if view is View.FILLS:
            return control.Fills(request_id=request_id, as_of_ns=at_ns, limit=ROWS[view])
        assert view is View.LOG, "the status of the past is not recorded"
        return control.Log(request_id=request_id, as_of_ns=at_ns, tail=ROWS[view])


def _flat(answer: Answer) -> Iterator[AnyView]:
    for row in answer.rows:
        if isinstance(row, TreeNode):
            yield from flatten(row)
        elif isinstance(row, VaultView | OrderView | FillView | LogLine):
            yield row


def moment_text(at_ns: int) -> str:
    """Return a moment to the millisecond: `2026-07-01 03:12:00.123Z`."""
    at = datetime.fromtimestamp(at_ns // NANOSECONDS_PER_SECOND, UTC)
    milliseconds = at_ns % NANOSECONDS_PER_SECOND // 1_000_000
    return f"{at:%Y-%m-%d %H:%M:%S}.{milliseconds:03d}Z"
