"""Monitors with exactly one Down, links, and names that are bound to an incarnation."""

import msgspec
import pytest
import trio
import trio.testing

from messages.base import Message
from messages.runtime import Down, Exited
from supervisor import limits
from supervisor.actor import Actor, Context, State
from supervisor.child import ChildState
from supervisor.registry import Presence
from supervisor.spec import KILLED, Backoff, ChildSpec, Ended, Restart, SupervisorSpec
from supervisor.supervisor import Supervisor
from tests.supervisor.demo import SECOND_NS, Add, Explode, post, recorder, running, settled
from tests.supervisor.demo import Running as Run

AT_ONCE = Backoff(min_ns=0, max_ns=0)


class Watch(Message, frozen=True, kw_only=True, tag="demo.Watch"):
    address: str
    times: int = 1


class Unwatch(Message, frozen=True, kw_only=True, tag="demo.Unwatch"):
    pass


class Bind(Message, frozen=True, kw_only=True, tag="demo.Bind"):
    address: str
    tie: bool = True


class Seen(State):
    refs: list[str] = msgspec.field(default_factory=list)
    downs: list[str] = msgspec.field(default_factory=list)
    exits: list[str] = msgspec.field(default_factory=list)
    added: int = 0


class Observer(Actor[Seen]):
    """Watches whom it is told to, and writes down what it hears."""

    def on_watch(self, state: Seen, message: Watch, ctx: Context) -> None:
        state.refs += [ctx.monitor(message.address) for _ in range(message.times)]

    def on_unwatch(self, state: Seen, message: Unwatch, ctx: Context) -> None:
        for ref in state.refs:
            ctx.demonitor(ref)
        state.refs.clear()

    def on_bind(self, state: Seen, message: Bind, ctx: Context) -> None:
        if message.tie:
            ctx.link(message.address)
        else:
            ctx.unlink(message.address)

    def on_down(self, state: Seen, message: Down, ctx: Context) -> None:
        assert message.ref, "it was asked for"
        state.downs.append(f"{message.address}#{message.incarnation} {message.reason}")

    def on_exited(self, state: Seen, message: Exited, ctx: Context) -> None:
        state.exits.append(f"{message.address}#{message.incarnation} {message.reason}")

    def on_add(self, state: Seen, message: Add, ctx: Context) -> None:
        state.added += message.amount


def observer(name: str, *, trap_exit: bool = False) -> ChildSpec:
    return ChildSpec(name=name, start=Observer, backoff=AT_ONCE, trap_exit=trap_exit)


def tree(*children: ChildSpec | SupervisorSpec) -> SupervisorSpec:
    return SupervisorSpec(name="", children=children, intensity=50)


def seen(run: Run, address: str = "/o") -> Seen:
    fold = run.system.cells[address].fold
    assert fold is not None
    assert isinstance(fold.state, Seen)
    return fold.state


async def test_each_monitor_is_told_exactly_once(autojump_clock: trio.testing.MockClock) -> None:
    async with running(tree(observer("o"), recorder("a", backoff=AT_ONCE))) as run:
        post(run.system, "/o", Watch(address="/a", times=3))
        await settled()
        post(run.system, "/a", Explode(times=1))
        await settled()
        told = ["/a#1 crash: RuntimeError: explosion 1"] * 3
        assert seen(run).downs == told
        # The next incarnation is not watched.
        post(run.system, "/a", Explode(times=3))
        await settled()
        assert seen(run).downs == told


async def test_who_does_not_run_is_told_at_once_as_noproc(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(observer("o"), recorder("a"))) as run:
        await run.system.root.terminate_child("a")
        post(run.system, "/o", Watch(address="/a"), Watch(address="/nobody"))
        await settled()
        assert seen(run).downs == ["/a#1 noproc", "/nobody#0 noproc"]


async def test_every_end_is_told_also_one_that_was_asked_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    inner = SupervisorSpec(name="inner", children=(recorder("b"),))
    async with running(tree(observer("o"), recorder("a"), inner)) as run:
        post(run.system, "/o", Watch(address="/a"), Watch(address="/inner"))
        await settled()
        await run.system.root.terminate_child("a")
        await run.system.root.terminate_child("inner")
        await settled()
        assert seen(run).downs == ["/a#1 shutdown", "/inner#1 shutdown"]


async def test_last_words_come_before_the_news_of_the_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(observer("o"), recorder("a", "/o", backoff=AT_ONCE))) as run:
        post(run.system, "/o", Watch(address="/a"))
        await settled()
        order: list[str] = []
        cell = run.system.cells["/o"]
        fold = cell.fold
        assert fold is not None
        post(run.system, "/a", Add(amount=5), Explode())
        await trio.testing.wait_all_tasks_blocked()
        order.append(f"{seen(run).added} {len(seen(run).downs)}")
        await settled()
        assert order == ["5 1"]


async def test_after_demonitor_nothing_is_told_not_even_what_waits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(observer("o"), recorder("a", backoff=AT_ONCE))) as run:
        post(run.system, "/o", Watch(address="/a", times=5))
        await settled()
        # Down and wish are in the mailbox together, and would be handled in one turn.
        child = run.system.root.find("a")
        post(run.system, "/o", Unwatch())
        run.system.registry.down(child, KILLED)
        assert run.system.cells["/o"].mailbox.queued == 6
        run.system.registry.up(child)
        await settled()
        assert seen(run).downs == []
        assert run.system.cells["/o"].mailbox.dead == 5
    assert run.system.conserved


async def test_a_down_before_the_wish_is_handled(autojump_clock: trio.testing.MockClock) -> None:
    async with running(tree(observer("o"), recorder("a", backoff=AT_ONCE))) as run:
        post(run.system, "/o", Watch(address="/a", times=2))
        await settled()
        run.system.root.find("a").kill()
        await settled()
        post(run.system, "/o", Unwatch())
        await settled()
        assert seen(run).downs == ["/a#1 killed"] * 2


async def test_monitors_survive_the_crash_of_who_watches(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(observer("o"), recorder("a", backoff=AT_ONCE))) as run:
        post(run.system, "/o", Watch(address="/a"))
        await settled()
        run.system.root.find("o").kill()
        await settled()
        run.system.root.find("a").kill()
        await settled()
        assert seen(run).downs == ["/a#1 killed"]


async def test_one_end_ends_who_is_linked_but_not_a_normal_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(observer("o"), observer("p"), recorder("a", backoff=AT_ONCE))) as run:
        post(run.system, "/o", Bind(address="/a"))
        post(run.system, "/p", Bind(address="/o"))
        await settled()
        run.system.root.find("a").kill()
        await settled()
        for name in ("o", "p"):
            child = run.system.root.find(name)
            assert child.runner.incarnation == 2
            assert child.last_exit is not None
            assert child.last_exit.ended is Ended.KILLED
        assert "linked to /a, which ended: killed" in str(run.system.root.find("o").last_exit)
        # A link is spent by the end that it passed on.
        run.system.root.find("a").kill()
        await settled()
        assert run.system.root.find("o").runner.incarnation == 2


async def test_who_traps_exits_is_told_instead(autojump_clock: trio.testing.MockClock) -> None:
    async with running(tree(observer("o", trap_exit=True), recorder("a", backoff=AT_ONCE))) as run:
        post(run.system, "/o", Bind(address="/a"), Bind(address="/nobody"))
        await settled()
        post(run.system, "/a", Explode(times=1))
        await settled()
        assert seen(run).exits == ["/nobody#0 noproc", "/a#1 crash: RuntimeError: explosion 1"]
        assert run.system.root.find("o").runner.incarnation == 1


async def test_an_unlinked_end_is_nobody_elses(autojump_clock: trio.testing.MockClock) -> None:
    async with running(tree(observer("o"), recorder("a", backoff=AT_ONCE))) as run:
        post(run.system, "/o", Bind(address="/a"), Bind(address="/a", tie=False))
        await settled()
        run.system.root.find("a").kill()
        await settled()
        assert run.system.root.find("o").runner.incarnation == 1


async def test_a_name_is_bound_to_an_incarnation(autojump_clock: trio.testing.MockClock) -> None:
    wait = Backoff(min_ns=10 * SECOND_NS, max_ns=10 * SECOND_NS, jitter=0)
    async with running(tree(recorder("a", backoff=wait))) as run:
        whereis = run.system.registry.whereis
        assert whereis("/a") == (Presence.RUNNING, 1)
        run.system.root.find("a").kill()
        await settled()
        assert whereis("/a") == (Presence.RUNNING, 2)
        run.system.root.find("a").kill()
        await settled()
        assert run.system.root.find("a").state is ChildState.BACKOFF
        assert whereis("/a") == (Presence.RESTARTING, 2)
        await trio.sleep(10)
        assert whereis("/a") == (Presence.RUNNING, 3)
        assert whereis("/b") == (Presence.ABSENT, 0)
        await run.system.root.terminate_child("a")
        await run.system.root.delete_child("a")
        assert whereis("/a") == (Presence.ABSENT, 0)


async def test_what_a_forgotten_actor_watched_is_forgotten(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(recorder("a", backoff=AT_ONCE))) as run:
        spec = msgspec.structs.replace(observer("o"), restart=Restart.TEMPORARY)
        await run.system.root.start_child(spec)
        post(run.system, "/o", Watch(address="/a"))
        await settled()
        await run.system.root.terminate_child("o")
        run.system.root.find("a").kill()
        await settled()
        assert list(run.system.router.dead_letters) == []
        assert run.system.root.find("a").runner.incarnation == 2


async def test_what_is_no_wish_is_a_dead_letter(autojump_clock: trio.testing.MockClock) -> None:
    async with running(tree(recorder("a", "//monitors"))) as run:
        post(run.system, "/a", Add(amount=1))
        await settled()
        (letter,) = run.system.router.dead_letters
        assert (letter.sender, letter.target) == ("/a", "//monitors")


async def test_downs_that_can_be_recalled_are_bounded(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DOWNS_RECALLABLE", 3)
    async with running(tree(observer("o"))) as run:
        post(run.system, "/o", Watch(address="/nobody", times=10))
        await settled()
        assert len(seen(run).downs) == 10
        assert len(run.system.registry._told) == 3


async def test_supervisors_are_found_by_name_too(autojump_clock: trio.testing.MockClock) -> None:
    inner = SupervisorSpec(name="inner", children=(recorder("b"),))
    async with running(tree(inner)) as run:
        assert run.system.registry.running == ["/inner", "/inner/b"]
        assert isinstance(run.system.root.find("inner").runner, Supervisor)
