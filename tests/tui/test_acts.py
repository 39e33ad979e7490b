from pathlib import Path

import pytest

from messages import control
from messages.control import Answer, Outcome, SwitchAction, View
from tests.tui.driving import Driven, scenario
from tests.tui.fake import (
    SLEEVES,
    status,
)
from tui.screens.dialogs import Confirm, Halt, Typed


def test_pausing_is_refused_until_armed(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.press("2", "P")
        await it.until_shown("type :rw")
        assert it.server.acts() == []

    scenario(tmp_path, body)


async def _armed_on_flash(it: Driven) -> None:
    await it.press("2")
    await it.until_shown("flash")
    await it.press("down", "down")
    await it.command("rw")
    assert "RW 9m" in it.line("status") or "RW 10m" in it.line("status")


def test_pausing_a_sleeve_asks_with_the_focus_on_no(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await _armed_on_flash(it)
        await it.press("P")
        await it.until(lambda: isinstance(it.app.screen, Confirm))
        assert it.app.focused is not None
        assert it.app.focused.id == "no"
        await it.press("enter")
        assert it.server.acts() == []
        await it.press("P")
        await it.until(lambda: isinstance(it.app.screen, Confirm))
        await it.press("tab", "enter")
        await it.until(lambda: len(it.server.acts()) == 1)
        (act,) = it.server.acts()
        assert isinstance(act, control.Pause)
        assert act.address == f"{SLEEVES}/flash"
        await it.until_shown("Pause: done: as you wish")

    scenario(tmp_path, body)


def test_pausing_a_vault_means_the_sleeves_below_it(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.press("2")
        await it.until_shown("flash")
        await it.command("rw")
        await it.press("P")
        await it.until(lambda: isinstance(it.app.screen, Confirm))
        await it.press("tab", "enter")
        await it.until(lambda: len(it.server.acts()) == 1)
        (act,) = it.server.acts()
        assert isinstance(act, control.Pause)
        assert act.address == SLEEVES

    scenario(tmp_path, body)


def test_a_command_can_name_the_sleeve(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.command("rw")
        await it.command(f"resume {SLEEVES}/quiet")
        await it.until(lambda: isinstance(it.app.screen, Confirm))
        await it.press("tab", "enter")
        await it.until(lambda: len(it.server.acts()) == 1)
        (act,) = it.server.acts()
        assert isinstance(act, control.Resume)
        assert act.address == f"{SLEEVES}/quiet"

    scenario(tmp_path, body)


@pytest.mark.parametrize("keys", [("H", "H"), ("ctrl+x", "ctrl+x"), ("H", "ctrl+x")])
def test_the_kill_switch_takes_two_keys_and_no_arming(
    tmp_path: Path, keys: tuple[str, str]
) -> None:
    async def body(it: Driven) -> None:
        it.app.paint()
        await it.press(keys[0])
        await it.until(lambda: isinstance(it.app.screen, Halt))
        assert "2 active sleeves" in it.screen()
        assert "8 open orders" in it.screen()
        await it.press(keys[1])
        await it.until(lambda: len(it.server.acts()) == 1)
        (act,) = it.server.acts()
        assert isinstance(act, control.KillSwitch)
        assert act.action is SwitchAction.ENGAGE
        it.server.change(View.STATUS, status(kill_switch=True, trading=False))
        await it.until_shown("KILL SWITCH ON")

    scenario(tmp_path, body)


def test_escape_leaves_the_kill_switch_alone(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        await it.press("H")
        await it.until(lambda: isinstance(it.app.screen, Halt))
        await it.press("escape")
        await it.until(lambda: not isinstance(it.app.screen, Halt))
        assert it.server.acts() == []

    scenario(tmp_path, body)


@pytest.mark.parametrize("before", [("slash", "x"), ("colon", "o"), ("question_mark",)])
def test_the_kill_switch_works_from_behind_a_filter_a_command_and_a_dialog(
    tmp_path: Path, before: tuple[str, ...]
) -> None:
    async def body(it: Driven) -> None:
        await it.press(*before)
        await it.press("ctrl+x")
        await it.until(lambda: isinstance(it.app.screen, Halt))
        await it.press("ctrl+x")
        await it.until(lambda: len(it.server.acts()) == 1)

    scenario(tmp_path, body)


@pytest.mark.parametrize(("word", "sent"), [("release", 1), ("relase", 0)])
def test_releasing_the_kill_switch_takes_the_whole_word(
    tmp_path: Path, word: str, sent: int
) -> None:
    async def body(it: Driven) -> None:
        await it.command("rw")
        await it.command("release")
        await it.until(lambda: isinstance(it.app.screen, Typed))
        await it.type(word)
        await it.press("enter")
        await it.until(lambda: not isinstance(it.app.screen, Typed))
        await it.until(lambda: len(it.server.acts()) == sent)

    scenario(tmp_path, body)


@pytest.mark.parametrize(("word", "sent"), [("flash", 1), ("yes", 0)])
def test_closing_a_sleeve_takes_its_name(tmp_path: Path, word: str, sent: int) -> None:
    async def body(it: Driven) -> None:
        await _armed_on_flash(it)
        await it.press("C")
        await it.until(lambda: isinstance(it.app.screen, Typed))
        await it.type(word)
        await it.press("enter")
        await it.until(lambda: not isinstance(it.app.screen, Typed))
        await it.until(lambda: len(it.server.acts()) == sent)
        closes = [act for act in it.server.acts() if isinstance(act, control.Close)]
        assert [act.address for act in closes] == [f"{SLEEVES}/flash"] * sent

    scenario(tmp_path, body)


def test_a_read_only_daemon_is_told_and_cannot_be_armed(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        (peer,) = it.server.peers
        assert peer.hello is not None
        assert peer.hello.read_only
        await it.command("rw")
        await it.until_shown("read-only for good")
        assert "RO" in it.line("status")

    scenario(tmp_path, body, read_only=True)


def test_a_refusal_is_shown(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        it.server.answer = lambda frame: Answer(
            request_id=getattr(frame, "request_id", ""), outcome=Outcome.DENIED, text="not you"
        )
        await _armed_on_flash(it)
        await it.press("P")
        await it.until(lambda: isinstance(it.app.screen, Confirm))
        await it.press("tab", "enter")
        await it.until_shown("Pause: refused: not you")

    scenario(tmp_path, body)
