"""Where an account's key comes from. Keys never enter messages, the journal, logs or the screen.

For now there are two places: keys that this process generated for its embedded venue, and
systemd's credentials (`LoadCredential=`), one file per account, named `<venue>.<user>`, holding the
API key on its first line and the secret on its second.
"""

from collections.abc import Mapping
from pathlib import Path

from exchanges.types import Credentials

# The longest private key that a venue gives out is a PEM of 4 kB.
KEY_FILE_BYTES_MAX = 16_384
_OTHERS_MAY = 0o077


class MissingKeyError(Exception):
    """There is no usable key for an account; the text says how to give one, and holds no secret."""

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
    ) -> None:
        self._generated = dict(generated)
        self._folder = credentials_folder
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
        if self._folder is None:
            detail = (
                f"start under systemd with LoadCredential={venue}.{user}:/path/to/file, "
                "API key on its first line, secret on its second"
            )
            raise MissingKeyError(user, venue, detail)
        found = _from_file(self._folder / f"{venue}.{user}", user, venue)
        known = self._read.get((user, venue))
        if known is None or known.reveal() != found.reveal():
            # A key was changed while running: whoever opens a client from now on gets the new one.
            self._read[user, venue] = known = found
        return known


def _from_file(path: Path, user: str, venue: str) -> Credentials:
    try:
        status = path.stat()
        text = path.read_text() if status.st_size <= KEY_FILE_BYTES_MAX else ""
    except (OSError, UnicodeDecodeError) as error:
        detail = f"{path} cannot be read ({type(error).__name__}): give it with LoadCredential="
        raise MissingKeyError(user, venue, detail) from None
    if status.st_mode & _OTHERS_MAY:
        raise MissingKeyError(user, venue, f"{path} is open to others: chmod 600 {path}")
    api_key, _, secret = text.strip().partition("\n")
    if not api_key.strip() or not secret.strip():
        detail = f"{path} must hold the API key on its first line and the secret on its second"
        raise MissingKeyError(user, venue, detail)
    return Credentials(api_key.strip(), secret.strip())
