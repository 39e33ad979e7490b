"""`bot fills`."""

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
from bot.text import table, time_of, trimmed
from messages.control import ROWS_MAX, Fills
from messages.views import FillView


@click.command("fills")
@click.option(
    "--filter", "words", default="", help="Words that must occur; !word for those that must not."
)
@click.option("--limit", type=click.IntRange(1, ROWS_MAX), default=100, show_default=True)
@at_option
@data_dir_option
@json_option
def command(words: str, limit: int, at: str | None, data_dir: str | None, *, as_json: bool) -> None:
    r"""Show executions, newest first.

    \b
    Example:
      bot fills --limit 20

    \b
    JSON: a list of objects with exec_id, client_order_id, environment, venue, sleeve, symbol, side,
    quantity, price, fee, fee_asset, liquidity, at_ns.
    Exit codes: 0 ok, 5 not running.
    """
    then_ns = as_of_ns(at)
    request = Fills(request_id=new_request_id(), filter=words, limit=limit, as_of_ns=then_ns)
    rows = ask(data_dir, request, "fills").rows
    if as_json:
        print_rows(rows)
        return
    say_then(then_ns)
    lines = []
    for row in rows:
        assert isinstance(row, FillView), "the answer to Fills are FillViews"
        lines.append(
            (
                time_of(row.at_ns),
                row.sleeve,
                row.symbol,
                row.side,
                trimmed(row.quantity),
                trimmed(row.price),
                f"{trimmed(row.fee)} {row.fee_asset}",
                row.liquidity,
                row.exec_id,
            )
        )
    headings = (
        "at", "sleeve", "symbol", "side", "quantity", "price", "fee", "liquidity", "exec id"
    )  # fmt: skip
    click.echo(table(headings, lines, right=(4, 5, 6)))
