"""The rest of OTP's suite: trees, counts, order, hanging loops, live changes, scale, texts."""

import gc
import weakref
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from supervisor import determinism
from supervisor.child import ChildError, ChildState, Refusal
from supervisor.clock import perf_ns
from supervisor.spec import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    Addition,
    Backoff,
    ChildSpec,
    Ended,
    Restart,
    Shutdown,
    Strategy,
)
from tests.supervisor.conformance.world import (
    AT_ONCE,
    CRASH,
    ONE_FOR_ALL,
    REASONS,
    REST_FOR_ONE,
    TEMPORARY,
    TRANSIENT,
    World,
    below,
    conforms,
    quiet,
    run_case,
    sup,
    tree,
)
from tests.supervisor.demo import SECOND_NS, recorder

DYNAMIC = Strategy.DYNAMIC


@conforms
async def test_a_naughty_child_does_not_hang_its_supervisor(world: World) -> None:
    """child_unlink: ours cannot unlink; the naughty one does not heed that it is to stop."""
    naughty = world.child("naughty", shutdown_ns=SECOND_NS)
    async with tree(world, sup(naughty, world.child("c2"))):
        world.stubborn["naughty"] = 2.0
        began_s = trio.current_time()
        await world.sup.terminate_child("naughty")
        assert 1 <= trio.current_time() - began_s <= 3
        assert world.up() == ["c2"]
        world.stubborn.clear()


@conforms
async def test_a_tree_of_three_levels(world: World) -> None:
    """tree: restarts stay where they are, and what was added is gone with its supervisor."""
    inner = below("sup2", world.child("c3"), world.child("c4"), intensity=0)
    spec = sup(
        below("sup1", below("mid", world.child("c1"), world.child("c2")), inner), intensity=5
    )
    async with tree(world, spec):
        await world.exit("c1", CRASH, world.at("sup1", "mid"))
        assert world.incarnation("c1", world.at("sup1", "mid")) == 2
        await world.at("sup1", "sup2").start_child(world.child("added"))
        assert world.up(world.at("sup1", "sup2")) == ["c3", "c4", "added"]
        # One restart too many: the supervisor is restarted, without what was added.
        await world.exit("c3", CRASH, world.at("sup1", "sup2"))
        assert world.incarnation("sup2", world.at("sup1")) == 2
        assert world.up(world.at("sup1", "sup2")) == ["c3", "c4"]
        assert world.incarnation("sup1") == 1
        assert world.incarnation("mid", world.at("sup1")) == 1


@conforms
async def test_children_are_counted(world: World) -> None:
    """count_children."""
    async with tree(world, sup(world.child("c0"))):
        for n in range(1, 10):
            await world.sup.start_child(world.child(f"c{n}"))
        assert world.counts() == [10, 10, 0, 10]
        await world.sup.terminate_child("c4")
        assert world.counts() == [10, 9, 0, 10]
        await world.sup.delete_child("c4")
        assert world.counts() == [9, 9, 0, 9]


@conforms
async def test_supervisors_are_counted_apart(world: World) -> None:
    """count_children_supervisor, also of a template."""
    pool = below("pool", below("template", world.child("leaf")), strategy=DYNAMIC)
    async with tree(world, sup(below("inner"), world.child("c1"), pool)):
        assert world.counts() == [3, 3, 2, 1]
        for _ in range(2):
            await world.at("pool").start_child(Addition())
        assert world.counts(world.at("pool")) == [1, 2, 2, 0]
        assert world.up(world.at("pool", "2")) == ["leaf"]


@conforms
async def test_one_that_is_being_restarted_is_not_active(world: World) -> None:
    """count_restarting_children."""
    wait = Backoff(min_ns=5 * SECOND_NS, max_ns=5 * SECOND_NS, jitter=0)
    template = world.child("template", backoff=wait)
    async with tree(world, sup(template, strategy=DYNAMIC, intensity=20)):
        for _ in range(3):
            await world.sup.start_child(Addition())
        for expected in (2, 1, 0):
            name = str(3 - expected)
            world.modes[name] = ["fail"]
            await world.exit(name, CRASH)
            assert world.counts() == [1, expected, 0, 3]
        world.modes.clear()
        await trio.sleep(6)
        assert world.counts() == [1, 3, 0, 3]


@conforms
@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ONE, ONE_FOR_ALL, REST_FOR_ONE])
async def test_no_spec_of_a_temporary_child_is_kept(world: World, strategy: Strategy) -> None:
    """do_not_save_child_specs_for_temporary_children: by its own end in four ways, or another's."""
    async with tree(world, sup(world.child("c0"), strategy=strategy, intensity=9)):
        for reason in REASONS[:4]:
            await world.sup.start_child(world.child("t", TEMPORARY))
            await world.exit("t", reason)
            assert world.names() == ["c0"]
        await world.sup.start_child(world.child("t", TEMPORARY))
        await world.sup.terminate_child("t")
        assert world.names() == ["c0"]
        await world.sup.start_child(world.child("t", TEMPORARY))
        await world.exit("c0", CRASH)
        assert world.names() == (["c0", "t"] if strategy is Strategy.ONE_FOR_ONE else ["c0"])


@conforms
async def test_no_arguments_of_a_temporary_child_are_kept(world: World) -> None:
    """do_not_save_start_parameters_for_temporary_children."""

    class Load:
        """Something large that a start holds on to."""

    load = Load()
    gone = weakref.ref(load)

    def start(held: Load = load) -> object:
        return world._make("t")

    async with tree(world, sup(world.child("c0"))):
        await world.sup.start_child(world.child("t", TEMPORARY, start=start))
        del start, load
        start_defaults = gone()
        assert start_defaults is not None
        del start_defaults
        await world.exit("t", NORMAL)
        await trio.sleep(1)
        gc.collect()
        assert gone() is None


@conforms
async def test_a_named_supervisor_is_killed_and_found_again(world: World) -> None:
    """simple_global_supervisor: the same name, another incarnation, all children again."""
    inner = below("inner", world.child("c1"), world.child("c2"))
    async with tree(world, sup(inner)):
        await world.exit("inner", KILLED)
        await trio.sleep(2)
        assert world.system.registry.whereis("/inner").incarnation == 2
        assert world.up(world.at("inner")) == ["c1", "c2"]
        assert world.last_exit("inner") == KILLED
        # A killed supervisor still stops its children in order.
        assert world.log[:4] == ["start c1", "start c2", "stop c2", "stop c1"]


@conforms
@pytest.mark.parametrize("strategy", list(Strategy))
async def test_a_restart_loop_leaves_the_supervisor_responsive(
    world: World, strategy: Strategy
) -> None:
    """hanging_restart_loop, _rest_for_one, _simple: it answers, and can be stopped."""
    children = [world.child("c1"), world.child("c2")]
    if strategy is DYNAMIC:
        children = [world.child("template")]
    spec = sup(*children, strategy=strategy, intensity=1_000_000)
    async with tree(world, sup(replace(spec, name="inner"))):
        at = world.at("inner")
        if strategy is DYNAMIC:
            await at.start_child(Addition())
        name = "1" if strategy is DYNAMIC else "c1"
        world.modes[name] = ["fail"]
        world.tell(name, CRASH, at)
        for _ in range(50):
            await trio.lowlevel.checkpoint()
        # It goes round and round, and does everything that is asked of it.
        assert at.which_child(name).state in (ChildState.BACKOFF, ChildState.STARTING)
        if strategy is not DYNAMIC:
            with pytest.raises(ChildError) as caught:
                await at.restart_child(name)
            assert caught.value.refusal is Refusal.RESTARTING
        await at.terminate_child(name)
        if strategy is not DYNAMIC:
            assert at.which_child(name).state is ChildState.STOPPED
            await at.delete_child(name)
        assert name not in world.names(at)
        if strategy is not DYNAMIC:
            await at.start_child(world.child("c9"))
            world.modes["c9"] = ["fail"]
            world.tell("c9", CRASH, at)
            for _ in range(20):
                await trio.lowlevel.checkpoint()
        began_s = trio.current_time()
        await world.sup.terminate_child("inner")
        assert trio.current_time() - began_s < 1


@conforms
async def test_specs_are_changed_while_they_run(world: World) -> None:
    """code_change, code_change_map: flags and specs at once, new ones stopped, missing kept."""
    child1, child2 = world.child("child1"), world.child("child2")
    async with tree(world, sup(child1, child2)):
        at = world.sup
        changed = replace(child1, shutdown_ns=Shutdown.INFINITY)
        new = world.child("child3")
        await at.apply_specs(
            sup(changed, new, strategy=ONE_FOR_ALL, intensity=7, period_ns=SECOND_NS)
        )
        assert (at.spec.strategy, at.spec.intensity) == (ONE_FOR_ALL, 7)
        assert at.get_spec("child1").shutdown_ns is Shutdown.INFINITY
        assert world.names() == ["child1", "child2", "child3"]
        assert world.up() == ["child1", "child2"]
        assert world.incarnation("child1") == 1
        await at.restart_child("child3")
        # The new strategy holds.
        await world.exit("child1", CRASH)
        assert [world.incarnation(f"child{n}") for n in (1, 2, 3)] == [2, 2, 2]


@conforms
async def test_a_wrong_change_changes_nothing(world: World) -> None:
    """code_change, code_change_map: the error is returned, all is as before."""
    spec = sup(world.child("child1"), world.child("child2"))
    async with tree(world, spec):
        bad = [
            sup(world.child("child1", shutdown_ns=-1), intensity=9),
            sup(world.child("child1"), world.child("child1")),
            sup(world.child("child1"), intensity=-1),
            sup(below("child1")),
        ]
        for wrong in bad:
            with pytest.raises(ChildError) as caught:
                await world.sup.apply_specs(wrong)
            assert caught.value.refusal is Refusal.BAD_SPEC
            assert world.sup.spec == spec
            assert world.up() == ["child1", "child2"]


@conforms
async def test_a_template_is_changed_while_children_run(world: World) -> None:
    """code_change_simple, code_change_simple_map."""
    template = world.child("template")
    async with tree(world, sup(template, strategy=DYNAMIC)):
        at = world.sup
        await at.start_child(Addition())
        new = world.child("template", TEMPORARY, shutdown_ns=Shutdown.BRUTAL_KILL)
        await at.apply_specs(sup(new, strategy=DYNAMIC, intensity=3))
        assert at.get_spec("1") == new
        await world.exit("1", CRASH)
        assert world.names() == []
        for wrong in (sup(template), sup(strategy=DYNAMIC)):
            with pytest.raises(ChildError):
                await at.apply_specs(wrong)
        assert at.spec.intensity == 3


@conforms
async def test_children_start_in_order_and_stop_in_reverse(world: World) -> None:
    """order_of_children: traced exactly, in a tree, also through a restart of all."""
    inner = below("mid", world.child("c"), world.child("d"))
    spec = sup(world.child("a"), world.child("b"), inner, world.child("e"), strategy=ONE_FOR_ALL)
    async with tree(world, spec):
        await world.exit("b", CRASH)
    started = [f"start {name}" for name in "abcde"]
    stopped = [f"stop {name}" for name in "edcba"]
    assert world.log[:5] == started
    assert world.log[5] == "stop b"
    assert world.log[6:10] == [line for line in stopped if line != "stop b"]
    assert world.log[10:] == [*started, *stopped]


def seconds_for(count: int, *, dynamic: bool) -> float:
    """Return how long it takes to start and stop so many children."""
    took_ns = 0

    async def case(world: World) -> None:
        nonlocal took_ns
        children = [recorder(f"a{n}") for n in range(0 if dynamic else count)]
        template = recorder("template", restart=TEMPORARY)
        spec = sup(template, strategy=DYNAMIC) if dynamic else sup(*children)
        began_ns = perf_ns()
        async with tree(world, spec):
            for _ in range(count if dynamic else 0):
                await world.sup.start_child(Addition())
            assert world.counts()[1] == count
        took_ns = perf_ns() - began_ns

    run_case(case, 0)
    return took_ns / 1e9


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_thousand_children_cost_ten_times_a_hundred(*, dynamic: bool) -> None:
    """scale_start_stop_many_children, simple_one_for_one_scale_many_temporary_children.

    The slack is OTP's own: a factor of ten. `bot bench children` goes to a hundred thousand.
    """
    seconds_for(50, dynamic=dynamic)
    few = min(seconds_for(100, dynamic=dynamic) for _ in range(3))
    many = seconds_for(1_000, dynamic=dynamic)
    assert many < 10 * 10 * few


@pytest.mark.parametrize("length", [10, 100_000])
def test_a_report_is_one_line_that_names_the_child(
    caplog: pytest.LogCaptureFixture, length: int
) -> None:
    """format_log_1, format_log_2: also a reason of any length is reported, once and whole."""

    async def case() -> None:
        world = World()
        async with tree(world, sup(world.child("c1"))):
            await world.sup.terminate_child("c1")
            child = world.sup.find("c1")
            await world.sup.restart_child("c1")
            world.stubborn["c1"] = 1.0
            world.system.request_stop()
            await quiet()
            child.kill(replace(CRASH, text="x" * length))

    determinism.run(case, 0)
    reports = [r.getMessage() for r in caplog.records if "stopped and ended otherwise" in r.msg]
    assert reports == [f"/c1 was stopped and ended otherwise: crash: {'x' * length}"]


@conforms
async def test_a_name_that_is_taken(world: World) -> None:
    """The case of a name that is registered already: refused, and the first one goes on."""
    async with tree(world, sup(below("inner"), world.child("c1"))):
        with pytest.raises(ChildError) as caught:
            await world.sup.start_child(below("inner"))
        assert caught.value.refusal is Refusal.ALREADY_STARTED
        await world.at("inner").start_child(world.child("c1"))
        assert world.up(world.at("inner")) == ["c1"]
        assert world.up() == ["inner", "c1"]


@conforms
async def test_one_child_is_asked_for(world: World) -> None:
    """which_child: running, stopped, unknown."""
    async with tree(world, sup(world.child("c1", TRANSIENT))):
        info = world.sup.which_child("c1")
        assert (info.address, info.kind, info.state) == ("/c1", "port", ChildState.RUNNING)
        await world.exit("c1", SHUTDOWN)
        assert world.sup.which_child("c1").state is ChildState.STOPPED
        with pytest.raises(ChildError) as caught:
            world.sup.which_child("c2")
        assert caught.value.refusal is Refusal.NOT_FOUND


@conforms
async def test_a_child_made_of_something_else_is_refused(world: World) -> None:
    """A start that returns neither actor nor port is a failed start, and says so."""
    start: Any = lambda: 3  # noqa: E731 - what a start may not return
    wrong = ChildSpec(name="c1", start=start, backoff=AT_ONCE, restart=Restart.TEMPORARY)
    async with tree(world, sup()):
        with pytest.raises(ChildError) as caught:
            await world.sup.start_child(wrong)
        assert caught.value.refusal is Refusal.START_FAILED
        assert world.names() == []


@conforms
async def test_a_supervisor_that_gave_up_is_restarted_by_its_own(world: World) -> None:
    """A transient supervisor that gave up is left: its end is a shutdown, as in OTP."""
    permanent = below("p", world.child("c1"), intensity=0)
    transient = below("t", world.child("c1"), intensity=0, restart=TRANSIENT)
    async with tree(world, sup(permanent, transient)):
        await world.exit("c1", CRASH, world.at("t"))
        assert world.sup.which_child("t").state is ChildState.STOPPED
        assert world.last_exit("t").ended is Ended.SHUTDOWN
        world.at("p").find("c1").kill(CRASH)
        await quiet()
        assert world.incarnation("p") == 2
