"""`bot capture`, over what a feed has really kept."""

import json
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from bot import cli
from tests.actors.feeds.test_playback import world


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with what came in during five seconds."""
    data = tmp_path_factory.mktemp("data")

    async def record() -> None:
        async with world(data / "capture" / "kraken-sim"):
            await trio.sleep(5)

    trio.run(record, clock=MockClock(autojump_threshold=0))
    return data


def test_what_is_kept_is_listed_and_played_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--data-dir", str(folder)]
    assert cli.run(["capture", "list", *where]) == 0
    assert "kraken-sim" in capsys.readouterr().out
    assert cli.run(["capture", "list", "--json", *where]) == 0
    (segment,) = json.loads(capsys.readouterr().out)
    name = str(Path(segment["path"]).relative_to(folder / "capture"))
    assert cli.run(["capture", "replay", name, "--json", *where]) == 0
    played = json.loads(capsys.readouterr().out)
    assert (played["venue"], played["lost"], played["alerts"]) == ("kraken-sim", 0, [])
    assert played["frames"] > 10
    assert cli.run(["capture", "replay", segment["path"]]) == 0
    assert f"kraken-sim: {played['frames']} frames in" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_said_to_be_missing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["capture", "replay", "none.gz", "--data-dir", str(folder)]) == 1
    assert "`bot capture list` shows what is" in capsys.readouterr().err


def test_nothing_kept_says_how_to_turn_it_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["capture", "list", "--data-dir", str(tmp_path)]) == 0
    assert "[venues.NAME.capture] in bot.toml turns it on" in capsys.readouterr().out
