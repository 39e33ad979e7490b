"""One box per data file: an flock on `<file>-lock`, gone with its process, however that ends."""

import fcntl
import os


class StorageError(Exception):
    """The data file cannot be used; the text says what to do."""


class FileLock:
    """The lock of the data file at `path`. Raises `StorageError` when another box holds it."""

    def __init__(self, path: str) -> None:
        # A file of its own: closing any descriptor of the database would drop SQLite's locks.
        name = f"{path}-lock"
        try:
            self._file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(
                f"the box's data file {path} cannot be made or written ({error.strerror}): "
                "make its folder writable, or name another data_file"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise StorageError(
                f"the box's data file {path} is in use by another exchange in a box: "
                "stop that one, or name another data_file"
            ) from error

    def release(self) -> None:
        """Give the file back; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
