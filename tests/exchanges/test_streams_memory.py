import gc
import os
from functools import partial
from pathlib import Path

import pytest
import trio

from exchanges import streams
from exchanges.types import Book, Subscribed
from exchanges.venue_client import VenueClient
from tests.exchanges.fake_kraken import FakeKraken, Socket
from tests.exchanges.test_streams import SYMBOL, next_of, update

BATCH = 1_000
# Written by hand: the fake's WebSocket library takes longer to make a frame than we to read it.
_LENGTH_IN_TWO_BYTES = b"\x81\x7e"


def frames(fake: FakeKraken) -> bytes:
    """Return a batch of book updates as they go over the wire."""
    both = [update(fake, f"{quantity}.00000000").encode() for quantity in (8, 9)]
    wire = [_LENGTH_IN_TWO_BYTES + len(text).to_bytes(2, "big") + text for text in both]
    return b"".join(wire) * (BATCH // 2)


def resident_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def update_often(fake: FakeKraken, venue: VenueClient, times: int) -> None:
    (socket,) = fake.sockets
    batch = frames(fake)
    for _ in range(times // BATCH):
        wanted = venue.statistics().frames + BATCH
        await socket.connection.stream.send_all(batch)
        with trio.fail_after(20):
            while venue.statistics().frames < wanted:  # noqa: ASYNC110 - counting is not announced
                await trio.sleep(0.001)


async def reconnect_often(fake: FakeKraken, feed: object, times: int) -> None:
    for _ in range(times):
        (old,) = fake.sockets
        await fake.abort_sockets()
        await fake.until(partial(_is_replaced, fake, old))
        await next_of(feed, Subscribed)
        await next_of(feed, Book)


def _is_replaced(fake: FakeKraken, old: Socket) -> bool:
    return bool(fake.sockets) and old not in fake.sockets


@pytest.mark.check
async def test_memory_stays_where_it_is(
    fake: FakeKraken, venue: VenueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "RESUBSCRIBE_PAUSE_S_MIN", 0.001)
    async with venue.watch_book(SYMBOL) as feed:
        await next_of(feed, Book)
        await update_often(fake, venue, 20_000)
        await reconnect_often(fake, feed, 20)
        before = resident_bytes()
        await update_often(fake, venue, 200_000)
        await reconnect_often(fake, feed, 200)
        grown = resident_bytes() - before
        book = await _after(fake, feed)
    assert venue.statistics().resubscriptions >= 220
    assert venue.statistics().malformed == {}
    assert book.bids[0] == (299_999, 900_000_000)
    assert grown < 4_000_000, f"{grown / 1e6:.1f} MB more after 200 000 updates and 200 dials"


async def _after(fake: FakeKraken, feed: object) -> Book:
    await fake.push("book", update(fake, "9.00000000"), SYMBOL)
    found = await next_of(feed, Book)
    assert isinstance(found, Book)
    return found
