"""Every venue that the box speaks: our trio class and ccxt's asyncio class see the same there."""

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from exchanges.exchange import TrioExchange
from exchanges.factory import trio_class
from supervisor.clock import ManualClock
from tests.exchanges.acceptance.unified import START_MS, STEPS, Untyped, play
from tests.exchanges.acceptance.venues import CASES, PERPETUAL, Case
from venue.box import serve_venue
from venue.config import AccountConfig, MarketConfig, PerpetualConfig, RateTier, VenueConfig
from venue.keys import ec_key
from venue.market import MarketSpec

MILLISECOND_NS = 1_000_000
COMMAND = (sys.executable, "-m", "tests.exchanges.acceptance.stock_unified")
# ccxt takes seconds to import on two shared cores.
PATIENCE_S = 90
ALICE = AccountConfig(
    name="alice",
    api_key="ALICE",
    api_secret="00112233445566778899aabbccddeeff",
    passphrase="open",
    balances={"USDT": "10000", "ETH": "5"},
)


def account_of(case: Case) -> AccountConfig:
    """Return alice's account with a key of the form that the venue issues."""
    if case.protocol != "coinbase":
        return ALICE
    key, secret = ec_key("acceptance", "alice", 7)
    return replace(ALICE, api_key=key, api_secret=secret)


def still_box(case: Case) -> VenueConfig:
    markets = []
    for symbol in filter(None, (case.symbol, case.beside)):
        spec = MarketSpec(symbol=symbol, events_per_second=200, taker_probability=0.1)
        terms = PerpetualConfig() if symbol == PERPETUAL else None
        markets.append(MarketConfig(spec=spec, perpetual=terms))
    return VenueConfig(
        protocol=case.protocol,
        accounts=(account_of(case),),
        markets=tuple(markets),
        rate_tier=RateTier.NONE,
        warm_up_s=65,
        tick_interval_ms=10,
        seed=7,
    )


class TrioSide:
    """See `Side`."""

    def __init__(self, exchange: TrioExchange, clock: ManualClock, nursery: trio.Nursery) -> None:
        self.exchange = exchange
        self._clock = clock
        self._nursery = nursery

    async def advance(self, milliseconds: int) -> None:
        await trio.lowlevel.checkpoint()
        self._clock.advance(milliseconds * MILLISECOND_NS)

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)

    def keep(self, watch: Callable[[], Awaitable[Untyped]]) -> None:
        async def forever() -> None:
            while True:
                await watch()

        self._nursery.start_soon(forever)


async def ours(case: Case, seen: dict[str, Any]) -> None:
    clock = ManualClock(START_MS * MILLISECOND_NS)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve_venue, still_box(case), clock)
        alice = account_of(case)
        keys = {"apiKey": alice.api_key, "secret": alice.api_secret, "password": alice.passphrase}
        settings = case.settings(f"127.0.0.1:{port}")
        exchange = trio_class(case.ccxt_id)(
            {**settings, **keys, "enableRateLimit": False}, clock=clock
        )
        async with exchange, trio.open_nursery() as watching:
            found = await play(TrioSide(exchange, clock, watching), case)
            seen.update(json.loads(json.dumps(found)))
            watching.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


async def stock(case: Case, seen: dict[str, Any]) -> None:
    clock = ManualClock(START_MS * MILLISECOND_NS)
    alice = account_of(case)
    keys = (alice.api_key, alice.api_secret, alice.passphrase)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve_venue, still_box(case), clock)
        process = await trio.lowlevel.open_process(
            (*COMMAND, case.name, str(port), *keys),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            seen.update(await _served(process, clock))
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
        nursery.cancel_scope.cancel()


async def _served(process: trio.Process, clock: ManualClock) -> dict[str, Any]:
    """Let time pass when asked; return the last line."""
    assert process.stdin is not None
    assert process.stdout is not None
    text = b""
    async for part in process.stdout:
        text += part
        *lines, text = text.split(b"\n")
        for line in lines:
            if line.startswith(b"{"):
                found: dict[str, Any] = json.loads(line)
                return found
            clock.advance(int(line) * MILLISECOND_NS)
            await process.stdin.send_all(b"\n")
    raise AssertionError(f"the stock class ended without a result: {text!r}")


Seen = tuple[Case, dict[str, Any], dict[str, Any]]


# One of each family is played in `make test`, the others in `make check`: each costs a process.
CHECKED = {"binanceus", "bybit", "bybit-linear", "coinbase", "kucoin", "okx-swap"}
PARAMS = [pytest.param(name, marks=pytest.mark.check if name in CHECKED else ()) for name in CASES]


@pytest.fixture(scope="module", params=PARAMS)
def both(request: pytest.FixtureRequest) -> Seen:
    """Play with ours and with the stock class; return what each saw."""
    case = CASES[request.param]
    mine: dict[str, Any] = {}
    theirs: dict[str, Any] = {}

    async def play_both() -> None:
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ours, case, mine)
                nursery.start_soon(stock, case, theirs)

    trio.run(play_both)
    return case, mine, theirs


def test_everything_seen_is_equal(both: Seen) -> None:
    _, mine, theirs = both
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if mine[name] != theirs[name]] == []


def test_orders_of_each_type_live_as_they_should(both: Seen) -> None:
    case, seen, _ = both
    for name in case.order_types:
        placed, found, still_open, *rest = seen[f"{name} order"]
        assert found["id"] == placed["id"]
        assert found["clientOrderId"].startswith("acceptance")
        if name in ("ioc", "fok"):
            assert (found["status"], found["filled"], still_open) == (case.unfilled, 0, [])
            continue
        assert [order["id"] for order in still_open] == [placed["id"]]
        assert rest[-1]["status"] == "canceled"
    assert seen["still open"] == []


def test_trades_are_told_by_every_way(both: Seen) -> None:
    case, seen, _ = both
    bought = seen["bought"][1]
    about = 1e-3 if case.buys_by_cost else 1e-9
    assert (bought["status"], bought["filled"]) == ("closed", pytest.approx(0.1, abs=about))
    assert {trade["side"] for trade in seen["my trades"]} == {"buy", "sell"}
    assert sum(t["amount"] for t in seen["my trades"]) == pytest.approx(0.15, abs=about)
    assert all(float(trade["fee"]["cost"]) > 0 for trade in seen["my trades"])
    if case.watches_account:
        watched = sum(fill["amount"] for fill in seen["watched fills"])
        assert watched == pytest.approx(0.025 * (STEPS // 2))
    books = [json.dumps(book) for book in seen["watched books"]]
    assert len(set(books)) == STEPS
    assert len(seen["watched trades"]) == 20
    if case.has_positions:
        (position,) = seen["positions"]
        assert (position["side"], position["contracts"]) == ("long", 0.05)
        assert position["leverage"] == 5
        # Some venues still show the symbol that was asked for, without a position.
        assert not any(each["contracts"] for each in seen["flat"])
        assert seen["funding rate"]["fundingRate"] > 0


def test_refusals_have_their_class(both: Seen) -> None:
    case, seen, _ = both
    assert [name for name, _ in seen["refused"]] == REFUSALS[case.name]


REFUSALS = {
    "binance": [
        "InsufficientFunds",
        "InvalidOrder",
        "OrderImmediatelyFillable",
        "OrderNotFound",
        "OrderNotFound",
        "AuthenticationError",
    ],
    "binanceus": [
        "InsufficientFunds",
        "InvalidOrder",
        "OrderImmediatelyFillable",
        "OrderNotFound",
        "OrderNotFound",
        "AuthenticationError",
    ],
    # ccxt knows few of Coinbase's words.
    "coinbase": [
        "InsufficientFunds",
        "ExchangeError",
        "ExchangeError",
        "BadRequest",
        "ExchangeError",
        "AuthenticationError",
    ],
    # A post-only order that would take is taken, and cancelled by the matching.
    "kucoin": [
        "InsufficientFunds",
        "InvalidOrder",
        "answered",
        "OrderNotFound",
        "OrderNotFound",
        "AuthenticationError",
    ],
    "okx": [
        "InsufficientFunds",
        "InvalidOrder",
        "answered",
        "OrderNotFound",
        "OrderNotFound",
        "AuthenticationError",
    ],
    "okx-swap": [
        "InsufficientFunds",
        "InvalidOrder",
        "answered",
        "OrderNotFound",
        "OrderNotFound",
        "AuthenticationError",
    ],
    # ccxt knows USD-M's own codes by the host's name only: -2019 and -4003 are general ones here.
    "binanceusdm": [
        "ExchangeError",
        "BadRequest",
        "InvalidOrder",
        "OrderNotFound",
        "OrderNotFound",
        "AuthenticationError",
    ],
    # A post-only order that would take is accepted, and cancelled at once.
    "bybit": [
        "InsufficientFunds",
        "InvalidOrder",
        "answered",
        "OrderNotFound",
        "OrderNotFound",
        "AuthenticationError",
    ],
    "bybit-linear": [
        "InsufficientFunds",
        "BadRequest",
        "answered",
        "OrderNotFound",
        "OrderNotFound",
        "AuthenticationError",
    ],
}
