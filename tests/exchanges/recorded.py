"""What cryptofeed recorded, in the frames that our adapters are written for.

The recordings of Kraken are of its older protocol; the frames say the same in other places. Nothing
is calculated here but the checksum of Kraken's old snapshots, which had none.
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
import zstandard

from exchanges.json_text import Json
from exchanges.types import Instrument
from tests.venue.recordings import SHARED

FOLDER = SHARED / "cryptofeed"
Row = Mapping[str, Any]


class Tape(NamedTuple):
    """A recording: the names of its symbols, answers by URL, frames in order."""

    wanted: list[str]
    answers: dict[str, Any]
    frames: list[Any]


def tape(name: str) -> Tape:
    """Read a recording; skip the test where there is none."""
    file = FOLDER / f"{name}.jsonl.zst"
    if not file.exists():
        pytest.skip(f"{file} is not here: the recordings are not part of the project")
    data = zstandard.ZstdDecompressor().stream_reader(file.read_bytes()).read().decode()
    header, *rows = (json.loads(line) for line in data.splitlines())
    answers = {row["url"]: json.loads(row["data"]) for row in rows if row["t"] == "http"}
    frames = [_frame(row["data"]) for row in rows if row["t"] == "recv"]
    return Tape(header["config"]["l2_book"], answers, frames)


def _frame(text: str) -> Json:
    return json.loads(text, parse_float=str)


def instrument(symbol: str, venue_symbol: str, tick: str, lot: str) -> Instrument:
    base, _, quote = symbol.partition("/")
    return Instrument(
        symbol=symbol, venue_symbol=venue_symbol, base=base, quote=quote, tick_size=tick,
        lot_size=lot, price_decimals=0, quantity_decimals=0, min_quantity_lots=1, min_notional="0",
        maker_fee="0", taker_fee="0",
    )  # fmt: skip


# --- Kraken


def kraken_instruments(found: Tape) -> dict[str, Instrument]:
    """Return the instruments of a recording by the name that its frames have."""
    pairs = next(iter(found.answers.values()))["result"].values()
    return {
        pair["wsname"]: instrument(
            pair["wsname"],
            pair["wsname"],
            f"{Decimal(1).scaleb(-pair['pair_decimals']):f}",
            f"{Decimal(1).scaleb(-pair['lot_decimals']):f}",
        )
        for pair in pairs
        if "wsname" in pair
    }


def kraken_frames(found: Tape) -> Iterator[Row]:
    """Yield the frames of the older protocol as the newer one would have sent them."""
    number = 0
    for frame in found.frames:
        if not isinstance(frame, list):
            continue
        *_, channel, symbol = frame
        if channel.startswith("book"):
            yield _kraken_book(frame[1:-2], symbol)
        elif channel == "trade":
            rows = []
            for price, quantity, at, side, *_ in frame[1]:
                number += 1
                rows.append(
                    {
                        "symbol": symbol, "side": "buy" if side == "b" else "sell", "price": price,
                        "qty": quantity, "trade_id": number, "timestamp": _rfc3339(at),
                    }
                )  # fmt: skip
            yield {"channel": "trade", "type": "update", "data": rows}
        elif channel == "ticker":
            row = frame[1]
            yield {
                "channel": "ticker",
                "data": [
                    {
                        "symbol": symbol, "bid": row["b"][0], "bid_qty": row["b"][2],
                        "ask": row["a"][0], "ask_qty": row["a"][2], "last": row["c"][0],
                        "volume": row["v"][1],
                    }
                ],
            }  # fmt: skip


def _kraken_book(parts: list[Row], symbol: str) -> Row:
    row: dict[str, Any] = {"symbol": symbol, "bids": [], "asks": []}
    kind = "snapshot" if "as" in parts[0] else "update"
    for part in parts:
        for key, side in (("as", "asks"), ("a", "asks"), ("bs", "bids"), ("b", "bids")):
            row[side] += [{"price": each[0], "qty": each[1]} for each in part.get(key, ())]
        if "c" in part:
            row["checksum"] = int(part["c"])
    if kind == "snapshot":
        levels = row["asks"][:10] + row["bids"][:10]
        digits = "".join(_digits(each["price"]) + _digits(each["qty"]) for each in levels)
        row["checksum"] = zlib.crc32(digits.encode())
    return {"channel": "book", "type": kind, "data": [row]}


def _digits(text: str) -> str:
    return text.replace(".", "").lstrip("0")


def _rfc3339(seconds: str) -> str:
    whole, _, fraction = seconds.partition(".")
    hour, rest = divmod(int(whole) % 86_400, 3_600)
    return f"2021-04-17T{hour:02d}:{rest // 60:02d}:{rest % 60:02d}.{fraction}Z"


# --- Binance


def binance_instruments(found: Tape) -> dict[str, Instrument]:
    """Return the instruments of a recording by Binance's own name."""
    names = {each.removesuffix("-PERP").replace("-", "") for each in found.wanted}
    (listed,) = (each for url, each in found.answers.items() if "exchangeInfo" in url)
    made = {}
    for row in listed["symbols"]:
        if row["symbol"] in names and row.get("contractType", "PERPETUAL") == "PERPETUAL":
            filters = {each["filterType"]: each for each in row["filters"]}
            symbol = f"{row['baseAsset']}/{row['quoteAsset']}"
            tick, lot = filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]
            made[row["symbol"]] = instrument(symbol, row["symbol"], tick, lot)
    return made


def binance_snapshots(found: Tape) -> dict[str, Any]:
    """Return the REST snapshots by Binance's own name."""
    return {
        parse_qs(urlsplit(url).query)["symbol"][0]: answer
        for url, answer in found.answers.items()
        if "depth" in url
    }
