"""What real venues sent, read by ccxt on asyncio and on trio: the same, to the last digit.

The parity suite knows empty answers only; here prices, sizes and sequences pass through ccxt's own
handlers, caches, order books and snapshots, and every watcher's every result is compared.
"""

import pytest

from tests.exchanges import captures_run
from tests.exchanges.parity_compare import differences
from tests.exchanges.parity_report import run_sides

needs_captures = pytest.mark.skipif(
    not captures_run.FOLDER.is_dir(), reason=f"recorded frames are not at {captures_run.FOLDER}"
)
# Frames of each of the five recordings, and the results that watchers must at least have got.
SIZES = [
    pytest.param(300, 1_000, id="the beginning", marks=pytest.mark.check),
    pytest.param(0, 8_000, id="all", marks=pytest.mark.soak),
]


@needs_captures
@pytest.mark.parametrize(("frames", "results_min"), SIZES)
def test_recorded_frames_are_read_the_same(frames: int, results_min: int) -> None:
    stock, ours = (side["captures"] for side in run_sides("captures", [str(frames)]))
    assert not differences(stock, ours)
    assert sum(len(results) for results in stock.values()) >= results_min
    books = [key for key, results in stock.items() if "watch_order_book" in key and results]
    assert {key.split(".")[0] for key in books} == {
        recording.exchange for recording in captures_run.RECORDINGS
    }
