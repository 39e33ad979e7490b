"""A disk in memory that loses power: for simulation and tests.

What was written and not synced is, after a cut, there or not, sector by sector, in any order and
mix: all from a seed. Any single operation can be made to fail as a full or broken disk would. There
is no shared memory, so a database on it is opened exclusively.
"""

import hashlib
from dataclasses import dataclass, field

import apsw

# What a disk writes whole or not at all.
SECTOR_BYTES = 512
_OPEN_FILES_MAX = 16
_NEVER_SHRUNK = 1 << 62


class PowerCutError(Exception):
    """The power went: nothing of this disk answers until `Disk.power_on`."""


class Dice:
    """Numbers from a seed, the same everywhere."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._draws = 0

    def bytes(self, count: int) -> bytes:
        """Return `count` bytes."""
        self._draws += 1
        text = f"{self._seed}:{self._draws}".encode()
        return hashlib.shake_128(text).digest(count)

    def below(self, bound: int) -> int:
        """Return a number from 0 to `bound` - 1."""
        assert bound > 0, "there is a number to choose"
        return int.from_bytes(self.bytes(8), "little") % bound


@dataclass
class File:
    """One file: what is safe, what a reader sees, and what was written since the last sync."""

    safe: bytearray = field(default_factory=bytearray)
    seen: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes]] = field(default_factory=list)
    linked: bool = False
    """Whether the folder would still name it after a cut: from its first sync on."""
    shrunk: int = _NEVER_SHRUNK
    """The least size it was truncated to since the last sync."""

    def write(self, offset: int, data: bytes) -> None:
        """Write `data` at `offset`, not yet safe."""
        if len(self.seen) < offset:
            self.seen.extend(bytes(offset - len(self.seen)))
        self.seen[offset : offset + len(data)] = data
        self.pending.append((offset, data))

    def truncate(self, size: int) -> None:
        """Cut the file, or make it longer, to `size`; safe with the next sync."""
        self.shrunk = min(self.shrunk, size)
        # What was written beyond is gone, whatever is written there later.
        self.pending = [
            (offset, data[: size - offset]) for offset, data in self.pending if offset < size
        ]
        del self.seen[size:]
        self.seen.extend(bytes(size - len(self.seen)))

    def sync(self) -> None:
        """Make all of it safe."""
        # Only what changed: a copy of a log of megabytes at each commit is what a simulation would
        # spend most of its time on.
        size, shrunk = len(self.seen), self.shrunk
        if shrunk < len(self.safe):
            del self.safe[shrunk:]
        for offset, data in self.pending:
            if len(self.safe) < offset:
                self.safe.extend(bytes(offset - len(self.safe)))
            self.safe[offset : offset + len(data)] = data
        del self.safe[size:]
        self.safe.extend(bytes(size - len(self.safe)))
        self.pending.clear()
        self.shrunk = _NEVER_SHRUNK
        self.linked = True

    def survive(self, dice: Dice) -> None:
        """Keep what was safe, and of the rest what the dice say."""
        if not self.pending and self.safe == self.seen:
            return
        # The length is metadata: the file system's journal has the old one or the new one.
        size = len(self.seen) if dice.below(2) else len(self.safe)
        kept = self.safe[:size] + bytes(max(0, size - len(self.safe)))
        for offset, data in self.pending:
            start = offset
            while start < offset + len(data):
                end = min((start // SECTOR_BYTES + 1) * SECTOR_BYTES, offset + len(data))
                if end <= size and dice.below(2):
                    kept[start:end] = data[start - offset : end - offset]
                start = end
        self.safe, self.seen, self.shrunk = kept, bytearray(kept), _NEVER_SHRUNK
        self.pending.clear()


class Disk:
    """The files of a machine, its power, and its faults."""

    def __init__(self, seed: int = 0) -> None:
        self.files: dict[str, File] = {}
        self.operations = 0
        """Writes, truncations, syncs and deletions so far."""
        self.cut_at = 0
        """The operation in the middle of which the power goes; 0 for never."""
        self.faults: dict[int, type[apsw.Error]] = {}
        """Operation → the error it fails with (`apsw.FullError`, `apsw.IOError`)."""
        self.fault_until_freed: type[apsw.Error] | None = None
        """Every writing operation fails with this, until it is taken away."""
        self._dice = Dice(seed)
        self._on = True

    def copy(self, seed: int) -> "Disk":
        """Return a disk with the same files, all of them safe."""
        twin = Disk(seed)
        for name, file in self.files.items():
            twin.files[name] = File(bytearray(file.seen), bytearray(file.seen), [], linked=True)
        return twin

    def operate(self) -> None:
        """Count an operation; raise if it is the one, or if the power is off."""
        self.powered()
        self.operations += 1
        if self.operations == self.cut_at:
            self._on = False
            raise PowerCutError(f"the power went at operation {self.operations}")
        fault = self.faults.get(self.operations, self.fault_until_freed)
        if fault is not None:
            raise fault(f"fault at operation {self.operations}")

    def powered(self) -> None:
        """Raise `PowerCutError` if the power is off."""
        if not self._on:
            raise PowerCutError("the power is off")

    def synced(self) -> None:
        """Hear that what was written to a file is safe now, before SQLite hears it."""

    def cuts(self) -> bool:
        """Return whether the next operation is the one that is cut."""
        return self.operations + 1 == self.cut_at

    def power_on(self) -> None:
        """Start again with what survived."""
        for name, file in list(self.files.items()):
            if not file.linked and self._dice.below(2):
                del self.files[name]
                continue
            file.survive(self._dice)
        self._on = True
        self.cut_at = 0

    def random(self, count: int) -> bytes:
        """Return bytes for SQLite's own use."""
        return self._dice.bytes(count)


class CrashVFS(apsw.VFS):
    """SQLite's view of a `Disk`, under the name `name` while it is open."""

    def __init__(self, name: str, disk: Disk) -> None:
        self.disk = disk
        self.name = name
        super().__init__(name, "")

    def xOpen(  # noqa: N802 - SQLite's name
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> "CrashFile":
        path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        self.disk.powered()
        assert len(self.disk.files) < _OPEN_FILES_MAX, "a database has a handful of files"
        if path not in self.disk.files:
            if not flags[0] & apsw.SQLITE_OPEN_CREATE:
                raise apsw.CantOpenError(f"there is no {path}")
            self.disk.files[path] = File()
        flags[1] = flags[0]
        return CrashFile(self.disk, self.disk.files[path])

    def xDelete(  # noqa: N802 - SQLite's name
        self,
        filename: str,
        syncdir: bool,  # noqa: FBT001 - SQLite's order
    ) -> None:
        self.disk.operate()
        self.disk.files.pop(filename, None)

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802 - SQLite's name
        self.disk.powered()
        return pathname in self.disk.files

    def xFullPathname(self, filename: str) -> str:  # noqa: N802 - SQLite's name
        return filename

    def xRandomness(self, numbytes: int) -> bytes:  # noqa: N802 - SQLite's name
        return self.disk.random(numbytes)


class CrashFile(apsw.VFSFile):
    """An open file of a `Disk`."""

    def __init__(self, disk: Disk, file: File) -> None:
        self._disk = disk
        self._file = file

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - SQLite's name
        self._disk.powered()
        return bytes(self._file.seen[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        if self._disk.cuts():
            # The operation in hand when the power goes may have got through in part.
            self._file.write(offset, bytes(data))
        self._disk.operate()
        self._file.write(offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.operate()
        self._file.truncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.operate()
        self._file.sync()
        self._disk.synced()

    def xFileSize(self) -> int:  # noqa: N802 - SQLite's name
        self._disk.powered()
        return len(self._file.seen)

    def xClose(self) -> None:  # noqa: N802 - SQLite's name
        return

    def xLock(self, level: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.powered()

    def xUnlock(self, level: int) -> None:  # noqa: N802 - SQLite's name
        return

    def xCheckReservedLock(self) -> bool:  # noqa: N802 - SQLite's name
        return False

    def xFileControl(self, op: int, ptr: int) -> bool:  # noqa: N802 - SQLite's name
        return False

    def xSectorSize(self) -> int:  # noqa: N802 - SQLite's name
        return SECTOR_BYTES

    def xDeviceCharacteristics(self) -> int:  # noqa: N802 - SQLite's name
        # No promise: neither atomic writes nor that what was not written stays as it was.
        return 0
