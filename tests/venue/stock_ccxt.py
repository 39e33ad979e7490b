"""The unmodified asyncio ccxt Kraken class against a box: `python -m tests.venue.stock_ccxt PORT`.

Prints one JSON document with what it saw; a process of its own, since asyncio and trio do not mix.
"""

import asyncio
import json
import sys
from typing import Any

from exchanges import lazy
from tests.venue.boxes import CLIENT_ID, SECRET, SYMBOL, Untyped

# The classes as they are shipped, without the hundred other exchanges beside them.
lazy.install()
from ccxt.base.errors import BaseError  # noqa: E402 - as above
from ccxt.pro.kraken import kraken  # noqa: E402 - as above

WAIT_S = 10


def make_exchange(port: int) -> Untyped:
    http, ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    sockets = {
        "public": ws,
        "private": f"{ws}/auth",
        "publicV2": f"{ws}/v2",
        "privateV2": f"{ws}/auth/v2",
    }
    return kraken(
        {
            "apiKey": "ALICE",
            "secret": SECRET,
            "enableRateLimit": False,
            "urls": {"api": {"public": http, "private": http, "ws": sockets}},
        }
    )


async def refusal(awaitable: Untyped) -> str:
    try:
        await awaitable
    except BaseError as error:
        return type(error).__name__
    return ""


async def rest(exchange: Untyped, seen: dict[str, Any]) -> None:
    markets = await exchange.load_markets()
    seen["symbols"] = list(markets)
    seen["precision"] = markets[SYMBOL]["precision"]
    ticker = await exchange.fetch_ticker(SYMBOL)
    seen["spread"] = ticker["ask"] - ticker["bid"]
    book = await exchange.fetch_order_book(SYMBOL, 5)
    seen["levels"] = [len(book["bids"]), len(book["asks"])]
    seen["candles"] = len(await exchange.fetch_ohlcv(SYMBOL))
    seen["trades"] = len(await exchange.fetch_trades(SYMBOL))
    seen["status"] = (await exchange.fetch_status())["status"]
    seen["taker"] = (await exchange.fetch_trading_fee(SYMBOL))["taker"]
    seen["balance"] = (await exchange.fetch_balance())["total"]
    params = {"clientOrderId": CLIENT_ID, "postOnly": True}
    order = await exchange.create_order(SYMBOL, "limit", "buy", 0.1, 1500.0, params)
    (found,) = await exchange.fetch_open_orders(SYMBOL)
    seen["found"] = [found["id"] == order["id"], found["clientOrderId"], found["postOnly"]]
    await exchange.edit_order(order["id"], SYMBOL, "limit", "buy", 0.2, 1501.0)
    edited = await exchange.fetch_order(order["id"])
    seen["edited"] = [edited["price"], edited["amount"], edited["status"]]
    await exchange.cancel_order(order["id"])
    seen["cancelled"] = (await exchange.fetch_order(order["id"]))["status"]
    market = await exchange.create_order(SYMBOL, "market", "buy", 0.05)
    closed = await exchange.fetch_order(market["id"])
    seen["bought"] = [closed["status"], closed["filled"], closed["average"] > 0]
    (trade,) = await exchange.fetch_my_trades(SYMBOL)
    seen["trade"] = [
        trade["order"] == market["id"],
        trade["takerOrMaker"],
        trade["fee"]["currency"],
    ]
    seen["closed"] = len(await exchange.fetch_closed_orders(SYMBOL))
    seen["ledger"] = len(await exchange.fetch_ledger())


async def refusals(exchange: Untyped, seen: dict[str, Any]) -> None:
    create = exchange.create_order
    seen["refusals"] = [
        await refusal(create(SYMBOL, "limit", "buy", 100, 2000.0)),
        await refusal(create(SYMBOL, "limit", "buy", 0.001, 2000.0)),
        await refusal(exchange.cancel_order("OAAAAA-AAAAA-AAAAAA")),
        await refusal(exchange.fetch_order("OAAAAA-AAAAA-AAAAAA")),
    ]
    exchange.secret, right = "d3Jvbmc=", exchange.secret
    seen["refusals"].append(await refusal(exchange.fetch_balance()))
    exchange.secret = right


async def sockets(exchange: Untyped, seen: dict[str, Any]) -> None:
    book = await asyncio.wait_for(exchange.watch_order_book(SYMBOL, 10), WAIT_S)
    for _ in range(20):
        book = await asyncio.wait_for(exchange.watch_order_book(SYMBOL, 10), WAIT_S)
    seen["watched_book"] = [len(book["bids"]), book["bids"][0][0] < book["asks"][0][0]]
    seen["watched_trades"] = len(await asyncio.wait_for(exchange.watch_trades(SYMBOL), WAIT_S)) > 0
    seen["watched_ticker"] = (await asyncio.wait_for(exchange.watch_ticker(SYMBOL), WAIT_S))[
        "symbol"
    ]
    seen["watched_candle"] = len((await asyncio.wait_for(exchange.watch_ohlcv(SYMBOL), WAIT_S))[-1])
    balance = await asyncio.wait_for(exchange.watch_balance(), WAIT_S)
    seen["watched_balance"] = balance["total"]["ETH"]
    orders = asyncio.ensure_future(exchange.watch_orders(SYMBOL))
    trades = asyncio.ensure_future(exchange.watch_my_trades(SYMBOL))
    await asyncio.sleep(0.2)
    placed = await exchange.create_order_ws(SYMBOL, "limit", "buy", 0.1, 1500.0)
    (order,) = await asyncio.wait_for(orders, WAIT_S)
    seen["watched_order"] = [order["id"] == placed["id"], order["status"], order["price"]]
    answer = await exchange.cancel_order_ws(placed["id"])
    seen["cancelled_ws"] = answer["success"]
    sold = await exchange.create_order(SYMBOL, "market", "sell", 0.05)
    trade = (await asyncio.wait_for(trades, WAIT_S))[-1]
    seen["watched_trade"] = [trade["order"] == sold["id"], trade["fee"]["currency"]]


async def main(port: int) -> None:
    exchange = make_exchange(port)
    seen: dict[str, Any] = {}
    try:
        await rest(exchange, seen)
        await refusals(exchange, seen)
        await sockets(exchange, seen)
    finally:
        await exchange.close()
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
