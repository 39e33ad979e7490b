"""The client that ports use: one venue, one account or none, everything typed.

A `VenueClient` holds one ccxt exchange on trio and its adapter. Public and private REST calls are
methods; streams are `Feed`s, read with `receive()` or `async for`. Use it as

    async with open_venue("kraken", clock, credentials=..., endpoints=...) as venue:
        instruments = await venue.load_instruments()
        async with venue.watch_book("ETH/USDT", 10) as feed:
            async for event in feed:      # Book, Subscribed or Untrusted
                ...

Every method raises `VenueError` (exchanges/errors.py) and nothing else of the venue's. A feed never
raises because of the venue: it yields `Untrusted`, reconnects and resubscribes by itself, and its
first event afterwards has `snapshot` set. Cancelling a call or leaving a feed harms no other.
"""

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar

from exchanges.adapters import adapter_for
from exchanges.adapters.base import Adapter, Topic
from exchanges.errors import CCXT_RAISES, Code, VenueError, venue_error
from exchanges.exchange import TrioExchange
from exchanges.factory import build_exchange
from exchanges.feed import Feed
from exchanges.flight import Flight, flying
from exchanges.order_desk import OrderDesk
from exchanges.order_socket import OrderSocketStatistics
from exchanges.streams import Streams, StreamStatistics
from exchanges.types import (
    Accepted,
    AccountFee,
    Balances,
    Book,
    CancelAccepted,
    Candle,
    Credentials,
    DerivativeTerms,
    Endpoints,
    Execution,
    FillReport,
    FrameHook,
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
    Untrusted,
)
from messages.settings import OrderEntry
from supervisor.clock import Clock

T = TypeVar("T")

# A request without an answer after this long is given up (its outcome is then AMBIGUOUS). Kraken's
# matching answers within 1 s in bad hours; ccxt's 10 s would hold a cancellation too long.
REQUEST_TIMEOUT_MS = 5_000


def open_venue(  # noqa: PLR0913 - named only: all that one client can be told
    venue: str,
    clock: Clock,
    *,
    credentials: Credentials | None = None,
    endpoints: Endpoints | None = None,
    proxy_url: str = "",
    on_frame: FrameHook | None = None,
    request_timeout_ms: int = REQUEST_TIMEOUT_MS,
    rate_limited: bool = True,
    order_entry: OrderEntry = OrderEntry.REST,
) -> "VenueClient":
    """Return a client of `venue` (ccxt's id, such as "kraken"), to be entered with `async with`.

    Without `credentials` only public calls work; the others raise `VenueError` AUTHENTICATION.
    `endpoints` replaces the addresses ccxt knows. All connections go through `proxy_url`, an
    http://, https://, socks5:// or socks5h:// address, if it is given. `on_frame` sees every
    WebSocket text, redacted on private connections, and each answer to a request without a key.
    `rate_limited=False` leaves pacing to the
    caller. `order_entry` says by which way orders go. Raises `ValueError` for a venue that has no
    adapter, or takes no orders that way.
    """
    adapter = adapter_for(venue)
    return VenueClient(
        adapter,
        build_exchange(
            adapter,
            clock,
            credentials=credentials,
            endpoints=endpoints,
            proxy_url=proxy_url,
            request_timeout_ms=request_timeout_ms,
            rate_limited=rate_limited,
        ),
        clock,
        on_frame=on_frame,
        order_entry=order_entry if credentials is not None else OrderEntry.REST,
    )


class VenueClient:
    """See the module's docstring. Built by `open_venue`."""

    def __init__(
        self,
        adapter: Adapter,
        exchange: TrioExchange,
        clock: Clock,
        on_frame: FrameHook | None = None,
        order_entry: OrderEntry = OrderEntry.REST,
    ) -> None:
        self.venue = adapter.venue
        self.time_step_ns = adapter.time_step_ns
        """In what steps the venue tells its time."""
        self._adapter = adapter
        self._exchange = exchange
        self._clock = clock
        self._streams = Streams(adapter, exchange, clock, on_frame)
        self._on_frame = on_frame
        if on_frame is not None:
            exchange.answer_hook = lambda url, text: on_frame("http", url, text)
        self._desk = OrderDesk(adapter, exchange, clock, order_entry, on_frame)

    def __repr__(self) -> str:
        return f"VenueClient({self.venue!r})"

    async def __aenter__(self) -> Self:
        if self._on_frame is not None:
            self._on_frame("open", self.venue, "")
        await self._exchange.__aenter__()
        self._desk.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._streams.close()
        await self._exchange.__aexit__(kind, error, traceback)

    def trades_only(self, symbols: tuple[str, ...]) -> None:
        """Say which symbols the account trades: some venues are asked for orders one by one."""
        self._adapter.traded = symbols

    # -- reference data

    async def load_instruments(self, *, reload: bool = False) -> list[Instrument]:
        """Return every instrument of the venue, loaded once unless `reload`."""
        # ccxt keeps an empty list like any other.
        reload = reload or not self._adapter.instruments
        markets = await self._call(lambda: self._exchange.load_markets(reload))
        found = [self._adapter.instrument(market) for market in markets.values()]
        instruments = [each for each in found if each is not None]
        if not instruments:
            # ccxt takes an answer that it could not read for an empty list; remembered, it would
            # have every order refused for as long as the connection lives.
            raise VenueError(
                Code.UNAVAILABLE, self.venue, "it listed no instrument: the list was not readable"
            )
        self._adapter.instruments.clear()
        self._adapter.instruments.update({each.symbol: each for each in instruments})
        return instruments

    def instrument(self, symbol: str) -> Instrument:
        """Return one instrument. Raises `VenueError` INVALID when unknown or not yet loaded."""
        try:
            return self._adapter.instruments[symbol]
        except KeyError:
            raise VenueError(
                Code.INVALID, self.venue, f"no instrument {symbol}: call load_instruments() first"
            ) from None

    async def fetch_time_ns(self) -> int:
        """Return the venue's clock (its resolution is often a second)."""
        return await self._call(lambda: self._adapter.fetch_time_ns(self._exchange))

    # -- account

    async def fetch_balances(self) -> Balances:
        """Return all balances of the account, free, used and total as decimal strings."""
        balances = await self._call(lambda: self._adapter.fetch_balances(self._exchange))
        return Balances(balances=balances, snapshot=True, received_ns=self._clock.now_ns())

    async def prepare(self, symbols: Sequence[str], terms: DerivativeTerms) -> None:
        """Set up the account for perpetuals; nothing at a spot venue. REJECTED: it says no."""
        instruments = [self.instrument(symbol) for symbol in symbols]
        await self._call(lambda: self._adapter.prepare(self._exchange, instruments, terms))

    async def fetch_funding(self, since_ns: int) -> list[FundingReport]:
        """Return what positions in perpetuals paid or got since `since_ns`, oldest first."""
        return await self._call(lambda: self._adapter.fetch_funding(self._exchange, since_ns))

    async def fetch_key_rights(self) -> KeyRights:
        """Return what the key may do, as far as the venue tells. Raises `VenueError`."""
        return await self._call(lambda: self._adapter.fetch_key_rights(self._exchange))

    async def fetch_fees(self, symbols: Sequence[str]) -> tuple[AccountFee, ...]:
        """Return what the account pays in these markets. Raises `VenueError`."""
        instruments = [self.instrument(symbol) for symbol in symbols]
        return await self._call(lambda: self._adapter.fetch_fees(self._exchange, instruments))

    async def fetch_open_orders(self, client_order_id: str | None = None) -> list[OrderReport]:
        """Return the account's open orders, or those of them with `client_order_id`."""
        return await self._call(
            lambda: self._adapter.fetch_open_orders(self._exchange, client_order_id)
        )

    async def fetch_closed_orders(
        self, since_ns: int, client_order_id: str | None = None
    ) -> list[OrderReport]:
        """Return every order closed since `since_ns`, all pages, or those with our id."""
        return await self._call(
            lambda: self._adapter.fetch_closed_orders(self._exchange, since_ns, client_order_id)
        )

    async def fetch_orders_by_client_id(
        self, client_order_id: str, since_ns: int
    ) -> list[OrderReport]:
        """Return every order that carries our id, open first, then closed since `since_ns`.

        An empty list is one reading of absence, not a proof: venues show an order late.
        """
        open_orders = await self.fetch_open_orders(client_order_id)
        return open_orders + await self.fetch_closed_orders(since_ns, client_order_id)

    async def fetch_my_trades(self, since_ns: int) -> list[FillReport]:
        """Return every fill of the account since `since_ns`, all pages, oldest first."""
        return await self._call(lambda: self._adapter.fetch_my_trades(self._exchange, since_ns))

    async def fetch_transfers(self, since_ns: int) -> list[TransferReport]:
        """Return every movement of the account since `since_ns` that is no trade, oldest first."""
        return await self._call(lambda: self._adapter.fetch_transfers(self._exchange, since_ns))

    # -- orders

    async def submit(self, ticket: OrderTicket) -> Accepted:
        """Send one order, exactly once. Raises `VenueError`; AMBIGUOUS means it may be live."""
        instrument = self.instrument(ticket.symbol)
        venue_order_id = await self._call(
            lambda: self._desk.submit(ticket, instrument),
            Flight(is_order=True, reduces=ticket.reduces),
        )
        return Accepted(
            client_order_id=ticket.client_order_id,
            venue_order_id=venue_order_id,
            received_ns=self._clock.now_ns(),
        )

    async def amend(self, change: OrderChange) -> None:
        """Amend one order in place, asked once. Raises `VenueError`; AMBIGUOUS: it may have been.

        NOT_FOUND: it is not open. INVALID at a venue that cannot (`exchanges.capabilities`).
        """
        instrument = self.instrument(change.symbol)
        await self._call(lambda: self._desk.amend(change, instrument), Flight(is_order=True))

    async def cancel(
        self, *, client_order_id: str | None = None, venue_order_id: str | None = None
    ) -> CancelAccepted:
        """Ask to cancel one order, by exactly one of the two ids. NOT_FOUND: it is not open."""
        if (client_order_id is None) == (venue_order_id is None):
            raise ValueError("cancel() takes exactly one of client_order_id and venue_order_id")
        count = await self._call(lambda: self._desk.cancel(client_order_id, venue_order_id))
        return CancelAccepted(count=count, received_ns=self._clock.now_ns())

    async def cancel_all(self) -> CancelAccepted:
        """Ask to cancel every open order of the account."""
        count = await self._call(lambda: self._adapter.cancel_all(self._exchange))
        return CancelAccepted(count=count, received_ns=self._clock.now_ns())

    # -- streams

    def watch_book(self, symbol: str, depth: int = 10) -> Feed[Book | Subscribed | Untrusted]:
        """Stream the top `depth` levels of a book. Only the newest is kept for a slow reader."""
        return self._open(Topic("book", symbol, depth))

    def watch_trades(self, symbol: str) -> Feed[PublicTrade | Subscribed | Untrusted]:
        """Stream everybody's trades."""
        return self._open(Topic("trades", symbol))

    def watch_ticker(self, symbol: str) -> Feed[Ticker | Subscribed | Untrusted]:
        """Stream the ticker. Only the newest is kept for a slow reader."""
        return self._open(Topic("ticker", symbol))

    def watch_candles(
        self, symbol: str, interval_s: int = 60
    ) -> Feed[Candle | Subscribed | Untrusted]:
        """Stream candles of `interval_s` seconds, the current one whenever it changes."""
        return self._open(Topic("candles", symbol, interval_s))

    def watch_executions(self) -> Feed[Execution | Subscribed | Untrusted]:
        """Stream the account's fills and order changes, lossless between two `Untrusted`."""
        return self._open(Topic("executions"))

    def watch_balances(self) -> Feed[Balances | Subscribed | Untrusted]:
        """Stream the account's balances: a snapshot, then what changes."""
        return self._open(Topic("balances"))

    def statistics(self) -> StreamStatistics:
        """Return frames, malformed frames, reconnections and drops since the client was built."""
        return self._streams.statistics()

    def order_statistics(self) -> OrderSocketStatistics | None:
        """Return the counts of the order socket; None where orders go over REST only."""
        return self._desk.statistics()

    # -- inside

    def _open(self, topic: Topic) -> Feed[T]:
        if topic.symbol:
            self.instrument(topic.symbol)
        return self._streams.open(topic)

    async def _call(self, request: Callable[[], Awaitable[T]], flight: Flight | None = None) -> T:
        flight = flight or Flight()
        try:
            with flying(flight):
                return await request()
        except VenueError:
            raise
        except CCXT_RAISES as error:
            raise venue_error(
                error,
                self.venue,
                rules=self._adapter.error_rules,
                secrets=self._exchange.secret_texts(),
                flight=flight,
            ) from None
