from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.execution.keys import KEY_FILE_BYTES_MAX, Keys, MissingKeyError, StoredKey
from exchanges.types import Credentials


def key_file(folder: Path, text: str, mode: int = 0o600) -> Keys:
    path = folder / "kraken-live.alice"
    path.write_text(text)
    path.chmod(mode)
    return Keys({}, folder)


def test_generated_keys_come_first() -> None:
    credentials = Credentials("key", "secret")
    keys = Keys({("alice", "kraken-sim"): credentials})
    assert keys.credentials("alice", "kraken-sim") is credentials
    assert "secret" not in repr(keys)


def test_a_credentials_file_holds_key_and_secret(tmp_path: Path) -> None:
    keys = key_file(tmp_path, "the-key\nthe-secret\n")
    found = keys.credentials("alice", "kraken-live")
    assert found.reveal() == ("the-key", "the-secret")


def test_a_secret_may_have_several_lines(tmp_path: Path) -> None:
    keys = key_file(tmp_path, "the-key\n-----BEGIN\nabc\n-----END\n")
    assert keys.credentials("alice", "kraken-live").reveal()[1] == "-----BEGIN\nabc\n-----END"


def test_the_last_line_is_the_passphrase_where_the_venues_keys_have_one(tmp_path: Path) -> None:
    path = tmp_path / "okx-live.alice"
    path.touch(0o600)
    keys = Keys({}, tmp_path, with_passphrase=["okx-live"])
    path.write_text("the-key\nthe-secret\nhush\n")
    found = keys.credentials("alice", "okx-live")
    assert (*found.reveal(), found.reveal_passphrase()) == ("the-key", "the-secret", "hush")
    path.write_text("the-key\nthe-secret\nother\n")
    assert keys.credentials("alice", "okx-live").reveal_passphrase() == "other"
    path.write_text("the-key\nthe-secret\n")
    with pytest.raises(MissingKeyError, match="the passphrase on its third"):
        keys.credentials("alice", "okx-live")


def test_a_stored_key_without_the_passphrase_it_needs_is_not_given_out() -> None:
    key = StoredKey(
        user="alice", venue="okx-live", environment="live", api_key="the-key", secret="the-secret"
    )
    keys = Keys({}, None, [key], {"okx-live": "live"}, ["okx-live"])
    with pytest.raises(MissingKeyError, match="bot key add alice okx-live"):
        keys.credentials("alice", "okx-live")
    keys = Keys({}, None, [replace(key, passphrase="hush")], {"okx-live": "live"}, ["okx-live"])
    assert keys.credentials("alice", "okx-live").reveal_passphrase() == "hush"


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        ("only-one-line\n", 0o600, "must hold the API key on its first line"),
        ("the-key\nthe-secret\n", 0o644, "is open to others: chmod 600"),
        ("k\n" + "s" * KEY_FILE_BYTES_MAX, 0o600, "must hold the API key"),
    ],
)
def test_an_unusable_file_is_refused_without_showing_it(
    text: str, mode: int, says: str, tmp_path: Path
) -> None:
    keys = key_file(tmp_path, text, mode)
    with pytest.raises(MissingKeyError) as caught:
        keys.credentials("alice", "kraken-live")
    assert says in str(caught.value)
    assert "the-secret" not in str(caught.value)


def test_a_missing_key_says_how_to_give_one(tmp_path: Path) -> None:
    with pytest.raises(MissingKeyError, match=r"LoadCredential=kraken-live\.alice:/path"):
        Keys({}).credentials("alice", "kraken-live")
    with pytest.raises(MissingKeyError, match="bot key add alice kraken-live"):
        Keys({}, tmp_path).credentials("alice", "kraken-live")


def test_a_key_is_one_object_until_it_is_changed(tmp_path: Path) -> None:
    keys = key_file(tmp_path, "the-key\nthe-secret\n")
    first = keys.credentials("alice", "kraken-live")
    assert keys.credentials("alice", "kraken-live") is first
    (tmp_path / "kraken-live.alice").write_text("new-key\nnew-secret\n")
    assert keys.credentials("alice", "kraken-live").reveal() == ("new-key", "new-secret")


def stored(environment: str) -> Keys:
    key = StoredKey(
        user="alice",
        venue="kraken-live",
        environment=environment,
        api_key="the-key",
        secret="the-secret",
    )
    return Keys({}, None, [key], {"kraken-live": "live"})


def test_a_stored_key_is_given_out_for_its_environment_only() -> None:
    keys = stored("live")
    found = keys.credentials("alice", "kraken-live")
    assert found.reveal() == ("the-key", "the-secret")
    assert keys.credentials("alice", "kraken-live") is found, "its clients take turns through it"
    with pytest.raises(MissingKeyError, match="of environment testnet, the venue is live now"):
        stored("testnet").credentials("alice", "kraken-live")


def test_one_users_missing_key_names_the_remedy() -> None:
    with pytest.raises(MissingKeyError, match="bot key add bob kraken-live"):
        stored("live").credentials("bob", "kraken-live")
