"""The keys of accounts at real venues, in one encrypted file of the data folder.

    keys.canopy   magic, work, salt, nonce, then AES-256-GCM over the msgpack list of keys; the
                  file's own key is scrypt of a passphrase. Mode 0600, renamed into its place.

The passphrase is typed, or is systemd's credential `canopy-keys` (`LoadCredential=`). Neither it
nor a key is ever in the configuration, the journal, a log or the screen.
"""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from actors.execution.keys import StoredKey
from bot.errors import CONFIGURATION

FILE_NAME = "keys.canopy"
PASSPHRASE_CREDENTIAL = "canopy-keys"  # noqa: S105 - its name, not what it says
MAGIC = b"canopykeys1\n"
SALT_BYTES, NONCE_BYTES, KEY_BYTES = 16, 12, 32
# RFC 7914's figures for files, 2^17 × 8 × 128 bytes = 128 MB for a moment: a guess costs 0.3 s.
SCRYPT_WORK, SCRYPT_R, SCRYPT_P = 17, 8, 1
# What a file may ask for: less is no protection, more is a file made to exhaust the memory.
WORK_MIN, WORK_MAX = 10, 20
HEAD = len(MAGIC) + 1
# A thousand accounts of 8 kB.
FILE_BYTES_MAX = 8_000_000
PASSPHRASE_CHARACTERS_MIN = 8


class KeyStoreError(Exception):
    """The store of keys cannot be used; the text says what to do and holds no secret."""

    exit_code = CONFIGURATION


class KeyStore:
    """The keys in one data folder. `draw` gives random bytes, 2**`work` is scrypt's cost."""

    def __init__(
        self, folder: Path, draw: Callable[[int], bytes] = os.urandom, work: int = SCRYPT_WORK
    ) -> None:
        assert WORK_MIN <= work <= WORK_MAX, "what is written must be read again"
        self.path = folder / FILE_NAME
        self._draw = draw
        self._work = work

    def exists(self) -> bool:
        """Return whether there is a file of keys."""
        return self.path.is_file()

    def read(self, passphrase: str) -> list[StoredKey]:
        """Return all keys; none if there is no file. Raises `KeyStoreError`."""
        if not self.exists():
            return []
        data = self._read_file()
        head, work = data[:HEAD], data[HEAD - 1]
        salt = data[HEAD : HEAD + SALT_BYTES]
        nonce = data[HEAD + SALT_BYTES : HEAD + SALT_BYTES + NONCE_BYTES]
        sealed = data[HEAD + SALT_BYTES + NONCE_BYTES :]
        try:
            plain = AESGCM(_derive(passphrase, salt, work)).decrypt(nonce, sealed, head)
            return msgspec.msgpack.decode(plain, type=list[StoredKey])
        except (InvalidTag, msgspec.DecodeError):
            raise KeyStoreError(
                f"{self.path} cannot be opened: the passphrase is wrong, or the file is damaged; "
                "if it is lost, delete the file and add the keys again"
            ) from None

    def write(self, keys: list[StoredKey], passphrase: str) -> None:
        """Replace all keys. Raises `KeyStoreError`."""
        if len(passphrase) < PASSPHRASE_CHARACTERS_MIN:
            raise KeyStoreError(
                f"the passphrase is too short: take at least {PASSPHRASE_CHARACTERS_MIN} characters"
            )
        salt, nonce = self._draw(SALT_BYTES), self._draw(NONCE_BYTES)
        # The one place where keys are encoded: what comes of it is sealed at once.
        plain = msgspec.msgpack.encode(keys)
        head = MAGIC + bytes([self._work])
        sealed = AESGCM(_derive(passphrase, salt, self._work)).encrypt(nonce, plain, head)
        part = self.path.with_name(self.path.name + ".part")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.unlink(missing_ok=True)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
                f.write(head + salt + nonce + sealed)
                f.flush()
                os.fsync(f.fileno())
            part.replace(self.path)
        except OSError as error:
            raise KeyStoreError(
                f"{self.path} cannot be written ({error.strerror}): make the folder writable"
            ) from error

    def _read_file(self) -> bytes:
        try:
            status = self.path.stat()
            data = self.path.read_bytes() if status.st_size <= FILE_BYTES_MAX else b""
        except OSError as error:
            raise KeyStoreError(
                f"{self.path} cannot be read ({error.strerror}): make it readable for this user"
            ) from error
        if status.st_mode & 0o077:
            raise KeyStoreError(f"{self.path} is open to others: chmod 600 {self.path}")
        whole = len(data) > HEAD + SALT_BYTES + NONCE_BYTES
        if not whole or not data.startswith(MAGIC) or not WORK_MIN <= data[HEAD - 1] <= WORK_MAX:
            raise KeyStoreError(f"{self.path} is no file of keys: move it away")
        return data


def with_key(keys: list[StoredKey], new: StoredKey) -> list[StoredKey]:
    """Return `keys` with a new one. Raises `KeyStoreError` for one of another environment.

    An API key belongs to one account of one environment: who enters a live key for a testnet has
    mixed two up, and would find out when it trades.
    """
    for key in keys:
        if key.api_key == new.api_key and (key.user, key.venue) != (new.user, new.venue):
            raise KeyStoreError(
                f"this API key is that of {key.user} at {key.venue} ({key.environment}): a key "
                f"belongs to one account; make another one for {new.venue} ({new.environment})"
            )
    return [*without_key(keys, new.user, new.venue), new]


def without_key(keys: list[StoredKey], user: str, venue: str) -> list[StoredKey]:
    """Return `keys` without that of one account."""
    return [key for key in keys if (key.user, key.venue) != (user, venue)]


def passphrase_credential(credentials_folder: Path | None) -> str | None:
    """Return the passphrase that systemd gives; None if it gives none."""
    if credentials_folder is None:
        return None
    path = credentials_folder / PASSPHRASE_CREDENTIAL
    return path.read_text().strip() if path.is_file() else None


def _derive(passphrase: str, salt: bytes, work: int) -> bytes:
    scrypt = Scrypt(salt=salt, length=KEY_BYTES, n=1 << work, r=SCRYPT_R, p=SCRYPT_P)
    return scrypt.derive(passphrase.encode())
