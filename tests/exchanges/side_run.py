"""One side of the comparisons: `python -m tests.exchanges.side_run stock|trio SUITE,... IDS...`.

The suite `captures` takes, instead of ids, how many frames of each recording to play (0: all).

Prints one JSON document, suite -> what it returned. A process of its own, because the stock side
needs asyncio and both replace ccxt's clock and chance.
"""

import json
import sys
from collections.abc import Callable

from tests.exchanges import captures_run, parity_calls, parity_run, payloads_run, wire_run


def main() -> None:
    side, suites, *ids = sys.argv[1:]
    stock = side == "stock"
    frames_max = int(ids[0]) or None if suites == "captures" else None
    parity_calls.freeze_chance()
    parity_run.quiet()
    captures = captures_run.run_stock if stock else captures_run.run_trio
    run: dict[str, Callable[[], object]] = {
        "wire": lambda: (wire_run.run_stock if stock else wire_run.run_trio)(ids),
        "captures": lambda: captures(frames_max),
        "payloads": payloads_run.run_stock if stock else payloads_run.run_trio,
        "parity": lambda: (parity_run.run_stock if stock else parity_run.run_trio)(ids),
    }
    document = {suite: run[suite]() for suite in suites.split(",")}
    sys.stdout.write(json.dumps(document, sort_keys=True))


if __name__ == "__main__":
    main()
