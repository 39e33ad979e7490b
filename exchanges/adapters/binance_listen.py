"""The account's stream by a listen key, as Binance.US and USD-M have it.

A key lives an hour and is renewed thrice in that time. When it is gone all the same (the venue says
so, or refuses to renew it), the connection is given up: each topic on it asks for a new key and
subscribes again, and whoever holds orders reads the account then.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import trio

from exchanges.adapters.base import Subscription, Topic
from exchanges.adapters.binance_streams import BinanceStreams
from exchanges.ccxt_names import NetworkError
from exchanges.errors import CCXT_RAISES, Code, VenueError

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange

KEEP_ALIVE_S = 1_200.0
# After a renewal that failed: many more of them fit into what is left of the key's hour.
RETRY_S = 60.0
# "This listenKey does not exist."
NO_SUCH_KEY = "-1125"

Request = Callable[[], Awaitable[Any]]


class ListenKeys:
    """One client's key: fetched when a topic subscribes, renewed while it is in use."""

    def __init__(self, venue: str, streams: BinanceStreams) -> None:
        self._venue = venue
        self._streams = streams
        self._exchange: TrioExchange | None = None
        self._url = ""
        self._key = ""

    @property
    def key(self) -> str:
        """The key in use; "" before there is one, and after it was given up."""
        return self._key

    async def subscription(
        self, exchange: "TrioExchange", topic: Topic, base: str, create: Request, renew: Request
    ) -> Subscription:
        """Return how to listen to the account, at `base` and the key.

        Raises `VenueError` without a key.
        """
        answer = await create()
        key = str(answer.get("listenKey") or "")
        if not key:
            raise VenueError(Code.UNAVAILABLE, self._venue, "it gave no listen key")
        if key != self._key:
            self.give_up("it has a new listen key")
            self._exchange, self._key, self._url = exchange, key, base + key
            exchange.start_soon(self._keep_alive, key, renew, name="listen key")
        return self._streams.listening(self._url, topic)

    def give_up(self, why: str) -> None:
        """End the connection on the key; whoever listens there subscribes again."""
        exchange, url = self._exchange, self._url
        self._key = self._url = ""
        client = exchange.clients.get(url) if exchange is not None else None
        if client is not None:
            client.on_error(NetworkError(f"the account's stream has ended: {why}"))

    async def _keep_alive(self, key: str, renew: Request) -> None:
        pause_s = KEEP_ALIVE_S
        while True:
            await trio.sleep(pause_s)
            if key != self._key:
                return
            try:
                await renew()
                pause_s = KEEP_ALIVE_S
            except CCXT_RAISES as error:
                pause_s = RETRY_S
                if NO_SUCH_KEY in str(error) and key == self._key:
                    self.give_up("the venue does not know its listen key any more")
                    return
