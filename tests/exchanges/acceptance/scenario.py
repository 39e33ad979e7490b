"""What is done to a box and what is looked at, the same for ccxt's asyncio class and for ours.

Two boxes with one seed and clocks that only move when told are alike to the last id, so everything
that both classes return can be compared, except what `canonical` names.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, Protocol

SYMBOL = "ETH/USDT"
START_MS = 1_721_304_000_000
STEPS = 5
STEP_MS = 1_300
WAIT_S = 5.0
POLL_S = 0.02

# ccxt objects and what they return.
Untyped = Any


class Side(Protocol):
    """One class with its loop."""

    exchange: Untyped

    async def advance(self, milliseconds: int) -> None:
        """Move the box's clock."""

    async def sleep(self, seconds: float) -> None: ...

    def keep(self, watch: Callable[[], Awaitable[Untyped]]) -> None:
        """Go on watching in the background."""


async def play(side: Side) -> dict[str, Untyped]:
    """Do everything; return what was seen, by name."""
    seen: dict[str, Untyped] = {}
    await _public(side.exchange, seen)
    await _private(side, seen)
    await _watched(side, seen)
    await _refused(side.exchange, seen)
    return {name: canonical(value) for name, value in seen.items()}


async def _public(exchange: Untyped, seen: dict[str, Untyped]) -> None:
    seen["markets"] = await exchange.load_markets()
    seen["currencies"] = exchange.currencies
    seen["time"] = await exchange.publicGetTime()
    seen["ticker"] = await exchange.fetch_ticker(SYMBOL)
    seen["book"] = await exchange.fetch_order_book(SYMBOL, 10)
    seen["trades"] = await exchange.fetch_trades(SYMBOL, limit=50)
    seen["candles"] = await exchange.fetch_ohlcv(SYMBOL)


async def _private(side: Side, seen: dict[str, Untyped]) -> None:
    exchange = side.exchange
    limit = {"clientOrderId": _id(1), "postOnly": True, "timeInForce": "GTC"}
    limit["deadline"] = "2024-07-18T12:00:20.000Z"
    seen["placed"] = await exchange.create_order(
        SYMBOL, "limit", "buy", "0.1", "1500.00", {**limit}
    )
    seen["open"] = await exchange.privatePostOpenOrders({"trades": "true"})
    seen["open by id"] = await exchange.privatePostOpenOrders({"cl_ord_id": _id(1)})
    await side.advance(STEP_MS)
    seen["cancelled"] = await exchange.cancel_order("", None, {"clientOrderId": _id(1)})
    seen["taken"] = await exchange.create_order(
        SYMBOL, "limit", "buy", "0.05", "9000.00", {"clientOrderId": _id(2), "timeInForce": "IOC"}
    )
    await exchange.create_order(
        SYMBOL, "limit", "sell", "0.1", "9000.00", {"clientOrderId": _id(3)}
    )
    seen["all cancelled"] = await exchange.privatePostCancelAll()
    seen["balances"] = await exchange.privatePostBalanceEx()
    seen["balance"] = await exchange.fetch_balance()
    page = {"start": "0", "ofs": "0"}
    closed = {**page, "trades": "true", "closetime": "close"}
    seen["closed"] = await exchange.privatePostClosedOrders(closed)
    seen["fills"] = await exchange.privatePostTradesHistory(page)
    seen["ledger"] = await exchange.privatePostLedgers(page)
    seen["parsed open"] = await exchange.fetch_open_orders(SYMBOL)
    seen["parsed closed"] = await exchange.fetch_closed_orders(SYMBOL)
    seen["parsed fills"] = await exchange.fetch_my_trades(SYMBOL)


async def _watched(side: Side, seen: dict[str, Untyped]) -> None:
    exchange = side.exchange
    for watch in (
        lambda: exchange.watch_order_book(SYMBOL, 10),
        lambda: exchange.watch_trades(SYMBOL),
        lambda: exchange.watch_ticker(SYMBOL),
        lambda: exchange.watch_ohlcv(SYMBOL, "1m"),
        exchange.watch_my_trades,
        exchange.watch_orders,
        exchange.watch_balance,
    ):
        side.keep(watch)
        # One after the other: of the two that share a channel, the first decides what is asked for.
        await side.sleep(POLL_S)
    await _until(side, lambda: SYMBOL in exchange.orderbooks and "spot" in exchange.balance)
    seen["watched books"] = []
    for step in range(STEPS):
        await side.advance(STEP_MS)
        if step % 2:
            kind = {"clientOrderId": _id(10 + step)}
            await exchange.create_order(SYMBOL, "market", "sell", "0.02", None, kind)
        elif step:
            kind = {"clientOrderId": _id(10 + step), "timeInForce": "GTC"}
            placed = await exchange.create_order(SYMBOL, "limit", "buy", "0.1", "1500.00", kind)
            await exchange.cancel_order(placed["id"])
        levels = _levels(await exchange.fetch_order_book(SYMBOL, 10))
        await _until(side, partial(_shows, exchange, levels))
        seen["watched books"].append(levels)
    await _caught_up(side)
    seen["watched trades"] = list(exchange.trades[SYMBOL])[-50:]
    seen["watched candles"] = [list(candle) for candle in exchange.ohlcvs[SYMBOL]["1m"]]
    seen["watched ticker"] = exchange.tickers[SYMBOL]
    seen["watched orders"] = list(exchange.orders)
    seen["watched fills"] = list(exchange.myTrades)
    seen["watched balance"] = exchange.balance["spot"]


def _shows(exchange: Untyped, levels: Untyped) -> bool:
    return bool(_levels(exchange.orderbooks[SYMBOL]) == levels)


async def _caught_up(side: Side) -> None:
    """Wait until the streams show what the venue answers by REST."""
    exchange = side.exchange
    trades = await exchange.fetch_trades(SYMBOL)
    candles = await exchange.fetch_ohlcv(SYMBOL)
    fills = await exchange.fetch_my_trades(SYMBOL)
    balance = await exchange.fetch_balance()
    await _until(side, lambda: exchange.trades[SYMBOL][-1]["price"] == trades[-1]["price"])
    await _until(side, lambda: list(exchange.ohlcvs[SYMBOL]["1m"][-1]) == candles[-1])
    wanted = {fill["id"] for fill in fills[-(STEPS // 2) :]}
    await _until(side, lambda: wanted <= {fill["id"] for fill in exchange.myTrades})
    await _until(side, lambda: exchange.balance["spot"]["total"] == balance["total"])
    # ccxt keeps an order twice whose last report comes without its symbol.
    await _until(side, lambda: sum(o["status"] != "open" for o in exchange.orders) == STEPS - 1)


async def _until(side: Side, holds: Callable[[], bool]) -> None:
    for _ in range(int(WAIT_S / POLL_S)):
        if holds():
            return
        await side.sleep(POLL_S)
    raise AssertionError(f"the streams did not catch up in {WAIT_S} s")


async def _refused(exchange: Untyped, seen: dict[str, Untyped]) -> None:
    create = exchange.create_order
    refused = []
    for ask in (
        create(SYMBOL, "limit", "buy", "100", "2000.00", {"clientOrderId": _id(20)}),
        create(SYMBOL, "limit", "buy", "0.001", "2000.00", {"clientOrderId": _id(21)}),
        create(SYMBOL, "limit", "buy", "0.1", "9000.00", {"postOnly": True}),
        exchange.cancel_order("OAAAAA-AAAAA-AAAAAA"),
        exchange.publicGetDepth({"pair": "NOPE"}),
    ):
        try:
            refused.append(["answered", await ask])
        except exchange_error() as error:
            refused.append([type(error).__name__, str(error)])
    seen["refused"] = refused


def exchange_error() -> type[Exception]:
    """Return ccxt's root of errors, of whichever loading of ccxt is in force."""
    from ccxt.base.errors import BaseError

    found: type[Exception] = BaseError
    return found


def _id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def _levels(book: Untyped) -> list[list[list[float]]]:
    return [[[float(n) for n in level[:2]] for level in book[s][:10]] for s in ("bids", "asks")]


def canonical(value: Untyped, *, raw: bool = False) -> Untyped:
    """Return `value` as JSON, without the differences that are meant.

    The venue's own words (`info`, and answers of the methods named after its endpoints, which have
    an `error` key), and the fee that ccxt takes over from them, are text with us where ccxt's
    parser has made numbers of them: they are compared by value. Everything else must be equal as
    it is.
    """
    if isinstance(value, dict):
        is_answer = raw or "error" in value
        return {k: canonical(v, raw=is_answer or k in ("info", "fee")) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(each, raw=raw) for each in value]
    if raw and not isinstance(value, bool) and isinstance(value, int | float | str):
        return _by_value(str(value))
    return float(value) if isinstance(value, float) else value


def _by_value(text: str) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return format(number.normalize(), "f") if number.is_finite() else text
