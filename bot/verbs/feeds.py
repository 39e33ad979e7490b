"""`bot feeds`."""

import click

from bot.shared import ask, data_dir_option, json_option, new_request_id, print_rows
from bot.text import duration, table
from messages.market_views import FeedView, Monitor, Monitored, StreamView

MS_PER_S = 1_000


@click.command("feeds")
@click.option("--all", "show_all", is_flag=True, help="Show every stream, not only those in doubt.")
@data_dir_option
@json_option
def command(data_dir: str | None, *, show_all: bool, as_json: bool) -> None:
    r"""Show how market data stands: trust, age, latency, clocks.

    \b
    Example:
      bot feeds --all

    \b
    JSON: a list of objects with venue, symbols, trusted, reconnections, clock_offset_us,
    clock_error_us, latency_p50_us, latency_p99_us, malformed, dropped, streams: a list with symbol,
    stream, trusted, reason, age_ms, per_s, events, gaps, resubscriptions.
    Exit codes: 0 ok, 5 not running.
    """
    request = Monitor(request_id=new_request_id(), what=Monitored.FEEDS)
    rows = ask(data_dir, request, "feeds").rows
    if as_json:
        print_rows(rows)
        return
    views = [row for row in rows if isinstance(row, FeedView)]
    click.echo(_venues(views))
    streams = [
        (view, stream)
        for view in views
        for stream in view.streams
        if show_all or not stream.trusted
    ]
    if streams:
        click.echo("\n" + _streams(streams))


def _venues(views: list[FeedView]) -> str:
    from bot.market_answers import clock_words

    lines = [
        (
            view.venue,
            f"{view.trusted}/{view.symbols}",
            clock_words(view),
            _ms(view.latency_p50_us),
            _ms(view.latency_p99_us),
            str(view.reconnections),
            str(sum(stream.gaps for stream in view.streams)),
            str(view.malformed),
        )
        for view in views
    ]
    headings = (
        "venue", "trusted", "clock", "p50 ms", "p99 ms", "reconnections", "gaps", "malformed"
    )  # fmt: skip
    return table(headings, lines, right=(1, 2, 3, 4, 5, 6, 7))


def _streams(streams: list[tuple[FeedView, StreamView]]) -> str:
    lines = [
        (
            view.venue,
            stream.symbol,
            stream.stream,
            "never" if stream.age_ms < 0 else duration(stream.age_ms // MS_PER_S),
            f"{stream.per_s:.1f}",
            str(stream.gaps),
            "yes" if stream.trusted else f"NO: {stream.reason}",
        )
        for view, stream in streams
    ]
    headings = ("venue", "symbol", "stream", "age", "per s", "gaps", "trusted")
    return table(headings, lines, right=(3, 4, 5))


def _ms(way_us: int | None) -> str:
    return "?" if way_us is None else f"{way_us / MS_PER_S:.1f}"
