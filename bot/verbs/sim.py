"""`bot sim`."""

from pathlib import Path

import click

from bot.errors import INVARIANT, OK, VerbError
from bot.shared import finish, json_option


@click.command("sim")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="First seed.")
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(1), help="How many.")
@click.option(
    "--hours", default=0.02, show_default=True, type=click.FloatRange(0.0005, 1_000),
    help="Virtual time under faults, per seed.",
)  # fmt: skip
@click.option(
    "--faults", "profile", default="all", show_default=True, metavar="PROFILE",
    help="all, none, a layer (scheduler, clock, mailbox, actor, store, transport, exchange, host, "
    "operator), or kinds with commas: actor.crash,host.kill",
)  # fmt: skip
@click.option(
    "--acts", metavar="KIND:N,...",
    help="Of the faults that are done one by one, do only these: --shrink prints it.",
)  # fmt: skip
@click.option("--shrink", "with_shrink", is_flag=True, help="Look for a smaller run that fails.")
@click.option(
    "--resume", "state_file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the batch in FILE, and go on with the one that is there.",
)  # fmt: skip
@click.option(
    "--report", "report_file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page about the batch.",
)  # fmt: skip
@json_option
def command(  # noqa: PLR0913 - one argument per option
    seed: int,
    seeds: int,
    hours: float,
    profile: str,
    acts: str | None,
    state_file: Path | None,
    report_file: Path | None,
    *,
    with_shrink: bool,
    as_json: bool,
) -> None:
    r"""Simulate the whole bot under faults, in virtual time, each run from one seed.

    The production tree, the exchange in a box, SQLite on a disk that loses power: all of it, with
    the shipped configuration, and nothing of yours. Afterwards it is left in peace and must come to
    rest with books that equal the venue's. The same seed is the same run, to the last bit.

    \b
    Example:
      bot sim --seeds 200
      bot sim --seed 7 --faults host.power-cut,exchange --shrink

    \b
    JSON: an object with seeds, speed, faults, sometimes, unreached, failures, smallest and more.
    Exit codes: 0 all held, 2 usage, 70 something did not hold, or trio is not repeatable.
    """
    from bot.simulating import Wanted, run_simulation
    from supervisor.determinism import NotDeterministicError

    wanted = Wanted(
        seed=seed,
        seeds=seeds,
        seconds=round(hours * 3_600, 6),  # so that the hours that are printed are the same run
        profile=profile,
        acts=acts,
        with_shrink=with_shrink,
        state_file=state_file,
        report_file=report_file,
        as_json=as_json,
    )
    try:
        holds = run_simulation(wanted)
    except NotDeterministicError as error:
        failed = VerbError(str(error))
        failed.ends_with(INVARIANT)
        raise failed from error
    except LookupError as error:
        raise click.UsageError(str(error.args[0])) from error
    finish(OK if holds else INVARIANT)
