"""Play every cell and write the page: `make matrix`."""

import logging
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.tidy.sources import ROOT
from tests.whole.matrix.cells import all_cells, inapplicable
from tests.whole.matrix.play import play
from tests.whole.matrix.report import page

# A cell is one process's work, and a developer's machine has two cores to spare.
PROCESSES = 2
PAGE = ROOT / "docs" / "kill-point-matrix.md"


def _be_quiet() -> None:
    """Log nothing: what is injected would be told at length, thousands of times."""
    logging.disable(logging.CRITICAL)


def main() -> int:
    """Play them all; return 1 if one failed."""
    began = time.monotonic()
    cells = [cell for cell in all_cells() if not inapplicable(cell)]
    with ProcessPoolExecutor(PROCESSES, initializer=_be_quiet) as pool:
        results = dict(zip(cells, pool.map(play, cells), strict=True))
    for cell, result in results.items():
        if result.problems:
            sys.stdout.write(f"{cell}: {result.outcome}\n")
    PAGE.write_text(page(results))
    failed = sum(bool(result.problems) for result in results.values())
    took_s = time.monotonic() - began
    sys.stdout.write(f"{len(cells)} cells in {took_s:.0f} s, {failed} failed: {PAGE}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
