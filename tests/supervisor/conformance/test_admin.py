"""Administration: the errors of the dynamic interface, what is counted, which specs are taken."""

import itertools

import pytest
from msgspec.structs import replace

from supervisor.child import ChildError, ChildState, Refusal
from supervisor.spec import (
    KILLED,
    Addition,
    AutoShutdown,
    Backoff,
    Restart,
    Shutdown,
    Strategy,
    SupervisorSpec,
)
from supervisor.validation import validate
from tests.supervisor.conformance.world import (
    CRASH,
    REST_FOR_ONE,
    TEMPORARY,
    World,
    below,
    conforms,
    quiet,
    sup,
    tree,
)
from tests.supervisor.demo import SECOND_NS, Add

DYNAMIC = Strategy.DYNAMIC


async def refusal_of(act: object) -> Refusal:
    """Return why an act was refused."""
    with pytest.raises(ChildError) as caught:
        await act  # type: ignore[misc]  # a coroutine of the interface
    return caught.value.refusal


@conforms
async def test_every_error_of_the_interface(world: World) -> None:
    """child_adm."""
    spec = world.child("child1")
    async with tree(world, sup(spec)):
        at = world.sup
        assert world.counts() == [1, 1, 0, 1]
        # It is there and runs.
        assert await refusal_of(at.start_child(spec)) is Refusal.ALREADY_STARTED
        assert await refusal_of(at.delete_child("child1")) is Refusal.RUNNING
        assert await refusal_of(at.restart_child("child1")) is Refusal.RUNNING
        # It is there and does not run.
        await at.terminate_child("child1")
        await at.terminate_child("child1")
        assert world.counts() == [1, 0, 0, 1]
        assert await refusal_of(at.start_child(spec)) is Refusal.ALREADY_PRESENT
        started = await at.restart_child("child1")
        assert started is not None
        assert started.incarnation == 2
        # It is not there.
        await at.terminate_child("child1")
        await at.delete_child("child1")
        assert world.counts() == [0, 0, 0, 0]
        for act in (at.terminate_child, at.delete_child, at.restart_child):
            assert await refusal_of(act("child1")) is Refusal.NOT_FOUND
        # And again from the start.
        assert await at.start_child(spec) is not None
        assert world.up() == ["child1"]
        assert await refusal_of(at.start_child(replace(spec, name=""))) is Refusal.BAD_SPEC
    assert await refusal_of(world.sup.terminate_child("child1")) is Refusal.NOPROC


@conforms
async def test_a_child_that_is_restarting(world: World) -> None:
    """child_adm, with the pid {restarting, _}."""
    wait = Backoff(min_ns=10 * SECOND_NS, max_ns=10 * SECOND_NS, jitter=0)
    async with tree(world, sup(world.child("child1", backoff=wait), intensity=9)):
        await world.exit("child1", CRASH)
        await world.exit("child1", CRASH)
        at = world.sup
        assert at.which_child("child1").state is ChildState.BACKOFF
        assert world.counts() == [1, 0, 0, 1]
        assert await refusal_of(at.restart_child("child1")) is Refusal.RESTARTING
        assert await refusal_of(at.delete_child("child1")) is Refusal.RESTARTING
        spec = at.get_spec("child1")
        assert await refusal_of(at.start_child(spec)) is Refusal.ALREADY_STARTED
        await at.terminate_child("child1")
        assert at.which_child("child1").state is ChildState.STOPPED


@conforms
async def test_a_supervisor_of_one_template_is_asked_by_name(world: World) -> None:
    """child_adm_simple: no specs, no stopped children, and nobody else's."""
    inner = below("inner", world.child("template"), strategy=DYNAMIC)
    async with tree(world, sup(inner, world.child("other"))):
        at = world.at("inner")
        spec = world.child("child1")
        assert await refusal_of(at.start_child(spec)) is Refusal.SIMPLE_ONE_FOR_ONE
        assert await refusal_of(at.restart_child("child1")) is Refusal.SIMPLE_ONE_FOR_ONE
        assert await refusal_of(at.delete_child("child1")) is Refusal.SIMPLE_ONE_FOR_ONE
        assert await refusal_of(at.terminate_child("other")) is Refusal.NOT_FOUND
        assert await refusal_of(at.terminate_child("template")) is Refusal.NOT_FOUND
        first, second = await at.start_child(Addition()), await at.start_child(Addition())
        assert first is not None
        assert second is not None
        assert world.counts(at) == [1, 2, 0, 2]
        await at.terminate_child(first.name)
        assert world.names(at) == [second.name]
        assert await refusal_of(at.terminate_child(first.name)) is Refusal.NOT_FOUND
        again = Addition(name=second.name)
        assert await refusal_of(at.start_child(again)) is Refusal.ALREADY_STARTED
        assert await refusal_of(at.start_child(Addition(name="A b"))) is Refusal.BAD_SPEC


@conforms
async def test_a_start_says_who_was_started(world: World) -> None:
    """extra_return: what a start returns names the incarnation, at the first and at a restart."""
    async with tree(world, sup()):
        first = await world.sup.start_child(world.child("child1"))
        assert first is not None
        assert (first.address, first.kind, first.incarnation) == ("/child1", "port", 1)
        assert first.state is ChildState.RUNNING
        await world.sup.terminate_child("child1")
        second = await world.sup.restart_child("child1")
        assert second is not None
        assert second.incarnation == 2


def test_specs_are_taken_or_refused_as_a_whole() -> None:
    """child_specs: every combination of good values is taken, one bad value is refused."""
    world = World()
    flags = sup(auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    shutdowns = (1, SECOND_NS, Shutdown.BRUTAL_KILL, Shutdown.INFINITY)
    good = 0
    for restart, shutdown_ns, significant in itertools.product(Restart, shutdowns, (False, True)):
        child = world.child("a", restart, shutdown_ns=shutdown_ns, significant=significant)
        problems = validate(replace(flags, children=(child,)))
        refused = significant and restart is Restart.PERMANENT
        assert bool(problems) == refused, problems
        good += not refused
    assert good == 20


def test_the_matrix_of_bad_values() -> None:
    """child_specs_map: whatever else a spec says, one bad value refuses it and is named."""
    world = World()
    bad: dict[str, tuple[object, ...]] = {
        "name": ("A", "", "a/b", "a" * 40),
        "start": (None, 3),
        "restart": (None, "permanent"),
        "shutdown_ns": (-1, 0, 0.5, True, None),
        "significant": (None, 1),
        "backoff": (None, Backoff(min_ns=-1), Backoff(min_ns=2, max_ns=1), Backoff(jitter=-1)),
        "trap_exit": (None, "yes"),
    }
    good = [
        world.child("a", restart, shutdown_ns=shutdown_ns)
        for restart in Restart
        for shutdown_ns in (SECOND_NS, Shutdown.INFINITY)
    ]
    refused = 0
    for spec in good:
        for field, values in bad.items():
            for value in values:
                wrong = replace(spec, **{field: value})
                assert validate(sup(wrong)), (field, value)
                refused += 1
    assert refused == len(good) * sum(len(values) for values in bad.values())
    assert not any(validate(sup(spec)) for spec in good)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("strategy", "one_for_one", "strategy was 'one_for_one'"),
        ("intensity", -1, "intensity was -1"),
        ("intensity", 0.5, "intensity was 0.5"),
        ("intensity", True, "intensity was True"),
        ("period_ns", 0, "period_ns was 0"),
        ("period_ns", None, "period_ns was None"),
        ("auto_shutdown", None, "auto_shutdown was None"),
        ("bulkhead", None, "bulkhead was None"),
        ("durable", 3, "durable was 3"),
        ("strategy", DYNAMIC, "simple_one_for_one has one template among its children, not 2"),
    ],
)
def test_flags_of_a_supervisor(field: str, value: object, text: str) -> None:
    """sup_flags."""
    world = World()
    good = sup(world.child("a"), world.child("b"))
    assert validate(good) == []
    assert text in "\n".join(validate(replace(good, **{field: value})))
    # It is found wherever in the tree it stands.
    assert text in "\n".join(validate(sup(replace(good, name="deep", **{field: value}))))


@conforms
async def test_specs_are_checked_without_starting_anything(world: World) -> None:
    """child_specs: check_childspecs, with and without the flag that significant ones need."""
    significant = world.child("b", TEMPORARY, significant=True)
    async with tree(world, sup(world.child("a"))):
        assert world.sup.check_specs(world.child("b"), world.child("c")) == []
        (twice,) = world.sup.check_specs(world.child("b"), world.child("b"))
        assert "'b' is used 2 times" in twice
        (never,) = world.sup.check_specs(significant)
        assert "auto_shutdown is never" in never
        assert await refusal_of(world.sup.start_child(significant)) is Refusal.BAD_SPEC
        assert world.names() == ["a"]


@conforms
async def test_restarts_below_the_limit_are_survived(world: World) -> None:
    """multiple_restarts: as many as are allowed, one after another and all at once."""
    names = [f"c{n}" for n in range(5)]
    children = [world.child(name) for name in names]
    async with tree(world, sup(*children, intensity=10)):
        for name in names:
            world.tell(name, KILLED)
        await quiet()
        for name in names:
            await world.exit(name, CRASH)
        assert world.up() == names
        assert [world.incarnation(name) for name in names] == [3] * 5
        assert world.system.restarts == 10


@conforms
async def test_children_from_templates_stand_among_others(world: World) -> None:
    """Ours: a supervisor with an order may also have templates, and arguments for them."""
    spec = sup(
        world.child("first"),
        templates=(world.child("worker"), below("branch", world.child("leaf"))),
        strategy=REST_FOR_ONE,
    )
    async with tree(world, spec):
        at = world.sup
        assert await refusal_of(at.start_child(Addition(name="x"))) is Refusal.BAD_SPEC
        assert await refusal_of(at.start_child(Addition(name=""))) is Refusal.BAD_SPEC
        added = Addition(name="w1", template="worker", arguments=(Add(amount=7),))
        await at.start_child(added)
        await at.start_child(Addition(name="b1", template="branch"))
        wrong = Addition(name="b2", template="branch", configuration=Add(amount=1))
        assert await refusal_of(at.start_child(wrong)) is Refusal.BAD_SPEC
        assert world.names() == ["first", "w1", "b1"]
        assert world.arguments["w1"] == (Add(amount=7),)
        await world.exit("first", CRASH)
        assert world.log[-3:] == ["start first", "start w1", "start leaf"]
        assert world.arguments["w1"] == (Add(amount=7),)


def test_a_template_is_checked_like_a_child() -> None:
    """Ours: what is wrong with a template is said before anything starts."""
    world = World()
    bad = SupervisorSpec(name="", templates=(world.child("t", shutdown_ns=-1),))
    assert "/t: shutdown_ns was -1" in "\n".join(validate(bad))
