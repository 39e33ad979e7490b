"""`bot stop`."""

from pathlib import Path

import click

from bot.errors import TimedOutError
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

# Twenty looks a second at another process: a person notices no wait.
POLL_S = 0.05


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
    import trio

    from bot.client import connected, run

    async def ask() -> int:
        async with connected(folder, "verb stop") as link:
            assert link.welcome is not None, "a link begins with Welcome"
            answer = await link.ask(Stop(request_id=new_request_id(), reason=reason))
            if answer.outcome is not Outcome.OK:
                raise AnswerError(answer)
            return link.welcome.pid

    async def main() -> None:
        with trio.move_on_after(wait_s):
            pid = await ask()
            while _is_alive(pid):  # noqa: ASYNC110 - another process sets no event of ours
                await trio.sleep(POLL_S)
            return
        raise TimedOutError("the bot did not stop", wait_s)

    run(main)


def _is_alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and waits for its parent does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
