"""`bot log`."""

from collections.abc import Sequence

import click

from bot.shared import ask, data_dir_option, folder_of, json_option, new_request_id, print_rows
from bot.text import log_line
from messages.control import ROWS_MAX, Delta, Log, ServerFrame, Snapshot, Subscribe, View
from messages.views import AnyView, LogLine

FOLLOW_RATE_HZ = 5.0


@click.command("log")
@click.option(
    "-n", "--tail", type=click.IntRange(1, ROWS_MAX), default=50, show_default=True,
    help="So many of the newest lines.",
)  # fmt: skip
@click.option(
    "--filter", "words", default="", help="Words that must occur; !word for those that must not."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until Ctrl-C.")
@data_dir_option
@json_option
def command(tail: int, words: str, data_dir: str | None, *, follow: bool, as_json: bool) -> None:
    r"""Show the log, oldest line first.

    What was logged before the last start is in <data folder>/log/bot.log, one JSON object a line.

    \b
    Example:
      bot log -n 20
      bot log --follow --filter '!debug'

    \b
    JSON: a list of objects with number, at_ns, level, address, text. Not with --follow.
    Exit codes: 0 ok, 5 not running.
    """
    if follow and as_json:
        raise click.UsageError("--follow never ends and --json is one document: choose one")
    if follow:
        _follow(data_dir, tail, words)
        return
    rows = ask(data_dir, Log(request_id=new_request_id(), tail=tail, filter=words), "log").rows
    if as_json:
        print_rows(rows)
    else:
        _print([row for row in rows if isinstance(row, LogLine)])


def _print(lines: Sequence[LogLine]) -> None:
    for line in lines:
        click.echo(log_line(line.at_ns, line.level, line.address, line.text))


def _lines_in(frame: ServerFrame) -> list[LogLine]:
    rows: Sequence[AnyView] = ()
    if isinstance(frame, Snapshot):
        rows = frame.rows
    elif isinstance(frame, Delta):
        rows = frame.changed
    return [row for row in rows if isinstance(row, LogLine)]


def _follow(data_dir: str | None, tail: int, words: str) -> None:
    from bot.client import connected, run

    async def main() -> None:
        async with connected(folder_of(data_dir), "verb log") as link:
            wish = Subscribe(view=View.LOG, rate_hz=FOLLOW_RATE_HZ, filter=words, limit=tail)
            await link.send(wish)
            seen = 0
            while True:
                new = [line for line in _lines_in(await link.receive()) if line.number > seen]
                _print(new)
                seen = max((line.number for line in new), default=seen)

    run(main)
