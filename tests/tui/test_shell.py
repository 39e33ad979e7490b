from pathlib import Path

import msgspec
import pytest

from messages import control, views
from messages.control import View
from tests.tui.driving import Driven, driven, eventually, paints, run, scenario
from tests.tui.fake import (
    NOON_NS,
    S_NS,
    daemon,
    fill,
    log_line,
    order,
    sleeve,
    status,
    tree_row,
    vault,
)
from tui import client
from tui.client import Link
from tui.screens.dialogs import Halt, Help
from tui.widgets import board

SIZES = [(80, 24), (120, 40), (200, 60)]
VITAL = {
    "tree": {"actor", "state", "restarts", "mailbox"},
    "vaults": {"vault / sleeve", "state", "total/alloc", "position", "realised"},
    "orders": {"time UTC", "symbol", "side", "quantity", "price", "filled", "state"},
    "fills": {"time UTC", "symbol", "side", "quantity", "price", "fee", "in"},
    "log": {"time UTC", "level", "what"},
}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_view_shows_its_vital_columns_within_the_window(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async def body(it: Driven) -> None:
        for key, name in zip("12345", VITAL, strict=True):
            await it.press(key)
            view = it.app.page.view
            await it.until(it.has(view), name)
            it.app.paint(refill=True)
            assert VITAL[name] <= set(it.board.shown_columns())
            assert it.board.size.width == (size[0] if size[0] < 160 else size[0] - 56)
            for y in range(it.board.size.height):
                width = sum(len(run.text) for run in it.board.runs(y))
                assert width <= it.board.size.width
            assert it.board.position[1] > 0

    scenario(tmp_path, body, size)


def test_the_first_screen_tells_where_and_how_one_is_attached(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.until_shown("ACTIVE trading")
        shown = it.line("status")
        assert "canopy sim RO" in shown
        assert "link ok" in shown
        assert "realised +12.40 USDT" in shown
        assert (
            "1 tree 2 vaults 3 orders 4 fills 5 log / find : cmd ? help b back H HALT"
            in it.line("keys")
        )
        assert "root" in it.screen()
        assert "backoff" in it.screen()

    scenario(tmp_path, body)


def test_changes_arrive_and_the_changed_number_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "MARK_S", 0.5)

    async def body(it: Driven) -> None:
        await it.press("2")
        await it.until_shown("flash")
        it.server.change(View.VAULTS, vault(sleeve("flash", "flash", cash="1300.00")))
        await it.until_shown("1300.00▲ ")
        await it.until(lambda: paints(it) and "1300.00▲ " not in it.screen(), "the mark going away")

    scenario(tmp_path, body, (120, 40))


def test_only_what_is_on_the_screen_is_subscribed(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        always = {View.STATUS, View.VAULTS}
        await it.until(lambda: it.server.subscribed == always | {View.TREE})
        await it.press("3")
        await it.until(lambda: it.server.subscribed == always | {View.ORDERS, View.FILLS})
        await it.press("5")
        await it.until(lambda: it.server.subscribed == always | {View.LOG})

    scenario(tmp_path, body)


def test_the_cursor_stays_on_its_order_while_new_ones_come(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.press("3")
        await it.until(lambda: View.ORDERS in it.app.store.loaded)
        it.app.paint(refill=True)
        await it.press("down", "down")
        chosen = it.board.selected
        assert chosen == order(37).key()
        row = it.board._cursor.index - it.board._cursor.top
        it.server.change(View.ORDERS, order(40), order(41), order(42))
        await it.until(lambda: paints(it) and it.board.position[1] == 43)
        assert it.board.selected == chosen
        assert it.board._cursor.index - it.board._cursor.top == row
        await it.press("home")
        assert it.board.selected == order(42).key()

    scenario(tmp_path, body)


def test_an_untouched_cursor_stays_at_the_newest(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.press("3")
        await it.until(lambda: View.ORDERS in it.app.store.loaded)
        it.app.paint(refill=True)
        it.server.change(View.ORDERS, order(50))
        await it.until(lambda: paints(it) and it.board.selected == order(50).key())

    scenario(tmp_path, body)


def test_the_log_follows_until_one_scrolls_up(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.press("5")
        await it.until_shown("line 60:")
        it.server.change(View.LOG, log_line(61))
        await it.until_shown("line 61:")
        await it.press("up", "up")
        it.server.change(View.LOG, *(log_line(number) for number in range(62, 80)))
        await it.until(lambda: View.LOG in it.app.store.changed or it.board.position[1] == 79)
        it.app.paint(refill=True)
        assert it.board.selected == "59"
        assert "End follows" in it.line("crumbs")
        await it.press("end")
        assert it.board.selected == "79"

    scenario(tmp_path, body)


def test_foreign_text_can_neither_style_nor_shift_the_screen(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.press("5")
        await it.until_shown("line 60:")
        it.server.change(View.LOG, log_line(61, "\x1b[31m[bold]未来[/bold]\tx\n\x07second line"))
        await it.until_shown("?[31m[bold]??[/bold] x")

    scenario(tmp_path, body)


def test_help_lists_the_keys_of_the_view(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.press("question_mark")
        assert isinstance(it.app.screen, Help)
        shown = it.screen()
        assert "fold or unfold" in shown
        assert "kill switch" in shown
        await it.press("escape")
        await it.press("3", "question_mark")
        assert "fold or unfold" not in it.screen()

    scenario(tmp_path, body)


def test_silence_makes_the_screen_stale_and_a_word_makes_it_live_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "STALE_AFTER_S", 0.8)
    monkeypatch.setattr(control, "PING_EVERY_S", 0.1)

    async def body(it: Driven) -> None:
        it.server.silent = True
        await it.until_shown("STALE: no word for")
        assert it.app.client.link() is Link.STALE
        tones = {run.tone for y in range(1, 5) for run in it.board.runs(y)}
        assert tones <= {"dim", "cursor"}
        it.server.silent = False
        await it.until(lambda: it.app.client.link() is Link.LIVE)
        it.app.paint()
        assert not it.app.query_one("#banner").display

    scenario(tmp_path, body)


def test_a_restarted_daemon_keeps_view_filter_and_cursor(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.command("orders quiet")
        await it.until(lambda: View.ORDERS in it.app.store.loaded)
        it.app.paint(refill=True)
        await it.press("down", "down", "down")
        chosen = it.board.selected
        await it.server.stop()
        await it.until_shown("DOWN, trying again")
        assert "trading unknown" in it.line("status")
        assert it.board.selected == chosen
        it.server.boot_id = "boot-2"
        it.server.started_ns = NOON_NS
        it.server.rows[View.STATUS] = {"status": status(restarts=0)}
        await it.server.start()
        await it.until_shown("daemon restarted 12:03:07Z, was up 1h")
        await it.until(lambda: it.app.store.loaded >= {View.ORDERS, View.STATUS})
        it.app.paint()
        assert it.app.page.name == "orders"
        assert it.app.filters["orders"] == "quiet"
        assert it.board.selected == chosen
        it.server.change(View.ORDERS, order(43))
        await it.until(lambda: paints(it) and it.board.selected == chosen)

    scenario(tmp_path, body)


def test_a_daemon_of_another_version_is_read_only_and_says_so(tmp_path: Path) -> None:
    async def inner() -> None:
        async with driven(tmp_path) as it:
            await it.server.stop()
            it.server.protocol = control.PROTOCOL_VERSION + 1
            it.server.read_only = True
            await it.server.start()
            await it.until_shown("speaks another protocol: read-only")
            await it.command("rw")
            await it.until_shown("read-only for good")

    run(inner())


def test_a_missed_delta_is_asked_for_again(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        (peer,) = it.server.peers
        peer.seq[View.TREE] += 5
        it.server.change(View.TREE, tree_row("/store", 100, state="halted"))
        await it.until(
            lambda: (node := it.app.store.node("/store")) is not None and node.state == "halted"
        )
        assert sum(
            isinstance(frame, control.Subscribe) and frame.view is View.TREE
            for frame in it.server.requests
        ) == 2  # fmt: skip

    scenario(tmp_path, body)


def test_details_of_the_chosen_line_are_shown(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.press("3")
        await it.until(lambda: View.FILLS in it.app.store.loaded)
        it.app.paint(refill=True)
        detail = it.line("detail")
        assert order(39).client_order_id in detail
        assert f"fee {fill(39).fee}" in detail

    scenario(tmp_path, body, (120, 40))


def test_a_tiny_window_keeps_the_status_line(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.until_shown("canopy sim")
        await it.press("3", "1", "down")

    scenario(tmp_path, body, (40, 10))


def test_a_program_without_a_daemon_says_what_to_do(tmp_path: Path) -> None:
    async def inner() -> None:
        async with driven(tmp_path) as it:
            await it.server.stop()
            await it.until_shown("is the bot running?")
            await it.press("H")
            await it.until(lambda: isinstance(it.app.screen, Halt))
            await it.press("H")
            await it.until_shown("not connected: nothing was sent")
            await it.server.start()
            await eventually(lambda: it.app.client.link() is Link.LIVE)
            assert it.server.acts() == []

    run(inner())


def test_rows_are_formatted_again_only_when_they_changed(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        before = it.app.page.lines(it.app.store, "")
        row = it.app.store.node("/store")
        assert row is not None
        it.server.change(View.TREE, msgspec.structs.replace(row, restarts=9))
        await it.until(lambda: it.app.store.node("/store") is not row)
        after = it.app.page.lines(it.app.store, "")
        assert sum(old is not new for old, new in zip(before, after, strict=True)) == 1

    scenario(tmp_path, body)


def test_the_daemon_fake_speaks_the_protocol(tmp_path: Path) -> None:
    async def inner() -> None:
        async with daemon(tmp_path / "control.sock") as server:
            assert {row.key() for row in server.rows[View.STATUS].values()} == {"status"}
            assert views.nest(
                row for row in server.rows[View.TREE].values() if isinstance(row, views.TreeRow)
            )

    run(inner())


def test_time_constants_of_the_fake_are_what_tests_write_out() -> None:
    assert NOON_NS // S_NS % 86_400 == 12 * 3_600 + 3 * 60 + 7
