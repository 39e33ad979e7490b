"""Play every cell and write the page: `make matrix`."""

import logging
import sys
import time

from tests.tidy.sources import ROOT
from tests.whole.matrix.cells import all_cells, inapplicable
from tests.whole.matrix.play import play
from tests.whole.matrix.report import page

PAGE = ROOT / "docs" / "kill-point-matrix.md"


def main() -> int:
    """Play them all; return 1 if one failed."""
    # What is injected would be told at length, thousands of times.
    logging.disable(logging.CRITICAL)
    began = time.monotonic()
    cells = [cell for cell in all_cells() if not inapplicable(cell)]
    results = {}
    for cell in cells:
        results[cell] = play(cell)
        if results[cell].problems:
            sys.stdout.write(f"{cell}: {results[cell].outcome}\n")
    PAGE.write_text(page(results))
    failed = sum(bool(result.problems) for result in results.values())
    took_s = time.monotonic() - began
    sys.stdout.write(f"{len(cells)} cells in {took_s:.0f} s, {failed} failed: {PAGE}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
