import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from tests.venue.recordings import SHARED, needs_recordings
from venue.candle_files import read_candles, time_ns
from venue.candles import Candle

TICK, LOT = Decimal("0.5"), Decimal("0.001")
CSV = "Date,Close,Open,High,Low,Volume,more\n2022-01-01 00:00:00.5,2,1.2,3,1,0.0019,x\n"
BAR = Candle(0, 2, 6, 2, 4, 1, 0, 0)


def test_json_rows_and_csv_become_ticks_and_lots(tmp_path: Path) -> None:
    as_json, as_csv = tmp_path / "a.json.gz", tmp_path / "a.csv"
    as_json.write_bytes(gzip.compress(b'[[1640995200500,1.2,3,1,2,"0.0019",7]]'))
    as_csv.write_text(CSV)
    wanted = [BAR._replace(open_ns=1_640_995_200_500_000_000)]
    assert list(read_candles(as_json, TICK, LOT)) == wanted
    assert list(read_candles(as_csv, TICK, LOT)) == wanted


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        ("1640995200", 1_640_995_200 * 10**9),
        ("1640995200123", 1_640_995_200_123 * 10**6),
        ("1640995200123456", 1_640_995_200_123_456 * 10**3),
        ("1640995200123456789", 1_640_995_200_123_456_789),
        ("2022-01-01T00:00:00Z", 1_640_995_200 * 10**9),
        ("2022-01-01 01:00:00+01:00", 1_640_995_200 * 10**9),
    ],
)
def test_times_are_told_apart(text: str, at_ns: int) -> None:
    assert time_ns(text) == at_ns


@pytest.mark.parametrize("text", ["", "soon", "-5", "1e30", "nan", "2022-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|isoformat|month"):
        time_ns(text)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.json", "[[1,2]]", "near row 1: a row is"),
        ("a.json", "{", "near row 1"),
        ("a.json", '[[1640995200,"x",1,1,1,1]]', "near row 1"),
        ("a.csv", "", "it names nothing"),
        ("a.csv", "time,open,high,low,close\n", "it names time, open"),
        ("a.csv", CSV + "1,1,1\n", "near row 2: None"),
        ("a.csv", CSV + "1,nan,1,1,1,1,1\n", "near row 2: 'nan'"),
    ],
)
def test_a_bad_file_is_named_with_its_row(
    tmp_path: Path, name: str, content: str, complaint: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ValueError, match=complaint):
        list(read_candles(path, TICK, LOT))


@needs_recordings
@pytest.mark.parametrize(
    ("name", "count", "tick"),
    [
        ("nautilus_trader/btc-perp-20211231-20220201_1m.csv", 45_031, "0.5"),
        ("selskas_binance_spot_1m/ETH_USDT-1m.json", 61_272, "0.01"),
    ],
)
def test_real_files_are_read(name: str, count: int, tick: str) -> None:
    candles = read_candles(SHARED / name, Decimal(tick), Decimal("0.00001"))
    assert abs(sum(1 for _ in candles) - count) <= 1
