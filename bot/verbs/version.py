"""`bot version`."""

import platform
from importlib import metadata

import click

from bot.shared import json_option, print_json

PARTS = ("trio", "msgspec", "apsw", "ccxt", "numpy", "numba", "textual")


@click.command("version")
@json_option
def command(*, as_json: bool) -> None:
    r"""Show the versions of Canopy, Python and the libraries that matter.

    \b
    Example:
      bot version

    \b
    JSON: an object of names and versions.
    Exit codes: 0 ok.
    """
    versions = {"canopy": own_version(), "python": platform.python_version()}
    versions |= {name: metadata.version(name) for name in PARTS}
    if as_json:
        print_json(versions)
        return
    for name, version in versions.items():
        click.echo(f"{name:<10}{version}")


def own_version() -> str:
    """Return Canopy's version."""
    try:
        return metadata.version("canopy-bot")
    except metadata.PackageNotFoundError:
        return "0 (not installed)"
