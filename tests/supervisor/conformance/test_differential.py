"""Random scripts through real OTP and through ours: the same answers, children, starts and stops.

It needs `erl` and `erlc` (on Debian: apt-get install erlang-base), and skips without them.
"""

import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.child import ChildError, ChildState, Refusal
from supervisor.spec import KILLED, NORMAL, SHUTDOWN, Addition, ExitReason, Restart, Strategy
from tests.supervisor.conformance.world import CRASH, World, quiet, run_case, sup, tree

ORACLE = Path(__file__).with_name("oracle.erl")
NAMES = ("a", "b", "c", "d")
REASONS = {"normal": NORMAL, "shutdown": SHUTDOWN, "boom": CRASH, "killed": KILLED}
RESTARTS = tuple(restart.value for restart in Restart)
STRATEGIES = tuple(strategy.value for strategy in list(Strategy)[:3])
DYNAMIC = Strategy.DYNAMIC.value

Step = tuple[str, str, str]
Script = tuple[str, int, list[Step]]
"""Strategy, intensity, steps; of `simple_one_for_one`, the template's restart type in the first."""

needs_erlang = pytest.mark.skipif(
    shutil.which("erl") is None or shutil.which("erlc") is None,
    reason="no Erlang here to compare with: apt-get install erlang-base",
)


def random_script(dice: random.Random) -> Script:
    """Return a script with a few children and what happens to them."""
    steps: list[Step] = [
        ("start", name, dice.choice(RESTARTS)) for name in NAMES[: dice.randint(1, 4)]
    ]
    for _ in range(dice.randint(3, 14)):
        name = dice.choice(NAMES)
        act = dice.choices(
            ("start", "terminate", "restart", "delete", "exit", "fail"), (2, 2, 2, 1, 7, 2)
        )[0]
        how = {
            "start": dice.choice(RESTARTS),
            "exit": dice.choice(tuple(REASONS)),
            "fail": str(dice.randint(1, 3)),
        }.get(act, "none")
        steps.append((act, name, how))
    return dice.choice(STRATEGIES), dice.randint(0, 6), steps


def random_dynamic_script(dice: random.Random) -> Script:
    """Return a script of children that are made from one template, each under a name of its own."""
    restart = dice.choice(RESTARTS)
    steps: list[Step] = []
    started = 0
    for _ in range(dice.randint(6, 18)):
        act = dice.choices(
            ("start", "terminate", "restart", "delete", "exit", "fail"), (5, 2, 1, 1, 7, 2)
        )[0]
        name = f"n{dice.randint(0, started)}"
        how = {"exit": dice.choice(tuple(REASONS)), "fail": str(dice.randint(1, 3))}.get(
            act, "none"
        )
        if act == "start":
            name, how = f"n{started}", restart
            started += 1
        steps.append((act, name, how))
    return DYNAMIC, dice.randint(0, 6), [("start", "first", restart), *steps]


def term(script: Script) -> str:
    """Return a script as an Erlang term."""
    strategy, intensity, steps = script
    if strategy == DYNAMIC:
        strategy = f"{{{strategy},{steps[0][2]}}}"
    listed = ",".join("{" + ",".join(step) + "}" for step in steps)
    return f"{{{strategy},{intensity},[{listed}]}}."


def through_otp(scripts: list[Script], folder: Path) -> Iterator[list[str]]:
    """Run scripts through OTP's supervisor; yield the lines of each."""
    subprocess.run(["erlc", "-o", str(folder), str(ORACLE)], check=True, timeout=60)
    (folder / "scripts").write_text("\n".join(map(term, scripts)))
    done = subprocess.run(
        ["erl", "-noshell", "-pa", str(folder), "-run", "oracle", "main", str(folder / "scripts")],
        check=True, timeout=300, capture_output=True, text=True,
    )  # fmt: skip
    lines: list[str] = []
    for line in done.stdout.splitlines():
        if line == "end":
            yield lines
            lines = []
        else:
            lines.append(line)


def through_ours(script: Script, seed: int) -> list[str]:
    """Run a script through our supervisor; return its lines."""
    strategy, intensity, steps = script
    lines: list[str] = []

    async def case(world: World) -> None:
        is_dynamic = strategy == DYNAMIC
        templates = (world.child("template", Restart(steps[0][2])),) if is_dynamic else ()
        async with tree(world, sup(*templates, strategy=Strategy(strategy), intensity=intensity)):
            for step in steps:
                world.log.clear()
                result = await (do_dynamic if is_dynamic else do)(world, step)
                await quiet()
                log = heard(world, step)
                said = ",".join(sorted(log) if is_dynamic else log)
                lines.append(f"{result}|{children(world, is_sorted=is_dynamic)}|{said}")
                if not world.is_running:
                    return

    run_case(case, seed)
    return lines


async def do_dynamic(world: World, step: Step) -> str:
    act, name, _ = step
    if act == "terminate" and world.starts[name] and name not in world.names():
        # OTP cannot tell a child that ended from any other dead process, and says ok; here the
        # name is not found.
        assert await do(world, step) == Refusal.NOT_FOUND.value
        return "ok"
    if act != "start":
        return await do(world, step)
    try:
        await world.sup.start_child(Addition(name=name))
    except ChildError as error:
        return error.refusal.value
    return "ok"


async def do(world: World, step: Step) -> str:
    act, name, how = step
    at = world.sup
    try:
        if act == "start":
            await at.start_child(world.child(name, Restart(how)))
        elif act == "terminate":
            await at.terminate_child(name)
        elif act == "restart":
            await at.restart_child(name)
        elif act == "delete":
            await at.delete_child(name)
        elif act == "fail":
            world.modes[name] = [*["fail"] * int(how), "ok"]
        elif name not in world.up():
            return "none"
        else:
            await end(world, name, REASONS[how])
    except ChildError as error:
        return error.refusal.value
    return "ok"


async def end(world: World, name: str, reason: ExitReason) -> None:
    world.tell(name, reason)
    await quiet()


def heard(world: World, step: Step) -> list[str]:
    """Return the log without the victim's own end: OTP's victims cannot say anything."""
    lines = list(world.log)
    own = f"stop {step[1]}"
    if step[0] == "exit" and own in lines:
        lines.remove(own)
    return lines


def children(world: World, *, is_sorted: bool) -> str:
    if not world.is_running:
        return "over"
    found = [
        f"{info.name}:{'up' if info.state is ChildState.RUNNING else 'down'}"
        for info in world.sup.which_children()
    ]
    return ",".join(sorted(found) if is_sorted else found)


def agree(seed: int, count: int, folder: Path) -> int:
    """Compare so many scripts, every third of a template; return how many steps agreed."""
    dice = random.Random(seed)  # noqa: S311 - scripts, no secrets
    scripts = [
        random_dynamic_script(dice) if number % 3 == 2 else random_script(dice)
        for number in range(count)
    ]
    steps = 0
    theirs = list(through_otp(scripts, folder))
    assert len(theirs) == count
    for at, (script, expected) in enumerate(zip(scripts, theirs, strict=True)):
        assert through_ours(script, at) == expected, script
        steps += len(expected)
    return steps


@needs_erlang
def test_scripts_go_as_in_otp(tmp_path: Path) -> None:
    assert agree(1, 80, tmp_path) > 400


@needs_erlang
@pytest.mark.check
def test_many_scripts_go_as_in_otp(tmp_path: Path) -> None:
    assert agree(2, 500, tmp_path) > 2_500


@needs_erlang
@pytest.mark.soak
def test_very_many_scripts_go_as_in_otp(tmp_path: Path) -> None:
    for seed in range(3, 23):
        assert agree(seed, 2_000, tmp_path) > 10_000
