"""A file that only takes up room, so that a full disk has a last reserve."""

import errno
import os
from pathlib import Path

from state.errors import DataFolderError, DiskFullError, StateError

BALLAST_NAME = "ballast"
# Room for minutes of orders and exits without market data, and for a checkpoint of the log.
BALLAST_BYTES = 64_000_000
# The unit of `st_blocks`, whatever the file system's own.
BLOCK_BYTES = 512


class Ballast:
    """The reserve beside the database."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        assert size_bytes >= 0, "a reserve cannot be less than nothing"
        self._path = folder / BALLAST_NAME
        self._size_bytes = size_bytes

    def load(self) -> None:
        """Make the file, its blocks really taken; raises `DiskFullError` when there is no room."""
        if self._size_bytes == 0:
            return
        try:
            # Asked first: a file system may fill the disk to the brim before it refuses.
            if self._room_bytes() < self._size_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, self._size_bytes)
                os.ftruncate(file, self._size_bytes)
            finally:
                os.close(file)
        except OSError as error:
            self.drop()
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise DiskFullError(self._path, self._size_bytes) from error
            raise DataFolderError(self._path.parent, error.strerror or str(error)) from error

    def reload(self) -> bool:
        """Make the file again if there is room for two of it; return whether it was made."""
        if self._room_bytes() < 2 * self._size_bytes:
            return False
        try:
            self.load()
        except StateError:
            return False
        return True

    def drop(self) -> bool:
        """Delete the file; return whether there was one."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True

    def _room_bytes(self) -> int:
        """Return what is free beside the file, and what it takes up already."""
        room = os.statvfs(self._path.parent)
        taken = self._path.stat().st_blocks * BLOCK_BYTES if self._path.exists() else 0
        return room.f_bavail * room.f_frsize + taken
