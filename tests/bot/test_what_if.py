"""`bot replay --code` and `--param`: where they differ, and what it would have made."""

import json
from pathlib import Path

import pytest

from actors.sleeves.strategies import buy_low_sell_high
from actors.sleeves.strategy import strategy
from bot import cli
from tests.bot.test_replaying import LEDGER, VAULT, folder
from tests.whole.processes import Json

FLASH = f"{VAULT}/sleeves/flash"
SOURCE = Path(buy_low_sell_high.__file__)
assert folder, "the fixture of a recorded life"


def what_if(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Json:
    capsys.readouterr()
    assert cli.run(["replay", *words, "--data-dir", str(folder), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert cli.run(["replay", *words, "--data-dir", str(folder)]) == 1
    return capsys.readouterr().err


def test_the_same_code_is_no_difference(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    copy = tmp_path / "same.py"
    copy.write_text(SOURCE.read_text())
    found = what_if(folder, capsys, FLASH, "--code", str(copy))
    assert (found["differing"], found["first"], found["crashes"]) == (0, None, 0)
    assert found["messages"] > 10
    assert found["money"]["as_it_is"] == found["money"]["changed"]
    assert float(found["money"]["difference"]) == 0


def test_changed_code_is_shown_where_it_first_differs(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    copy = tmp_path / "eager.py"
    reason = "watching the market until the window is full"
    assert reason in SOURCE.read_text()
    copy.write_text(SOURCE.read_text().replace(reason, "looking around"))
    found = what_if(folder, capsys, FLASH, "--code", str(copy))
    first = found["first"]
    assert found["differing"] >= 1
    assert any(reason in effect for effect in first["before"])
    assert any("looking around" in effect for effect in first["after"])
    assert found["money"]["difference"] == "0.00000000"
    assert strategy("buy_low_sell_high") is buy_low_sell_high.BuyLowSellHigh, "put back"


def test_other_parameters_are_taken_over(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    copy = tmp_path / "telling.py"
    text = SOURCE.read_text()
    assert "        return memory, (no_wish(WARMING),)" in text
    # It says something else if, and only if, the parameter reached it.
    telling = "no_wish(FALLING if params.dip_ppm == 4321 else WARMING)"
    copy.write_text(text.replace("no_wish(WARMING)", telling))
    same = what_if(folder, capsys, FLASH, "--code", str(copy))
    assert same["differing"] == 0
    found = what_if(folder, capsys, FLASH, "--code", str(copy), "--param", "dip_ppm=4321")
    assert any("waiting for the dip to turn" in effect for effect in found["first"]["after"])
    assert found["money"]["asset"] == "USDT"
    assert "first recorded top of book after it" in found["money"]["assumed"]


def test_code_that_crashes_is_counted_not_raised(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    copy = tmp_path / "broken.py"
    text = SOURCE.read_text()
    copy.write_text(text.replace("    leg = legs[0]\n", "    leg = legs[7]\n", 1))
    found = what_if(folder, capsys, FLASH, "--code", str(copy))
    assert found["crashes"] > 0
    assert "a crash: IndexError" in found["first"]["after"][0]


def test_an_actor_of_any_kind_can_be_changed(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import actors.ledger

    text = Path(actors.ledger.__file__).read_text()
    copy = tmp_path / "ledger.py"
    copy.write_text(text)
    found = what_if(folder, capsys, LEDGER, "--code", str(copy))
    assert (found["differing"], found["money"]) == (0, None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((FLASH, "--param", "dip=1"), "has no such parameter; it has window_ns"),
        ((FLASH, "--param", "dip_ppm=1"), "it may be 100 to 500000"),
        ((LEDGER, "--param", "dip_ppm=200"), "is no sleeve"),
        ((FLASH, "--code", "/nowhere.py"), "is no Python file"),
        ((FLASH, "--param", "dip_ppm=200", "--pdb"), "go with --from and --to"),
    ],
)
def test_what_cannot_be_asked(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert said in refused(folder, capsys, *words)


def test_a_file_that_is_about_nothing_here_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n")
    assert "defines no class Sleeve and registers no strategy" in refused(
        folder, capsys, FLASH, "--code", str(empty)
    )
    empty.write_text("x = (\n")
    assert "cannot be loaded: SyntaxError" in refused(folder, capsys, FLASH, "--code", str(empty))
    assert cli.run(["replay", FLASH, "--param", "dip_ppm", "--data-dir", str(folder)]) == 2
    assert "write NAME=NUMBER" in capsys.readouterr().err
