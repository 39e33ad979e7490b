"""`bot vault check`."""

import click

from bot.errors import ERROR
from bot.shared import ask, data_dir_option, finish, json_option, new_request_id, print_rows
from messages.control import CheckVault
from messages.views import CheckView

# An account is read for at most 15 s and an order waited for 20, for each vault.
WAIT_MS = 90_000


@click.group("vault")
def command() -> None:
    """Look whether a vault could trade."""


@command.command("check")
@click.argument("vault_address", required=False)
@data_dir_option
@json_option
def check(vault_address: str | None, data_dir: str | None, *, as_json: bool) -> None:
    r"""Preflight of the vault at VAULT_ADDRESS, or of all: could it trade, and if not, why?

    The account is read with its keys; pairs must be listed and quoted in the vault's asset;
    allocations must reach the venue's smallest order; fees are named. In simulated environments the
    smallest order is placed at half the price, where it cannot fill, and cancelled; never in live.

    \b
    Example:
      bot vault check /users/alice/vaults/kraken-sim-usdt

    \b
    JSON: a list of objects with name, agreed, detail, at_ns.
    Exit codes: 0 all is well, 1 something is not, 5 not running, 6 timed out.
    """
    request = CheckVault(request_id=new_request_id(), timeout_ms=WAIT_MS, address=vault_address)
    rows = ask(data_dir, request, "vault").rows
    checks = [row for row in rows if isinstance(row, CheckView)]
    assert len(checks) == len(rows), "the answer are CheckViews"
    if as_json:
        print_rows(rows)
    else:
        for row in checks:
            click.echo(f"{'ok  ' if row.agreed else 'FAIL'}  {row.name}: {row.detail}")
    finish(0 if all(row.agreed for row in checks) else ERROR)
