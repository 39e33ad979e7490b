"""Reading files of one-minute candles: JSON rows `[time, o, h, l, c, v]`, or CSV with a header.

Both may be gzipped. Times are UTC: a number in s, ms, µs or ns (told apart by its size), or, in
CSV, ISO text, without a zone taken for UTC. Numbers stay decimal until they become ticks and
lots: a price is rounded to its nearest tick, a volume down to whole lots.
"""

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Final

import msgspec

from venue.candles import Candle

FILE_BYTES_MAX: Final = 64 << 20
"""More than a year of minutes takes 40 MB; it is held in memory while it is read."""
_FIELDS: Final = ("open", "high", "low", "close", "volume")
_TIME_FIELDS: Final = ("timestamp", "time", "date", "open_time", "ts")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# (a time below this, ns of its unit): seconds until the year 5138, and so on.
_TIME_UNITS: Final = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3), (10**20, 1))
_row: Final = msgspec.json.Decoder(list[Decimal])
_rows: Final = msgspec.json.Decoder(list[msgspec.Raw])

Row = tuple[str, Decimal, Decimal, Decimal, Decimal, Decimal]


def read_candles(path: Path, tick: Decimal, lot: Decimal) -> Iterator[Candle]:
    """Yield the candles of a file in its order, prices in ticks of `tick`, volumes in lots.

    Raises ValueError naming the row that is wrong, `OSError` when the file cannot be read.
    """
    content = _content(path)
    is_json = path.name.removesuffix(".gz").endswith(".json")
    rows = _json_rows(content) if is_json else _csv_rows(content)
    good = 0
    try:
        for time, *prices, volume in rows:
            open_, high, low, close = (_nearest(price, tick) for price in prices)
            yield Candle(time_ns(time), open_, high, low, close, int(volume / lot), 0, 0)
            good += 1
    except (ValueError, ArithmeticError, msgspec.MsgspecError) as error:
        text = str(error) or type(error).__name__
        raise ValueError(f"{path.name} near row {good + 1}: {text}") from error


def time_ns(text: str) -> int:
    """Read a candle's time. Raises ValueError for what is none."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        return (at - _EPOCH) // _MICROSECOND * 1_000
    if number.is_finite() and number >= 0:
        for below, unit_ns in _TIME_UNITS:
            if number < below:
                return int(number * unit_ns)
    raise ValueError(f"{text} is no time: write s, ms, µs or ns since 1970, or ISO text")


def _nearest(price: Decimal, tick: Decimal) -> int:
    return int((price / tick).to_integral_value(ROUND_HALF_EVEN))


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        if path.name.endswith(".gz"):
            with gzip.open(file) as inner:
                content = inner.read(FILE_BYTES_MAX + 1)
        else:
            content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise ValueError(
            f"{path.name} has more than {FILE_BYTES_MAX >> 20} MiB: name a shorter part"
        )
    return content


def _json_rows(content: bytes) -> Iterator[Row]:
    for raw in _rows.decode(content):
        values = _row.decode(raw)
        if len(values) < 1 + len(_FIELDS):
            raise ValueError("a row is [time, open, high, low, close, volume]")
        open_, high, low, close, volume = values[1:6]
        yield str(values[0]), open_, high, low, close, volume


def _csv_rows(content: bytes) -> Iterator[Row]:
    reader = csv.DictReader(TextIOWrapper(BytesIO(content), "utf-8", newline=""))
    names = {name.strip().lower(): name for name in reader.fieldnames or () if name}
    time = next((names[name] for name in _TIME_FIELDS if name in names), None)
    missing = [name for name in _FIELDS if name not in names]
    if time is None or missing:
        raise ValueError(
            f"the header must name {_TIME_FIELDS[0]}, {', '.join(_FIELDS)}; it names "
            f"{', '.join(names) or 'nothing'}"
        )
    columns = [names[name] for name in _FIELDS]
    for row in reader:
        open_, high, low, close, volume = (_finite(row[column]) for column in columns)
        yield row[time] or "", open_, high, low, close, volume


def _finite(text: str | Decimal | None) -> Decimal:
    try:
        number = Decimal(text or "")
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise ValueError(f"{text!r} is not a decimal number")
    return number
