"""`bot arbitrage`."""

import click

from bot.shared import ask, data_dir_option, json_option, new_request_id, print_rows
from bot.text import table, time_of, trimmed
from messages.market_views import Monitor, Monitored, OpportunityView

MS_PER_S = 1_000


@click.command("arbitrage")
@data_dir_option
@json_option
def command(data_dir: str | None, *, as_json: bool) -> None:
    r"""Show where a pair could be bought at one venue and sold at another for more, net of fees.

    Those that last come first, then the newest that have ended. Nothing trades on it. It watches
    pairs that several venues of bot.toml have: docs/market-data.md.

    \b
    Example:
      bot arbitrage --json

    \b
    JSON: a list of objects with symbol, buy_venue, sell_venue, buy_price, sell_price, quantity,
    net_bps, best_net_bps, began_ns, ended_ns (0 while it lasts), duration_ms.
    Exit codes: 0 ok, 5 not running.
    """
    request = Monitor(request_id=new_request_id(), what=Monitored.ARBITRAGE)
    rows = ask(data_dir, request, "arbitrage").rows
    if as_json:
        print_rows(rows)
        return
    views = [row for row in rows if isinstance(row, OpportunityView)]
    if not views:
        click.echo("none yet; [monitors.arbitrage] in bot.toml turns the monitor on")
        return
    lines = [
        (
            time_of(view.began_ns),
            view.symbol,
            view.buy_venue,
            trimmed(view.buy_price),
            view.sell_venue,
            trimmed(view.sell_price),
            trimmed(view.quantity),
            view.net_bps,
            view.best_net_bps,
            f"{view.duration_ms / MS_PER_S:.1f} s" + ("" if view.ended_ns else ", still"),
        )
        for view in views
    ]
    headings = (
        "began", "symbol", "buy at", "price", "sell at", "price", "quantity", "net bps", "best",
        "lasted",
    )  # fmt: skip
    click.echo(table(headings, lines, right=(3, 5, 6, 7, 8, 9)))
