"""`bot restore`."""

from pathlib import Path

import click
import msgspec

from bot.errors import FailedError
from bot.shared import data_dir_option, folder_of, json_option


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@data_dir_option
@json_option
def command(file: Path, data_dir: str | None, *, as_json: bool) -> None:
    r"""Make the database of a data folder from the backup FILE.

    The folder must have no database: move a damaged one away first, its last hours may still be
    readable. Orders made after the restore have ids of their own, so none can be taken for one that
    was made between the backup and the loss. At its next start the bot compares its books with the
    venue and says what differs; nothing is traded until they agree.

    \b
    Example:
      bot restore /backup/canopy-2026-11-20.db

    \b
    JSON: an object with file, folder.
    Exit codes: 0 restored, 1 no such backup or the folder has a database, 7 a bot holds the folder,
    8 the backup is damaged, newer, or not ours.
    """
    from state.backup import restore_backup
    from state.errors import StateError

    folder = folder_of(data_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        restore_backup(file, folder)
    except StateError as error:
        raise FailedError(error) from error
    if as_json:
        click.echo(msgspec.json.encode({"file": str(file), "folder": str(folder)}).decode())
    else:
        click.echo(f"{folder} is restored: `bot start --data-dir {folder}`")
