"""What an adapter must tell about order entry over its venue's WebSocket, where there is one.

A wire only makes frames and reads replies; `exchanges.order_socket` carries them.
"""

from abc import ABC, abstractmethod
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from exchanges.types import Instrument, OrderChange, OrderTicket

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange

# The number of the request that makes a connection the account's own, before any order.
LOG_ON_NUMBER = 0
OK = int(HTTPStatus.OK)


class Reply(msgspec.Struct, frozen=True):
    """The answer to one request: its number, and the venue's verdict.

    `status` is as REST's. `refusal` is the document by which the venue's REST would have refused
    the same, for ccxt to judge; None: it was taken.
    """

    number: int
    status: int = OK
    venue_order_id: str = ""
    refusal: dict[str, object] | None = None


class UnreadableReplyError(Exception):
    """A frame is no message of the protocol: what it was the reply to cannot be known."""


class OrderWire(ABC):
    """Order entry of one account. Frames are JSON; numbers of requests rise."""

    @abstractmethod
    def url(self, exchange: "TrioExchange") -> str:
        """Return the address of the socket."""

    async def log_on(self, exchange: "TrioExchange") -> bytes | None:
        """Return the frame that must be taken before orders leave, its number `LOG_ON_NUMBER`.

        None: each request proves by itself whose it is. Raises ccxt's errors and `VenueError`.
        """
        return None

    @abstractmethod
    def submit(
        self,
        exchange: "TrioExchange",
        number: int,
        ticket: OrderTicket,
        instrument: Instrument,
        now_ns: int,
    ) -> bytes:
        """Return the frame that places an order. Raises `VenueError` for one that cannot be."""

    def amend(
        self,
        exchange: "TrioExchange",
        number: int,
        change: OrderChange,
        instrument: Instrument,
        now_ns: int,
    ) -> bytes | None:
        """Return the frame that amends an order; None: not this way."""
        return None

    @abstractmethod
    def cancel(
        self,
        exchange: "TrioExchange",
        number: int,
        client_order_id: str | None,
        venue_order_id: str | None,
        now_ns: int,
    ) -> bytes | None:
        """Return the frame that cancels an order, by exactly one of the ids; None: not this way."""

    @abstractmethod
    def reply(self, text: str) -> Reply | None:
        """Return what a frame replies, None for one that is no reply.

        Raises `UnreadableReplyError`.
        """
