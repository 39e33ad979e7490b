"""Asks an exchange what holding perpetuals costs."""

import trio

from exchanges.errors import VenueError
from exchanges.funding import FundingClient, FundingReport, open_funding
from messages.market import topic
from messages.money import Alert, Severity
from messages.monitors import FundingRate
from messages.settings import FundingSettings
from supervisor.clock import Clock
from supervisor.port import Port, PortContext

KIND = "funding"
NANOSECONDS_PER_SECOND = 1_000_000_000
# After so many rounds without any answer a person is told.
FAILURES_MAX = 5
# A venue that is down is asked this seldom.
RETRY_S = 30.0


class FundingFeed(Port):
    """Asks one exchange for the funding of some perpetuals; it takes no commands."""

    def __init__(self, venue: str, settings: FundingSettings, clock: Clock, alerts: str) -> None:
        self._venue = venue
        self._settings = settings
        self._clock = clock
        self._alerts = alerts

    async def run(self, ctx: PortContext) -> None:
        failures = 0
        while True:
            settings = self._settings
            try:
                async with open_funding(settings.exchange, self._clock, settings.rest) as client:
                    while True:
                        await self._round(client, ctx)
                        failures = 0
                        await trio.sleep(settings.every_s)
            except* VenueError as errors:
                failures += 1
                if failures == FAILURES_MAX:
                    self._alert(str(errors.exceptions[0]), ctx)
            await trio.sleep(RETRY_S)

    async def _round(self, client: FundingClient, ctx: PortContext) -> None:
        for symbol in self._settings.symbols:
            await ctx.ready()
            report = await client.fetch(symbol)
            ctx.publish(topic(self._venue, symbol, KIND), self._message(report))

    def _message(self, report: FundingReport) -> FundingRate:
        return FundingRate(
            venue=self._venue,
            symbol=report.symbol,
            rate_ppb=report.rate_ppb,
            next_rate_ppb=report.next_rate_ppb,
            mark_price=report.mark_price,
            interval_ns=report.interval_s * NANOSECONDS_PER_SECOND,
            settles_ns=report.settles_ns,
        )

    def _alert(self, why: str, ctx: PortContext) -> None:
        text = f"the funding at {self._venue} is not known: {why}"
        ctx.send(self._alerts, Alert(severity=Severity.NOTICE, subject=ctx.address, text=text))
