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
# Text frames made by hand: compressing each would take the fake longer than us to read it.
LENGTH_IN_TWO_BYTES = b"\x81\x7e"


def resident_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def update_often(fake: FakeKraken, venue: VenueClient, times: int) -> None:
    (socket,) = fake.sockets
    texts = [update(fake, f"{quantity}.00000000").encode() for quantity in (8, 9)]
    pair = b"".join(LENGTH_IN_TWO_BYTES + len(text).to_bytes(2, "big") + text for text in texts)
    for _ in range(times // BATCH):
        wanted = venue.statistics().frames + BATCH
        # In its turn, so that no pong of the fake's comes between.
        async with socket.connection.send_context():
            socket.connection.protocol.writes.append(pair * (BATCH // 2))
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


# Updates, and connections lost.
SIZES = [
    pytest.param(200_000, 200, marks=pytest.mark.check),
    pytest.param(10_000_000, 10_000, marks=pytest.mark.soak),
]
WARM_UP_UPDATES, WARM_UP_DIALS = 20_000, 20
PARTS = 10
# The first third fills the allocator's arenas (6 MB of the large run); the second half counts.
SETTLED_AFTER_PARTS = PARTS // 2
# An arena has a megabyte, and one may be opened at any time. A leak of one byte an update would be
# 5 MB in the second half of the large run, of a kilobyte a dial as much.
GROWTH_BYTES_MAX = 1_500_000


@pytest.mark.parametrize(("updates", "dials"), SIZES)
async def test_memory_stays_where_it_is(
    fake: FakeKraken,
    venue: VenueClient,
    monkeypatch: pytest.MonkeyPatch,
    updates: int,
    dials: int,
) -> None:
    monkeypatch.setattr(streams, "RESUBSCRIBE_PAUSE_S_MIN", 0.001)
    async with venue.watch_book(SYMBOL) as feed:
        await next_of(feed, Book)
        await update_often(fake, venue, WARM_UP_UPDATES)
        await reconnect_often(fake, feed, WARM_UP_DIALS)
        resident = [resident_bytes()]
        for _ in range(PARTS):
            await update_often(fake, venue, updates // PARTS)
            await reconnect_often(fake, feed, dials // PARTS)
            resident.append(resident_bytes())
        book = await _after(fake, feed)
    assert venue.statistics().frames >= updates
    assert venue.statistics().resubscriptions >= dials
    assert venue.statistics().malformed == {}
    assert book.bids[0] == (299_999, 900_000_000)
    shown = ", ".join(f"{each / 1e6:.2f}" for each in resident)
    print(f"{updates} updates, {dials} dials; resident MB: {shown}")  # noqa: T201 - the figures
    assert max(resident) - resident[SETTLED_AFTER_PARTS] < GROWTH_BYTES_MAX, shown


async def _after(fake: FakeKraken, feed: object) -> Book:
    await fake.push("book", update(fake, "9.00000000"), SYMBOL)
    found = await next_of(feed, Book)
    assert isinstance(found, Book)
    return found
