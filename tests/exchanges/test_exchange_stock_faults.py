"""ccxt's six faults are still there in ccxt; that ours has none of them shows next door.

`test_socket_client.py` has one test for each name here.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.check
def test_ccxt_still_has_the_faults_that_ours_has_not() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.exchanges.stock_faults"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == {
        "cancelled_leader_of_a_login": "waits for ever",
        "cancelled_watcher_of_two": "cancelled",
        "cancelled_negotiation": "cancelled",
        "cancelled_leader_of_load_markets": "cancelled",
        "error_in_a_handler": "waits for ever, after 1 frame",
        "pause_between_requests": "waits 1.0 s more",
    }, "ccxt has mended one: docs/ccxt-upgrade.md says what to do"
