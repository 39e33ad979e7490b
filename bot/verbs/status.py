"""`bot status`."""

import click

from bot.shared import ask, data_dir_option, json_option, new_request_id, print_row, seconds_option
from bot.text import duration, size, trimmed
from messages.control import Status
from messages.views import StatusView


@click.command("status")
@data_dir_option
@seconds_option(10)
@json_option
def command(data_dir: str | None, wait_s: float, *, as_json: bool) -> None:
    r"""Show how the bot is: state, uptime, orders, fills, profit.

    \b
    Example:
      bot status
      bot status --json | jq .trading

    \b
    JSON: one object with state, uptime_s, environment, actors, restarts, orders, fills, trading, …
    Exit codes: 0 ok, 5 not running, 6 timed out.
    """
    request = Status(request_id=new_request_id(), timeout_ms=int(wait_s * 1_000))
    (row,) = ask(data_dir, request, "status").rows
    assert isinstance(row, StatusView), "the answer to Status is a StatusView"
    if as_json:
        print_row(row)
    else:
        click.echo(words(row))


def words(row: StatusView) -> str:
    """Say in twelve lines how the bot is."""
    trading = "yes" if row.trading else f"no ({row.kill_reason or row.mode})"
    profit = (
        ", ".join(f"{trimmed(part.amount)} {part.asset}" for part in row.realised) or "none yet"
    )
    still = ", ".join(f"{trimmed(part.amount)} {part.asset}" for part in row.unrealised) or "none"
    switch = f"ENGAGED: {row.kill_reason}" if row.kill_switch else "off"
    lines = [
        ("state", f"{row.state} for {duration(row.uptime_s)}, {row.environment}"),
        ("trading", f"{trading}; accounts are {row.mode}"),
        ("kill switch", switch),
        ("orders", f"{row.orders}, {row.orders_open} of them open"),
        ("fills", str(row.fills)),
        ("realised", profit),
        ("unrealised", still),
        ("actors", f"{row.actors}, {row.restarts} restarts, {row.quarantined} in quarantine"),
        ("process", f"{row.pid}, {size(row.memory_bytes)}, loop lag {row.loop_lag_ns // 1_000} µs"),
        ("feeds", row.feeds or "not known"),
        ("shadow", row.shadow or "not known"),
        ("version", f"{row.version}, configuration {row.config_hash}"),
    ]
    return "\n".join(f"{name:<12}{value}" for name, value in lines)
