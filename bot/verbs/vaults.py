"""`bot vaults`."""

import click

from bot.shared import (
    as_of_ns,
    ask,
    at_option,
    data_dir_option,
    json_option,
    new_request_id,
    print_rows,
    say_then,
)
from bot.text import table, trimmed
from messages.control import Vaults
from messages.views import VaultView


@click.command("vaults")
@at_option
@data_dir_option
@json_option
def command(at: str | None, data_dir: str | None, *, as_json: bool) -> None:
    r"""Show every vault and its sleeves: what they hold, what they earned, what they are doing.

    Total is all of the vault's coins, open positions at the market included. Tradeable is the pool
    that sleeves are given their allocations from. The reserve is never deployed.

    \b
    Example:
      bot vaults
      bot vaults --at 03:12

    \b
    JSON: a list of objects with address, asset, total, tradeable, reserve, sleeves, …
    Exit codes: 0 ok, 5 not running.
    """
    then_ns = as_of_ns(at)
    request = Vaults(request_id=new_request_id(), as_of_ns=then_ns)
    rows = ask(data_dir, request, "vaults").rows
    if as_json:
        print_rows(rows)
        return
    say_then(then_ns)
    for row in rows:
        assert isinstance(row, VaultView), "the answer to Vaults are VaultViews"
        click.echo(words(row))


def words(vault: VaultView) -> str:
    """Say how a vault and its sleeves stand."""
    on_margin = any(":" in sleeve.symbol for sleeve in vault.sleeves)
    funding = f", funding {trimmed(vault.funding)}" if on_margin else ""
    head = (
        f"{vault.address}  {vault.mode}\n"
        f"  total {trimmed(vault.total)} {vault.asset}, tradeable {trimmed(vault.tradeable)}, "
        f"reserve {trimmed(vault.reserve)}, realised {trimmed(vault.realised)}, "
        f"unrealised {trimmed(vault.unrealised)}, fees {trimmed(vault.fees)}{funding}"
    )
    headings = (
        "  sleeve", "style", "state", "allocated", "cash", "position",
        *(("margin", "funding") if on_margin else ()), "realised", "swept", "why",
    )  # fmt: skip
    lines = [
        (
            f"  {sleeve.sleeve}",
            sleeve.style,
            sleeve.state,
            trimmed(sleeve.allocated),
            trimmed(sleeve.cash),
            f"{trimmed(sleeve.position)} {sleeve.symbol}",
            *((trimmed(sleeve.margin), trimmed(sleeve.funding)) if on_margin else ()),
            trimmed(sleeve.realised),
            trimmed(sleeve.swept),
            sleeve.reason,
        )
        for sleeve in vault.sleeves
    ]
    return f"{head}\n{table(headings, lines, right=tuple(range(3, len(headings) - 1)))}"
