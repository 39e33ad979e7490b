"""A venue's client without a venue: requests are answered, and frames come, from a recording.

Everything above the wire is the real client. Nothing is sent anywhere.
"""

import re
from collections import deque
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from exchanges.adapters import adapter_for
from exchanges.ccxt_names import NetworkError
from exchanges.exchange import TrioExchange
from exchanges.factory import build_exchange
from exchanges.futures import TrioFuture
from exchanges.http import Answer, Transport, TransportError
from exchanges.json_text import Json
from exchanges.socket_client import SocketClient
from exchanges.venue_client import REQUEST_TIMEOUT_MS, VenueClient
from supervisor.clock import Clock

# The number by which a request is answered, as venues write it.
_NUMBER = re.compile(r'("(?:id|req_id|reqid|reqId)"\s*:\s*"?)(\d+)')
# Answers to requests are short; frames of market data are not searched for numbers.
NUMBERED_CHARACTERS_MAX = 4_000
# More subscriptions than a client has.
OUTBOX_MAX = 2_000


class OfflineTransport(Transport):
    """Answers each request with what was recorded for its path, in order."""

    def __init__(self) -> None:
        self._answers: dict[str, deque[str]] = {}

    def record(self, url: str, text: str) -> None:
        """Add an answer to the requests of a URL."""
        self._answers.setdefault(_place(url), deque()).append(text)

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        proxy: str | None = None,
    ) -> Answer:
        """Return the next answer. Raises `TransportError` when none was recorded."""
        answers = self._answers.get(_place(url))
        if answers:
            content = answers.popleft().encode()
            return Answer(200, "OK", [("Content-Type", "application/json")], content)
        raise TransportError(f"no answer to {url.split('?', 1)[0]} was recorded")

    async def aclose(self) -> None:
        """Nothing is open."""


class OfflineSocket(SocketClient):
    """A socket that is always open; what is sent on it is kept for its numbers."""

    sent: deque[str]

    def connect(self, session: object = None, backoff_delay_s: float = 0) -> TrioFuture:
        self.sent = deque(maxlen=OUTBOX_MAX)
        self.isConnected = True
        self.connected.resolve(self.url)
        return self.connected

    def closed(self) -> bool:
        return False

    def queue_send(self, message: object, cost: float | None = None) -> None:
        text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
        self.sent.append(text)

    async def send(self, message: object) -> None:
        self.queue_send(message)


class OfflineVenue:
    """A recording as a venue: `client` is to be entered as any other."""

    def __init__(self, protocol: str, clock: Clock) -> None:
        adapter = adapter_for(protocol)
        self._exchange: TrioExchange = build_exchange(
            adapter, clock, request_timeout_ms=REQUEST_TIMEOUT_MS, rate_limited=False
        )
        self._transport = OfflineTransport()
        self._exchange.work_offline(self._transport, OfflineSocket)
        self.client = VenueClient(adapter, self._exchange, clock)
        self._numbers: dict[str, str] = {}
        """Recorded request numbers, and ours for the same request."""

    def answer(self, url: str, text: str) -> None:
        """Record the answer to a request."""
        self._transport.record(url, text)

    def sent(self, text: str) -> None:
        """Note a message that was sent then: ours that is the same has another number."""
        recorded = _NUMBER.search(text)
        if recorded is None:
            return
        for socket in self._sockets():
            for ours in socket.sent:
                if _document(ours) == _document(text):
                    found = _NUMBER.search(ours)
                    assert found is not None, "they are the same but for the number"
                    self._numbers[recorded[2]] = found[2]
                    return

    def received(self, text: str) -> None:
        """Have a frame come now."""
        if len(text) <= NUMBERED_CHARACTERS_MAX:
            text = _NUMBER.sub(lambda m: m[1] + self._numbers.get(m[2], m[2]), text)
        for socket in self._sockets():
            socket.handle_text_or_binary_message(text)
            return

    def broken(self, detail: str) -> None:
        """Have the connection break now."""
        for socket in self._sockets():
            socket.on_error(NetworkError(detail))

    def _sockets(self) -> list[OfflineSocket]:
        clients = (self._exchange.clients or {}).values()
        return [each for each in clients if isinstance(each, OfflineSocket)]


def _place(url: str) -> str:
    """Return what of a URL says what is asked: a venue may have moved."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def _document(text: str) -> Json:
    """Return a message without its number."""
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    if isinstance(document, dict):
        return {k: v for k, v in document.items() if k not in ("id", "req_id", "reqid", "reqId")}
    return document
