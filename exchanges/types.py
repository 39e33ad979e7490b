"""What the exchanges layer gives to its callers: typed values, never ccxt's dicts.

Market data is in integers of the instrument's tick and lot, because books are hot. Private numbers
(balances, fills, fees) are decimal strings, exactly as the venue wrote them; `Instrument.ticks` and
`Instrument.lots` turn them into integers. Times are UTC nanoseconds; 0 means the venue gave none.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from exchanges.grid import grid
from exchanges.turns import KeyTurns

Side = Literal["buy", "sell"]
OrderType = Literal["limit", "market"]
TimeInForce = Literal["GTC", "IOC", "FOK"]
Liquidity = Literal["maker", "taker", "unknown"]
# The life of an order as the venue tells it; `unknown` is a word the adapter has no entry for.
OrderStatus = Literal[
    "pending", "open", "partially_filled", "filled", "canceled", "expired", "rejected", "unknown"
]
# Why an execution report was sent.
ExecutionKind = Literal["accepted", "fill", "canceled", "expired", "amended", "status"]


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue says about one market; a perpetual's symbol is like `ETH/USDT:USDT`.

    `tick_size` and `lot_size` are decimal strings; `price_decimals` and `quantity_decimals` are the
    digits behind the point that the venue writes. Fees are fractions ("0.0026" is 26 bps), the
    first step of the venue's schedule.
    """

    symbol: str
    venue_symbol: str
    base: str
    quote: str
    tick_size: str
    lot_size: str
    price_decimals: int
    quantity_decimals: int
    min_quantity_lots: int
    min_notional: str
    maker_fee: str
    taker_fee: str
    active: bool = True

    def ticks(self, text: str) -> int:
        """Return a price in ticks. Raises `OffGridError` when it is not on the grid."""
        return grid(self.tick_size).units(text)

    def lots(self, text: str) -> int:
        """Return a quantity in lots. Raises `OffGridError` when it is not on the grid."""
        return grid(self.lot_size).units(text)

    def price_text(self, ticks: int) -> str:
        """Return the decimal string of a price in ticks."""
        return grid(self.tick_size).text(ticks)

    def quantity_text(self, lots: int) -> str:
        """Return the decimal string of a quantity in lots."""
        return grid(self.lot_size).text(lots)


class Credentials:
    """An account's key at a venue. Never shown by `repr`, never encoded, never compared.

    Clients of one key must be given the same object: they take turns and share nonces through it.
    """

    __slots__ = ("_api_key", "_passphrase", "_secret", "turns")

    def __init__(self, api_key: str, secret: str, passphrase: str = "") -> None:
        self._api_key = api_key
        self._secret = secret
        self._passphrase = passphrase
        self.turns = KeyTurns()

    def __repr__(self) -> str:
        return "Credentials(***)"

    def __reduce__(self) -> str:
        raise TypeError("credentials are never pickled or copied: pass the object itself")

    def reveal(self) -> tuple[str, str]:
        """Return (api key, secret). Only the factory of exchange objects calls this."""
        return self._api_key, self._secret

    def reveal_passphrase(self) -> str:
        """Return what some venues want beside the key; "" where there is none."""
        return self._passphrase


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where a venue is, when it is not at the addresses ccxt knows.

    `rest` is like ``http://127.0.0.1:8080``; `websocket_public` and `websocket_private` are
    complete WebSocket addresses with their path, like ``ws://127.0.0.1:8080/v2``.
    """

    rest: str
    websocket_public: str
    websocket_private: str


class OrderTicket(msgspec.Struct, frozen=True, kw_only=True):
    """One order to submit.

    `price_ticks` is None exactly for a market order. The venue is told to forget the submit if it
    has not accepted it by `expires_at_ns` (0: no such bound); the adapter rounds to what the venue
    takes and raises INVALID when the bound lies outside its range.
    """

    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    quantity_lots: int
    price_ticks: int | None = None
    time_in_force: TimeInForce = "GTC"
    post_only: bool = False
    expires_at_ns: int = 0
    reduces: bool = False
    """It only reduces a position: it does not wait behind entries. Spot venues are not told."""
    trigger: Literal["", "stop", "take_profit"] = ""
    """Not "": the order waits at the venue until the last price reaches `trigger_ticks`."""
    trigger_ticks: int = 0


class DerivativeTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How an account trades perpetuals."""

    leverage: int = 1
    margin: Literal["cross", "isolated"] = "cross"
    trigger_by: Literal["mark", "last"] = "mark"
    """Which price fires stop and take-profit orders."""


class OrderChange(msgspec.Struct, frozen=True, kw_only=True):
    """An open limit order as it is to be: all of its quantity, what has filled included.

    `expires_at_ns` bounds the request as it does an `OrderTicket`'s.
    """

    client_order_id: str
    venue_order_id: str
    symbol: str
    quantity_lots: int
    price_ticks: int
    post_only: bool = False
    expires_at_ns: int = 0


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The venue has taken the order. `received_ns` is our clock when its answer was complete."""

    client_order_id: str
    venue_order_id: str
    received_ns: int


class CancelAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The venue has taken a cancellation; the order's end comes as an execution report."""

    count: int
    received_ns: int


class KeyRights(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may do; None: the venue does not tell."""

    may_trade: bool | None = None
    may_withdraw: bool | None = None


class AccountFee(msgspec.Struct, frozen=True, kw_only=True):
    """What an account pays in one market, as fractions (`0.0025`): its own tier, not the listed."""

    symbol: str
    maker: str
    taker: str


class Fee(msgspec.Struct, frozen=True, kw_only=True):
    """A fee in the asset it was charged in; `amount` is a decimal string, a rebate is negative."""

    asset: str
    amount: str


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """One asset of an account, or contracts of a perpetual, named by its symbol: short below zero.

    `free` and `used` are None where the venue tells only the total.
    """

    asset: str
    total: str
    free: str | None = None
    used: str | None = None


class Balances(msgspec.Struct, frozen=True, kw_only=True):
    """All of an account (`snapshot` True), or the assets that changed."""

    balances: tuple[Balance, ...]
    snapshot: bool
    received_ns: int
    at_ns: int = 0
    funding: bool = False
    """They moved because funding of perpetuals was settled."""


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the venue's books have it (REST). Numbers are decimal strings.

    `client_order_id` is None when the order was not made by us. `price` is None for a market order.
    """

    venue_order_id: str
    client_order_id: str | None
    symbol: str
    side: Side
    type: str
    status: OrderStatus
    quantity: str
    filled: str
    price: str | None
    average_price: str | None
    cost: str
    fees: tuple[Fee, ...]
    created_ns: int
    updated_ns: int
    expires_at_ns: int = 0
    reason: str = ""
    exec_ids: tuple[str, ...] = ()


class FillReport(msgspec.Struct, frozen=True, kw_only=True):
    """One of our trades (REST). `client_order_id` is None where the venue does not tell it here."""

    exec_id: str
    venue_order_id: str
    client_order_id: str | None
    symbol: str
    side: Side
    price: str
    quantity: str
    cost: str
    fees: tuple[Fee, ...]
    liquidity: Liquidity
    at_ns: int
    realised: str = "0"
    """Of a perpetual: the profit that came with it."""
    forced: bool = False
    """The venue's own order: liquidation, deleveraging, settlement."""


class FundingReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a position in a perpetual got (positive) or paid at a settlement of funding."""

    symbol: str
    asset: str
    amount: str
    reference: str
    """The venue's id of the entry, unique per account."""
    at_ns: int
    insurance: bool = False
    """No funding: what a liquidation took beyond the account's money, made good."""


class TransferReport(msgspec.Struct, frozen=True, kw_only=True):
    """Money that came (positive) or went (negative) otherwise than by a trade: its net amount.

    `kind` is the venue's word (deposit, withdrawal, staking, ...), `reference` the venue's id of
    the entry, unique per account.
    """

    asset: str
    amount: str
    kind: str
    reference: str
    at_ns: int


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One report of the private stream: a fill, or a change of an order's state.

    `snapshot` is True for what the venue repeats after (re)subscribing: it may have been seen.
    `sequence` is the venue's own number of the frame (0: it has none). `filled` and `average_price`
    are cumulative; `last_price`, `last_quantity`, `exec_id`, `fees` and `liquidity` belong to this
    fill and are empty for other kinds. Fields the venue left out of a report are None or "".
    """

    kind: ExecutionKind
    venue_order_id: str
    client_order_id: str | None
    symbol: str
    side: Side | None
    status: OrderStatus
    at_ns: int
    received_ns: int
    snapshot: bool
    sequence: int = 0
    quantity: str | None = None
    price: str | None = None
    filled: str | None = None
    average_price: str | None = None
    exec_id: str = ""
    last_price: str = ""
    last_quantity: str = ""
    fees: tuple[Fee, ...] = ()
    liquidity: Liquidity = "unknown"
    reason: str = ""
    realised: str = "0"
    forced: bool = False


class Book(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The top of a book after one frame: (price in ticks, quantity in lots), best level first.

    `snapshot` is True for the first one after (re)subscribing.
    """

    symbol: str
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    snapshot: bool
    at_ns: int
    received_ns: int


class PublicTrade(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Somebody's trade. `side` is the taker's."""

    symbol: str
    trade_id: str
    side: Side
    price_ticks: int
    quantity_lots: int
    snapshot: bool
    at_ns: int
    received_ns: int


class Ticker(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Top of book and last price. A side that is empty has price and quantity 0."""

    symbol: str
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    last_ticks: int
    volume_24h: str
    received_ns: int


class Candle(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One bar as it stands; it may come again until it is over. `volume` is of the base asset."""

    symbol: str
    interval_s: int
    open_at_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume: str
    trades: int
    snapshot: bool
    received_ns: int


class Untrusted(msgspec.Struct, frozen=True, kw_only=True):
    """The stream cannot be believed until its next `Subscribed`, which the client brings about.

    `kind` is `disconnected`, `malformed`, `checksum`, `crossed`, `overflow`, `sequence` or
    `refused` (the venue did not take the subscription). Whoever holds orders reconciles after it.
    """

    stream: str
    kind: str
    detail: str
    received_ns: int


class Subscribed(msgspec.Struct, frozen=True, kw_only=True):
    """The venue has taken the subscription, the first time or again after `Untrusted`.

    The venue's snapshot follows (it may be empty: then nothing does); from here the stream is
    continuous until the next `Untrusted`.
    """

    stream: str
    received_ns: int


# What went over the wire: a message "in" or "out" and the "closed" of a connection labelled such as
# "kraken/public", the "http" answer of a URL, the "open" of a client. Never a secret in it.
FrameKind = Literal["open", "http", "out", "in", "closed"]
FrameHook = Callable[[FrameKind, str, str], None]
