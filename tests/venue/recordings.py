"""Where recorded data lies, for tests that hold the code to what really happened."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared" / "data"
USDM = SHARED / "hftbacktest" / "usdm"

needs_recordings = pytest.mark.skipif(
    not USDM.is_dir(), reason=f"recorded market data is not at {SHARED}"
)
