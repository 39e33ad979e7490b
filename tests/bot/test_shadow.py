"""Shadow replay: a helper process runs again what actors did, and pages what differs."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import trio

from actors.alerts import Alerts
from bot.shadow import Diverged, Report, Subject, Subjects, code_digest, own_root, shadow
from bot.shadowing import ALERTS, Shadowing
from messages.base import Message
from messages.rows import AlertRow
from state.look import Look
from state.rows import Reader
from state.store import Store
from supervisor.actor import Actor, Context, State
from supervisor.clock import ProcessClock, wall_ns
from supervisor.journal import RUNTIME
from supervisor.spec import ChildSpec, SupervisorSpec
from supervisor.system import System


class Give(Message, frozen=True, kw_only=True, tag="shadowtest.Give"):
    amount: int


class Total(State):
    value: int = 0


class Adder(Actor[Total]):
    """Pure."""

    factor = 1

    def on_give(self, state: Total, message: Give, ctx: Context) -> None:
        state.value += message.amount * self.factor
        ctx.send("/other", Give(amount=state.value))


class Impure(Actor[Total]):
    """What it does depends on the process that it runs in."""

    def on_give(self, state: Total, message: Give, ctx: Context) -> None:
        if message.amount == 3:
            ctx.after("later", 10**15 + os.getpid())


MESSAGES = 5


@asynccontextmanager
async def lived(folder: Path) -> AsyncIterator[tuple[System, Store]]:
    """Run a tree of both that has handled a few messages, all of them committed."""
    store = Store.open(folder)
    children = (
        ChildSpec(name="alerts", start=Alerts),
        ChildSpec(name="pure", start=Adder),
        ChildSpec(name="impure", start=Impure),
    )
    system = System(SupervisorSpec(name="", children=children), store, ProcessClock())
    opened = trio.Event()
    async with trio.open_nursery() as storing:
        await storing.start(store.run)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(system.run, opened.set)
            await opened.wait()
            await _handle(system)
            await store.committed()
            yield system, store
            system.request_stop()
        await store.aclose()


async def _handle(system: System) -> None:
    for amount in range(MESSAGES):
        for address in ("/pure", "/impure"):
            system.router.post(RUNTIME, address, Give(amount=amount))
    with trio.fail_after(10):
        # A mailbox tells nobody that it was emptied.
        while any(  # noqa: ASYNC110 - no event: see above
            system.cells[a].mailbox.handled < MESSAGES for a in ("/pure", "/impure")
        ):
            await trio.sleep(0.01)


def subjects(*kinds: type[Actor[Total]], code: str = "") -> Subjects:
    known = {Adder: "/pure", Impure: "/impure"}
    actors = [Subject(known[kind], kind.__module__, kind.__qualname__) for kind in kinds]
    return Subjects(actors=actors, code=code)


async def test_what_came_out_the_same_and_what_did_not(tmp_path: Path) -> None:
    began_ns = wall_ns()
    async with lived(tmp_path) as (system, store):
        pure = subjects(Adder)
        with Look(tmp_path) as look:
            found = shadow(look, pure, began_ns, wall_ns())
            assert (found.actors, found.diverged, found.skipped) == (1, [], {})
            assert found.messages >= MESSAGES
            # Made before this boot, by other code perhaps: not compared.
            assert shadow(look, pure, wall_ns(), wall_ns()) == Report()
            gone = Subjects(actors=[Subject("/gone", "tests.bot.test_shadow", "Adder")], code="")
            assert shadow(look, gone, began_ns, wall_ns()) == Report()
            Adder.factor = 2
            try:
                changed = shadow(look, pure, began_ns, wall_ns())
            finally:
                Adder.factor = 1
        ((where, first),) = [(one.address, one) for one in changed.diverged]
        assert where == "/pure"
        assert '"amount":1' in first.recorded
        assert '"amount":2' in first.found
        # Where the beginning is not of this boot, from a snapshot that is.
        later_ns = wall_ns()
        system.cells["/pure"].take_snapshot()
        await store.committed()
        with Look(tmp_path) as look:
            after = shadow(look, pure, later_ns, wall_ns())
        assert (after.diverged, after.messages) == ([], 0)


async def test_the_helper_pages_a_divergence_once_and_says_how_to_look_at_it(
    tmp_path: Path,
) -> None:
    began_ns = wall_ns()
    async with lived(tmp_path) as (system, store):
        shadowing = Shadowing(tmp_path, 10)
        shadowing.attach(system)
        await shadowing.round(began_ns)
        await shadowing.round(began_ns)
        assert shadowing.told.startswith("1 DIVERGED at 20")
        assert shadowing.diverged == 1
        await store.committed()
        reader = Reader(store.database)
        with trio.fail_after(10):
            while not (alerts := await reader.current(AlertRow)):  # noqa: ASYNC110 - rows have none
                await trio.sleep(0.02)
        (alert,) = alerts
        assert (alert.severity, alert.subject) == ("page", "/impure")
        assert "bot replay /impure --from" in alert.text
        await reader.aclose()
        # Whoever changed the code meanwhile has no divergence, but another bot.
        shadowing._code = "another"
        await shadowing.round(began_ns)
        assert "restart the bot" in shadowing.told
        assert shadowing.diverged == 1


async def test_a_helper_that_fails_is_told_and_nothing_else_happens(tmp_path: Path) -> None:
    async with lived(tmp_path) as (system, _):
        shadowing = Shadowing(tmp_path / "nowhere", 10)
        shadowing.attach(system)
        await shadowing.round(0)
        assert shadowing.told.startswith("the last round failed: exit code 1: ")
        assert shadowing.diverged == 0
        assert ALERTS in system.cells


def test_the_report_can_be_read_and_the_digest_notices_a_change(tmp_path: Path) -> None:
    one = Diverged(address="/a", seq=1, recorded="this", found="that")
    report = Report(actors=1, messages=2, diverged=[one], skipped={"/b": "why"})
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
    assert code_digest(own_root()) == code_digest(own_root())
    (tmp_path / "actors").mkdir()
    before = code_digest(tmp_path)
    (tmp_path / "actors" / "new.py").write_text("")
    assert code_digest(tmp_path) != before
