"""One side of the payload suite: real-looking answers and frames through ccxt's own parsers.

Parses the same texts, with floats as ccxt does or with strings as we do, and returns the unified
results without `info`. They must be the same.
"""

import importlib
import json

from exchanges.json_text import Json
from tests.exchanges.fake_kraken import ASKS, ASSETS, BIDS, PAIRS, TIME, checksum_of
from tests.exchanges.parity_calls import CONFIG, NOW_MS

ORDER = (
    '{"refid":null,"userref":0,"cl_ord_id":"ours","status":"closed","reason":null,'
    '"opentm":1721304000.370054,"closetm":1721304001.5,"starttm":0,"expiretm":0,"descr":{"pair":'
    '"ETHUSDT","type":"sell","ordertype":"limit","price":"3001.50","price2":"0","leverage":"none",'
    '"order":"sell 0.02 ETHUSDT @ limit 3001.50","close":""},"vol":"0.02000000","vol_exec":'
    '"0.02000000","cost":"60.03000000","fee":"0.09604800","price":"3001.50","stopprice":"0.00000",'
    '"limitprice":"0.00000","misc":"","oflags":"fciq"}'
)
TRADE = (
    '{"ordertxid":"O1","postxid":"P1","pair":"ETHUSDT","time":1721304100.4291,"type":"buy",'
    '"ordertype":"limit","price":"3000.01","cost":"30.00010","fee":"0.07800","vol":"0.01000000",'
    '"margin":"0.00000","misc":"","trade_id":5,"maker":true}'
)
ROWS = {name: [[*level, 1721304000] for level in levels] for name, levels in
        (("bids", BIDS), ("asks", ASKS))}  # fmt: skip
ANSWERS: dict[str, tuple[str, list[Json]]] = {
    "fetch_balance": ('{"ZUSD":{"balance":25435.21,"hold_trade":8249.76}}', []),
    "fetch_open_orders": (f'{{"open":{{"O1":{ORDER}}}}}', []),
    "fetch_closed_orders": (f'{{"closed":{{"O1":{ORDER}}},"count":1}}', []),
    "fetch_my_trades": (f'{{"trades":{{"T1":{TRADE}}},"count":1}}', []),
    "fetch_order_book": (json.dumps({"ETHUSDT": ROWS}), ["ETH/USDT"]),
    "fetch_trades": (
        '{"ETHUSDT":[["3000.01","0.10000000",1721304000.7351,"b","l","",5]],"last":"1"}',
        ["ETH/USDT"],
    ),
    "fetch_ohlcv": (
        '{"ETHUSDT":[[1721304000,"3000.1","3001","2999","3000.5","3000.2","12.5",7]],"last":1}',
        ["ETH/USDT"],
    ),
    "fetch_ticker": (
        (
            '{"ETHUSDT":{"a":["3000.01","1","1.000"],"b":["3000.00","2","2.000"],"c":["3000.01",'
            '"0.01"],"v":["1.5","2.5"],"p":["3000.1","3000.2"],"t":[1,2],"l":["1","2"],'
            '"h":["3","4"],"o":"2990.5"}}'
        ),
        ["ETH/USDT"],
    ),
    "create_order": (
        '{"descr":{"order":"buy 0.01 ETHUSDT @ limit 3000.01"},"txid":["O1"]}',
        ["ETH/USDT", "limit", "buy", "0.01", "3000.01"],
    ),
    "fetch_time": ('{"unixtime":1721304000,"rfc1123":""}', []),
}
SIDES = ",".join(
    f'"{name}":[' + ",".join(f'{{"price":{p},"qty":{q}}}' for p, q in levels) + "]"
    for name, levels in (("bids", BIDS), ("asks", ASKS))
)
FRAMES = (
    (
        f'{{"channel":"book","type":"snapshot","data":[{{"symbol":"ETH/USDT",{SIDES},"checksum":'
        f'{checksum_of(BIDS, ASKS)},"timestamp":"{TIME}"}}]}}'
    ),
    (
        '{"channel":"trade","type":"update","data":[{"symbol":"ETH/USDT","side":"sell",'
        f'"price":3000.50,"qty":0.25000000,"ord_type":"market","trade_id":5,'
        f'"timestamp":"{TIME}"}}]}}'
    ),
    (
        '{"channel":"ticker","type":"snapshot","data":[{"symbol":"ETH/USDT","bid":2999.99,'
        '"bid_qty":1.50000000,"ask":3000.01,"ask_qty":2,"last":3000,"volume":10.25,"vwap":3000.1,'
        '"low":1,"high":2,"change":-1.5,"change_pct":-0.1}]}'
    ),
    (
        '{"channel":"ohlc","type":"update","data":[{"symbol":"ETH/USDT","open":3000,"high":3001.50,'
        '"low":2999.01,"close":3000.5,"trades":12,"volume":1.50000001,"vwap":3000.1,"interval":1,'
        f'"interval_begin":"{TIME}","timestamp":"{TIME}"}}]}}'
    ),
    (
        '{"channel":"balances","type":"snapshot","sequence":1,"data":[{"asset":"USDT",'
        '"asset_class":"currency","balance":1000.10000000}]}'
    ),
    (
        '{"channel":"executions","type":"update","sequence":2,"data":[{"order_id":"O1","symbol":'
        '"ETH/USDT","order_qty":0.02000000,"cum_cost":0.0,"cum_qty":0,"time_in_force":"GTC",'
        '"exec_type":"new","side":"sell","order_type":"limit","limit_price":3001.50,"order_status":'
        f'"new","fee_usd_equiv":0.0,"timestamp":"{TIME}"}}]}}'
    ),
    (
        '{"channel":"executions","type":"update","sequence":3,"data":[{"order_id":"O1",'
        '"exec_id":"T1","exec_type":"trade","symbol":"ETH/USDT","side":"sell",'
        '"last_qty":0.01000000,"last_price":3001.50,"liquidity_ind":"m","cost":30.015,'
        '"order_status":"filled","order_type":"limit",'
        f'"timestamp":"{TIME}","fees":[{{"asset":"USDT","qty":0.048}}]}}]}}'
    ),
)


def without_info(value: Json) -> Json:
    if isinstance(value, dict):
        return {str(key): without_info(each) for key, each in value.items() if key != "info"}
    if isinstance(value, list | tuple):
        return [without_info(each) for each in value]
    return value


def parsed_markets(exchange: Json) -> Json:
    answer = {"error": [], "result": PAIRS}

    async def fetch(url: str, *_args: Json, **_kwargs: Json) -> Json:
        return exchange.parse_json(json.dumps({**answer, "result": ASSETS} if "Assets" in url
                                              else answer))  # fmt: skip

    exchange.fetch = fetch


async def parse_all(exchange: Json) -> dict[str, Json]:
    results: dict[str, Json] = {}
    parsed_markets(exchange)
    results["markets"] = without_info(await exchange.load_markets())
    for name, (text, arguments) in ANSWERS.items():

        async def fetch(*_args: Json, text: str = text, **_kwargs: Json) -> Json:
            return exchange.parse_json(f'{{"error":[],"result":{text}}}')

        exchange.fetch = fetch
        results[name] = without_info(await getattr(exchange, name)(*arguments))
    client = exchange.client("ws://127.0.0.1:9")
    for text in FRAMES:
        client.handle_text_or_binary_message(text)
    for name in ("orderbooks", "trades", "tickers", "ohlcvs", "balance", "orders", "myTrades"):
        results[name] = without_info(getattr(exchange, name))
    return results


def run_stock() -> dict[str, Json]:
    import asyncio

    async def stock() -> dict[str, Json]:
        exchange = importlib.import_module("ccxt.pro.kraken").kraken(CONFIG)
        try:
            return await parse_all(exchange)
        finally:
            await exchange.close()

    return asyncio.run(stock())


def run_trio() -> dict[str, Json]:
    import trio

    from exchanges.adapters.kraken import KrakenAdapter
    from exchanges.factory import trio_class
    from supervisor.clock import ManualClock

    async def ours() -> dict[str, Json]:
        cls = trio_class("kraken", KrakenAdapter.exchange_overrides)
        config = {**CONFIG, "numbers_as_text": True}
        async with cls(config, clock=ManualClock(NOW_MS * 1_000_000)) as exchange:
            return await parse_all(exchange)

    return trio.run(ours)
