"""`bot start` as its user meets it: a first minute, a second start, and what goes wrong."""

import hashlib
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from state.database import Database, Settings
from tests.whole.processes import (
    Bot,
    Json,
    StandingVenue,
    box_toml,
    closing,
    standing_toml,
)
from tests.whole.two_books import our_books

TRADED_S = 60.0
STATUS = {
    "state", "uptime_s", "environment", "actors", "restarts", "orders", "fills", "trading",
    "orders_open", "mode", "kill_switch", "realised", "unrealised", "memory_bytes", "quarantined",
    "version", "boot_id", "pid",
}  # fmt: skip
# Less than a second of market data: what the log may not grow beyond when the disk is "full".
FULL_BYTES = 400_000
DATABASE = "canopy.db"


@contextmanager
def bot_at_a_standing_venue(folder: Path) -> Iterator[Bot]:
    venue = StandingVenue(folder, "none", lag_ms=0)
    with closing(venue):
        venue.begin()
        bot = Bot(folder, standing_toml(venue.port))
        with closing(bot):
            yield bot


def swept(bot: Bot) -> bool:
    (vault,) = bot.ask("vaults")
    flash = next(sleeve for sleeve in vault["sleeves"] if sleeve["sleeve"] == "flash")
    return float(flash["swept"]) > 0


def holdings(bot: Bot) -> Json:
    """Return what must outlive a restart: each sleeve's style, allocation and position."""
    (vault,) = bot.ask("vaults")
    return [
        {key: sleeve[key] for key in ("sleeve", "style", "allocated", "position")}
        for sleeve in vault["sleeves"]
    ]


def lineage(bot: Bot) -> bytes:
    connection = apsw.Connection(str(bot.folder / DATABASE), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        ((found,),) = connection.execute("SELECT lineage FROM meta")
        return bytes(found)
    finally:
        connection.close()


def digest(bot: Bot) -> str:
    return hashlib.sha256((bot.folder / DATABASE).read_bytes()).hexdigest()


def test_a_first_minute_and_a_second_start(tmp_path: Path) -> None:
    bot = Bot(tmp_path, box_toml())
    with closing(bot):
        bot.begin()
        status = bot.until("traded", lambda s: s["fills"] > 1 and swept(bot), TRADED_S)
        assert set(status) >= STATUS
        assert (status["state"], status["environment"], status["trading"]) == (
            "running", "sim", True
        )  # fmt: skip
        assert {"filled"} <= {order["state"] for order in bot.ask("orders")}
        fill = bot.ask("fills")[0]
        assert (fill["symbol"], fill["venue"], fill["fee_asset"]) == (
            "ETH/USDT", "kraken-sim", "USDT"
        )  # fmt: skip
        garbage_is_not_noticed(bot)
        second_is_refused(bot)
        assert bot.verb("pause")[0] == 0
        bot.until("without orders", lambda s: s["orders_open"] == 0, TRADED_S)
        before, orders = holdings(bot), bot.ask("orders")
        assert bot.stop() == 0, bot.said()
        assert "SIGTERM: stopping in good order" in bot.said()
        first = lineage(bot)
        assert our_books(bot.folder).problems == []

        bot.begin()
        bot.until("reconciled", lambda s: s["trading"], TRADED_S)
        assert holdings(bot) == before
        assert bot.ask("orders") == orders, "paused sleeves stay paused, and nothing is forgotten"
        assert bot.verb("resume")[0] == 0
        bot.until("trading again", lambda s: s["orders"] > len(orders), TRADED_S)
        code, said = bot.verb("stop")
        assert (code, said) == (0, "the bot has stopped\n")
        assert bot.ended() == 0
        assert lineage(bot) == first
        assert our_books(bot.folder).problems == []


def fee_assets(bot: Bot) -> set[str]:
    return {fill["fee_asset"] for fill in bot.ask("fills")}


@pytest.mark.check
@pytest.mark.parametrize(
    ("protocol", "faults"),
    [
        ("binance", "none"),
        ("binance", "nasty"),
        ("binanceus", "nasty"),
        ("bybit", "none"),
        ("bybit", "nasty"),
        ("okx", "none"),
        pytest.param("okx", "nasty", marks=pytest.mark.soak),
    ],
)
def test_a_bot_trades_elsewhere_as_it_does_on_kraken(
    tmp_path: Path, protocol: str, faults: str
) -> None:
    toml = box_toml(faults).replace("kraken", protocol).replace("ETH = 10", "ETH = 8")
    bot = Bot(tmp_path, toml)
    with closing(bot):
        bot.begin()
        # A buy pays in what it brings.
        bot.until("bought and sold", lambda _: fee_assets(bot) == {"ETH", "USDT"}, TRADED_S)
        assert bot.verb("pause")[0] == 0
        bot.until("without orders", lambda s: s["orders_open"] == 0, TRADED_S)
        if faults == "none":
            assert bot.verb("ledger", "reconcile")[0] == 0
        assert bot.stop() == 0, bot.said()
        assert our_books(bot.folder).problems == []


def sides(bot: Bot) -> set[str]:
    return {fill["side"] for fill in bot.ask("fills")}


@pytest.mark.parametrize("protocol", ["kucoin", "coinbase"])
@pytest.mark.parametrize(
    "faults",
    [
        pytest.param("none", marks=pytest.mark.check),
        pytest.param("nasty", marks=pytest.mark.soak),
    ],
)
def test_a_bot_trades_where_the_stream_tells_no_fills(
    tmp_path: Path, protocol: str, faults: str
) -> None:
    toml = box_toml(faults).replace("kraken", protocol).replace("ETH = 10", "ETH = 8")
    bot = Bot(tmp_path, toml)
    with closing(bot):
        bot.begin()
        bot.until("bought and sold", lambda _: sides(bot) == {"buy", "sell"}, TRADED_S)
        assert fee_assets(bot) == {"USDT"}
        assert bot.verb("pause")[0] == 0
        bot.until("without orders", lambda s: s["orders_open"] == 0, TRADED_S)
        if faults == "none":
            assert bot.verb("ledger", "reconcile")[0] == 0
        assert bot.stop() == 0, bot.said()
        assert our_books(bot.folder).problems == []


def second_is_refused(bot: Bot) -> None:
    """Start a second process on the same folder: it exits 7 and names the first."""
    assert bot.process is not None
    other = Bot(bot.log.parent, (bot.log.parent / "bot.toml").read_text())
    other.log = bot.log.with_name("other.log")
    with closing(other):
        other.start()
        assert other.ended() == 7
        assert f"process {bot.process.pid} holds the data folder" in other.said()
        assert "bot stop --data-dir" in other.said()


def garbage_is_not_noticed(bot: Bot) -> None:
    """Send garbage to the control socket: the client is closed, the bot goes on."""
    path = (bot.folder / "socket").read_text().strip()
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 5_000, b"\x00\x00\x00\x05hello"):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(path)
            client.sendall(garbage)
            client.shutdown(socket.SHUT_WR)
            while client.recv(4_096):
                pass
    status = bot.ask("status")
    assert (status["state"], status["restarts"]) == ("running", 0)


def test_a_folder_that_cannot_be_written_ends_with_4(tmp_path: Path) -> None:
    bot = Bot(tmp_path, box_toml())
    (tmp_path / "data").write_text("a file where the folder should be")
    with closing(bot):
        bot.start()
        assert bot.ended() == 4
        assert "cannot be used" in bot.said()
        assert "--data-dir" in bot.said()


def test_a_newer_database_ends_with_8(tmp_path: Path) -> None:
    bot = Bot(tmp_path, box_toml())
    made_database(bot, "PRAGMA user_version = 9999")
    refused(bot, "install the release that wrote it")


def test_a_damaged_database_ends_with_8(tmp_path: Path) -> None:
    bot = Bot(tmp_path, box_toml())
    made_database(bot, "PRAGMA user_version")
    content = bytearray((bot.folder / DATABASE).read_bytes())
    for page in range(1, len(content) // 4_096):
        # The byte that says of what kind a page is.
        content[page * 4_096] ^= 0xFF
    (bot.folder / DATABASE).write_bytes(content)
    refused(bot, "restore the newest backup with `bot restore`")


def made_database(bot: Bot, statement: str) -> None:
    """Make the database of a bot that never ran, all of it in its file."""
    bot.folder.mkdir()
    Database.open(bot.folder, Settings(ballast_bytes=0)).close()
    connection = apsw.Connection(str(bot.folder / DATABASE))
    connection.execute(statement)
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    connection.close()


def refused(bot: Bot, remedy: str) -> None:
    """Start on data that must be refused: exit 8, the remedy, and nothing changed."""
    before = digest(bot)
    with closing(bot):
        bot.start()
        assert bot.ended() == 8, bot.said()
        assert remedy in bot.said()
        assert digest(bot) == before


def limit_files(bot: Bot, size_bytes: int) -> None:
    """Let no file of the bot grow beyond `size_bytes`, as a full disk would."""
    assert bot.process is not None
    _, hard = resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (size_bytes, hard))


def test_while_the_disk_is_full_no_entries_leave_and_nothing_is_lost(tmp_path: Path) -> None:
    with bot_at_a_standing_venue(tmp_path) as bot:
        bot.begin()
        bot.until("traded", lambda s: s["fills"] > 0, TRADED_S)
        limit_files(bot, FULL_BYTES)
        full = bot.until("without entries", lambda s: not s["trading"], 20.0)
        assert (full["state"], full["mode"]) == ("degraded", "exits_only")
        assert "no entries until it does; repair the disk, or have 128 MB free" in bot.said()
        bot.pass_time(2.0)
        limit_files(bot, resource.RLIM_INFINITY)
        bot.until("trading again", lambda s: s["trading"], 30.0)
        orders = bot.ask("status")["orders"]
        bot.until("trading again", lambda s: s["orders"] > orders, TRADED_S)
        assert bot.verb("ledger", "check")[0] == 0
        assert bot.stop() == 0
        assert our_books(bot.folder).problems == []


@pytest.mark.check
def test_a_disk_that_stays_full_ends_with_9(tmp_path: Path) -> None:
    with bot_at_a_standing_venue(tmp_path) as bot:
        bot.begin()
        bot.until("traded", lambda s: s["fills"] > 0, TRADED_S)
        limit_files(bot, FULL_BYTES)
        assert bot.ended(60.0) == 9
        assert "make room or repair the disk, then start again" in bot.said()
        bot.begin()
        bot.until("reconciled", lambda s: s["trading"], TRADED_S)
        assert bot.verb("ledger", "reconcile")[0] == 0
        assert bot.stop() == 0
        assert our_books(bot.folder).problems == []
