"""`bot stop`."""

from pathlib import Path

import click
import trio

from bot.errors import NotRunningError, TimedOutError
from bot.shared import (
    AnswerError,
    data_dir_option,
    finish,
    folder_of,
    json_option,
    new_request_id,
    print_json,
    seconds_option,
)
from messages.control import Outcome, Stop


@click.command("stop")
@click.option("--reason", default="", metavar="TEXT", help="Why: it is logged and audited.")
@data_dir_option
@seconds_option(60)
@json_option
def command(reason: str, data_dir: str | None, wait_s: float, *, as_json: bool) -> None:
    r"""Stop the bot in good order, and wait until it has.

    Every actor writes a snapshot; open orders stay open at the venue and are found again at the
    next start.

    \b
    Example:
      bot stop

    \b
    JSON: an object with outcome and text.
    Exit codes: 0 it has stopped, 5 it was not running, 6 it has not stopped in time.
    """
    folder = folder_of(data_dir)
    stop(folder, reason, wait_s)
    text = "the bot has stopped"
    if as_json:
        print_json({"outcome": "ok", "text": text})
    else:
        click.echo(text)
    finish(0)


def stop(folder: Path, reason: str, wait_s: float) -> None:
    """Ask the daemon of `folder` to stop; return when it has."""
    from bot.client import connected, run

    async def main() -> None:
        with trio.move_on_after(wait_s):
            async with connected(folder, "verb stop") as link:
                assert link.welcome is not None, "a link begins with Welcome"
                answer = await link.ask(Stop(request_id=new_request_id(), reason=reason))
                if answer.outcome is not Outcome.OK:
                    raise AnswerError(answer)
                await _wait_for_end(link.welcome.pid)
            return
        raise TimedOutError("the bot did not stop", wait_s)

    async def _wait_for_end(pid: int) -> None:
        while _is_alive(pid):  # noqa: ASYNC110 - another process sets no event of ours
            await trio.sleep(0.05)

    try:
        run(main)
    except NotRunningError:
        # It left while we were listening to it, which is what was asked for.
        if (folder / "socket").exists():
            raise


def _is_alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and waits for its parent does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
