"""Where a market comes from: the generator, recorded depth and trades, or candles.

A source has a mark, by which a data file knows it again: the event index that the file remembers
means something in that very market only.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from venue.candle_files import read_candles
from venue.candle_market import CandleMarket
from venue.candles import MINUTE_NS, Candle
from venue.capture import Line, read_lines
from venue.config import AtEnd, MarketConfig, VenueConfigError
from venue.instruments import Instrument
from venue.market import GeneratedMarket, Market
from venue.recorded import Grid, RecordedMarket, rows_of

GENERATED: Final = "generated"
LIVE: Final = "live"
_MARK_BYTES: Final = 16
_LADDER_LEVELS: Final = 20
# The ladder around a candle's path: as tight as a generated market's quotes.
_HALF_SPREAD_BPS: Final = Decimal("0.4")
_LEVEL_GAP_BPS: Final = Decimal("0.5")
_STEPS: Final = 61


def source_mark(config: MarketConfig) -> str:
    """Return what identifies the market's source. Raises `VenueConfigError` if a file is gone."""
    if config.live is not None:
        return LIVE
    if not config.files:
        return GENERATED
    digest = hashlib.blake2b(config.at_end.value.encode(), digest_size=_MARK_BYTES)
    for name in config.files:
        try:
            with Path(name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "blake2b").digest())
        except OSError as error:
            raise _unusable(config, error) from error
    return f"{'candles' if config.candles else 'recorded'} {digest.hexdigest()}"


def open_market(config: MarketConfig, instrument: Instrument, seed: int, epoch_ns: int) -> Market:
    """Make the market that begins at `epoch_ns`, reading its files. Raises `VenueConfigError`."""
    if config.live is not None:
        config.live.epoch_ns = epoch_ns
        return config.live
    if not config.files:
        return GeneratedMarket(msgspec.structs.replace(config.spec, seed=seed), epoch_ns)
    try:
        if config.candles:
            return _candle_market(config, instrument, epoch_ns)
        return _recorded_market(config, instrument, epoch_ns)
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise _unusable(config, error) from error


def first_epoch_ns(config: MarketConfig, started_ns: int, warm_up_ns: int) -> int:
    """Return when the market of a box that starts for the first time began.

    Recorded time runs from the start. Candles begin with the running minute, so that the venue's
    own minutes are those of the file.
    """
    if config.candles:
        return started_ns - started_ns % MINUTE_NS
    is_told = bool(config.recorded) or config.live is not None
    return started_ns if is_told else started_ns - warm_up_ns


def _recorded_market(config: MarketConfig, instrument: Instrument, epoch_ns: int) -> RecordedMarket:
    grid = Grid(
        instrument.price_decimals,
        instrument.lot_decimals,
        instrument.tick_units,
        instrument.lot_units,
    )
    rows = rows_of(_lines(config.recorded), grid, from_snapshot=True)
    return RecordedMarket(rows, epoch_ns, repeat=config.at_end is AtEnd.REPEAT)


def _lines(names: Iterable[str]) -> Iterator[Line]:
    for name in names:
        yield from read_lines(Path(name))


def _candle_market(config: MarketConfig, instrument: Instrument, epoch_ns: int) -> CandleMarket:
    tick, lot = Decimal(config.spec.tick), Decimal(config.spec.lot)
    candles = list(read_candles(Path(config.candles), tick, lot))
    ladder = _ladder(candles, instrument)
    repeat = config.at_end is AtEnd.REPEAT
    return CandleMarket(candles, ladder, epoch_ns, steps=_STEPS, repeat=repeat)


def _ladder(candles: list[Candle], instrument: Instrument) -> list[tuple[int, int]]:
    """Quotes around the path: each level shows what a typical step trades."""
    if not candles:
        return [(1, 1)]
    middle = sorted(candle.volume_lots for candle in candles)[len(candles) // 2]
    lots = max(middle // _STEPS, instrument.order_minimum_lots)
    price = candles[0].open_ticks
    ladder: list[tuple[int, int]] = []
    for level in range(_LADDER_LEVELS):
        offset = int(price * (_HALF_SPREAD_BPS + level * _LEVEL_GAP_BPS) / 10_000)
        ladder.append((max(offset, ladder[-1][0] + 1 if ladder else 1), lots))
    return ladder


def _unusable(config: MarketConfig, error: Exception) -> VenueConfigError:
    key = "candles" if config.candles else "recorded"
    kind = "is not a gzip file: " if isinstance(error, gzip.BadGzipFile) else ""
    return VenueConfigError(
        f"market {config.spec.symbol}, {key}: {kind}{error}; name files that can be read"
    )
