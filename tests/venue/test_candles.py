from hypothesis import given
from hypothesis import strategies as st

from venue.candles import MINUTE_NS, Candle, CandleBuilder, PublicTrade, TradeTape
from venue.matching import BUY, CANCELLED, TRADE, BookEvent

trades = st.lists(
    st.tuples(st.integers(0, 3 * MINUTE_NS), st.integers(1, 500), st.integers(1, 99)), max_size=40
)


@given(trades)
def test_candles_are_what_a_spreadsheet_would_say(gaps: list[tuple[int, int, int]]) -> None:
    builder = CandleBuilder()
    made: list[Candle] = []
    minutes: dict[int, list[tuple[int, int]]] = {}
    at_ns = 0
    for gap, price, lots in gaps:
        at_ns += gap
        made += builder.add(at_ns, price, lots)
        minutes.setdefault(at_ns // MINUTE_NS, []).append((price, lots))
    made += builder.advance(at_ns + MINUTE_NS)
    expected = []
    for minute, rows in minutes.items():
        prices = [price for price, _ in rows]
        volume = sum(lots for _, lots in rows)
        turnover = sum(price * lots for price, lots in rows)
        bar = (prices[0], max(prices), min(prices), prices[-1])
        expected.append(Candle(minute * MINUTE_NS, *bar, volume, turnover, len(rows)))
    assert made == expected == builder.closed()


def test_gaps_may_be_filled_with_the_last_close() -> None:
    builder = CandleBuilder(fill_gaps=True)
    builder.add(5, 100, 2)
    flat = Candle(MINUTE_NS, 100, 100, 100, 100, 0, 0, 0)
    assert builder.add(2 * MINUTE_NS, 90, 1)[1:] == [flat]
    assert builder.current == Candle(2 * MINUTE_NS, 90, 90, 90, 90, 1, 90, 1)
    assert len(builder.advance(10**6 * MINUTE_NS)) == 721


def event(kind: int, price: int) -> BookEvent:
    return BookEvent(kind, 1, 2, 0, 0, BUY, price, 5, 0, 0, 0, 77)


def test_the_tape_numbers_trades_and_keeps_the_last() -> None:
    tape = TradeTape(next_id=10, capacity=2)
    new = tape.add([event(TRADE, 1), event(CANCELLED, 2), event(TRADE, 3)])
    assert new == [PublicTrade(10, 77, BUY, 1, 5), PublicTrade(11, 77, BUY, 3, 5)]
    tape.add([event(TRADE, 4)])
    assert [trade.trade_id for trade in tape.last(9)] == [11, 12]
    assert [trade.trade_id for trade in tape.since(11)] == [12]
    assert tape.next_id == 13
