"""One side of the comparisons: `python -m tests.exchanges.side_run stock|trio SUITE,... IDS...`.

Prints one JSON document, suite -> what it returned. A process of its own, because the stock side
needs asyncio and both replace ccxt's clock and chance.
"""

import json
import sys
from collections.abc import Callable

from tests.exchanges import parity_calls, parity_run, payloads_run, wire_run


def main() -> None:
    side, suites, *ids = sys.argv[1:]
    stock = side == "stock"
    parity_calls.freeze_chance()
    parity_run.quiet()
    run: dict[str, Callable[[], object]] = {
        "wire": lambda: (wire_run.run_stock if stock else wire_run.run_trio)(ids),
        "payloads": payloads_run.run_stock if stock else payloads_run.run_trio,
        "parity": lambda: (parity_run.run_stock if stock else parity_run.run_trio)(ids),
    }
    document = {suite: run[suite]() for suite in suites.split(",")}
    sys.stdout.write(json.dumps(document, sort_keys=True))


if __name__ == "__main__":
    main()
