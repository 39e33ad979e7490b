"""USD-M's stream frames as typed events, where they are not spot's.

Trades are aggregated ones, which are numbered without gaps. The ticker names no best bid and ask:
they are 0 there.
"""

from collections.abc import Callable
from decimal import Decimal

from exchanges.adapters.base import (
    Decoded,
    MalformedFrameError,
    StreamError,
    StreamEvent,
    Topic,
)
from exchanges.adapters.binance_streams import STATUS, BinanceStreams, Row, levels, nanoseconds
from exchanges.types import (
    Balance,
    Balances,
    Book,
    Execution,
    ExecutionKind,
    Fee,
    OrderStatus,
    PublicTrade,
    Ticker,
)

# Words that an algo order's status is told in; once triggered it is an order, told as one.
ALGO_STATUS: dict[str, OrderStatus] = {
    "NEW": "open",
    "CANCELED": "canceled",
    "EXPIRED": "expired",
    "REJECTED": "rejected",
}
_KIND: dict[str, ExecutionKind] = {
    "NEW": "accepted",
    "TRADE": "fill",
    # What a liquidation executes.
    "CALCULATED": "fill",
    "CANCELED": "canceled",
    "EXPIRED": "expired",
    "AMENDMENT": "amended",
}
_ALGO_KIND: dict[OrderStatus, ExecutionKind] = {"open": "accepted", "canceled": "canceled"}
# How the ids of orders begin that the venue places itself.
_FORCED = ("autoclose-", "adl_autoclose", "settlement_autoclose-", "delivery_autoclose-")


def is_forced(client_order_id: str) -> bool:
    """Return whether an order is the venue's own: liquidation, deleveraging, settlement."""
    return client_order_id.startswith(_FORCED)


class UsdmStreams(BinanceStreams):
    """See `BinanceStreams`."""

    trade_stream = "aggTrade"

    def _book(self, topic: Topic, row: Row, now_ns: int) -> list[StreamEvent]:
        instrument = self._instruments[topic.symbol]
        bids, asks = levels(row["b"], instrument), levels(row["a"], instrument)
        if bids and asks and bids[0][0] >= asks[0][0]:
            raise StreamError(topic, "crossed", "the best bid is not below the best ask")
        book = Book(
            symbol=topic.symbol,
            bids=bids[: topic.detail],
            asks=asks[: topic.detail],
            snapshot=topic in self._fresh,
            at_ns=nanoseconds(row["T"]),
            received_ns=now_ns,
        )
        self._fresh.discard(topic)
        return [book]

    def _trade(self, topic: Topic, row: Row, now_ns: int) -> list[StreamEvent]:
        return super()._trade(topic, {**row, "t": row["a"]}, now_ns)

    def _past_trade(self, topic: Topic, row: Row, now_ns: int) -> PublicTrade:
        names = {"id": "a", "isBuyerMaker": "m", "price": "p", "qty": "q", "time": "T"}
        return super()._past_trade(topic, {n: row[its] for n, its in names.items()}, now_ns)

    def _ticker(self, topic: Topic, row: Row, now_ns: int) -> list[StreamEvent]:
        ticker = Ticker(
            symbol=topic.symbol,
            bid_ticks=0,
            bid_lots=0,
            ask_ticks=0,
            ask_lots=0,
            last_ticks=self._instruments[topic.symbol].ticks(str(row["c"])),
            volume_24h=str(row["v"]),
            received_ns=now_ns,
        )
        return [ticker]

    # -- the account

    def _account(self, event: Row, now_ns: int) -> list[Decoded] | None:
        kind = str(event.get("e"))
        tell: dict[str, tuple[Topic, Callable[[Row, int], StreamEvent | None]]] = {
            "ORDER_TRADE_UPDATE": (Topic("executions"), self._order_event),
            "ALGO_UPDATE": (Topic("executions"), self._algo_event),
            "ACCOUNT_UPDATE": (Topic("balances"), self._account_event),
        }
        if kind not in tell:
            return []
        topic, decode = tell[kind]
        try:
            told = decode(event, now_ns)
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            detail = f"{type(error).__name__}: {error}"
            raise MalformedFrameError(kind, detail) from error
        return [Decoded(topic, told)] if told is not None else []

    def _order_event(self, event: Row, now_ns: int) -> Execution:
        row = event["o"]
        kind = _KIND.get(row["x"], "status")
        is_fill = kind == "fill"
        price = str(row["p"])
        return Execution(
            kind=kind,
            venue_order_id=f"{row['s']}-{row['i']}",
            client_order_id=row["c"],
            symbol=self._symbol(row["s"]),
            side="buy" if row["S"] == "BUY" else "sell",
            status=STATUS.get(row["X"], "unknown"),
            at_ns=nanoseconds(row["T"]),
            received_ns=now_ns,
            snapshot=False,
            quantity=str(row["q"]),
            price=price if price.strip("0.") and row["o"] != "MARKET" else None,
            filled=str(row["z"]),
            exec_id=f"{row['s']}-{row['t']}" if is_fill else "",
            last_price=str(row["L"]) if is_fill else "",
            last_quantity=str(row["l"]) if is_fill else "",
            fees=(Fee(asset=row["N"], amount=str(row["n"])),) if is_fill and row.get("N") else (),
            liquidity="maker" if row["m"] else "taker",
            realised=str(row["rp"]) if is_fill else "0",
            forced=is_forced(str(row["c"])),
        )

    def _algo_event(self, event: Row, now_ns: int) -> Execution | None:
        row = event["o"]
        status = ALGO_STATUS.get(row["X"])
        if status is None:
            # It was triggered: what becomes of it is told as an order.
            return None
        return Execution(
            kind=_ALGO_KIND.get(status, "expired"),
            venue_order_id=f"{row['s']}-a{row['aid']}",
            client_order_id=row["caid"],
            symbol=self._symbol(row["s"]),
            side="buy" if row["S"] == "BUY" else "sell",
            status=status,
            at_ns=nanoseconds(event["T"]),
            received_ns=now_ns,
            snapshot=False,
            quantity=str(row["q"]),
            filled="0",
            reason=str(row.get("rm") or ""),
        )

    def _account_event(self, event: Row, now_ns: int) -> Balances:
        told = event["a"]
        wallet = [Balance(asset=row["a"], total=str(row["wb"])) for row in told["B"]]
        positions = [
            Balance(asset=self._symbol(row["s"]), total=str(Decimal(row["pa"])))
            for row in told["P"]
            if row["ps"] == "BOTH"
        ]
        return Balances(
            balances=(*wallet, *positions),
            snapshot=False,
            received_ns=now_ns,
            at_ns=nanoseconds(event["T"]),
            funding=told.get("m") == "FUNDING_FEE",
        )

    def _symbol(self, venue_symbol: str) -> str:
        by_id = {each.venue_symbol: each.symbol for each in self._instruments.values()}
        return by_id.get(venue_symbol, "")
