"""The venue's administration (`venue/admin.py`), asked over the simulated network."""

import json
from typing import Any

import trio

from research.simulation.network import SimulatedNetwork

Json = Any
# The box answers at once; what takes longer is a box that is down.
ANSWER_S_MAX = 10.0
RECEIVE_BYTES = 65_536


class VenueDesk:
    """Asks the one box that listens, whoever runs it."""

    def __init__(self, network: SimulatedNetwork) -> None:
        self._network = network

    async def ask(self, method: str, path: str, body: bytes = b"") -> Json | None:
        """Return the answer to one request; None when the box is down or did not answer in time."""
        with trio.move_on_after(ANSWER_S_MAX):
            try:
                return await self._ask(method, path, body)
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                return None
        return None

    async def _ask(self, method: str, path: str, body: bytes) -> Json | None:
        ports = self._network.ports()
        if not ports:
            return None
        stream = await self._network.connect_quietly(ports[0])
        try:
            head = f"{method} {path} HTTP/1.1\r\nHost: box\r\nContent-Length: {len(body)}\r\n"
            await stream.send_all(f"{head}Connection: close\r\n\r\n".encode() + body)
            received = b""
            while data := await stream.receive_some(RECEIVE_BYTES):
                received += bytes(data)
        finally:
            with trio.CancelScope(shield=True):
                await stream.aclose()
        _, found, content = received.partition(b"\r\n\r\n")
        return json.loads(content) if found else None
