"""The whole interface against a small model, by random scripts that Hypothesis shrinks."""

from dataclasses import dataclass, field

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from supervisor import determinism
from supervisor.child import ChildError, ChildState, Refusal
from supervisor.spec import KILLED, NORMAL, ExitReason, Restart, Strategy, SupervisorSpec
from tests.supervisor.conformance.world import (
    CRASH,
    World,
    quiet,
    silent,
    sup,
    tree,
)

NAMES = ("a", "b", "c", "d")
INTENSITY = 4
REASONS = {"normal": NORMAL, "crash": CRASH, "killed": KILLED}


@dataclass
class Model:
    """What OTP's documentation says, over names alone; nothing takes time."""

    strategy: Strategy
    restart: dict[str, Restart] = field(default_factory=dict)
    up: dict[str, bool] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    restarts: int = 0
    is_over: bool = False

    def start(self, name: str) -> None:
        if not self.up[name]:
            self.up[name] = True
            self.starts[name] += 1

    def forget(self, name: str) -> None:
        for table in (self.restart, self.up, self.starts):
            table.pop(name)

    def add(self, name: str, restart: Restart) -> Refusal | None:
        if name in self.up:
            return Refusal.ALREADY_STARTED if self.up[name] else Refusal.ALREADY_PRESENT
        self.restart[name], self.up[name], self.starts[name] = restart, False, 0
        self.start(name)
        return None

    def terminate(self, name: str) -> Refusal | None:
        if name not in self.up:
            return Refusal.NOT_FOUND
        self.up[name] = False
        if self.restart[name] is Restart.TEMPORARY:
            self.forget(name)
        return None

    def revive(self, name: str) -> Refusal | None:
        if name not in self.up or self.up[name]:
            return Refusal.RUNNING if name in self.up else Refusal.NOT_FOUND
        self.start(name)
        return None

    def delete(self, name: str) -> Refusal | None:
        if name not in self.up or self.up[name]:
            return Refusal.RUNNING if name in self.up else Refusal.NOT_FOUND
        self.forget(name)
        return None

    def end(self, name: str, reason: ExitReason) -> None:
        restart = self.restart[name]
        self.up[name] = False
        if restart is Restart.TEMPORARY:
            self.forget(name)
        elif restart is Restart.PERMANENT or not reason.is_orderly:
            self.restarts += 1
            self.is_over = self.restarts > INTENSITY
            self.restart_with(name)

    def restart_with(self, name: str) -> None:
        order = list(self.up)
        first = order.index(name)
        group = {
            Strategy.ONE_FOR_ONE: [name],
            Strategy.ONE_FOR_ALL: order,
            Strategy.REST_FOR_ONE: order[first:],
        }[self.strategy]
        for one in group:
            self.up[one] = False
            if self.restart[one] is Restart.TEMPORARY:
                self.forget(one)
        for one in group:
            if one in self.up:
                self.start(one)


Step = tuple[str, str, str]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ("add", "add", "terminate", "revive", "delete", "end", "end", "apply", "fail")
        ),
        st.sampled_from(NAMES),
        st.sampled_from(("permanent", "transient", "temporary", "normal", "crash", "killed")),
    ),
    max_size=25,
)


async def do(world: World, model: Model, step: Step) -> None:
    """Do one step to both; they must agree on what came of it."""
    what, name, how = step
    restart = Restart(how) if how in ("permanent", "transient", "temporary") else Restart.PERMANENT
    expected: Refusal | None = None
    got: Refusal | None = None
    at = world.sup
    try:
        if what == "add":
            expected = model.add(name, restart)
            await at.start_child(world.child(name, restart))
        elif what == "terminate":
            expected = model.terminate(name)
            await at.terminate_child(name)
        elif what == "revive":
            expected = model.revive(name)
            await at.restart_child(name)
        elif what == "delete":
            expected = model.delete(name)
            await at.delete_child(name)
        elif what == "apply":
            known = [replace(at.get_spec(each), restart=model.restart[each]) for each in model.up]
            model.strategy = list(Strategy)[NAMES.index(name) % 3]
            await at.apply_specs(replace(at.spec, children=(*known,), strategy=model.strategy))
        elif what == "fail" and model.up.get(name) and not model.is_over:
            await fail(world, model, name)
        elif what == "end" and model.up.get(name):
            reason = REASONS.get(how, CRASH)
            model.end(name, reason)
            await world.exit(name, reason)
    except ChildError as error:
        got = error.refusal
    assert got == expected, step


async def fail(world: World, model: Model, name: str) -> None:
    """End a child whose next start fails: to the model that is two ends, one after another."""
    if model.restart[name] is Restart.TEMPORARY:
        return
    world.modes[name] = ["fail", "ok"]
    model.end(name, KILLED)
    if not model.is_over:
        model.end(name, KILLED)
    await world.exit(name, KILLED)


async def agree(strategy: Strategy, steps: list[Step]) -> None:
    world, model = World(), Model(strategy)
    spec: SupervisorSpec = sup(strategy=strategy, intensity=INTENSITY)
    async with tree(world, spec):
        for step in steps:
            await do(world, model, step)
            await quiet()
            assert world.is_running != model.is_over
            if model.is_over:
                return
            states = {info.name: info.state for info in world.sup.which_children()}
            up = {name: state is ChildState.RUNNING for name, state in states.items()}
            assert list(up.items()) == list(model.up.items()), step
            if "fail" not in {each[0] for each in steps}:
                assert {name: world.incarnation(name) for name in up} == model.starts, step
            counts = world.counts()
            assert counts == [len(up), sum(up.values()), 0, len(up)]
            names = {f"/{name}" for name, is_up in up.items() if is_up}
            assert set(world.system.registry.running) == names


def check(strategy: Strategy, steps: list[Step], seed: int) -> None:
    async def main() -> None:
        with trio.fail_after(1_000):
            await agree(strategy, steps)

    with silent():
        determinism.run(main, seed)


SCRIPTS = given(st.sampled_from(list(Strategy)[:3]), STEPS, st.integers(0, 1_000))


@settings(max_examples=60)
@SCRIPTS
def test_any_script_ends_as_the_model_says(
    strategy: Strategy, steps: list[Step], seed: int
) -> None:
    check(strategy, steps, seed)


@pytest.mark.check
@settings(max_examples=400)
@SCRIPTS
def test_many_scripts_end_as_the_model_says(
    strategy: Strategy, steps: list[Step], seed: int
) -> None:
    check(strategy, steps, seed)


@pytest.mark.soak
@settings(max_examples=50_000)
@SCRIPTS
def test_very_many_scripts_end_as_the_model_says(
    strategy: Strategy, steps: list[Step], seed: int
) -> None:
    check(strategy, steps, seed)
