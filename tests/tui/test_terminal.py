"""The budgets of the terminal UI, measured on the real program behind a pty."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from messages.control import View
from messages.views import TreeRow
from tests.tui.driving import run, running
from tests.tui.fake import FakeDaemon, daemon, log_line, stir
from tests.tui.pseudo import Pseudo, terminal


def scenario(
    folder: Path,
    body: Callable[[Pseudo, FakeDaemon], Awaitable[None]],
    *arguments: str,
    size: tuple[int, int] = (120, 40),
    ignore_hangup: bool = False,
) -> None:
    async def inner() -> None:
        async with daemon(folder / "control.sock") as server:
            words = (str(server.path), *arguments)
            async with terminal(*words, size=size, ignore_hangup=ignore_hangup) as pseudo:
                await pseudo.until("link ")
                await pseudo.until("of 26")
                if size[0] >= 120:
                    # The first answered ping fills the rest of the status line.
                    await pseudo.until("lag")
                await body(pseudo, server)

    run(inner())


async def settle(pseudo: Pseudo) -> None:
    """Wait until a second passes without a byte."""
    for _ in range(10):
        plain, _squeezed = await pseudo.bytes_in(1.0)
        if plain == 0:
            return
    raise AssertionError("the screen never came to rest")


def test_a_quiet_bot_costs_no_bytes_and_little_memory(tmp_path: Path) -> None:
    async def body(pseudo: Pseudo, server: FakeDaemon) -> None:
        await settle(pseudo)
        plain, _ = await pseudo.bytes_in(2.0)
        assert plain == 0
        assert pseudo.rss_mb() < 80

    scenario(tmp_path, body)


@pytest.mark.parametrize("key", [b"1", b"2"], ids=["tree", "vaults"])
def test_a_normal_screen_stays_below_three_kilobytes_a_second(tmp_path: Path, key: bytes) -> None:
    async def body(pseudo: Pseudo, server: FakeDaemon) -> None:
        pseudo.type(key)
        async with running(stir(server, 2, 5)):
            await asyncio.sleep(0.5)
            plain, _ = await pseudo.bytes_in(2.5)
        assert 0 < plain / 2.5 <= 3_000

    scenario(tmp_path, body)


def test_keys_work_and_the_terminal_is_given_back(tmp_path: Path) -> None:
    async def body(pseudo: Pseudo, server: FakeDaemon) -> None:
        pseudo.type(b"3")
        await pseudo.until("of 40")
        pseudo.type(b"/sell !filled\r")
        await pseudo.until("/sell !filled")
        pseudo.type(b"q")
        await pseudo.ended(2.0)
        assert pseudo.exit_code == 0

    scenario(tmp_path, body, size=(80, 24))


@pytest.mark.parametrize("ignore_hangup", [False, True], ids=["plain", "nohup"])
def test_the_program_ends_with_its_terminal(tmp_path: Path, ignore_hangup: bool) -> None:
    async def body(pseudo: Pseudo, server: FakeDaemon) -> None:
        pseudo.hang_up()
        assert await pseudo.ended(2.0) < 1.0

    scenario(tmp_path, body, ignore_hangup=ignore_hangup)


def test_a_picture_needs_no_terminal(tmp_path: Path) -> None:
    async def inner() -> None:
        picture = tmp_path / "bot.svg"
        async with daemon(tmp_path / "control.sock") as server:
            words = (str(server.path), "--screenshot", str(picture), "--view", "vaults")
            async with terminal(*words) as pseudo:
                await pseudo.ended(12.0)
                assert pseudo.exit_code == 0
        assert "kraken-sim-usdt" in picture.read_text(encoding="utf-8")

    run(inner())


# --- longer


@pytest.mark.check
@pytest.mark.parametrize("size", [(120, 40), (200, 60)], ids=lambda size: f"{size[0]}")
def test_every_row_changing_stays_below_ten_kilobytes_a_second(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async def body(pseudo: Pseudo, server: FakeDaemon) -> None:
        async with running(stir(server, 4, 26)):
            await asyncio.sleep(1.0)
            before_s = pseudo.cpu_s()
            plain, squeezed = await pseudo.bytes_in(4.0)
            used = (pseudo.cpu_s() - before_s) / 4
        assert plain / 4 <= 10_000
        assert squeezed / 4 <= 3_000
        assert used <= 0.10, "3 % when alone on a core; the suite's machine is shared"

    scenario(tmp_path, body, size=size)


@pytest.mark.check
def test_a_slow_line_does_not_delay_the_keys(tmp_path: Path) -> None:
    async def body(pseudo: Pseudo, server: FakeDaemon) -> None:
        async with running(stir(server, 10, 26)):
            await asyncio.sleep(1.0)
            pseudo.rate = 10_000
            await asyncio.sleep(3.0)
            pseudo.type(b":")
            pseudo.type(b"zebra")
            assert await pseudo.until(":zebra", 5.0) < 1.0

    scenario(tmp_path, body)


@pytest.mark.check
def test_a_stalled_terminal_is_survived(tmp_path: Path) -> None:
    async def body(pseudo: Pseudo, server: FakeDaemon) -> None:
        async with running(stir(server, 10, 26)):
            before_mb = pseudo.rss_mb()
            pseudo.rate = None
            await asyncio.sleep(7.0)
            assert pseudo.rss_mb() < before_mb + 10
            pseudo.rate = float("inf")
            await asyncio.sleep(0.5)
            pseudo.type(b":zebra")
            assert await pseudo.until(":zebra", 5.0) < 1.0

    scenario(tmp_path, body)


@pytest.mark.check
def test_memory_stays_flat_under_a_flood(tmp_path: Path) -> None:
    async def body(pseudo: Pseudo, server: FakeDaemon) -> None:
        async def flood() -> None:
            numbers = itertools.count(61)
            rows = [row for row in server.rows[View.TREE].values() if isinstance(row, TreeRow)]
            while True:
                await asyncio.sleep(0.1)
                for _ in range(25):
                    number = next(numbers)
                    row = rows[number % len(rows)]
                    server.change(View.TREE, msgspec.structs.replace(row, handled=number))
                    server.change(View.LOG, log_line(number))

        pseudo.type(b"5")
        await pseudo.until("log")
        async with running(flood()):
            await asyncio.sleep(5.0)
            settled_mb = pseudo.rss_mb()
            await asyncio.sleep(6.0)
            assert pseudo.rss_mb() < settled_mb + 3
            assert pseudo.rss_mb() < 80

    scenario(tmp_path, body)


@pytest.mark.check
def test_an_idle_program_rests(tmp_path: Path) -> None:
    async def body(pseudo: Pseudo, server: FakeDaemon) -> None:
        await settle(pseudo)
        before_s = pseudo.cpu_s()
        await asyncio.sleep(4.0)
        assert (pseudo.cpu_s() - before_s) / 4 < 0.02

    scenario(tmp_path, body)
