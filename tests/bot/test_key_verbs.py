"""`bot key`, and what a start with real money asks for."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot import key_store, keys
from bot.cli import bot
from bot.config import shipped_file

PASSPHRASE = "correct horse"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a configuration that has a live venue, and systemd's passphrase."""
    # The cost of a guess is not what is tested here.
    monkeypatch.setattr(key_store.KeyStore.__init__, "__defaults__", (os.urandom, 10))
    venue = """live = true
[venues.kraken-live]
protocol = "kraken"
environment = "live"
symbols = ["ETH/USDT"]
[venues.okx-live]
protocol = "okx"
environment = "live"
symbols = ["ETH/USDT"]
"""
    (tmp_path / "bot.toml").write_text(venue + shipped_file().read_text())
    (tmp_path / "canopy-keys").write_text(PASSPHRASE)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("CANOPY_CONFIG", str(tmp_path / "bot.toml"))
    return tmp_path


def run(home: Path, *words: str, typed: str = "") -> Result:
    return CliRunner().invoke(bot, [*words, "--data-dir", str(home / "data")], input=typed)


def test_a_key_is_added_listed_and_removed(home: Path) -> None:
    added = run(home, "key", "add", "alice", "kraken-live", typed="the-api-key\nhush\n")
    assert added.exit_code == 0, added.output
    assert "hush" not in added.output
    listed = run(home, "key", "list", "--json")
    (row,) = json.loads(listed.stdout)
    assert (row["user"], row["venue"], row["environment"]) == ("alice", "kraken-live", "live")
    assert row["api_key_end"] == "-key"
    assert "hush" not in listed.output
    assert run(home, "key", "remove", "alice", "kraken-live").exit_code == 0
    assert json.loads(run(home, "key", "list", "--json").stdout) == []
    gone = run(home, "key", "remove", "alice", "kraken-live")
    assert gone.exit_code == 1
    assert "there are: none" in gone.output


def test_a_key_may_come_from_the_environment_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("key", "add", "alice", "kraken-live", "--from-env", "MINE")
    assert "must all be set" in run(home, *words).output
    monkeypatch.setenv("MINE_API_KEY", "one")
    monkeypatch.setenv("MINE_SECRET", "two")
    assert run(home, *words).exit_code == 0


def test_a_keys_own_passphrase_is_asked_for_where_the_venue_has_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = run(home, "key", "add", "alice", "okx-live", typed="the-api-key\nhush\nquiet\n")
    assert added.exit_code == 0, added.output
    assert "quiet" not in added.output
    (key,) = key_store.KeyStore(home / "data").read(PASSPHRASE)
    assert key.passphrase == "quiet"
    monkeypatch.setenv("MINE_API_KEY", "one")
    monkeypatch.setenv("MINE_SECRET", "two")
    words = ("key", "add", "alice", "okx-live", "--from-env", "MINE")
    assert "MINE_PASSPHRASE must all be set" in run(home, *words).output


def test_a_private_key_of_many_lines_is_typed_on_one(home: Path) -> None:
    typed = "the-api-key\n-----BEGIN EC PRIVATE KEY-----\\nabc\\n-----END EC PRIVATE KEY-----\n"
    assert run(home, "key", "add", "alice", "kraken-live", typed=typed).exit_code == 0
    (key,) = key_store.KeyStore(home / "data").read(PASSPHRASE)
    assert key.secret.splitlines()[1] == "abc"


@pytest.mark.parametrize(
    ("user", "venue", "said"),
    [
        ("alice", "kraken-lvie", "did you mean kraken-live?"),
        ("alcie", "kraken-live", "did you mean alice?"),
        ("alice", "kraken-sim", "is a simulation"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(
    home: Path, user: str, venue: str, said: str
) -> None:
    refused = run(home, "key", "add", user, venue)
    assert refused.exit_code == 1
    assert said in refused.output


def test_a_wrong_passphrase_is_a_configuration_error(home: Path) -> None:
    run(home, "key", "add", "alice", "kraken-live", typed="the-api-key\nhush\n")
    (home / "canopy-keys").write_text("another one")
    refused = run(home, "key", "list")
    assert refused.exit_code == 4
    assert "passphrase is wrong" in refused.output


def test_real_money_is_asked_for_by_a_word(home: Path) -> None:
    refused = run(home, "start", typed="yes\n")
    assert refused.exit_code == 1
    assert "REAL MONEY: kraken-live" in refused.output
    assert not (home / "data" / "canopy.db").exists()
    keys.confirm_live(["kraken-live"], yes=True)
    keys.confirm_live([], yes=False)
