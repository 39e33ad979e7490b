"""Markets that a box reads from files: recorded time runs from its first start, and survives it."""

import gzip
import logging
from pathlib import Path

import pytest

from supervisor.clock import ManualClock
from tests.venue.boxes import ALICE, SYMBOL, config
from tests.venue.exchanges import limit, market
from tests.venue.recordings import SHARED, USDM, needs_recordings
from tests.venue.stopping import stop
from venue.candles import MINUTE_NS
from venue.config import AtEnd, MarketConfig, VenueConfig, VenueConfigError
from venue.engine import Engine
from venue.market import MarketSpec
from venue.matching import BUY, SELL
from venue.orders import OrderStatus
from venue.refusals import Refusal, RefusedError
from venue.storage import Storage

SECOND = 10**9
# Seventeen seconds into a minute.
NOW_NS = 1_750_000_037 * SECOND
RECORD_NS = 1_721_347_200 * SECOND
SPEC = MarketSpec(symbol=SYMBOL, tick="0.01", lot="0.001")
HOUR = 3_600


def depth(at_s: float, update_id: int, bids: str, asks: str) -> bytes:
    at_ns = RECORD_NS + int(at_s * SECOND)
    body = f'"e":"depthUpdate","T":1,"U":{update_id},"u":{update_id},"pu":1'
    body += f',"b":[{bids}],"a":[{asks}]'
    return f'{at_ns} {{"stream":"x","data":{{{body}}}}}\n'.encode()


def trade(at_s: float, price: str, quantity: str, *, sell: bool = True) -> bytes:
    at_ns = RECORD_NS + int(at_s * SECOND)
    maker = "true" if sell else "false"
    body = f'"e":"trade","T":1,"t":1,"p":"{price}","q":"{quantity}","m":{maker}'
    return f'{at_ns} {{"stream":"x","data":{{{body}}}}}\n'.encode()


def snapshot(at_s: float) -> bytes:
    at_ns = RECORD_NS + int(at_s * SECOND)
    return (
        f'{at_ns} {{"lastUpdateId":1,"bids":[["100.00","5"]],"asks":[["100.10","5"]]}}\n'.encode()
    )


def write_record(path: Path) -> Path:
    lines = [
        depth(0, 0, '["99.00","1"]', ""),
        snapshot(2),
        trade(12, "100.00", "2"),
        trade(22, "100.00", "9"),
        depth(32, 2, '["100.00","3"]', '["100.10","7"]'),
    ]
    path.write_bytes(gzip.compress(b"".join(lines)))
    return path


def recorded(path: Path, data_file: Path, at_end: AtEnd = AtEnd.HALT) -> VenueConfig:
    of = MarketConfig(spec=SPEC, recorded=(str(path),), at_end=at_end)
    return config(markets=(of,), data_file=str(data_file), accounts=(ALICE,))


def engine_of(settings: VenueConfig, clock: ManualClock) -> Engine:
    return Engine(settings, clock, Storage(settings.data_file), clock.now_ns())


async def test_a_record_runs_from_the_boxs_first_start_and_across_restarts(tmp_path: Path) -> None:
    settings = recorded(write_record(tmp_path / "a.gz"), tmp_path / "box.db")
    clock = ManualClock(NOW_NS)
    engine = engine_of(settings, clock)
    listing = engine.listings[SYMBOL]
    alice = engine.exchange.accounts[1]
    # What lies before the snapshot is left out: the book is complete at once.
    assert [side.tolist() for side in listing.book.depth(5)] == [
        [[10_000, 5_000]],
        [[10_010, 5_000]],
    ]
    order = engine.exchange.place(alice, limit(BUY, 10_000, 1_000), NOW_NS)
    clock.advance(10 * SECOND)
    engine.advance()
    assert listing.tape.last(1)[0].at_ns == NOW_NS + 10 * SECOND
    assert order.status is OrderStatus.OPEN
    await stop(engine)
    # The trade that fills it happens while nobody runs.
    clock.advance(15 * SECOND)
    again = engine_of(settings, clock)
    (order,) = again.records.orders.values()
    assert order.status is OrderStatus.CLOSED
    assert [fill.at_ns for fill in again.records.fills.values()] == [NOW_NS + 20 * SECOND]
    again.storage.close()


async def test_at_its_end_the_market_takes_cancels_only_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = recorded(write_record(tmp_path / "a.gz"), tmp_path / "box.db")
    clock = ManualClock(NOW_NS)
    engine = engine_of(settings, clock)
    alice = engine.exchange.accounts[1]
    order = engine.exchange.place(alice, limit(BUY, 9_000, 1_000), NOW_NS)
    clock.advance(31 * SECOND)
    with caplog.at_level(logging.WARNING, "venue"):
        engine.advance()
        engine.advance()
    assert [record.getMessage()[:24] for record in caplog.records] == ["the record of ETH/USDT i"]
    for request in (limit(BUY, 9_000, 1_000), market(SELL, 1_000)):
        with pytest.raises(RefusedError) as refused:
            engine.exchange.place(alice, request, clock.now_ns())
        assert refused.value.refusal is Refusal.HALTED
    with pytest.raises(RefusedError):
        engine.exchange.amend(order, 9_001, 1_000, clock.now_ns())
    engine.exchange.cancel(order, clock.now_ns())
    assert order.status is OrderStatus.CANCELED
    await stop(engine)
    clock.advance(9 * HOUR * SECOND)
    again = engine_of(settings, clock)
    assert again.listings[SYMBOL].is_halted
    again.storage.close()


async def test_a_repeated_record_goes_on_after_hours_of_absence(tmp_path: Path) -> None:
    settings = recorded(write_record(tmp_path / "a.gz"), tmp_path / "box.db", AtEnd.REPEAT)
    clock = ManualClock(NOW_NS)
    engine = engine_of(settings, clock)
    order = engine.exchange.place(engine.exchange.accounts[1], limit(BUY, 9_000, 1_000), NOW_NS)
    await stop(engine)
    clock.advance(5 * HOUR * SECOND)
    again = engine_of(settings, clock)
    listing = again.listings[SYMBOL]
    assert not listing.is_halted
    assert listing.next_index == listing.market.index_at(clock.now_ns())
    assert listing.book.remaining_lots(order.book_id) == 1_000
    assert clock.now_ns() - listing.tape.last(1000)[0].at_ns <= HOUR * SECOND
    again.storage.close()


async def test_another_record_over_the_same_file_begins_now(tmp_path: Path) -> None:
    first = config(markets=(MarketConfig(spec=SPEC),), data_file=str(tmp_path / "box.db"))
    clock = ManualClock(NOW_NS)
    engine = engine_of(first, clock)
    alice = engine.exchange.accounts[1]
    order = engine.exchange.place(alice, limit(BUY, 9_000, 1_000), NOW_NS)
    await stop(engine)
    clock.advance(HOUR * SECOND)
    second = recorded(write_record(tmp_path / "a.gz"), tmp_path / "box.db")
    second = config(markets=second.markets, data_file=second.data_file)
    again = engine_of(second, clock)
    listing = again.listings[SYMBOL]
    assert listing.epoch_ns == clock.now_ns()
    assert listing.book.best_bid_ticks() == 10_000
    assert listing.book.remaining_lots(order.book_id) == 1_000
    await stop(again)
    clock.advance(5 * SECOND)
    third = engine_of(second, clock)
    assert third.listings[SYMBOL].epoch_ns == listing.epoch_ns
    third.storage.close()


async def test_a_changed_tick_or_lot_is_refused_over_a_file(tmp_path: Path) -> None:
    def settings(**grid: str) -> VenueConfig:
        terms = {"tick": "0.01", "lot": "0.001"} | grid
        spec = MarketSpec(symbol=SYMBOL, tick=terms["tick"], lot=terms["lot"])
        return config(markets=(MarketConfig(spec=spec),), data_file=str(tmp_path / "box.db"))

    clock = ManualClock(NOW_NS)
    await stop(engine_of(settings(), clock))
    await stop(engine_of(settings(tick="0.010"), clock))
    for grid in ({"tick": "0.1"}, {"lot": "0.0001"}):
        storage = Storage(settings().data_file)
        with pytest.raises(VenueConfigError, match=r"in ticks of 0\.01.*put the old ones back"):
            Engine(settings(**grid), clock, storage, clock.now_ns())
        storage.close()


async def test_candles_make_the_venues_own_minutes(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    times = [(1_640_995_200 + 60 * n) * 1_000 for n in range(4)]
    minutes = [[at, 100 + n, 110 + n, 90, 105 + n, 61] for n, at in enumerate(times)]
    path.write_text(str(minutes))
    of = MarketConfig(spec=SPEC, candles=str(path))
    clock = ManualClock(NOW_NS)
    engine = engine_of(config(markets=(of,), data_file=None), clock)
    clock.advance(220 * SECOND)
    engine.advance()
    made = engine.listings[SYMBOL].candles(1, 0)
    began_ns = NOW_NS - NOW_NS % MINUTE_NS
    assert [bar.open_ns for bar in made] == [began_ns + n * MINUTE_NS for n in range(4)]
    assert [bar[1:6] for bar in made[:3]] == [
        (10_000 + 100 * n, 11_000 + 100 * n, 9_000, 10_500 + 100 * n, 61_000) for n in range(3)
    ]
    assert len(engine.listings[SYMBOL].book.depth(50)[0]) == 20


@pytest.mark.parametrize(
    ("sources", "complaint"),
    [
        ({"recorded": ("nowhere.gz",)}, r"recorded: .*No such file.*nowhere\.gz"),
        ({"recorded": ("text.gz",)}, "recorded: is not a gzip file"),
        ({"recorded": ("cut.gz",)}, "recorded: "),
        ({"recorded": ("empty.gz",)}, "record is empty"),
        ({"candles": "text.gz"}, "candles: is not a gzip file"),
        ({"candles": "empty.json"}, "no candles"),
    ],
)
def test_what_cannot_be_replayed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: dict[str, str], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.gz").write_text("not gzip")
    Path("cut.gz").write_bytes(gzip.compress(snapshot(0) * 9)[:60])
    Path("empty.gz").write_bytes(gzip.compress(b""))
    Path("empty.json").write_text("[]")
    of = MarketConfig(spec=SPEC, **sources)  # type: ignore[arg-type]  # as each case says
    with pytest.raises(VenueConfigError, match=f"market ETH/USDT, .*{complaint}"):
        engine_of(config(markets=(of,)), ManualClock(NOW_NS))


@needs_recordings
def test_a_box_replays_what_was_recorded() -> None:
    files = tuple(str(USDM / f"ethusdt_{day}.gz") for day in (20240718, 20240719))
    of = MarketConfig(spec=SPEC, recorded=files)
    clock = ManualClock(NOW_NS)
    engine = engine_of(config(markets=(of,)), clock)
    alice, listing = engine.exchange.accounts[1], engine.listings[SYMBOL]
    for _ in range(60):
        clock.advance(SECOND)
        engine.advance()
    bid, ask = listing.book.best_bid_ticks(), listing.book.best_ask_ticks()
    assert 300_000 < bid < ask < 400_000
    assert ask - bid <= 10
    bought = engine.exchange.place(alice, market(BUY, 10), clock.now_ns())
    assert bought.filled_lots == 10
    resting = engine.exchange.place(alice, limit(SELL, ask, 10), clock.now_ns())
    for _ in range(300):
        clock.advance(SECOND)
        engine.advance()
    assert resting.status is OrderStatus.CLOSED
    engine.storage.close()


@needs_recordings
def test_a_box_walks_real_candles() -> None:
    path = SHARED / "nautilus_trader" / "btc-perp-20211231-20220201_1m.csv"
    spec = MarketSpec(symbol="BTC/USDT", base="BTC", tick="0.5", lot="0.0001")
    clock = ManualClock(NOW_NS)
    engine = engine_of(config(markets=(MarketConfig(spec=spec, candles=str(path)),)), clock)
    clock.advance(120 * SECOND)
    engine.advance()
    made = engine.listings["BTC/USDT"].candles(1, 0)
    assert made[0][1:5] == (92_638, 92_770, 92_638, 92_754)
    engine.storage.close()
