"""What the daemon says of market data."""

from decimal import Decimal

from actors.feeds.clock import OFFSET_NS_MAX
from bot.views import times_text
from messages.control import Answer, Outcome
from messages.market_views import (
    FeedView,
    FundingView,
    MarketRow,
    Monitor,
    Monitored,
    OpportunityView,
)
from messages.rows import FundingRow, OpportunityRow
from state.rows import Reader
from supervisor.system import System

US_PER_MS = 1_000
NANOSECONDS_PER_MS = 1_000_000
NANOSECONDS_PER_SECOND = 1_000_000_000
# More than a person reads.
OPPORTUNITIES_MAX = 200
OFFSET_US_MAX = OFFSET_NS_MAX // 1_000


async def monitored(request: Monitor, system: System, reader: Reader) -> Answer:
    """Answer a query."""
    rows: list[MarketRow] = []
    if request.what is Monitored.FEEDS:
        rows += feed_views(system)
    elif request.what is Monitored.FUNDING:
        found = await reader.current(FundingRow)
        rows += sorted((funding_view(row) for row in found), key=lambda view: view.key())
    else:
        opportunities = await reader.current(OpportunityRow, newest=OPPORTUNITIES_MAX)
        now_ns = system.clock.now_ns()
        views = [opportunity_view(row, now_ns) for row in opportunities]
        views.sort(key=lambda view: (view.ended_ns > 0, -view.began_ns))
        rows += views
    return Answer(request_id=request.request_id, outcome=Outcome.OK, rows=tuple(rows))


def feed_views(system: System) -> list[FeedView]:
    """Return how each venue's feed stands, by venue."""
    found = [
        standing
        for port in system.ports.values()
        if isinstance(standing := port.standing(), FeedView)
    ]
    return sorted(found, key=lambda view: view.venue)


def funding_view(row: FundingRow) -> FundingView:
    """Return what a perpetual costs, as people see it."""
    return FundingView(
        venue=row.venue,
        symbol=row.symbol,
        rate=_decimal(row.rate_ppb, 9),
        next_rate=_decimal(row.next_rate_ppb, 9) if row.is_predicted else "",
        mark_price=row.mark_price,
        interval_s=row.interval_ns // NANOSECONDS_PER_SECOND,
        settles_ns=row.settles_ns,
        yearly_percent=_decimal(row.yearly_ppm, 4),
        at_ns=row.at_ns,
    )


def opportunity_view(row: OpportunityRow, now_ns: int) -> OpportunityView:
    """Return an opportunity as people see it."""
    return OpportunityView(
        symbol=row.symbol,
        buy_venue=row.buy_venue,
        sell_venue=row.sell_venue,
        buy_price=times_text(row.buy_ticks, row.buy_tick),
        sell_price=times_text(row.sell_ticks, row.sell_tick),
        quantity=times_text(row.quantity_lots, row.lot),
        net_bps=_decimal(row.net_ppm, 2),
        best_net_bps=_decimal(row.best_net_ppm, 2),
        began_ns=row.began_ns,
        ended_ns=row.ended_ns,
        duration_ms=((row.ended_ns or now_ns) - row.began_ns) // NANOSECONDS_PER_MS,
    )


def _decimal(units: int, digits: int) -> str:
    return f"{Decimal(units).scaleb(-digits):f}"


def feed_words(views: list[FeedView]) -> str:
    """Say in one line how market data stands."""
    return "; ".join(
        f"{view.venue}: {view.trusted} of {view.symbols} symbols trusted, {timing_words(view)}"
        for view in views
    )


def timing_words(view: FeedView) -> str:
    """Say how far away a venue is."""
    return f"latency {_ms(view.latency_p50_us)} ms, clock {clock_words(view)}"


def clock_words(view: FeedView) -> str:
    """Say how far the clocks are apart."""
    if view.clock_offset_us is None or view.clock_error_us is None:
        return "not known"
    return f"{view.clock_offset_us / US_PER_MS:+.0f} ±{view.clock_error_us / US_PER_MS:.0f} ms"


def in_doubt(view: FeedView) -> bool:
    """Return whether a person should look."""
    offset_us, error_us = view.clock_offset_us, view.clock_error_us
    clock_is_off = (
        offset_us is not None and error_us is not None and abs(offset_us) - error_us > OFFSET_US_MAX
    )
    return view.trusted < view.symbols or clock_is_off


def _ms(way_us: int | None) -> str:
    return "?" if way_us is None else f"{way_us / US_PER_MS:.1f}"
