"""`bot capture`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.errors import VerbError
from bot.shared import data_dir_option, folder_of, json_option, print_json
from bot.text import size, table, time_of

if TYPE_CHECKING:
    from actors.feeds.playback import Played


@click.group("capture")
def command() -> None:
    """Look at captured market data, and play it through the feed again.

    A venue with a [venues.NAME.capture] in bot.toml keeps what its public connection sent: see
    docs/market-data.md. The bot need not run.
    """


@command.command("list")
@data_dir_option
@json_option
def list_command(data_dir: str | None, *, as_json: bool) -> None:
    r"""List the segments that are kept, oldest first.

    \b
    Example:
      bot capture list

    \b
    JSON: a list of objects with path, venue, began_ns, size_bytes, complete.
    Exit codes: 0 ok.
    """
    from actors.feeds.segments import kept

    folder = folder_of(data_dir) / "capture"
    venues = sorted(folder.iterdir()) if folder.is_dir() else []
    segments = [each for venue in venues for each in kept(venue)]
    if as_json:
        print_json(segments)
        return
    if not segments:
        click.echo("nothing is kept: [venues.NAME.capture] in bot.toml turns it on")
        return
    lines = [
        (time_of(each.began_ns), each.venue, size(each.size_bytes), each.path) for each in segments
    ]
    click.echo(table(("began", "venue", "size", "file"), lines, right=(2,)))


@command.command("replay")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@data_dir_option
@json_option
def replay_command(files: tuple[Path, ...], data_dir: str | None, *, as_json: bool) -> None:
    r"""Play segments of one venue through the feed, in order, and say what came of it.

    The first must hold the beginning of a connection. Time is virtual: silence takes none. A file
    that is not there is looked for among the captured ones: kraken-sim/... of the data folder.

    \b
    Example:
      bot capture replay ~/.local/share/canopy/capture/kraken-sim/*.jsonl.gz

    \b
    JSON: an object with venue, began_ns, seconds, frames, lost, published (by topic), malformed (by
    kind), trust (a list with at_ns, symbol, trusted, reason), alerts.
    Exit codes: 0 ok, 1 no segment, or it begins in the middle of a connection.
    """
    from actors.feeds.playback import play
    from actors.feeds.segments import SegmentError

    try:
        played = play([_found(file, data_dir) for file in files])
    except SegmentError as error:
        raise VerbError(str(error)) from error
    if as_json:
        print_json(played)
    else:
        _say(played)


def _found(file: Path, data_dir: str | None) -> Path:
    if file.exists():
        return file
    kept = folder_of(data_dir) / "capture" / file
    if not kept.exists():
        raise VerbError(f"neither {file} nor {kept} is there: `bot capture list` shows what is")
    return kept


def _say(played: "Played") -> None:
    click.echo(
        f"{played.venue}: {played.frames} frames in {played.seconds:.1f} s from "
        f"{time_of(played.began_ns)}, {played.lost} not kept"
    )
    rows = [(topic, str(count)) for topic, count in played.published.items()]
    rows += [(f"malformed: {kind}", str(count)) for kind, count in played.malformed.items()]
    click.echo(table(("published", "messages"), rows, right=(1,)))
    for change in played.trust:
        verdict = "trusted" if change.trusted else f"UNTRUSTED: {change.reason}"
        click.echo(f"{time_of(change.at_ns)} {change.symbol} {verdict}")
    for alert in played.alerts:
        click.echo(f"alert: {alert}")
