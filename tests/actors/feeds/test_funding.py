"""Funding: what the box tells through ccxt, what is recorded, and when a person is told."""

from typing import Any

import pytest
import trio
from msgspec.structs import replace

from actors.feeds.funding import REPEAT_ROW_NS, FundingMonitor, yearly_ppm
from actors.feeds.funding_feed import FundingFeed
from messages.money import Alert
from messages.monitors import FundingConfigured, FundingRate
from messages.rows import FundingRow
from messages.settings import FundingSettings
from supervisor.clock import ProcessClock
from supervisor.probe import Probe, Recorded
from tests.actors.port_context import running
from tests.actors.trading import ALERTS
from tests.venue.boxes import config, running_box
from venue.config import MarketConfig, PerpetualConfig
from venue.market import MarketSpec

HOUR_NS = 3_600 * 1_000_000_000
RATE = FundingRate(
    venue="perps", symbol="ETH/USDT:USDT", rate_ppb=100_000, next_rate_ppb=None, mark_price="2500",
    interval_ns=8 * HOUR_NS, settles_ns=0,
)  # fmt: skip


class Watch:
    def __init__(self) -> None:
        self.probe = Probe(FundingMonitor(), "/monitors/funding", now_ns=HOUR_NS)
        self.rows: list[FundingRow] = []
        self.alerts: list[str] = []
        self.do(FundingConfigured(alert_yearly_ppm={"perps": 500_000}, alerts="/alerts"))

    def do(self, message: Any, later_ns: int = 0) -> None:  # noqa: ANN401 - any message
        outcomes = self.probe.handle(message, now_ns=self.probe.now_ns + later_ns)
        rows = [o.row for o in outcomes if isinstance(o, Recorded)]
        self.rows += [row for row in rows if isinstance(row, FundingRow)]
        self.alerts += [alert.text for alert in self.probe.sent(outcomes, Alert)]


def test_a_rate_of_a_basis_point_each_eight_hours_is_eleven_percent_a_year() -> None:
    assert yearly_ppm(RATE) == 109_500
    assert yearly_ppm(replace(RATE, rate_ppb=-100_000)) == -109_500


def test_what_changes_is_recorded_and_what_does_not_once_an_hour() -> None:
    watch = Watch()
    watch.do(RATE)
    watch.do(RATE, later_ns=60 * 10**9)
    watch.do(replace(RATE, rate_ppb=1), later_ns=60 * 10**9)
    watch.do(replace(RATE, rate_ppb=1), later_ns=REPEAT_ROW_NS)
    assert [row.rate_ppb for row in watch.rows] == [100_000, 1, 1]
    assert watch.alerts == []


def test_a_dear_rate_is_told_once_until_it_is_not() -> None:
    watch = Watch()
    dear = replace(RATE, rate_ppb=-1_000_000)
    for each in (dear, dear, RATE, dear):
        watch.do(each, later_ns=1)
    assert len(watch.alerts) == 2
    assert "costs shorts 109.5 % a year" in watch.alerts[0]


async def test_an_exchange_that_does_not_exist_is_told(autojump_clock: object) -> None:
    settings = FundingSettings(exchange="nosuchplace", symbols=("ETH/USDT:USDT",))
    async with running(FundingFeed("x", settings, ProcessClock(), ALERTS), "/funding") as context:
        await trio.sleep(300)
        (alert,) = context.sent_to(ALERTS)
    assert isinstance(alert, Alert)
    assert "ccxt has no such exchange" in alert.text


@pytest.mark.check
async def test_the_box_tells_it_through_ccxt() -> None:
    market = MarketConfig(spec=MarketSpec(symbol="ETH/USDT:USDT"), perpetual=PerpetualConfig())
    async with running_box(config(protocol="binanceusdm", markets=(market,))) as box:
        settings = FundingSettings(exchange="binanceusdm", symbols=("ETH/USDT:USDT",), rest=box.url)
        feed = FundingFeed("perps", settings, ProcessClock(), ALERTS)
        async with running(feed, "/funding") as context:
            with trio.fail_after(30):
                while not context.published:  # noqa: ASYNC110 - it is a record, no event
                    await trio.sleep(0.05)
    topic, rate = context.published[0]
    assert topic == "/market/perps/eth-usdt~usdt/funding"
    assert isinstance(rate, FundingRate)
    assert rate.interval_ns == 8 * HOUR_NS
    assert rate.settles_ns > 0
    assert float(rate.mark_price) > 0
