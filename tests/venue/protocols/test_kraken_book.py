import json
import zlib
from decimal import Decimal
from typing import Any

import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.venue.boxes import SYMBOL, hear, running_box, say
from venue.config import MarketConfig, instrument_of
from venue.protocols.kraken_book import Level, changed_levels, checksum

SIDES = st.dictionaries(st.integers(1, 60), st.integers(1, 5), max_size=40)


def window(side: dict[int, int], sign: int, depth: int) -> list[Level]:
    return sorted(side.items(), key=lambda level: -sign * level[0])[:depth]


@given(SIDES, SIDES, st.sampled_from((1, -1)), st.sampled_from((1, 3, 10)))
def test_a_client_that_applies_changes_and_truncates_has_the_window(
    before: dict[int, int], after: dict[int, int], sign: int, depth: int
) -> None:
    old, new = window(before, sign, depth), window(after, sign, depth)
    client = dict(old)
    for ticks, lots in changed_levels(old, new, depth, sign):
        if lots:
            client[ticks] = lots
        else:
            del client[ticks]
    assert window(client, sign, depth) == new


def test_checksum_of_krakens_published_example() -> None:
    """Asks and bids of the guide `book-checksum-v2`; the digits it prints, hashed here again."""
    instrument = instrument_of(MarketConfig())
    instrument = instrument._replace(price_decimals=1, lot_decimals=8)
    asks = [(452_852, 100_000), (452_864, 154_582_015)]
    bids = [(452_835, 10_000_000), (452_834, 154_582_015)]
    digits = "45285210000045286415458201545283510000000452834154582015"
    assert checksum(instrument, bids, asks) == zlib.crc32(digits.encode())


class BookClient:
    """A client written from Kraken's description, with the text of numbers as they were sent."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.sides: dict[str, dict[Decimal, tuple[str, str]]] = {"bids": {}, "asks": {}}

    def apply(self, text: str) -> None:
        frame: dict[str, Any] = json.loads(text, parse_float=str, parse_int=str)
        data = frame["data"][0]
        for name, levels in self.sides.items():
            for level in data[name]:
                price = Decimal(level["price"])
                if Decimal(level["qty"]) == 0:
                    del levels[price]
                else:
                    levels[price] = (level["price"], level["qty"])
            best = sorted(levels, reverse=name == "bids")[: self.depth]
            self.sides[name] = {price: levels[price] for price in best}
        assert self.checksum() == int(data["checksum"]), "the book is not the venue's"

    def checksum(self) -> int:
        digits = ""
        for name in ("asks", "bids"):
            for price, quantity in list(self.sides[name].values())[:10]:
                digits += price.replace(".", "").lstrip("0")
                digits += quantity.replace(".", "").lstrip("0")
        return zlib.crc32(digits.encode())


async def test_every_update_keeps_the_checksum_at_every_depth() -> None:
    clients = {depth: BookClient(depth) for depth in (10, 25, 1000)}
    async with running_box() as alice:
        for depth, client in clients.items():
            async with alice.websocket() as socket:
                await say(socket, "subscribe", channel="book", symbol=[SYMBOL], depth=depth)
                ack = await hear(socket, method="subscribe")
                assert ack["result"]["depth"] == depth
                updates = 0
                with trio.fail_after(10):
                    while updates < 60:
                        text = await socket.recv()
                        assert isinstance(text, str)
                        if '"channel":"book"' not in text:
                            continue
                        client.apply(text)
                        updates += 1
                        if updates % 20 == 1:
                            bid, _ = await alice.best()
                            await alice.limit("buy", "0.12345", bid - updates)


async def test_numbers_keep_their_trailing_zeros() -> None:
    async with running_box() as alice, alice.websocket() as socket:
        await say(socket, "subscribe", channel="book", symbol=[SYMBOL], depth=10)
        await hear(socket, method="subscribe")
        text = str(await socket.recv())
        level = json.loads(text, parse_float=str)["data"][0]["bids"][0]
        assert len(level["price"].partition(".")[2]) == 2
        assert len(level["qty"].partition(".")[2]) == 5
