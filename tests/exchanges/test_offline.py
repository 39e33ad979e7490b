"""Hostile frames through the whole client, with recorded ones as seeds.

Whatever comes: no exception, what is wrong is counted, the stream begins anew, and a price that the
venue did not send is never passed on.
"""

import random

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.bench import _canned_kraken as canned
from exchanges.offline import OfflineVenue
from exchanges.types import Book, Untrusted
from supervisor.clock import ManualClock

SYMBOL = canned.SYMBOL
NASTY = (
    "", "[", "{", "null", "[]", "{}", '"x"', "1e999", "[" * 2_000, '{"a":' * 500, "\x00\x01",
    '{"channel":"book"}', '{"channel":"book","type":"update","data":[]}',
    '{"channel":"book","type":"update","data":[{}]}',
    '{"channel":"book","type":"snapshot","data":[{"symbol":"ETH/USDT","bids":1,"asks":{}}]}',
    '{"channel":"book","type":"update","data":[{"symbol":null,"bids":[],"asks":[],"checksum":0}]}',
    '{"channel":["book"],"type":"update","data":[]}', '{"method":"subscribe","req_id":[1]}',
    '{"stream":{},"data":1}', '{"event":1}', '{"id":{}}',
)  # fmt: skip


def kraken_frames(count: int) -> list[str]:
    """Return a snapshot and updates of one book that fit to each other."""
    bids, asks = canned.BIDS[: canned.BOOK_LEVELS], canned.ASKS[: canned.BOOK_LEVELS]
    frames = [canned.frame("snapshot", bids, asks, (bids, asks)).decode()]
    for number in range(count):
        changed = [(bids[0][0], f"{number + 1}.50000000")]
        after = ([*changed, *bids[1:]], asks)
        frames.append(canned.frame("update", changed, [], after).decode())
    return frames


async def play(frames: list[str]) -> tuple[list[Book], int, int]:
    """Give frames to a client that watches a book; return books, marks, and what was malformed."""
    venue = OfflineVenue("kraken", ManualClock(10**18))
    for name, answer in canned.answers().items():
        body = answer.partition(b"\r\n\r\n")[2].decode()
        venue.answer(f"https://api.kraken.com/0/public/{name}", body)
    books: list[Book] = []
    marks = 0
    async with venue.client as client:
        await client.load_instruments()
        async with client.watch_book(SYMBOL) as feed:
            await trio.testing.wait_all_tasks_blocked()
            for frame in frames:
                venue.received(frame)
                await trio.testing.wait_all_tasks_blocked()
                while feed.waiting:
                    event = feed.receive_nowait()
                    if isinstance(event, Book):
                        books.append(event)
                    elif isinstance(event, Untrusted):
                        marks += 1
                        # The pause before the next subscription.
                        await trio.sleep(11)
                        await trio.testing.wait_all_tasks_blocked()
            malformed = sum(client.statistics().malformed.values())
    return books, marks, malformed


def played(frames: list[str]) -> tuple[list[Book], int, int]:
    return trio.run(play, frames, clock=trio.testing.MockClock(autojump_threshold=0))


FRAMES = kraken_frames(6)
MUTATION = st.tuples(
    st.integers(1, len(FRAMES) - 1),
    st.sampled_from(["cut", "flip", "drop", "twice", "insert", "replace"]),
    st.integers(0, 2**31),
)


def mutated(frames: list[str], mutations: list[tuple[int, str, int]]) -> list[str]:
    out = list(frames)
    for number, how, seed in mutations:
        draws = random.Random(seed)  # noqa: S311 - mutations
        at = number % len(out)
        text = out[at]
        place = draws.randrange(max(1, len(text)))
        if how == "cut":
            out[at] = text[:place]
        elif how == "flip":
            out[at] = text[:place] + chr(draws.randrange(32, 127)) + text[place + 1 :]
        elif how == "drop":
            del out[at]
        elif how == "twice":
            out.insert(at, text)
        elif how == "insert":
            out.insert(at, draws.choice(NASTY))
        else:
            out[at] = draws.choice(NASTY)
        if not out:
            return list(frames)
    return out


def test_frames_that_fit_are_all_passed_on() -> None:
    books, marks, malformed = played(FRAMES)
    assert (len(books), marks, malformed) == (len(FRAMES), 0, 0)


@pytest.mark.parametrize("frame", NASTY)
def test_hostile_frames_never_raise_and_cost_nothing_but_a_resync(frame: str) -> None:
    books, marks, _ = played([*FRAMES[:3], frame, *FRAMES])
    assert len(books) >= len(FRAMES)
    assert marks <= 1


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(st.lists(MUTATION, min_size=1, max_size=4))
def test_a_price_that_was_not_sent_is_never_passed_on(
    mutations: list[tuple[int, str, int]],
) -> None:
    true_books = {(book.bids, book.asks) for book in TRUE_BOOKS}
    books, _, _ = played(mutated(FRAMES, mutations))
    for book in books:
        assert (book.bids, book.asks) in true_books


TRUE_BOOKS = played(FRAMES)[0]
