"""The part of the tree that watches and does not trade: funding, and pairs at several venues."""

from functools import partial

from actors.feeds.arbitrage import ArbitrageMonitor
from actors.feeds.funding import FundingMonitor
from actors.feeds.funding_feed import KIND, FundingFeed
from actors.wiring import ALERTS, Wiring
from messages.market import topic
from messages.monitors import ArbitrageConfigured, FundingConfigured
from messages.settings import ArbitrageSettings, MonitorSettings, TreeSettings
from supervisor.clock import Clock
from supervisor.spec import ChildSpec, Spec, SupervisorSpec

PPM_PER_BPS = 100
PPM_PER_PERCENT = 10_000
NANOSECONDS_PER_MILLISECOND = 1_000_000


def monitors(settings: TreeSettings, wiring: Wiring, clock: Clock) -> tuple[Spec, ...]:
    """Return the supervisor of all monitors; nothing where none is configured."""
    children: list[Spec] = []
    if settings.monitors.funding:
        children += _funding(settings.monitors, clock)
    shared = wiring.shared()
    if settings.monitors.arbitrage is not None and shared:
        children.append(_arbitrage(settings.monitors.arbitrage, shared))
    if not children:
        return ()
    return (SupervisorSpec(name="monitors", bulkhead=True, children=tuple(children)),)


def _funding(settings: MonitorSettings, clock: Clock) -> list[Spec]:
    watched = settings.funding
    configuration = FundingConfigured(
        alert_yearly_ppm={
            name: int(each.alert_yearly_percent * PPM_PER_PERCENT) for name, each in watched.items()
        },
        alerts=ALERTS,
    )
    topics = tuple(
        topic(name, symbol, KIND) for name, each in watched.items() for symbol in each.symbols
    )
    monitor = ChildSpec(
        name="funding", start=FundingMonitor, configuration=configuration, topics=topics
    )
    ports = tuple(
        ChildSpec(name=name, start=partial(FundingFeed, name, each, clock, ALERTS))
        for name, each in watched.items()
    )
    return [monitor, SupervisorSpec(name="funding-feeds", children=ports)]


def _arbitrage(settings: ArbitrageSettings, shared: dict[str, tuple[str, ...]]) -> ChildSpec:
    configuration = ArbitrageConfigured(
        venues=shared,
        extra_ppm=int(settings.extra_bps * PPM_PER_BPS),
        alert_ppm=int(settings.alert_bps * PPM_PER_BPS),
        stale_ns=settings.stale_ms * NANOSECONDS_PER_MILLISECOND,
        alerts=ALERTS,
    )
    topics = tuple(
        topic(venue, symbol, kind)
        for symbol, venues in shared.items()
        for venue in venues
        for kind in ("trust", "top")
    )
    return ChildSpec(
        name="arbitrage", start=ArbitrageMonitor, configuration=configuration, topics=topics
    )
