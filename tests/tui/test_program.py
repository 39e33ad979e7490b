from pathlib import Path

from messages.control import View
from tests.tui.driving import Driven, scenario
from tests.tui.fake import (
    order,
)
from tui.screens.dialogs import Help


def test_a_filter_narrows_as_it_is_typed_and_escape_takes_it_back(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.press("3")
        await it.until(lambda: View.ORDERS in it.app.store.loaded)
        await it.press("slash")
        await it.type("sell !filled")
        shown = [line.cells for line in it.board._lines]
        assert len(shown) == 4
        assert all("sell" in cells[2] and "open" in cells[7] for cells in shown)
        await it.press("enter")
        assert "/sell !filled" in it.line("crumbs")
        assert "of 4" in it.line("crumbs")
        await it.press("escape")
        assert it.app.page.name == "orders"
        assert it.board.position[1] == 40

    scenario(tmp_path, body)


def test_a_filter_that_nothing_passes_says_so(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.command("orders nonsense")
        await it.until_shown("no line matches /nonsense")

    scenario(tmp_path, body)


def test_enter_drills_from_sleeve_to_orders_to_fills_and_escape_climbs_back(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.press("2")
        await it.until(lambda: View.VAULTS in it.app.store.loaded)
        it.app.paint(refill=True)
        await it.press("down", "down", "enter")
        assert it.app.page.name == "orders"
        await it.until(lambda: View.ORDERS in it.app.store.loaded)
        it.app.paint(refill=True)
        assert {line.cells[8] for line in it.board._lines} == {"flash"}
        await it.press("down", "enter")
        assert it.app.page.name == "fills"
        await it.until(lambda: View.FILLS in it.app.store.loaded)
        it.app.paint(refill=True)
        assert it.board.position[1] == 1
        assert it.line("crumbs").startswith("vaults > orders > fills")
        await it.press("escape", "escape", "escape", "escape", "escape")
        assert it.app.page.name == "vaults"
        assert it.app.is_running

    scenario(tmp_path, body)


def test_folding_hides_a_part_of_the_tree(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        assert "reconcile" in it.screen()
        total = it.board.position[1]
        await it.press("down", "space")
        assert it.board.position[1] < total
        assert "reconcile" not in it.screen()
        await it.press("enter")
        assert it.board.position[1] == total

    scenario(tmp_path, body, (120, 40))


def test_pausing_the_painting_freezes_the_view_but_not_the_data(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.press("3")
        await it.until(lambda: View.ORDERS in it.app.store.loaded)
        it.app.paint(refill=True)
        await it.press("p")
        it.server.change(View.ORDERS, order(77))
        await it.until(lambda: len(it.app.store.orders()) == 41)
        it.app.paint()
        assert it.board.position[1] == 40
        assert "painting paused" in it.line("status")
        await it.press("p")
        assert it.board.position[1] == 41

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


def test_a_misspelt_command_gets_a_hint(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.command("ordres")
        await it.until_shown("did you mean :orders?")

    scenario(tmp_path, body)


def test_commands_are_remembered(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.command("orders flash")
        await it.press("colon", "up")
        assert it.app._prompt.value == "orders flash"
        await it.press("escape")
        assert it.app.page.name == "orders"

    scenario(tmp_path, body)


def test_themes_change_and_a_screenshot_is_saved(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        for name in ("light", "contrast", "ansi", "dark"):
            await it.command(f"theme {name}")
            assert it.app.theme == f"canopy-{name}"
        await it.press("t")
        assert it.app.theme == "canopy-light"
        it.app.save_picture(tmp_path / "screen.svg")
        assert "canopy" in (tmp_path / "screen.svg").read_text(encoding="utf-8")

    scenario(tmp_path, body)


def test_basic_mode_uses_ascii_only(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        for key in "12345":
            await it.press(key)
            view = it.app.page.view
            await it.until(it.has(view))
            it.app.paint(refill=True)
            assert it.screen().isascii()

    scenario(tmp_path, body, basic=True)
