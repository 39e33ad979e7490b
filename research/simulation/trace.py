"""What happened, in order, as a hash to compare runs by and a tail to read."""

import hashlib
from collections import Counter, deque

import trio

# What a person reads of a failing run: its last minute or so.
LINES_KEPT = 400


class Trace:
    """Everything that a run did to the journal, the network and the world."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self.events = 0
        self.marks: Counter[str] = Counter()
        """Rare things that passed by."""

    def event(self, text: str) -> None:
        """Note what a person should be able to read later."""
        line = f"{trio.current_time():.6f} {text}"
        self.lines.append(line)
        self.data(line.encode())

    def data(self, data: bytes) -> None:
        """Note what is only compared."""
        self.events += 1
        self._hash.update(data)

    @property
    def digest(self) -> str:
        """What two runs of one seed have in common."""
        return self._hash.hexdigest()
