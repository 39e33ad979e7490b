"""Where ccxt's Kraken class is wrong, put right: the checksum of its order book.

With `options["watchOrderBook"]["checksum"]` on, ccxt 4.5.90 computes the checksum from floats,
which raises, and its socket stays deaf. Here the book keeps the texts the venue sent beside the
numbers.
"""

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from exchanges.ccxt_names import ChecksumError
from exchanges.json_text import Json

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange
    from exchanges.socket_client import SocketClient

CHECKSUM_LEVELS = 10


class VerbatimFloat(float):
    """A float for ccxt's arithmetic that remembers how the venue wrote it."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def digits(self) -> str:
        """Return the digits as Kraken's checksum takes them."""
        return self.text.replace(".", "").lstrip("0")


class _HeldClient:
    """Stands for the socket's client while a frame is applied, so that nobody wakes too early."""

    def __init__(self, client: "SocketClient") -> None:
        self.subscriptions = client.subscriptions
        self.resolved: tuple[Json, str] | None = None

    def resolve(self, result: object, message_hash: str) -> None:
        self.resolved = (result, message_hash)


def custom_handle_deltas(self: "TrioExchange", bookside: Json, deltas: list[Json]) -> None:
    """Store each level's numbers with their texts."""
    for delta in deltas:
        bookside.store(VerbatimFloat(str(delta["price"])), VerbatimFloat(str(delta["qty"])))


def _handle_order_book(original: Callable[..., None]) -> Callable[..., None]:
    def handle_order_book(self: "TrioExchange", client: "SocketClient", message: Json) -> None:
        options = self.options["watchOrderBook"]
        is_checked = options.get("checksum") is True
        held = _HeldClient(client)
        options["checksum"] = False
        try:
            original(self, held, message)
        finally:
            options["checksum"] = is_checked
        assert held.resolved is not None, "ccxt resolves every book frame"
        book, message_hash = held.resolved
        row = message["data"][0]
        if not is_checked or _checksum(book) == row["checksum"]:
            client.resolve(book, message_hash)
            return
        client.subscriptions.pop(message_hash, None)
        self.orderbooks.pop(row["symbol"], None)
        client.reject(
            ChecksumError(f"{self.id}: {row['symbol']}: the book's checksum differs"), message_hash
        )

    return handle_order_book


def _checksum(book: Json) -> int:
    levels = [*book["asks"][:CHECKSUM_LEVELS], *book["bids"][:CHECKSUM_LEVELS]]
    return zlib.crc32("".join(price.digits() + size.digits() for price, size in levels).encode())


def handle_order_book(self: "TrioExchange", client: "SocketClient", message: Json) -> None:
    """Apply a book frame and, if the option asks for it, compare the checksum."""
    _handle_order_book(super(type(self), self).handle_order_book.__func__)(self, client, message)


OVERRIDES: dict[str, Callable[..., Json]] = {
    "custom_handle_deltas": custom_handle_deltas,
    "handle_order_book": handle_order_book,
}
