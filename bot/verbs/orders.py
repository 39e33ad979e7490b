"""`bot orders`."""

from collections.abc import Sequence

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
from messages.control import ROWS_MAX, Orders
from messages.views import OrderView, ViewRow


@click.command("orders")
@click.option("--open", "only_open", is_flag=True, help="Only orders that may still be filled.")
@click.option(
    "--filter", "words", default="", help="Words that must occur; !word for those that must not."
)
@click.option("--limit", type=click.IntRange(1, ROWS_MAX), default=100, show_default=True)
@at_option
@data_dir_option
@json_option
def command(
    words: str, limit: int, at: str | None, data_dir: str | None, *, only_open: bool, as_json: bool
) -> None:
    r"""Show orders, newest first.

    \b
    Example:
      bot orders --open
      bot orders --filter 'flash !filled' --limit 20

    \b
    JSON: a list of objects with client_order_id, venue_order_id, environment, venue, user, vault,
    sleeve, symbol, side, type, quantity, price, filled, average_price, state, created_ns,
    updated_ns.
    Exit codes: 0 ok, 5 not running.
    """
    then_ns = as_of_ns(at)
    request = Orders(
        request_id=new_request_id(),
        filter=words,
        only_open=only_open,
        limit=limit,
        as_of_ns=then_ns,
    )
    rows = ask(data_dir, request, "orders").rows
    if as_json:
        print_rows(rows)
        return
    say_then(then_ns)
    click.echo(_words(rows))


def _words(rows: Sequence[ViewRow]) -> str:
    lines = []
    for row in rows:
        assert isinstance(row, OrderView), "the answer to Orders are OrderViews"
        lines.append(
            (
                time_of(row.created_ns),
                row.sleeve,
                row.symbol,
                row.side,
                row.type,
                trimmed(row.quantity),
                trimmed(row.price) or "market",
                trimmed(row.filled),
                trimmed(row.average_price),
                row.state,
                row.client_order_id,
            )
        )
    headings = (
        "created", "sleeve", "symbol", "side", "type", "quantity", "price", "filled", "average",
        "state", "client order id",
    )  # fmt: skip
    return table(headings, lines, right=(5, 6, 7, 8))
