"""What people see of market data: feeds, funding, the same pair at several venues."""

from enum import Enum

import msgspec

from messages.control_base import Request
from messages.views import ViewRow


class Monitored(Enum):
    """What can be looked at."""

    FEEDS = "feeds"
    """A `FeedView` per venue."""
    FUNDING = "funding"
    """A `FundingView` per perpetual."""
    ARBITRAGE = "arbitrage"
    """`OpportunityView`s: those open now, then the newest that have ended."""


class Monitor(Request, frozen=True, kw_only=True, tag="control.Monitor"):
    """Query: what is known of market data."""

    what: Monitored


class StreamView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One stream of one symbol."""

    symbol: str
    stream: str
    """book, trades or candles."""
    trusted: bool
    reason: str = ""
    age_ms: int = -1
    """Since its newest data; -1: none yet."""
    per_s: float = 0.0
    """Events a second, over the last seconds."""
    events: int = 0
    gaps: int = 0
    """How often it could not be believed."""
    resubscriptions: int = 0


class FeedView(ViewRow, frozen=True, kw_only=True, tag="view.Feed"):
    """The market data of one venue."""

    venue: str
    address: str
    symbols: int
    trusted: int
    """Of the symbols: how many may be traded on."""
    reconnections: int
    clock_offset_us: int | None
    """The venue's clock less ours; None: not known yet."""
    clock_error_us: int | None
    """How far that may be off."""
    latency_p50_us: int | None
    """From the venue's stamp to our receipt, by a common clock; None: nothing with a stamp yet."""
    latency_p99_us: int | None
    malformed: int
    """Frames that were not what the protocol says."""
    dropped: int
    """Books that a newer one replaced before they were read."""
    streams: tuple[StreamView, ...]
    at_ns: int
    late: int = 0
    """Books and trades that came too late for the merged topic."""

    def key(self) -> str:
        return self.venue


class FundingView(ViewRow, frozen=True, kw_only=True, tag="view.Funding"):
    """What holding a perpetual costs. Rates are fractions per interval, as decimals."""

    venue: str
    symbol: str
    rate: str
    """Of the interval that goes on; longs pay it to shorts, or get it if it is negative."""
    next_rate: str
    """As the venue predicts it; empty where it does not."""
    mark_price: str
    interval_s: int
    settles_ns: int
    """When it is charged next."""
    yearly_percent: str
    """What a long pays in a year if it stays so."""
    at_ns: int

    def key(self) -> str:
        return f"{self.venue}/{self.symbol}"


class OpportunityView(ViewRow, frozen=True, kw_only=True, tag="view.Opportunity"):
    """One pair that could be bought at one venue and sold at another for more, net of fees."""

    symbol: str
    buy_venue: str
    sell_venue: str
    buy_price: str
    sell_price: str
    quantity: str
    """In the base asset: what both best levels offer."""
    net_bps: str
    """After the takers' fees of both sides, now or at the end."""
    best_net_bps: str
    began_ns: int
    ended_ns: int
    """0 while it lasts."""
    duration_ms: int

    def key(self) -> str:
        return f"{self.symbol}/{self.buy_venue}/{self.sell_venue}/{self.began_ns}"


MarketRow = FeedView | FundingView | OpportunityView
