"""Looking into running actors, holding them up, giving them another state, letting them rest."""

import json

import pytest
import trio
import trio.lowlevel
import trio.testing
from msgspec.structs import replace

from messages.actor_control import Aspect
from messages.inspection import ActorFrame, ActorStep, ActorWaiting
from messages.runtime import Down
from supervisor import limits
from supervisor.introspect import CannotError, Inspector
from supervisor.journal import MemoryJournal
from supervisor.spec import AutoShutdown, ChildSpec, Poison, Restart, SupervisorSpec
from tests.supervisor.demo import (
    SECOND_NS,
    Add,
    DemoPort,
    Do,
    Explode,
    Running,
    SetTimer,
    Tick,
    book,
    post,
    recorder,
    running,
    settled,
)


def tree(*children: ChildSpec) -> SupervisorSpec:
    below = SupervisorSpec(name="below", children=(recorder("deep"),))
    return SupervisorSpec(name="", children=(*children, below), intensity=10)


def seen(run: Running, address: str = "/a") -> list[str]:
    return book(run.system, address).seen


async def test_statistics_tell_what_went_through(autojump_clock: trio.testing.MockClock) -> None:
    async with running(tree(recorder("a", "/below/deep"))) as run:
        look = Inspector(run.system)
        post(run.system, "/a", *(Add(amount=n) for n in range(10)), Explode(times=1))
        await trio.sleep(2)
        row = look.stats("/a")
        assert (row.kind, row.state, row.seq, row.handled) == ("actor", "running", 12, 12)
        assert (row.incarnation, row.restarts) == (2, 1)
        assert row.last_exit == "crash: RuntimeError: explosion 1"
        assert (row.sent, row.queued, row.queued_max) == (12, 0, 12)
        assert 0 < row.step_p99_ns <= row.step_max_ns
        assert row.uptime_ns == 2 * SECOND_NS
        assert not row.holds_money


async def test_what_waits_for_its_next_start_says_how_long(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(recorder("a"))) as run:
        post(run.system, "/a", Explode(times=2), Explode(times=4))
        await trio.sleep(0.11)
        post(run.system, "/a", Explode(times=9))
        await trio.sleep(0.05)
        row = Inspector(run.system).stats("/a")
        assert row.state == "backoff"
        assert 0 < row.backoff_left_ns < SECOND_NS
        with pytest.raises(CannotError, match="it crashed or is stopped"):
            Inspector(run.system).state("/a")


async def test_the_state_is_shown_as_a_document(autojump_clock: trio.testing.MockClock) -> None:
    async with running(tree(recorder("a"))) as run:
        post(run.system, "/a", Add(amount=3))
        await settled()
        row = Inspector(run.system).state("/a")
        assert (row.seq, row.version, row.complete) == (2, 1, True)
        assert json.loads(row.state) == {"value": 3, "seen": ["booted 1", "add 3"], "exploded": 0}


async def test_the_last_messages_are_kept_with_what_was_done(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(recorder("a", "/below/deep"))) as run:
        for start in range(0, 90, 30):
            post(run.system, "/a", *(Add(amount=n) for n in range(start, start + 30)))
            await settled()
        steps = Inspector(run.system).steps("/a")
        assert [step.seq for step in steps] == list(range(60, 92))
        assert steps[-1].sender == "runtime"
        assert json.loads(steps[-1].message) == {"tag": "demo.Add", "amount": 89}
        assert steps[-1].effects == ('send /below/deep {"tag":"demo.Add","amount":89}',)
        # A snapshot forgets the tail, not what can be looked at.
        run.system.cells["/a"].take_snapshot()
        assert Inspector(run.system).steps("/a") == steps


async def test_of_a_turn_that_would_weigh_only_the_last_message_is_kept(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(recorder("a"))) as run:
        await settled()
        names = ["n" * 30_000, "m" * 30_000, "o" * 30_000]
        post(run.system, "/a", *(SetTimer(name=name, delay_ns=SECOND_NS) for name in names))
        await trio.sleep(0.1)
        assert [step.seq for step in Inspector(run.system).steps("/a")] == [1, 4]


async def test_a_long_turn_is_cut_and_a_long_text_too(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(recorder("a"))) as run:
        post(run.system, "/a", *(Add(amount=n) for n in range(limits.TURN_MESSAGES_MAX)))
        post(run.system, "/a", SetTimer(name="n" * 2_000, delay_ns=1))
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        await settled()
        steps = Inspector(run.system).steps("/a")
        assert len(steps) == 32
        assert all(len(step.message) <= 400 for step in steps)
        assert steps[-1].message.endswith("…")


async def test_a_trace_keeps_what_matches_so_many_a_second_for_a_while(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(recorder("a", topics=("/t",)))) as run:
        look = Inspector(run.system)
        assert "at most 5 steps" in look.trace("/a", "demo.tick", 5, 10 * SECOND_NS)
        assert look.stats("/a").traced
        for number in range(20):
            run.system.router.publish(0, "/t", Tick(number=number))
            post(run.system, "/a", Add(amount=number))
        await settled()
        assert [json.loads(s.message)["number"] for s in look.steps("/a")] == list(range(5))
        await trio.sleep(1)
        run.system.router.publish(0, "/t", Tick(number=77))
        await settled()
        assert json.loads(look.steps("/a")[-1].message)["number"] == 77
        await trio.sleep(10)
        run.system.router.publish(0, "/t", Tick(number=88))
        await settled()
        assert json.loads(look.steps("/a")[-1].message)["number"] == 77
        assert not look.stats("/a").traced
        assert look.trace("/a", "", 5, 0) == "/a is not traced any more; 15 steps were left out"
        assert len(look.steps("/a")) == 32


async def test_a_suspended_actor_handles_only_what_the_runtime_says(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(recorder("a"))) as run:
        look = Inspector(run.system)
        await settled()
        assert "is suspended" in look.suspend("/a")
        post(run.system, "/a", Add(amount=1))
        run.system.cells["/a"].tell(_down())
        await settled()
        assert seen(run) == ["booted 1", "down /x gone"]
        (row,) = look.inbox("/a")
        assert (row.lane, row.sender, json.loads(row.message)["amount"]) == ("normal", "runtime", 1)
        assert look.stats("/a").state == "suspended"
        assert [node.state for node in run.system.tree().children] == ["suspended", "running"]
        assert look.resume("/a") == "/a handles its messages again, 1 wait"
        await settled()
        assert seen(run)[-1] == "add 1"
        with pytest.raises(CannotError, match="is not suspended"):
            look.resume("/a")


def _down() -> Down:
    return Down(address="/x", incarnation=1, reason="gone")


async def test_who_is_suspended_goes_on_before_its_mailbox_fills_the_process(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tree(recorder("a"))) as run:
        await settled()
        Inspector(run.system).suspend("/a")
        post(run.system, "/a", *(Add(amount=1) for _ in range(limits.MAILBOX_SOFT + 1)))
        await settled()
        assert book(run.system, "/a").value == limits.MAILBOX_SOFT + 1
        assert "/a is resumed: too many messages wait for it" in caplog.text


async def test_holding_up_money_is_said(autojump_clock: trio.testing.MockClock) -> None:
    async with running(tree(recorder("a", poison=Poison.BLOCK), recorder("b"))) as run:
        look = Inspector(run.system)
        assert "It holds money" in look.suspend("/a")
        assert "money" not in look.suspend("/b")
        assert look.stats("/a").holds_money


async def test_a_state_is_replaced_by_a_message_and_survives_a_crash(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(recorder("a"))) as run:
        look = Inspector(run.system)
        post(run.system, "/a", Add(amount=3))
        await settled()
        row = look.state("/a")
        wished = row.state.replace('"value":3', '"value":40')
        with pytest.raises(CannotError, match="suspend /a` first"):
            look.replace("/a", row.seq, wished, "alice", "a test")
        look.suspend("/a")
        with pytest.raises(CannotError, match="is at message 2, the state is of 1"):
            look.replace("/a", 1, wished, "alice", "a test")
        assert "is replaced" in look.replace("/a", row.seq, wished, "alice", "a test")
        await settled()
        look.resume("/a")
        post(run.system, "/a", Explode(times=1))
        await settled()
        assert run.system.cells["/a"].incarnation == 2
        # 77 is what the handler leaves at its second try; what was seen is the replaced state's.
        assert book(run.system, "/a").value == 77
        assert seen(run) == ["booted 1", "add 3"]
        (step,) = [s for s in look.steps("/a") if "StateReplaced" in s.message]
        assert '"operator":"alice"' in step.message


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ('{"value": 1}', "state.seen: nothing → "),
        ('{"value": "x", "seen": [], "exploded": 0}', "Expected `int`, got `str`"),
        ('{"value": 1, "seen": [], "exploded": 0, "valeu": 2}', "state.valeu: 2 → nothing"),
        ("[", "this is no state of /a"),
    ],
)
async def test_what_is_not_exactly_a_state_is_refused(
    document: str, complaint: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with running(tree(recorder("a"))) as run:
        look = Inspector(run.system)
        await settled()
        look.suspend("/a")
        with pytest.raises(CannotError, match=complaint.replace("[", r"\[")):
            look.replace("/a", 1, document, "alice", "a test")
        await settled()
        assert book(run.system, "/a").value == 0


async def test_stacks_and_inboxes_of_ports(autojump_clock: trio.testing.MockClock) -> None:
    log: list[str] = []
    port = ChildSpec(name="port", start=lambda: DemoPort(log, conclude=False))
    async with running(tree(port, recorder("a"))) as run:
        look = Inspector(run.system)
        post(run.system, "/a", Do(what="buy"))
        await settled()
        (row,) = look.inbox("/port")
        assert (row.lane, row.sender) == ("pending", "/a")
        frames = look.stack("/port")
        assert frames[0].depth == 0
        assert "DemoPort.run" in [frame.function for frame in frames]
        assert all(":" in frame.where for frame in frames)
        assert "Mailbox.wait" in [frame.function for frame in look.stack("/a")]
        for act in (look.suspend, look.state, look.steps):
            with pytest.raises(CannotError, match="is a port"):
                act("/port")


async def test_a_hook_sees_each_step_with_its_state_until_it_has_seen_enough_or_fails(
    autojump_clock: trio.testing.MockClock,
) -> None:
    steps: list[ActorStep] = []

    def hook(step: ActorStep) -> bool:
        steps.append(step)
        return len(steps) < 3

    async with running(tree(recorder("a"))) as run:
        look = Inspector(run.system)
        await settled()
        look.install("/a", "mine", hook)
        look.install("/a", "bad", lambda _: 1 / 0 > 0)
        assert look.stats("/a").hooks == ("mine", "bad")
        post(run.system, "/a", *(Add(amount=n) for n in (1, 1, 0, 5)))
        await settled()
        # Each has the hash of its own state, which is not that of the turn in which they came.
        hashes = [step.state_hash for step in steps]
        assert [step.seq for step in steps] == [2, 3, 4]
        assert len(set(hashes)) == 3
        assert look.stats("/a").hooks == ()
        assert book(run.system, "/a").value == 7
        with pytest.raises(CannotError, match="has no hook mine"):
            look.remove("/a", "mine")
        look.install("/a", "mine", hook)
        look.remove("/a", "mine")


async def test_a_traced_step_tells_its_state_and_others_do_not(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(recorder("a"))) as run:
        look = Inspector(run.system)
        await settled()
        assert {step.state_hash for step in look.steps("/a")} == {""}
        look.trace("/a", "", 100, SECOND_NS)
        post(run.system, "/a", Add(amount=1), Add(amount=2))
        await settled()
        fold = run.system.cells["/a"].fold
        assert fold is not None
        assert look.steps("/a")[-1].state_hash == fold.digest()
        assert all(step.state_hash for step in look.steps("/a"))
        assert look.stats("/a").reductions > 0


async def test_every_aspect_is_shown(autojump_clock: trio.testing.MockClock) -> None:
    async with running(tree(recorder("a"))) as run:
        look = Inspector(run.system)
        await settled()
        look.suspend("/a")
        post(run.system, "/a", Add(amount=1))
        await settled()
        shown = {aspect: look.look("/a", aspect) for aspect in Aspect}
        assert all(rows for rows in shown.values())
        assert isinstance(shown[Aspect.STEPS][0], ActorStep)
        assert isinstance(shown[Aspect.STACK][0], ActorFrame)
        assert isinstance(shown[Aspect.INBOX][0], ActorWaiting)
        for wrong, text in (("/below", "is a supervisor"), ("/x", "there is no /x")):
            with pytest.raises(CannotError, match=text):
                look.look(wrong, Aspect.STATS)


async def test_an_operator_restarts_an_actor_or_all_below_a_supervisor(
    autojump_clock: trio.testing.MockClock,
) -> None:
    significant = recorder("s", significant=True, restart=Restart.TRANSIENT)
    spec = replace(tree(recorder("a"), significant), auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    async with running(spec) as run:
        look = Inspector(run.system)
        post(run.system, "/a", Add(amount=3))
        await settled()
        assert await look.restart("/a") == "/a was restarted, it is start 2"
        assert book(run.system, "/a").value == 3
        assert await look.restart("/below") == "/below was restarted, it is start 2"
        assert run.system.cells["/below/deep"].incarnation == 2
        with pytest.raises(CannotError, match="its end is its supervisor's"):
            await look.restart("/s")
        with pytest.raises(CannotError, match="there is no /x"):
            await look.restart("/x")


async def test_an_idle_actor_rests_in_its_snapshot_until_its_next_message(
    autojump_clock: trio.testing.MockClock,
) -> None:
    child = recorder("a", passivate_after_ns=5 * SECOND_NS)
    async with running(tree(child)) as run:
        cell, look = run.system.cells["/a"], Inspector(run.system)
        post(run.system, "/a", Add(amount=3), SetTimer(name="t", delay_ns=20 * SECOND_NS))
        await trio.sleep(4)
        assert not cell.is_passive
        await trio.sleep(6)
        assert cell.is_passive
        assert cell.fold is None
        # It can be looked at and snapshotted all the same, and is not woken by that.
        assert json.loads(look.state("/a").state)["value"] == 3
        assert look.stats("/a").seq == 3
        cell.take_snapshot()
        assert cell.is_passive
        await trio.sleep(11)
        assert seen(run) == ["booted 1", "add 3", "timer t missed 0 late 0"]
        await trio.sleep(6)
        assert cell.is_passive
        post(run.system, "/a", Add(amount=4))
        await settled()
        assert book(run.system, "/a").value == 7
        assert cell.incarnation == 1
        await trio.sleep(6)
        assert cell.is_passive
    # It stops in good order while it rests.
    assert run.reason is not None
    assert run.reason.is_orderly


async def test_a_resting_actor_is_told_what_matters_to_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    child = recorder("a", passivate_after_ns=SECOND_NS)
    async with running(tree(child), MemoryJournal()) as run:
        await trio.sleep(2)
        cell = run.system.cells["/a"]
        assert cell.is_passive
        cell.tell(_down())
        await settled()
        assert seen(run) == ["booted 1", "down /x gone"]
