"""What the daemon says of market data, from rows to what people see."""

from pathlib import Path

from msgspec.structs import replace

from bot.market_answers import feed_words, funding_view, in_doubt, opportunity_view
from messages.base import Row
from messages.market_views import FeedView
from messages.rows import FundingRow, OpportunityRow
from state.rows import Reader
from tests.state.conftest import running
from tests.state.samples import START_NS, post, turn

SECOND_NS = 1_000_000_000
FUNDING = FundingRow(
    venue="perps", symbol="ETH/USDT:USDT", rate_ppb=-100_000, next_rate_ppb=0, is_predicted=False,
    mark_price="2500.5", interval_ns=8 * 3_600 * SECOND_NS, settles_ns=7, yearly_ppm=-109_500,
    at_ns=5,
)  # fmt: skip
OPEN = OpportunityRow(
    symbol="ETH/USDT", buy_venue="one", sell_venue="two", buy_ticks=200_000, buy_tick="0.01",
    sell_ticks=20_100, sell_tick="0.1", quantity_lots=1_500, lot="0.001", net_ppm=2_995,
    best_net_ppm=3_000, began_ns=10 * SECOND_NS, ended_ns=0,
)  # fmt: skip
FEED = FeedView(
    venue="v", address="/feed", symbols=2, trusted=2, reconnections=0, clock_offset_us=-3_000,
    clock_error_us=1_000, latency_p50_us=12_345, latency_p99_us=50_000, malformed=0, dropped=0,
    streams=(), at_ns=0,
)  # fmt: skip


async def test_the_newest_of_each_is_kept_and_read(tmp_path: Path) -> None:
    ended = replace(OPEN, ended_ns=12 * SECOND_NS)
    groups: list[list[Row]] = [[FUNDING, OPEN], [replace(FUNDING, rate_ppb=1), ended]]
    async with running(tmp_path) as store:
        for rows in groups:
            seq = position = store.next_position()
            store.durable(post(position))
            store.turn(turn(2, seq, [position], rows=tuple(rows), now_ns=START_NS + seq))
            await store.committed()
        reader = Reader(store.database)
        assert await reader.current(FundingRow) == [replace(FUNDING, rate_ppb=1)]
        assert await reader.current(OpportunityRow) == [ended]
        await reader.aclose()


def test_rates_are_decimals() -> None:
    view = funding_view(FUNDING)
    assert (view.rate, view.next_rate, view.yearly_percent) == ("-0.000100000", "", "-10.9500")
    assert (view.interval_s, view.settles_ns, view.mark_price) == (28_800, 7, "2500.5")
    predicted = funding_view(replace(FUNDING, next_rate_ppb=250, is_predicted=True))
    assert predicted.next_rate == "0.000000250"


def test_an_opportunity_lasts_until_it_has_ended() -> None:
    view = opportunity_view(OPEN, 11 * SECOND_NS)
    assert (view.buy_price, view.sell_price, view.quantity) == ("2000.00", "2010.0", "1.500")
    assert (view.net_bps, view.best_net_bps, view.duration_ms) == ("29.95", "30.00", 1_000)
    ended = opportunity_view(replace(OPEN, ended_ns=12 * SECOND_NS), 99 * SECOND_NS)
    assert ended.duration_ms == 2_000


def test_a_line_says_how_feeds_stand_and_whether_a_person_should_look() -> None:
    assert feed_words([FEED]) == (
        "v: 2 of 2 symbols trusted, latency 12.3 ms, clock -3 ±1 ms"
    )  # fmt: skip
    assert not in_doubt(FEED)
    assert in_doubt(replace(FEED, trusted=1))
    assert in_doubt(replace(FEED, clock_offset_us=600_000))
    assert not in_doubt(replace(FEED, clock_offset_us=600_000, clock_error_us=200_000))
