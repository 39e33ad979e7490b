"""Where an account's key comes from. Keys never enter messages, the journal, logs or the screen.

There are three places: keys that this process generated for simulated venues; keys that the person
stored with `bot key add`, each for one environment; and systemd's credentials (`LoadCredential=`),
one file per account, named `<venue>.<user>`, holding the API key on its first line and the secret
on its second; where the venue's keys have a passphrase, that is its last line.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from exchanges.types import Credentials

# The longest private key that a venue gives out is a PEM of 4 kB.
KEY_FILE_BYTES_MAX = 16_384
_OTHERS_MAY = 0o077


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """One account's key as it is stored. Never shown by `repr`."""

    user: str
    venue: str
    environment: str
    """That of the venue when the key was added: it is given out for no other."""
    api_key: str
    secret: str
    passphrase: str = ""
    """Of a key at a venue whose keys have one."""
    added_ns: int = 0

    def __repr__(self) -> str:
        return f"StoredKey({self.user} at {self.venue}, {self.environment})"

    def credentials(self) -> Credentials:
        """Return what a client of the account is given."""
        return Credentials(self.api_key, self.secret, self.passphrase)


class MissingKeyError(Exception):
    """There is no usable key for an account; the text says how to give one, and holds no secret.

    It ends an account's ports, not the process: so it names no exit code.
    """

    def __init__(self, user: str, venue: str, detail: str) -> None:
        self.user = user
        self.venue = venue
        super().__init__(f"no key for {user} at {venue}: {detail}")


class Keys:
    """Gives ports the credentials of accounts; `generated` is by (user, venue)."""

    def __init__(
        self,
        generated: Mapping[tuple[str, str], Credentials],
        credentials_folder: Path | None = None,
        stored: Iterable[StoredKey] = (),
        environments: Mapping[str, str] | None = None,
        with_passphrase: Collection[str] = (),
    ) -> None:
        self._generated = dict(generated)
        self._folder = credentials_folder
        self._stored = {(key.user, key.venue): key for key in stored}
        self._opened: dict[tuple[str, str], Credentials] = {}
        self._environments = dict(environments or {})
        self._with_passphrase = frozenset(with_passphrase)
        self._read: dict[tuple[str, str], Credentials] = {}

    def __repr__(self) -> str:
        return f"Keys({len(self._generated)} generated)"

    def credentials(self, user: str, venue: str) -> Credentials:
        """Return the key of `user` at `venue`, the same object while it stays the same key.

        Raises `MissingKeyError`.
        """
        generated = self._generated.get((user, venue))
        if generated is not None:
            return generated
        if (user, venue) in self._stored:
            return self._from_store(user, venue)
        if self._folder is None or not (self._folder / f"{venue}.{user}").exists():
            detail = (
                f"add it with `bot key add {user} {venue}`, or start under systemd with "
                f"LoadCredential={venue}.{user}:/path/to/file"
            )
            raise MissingKeyError(user, venue, detail)
        path = self._folder / f"{venue}.{user}"
        found = _from_file(path, user, venue, with_passphrase=venue in self._with_passphrase)
        known = self._read.get((user, venue))
        if known is None or _revealed(known) != _revealed(found):
            # A key was changed while running: whoever opens a client from now on gets the new one.
            self._read[user, venue] = known = found
        return known

    def _from_store(self, user: str, venue: str) -> Credentials:
        key = self._stored[user, venue]
        wanted = self._environments.get(venue, key.environment)
        if key.environment != wanted:
            detail = (
                f"the stored key is of environment {key.environment}, the venue is {wanted} now: "
                f"`bot key remove {user} {venue}`, then add the {wanted} key"
            )
            raise MissingKeyError(user, venue, detail)
        if venue in self._with_passphrase and not key.passphrase:
            detail = (
                "the venue's keys have a passphrase, and the stored one has none: "
                f"`bot key add {user} {venue}` asks for it"
            )
            raise MissingKeyError(user, venue, detail)
        if (user, venue) not in self._opened:
            self._opened[user, venue] = key.credentials()
        return self._opened[user, venue]


def _revealed(credentials: Credentials) -> tuple[str, str, str]:
    return (*credentials.reveal(), credentials.reveal_passphrase())


def _from_file(path: Path, user: str, venue: str, *, with_passphrase: bool) -> Credentials:
    try:
        status = path.stat()
        text = path.read_text() if status.st_size <= KEY_FILE_BYTES_MAX else ""
    except (OSError, UnicodeDecodeError) as error:
        detail = f"{path} cannot be read ({type(error).__name__}): give it with LoadCredential="
        raise MissingKeyError(user, venue, detail) from None
    if status.st_mode & _OTHERS_MAY:
        raise MissingKeyError(user, venue, f"{path} is open to others: chmod 600 {path}")
    api_key, _, secret = text.strip().partition("\n")
    passphrase = ""
    if with_passphrase:
        secret, _, passphrase = secret.rpartition("\n")
    if not api_key.strip() or not secret.strip():
        last = ", and the passphrase on its third" if with_passphrase else ""
        detail = (
            f"{path} must hold the API key on its first line and the secret on its second{last}"
        )
        raise MissingKeyError(user, venue, detail)
    return Credentials(api_key.strip(), secret.strip(), passphrase.strip())
