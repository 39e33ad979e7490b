"""`bot funding`."""

import click

from bot.shared import ask, data_dir_option, json_option, new_request_id, print_rows
from bot.text import duration, table, time_of
from messages.market_views import FundingView, Monitor, Monitored

NANOSECONDS_PER_SECOND = 1_000_000_000


@click.command("funding")
@data_dir_option
@json_option
def command(data_dir: str | None, *, as_json: bool) -> None:
    r"""Show what holding perpetuals costs: rate, prediction, next settlement, per year.

    What is watched is [monitors.funding] in bot.toml: docs/market-data.md.

    \b
    Example:
      bot funding --json

    \b
    JSON: a list of objects with venue, symbol, rate, next_rate, mark_price, interval_s, settles_ns,
    yearly_percent, at_ns.
    Exit codes: 0 ok, 5 not running.
    """
    request = Monitor(request_id=new_request_id(), what=Monitored.FUNDING)
    rows = ask(data_dir, request, "funding").rows
    if as_json:
        print_rows(rows)
        return
    views = [row for row in rows if isinstance(row, FundingView)]
    if not views:
        click.echo("nothing is watched: [monitors.funding.NAME] in bot.toml says what is to be")
        return
    lines = [
        (
            view.venue,
            view.symbol,
            view.rate,
            view.next_rate or "?",
            duration(view.interval_s),
            time_of(view.settles_ns) or "?",
            f"{view.yearly_percent} %",
            view.mark_price,
        )
        for view in views
    ]
    headings = ("venue", "symbol", "rate", "next", "every", "settles", "a year", "mark")
    click.echo(table(headings, lines, right=(2, 3, 6, 7)))
