"""`bot doctor`."""

import click

from bot.environment import Environment
from bot.errors import ERROR
from bot.shared import data_dir_option, finish, json_option, print_rows


@click.command("doctor")
@click.option("--config", "config_name", metavar="FILE", help="Configuration, as of `bot start`.")
@data_dir_option
@json_option
def command(config_name: str | None, data_dir: str | None, *, as_json: bool) -> None:
    r"""Examine the installation, and say what is wrong and what to do about it.

    It looks at the configuration, the packages, SQLite, the compiled kernels, the data folder, the
    disk, the running bot, the database (every page), the audit, the clock and the books. It changes
    nothing and can be run beside a running bot.

    \b
    Example:
      bot doctor

    \b
    JSON: a list of objects with name, agreed, detail, at_ns.
    Exit codes: 0 all is well, 1 something is not.
    """
    from bot.doctor import examine

    checks = examine(Environment(), config_name, data_dir)
    if as_json:
        print_rows(checks)
    else:
        for check in checks:
            click.echo(f"{'ok  ' if check.agreed else 'FAIL'}  {check.name}: {check.detail}")
    finish(0 if all(check.agreed for check in checks) else ERROR)
