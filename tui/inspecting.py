"""Asking about the actor under the cursor: its figures, and its state where that is unfolded."""

import asyncio
from collections.abc import Callable, Iterator

import msgspec

from messages.actor_control import Aspect, Inspect
from messages.control import Outcome
from messages.inspection import ActorState, ActorStats
from tui.client import Client, Link
from tui.screens.page import labelled
from tui.store import Store
from tui.text import clean, clock, span
from tui.widgets.painted import Run

# How often we look whether the cursor stands elsewhere, and how old figures may become meanwhile.
LOOK_S = 0.25
OLD_S = 2.0
# An actor that does not answer in time is not waited for: the tree is shown all the same.
TIMEOUT_MS = 2_000
# Fields of a state, and characters of each, that the pane shows; `bot actor state` shows all.
FIELDS_MAX = 60
FIELD_CHARACTERS_MAX = 300
_KINDS = {"actor", "process", "port"}
_NS_PER_S = 1_000_000_000


class Inspecting:
    """Keeps `store.inspected` about one actor."""

    def __init__(
        self,
        client: Client,
        store: Store,
        chosen: Callable[[], str | None],
        told: Callable[[], None],
    ) -> None:
        self._client = client
        self._store = store
        self._chosen = chosen
        self._told = told
        self._asked: tuple[str, bool] = ("", False)
        self._asked_s = 0.0

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            address = self._chosen()
            if address is not None and self._client.link() is Link.LIVE:
                await self._look(address)

    async def _look(self, address: str) -> None:
        row = self._store.node(address)
        if row is None or row.kind not in _KINDS:
            return
        now_s = asyncio.get_running_loop().time()
        unfolds = self._store.unfolds_state and row.kind != "port"
        if self._asked == (address, unfolds) and now_s - self._asked_s < OLD_S:
            return
        self._asked, self._asked_s = (address, unfolds), now_s
        await self._ask(address, Aspect.STATS)
        if unfolds:
            await self._ask(address, Aspect.STATE)
        self._told()

    async def _ask(self, address: str, aspect: Aspect) -> None:
        request = Inspect(
            request_id=self._client.new_id(), timeout_ms=TIMEOUT_MS, address=address, aspect=aspect
        )
        answer = await self._client.ask(request)
        if answer.outcome is not Outcome.OK:
            self._store.forget_inspected(answer.text, is_state=aspect is Aspect.STATE)
            return
        for row in answer.rows:
            if isinstance(row, ActorStats | ActorState):
                self._store.inspect(row)


def inspected_lines(store: Store, address: str) -> Iterator[list[Run]]:
    """Yield what is known of the actor at `address`, for the details of its line."""
    stats = store.stats_of(address)
    if stats is not None:
        yield labelled(
            (
                ("last end", stats.last_exit or "none"),
                ("next start in", _span(stats.backoff_left_ns)),
                ("up", _span(stats.uptime_ns)),
                ("since", clock(stats.started_ns) if stats.started_ns else ""),
            )
        )
        yield labelled(
            (
                ("handled", str(stats.handled)),
                ("waiting", f"{stats.queued}, at most {stats.queued_max}"),
                ("dropped", str(stats.dropped) if stats.dropped else ""),
                ("dead", str(stats.dead) if stats.dead else ""),
                ("message p99", _microseconds(stats.step_p99_ns)),
                ("struck", str(stats.struck) if stats.struck else ""),
                ("traced", "yes" if stats.traced else ""),
                ("circuit", stats.circuit),
            )
        )
    if store.unfolds_state:
        yield from _state_lines(store, address)


def _state_lines(store: Store, address: str) -> Iterator[list[Run]]:
    state = store.state_of(address)
    if state is None:
        yield labelled((("state", store.no_state or "asked for"),))
        return
    yield labelled((("state after message", str(state.seq)), ("bytes", str(state.state_bytes))))
    if not state.complete:
        yield labelled((("too long for this pane", f"bot actor state {address}"),))
        return
    fields: dict[str, msgspec.Raw] = msgspec.json.decode(state.state, type=dict[str, msgspec.Raw])
    for name, raw in list(fields.items())[:FIELDS_MAX]:
        text = bytes(raw).decode()
        cut = text if len(text) <= FIELD_CHARACTERS_MAX else f"{text[:FIELD_CHARACTERS_MAX]}…"
        yield [Run(f"{clean(name)} ", "dim"), Run(clean(cut))]
    if len(fields) > FIELDS_MAX:
        yield labelled((("more", f"bot actor state {address}"),))


def _microseconds(span_ns: int) -> str:
    # A port's commands are not timed.
    return f"{span_ns / 1_000:.0f} us" if span_ns else ""


def _span(span_ns: int) -> str:
    return span(span_ns / _NS_PER_S) if span_ns else ""
