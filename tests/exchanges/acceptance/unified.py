"""The same for every venue: ccxt's unified methods, played by its asyncio class and by ours.

Two boxes with one seed and clocks that only move when told are alike to the last id, so everything
that both classes return is compared; and what was seen is held to what a venue owes its clients.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Protocol

from tests.exchanges.acceptance.scenario import canonical, exchange_error
from tests.exchanges.acceptance.venues import Case

START_MS = 1_721_304_000_000
STEPS = 4
STEP_MS = 1_300
WAIT_S = 5.0
POLL_S = 0.02
AMOUNT = 0.1

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


async def play(side: Side, case: Case) -> dict[str, Untyped]:
    """Do everything; return what was seen, by name."""
    seen: dict[str, Untyped] = {}
    await _public(side.exchange, case, seen)
    await _orders(side, case, seen)
    await _traded(side, case, seen)
    if case.has_positions:
        await _positions(side.exchange, case, seen)
    await _watched(side, case, seen)
    await _refused(side.exchange, case, seen)
    return {name: canonical(value) for name, value in seen.items()}


async def _public(exchange: Untyped, case: Case, seen: dict[str, Untyped]) -> None:
    seen["markets"] = await exchange.load_markets()
    seen["ticker"] = await exchange.fetch_ticker(case.symbol)
    seen["tickers"] = await exchange.fetch_tickers([case.symbol])
    seen["book"] = await exchange.fetch_order_book(case.symbol, case.book_limit)
    seen["trades"] = await exchange.fetch_trades(case.symbol, limit=20)
    seen["candles"] = await exchange.fetch_ohlcv(case.symbol, "1m", limit=50)
    seen["balance"] = await exchange.fetch_balance()


async def _orders(side: Side, case: Case, seen: dict[str, Untyped]) -> None:
    """Place one of each type far from the market, look at it, cancel it, look again."""
    exchange, symbol = side.exchange, case.symbol
    last = seen["ticker"]["last"]
    low, high = _price(exchange, symbol, last * 0.96), _price(exchange, symbol, last * 1.04)
    kinds: dict[str, tuple[str, str, float | None, dict[str, Untyped]]] = {
        "limit": ("limit", "buy", low, {}),
        "post-only": ("limit", "buy", low, {"postOnly": True}),
        "ioc": ("limit", "buy", low, {"timeInForce": "IOC"}),
        "fok": ("limit", "buy", low, {"timeInForce": "FOK"}),
        "stop": ("market", "sell", None, {case.stop_price: low, **case.trigger_params}),
        "stop-limit": ("limit", "sell", low, {case.stop_price: low, **case.trigger_params}),
        "take": ("market", "sell", None, {"takeProfitPrice": high}),
        "take-limit": ("limit", "sell", high, {"takeProfitPrice": high}),
    }
    for number, name in enumerate(case.order_types):
        kind, way, price, params = kinds[name]
        params = {**params, **_id(case, number)}
        placed = await exchange.create_order(symbol, kind, way, AMOUNT, price, params)
        await side.advance(1)
        waits: Mapping[str, Untyped] = {}
        if "Price" in str(params) and case.waits_apart:
            waits = case.take_query if name.startswith("take") else {"trigger": True}
        found = [placed, await exchange.fetch_order(placed["id"], symbol, {**waits})]
        found.append(await exchange.fetch_open_orders(symbol, None, None, {**waits}))
        if found[1]["status"] == "open":
            found.append(await exchange.cancel_order(placed["id"], symbol, {**waits}))
            found.append(await exchange.fetch_order(placed["id"], symbol, {**waits}))
        seen[f"{name} order"] = found
    if case.can_edit:
        params = _id(case, 90)
        placed = await exchange.create_order(symbol, "limit", "buy", AMOUNT, low, params)
        is_renamed = case.edits_under_a_new_id and not case.has_positions
        more = _id(case, 91) if is_renamed else {}
        edited = await exchange.edit_order(
            placed["id"], symbol, "limit", "buy", 2 * AMOUNT, low, more
        )
        # Not every venue names the order again.
        found = await exchange.fetch_order(edited["id"] or placed["id"], symbol)
        seen["edited"] = [edited, found]
    if exchange.has["cancelAllOrders"]:
        seen["all cancelled"] = await exchange.cancel_all_orders(symbol)
    else:
        left = [order["id"] for order in await exchange.fetch_open_orders(symbol)]
        seen["all cancelled"] = await exchange.cancel_orders(left, symbol)
    seen["still open"] = await exchange.fetch_open_orders(symbol)


async def _traded(side: Side, case: Case, seen: dict[str, Untyped]) -> None:
    exchange, symbol = side.exchange, case.symbol
    price = seen["ticker"]["last"] if case.buys_by_cost else None
    ids = _id(case, 100)
    bought = await exchange.create_order(symbol, "market", "buy", AMOUNT, price, ids)
    await side.advance(STEP_MS)
    ids = _id(case, 101)
    await exchange.create_order(symbol, "market", "sell", AMOUNT / 2, None, ids)
    seen["bought"] = [bought, await exchange.fetch_order(bought["id"], symbol)]
    seen["my trades"] = await exchange.fetch_my_trades(symbol)
    if case.lists_all_orders:
        seen["orders"] = await exchange.fetch_orders(symbol)
    seen["closed orders"] = await exchange.fetch_closed_orders(symbol)
    seen["balance after"] = await exchange.fetch_balance()


async def _positions(exchange: Untyped, case: Case, seen: dict[str, Untyped]) -> None:
    symbol = case.symbol
    seen["leverage"] = await exchange.set_leverage(5, symbol)
    seen["positions"] = await exchange.fetch_positions([symbol])
    seen["funding rate"] = await exchange.fetch_funding_rate(symbol)
    seen["funding rates"] = await exchange.fetch_funding_rate_history(symbol)
    seen["funding paid"] = await exchange.fetch_funding_history(symbol)
    reduce = {**_id(case, 110), "reduceOnly": True}
    seen["reduced"] = await exchange.create_order(
        symbol, "market", "sell", AMOUNT / 2, None, reduce
    )
    seen["flat"] = await exchange.fetch_positions([symbol])


async def _watched(side: Side, case: Case, seen: dict[str, Untyped]) -> None:
    exchange, symbol = side.exchange, case.symbol
    for watch in (
        lambda: exchange.watch_order_book(symbol, case.book_limit),
        lambda: exchange.watch_trades(symbol),
        lambda: exchange.watch_ticker(symbol),
        exchange.watch_orders,
        *(_watching_account(exchange, symbol) if case.watches_account else ()),
    ):
        side.keep(watch)
        await side.sleep(POLL_S)
    await side.advance(STEP_MS)
    await _until(side, lambda: symbol in exchange.orderbooks)
    await _until(side, lambda: bool(exchange.orderbooks[symbol]["bids"]))
    await side.sleep(10 * POLL_S)
    seen["watched books"] = []
    low = _price(exchange, symbol, seen["ticker"]["last"] * 0.96)
    for step in range(STEPS):
        await side.advance(STEP_MS)
        ids = _id(case, 200 + step)
        if step % 2:
            await exchange.create_order(symbol, "market", "sell", AMOUNT / 4, None, ids)
        else:
            placed = await exchange.create_order(symbol, "limit", "buy", AMOUNT, low, ids)
            await exchange.cancel_order(placed["id"], symbol)
        await side.advance(STEP_MS)
        levels = _levels(await exchange.fetch_order_book(symbol, case.book_limit))
        await _until(side, partial(_shows, exchange, symbol, levels))
        seen["watched books"].append(levels)
    await _caught_up(side, case)
    seen["watched trades"] = list(exchange.trades[symbol])[-20:]
    seen["watched ticker"] = exchange.tickers[symbol]
    seen["watched orders"] = list(exchange.orders)
    if not case.watches_account:
        return
    seen["watched candle"] = list(exchange.ohlcvs[symbol]["1m"][-1])
    seen["watched fills"] = list(exchange.myTrades)
    seen["watched balance"] = _watched_balance(exchange, case)


def _watching_account(
    exchange: Untyped, symbol: str
) -> tuple[Callable[[], Awaitable[Untyped]], ...]:
    candles = partial(exchange.watch_ohlcv, symbol, "1m")
    return (candles, exchange.watch_my_trades, exchange.watch_balance)


async def _caught_up(side: Side, case: Case) -> None:
    """Wait until the streams show what the venue answers by REST."""
    exchange, symbol = side.exchange, case.symbol
    trades = await exchange.fetch_trades(symbol)
    ticker = await exchange.fetch_ticker(symbol)
    await _until(side, lambda: _is_same_trade(exchange.trades[symbol][-1], trades[-1]))
    await _until(side, lambda: sum(o["status"] != "open" for o in exchange.orders) == STEPS)
    await _until(side, lambda: exchange.tickers[symbol]["last"] == ticker["last"])
    if case.watches_account:
        await _account_caught_up(side, case)


async def _account_caught_up(side: Side, case: Case) -> None:
    exchange, symbol = side.exchange, case.symbol
    candles = await exchange.fetch_ohlcv(symbol, "1m")
    fills = await exchange.fetch_my_trades(symbol)
    balance = await exchange.fetch_balance()
    wanted = {fill["id"] for fill in fills[-(STEPS // 2) :]}
    await _until(side, lambda: list(exchange.ohlcvs[symbol]["1m"][-1]) == candles[-1])
    await _until(side, lambda: wanted <= {fill["id"] for fill in exchange.myTrades})
    if not case.has_positions:
        # The last event of each asset: what comes behind it would be seen by one side only.
        for asset in ("USDT", "ETH"):
            free = balance[asset]["free"]
            await _until(side, partial(_is_free, exchange, case, asset, free))


async def _until(side: Side, holds: Callable[[], bool]) -> None:
    for _ in range(int(WAIT_S / POLL_S)):
        if holds():
            return
        await side.sleep(POLL_S)
    raise AssertionError(f"the streams did not catch up in {WAIT_S} s")


async def _refused(exchange: Untyped, case: Case, seen: dict[str, Untyped]) -> None:
    """Ask for what a venue says no to; see which class of error ccxt makes of it."""
    symbol, create = case.symbol, exchange.create_order
    ticker = await exchange.fetch_ticker(symbol)
    low, high = ticker["last"] * 0.96, ticker["last"] * 1.04
    low, high = _price(exchange, symbol, low), _price(exchange, symbol, high)
    post = {"postOnly": True, **_id(case, 302)}
    asked: tuple[Callable[[], Awaitable[Untyped]], ...] = (
        lambda: create(symbol, "limit", "buy", 1_000_000, low, _id(case, 300)),
        lambda: create(symbol, "limit", "buy", 0.0001, low, _id(case, 301)),
        lambda: create(symbol, "limit", "buy", AMOUNT, high, post),
        lambda: exchange.cancel_order("999999999", symbol),
        lambda: exchange.fetch_order("999999999", symbol),
    )
    refused = [await _refusal(ask) for ask in asked]
    secret, exchange.secret = exchange.secret, case.wrong_secret
    refused.append(await _refusal(exchange.fetch_balance))
    exchange.secret = secret
    seen["refused"] = refused


async def _refusal(ask: Callable[[], Awaitable[Untyped]]) -> list[Untyped]:
    try:
        return ["answered", await ask()]
    except exchange_error() as error:
        # Some texts name the address, and each of the two boxes has a port of its own.
        return [type(error).__name__, re.sub(r"127\.0\.0\.1:\d+", "BOX", str(error))]


def _id(case: Case, number: int) -> dict[str, str]:
    return {case.client_id: f"acceptance{number:06d}"}


def _price(exchange: Untyped, symbol: str, price: float) -> float:
    return float(exchange.price_to_precision(symbol, price))


def _is_free(exchange: Untyped, case: Case, asset: str, amount: float) -> bool:
    return bool(_watched_balance(exchange, case)[asset]["free"] == amount)


def _watched_balance(exchange: Untyped, case: Case) -> Untyped:
    return exchange.balance[case.balance_type] if case.balance_type else exchange.balance


def _is_same_trade(watched: Untyped, told: Untyped) -> bool:
    # Not every venue names trades by REST.
    keys = ("id",) if told["id"] is not None else ("timestamp", "price", "amount", "side")
    return all(watched[key] == told[key] for key in keys)


def _shows(exchange: Untyped, symbol: str, levels: Untyped) -> bool:
    return bool(_levels(exchange.orderbooks[symbol]) == levels)


def _levels(book: Untyped) -> list[list[list[float]]]:
    return [[[float(n) for n in level[:2]] for level in book[s][:10]] for s in ("bids", "asks")]
