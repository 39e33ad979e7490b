"""Reading recorded market data in hftbacktest's raw format: gzip, lines of `local_ns {json}`.

Binance USD-M streams: incremental depth (`U`, `u`, `pu`), best bid and offer, trades, and the
answer of a REST depth request. Lines are read lazily; numbers stay strings until they become
ticks and lots.
"""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from venue.matching import BUY, SELL

MAX_LINE_BYTES: Final = 1 << 20
"""A REST answer of 1000 × 2 levels is about 50 kB, the longest increment seen 19 kB."""

Level = tuple[str, str]


class DepthUpdate(msgspec.Struct, frozen=True, tag_field="e", tag="depthUpdate"):
    """New quantities of levels; 0 removes. `pu` is `u` of the update before this one."""

    transaction_ms: int = msgspec.field(name="T")
    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    previous_id: int = msgspec.field(name="pu")
    bids: list[Level] = msgspec.field(name="b")
    asks: list[Level] = msgspec.field(name="a")


class BookTicker(msgspec.Struct, frozen=True, tag_field="e", tag="bookTicker"):
    """Best bid and offer after the update `update_id`."""

    transaction_ms: int = msgspec.field(name="T")
    update_id: int = msgspec.field(name="u")
    bid: str = msgspec.field(name="b")
    bid_quantity: str = msgspec.field(name="B")
    ask: str = msgspec.field(name="a")
    ask_quantity: str = msgspec.field(name="A")


class Trade(msgspec.Struct, frozen=True, tag_field="e", tag="trade"):
    """One trade; the taker sold where the buyer was the maker."""

    transaction_ms: int = msgspec.field(name="T")
    trade_id: int = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")
    buyer_is_maker: bool = msgspec.field(name="m")

    @property
    def side(self) -> int:
        """The taker's side."""
        return SELL if self.buyer_is_maker else BUY


class DepthSnapshot(msgspec.Struct, frozen=True):
    """A REST depth answer: the whole book up to its limit, as of `last_id`."""

    last_id: int = msgspec.field(name="lastUpdateId")
    bids: list[Level]
    asks: list[Level]


StreamMessage = DepthUpdate | BookTicker | Trade
Message = StreamMessage | DepthSnapshot


class _Envelope(msgspec.Struct, frozen=True):
    data: StreamMessage


class Line(NamedTuple):
    """One recorded message and when it was received (UTC ns of the recorder's clock)."""

    local_ns: int
    message: Message


_envelopes: Final = msgspec.json.Decoder(_Envelope)
_snapshots: Final = msgspec.json.Decoder(DepthSnapshot)


def parse_line(line: bytes) -> Line:
    """Decode one line. Raises ValueError, naming what is wrong with it."""
    stamp, _, body = line.partition(b" ")
    try:
        local_ns = int(stamp)
        if body.startswith(b'{"stream"'):
            return Line(local_ns, _envelopes.decode(body).data)
        return Line(local_ns, _snapshots.decode(body))
    except (ValueError, msgspec.MsgspecError) as error:
        raise ValueError(f"not a recorded market message: {error}: {line[:80]!r}") from error


def read_lines(path: Path) -> Iterator[Line]:
    """Read a gzip file line by line. Raises ValueError with the line's number if one is bad."""
    with gzip.open(path, "rb") as file:
        for number in range(1, 1 << 40):
            line = file.readline(MAX_LINE_BYTES + 1)
            if not line:
                return
            if len(line) > MAX_LINE_BYTES:
                raise ValueError(f"{path.name} line {number} is longer than {MAX_LINE_BYTES} bytes")
            try:
                yield parse_line(line)
            except ValueError as error:
                raise ValueError(f"{path.name} line {number}: {error}") from error


def to_units(text: str, decimals: int) -> int:
    """Read a decimal string as an integer of 10**-decimals, exactly.

    Raises ValueError if it has digits beyond, or is no plain non-negative decimal.
    """
    whole, _, fraction = text.partition(".")
    kept, beyond = fraction[:decimals], fraction[decimals:]
    digits = whole + kept.ljust(decimals, "0")
    if not (whole and digits.isascii() and digits.isdigit()) or beyond.strip("0"):
        raise ValueError(f"{text!r} is not a decimal with at most {decimals} places")
    return int(digits)
