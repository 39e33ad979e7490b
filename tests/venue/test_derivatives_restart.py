"""Positions, waiting orders and funding survive the box's end."""

from pathlib import Path

from msgspec.structs import replace

from supervisor.clock import ManualClock
from tests.venue.binance_client import config
from tests.venue.exchanges import PERPETUAL
from tests.venue.stopping import stop
from tests.venue.test_derivatives import limit, market
from venue.engine import Engine
from venue.orders import BUY, SELL, Trigger, TriggerKind
from venue.protocols import protocol_named
from venue.storage import Storage

NOW_NS = 1_750_000_000 * 10**9


def open_engine(path: Path, clock: ManualClock) -> Engine:
    settings = replace(config("binanceusdm"), data_file=str(path))
    rules = protocol_named(settings.protocol).rules
    return Engine(settings, clock, Storage(str(path)), clock.now_ns(), rules)


async def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    clock = ManualClock(NOW_NS)
    engine = open_engine(tmp_path / "box.db", clock)
    exchange, alice = engine.exchange, engine.exchange.accounts[1]
    exchange.set_leverage(alice, PERPETUAL, 7)
    exchange.place(alice, market(BUY, 100_000), NOW_NS)
    mark = exchange.derivatives.mark_ticks(PERPETUAL)
    stop_request = market(SELL, 100_000, reduce_only=True)
    trigger = Trigger(TriggerKind.STOP, mark - 200)
    waiting = exchange.place(alice, stop_request._replace(trigger=trigger), NOW_NS)
    resting = exchange.place(alice, limit(SELL, mark + 5_000, 100_000, reduce_only=True), NOW_NS)
    position = exchange.derivatives.position(1, PERPETUAL)
    funding, balance = list(engine.records.funding), alice.balances["USDT"]
    await stop(engine)

    again = open_engine(tmp_path / "box.db", clock)
    assert again.exchange.derivatives.position(1, PERPETUAL) == position
    assert list(again.records.funding) == funding
    assert again.exchange.accounts[1].balances["USDT"] == balance
    assert again.records.orders[waiting.txid] == waiting
    assert again.records.orders[resting.txid].is_open
    assert again.exchange.is_resting(again.records.orders[resting.txid])
    # The trigger still fires, and only once.
    found = again.records.orders[waiting.txid]
    clock.advance(40 * 10**9)  # two swings of the market
    again.advance()
    assert found.triggered_ns
    assert again.exchange.derivatives.position(1, PERPETUAL).lots == 0
    assert not again.records.orders[resting.txid].is_open
    await stop(again)
