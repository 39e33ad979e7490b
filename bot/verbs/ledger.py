"""`bot ledger balances|check|reconcile`."""

import click

from bot.errors import ERROR
from bot.shared import ask, data_dir_option, finish, json_option, new_request_id, print_rows
from bot.text import table, trimmed
from messages.control import Ledger, LedgerQuery
from messages.views import BalanceView, CheckView

RECONCILE_WAIT_MS = 60_000


@click.group("ledger")
def command() -> None:
    """Look into the books: double entry, one set per vault."""


@command.command("balances")
@data_dir_option
@json_option
def balances(data_dir: str | None, *, as_json: bool) -> None:
    r"""Show the balance of every account of every vault.

    \b
    Example:
      bot ledger balances

    \b
    JSON: a list of objects with vault, account, asset, balance.
    Exit codes: 0 ok, 5 not running.
    """
    request = Ledger(request_id=new_request_id(), query=LedgerQuery.BALANCES)
    rows = ask(data_dir, request, "ledger").rows
    if as_json:
        print_rows(rows)
        return
    lines = []
    for row in rows:
        assert isinstance(row, BalanceView), "the answer are BalanceViews"
        lines.append((row.vault, row.account, trimmed(row.balance), row.asset))
    click.echo(table(("vault", "account", "balance", "asset"), lines, right=(2,)))


@command.command("check")
@data_dir_option
@json_option
def check(data_dir: str | None, *, as_json: bool) -> None:
    r"""Check the books against themselves.

    Every transfer is summed anew: each asset's accounts must add up to zero, each balance must be
    the sum of its transfers, no account that holds our money may be negative.

    \b
    Example:
      bot ledger check

    \b
    JSON: a list of objects with name, agreed, detail, at_ns.
    Exit codes: 0 all agree, 1 something does not, 5 not running.
    """
    _show_checks(data_dir, LedgerQuery.CHECK, as_json=as_json)


@command.command("reconcile")
@data_dir_option
@json_option
def reconcile(data_dir: str | None, *, as_json: bool) -> None:
    r"""Compare the books with the venues' own, now. It only reads; it may take seconds.

    \b
    Example:
      bot ledger reconcile

    \b
    JSON: a list with one object per account: name, agreed, detail, at_ns.
    Exit codes: 0 all agree, 1 a difference, 5 not running, 6 timed out.
    """
    _show_checks(data_dir, LedgerQuery.RECONCILE, as_json=as_json)


def _show_checks(data_dir: str | None, query: LedgerQuery, *, as_json: bool) -> None:
    request = Ledger(request_id=new_request_id(), query=query, timeout_ms=RECONCILE_WAIT_MS)
    rows = ask(data_dir, request, "ledger").rows
    checks = [row for row in rows if isinstance(row, CheckView)]
    assert len(checks) == len(rows), "the answer are CheckViews"
    if as_json:
        print_rows(rows)
    else:
        for row in checks:
            click.echo(f"{'ok  ' if row.agreed else 'FAIL'}  {row.name}: {row.detail}")
    finish(0 if all(row.agreed for row in checks) else ERROR)
