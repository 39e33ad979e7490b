"""Ids and random numbers for ports and the runtime.

They are functions of the lineage: they repeat in simulation and never collide across restarts.
"""

import hashlib
import struct

_COUNTED = struct.Struct("<qqq")


class IdFactory:
    """Counts; each count of each owner in each boot of a lineage is used once."""

    def __init__(self, lineage: bytes, owner: int, boot: int) -> None:
        self._lineage = lineage
        self._owner = owner
        self._boot = boot
        self._count = 0

    def new_id(self) -> str:
        """Return a UUID-shaped id."""
        digest = self._digest(b"canopy-port-id").hex()
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"

    def random(self) -> float:
        """Return a number in [0, 1)."""
        return int.from_bytes(self._digest(b"canopy-port-rnd")[:8], "little") / 2**64

    def _digest(self, purpose: bytes) -> bytes:
        self._count += 1
        payload = self._lineage + _COUNTED.pack(self._owner, self._boot, self._count)
        return hashlib.blake2b(payload, digest_size=16, person=purpose).digest()
