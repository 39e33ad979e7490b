"""What an adapter must tell about its venue. One file per venue fulfils it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from exchanges.adapters.wires import OrderWire
from exchanges.errors import Code, Rule, VenueError
from exchanges.turns import Turn
from exchanges.types import (
    AccountFee,
    Balance,
    Balances,
    Book,
    Candle,
    DerivativeTerms,
    Endpoints,
    Execution,
    FillReport,
    FundingReport,
    Instrument,
    KeyRights,
    OrderChange,
    OrderReport,
    OrderTicket,
    PublicTrade,
    Subscribed,
    Ticker,
    TransferReport,
)

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange

Channel = Literal["book", "trades", "ticker", "candles", "executions", "balances"]
StreamEvent = Book | PublicTrade | Ticker | Candle | Execution | Balances | Subscribed


class Topic(NamedTuple):
    """A stream: its channel, the symbol ("" for an account's), depth or interval in seconds."""

    channel: Channel
    symbol: str = ""
    detail: int = 0

    def __str__(self) -> str:
        return ":".join(str(part) for part in self if part)


class Subscription(NamedTuple):
    """Where a topic is subscribed, and the messages that do and undo it."""

    url: str
    subscribe: Mapping[str, Any]
    unsubscribe: Mapping[str, Any] | None


class Refused(NamedTuple):
    """The venue did not take the subscription of this topic."""

    topic: Topic
    detail: str


class StreamError(Exception):
    """One stream cannot be believed any more; `kind` is that of `Untrusted`."""

    def __init__(self, topic: Topic, kind: str, detail: str) -> None:
        self.topic = topic
        self.kind = kind
        self.detail = detail
        super().__init__(f"{topic}: {kind}: {detail}")


class MalformedFrameError(Exception):
    """A frame is not what the protocol says. `kind` groups them, `topic` is None if unknown."""

    def __init__(self, kind: str, detail: str, topic: Topic | None = None) -> None:
        self.kind = kind
        self.detail = detail
        self.topic = topic
        super().__init__(f"{kind}: {detail}")


class Decoded(NamedTuple):
    """One event and the topic it belongs to."""

    topic: Topic
    event: StreamEvent


class Adapter(ABC):
    """One venue, one client: an adapter holds the state of that client's streams."""

    venue: ClassVar[str]
    error_rules: ClassVar[tuple[Rule, ...]] = ()
    time_step_ns: ClassVar[int] = 1_000_000
    """The resolution of `fetch_time_ns`."""
    # Methods placed over ccxt's class where ccxt is wrong.
    exchange_overrides: ClassVar[Mapping[str, Callable[..., Any]]] = {}

    def __init__(self) -> None:
        # Filled in place by the client: parts of an adapter keep a reference.
        self.instruments: dict[str, Instrument] = {}
        self.traded: tuple[str, ...] = ()
        """The symbols that the account trades; empty: any. Some venues are asked for each."""

    @abstractmethod
    def config(self, endpoints: Endpoints | None) -> dict[str, Any]:
        """Return ccxt's constructor configuration; never credentials."""

    def turn_of(self, api: str, path: str) -> Turn | None:
        """Return the turn that a request waits for; None: requests of a key may fly together.

        `api` and `path` are ccxt's: the kind of API, such as "private", and the endpoint.
        """
        return None

    def order_wire(self) -> OrderWire | None:
        """Return what enters orders over a WebSocket, each time a new one; None: REST only."""
        return None

    # -- REST: every method may raise ccxt's errors and VenueError

    @abstractmethod
    def instrument(self, market: Mapping[str, Any]) -> Instrument | None:
        """Return the instrument of a ccxt market, None for a kind that is not traded here."""

    @abstractmethod
    async def fetch_time_ns(self, exchange: "TrioExchange") -> int: ...

    @abstractmethod
    async def fetch_balances(self, exchange: "TrioExchange") -> tuple[Balance, ...]: ...

    async def fetch_fees(
        self, exchange: "TrioExchange", instruments: Sequence[Instrument]
    ) -> tuple[AccountFee, ...]:
        """Return the account's own fees in these markets; none where the venue does not tell."""
        return ()

    async def prepare(
        self, exchange: "TrioExchange", instruments: Sequence[Instrument], terms: DerivativeTerms
    ) -> None:
        """Set up the account for perpetuals; nothing to do at a spot venue. Asked at each start."""
        return

    async def fetch_funding(self, exchange: "TrioExchange", since_ns: int) -> list[FundingReport]:
        """Return what positions in perpetuals paid or got, oldest first; none at a spot venue."""
        return []

    async def fetch_key_rights(self, exchange: "TrioExchange") -> KeyRights:
        """Return what the key may do, as far as the venue tells."""
        return KeyRights()

    @abstractmethod
    async def fetch_open_orders(
        self, exchange: "TrioExchange", client_order_id: str | None
    ) -> list[OrderReport]: ...

    @abstractmethod
    async def fetch_closed_orders(
        self, exchange: "TrioExchange", since_ns: int, client_order_id: str | None
    ) -> list[OrderReport]: ...

    @abstractmethod
    async def fetch_my_trades(
        self, exchange: "TrioExchange", since_ns: int
    ) -> list[FillReport]: ...

    @abstractmethod
    async def submit(
        self, exchange: "TrioExchange", ticket: OrderTicket, instrument: Instrument, now_ns: int
    ) -> str:
        """Send the order in one request and return the venue's id for it."""

    async def amend(
        self,
        exchange: "TrioExchange",
        change: OrderChange,
        instrument: Instrument,
        now_ns: int,
    ) -> None:
        """Amend in one request; only where the venue's `Capabilities` say that it can."""
        raise VenueError(
            Code.INVALID, self.venue, "orders cannot be amended here: cancel it and place another"
        )

    @abstractmethod
    async def cancel(
        self, exchange: "TrioExchange", client_order_id: str | None, venue_order_id: str | None
    ) -> int: ...

    @abstractmethod
    async def cancel_all(self, exchange: "TrioExchange") -> int: ...

    @abstractmethod
    async def fetch_transfers(
        self, exchange: "TrioExchange", since_ns: int
    ) -> list[TransferReport]: ...

    # -- streams

    @abstractmethod
    async def subscription(self, exchange: "TrioExchange", topic: Topic) -> Subscription:
        """Return how to subscribe now (it may fetch a token); forget the old state."""

    @abstractmethod
    def is_private(self, exchange: "TrioExchange", url: str) -> bool:
        """Return whether what goes over this connection must be redacted."""

    @abstractmethod
    def decode(self, message: object, now_ns: int) -> list[Decoded] | Refused | None:
        """Turn one frame into events, in order; None when it is ccxt's business (pings, status).

        Raises `StreamError` when one topic must be resynchronised, `MalformedFrameError` when the
        frame is not what the protocol says.
        """
