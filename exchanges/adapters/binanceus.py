"""Binance.US: spot as at Binance, but for the account's stream, which wants a listen key.

Sources: docs.binance.us, ccxt 4.5.90's class.
"""

from typing import TYPE_CHECKING, ClassVar

from exchanges.adapters.base import Decoded, Refused, Subscription, Topic
from exchanges.adapters.binance import BinanceAdapter
from exchanges.adapters.binance_listen import ListenKeys
from exchanges.adapters.binance_streams import is_expiry
from exchanges.adapters.wires import OrderWire

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange


class BinanceUsAdapter(BinanceAdapter):
    """One client of Binance.US."""

    venue: ClassVar[str] = "binanceus"

    def __init__(self) -> None:
        super().__init__()
        self._keys = ListenKeys(self.venue, self._streams)

    def order_wire(self) -> OrderWire | None:
        # ccxt knows no address of a WebSocket API of Binance.US: it would be Binance's own.
        return None

    async def account_subscription(self, exchange: "TrioExchange", topic: Topic) -> Subscription:
        base = f"{exchange.urls['api']['ws']['spot']}/"
        return await self._keys.subscription(
            exchange,
            topic,
            base,
            exchange.publicPostUserDataStream,
            lambda: exchange.publicPutUserDataStream({"listenKey": self._keys.key}),
        )

    def is_private(self, exchange: "TrioExchange", url: str) -> bool:
        # The public streams are on `/stream`.
        return "/ws/" in url

    def decode(self, message: object, now_ns: int) -> list[Decoded] | Refused | None:
        if is_expiry(message):
            self._keys.give_up("its listen key has expired")
            return []
        return super().decode(message, now_ns)
