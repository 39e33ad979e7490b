"""`bot start` with the shipped configuration: it trades, is killed, started again, replayed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import trio

from bot import cli
from bot.client import connected, run
from bot.errors import NotRunningError
from messages.control import Status
from tests.tidy.sources import ROOT

# An unloaded machine needs twenty seconds until the second fill.
WAIT_S = 120.0
Document: TypeAlias = Any


@contextmanager
def started(folder: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    daemon = subprocess.Popen(
        [sys.executable, "-m", "bot.cli", "start", "--data-dir", str(folder), *options],
        cwd=ROOT, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "CANOPY_RUNTIME_DIR": str(folder.parent)},
    )  # fmt: skip
    try:
        yield daemon
        assert daemon.wait(WAIT_S) is not None
    finally:
        daemon.kill()
        daemon.wait()


def look(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> Document:
    assert cli.run([*words, "--data-dir", str(folder), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def wait_for(what: str, folder: Path, least: int) -> None:
    """Wait until the figure `what` of the status is at least so much."""

    async def main() -> None:
        with trio.fail_after(WAIT_S):
            while await figure(what, folder) < least:  # noqa: ASYNC110 - another process
                await trio.sleep(0.2)

    run(main)


async def figure(what: str, folder: Path) -> int:
    try:
        async with connected(folder, "test") as link:
            answer = await link.ask(Status(request_id="1"))
    except NotRunningError:
        return -1
    return int(getattr(answer.rows[0], what))


ACTORS = (
    "/alerts",
    "/risk",
    "/venues/kraken-sim/accounts/alice/orders",
    "/venues/kraken-sim/accounts/alice/reconcile",
    "/users/alice/vaults/kraken-sim-usdt/ledger",
    "/users/alice/vaults/kraken-sim-usdt/guard",
    "/users/alice/vaults/kraken-sim-usdt/sleeves/flash",
)
ORDER_FIELDS = {
    "client_order_id", "venue_order_id", "environment", "venue", "user", "vault", "sleeve",
    "symbol", "side", "type", "quantity", "price", "filled", "average_price", "state",
    "created_ns", "updated_ns",
}  # fmt: skip
FILL_FIELDS = {
    "exec_id", "client_order_id", "environment", "venue", "sleeve", "symbol", "side", "quantity",
    "price", "fee", "fee_asset", "liquidity", "at_ns",
}  # fmt: skip


@pytest.mark.check
def test_the_shipped_bot_trades_survives_a_kill_and_replays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    with started(folder) as daemon:
        wait_for("fills", folder, 2)
        daemon.kill()
    (folder / "socket").unlink()
    with started(folder) as daemon:
        wait_for("uptime_s", folder, 0)
        before = look(capsys, folder, "status")
        assert before["fills"] >= 2
        wait_for("fills", folder, before["fills"] + 1)
        (vault,) = look(capsys, folder, "vaults")
        assert vault["address"] == "/users/alice/vaults/kraken-sim-usdt"
        assert {"total", "tradeable", "reserve", "asset", "sleeves"} <= vault.keys()
        orders, fills = look(capsys, folder, "orders"), look(capsys, folder, "fills")
        assert orders[0].keys() >= ORDER_FIELDS
        assert fills[0].keys() >= FILL_FIELDS
        assert all(check["agreed"] for check in look(capsys, folder, "ledger", "check"))
        assert all(check["agreed"] for check in look(capsys, folder, "ledger", "reconcile"))
        assert all(check["agreed"] for check in look(capsys, folder, "doctor"))
        for address in ACTORS:
            replayed = look(capsys, folder, "replay", address, "--quiet")
            assert replayed["identical"], replayed["divergence"]
            assert replayed["last_seq"] > 0
        look(capsys, folder, "stop")
    assert daemon.returncode == 0
