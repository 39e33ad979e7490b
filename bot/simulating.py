"""What `bot sim` does: run seeds, say what they did, and how to see a failure again."""

import logging
import subprocess
from pathlib import Path

import click
import msgspec

from bot.config import parse, shipped_file
from bot.environment import Environment
from bot.shared import print_json
from messages.settings import TreeSettings
from research.simulation.batch import (
    Tally,
    load,
    run_batch,
    save,
    shrink,
)
from research.simulation.plan import PROFILES, SECONDS_PER_HOUR, Kind, Plan, draw
from research.simulation.report import page
from research.simulation.run import Result
from supervisor.clock import thread_cpu_ns
from supervisor.determinism import self_test

# A batch of days is written down this often.
SAVED_EVERY = 10
LINES_SHOWN = 40


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    seed: int
    seeds: int
    seconds: float
    profile: str
    acts: str | None = None
    with_shrink: bool = False
    state_file: Path | None = None
    report_file: Path | None = None
    as_json: bool = False


def shipped_settings() -> TreeSettings:
    """Return what the shipped configuration builds on its first run; nothing overrides it."""
    config = parse(shipped_file().read_text(), str(shipped_file()), Environment({"HOME": "/"}))
    return config.tree_settings(config.first_run)


def kinds_of(profile: str) -> tuple[Kind, ...]:
    """Return the kinds of faults that a profile allows. Raises `LookupError`."""
    found: dict[Kind, None] = {}
    known = {kind.value: (kind,) for kind in Kind} | PROFILES
    for part in profile.split(","):
        if part not in known:
            raise LookupError(f"--faults: there is no {part!r}; there are {', '.join(known)}")
        found |= dict.fromkeys(known[part])
    return tuple(kind for kind in Kind if kind in found)


def acts_of(text: str | None) -> tuple[str, ...] | None:
    """Return the faults in `text`, None for all. Raises `LookupError`."""
    if text is None:
        return None
    acts = tuple(text.split(",")) if text != "none" else ()
    known = {kind.value for kind in Kind}
    for act in acts:
        kind, _, number = act.partition(":")
        if kind not in known or not number.isdecimal():
            raise LookupError(f"--acts: {act!r} is not a fault and its number, like host.kill:2")
    return acts


def run_simulation(wanted: Wanted) -> bool:
    """Run what is wanted and say how it was; return whether all held."""
    allowed = kinds_of(wanted.profile)
    self_test()
    # What a simulated bot logs is in the trace; an operator's terminal is not its place.
    logging.disable(logging.CRITICAL)
    try:
        shipped = shipped_settings()
        tally = _tally(wanted, allowed)
        run_batch(
            tally, wanted.seeds - tally.seeds if wanted.state_file else wanted.seeds, shipped,
            thread_cpu_ns, lambda result, so_far: _tell(wanted, result, so_far),
        )  # fmt: skip
        _finish(wanted, tally, shipped, allowed)
    finally:
        logging.disable(logging.NOTSET)
    return tally.holds


def _tally(wanted: Wanted, allowed: tuple[Kind, ...]) -> Tally:
    if wanted.state_file is not None:
        found = load(wanted.state_file)
        if found is not None:
            return found
    return Tally(
        commit=commit(),
        faults_allowed=[kind.value for kind in allowed],
        seconds_each=wanted.seconds,
        next_seed=wanted.seed,
        acts=acts_of(wanted.acts),
    )


def _tell(wanted: Wanted, result: Result, tally: Tally) -> None:
    if wanted.state_file is not None and tally.seeds % SAVED_EVERY == 0:
        save(tally, wanted.state_file)
    if wanted.as_json:
        return
    if not result.violations:
        if wanted.seeds == 1:
            click.echo(_figures(result))
        return
    click.echo("\n".join(result.lines[-LINES_SHOWN:]))
    click.echo(f"seed {result.plan.seed} failed, commit {tally.commit}:")
    for violation in result.violations:
        click.echo(f"  {violation}")
    click.echo(f"again: {result.plan.command}")


def _figures(result: Result) -> str:
    faults = ", ".join(f"{name} {count}" for name, count in sorted(result.faults.items()))
    return (
        f"seed {result.plan.seed}: trace {result.digest}\n"
        f"  {result.seconds:.0f} virtual s, {result.lives} lives, {result.orders} orders written, "
        f"{result.fills} fills, books checked {result.checked} times\n"
        f"  faults: {faults or 'none'}"
    )


def _finish(wanted: Wanted, tally: Tally, shipped: TreeSettings, allowed: tuple[Kind, ...]) -> None:
    if wanted.state_file is not None:
        save(tally, wanted.state_file)
    if wanted.report_file is not None:
        wanted.report_file.write_text(page(tally))
    smallest = _smallest(wanted, tally, shipped, allowed)
    if wanted.as_json:
        print_json({**msgspec.to_builtins(tally), "speed": tally.speed,
                    "unreached": tally.unreached, "smallest": smallest})  # fmt: skip
    else:
        hours = tally.seconds / SECONDS_PER_HOUR
        click.echo(
            f"{tally.seeds} seeds, {hours:.2f} virtual hours at {tally.speed:.0f} times real time, "
            f"{sum(tally.faults.values())} faults, {tally.failed} failed"
        )
        for name in tally.unreached:
            click.echo(f"never reached: {name}")
        if smallest:
            click.echo(f"smallest: {smallest}")


def _smallest(
    wanted: Wanted, tally: Tally, shipped: TreeSettings, allowed: tuple[Kind, ...]
) -> str:
    """Return the command of a smaller run that fails as the first failure did; or nothing."""
    if not (wanted.with_shrink and tally.failures):
        return ""
    plan = msgspec.structs.replace(
        draw(tally.failures[0].seed, tally.seconds_each, allowed), acts=tally.acts
    )

    def tell(found: Plan) -> None:
        click.echo(f"fails too: {found.command}", err=True)

    return shrink(plan, shipped, tell).command


def commit() -> str:
    """Return the commit that the code is of, or "unknown" outside a checkout."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],  # noqa: S607 - the user's git
        cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout.strip() or "unknown"
