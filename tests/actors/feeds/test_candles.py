from actors.feeds.candles import CandleCloser
from exchanges.types import Candle
from tests.actors.trading import INSTRUMENT

MINUTE_NS = 60 * 1_000_000_000


def candle(minute: int, close_ticks: int = 100, volume: str = "1.5") -> Candle:
    return Candle(
        symbol="ETH/USDT",
        interval_s=60,
        open_at_ns=minute * MINUTE_NS,
        open_ticks=100,
        high_ticks=110,
        low_ticks=90,
        close_ticks=close_ticks,
        volume=volume,
        trades=1,
        snapshot=False,
        received_ns=0,
    )


def test_a_candle_is_closed_when_a_later_one_comes() -> None:
    closer = CandleCloser("kraken-sim", INSTRUMENT)
    seen = []
    for each in (candle(1), candle(1, 105), candle(2), candle(4)):
        seen += [(c.open_ns // MINUTE_NS, c.close_ticks, c.closed) for c in closer.take(each)]
    assert seen == [
        (1, 100, False),
        (1, 105, False),
        (1, 105, True),
        (2, 100, False),
        (2, 100, True),
        (4, 100, False),
    ]


def test_a_candle_that_is_closed_is_not_told_again() -> None:
    closer = CandleCloser("kraken-sim", INSTRUMENT)
    closer.take(candle(1))
    closer.take(candle(2))
    assert closer.take(candle(1)) == ()


def test_volume_is_in_whole_lots() -> None:
    (found,) = CandleCloser("kraken-sim", INSTRUMENT).take(candle(1, volume="1.23456789"))
    assert found.volume_lots == 12_345
    assert found.timeframe_ns == MINUTE_NS
