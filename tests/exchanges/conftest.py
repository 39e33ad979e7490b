"""What the suites of this package share: a fake venue and clients of it."""

from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
import trio

from exchanges.adapters.kraken import KrakenAdapter
from exchanges.exchange import TrioExchange
from exchanges.factory import trio_class
from exchanges.json_text import Json
from exchanges.types import Credentials, Endpoints
from exchanges.venue_client import VenueClient, open_venue
from supervisor.clock import Clock, ManualClock
from tests.exchanges.fake_kraken import API_KEY, API_SECRET, UNIX_TIME, FakeKraken

SYMBOL = "ETH/USDT"
SECOND_NS = 1_000_000_000
# Loopback answers in a millisecond; a hung request must not hold the suite up.
REQUEST_TIMEOUT_MS = 250


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(UNIX_TIME * SECOND_NS)


@pytest.fixture
async def fake(nursery: trio.Nursery) -> FakeKraken:
    kraken = FakeKraken()
    await nursery.start(kraken.run)
    return kraken


@pytest.fixture
async def venue(fake: FakeKraken, clock: ManualClock) -> AsyncIterator[VenueClient]:
    async with client_of(fake, clock) as client:
        await client.load_instruments()
        yield client


@pytest.fixture
def make_exchange(fake: FakeKraken, clock: ManualClock) -> Callable[..., TrioExchange]:
    """Make a bare ccxt Kraken on trio that talks to the fake."""
    return partial(make_kraken, fake, clock)


def make_kraken(fake: FakeKraken, clock: Clock, **config: Json) -> TrioExchange:
    adapter = KrakenAdapter()
    urls = adapter.config(endpoints_of(fake))["urls"]
    cls = trio_class("kraken", KrakenAdapter.exchange_overrides)
    defaults = {
        "apiKey": API_KEY,
        "secret": API_SECRET,
        "enableRateLimit": False,
        "timeout": 2_000,
        "urls": urls,
        # As the adapter's client has it.
        "numbers_as_text": True,
    }
    return cls({**defaults, **config}, clock=clock)


def endpoints_of(fake: FakeKraken) -> Endpoints:
    return Endpoints(rest=fake.rest, websocket_public=fake.public, websocket_private=fake.private)


def client_of(fake: FakeKraken, clock: ManualClock, **options: Json) -> VenueClient:
    defaults: dict[str, Json] = {
        "credentials": Credentials(API_KEY, API_SECRET),
        "endpoints": endpoints_of(fake),
        "rate_limited": False,
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
    }
    return open_venue("kraken", clock, **{**defaults, **options})
