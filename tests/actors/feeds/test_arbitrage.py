"""The same pair at several venues: what counts as an opportunity, and for how long."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.feeds.arbitrage import LOOK, LOOK_NS, ArbitrageMonitor
from messages.market import BookTop, Instrument, InstrumentListed, StreamTrust
from messages.money import Alert
from messages.monitors import ArbitrageConfigured
from messages.rows import OpportunityRow
from supervisor.probe import Probe, Recorded

SECOND_NS = 1_000_000_000
SYMBOL = "ETH/USDT"
VENUES = ("one", "two", "three")
STALE_NS = 2 * SECOND_NS


def instrument(tick: str, fee_ppm: int) -> Instrument:
    return Instrument(
        symbol=SYMBOL, base="ETH", quote="USDT", tick=tick, lot="0.001", base_scale=8,
        quote_scale=6, quantity_lots_min=1, quantity_lots_max=10**9, notional_minor_min=0,
        maker_fee_ppm=0, taker_fee_ppm=fee_ppm,
    )  # fmt: skip


class Market:
    """Venues with ticks of their own, and the monitor."""

    def __init__(self, fee_ppm: int = 1_000, extra_ppm: int = 0) -> None:
        self.probe = Probe(ArbitrageMonitor(), "/monitors/arbitrage", now_ns=1_000 * SECOND_NS)
        self.rows: list[OpportunityRow] = []
        self.alerts: list[str] = []
        self.do(
            ArbitrageConfigured(
                venues={SYMBOL: VENUES}, extra_ppm=extra_ppm, alert_ppm=2_000, stale_ns=STALE_NS,
                alerts="/alerts",
            )
        )  # fmt: skip
        for venue, tick in zip(VENUES, ("0.01", "0.1", "0.05"), strict=True):
            self.do(InstrumentListed(venue=venue, instrument=instrument(tick, fee_ppm)))
            self.trust(venue)

    def do(self, message: Any, later_ns: int = 0) -> None:  # noqa: ANN401 - any message
        now_ns = self.probe.now_ns + later_ns
        self._take(self.probe.handle(message, now_ns=now_ns, at_ns=now_ns))

    def look(self, later_ns: int) -> None:
        self.probe.now_ns += later_ns
        self._take(self.probe.fire(LOOK))

    def _take(self, outcomes: list[Any]) -> None:
        rows = [o.row for o in outcomes if isinstance(o, Recorded)]
        self.rows += [row for row in rows if isinstance(row, OpportunityRow)]
        self.alerts += [alert.text for alert in self.probe.sent(outcomes, Alert)]

    def trust(self, venue: str, *, trusted: bool = True) -> None:
        self.do(StreamTrust(venue=venue, symbol=SYMBOL, trusted=trusted, reason=""))

    def top(self, venue: str, bid_ticks: int, ask_ticks: int, later_ns: int = 0) -> None:
        message = BookTop(
            venue=venue, symbol=SYMBOL, bid_ticks=bid_ticks, bid_lots=2_000, ask_ticks=ask_ticks,
            ask_lots=3_000, venue_ns=0,
        )  # fmt: skip
        self.do(message, later_ns)


def test_prices_of_different_ticks_are_compared_net_of_both_fees() -> None:
    market = Market()
    market.top("one", 199_990, 200_000)
    market.top("two", 20_100, 20_101)
    (row,) = market.rows
    assert (row.buy_venue, row.sell_venue) == ("one", "two")
    assert (row.buy_ticks, row.buy_tick, row.sell_ticks, row.sell_tick) == (
        200_000, "0.01", 20_100, "0.1"
    )  # fmt: skip
    # 2 010 × 0.999 less 2 000 × 1.001, of 2 000.
    assert row.net_ppm == 2_995
    assert row.quantity_lots == 2_000
    assert len(market.alerts) == 1


def test_fees_alone_can_take_it_all() -> None:
    market = Market(fee_ppm=2_500)
    market.top("one", 199_990, 200_000)
    market.top("two", 20_100, 20_101)
    assert market.rows == []
    dear = Market(extra_ppm=3_000)
    dear.top("one", 199_990, 200_000)
    dear.top("two", 20_100, 20_101)
    assert dear.rows == []


def test_it_ends_when_the_price_goes_and_says_how_long_it_was() -> None:
    market = Market()
    market.top("one", 199_990, 200_000)
    market.top("two", 20_100, 20_101)
    market.top("two", 20_120, 20_121, later_ns=100_000_000)
    market.top("two", 20_000, 20_001, later_ns=400_000_000)
    first, last = market.rows
    assert (first.ended_ns, last.ended_ns - last.began_ns) == (0, 500_000_000)
    assert last.best_net_ppm > first.net_ppm
    assert first.key() == last.key()


def test_a_side_that_falls_silent_or_is_doubted_is_left_out() -> None:
    market = Market()
    market.top("one", 199_990, 200_000)
    market.top("two", 20_100, 20_101)
    market.look(LOOK_NS)
    assert len(market.rows) == 1
    market.look(STALE_NS)
    assert market.rows[-1].ended_ns > 0
    market.top("one", 199_990, 200_000)
    market.top("two", 20_100, 20_101)
    assert market.rows[-1].ended_ns == 0
    market.trust("two", trusted=False)
    assert market.rows[-1].ended_ns > 0
    market.top("two", 20_200, 20_201, later_ns=1)
    assert market.rows[-1].ended_ns > 0


def test_a_gain_is_told_once() -> None:
    market = Market()
    market.top("one", 199_990, 200_000)
    for number in range(5):
        market.top("two", 20_100 + number, 20_110)
    assert len(market.alerts) == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(VENUES), st.integers(19_000, 21_000), st.integers(0, 3 * SECOND_NS)
        ),
        max_size=40,
    )
)
def test_rows_never_tell_of_a_loss_and_everything_open_rests_on_fresh_sides(
    moves: list[tuple[str, int, int]],
) -> None:
    market = Market()
    scale = {"one": 10, "two": 1, "three": 2}
    for venue, price, later_ns in moves:
        market.top(venue, price * scale[venue], price * scale[venue] + 1, later_ns)
        if market.probe.state.open:
            market.look(0)
    assert all(row.best_net_ppm >= row.net_ppm > 0 for row in market.rows)
    state = market.probe.state
    for open_ in state.open.values():
        for venue in (open_.buy, open_.sell):
            age_ns = market.probe.now_ns - state.sides[SYMBOL][venue].top_ns
            assert age_ns <= STALE_NS
