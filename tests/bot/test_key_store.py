"""The encrypted file of keys."""

from pathlib import Path

import pytest

from actors.execution.keys import StoredKey
from bot.key_store import (
    HEAD,
    KeyStore,
    KeyStoreError,
    passphrase_credential,
    with_key,
    without_key,
)

PASSPHRASE = "correct horse"
WORK = 10


def key(user: str = "alice", venue: str = "kraken-live", api_key: str = "KEY-1") -> StoredKey:
    environment = venue.rpartition("-")[2]
    return StoredKey(
        user=user, venue=venue, environment=environment, api_key=api_key, secret="hush"
    )


def store(folder: Path) -> KeyStore:
    return KeyStore(folder, work=WORK)


def test_what_is_written_is_read_again_and_is_not_there_to_see(tmp_path: Path) -> None:
    keys = store(tmp_path)
    assert keys.read(PASSPHRASE) == []
    keys.write([key()], PASSPHRASE)
    assert store(tmp_path).read(PASSPHRASE) == [key()]
    data = keys.path.read_bytes()
    assert b"hush" not in data
    assert b"KEY-1" not in data
    assert keys.path.stat().st_mode & 0o077 == 0
    assert "hush" not in repr(key())


def test_a_wrong_passphrase_and_a_changed_byte_open_nothing(tmp_path: Path) -> None:
    keys = store(tmp_path)
    keys.write([key()], PASSPHRASE)
    with pytest.raises(KeyStoreError, match="passphrase is wrong"):
        keys.read("another one")
    data = bytearray(keys.path.read_bytes())
    data[-1] ^= 1
    keys.path.write_bytes(data)
    with pytest.raises(KeyStoreError, match="damaged"):
        keys.read(PASSPHRASE)


@pytest.mark.parametrize(
    "data", [b"", b"canopykeys1\n", b"something else entirely, and longer " * 3]
)
def test_what_is_no_file_of_keys_is_said_to_be_none(tmp_path: Path, data: bytes) -> None:
    keys = store(tmp_path)
    keys.path.write_bytes(data)
    keys.path.chmod(0o600)
    with pytest.raises(KeyStoreError, match="no file of keys"):
        keys.read(PASSPHRASE)


def test_a_file_cannot_ask_for_all_the_memory(tmp_path: Path) -> None:
    keys = store(tmp_path)
    keys.write([key()], PASSPHRASE)
    data = bytearray(keys.path.read_bytes())
    data[HEAD - 1] = 60
    keys.path.write_bytes(data)
    with pytest.raises(KeyStoreError, match="no file of keys"):
        keys.read(PASSPHRASE)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    keys = store(tmp_path)
    keys.write([key()], PASSPHRASE)
    keys.path.chmod(0o644)
    with pytest.raises(KeyStoreError, match="chmod 600"):
        keys.read(PASSPHRASE)


def test_a_passphrase_has_a_length(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError, match="too short"):
        store(tmp_path).write([key()], "short")


def test_a_key_of_another_environment_is_refused() -> None:
    with pytest.raises(KeyStoreError, match=r"alice at kraken-live \(live\)"):
        with_key([key()], key(venue="kraken-testnet"))
    renewed = with_key([key()], key(api_key="KEY-2"))
    assert [each.api_key for each in renewed] == ["KEY-2"]
    assert without_key(renewed, "alice", "kraken-live") == []


def test_systemd_gives_the_passphrase(tmp_path: Path) -> None:
    assert passphrase_credential(None) is None
    assert passphrase_credential(tmp_path) is None
    (tmp_path / "canopy-keys").write_text("correct horse\n")
    assert passphrase_credential(tmp_path) == PASSPHRASE
