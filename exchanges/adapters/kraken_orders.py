"""Order entry over Kraken's WebSocket v2: `add_order`, `amend_order`, `cancel_order`.

Numbers go out as JSON numbers with the very digits of our texts. The token lives as long as its
connection has a private subscription: executions, told as rarely as Kraken can be asked to.
Sources: docs.kraken.com/api/docs/websocket-v2 (add_order, amend_order, cancel_order, executions).
"""

from typing import TYPE_CHECKING

import msgspec

from exchanges.adapters.wires import LOG_ON_NUMBER, OrderWire, Reply, UnreadableReplyError
from exchanges.errors import Code, VenueError
from exchanges.timestamps import NANOSECONDS_PER_SECOND, rfc3339_text
from exchanges.types import Instrument, OrderChange, OrderTicket

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange

# AddOrder's `deadline` must lie this far from now (its documentation); a longer bound is cut.
DEADLINE_NS_MIN = 2 * NANOSECONDS_PER_SECOND
DEADLINE_NS_MAX = 60 * NANOSECONDS_PER_SECOND
_TRIGGERED = {"stop": "stop-loss", "take_profit": "take-profit"}


class _Triggers(msgspec.Struct):
    price: msgspec.Raw
    reference: str = "last"


class _AddOrder(msgspec.Struct, omit_defaults=True):
    token: str
    cl_ord_id: str
    symbol: str
    side: str
    order_type: str
    order_qty: msgspec.Raw
    limit_price: msgspec.Raw | None = None
    time_in_force: str | None = None
    post_only: bool = False
    deadline: str = ""
    triggers: _Triggers | None = None


class _AmendOrder(msgspec.Struct, omit_defaults=True):
    token: str
    order_id: str
    order_qty: msgspec.Raw
    limit_price: msgspec.Raw
    post_only: bool = False
    deadline: str = ""


class _CancelOrder(msgspec.Struct, omit_defaults=True):
    token: str
    order_id: tuple[str, ...] = ()
    cl_ord_id: tuple[str, ...] = ()


class _Subscribe(msgspec.Struct):
    token: str
    channel: str = "executions"
    snap_orders: bool = False
    snap_trades: bool = False
    order_status: bool = False


class _Request(msgspec.Struct):
    method: str
    params: msgspec.Struct
    req_id: int


class _Result(msgspec.Struct):
    order_id: str = ""


class _Answer(msgspec.Struct):
    """Everything Kraken sends; a channel's frame has no number."""

    req_id: int | None = None
    success: bool = False
    result: _Result | None = None
    error: str = ""


class KrakenOrders(OrderWire):
    """The frames of one account."""

    def __init__(self) -> None:
        self._token = ""
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(_Answer).decode

    def url(self, exchange: "TrioExchange") -> str:
        return str(exchange.urls["api"]["ws"]["privateV2"])

    async def log_on(self, exchange: "TrioExchange") -> bytes | None:
        answer = await exchange.privatePostGetWebSocketsToken()
        self._token = answer["result"]["token"]
        return self._frame("subscribe", _Subscribe(self._token), LOG_ON_NUMBER)

    def submit(
        self,
        exchange: "TrioExchange",
        number: int,
        ticket: OrderTicket,
        instrument: Instrument,
        now_ns: int,
    ) -> bytes:
        refuse_fill_or_kill(ticket)
        params = _AddOrder(
            self._token,
            ticket.client_order_id,
            instrument.symbol,
            ticket.side,
            ticket.type,
            _number(instrument.quantity_text(ticket.quantity_lots)),
            post_only=ticket.post_only,
        )
        if ticket.type == "limit":
            assert ticket.price_ticks is not None, "a limit order has a price"
            params.limit_price = _number(instrument.price_text(ticket.price_ticks))
            params.time_in_force = ticket.time_in_force.lower()
        if ticket.trigger:
            rests = "-limit" if ticket.type == "limit" else ""
            params.order_type = _TRIGGERED[ticket.trigger] + rests
            params.triggers = _Triggers(_number(instrument.price_text(ticket.trigger_ticks)))
        if ticket.expires_at_ns:
            params.deadline = deadline_text(ticket.expires_at_ns, now_ns)
        return self._frame("add_order", params, number)

    def amend(
        self,
        exchange: "TrioExchange",
        number: int,
        change: OrderChange,
        instrument: Instrument,
        now_ns: int,
    ) -> bytes | None:
        params = _AmendOrder(
            self._token,
            change.venue_order_id,
            _number(instrument.quantity_text(change.quantity_lots)),
            _number(instrument.price_text(change.price_ticks)),
            post_only=change.post_only,
        )
        if change.expires_at_ns:
            params.deadline = deadline_text(change.expires_at_ns, now_ns)
        return self._frame("amend_order", params, number)

    def cancel(
        self,
        exchange: "TrioExchange",
        number: int,
        client_order_id: str | None,
        venue_order_id: str | None,
        now_ns: int,
    ) -> bytes | None:
        params = _CancelOrder(self._token)
        if venue_order_id is not None:
            params.order_id = (venue_order_id,)
        else:
            assert client_order_id is not None, "one of the two ids is given"
            params.cl_ord_id = (client_order_id,)
        return self._frame("cancel_order", params, number)

    def reply(self, text: str) -> Reply | None:
        try:
            answer = self._decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            raise UnreadableReplyError(f"{error}: {text[:80]}") from error
        if answer.req_id is None:
            return None
        if answer.success:
            return Reply(
                answer.req_id, venue_order_id=answer.result.order_id if answer.result else ""
            )
        return Reply(answer.req_id, refusal={"error": [answer.error or "no reason was given"]})

    def _frame(self, method: str, params: msgspec.Struct, number: int) -> bytes:
        return self._encode(_Request(method, params, number))


def refuse_fill_or_kill(ticket: OrderTicket) -> None:
    """Raise `VenueError` for what Kraken spot does not have."""
    if ticket.time_in_force == "FOK":
        raise VenueError(Code.INVALID, "kraken", "Kraken spot has no fill-or-kill orders")


def deadline_text(expires_at_ns: int, now_ns: int) -> str:
    """Return a `deadline`. Raises `VenueError` for one that is nearer than Kraken takes."""
    ahead_ns = expires_at_ns - now_ns
    if ahead_ns < DEADLINE_NS_MIN:
        raise VenueError(
            Code.INVALID,
            "kraken",
            f"the submit's bound is {ahead_ns / NANOSECONDS_PER_SECOND:.3f} s away, Kraken"
            f" takes no deadline nearer than {DEADLINE_NS_MIN // NANOSECONDS_PER_SECOND} s",
        )
    # The text is cut to milliseconds and to Kraken's maximum: earlier is always safe.
    return rfc3339_text(now_ns + min(ahead_ns, DEADLINE_NS_MAX))


def _number(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())
