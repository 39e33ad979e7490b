"""One writer per data folder: an flock on `<data>/lock`, held as long as the process lives."""

import fcntl
import os
from pathlib import Path

from state.errors import DataFolderError, DataFolderLockedError

LOCK_NAME = "lock"


class FolderLock:
    """The lock of a data folder; the kernel releases it when the process dies, however it dies.

    Raises `DataFolderLockedError` when another process holds it, `DataFolderError` when the folder
    cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Not truncated before it is ours: the holder's pid stands in it.
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataFolderError(folder, error.strerror or str(error)) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise DataFolderLockedError(folder, holder(folder)) from error
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            # A full disk must not keep a process from its own data; only the pid is not told.
            os.ftruncate(self._file, 0)

    def release(self) -> None:
        """Give the folder back; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def holder(folder: Path) -> int:
    """Return the pid written in the lock of `folder`, or 0 if none is readable."""
    try:
        text = (folder / LOCK_NAME).read_text().strip()
    except OSError:
        return 0
    return int(text) if text.isdigit() else 0
