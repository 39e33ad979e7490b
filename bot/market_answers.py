"""What the daemon says of market data."""

from actors.feeds.clock import OFFSET_NS_MAX
from messages.control import Answer, Outcome
from messages.market_views import FeedView, MarketRow, Monitor, Monitored
from supervisor.system import System

US_PER_MS = 1_000
OFFSET_US_MAX = OFFSET_NS_MAX // 1_000


def monitored(request: Monitor, system: System) -> Answer:
    """Answer a query."""
    rows: list[MarketRow] = []
    if request.what is Monitored.FEEDS:
        rows += feed_views(system)
    return Answer(request_id=request.request_id, outcome=Outcome.OK, rows=tuple(rows))


def feed_views(system: System) -> list[FeedView]:
    """Return how each venue's feed stands, by venue."""
    found = [
        standing
        for port in system.ports.values()
        if isinstance(standing := port.standing(), FeedView)
    ]
    return sorted(found, key=lambda view: view.venue)


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
