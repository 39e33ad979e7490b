"""`bot backup`."""

from pathlib import Path

import click
import msgspec

from bot.errors import FailedError
from bot.shared import data_dir_option, folder_of, json_option


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@data_dir_option
@json_option
def command(file: Path, data_dir: str | None, *, as_json: bool) -> None:
    r"""Write a copy of the database, as of now, to FILE; the bot may run meanwhile.

    The copy holds everything but the embedded exchange's own file: orders, fills, books, audit,
    what replay needs. It is checked before it takes FILE's name; an older FILE stays until then.

    \b
    Example:
      bot backup /backup/canopy-$(date +%F).db

    \b
    JSON: an object with file, bytes.
    Exit codes: 0 made, 1 it could not be made, 8 the database is not to be trusted.
    """
    from state.backup import copy_out, verify_backup
    from state.errors import StateError
    from state.look import Look

    try:
        with Look(folder_of(data_dir)) as look:
            size_bytes = copy_out(look.connection, file)
        verify_backup(file)
    except StateError as error:
        raise FailedError(error) from error
    if as_json:
        click.echo(msgspec.json.encode({"file": str(file), "bytes": size_bytes}).decode())
    else:
        click.echo(f"{file}: {size_bytes / 1e6:.1f} MB, checked")
