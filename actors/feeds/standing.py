"""How a feed stands, for people."""

from collections.abc import Mapping
from typing import NamedTuple

from actors.feeds.health import Health
from actors.feeds.timing import Offset, Ways
from actors.feeds.watch import Watch
from exchanges.streams import StreamStatistics
from messages.market_views import FeedView, StreamView
from supervisor.port import PortContext

NANOSECONDS_PER_MS = 1_000_000
NANOSECONDS_PER_US = 1_000


class Measured(NamedTuple):
    """What is known of a connection."""

    offset: Offset | None
    ways: Ways
    statistics: StreamStatistics
    reconnections: int
    late: int


def feed_view(
    venue: str,
    ctx: PortContext,
    watches: Mapping[tuple[str, str], Watch],
    health: Mapping[str, Health],
    measured: Measured,
) -> FeedView:
    """Return the view of one venue's feed; `watches` are by symbol and stream."""
    offset, ways, statistics, reconnections, late = measured
    now_ns = ctx.now_ns()
    # Without a common clock the way is what our clock makes of the venue's stamps.
    offset_ns = offset.offset_ns if offset is not None else 0
    return FeedView(
        venue=venue,
        address=ctx.address,
        symbols=len(health),
        trusted=sum(not each.reason for each in health.values()),
        reconnections=reconnections,
        clock_offset_us=offset.offset_ns // NANOSECONDS_PER_US if offset is not None else None,
        clock_error_us=offset.error_ns // NANOSECONDS_PER_US if offset is not None else None,
        latency_p50_us=_us(ways.percentile_ns(50, offset_ns)),
        latency_p99_us=_us(ways.percentile_ns(99, offset_ns)),
        malformed=sum(statistics.malformed.values()),
        dropped=statistics.dropped,
        late=late,
        streams=tuple(
            _stream(symbol, stream, watch, health[symbol], now_ns)
            for (symbol, stream), watch in watches.items()
        ),
        at_ns=now_ns,
    )


def _stream(symbol: str, stream: str, watch: Watch, health: Health, now_ns: int) -> StreamView:
    age_ns = now_ns - watch.data_ns
    return StreamView(
        symbol=symbol,
        stream=stream,
        trusted=not health.distrusted(stream),
        reason=health.why(stream),
        age_ms=age_ns // NANOSECONDS_PER_MS if watch.data_ns else -1,
        per_s=round(watch.per_s, 1),
        events=watch.events,
        gaps=watch.gaps,
        resubscriptions=watch.resubscriptions,
    )


def _us(way_ns: int | None) -> int | None:
    return way_ns // NANOSECONDS_PER_US if way_ns is not None else None
