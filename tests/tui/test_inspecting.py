"""The actor under the cursor: its figures, its state when unfolded, and what is done to it."""

from functools import partial
from pathlib import Path

import msgspec

from messages import control
from messages.actor_control import Aspect, Inspect, RestartActor, ResumeActor, SuspendActor
from messages.control import Answer, Outcome, View
from messages.inspection import ActorState, ActorStats
from tests.tui.driving import Driven, scenario
from tests.tui.fake import NOON_NS, S_NS, tree_row
from tui.screens.dialogs import Confirm

STATE = {"mode": "active", "limits": {"day": "100"}, "seen": ["x" * 400]}


def stats(address: str, **changes: object) -> ActorStats:
    row = ActorStats(
        address=address, kind="actor", state="running", incarnation=2, restarts=1, seq=90,
        handled=77, sent=80, dead=1, dropped=2, conflated=0, queued=0, queued_max=12, timers=1,
        tail_messages=5, step_p99_ns=41_000, step_max_ns=90_000, struck=0, overruns=0,
        step_budget_ns=50_000_000, started_ns=NOON_NS, uptime_ns=120 * S_NS,
        last_exit="crash: RuntimeError: told to", backoff_left_ns=0, suspended=False, traced=False,
        holds_money=address == "/risk", at_ns=NOON_NS,
    )  # fmt: skip
    return msgspec.structs.replace(row, **changes)


def _answers(it: Driven, **changes: object) -> None:
    def answer(frame: control.ClientFrame) -> Answer:
        assert isinstance(frame, control.Request), "only requests are answered"
        rows: tuple[ActorStats | ActorState, ...] = ()
        if isinstance(frame, Inspect) and frame.aspect is Aspect.STATS:
            rows = (stats(frame.address, **changes),)
        elif isinstance(frame, Inspect):
            text = msgspec.json.encode(STATE).decode()
            rows = (
                ActorState(
                    address=frame.address, seq=90, version=1, chain="", state_bytes=512, state=text
                ),
            )
        return Answer(request_id=frame.request_id, outcome=Outcome.OK, text="so be it", rows=rows)

    it.server.answer = answer
    it.server.load(View.TREE, [tree_row("/", 0, "supervisor"), tree_row("/risk", 1)])
    it.app.client.refresh(View.TREE)


async def _on_risk(it: Driven, **changes: object) -> None:
    _answers(it, **changes)
    await it.until(lambda: it.app.store.node("/liveness") is None, "the small tree")
    it.app.paint(refill=True)
    it.board.select("/risk")
    await it.until_shown("last end crash: RuntimeError: told to")


def _was_sent(it: Driven, kind: type[control.Act]) -> bool:
    return any(isinstance(act, kind) for act in it.server.acts())


def test_the_details_tell_the_figures_of_an_actor(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await _on_risk(it)
        shown = it.line("detail")
        assert "up 2m" in shown
        assert "waiting 0, at most 12" in shown
        assert "message p99 41 us" in shown
        assert "dropped 2" in shown
        asked = [frame for frame in it.server.requests if isinstance(frame, Inspect)]
        # Of the actor under the cursor only, and its state only once it is wanted.
        assert {(frame.address, frame.aspect) for frame in asked} == {("/risk", Aspect.STATS)}

    scenario(tmp_path, body, (120, 30))


def test_the_state_is_unfolded_and_folded(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await _on_risk(it)
        await it.press("s")
        await it.until_shown('limits {"day":"100"}')
        assert "state after message 90" in it.screen()
        # A long field is cut: `bot actor state` shows all of it.
        assert "x" * 60 in it.screen()
        assert "…" in it.line("detail")
        await it.press("s")
        await it.until(lambda: "limits" not in it.line("detail"))

    scenario(tmp_path, body, (120, 40))


def test_why_there_is_no_state_is_said(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await _on_risk(it)
        it.server.answer = lambda frame: Answer(
            request_id=getattr(frame, "request_id", ""), outcome=Outcome.ERROR, text="it crashed"
        )
        await it.press("s")
        await it.until_shown("it crashed")

    scenario(tmp_path, body, (120, 30))


def test_nothing_is_asked_while_another_view_is_shown_or_the_screen_is_held(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await _on_risk(it)
        await it.press("2")
        await it.until_shown("flash")
        assert it.app._looked_at() is None
        await it.press("1", "p")
        assert it.app._looked_at() is None
        await it.press("p")
        assert it.app._looked_at() == "/risk"

    scenario(tmp_path, body, (120, 30))


def test_suspending_money_says_what_that_means_and_asks(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await _on_risk(it)
        await it.press("S")
        await it.until_shown("type :rw")
        await it.command("rw")
        it.board.select("/risk")
        await it.press("S")
        await it.until(lambda: isinstance(it.app.screen, Confirm))
        assert "IT HOLDS MONEY" in it.screen()
        await it.press("enter")
        assert it.server.acts() == []
        for key, kind in (("S", SuspendActor), ("U", ResumeActor), ("T", RestartActor)):
            await it.press(key)
            await it.until(lambda: isinstance(it.app.screen, Confirm))
            await it.press("tab", "enter")
            await it.until(partial(_was_sent, it, kind))
        assert [getattr(act, "address", "") for act in it.server.acts()] == ["/risk"] * 3

    scenario(tmp_path, body, (120, 30))
