"""Bundles: a moment goes to another machine whole, and no secret goes with it."""

import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import msgspec
import pytest

from actors.execution.keys import StoredKey
from bot import bundle as bundles
from bot import cli
from bot.bundle import FORMAT, MAGIC, BundleError, read
from bot.bundling import check_absent, secrets, without_secrets
from bot.config import config_file, load
from bot.environment import Environment
from bot.key_store import PASSPHRASE_CREDENTIAL, KeyStore
from bot.replaying import settings_of
from messages.settings import TreeSettings
from state.look import Look
from tests.tidy.sources import ROOT

VAULT = "/users/alice/vaults/kraken-sim-usdt"
LEDGER = f"{VAULT}/ledger"
WAIT_S = 60.0
SECRET = "hunter2-hunter2-hunter2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data folder of a bot that ran for two seconds with the shipped configuration."""
    root = tmp_path_factory.mktemp("bundle")
    done = subprocess.run(
        [
            sys.executable, "-m", "bot.entry", "start",
            "--data-dir", str(root / "data"), "--for", "2",
        ],
        cwd=ROOT, env={**os.environ, "CANOPY_RUNTIME_DIR": str(root), "EXCHANGE_TOKEN": SECRET},
        check=False, capture_output=True, text=True, timeout=WAIT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return root / "data"


@pytest.fixture(scope="module")
def settings(folder: Path) -> TreeSettings:
    with Look(folder) as look:
        return settings_of(look, None)


@pytest.fixture(scope="module")
def made(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("made") / "moment.bundle"
    words = ["bundle", LEDGER, "--around", "-1s", "--out", str(file), "--data-dir", str(folder)]
    assert cli.run(words) == 0
    return file


def test_a_moment_is_replayed_without_the_data_folder(
    folder: Path, made: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missing = tmp_path / "nothing"
    assert cli.run(["replay", "--bundle", str(made), "--json", "--data-dir", str(missing)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["address"], shown["identical"]) == (LEDGER, True)
    assert cli.run(["replay", LEDGER, "--quiet", "--json", "--data-dir", str(folder)]) == 0
    original = json.loads(capsys.readouterr().out)
    assert shown["chain"] == original["chain"]
    assert cli.run(["replay", "--bundle", str(made), "--at", "-1h", "--quiet"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{LEDGER} around 20")
    assert "identical: messages 1 to " in told
    assert "deposit: 10000 USDT" in told, "what people were told"
    assert made.stat().st_mode & 0o777 == 0o600
    for words in (["/risk"], ["--dead-letter", "5"]):
        assert cli.run(["replay", "--bundle", str(made), *words]) == 2


def test_no_secret_is_in_it_compressed_or_not(made: Path, settings: TreeSettings) -> None:
    environment = Environment({**os.environ, "EXCHANGE_TOKEN": SECRET})
    known = secrets(settings, environment)
    assert SECRET in known
    assert len(known) >= 4, "a key, a secret and a passphrase of each account"
    document = made.read_bytes()
    start = document.index(b"\n") + 1 + bundles.DIGEST_BYTES
    plain = zlib.decompress(document[start:])
    for secret in known:
        assert secret.encode() not in document
        assert secret.encode() not in plain
    assert b"kraken-sim" in plain, "the search would find what is there"


def test_a_bundle_that_would_hold_a_secret_is_not_written(
    made: Path, settings: TreeSettings, folder: Path, tmp_path: Path
) -> None:
    moment = read(made)
    leaky = msgspec.structs.replace(moment, address=f"/users/{secrets(settings, Environment())[0]}")
    with pytest.raises(BundleError, match="nothing was written"):
        check_absent(leaky, secrets(settings, Environment()))
    check_absent(moment, secrets(settings, Environment()))


def test_no_stored_key_is_in_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The store is opened for it; a key that happens to be what messages do hold is found."""
    kept, credentials = tmp_path / "kept", tmp_path / "credentials"
    credentials.mkdir()
    (credentials / PASSPHRASE_CREDENTIAL).write_text("passphrase of a test")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    shutil.copytree(folder, kept, ignore=shutil.ignore_patterns("socket", "*.lock"))
    out = tmp_path / "moment.bundle"
    words = ["bundle", LEDGER, "--around", "-1s", "--out", str(out), "--data-dir", str(kept)]
    # In messages it stands as JSON or msgpack write it; here as a text of many messages.
    for secret, code in (("a secret of nobody", 0), ("kraken-sim-usdt", 1)):
        key = StoredKey(
            user="alice", venue="kraken", environment="live", api_key="KEY-KEY-KEY", secret=secret
        )
        store = KeyStore(kept, work=10)
        store.write([key], "passphrase of a test")
        assert cli.run(words) == code, capsys.readouterr().err
    assert "the bundle would hold a secret" in capsys.readouterr().err
    (credentials / PASSPHRASE_CREDENTIAL).write_text("another passphrase")
    assert cli.run(words) == 4
    assert "cannot be opened" in capsys.readouterr().err
    assert cli.run([*words, "--no-key-check"]) == 0


def test_a_password_in_an_address_and_the_seeds_of_keys_are_left_out() -> None:
    shipped = load(config_file(Environment({})), Environment({}))
    tree = shipped.tree_settings(shipped.first_run)
    ((name, venue),) = tree.venues.items()
    wired = msgspec.structs.replace(
        venue, box=None, rest=f"https://me:{SECRET}@example.org", seed=77_123
    )
    seeded = msgspec.structs.replace(tree, venues={name: venue, "other-sim": wired})
    assert venue.box is not None
    plain = without_secrets(seeded)
    assert SECRET not in str(plain)
    assert [one.seed for one in plain.venues.values()] == [0, 0]
    box = plain.venues[name].box
    assert box is not None
    assert box.seed == 0
    assert plain.roster == tree.roster


def test_damaged_cut_foreign_and_newer_files_are_refused_with_a_sentence(
    made: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bundles, "UNPACKED_BYTES_MAX", 1_000_000)
    whole = made.read_bytes()
    head = MAGIC + b"%d\n" % FORMAT
    assert whole.startswith(head)
    broken = bytearray(whole)
    broken[-20] ^= 1
    bomb = zlib.compress(bytes(bundles.UNPACKED_BYTES_MAX + 1))
    no_bundle = zlib.compress(b"\xc0")
    cases = {
        "is damaged": bytes(broken),
        "or cut short": whole[:-1],
        "is no bundle": b"PK" + whole,
        "made by a newer Canopy": MAGIC + b"%d\n" % (FORMAT + 1) + whole[len(head) :],
        "unpacks to more": head + bundles._digest(bomb) + bomb,
        "does not hold what": head + bundles._digest(no_bundle) + no_bundle,
    }
    for words, document in cases.items():
        file = tmp_path / "case.bundle"
        file.write_bytes(document)
        assert cli.run(["replay", "--bundle", str(file)]) == 1
        assert words in capsys.readouterr().err
    assert cli.run(["replay", "--bundle", str(tmp_path / "none")]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_a_moment_without_messages_is_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bundle", LEDGER, "--around", "-9d", "--data-dir", str(folder)]
    assert cli.run([*words, "--out", str(tmp_path / "x")]) == 1
    assert "handled no message around that time" in capsys.readouterr().err
    words = ["bundle", "/store", "--around", "-1s", "--data-dir", str(folder)]
    assert cli.run(words) == 1
