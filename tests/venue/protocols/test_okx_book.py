"""The `books` channel: a chain of ids without a gap, and a checksum of what was sent."""

import zlib
from collections.abc import Sequence

import pytest

from tests.venue.okx_client import SPOT, SWAP, Untyped, hear, running, subscribe
from venue.protocols.okx_book import checksum

# OKX's own example of the rule, as its pages give it.
BIDS = [["3366.1", "7", "0", "3"], ["3366", "6", "3", "4"]]
ASKS = [["3366.8", "9", "10", "3"], ["3368", "8", "3", "4"]]


def test_the_checksum_is_that_of_the_pages() -> None:
    text = "3366.1:7:3366.8:9:3366:6:3368:8"
    assert checksum(BIDS, ASKS) == signed(text)
    assert checksum(BIDS[:1], [*ASKS, ["3372", "8", "3", "4"]]) == signed(
        "3366.1:7:3366.8:9:3368:8:3372:8"
    )
    assert checksum([], []) == 0
    assert -(1 << 31) <= checksum(BIDS, ASKS) < 1 << 31


def signed(text: str) -> int:
    return int.from_bytes(zlib.crc32(text.encode()).to_bytes(4), signed=True)


class Held:
    """A book as a client holds it, which believes nothing."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[str, Sequence[str]]] = {"bids": {}, "asks": {}}
        self.last_id = -1

    def take(self, message: Untyped) -> None:
        (row,) = message["data"]
        if message["action"] == "snapshot":
            self.sides = {"bids": {}, "asks": {}}
            assert row["prevSeqId"] == -1
        else:
            assert row["prevSeqId"] == self.last_id
            assert row["seqId"] >= self.last_id
        self.last_id = row["seqId"]
        for side, held in self.sides.items():
            for level in row[side]:
                held[level[0]] = level
                if level[1] == "0":
                    del held[level[0]]
        bids, asks = self.best("bids"), self.best("asks")
        assert row["checksum"] == checksum(bids, asks)
        assert float(bids[0][0]) < float(asks[0][0])

    def best(self, side: str) -> list[Sequence[str]]:
        ordered = sorted(self.sides[side], key=float, reverse=side == "bids")
        return [self.sides[side][price] for price in ordered]


@pytest.mark.parametrize("instrument", [SPOT, SWAP])
async def test_a_book_is_followed_without_a_gap(instrument: str) -> None:
    async with running() as alice, alice.socket("public") as socket:
        held = Held()
        await subscribe(socket, "books", instId=instrument)
        held.take(await hear(socket, "books"))
        for _ in range(10):
            alice.clock.advance(150 * 10**6)
            held.take(await hear(socket, "books"))
        (whole,) = await alice.get("market/books", instId=instrument, sz=400)
        assert held.last_id == whole["seqId"]
        for side in ("bids", "asks"):
            assert [level[:2] for level in held.best(side)] == [lv[:2] for lv in whole[side]]


async def test_who_comes_later_joins_the_same_chain() -> None:
    async with running() as alice, alice.socket("public") as one, alice.socket("public") as two:
        await subscribe(one, "books", instId=SPOT)
        first, second = Held(), Held()
        first.take(await hear(one, "books"))
        alice.clock.advance(150 * 10**6)
        first.take(await hear(one, "books"))
        await subscribe(two, "books", instId=SPOT)
        second.take(await hear(two, "books"))
        assert second.last_id == first.last_id
        alice.clock.advance(150 * 10**6)
        first.take(await hear(one, "books"))
        second.take(await hear(two, "books"))
        assert second.sides == first.sides
