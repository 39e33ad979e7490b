"""A `bot venue` and a `bot start` as processes of their own, to be killed, asked and compared."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot import cli
from tests.tidy.sources import ROOT

# A start takes two seconds; a venue's first after an edit of its kernels compiles them, which takes
# most of a minute on two shared cores.
START_S = 120.0
STOP_S = 20.0
Json = Any

_HEAD = """
[data]
folder = "unused"
[assets]
USDT = 8
ETH = 10
[limits]
orders_per_minute_max = 6_000
[limits.order_notional_max]
USDT = "1000"
[limits.position_notional_max]
USDT = "2500"
[defaults]
slippage_bps = 2
# Without patience a small swing is a loss, and the fee of the highest tier would let it be tried.
edge_bps_min = 61
[[first_run.users]]
name = "alice"
[[first_run.vaults]]
user = "alice"
venue = "kraken-sim"
asset = "USDT"
tradeable = "5000"
"""
# A cycle of two seconds and no patience: an order or two of each sleeve every second.
_SLEEVE = """
[[first_run.vaults.sleeves]]
name = "{name}"
style = "{name}"
strategy = "buy_low_sell_high"
symbols = ["ETH/USDT"]
allocated = "{allocated}"
[first_run.vaults.sleeves.parameters]
window_ns = 1_000_000_000
dip_ppm = 1_500
turn_ppm = 0
target_ppm = 1_500
stop_ppm = 3_000
guard_ppm = 500
rest_ns = 0
patience_ns = 400_000_000
"""
_VENUE = """
[venues.kraken-sim]
protocol = "kraken"
environment = "sim"
symbols = ["ETH/USDT"]
submit_expiry_ms = 3_000
visibility_lag_ms = 1_000
reconcile_every_s = 5
"""
_BOX = """
[venues.kraken-sim.box]
seed = 1
fee_tier = 9
faults = "{faults}"
rate_tier = "{rate_tier}"
visibility_lag_ms = {lag_ms}
tick_interval_ms = 50
[venues.kraken-sim.box.balances]
USDT = "10000"
[[venues.kraken-sim.box.markets]]
symbol = "ETH/USDT"
open_price = "2500.00"
order_minimum = "0.002"
events_per_second = 30
cycle_period_s = 2
cycle_amplitude_bps = 80.0
"""
_ADDRESSES = """
seed = 1
rate_tier = "none"
rest = "http://127.0.0.1:{port}"
websocket_public = "ws://127.0.0.1:{port}/v2"
websocket_private = "ws://127.0.0.1:{port}/v2"
"""


def box_toml(faults: str = "none", lag_ms: int = 0, rate_tier: str = "none") -> str:
    """Return a configuration with an embedded, lively box."""
    sleeves = _SLEEVE.format(name="quiet", allocated=500) + _SLEEVE.format(
        name="flash", allocated=250
    )
    return _HEAD + sleeves + _VENUE + _BOX.format(faults=faults, lag_ms=lag_ms, rate_tier=rate_tier)


def standing_toml(port: int) -> str:
    """Return the same for a bot whose venue stands alone at `port`."""
    embedded = box_toml()
    return embedded[: embedded.index(_VENUE)] + _VENUE + _ADDRESSES.format(port=port)


def _spawn(log: Path, *words: str) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "bot.cli", *words],
            cwd=ROOT, stdout=output, stderr=output, env=os.environ,
        )  # fmt: skip


class Process:
    """One verb, started again and again; its output is appended to `log`."""

    def __init__(self, log: Path, *words: str) -> None:
        self.log = log
        self.words = words
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self, *more: str) -> None:
        """Start it; it must not run."""
        assert self.process is None or self.process.poll() is not None, "it runs"
        self._seen = self.log.stat().st_size if self.log.exists() else 0
        self.starts += 1
        self.process = _spawn(self.log, *self.words, *more)

    def pass_time(self, seconds: float) -> None:
        """Let it run; it must not end meanwhile."""
        assert self.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self.process.wait(seconds)
            raise AssertionError(f"it ended by itself with {code}:\n{self.said()[-2_000:]}")

    def wait_for(self, words: str, within_s: float = START_S) -> str:
        """Wait until it has said `words` since its start; return all that it has said."""
        if self.wait_a_while_for(words, within_s):
            return self.said()
        raise AssertionError(f"{words!r} not said in {within_s} s:\n{self.said()[-2_000:]}")

    def wait_a_while_for(self, words: str, within_s: float) -> bool:
        """Wait until it has said `words` since its start; return whether it has."""
        for _ in range(int(within_s / 0.05)):
            if words in self.said():
                return True
            self.pass_time(0.05)
        return False

    def said(self) -> str:
        """Return its output since its start."""
        with self.log.open("rb") as file:
            file.seek(self._seen)
            return file.read().decode()

    def kill(self) -> None:
        """Kill it at this instruction."""
        assert self.process is not None
        assert self.process.poll() is None, f"it ended by itself:\n{self.said()[-2_000:]}"
        self.process.kill()
        assert self.process.wait() == -signal.SIGKILL

    def stop(self) -> int:
        """Ask it to stop in good order; return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def ended(self, within_s: float = START_S) -> int:
        """Wait for its own end; return its exit code."""
        assert self.process is not None
        return self.process.wait(within_s)

    def close(self) -> None:
        """End it if it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class StandingVenue(Process):
    """`bot venue` with a data file, at the port it took first."""

    def __init__(self, folder: Path, faults: str, lag_ms: int, seed: int = 1) -> None:
        self.port = 0
        config = folder / "venue.toml"
        config.write_text(box_toml(faults, lag_ms))
        file = str(folder / "venue.db")
        words = ("venue", "--config", str(config), "--data-file", file)
        super().__init__(folder / "venue.log", *words)

    def begin(self) -> None:
        """Start it, at the same port as before, and wait until it listens."""
        self.start("--port", str(self.port))
        self.wait_for("listening on")
        said = self.said()
        self.port = int(said[said.index("127.0.0.1:") + 10 :].split()[0])

    def ask(self, path: str, body: Json = None) -> Json:
        """Administer it: GET, or POST a body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/_box/{path}", data)
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own loopback
            return json.load(answer)


class Bot(Process):
    """`bot start` on a data folder."""

    def __init__(self, folder: Path, config: str) -> None:
        self.folder = folder / "data"
        file = folder / "bot.toml"
        file.write_text(config)
        words = ("start", "--config", str(file), "--data-dir", str(self.folder))
        super().__init__(folder / "bot.log", *words)

    def begin(self) -> None:
        """Start it and wait until it runs."""
        self.start()
        self.wait_for("the bot runs")

    def verb(self, *words: str) -> tuple[int, str]:
        """Run a verb on its data folder; return its exit code and its output."""
        raw = io.BytesIO()
        output = io.TextIOWrapper(raw, write_through=True)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = cli.run([*words, "--data-dir", str(self.folder)])
        return code, raw.getvalue().decode()

    def ask(self, *words: str) -> Json:
        """Run a verb with --json; return its document."""
        _, text = self.verb(*words, "--json")
        return json.loads(text)

    def until(self, what: str, holds: Callable[[Json], bool], within_s: float) -> Json:
        """Wait until `holds` of the status; return that status."""
        status: Json = None
        for _ in range(int(within_s / 0.2)):
            status = self.ask("status")
            if holds(status):
                return status
            self.pass_time(0.2)
        raise AssertionError(f"not {what} in {within_s} s: {status}\n{self.said()[-3_000:]}")


@contextmanager
def closing(*processes: Process) -> Iterator[None]:
    """End the processes at the end of the block."""
    try:
        yield
    finally:
        for process in processes:
            process.close()
