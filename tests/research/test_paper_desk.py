"""The money of a sleeve on paper: when wishes fill, at which price, and that nothing is made up."""

from hypothesis import given
from hypothesis import strategies as st

from messages.amends import AmendIntent
from messages.market import BookTop
from messages.orders import CancelIntent, Intent, OrderState, OrderType, Side, SleeveUpdate
from research.paper_desk import PaperDesk
from tests.actors.vaults import SYMBOL, USDT, VENUE, instrument

CASH = 1_000 * USDT
MAKER_PPM, TAKER_PPM = 500, 1_000
COIN = instrument(taker_fee_ppm=TAKER_PPM)


def desk() -> PaperDesk:
    made = PaperDesk(CASH, slippage_bps=10)
    made.enlist(COIN)
    return made


def top(bid: int, ask: int = 0) -> BookTop:
    return BookTop(
        venue=VENUE, symbol=SYMBOL, bid_ticks=bid, bid_lots=1, ask_ticks=ask or bid + 10,
        ask_lots=1, venue_ns=0,
    )  # fmt: skip


def wish(side: Side = Side.BUY, limit: int = 0, lots: int = 0, **more: int) -> Intent:
    return Intent(
        intent_id="i", sleeve="flash", symbol=SYMBOL, side=side,
        type=OrderType.LIMIT if limit else OrderType.MARKET, quantity_lots=lots,
        limit_ticks=limit, reference_ticks=200_000, post_only=bool(more.get("post_only")),
        time_to_live_ns=more.get("time_to_live_ns", 0), stop_ticks=more.get("stop_ticks", 0),
        take_ticks=more.get("take_ticks", 0),
    )  # fmt: skip


def states(updates: list[SleeveUpdate]) -> list[OrderState]:
    return [update.state for update in updates]


def test_a_market_order_takes_the_next_top_and_pays_the_takers_fee() -> None:
    it = desk()
    assert states(it.wish(wish(lots=1_000), 1)) == [OrderState.OPEN]
    assert it.fills == [], "nothing fills before the market has spoken again"
    (told,) = it.see(top(199_990, 200_000), 2)
    assert (told.state, told.filled_lots, told.price_ticks) == (OrderState.FILLED, 1_000, 200_000)
    cost = COIN.notional_minor(200_000, 1_000)
    fee = -(-cost * TAKER_PPM // 10**6)
    assert told.cash_minor == CASH - cost - fee
    assert (told.position_lots, told.average_entry_ticks) == (1_000, 200_000)
    it.wish(wish(Side.SELL), 3)
    (told,) = it.see(top(210_000), 4)
    assert (told.position_lots, told.price_ticks) == (0, 210_000)
    result = it.result()
    assert result.realised_minor == it.cash_minor - CASH
    assert (result.fills, result.position_lots, result.unrealised_minor) == (2, 0, 0)


def test_a_limit_rests_until_it_is_reached_and_then_pays_the_makers_fee() -> None:
    it = desk()
    it.wish(wish(limit=199_000, lots=100, time_to_live_ns=100), 1)
    assert it.see(top(199_990, 200_000), 2) == []
    assert states(it.amend(AmendIntent(intent_id="i", sleeve="flash", limit_ticks=199_500))) == [
        OrderState.OPEN
    ]
    (told,) = it.see(top(199_300, 199_400), 3)
    assert (told.state, told.price_ticks) == (OrderState.FILLED, 199_500), "at its own price"
    maker_fee = -(-COIN.notional_minor(199_500, 100) * COIN.maker_fee_ppm // 10**6)
    assert it.result().fees_minor == maker_fee
    it.wish(wish(limit=100_000, lots=100, time_to_live_ns=100), 10)
    assert it.see(top(199_300), 50) == []
    assert states(it.see(top(199_300), 110)) == [OrderState.EXPIRED]


def test_what_cannot_be_is_refused() -> None:
    it = desk()
    assert states(it.wish(wish(Side.SELL), 1)) == [OrderState.DENIED], "there is nothing to sell"
    it.wish(wish(limit=200_000, lots=1, post_only=1), 2)
    assert states(it.see(top(199_000, 199_900), 3)) == [OrderState.REJECTED]
    it.wish(wish(limit=100_000, lots=1), 4)
    assert states(it.cancel(CancelIntent(intent_id="i", sleeve="flash"))) == [OrderState.CANCELLED]
    assert it.cancel(CancelIntent(intent_id="i", sleeve="flash")) == []
    assert it.result().fills == 0
    assert it.cash_minor == CASH


def test_stop_and_take_close_at_the_bid() -> None:
    for level, bid, cause in (("stop_ticks", 189_000, "stop"), ("take_ticks", 211_000, "take")):
        it = desk()
        stop = 190_000 if level == "stop_ticks" else 0
        it.wish(wish(lots=500, stop_ticks=stop, take_ticks=0 if stop else 210_000), 1)
        it.see(top(199_990, 200_000), 2)
        (told,) = it.see(top(bid), 3)
        assert (told.intent_id, told.position_lots, told.price_ticks) == ("", 0, bid)
        assert it.fills[-1].cause == cause
        assert it.see(top(bid), 4) == [], "it is let go with the position"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["buy", "sell", "limit", "cancel", "top"]),
            st.integers(150_000, 250_000),
            st.integers(0, 20_000),
        ),
        max_size=40,
    )
)
def test_cash_and_value_are_what_was_put_in_and_realised(
    acts: list[tuple[str, int, int]],
) -> None:
    it = desk()
    for number, (act, price, lots) in enumerate(acts, start=1):
        if act == "top":
            it.see(top(price), number)
        elif act == "cancel":
            it.cancel(CancelIntent(intent_id="i", sleeve="flash"))
        else:
            side = Side.SELL if act == "sell" else Side.BUY
            it.wish(wish(side, price if act == "limit" else 0, lots), number)
        result = it.result()
        basis_minor = sum(each.position.basis_minor for each in it._holdings.values())
        assert it.cash_minor + basis_minor == CASH + result.realised_minor
        assert it.cash_minor >= 0
        assert result.position_lots >= 0
