"""The log in journald's own protocol: one datagram a line, each fact a field of its own.

<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>. `MESSAGE_ID` says what kind of event a line is: a
hash of the logger's name and the line's template, so it is the same for every line of that kind, in
every process and on every machine. What is too long for a datagram goes as a file in memory.
Nothing waits for journald: what it does not take at once is dropped and counted, and the next line
that gets through says how many.
"""

import hashlib
import logging
import re
import struct
from collections.abc import Callable, Iterator

from bot.log_records import address_of, text_of
from supervisor.net import UnixDatagrams

IDENTIFIER = "bot"
# syslog's severities.
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}
_CRITICAL = 2
# journald itself keeps at most 768 MB of one field; more than this of a traceback helps nobody.
TEXT_CHARACTERS_MAX = 1_000_000
_MESSAGE_ID_BYTES = 16
_LENGTH = struct.Struct("<Q")
_PLACE = re.compile(r"/users/(?P<user>[^/]+)(?:/vaults/(?P<vault>[^/]+))?")
_ACCOUNT = re.compile(r"/venues/(?P<venue>[^/]+)(?:/accounts/(?P<user>[^/]+))?")


def message_id(record: logging.LogRecord) -> str:
    """Return what identifies a record's kind of event, as journald writes it: 32 hex digits."""
    kind = f"{record.name}\n{record.msg}".encode(errors="replace")
    return hashlib.blake2b(kind, digest_size=_MESSAGE_ID_BYTES, person=b"canopy-log").hexdigest()


class JournalHandler(logging.Handler):
    """Sends each record to the socket at `address`; `incarnation_of` tells an actor's, 0 for no."""

    def __init__(
        self, address: str, environment: str, incarnation_of: Callable[[str], int] | None = None
    ) -> None:
        super().__init__()
        self._way = UnixDatagrams(address)
        self._environment = environment
        self.incarnation_of = incarnation_of or (lambda _: 0)
        self.dropped = 0
        """Lines that journald did not take, since it last took one."""

    def emit(self, record: logging.LogRecord) -> None:
        fields = dict(self._fields(record))
        if self.dropped:
            fields["DROPPED_BEFORE"] = str(self.dropped)
        self.dropped = self.dropped + 1 if self._way.send_long(encode(fields)) else 0

    def close(self) -> None:
        self._way.close()
        super().close()

    def _fields(self, record: logging.LogRecord) -> Iterator[tuple[str, str]]:
        yield "MESSAGE", text_of(record, TEXT_CHARACTERS_MAX)
        yield "MESSAGE_ID", message_id(record)
        yield "PRIORITY", str(_PRIORITIES.get(record.levelno, _CRITICAL))
        yield "SYSLOG_IDENTIFIER", IDENTIFIER
        yield "LOGGER", record.name
        yield "ENVIRONMENT", self._environment
        yield "CODE_FILE", record.pathname
        yield "CODE_LINE", str(record.lineno)
        yield "CODE_FUNC", record.funcName or ""
        actor = address_of(record)
        if actor:
            yield "ACTOR", actor
            incarnation = self.incarnation_of(actor)
            if incarnation:
                yield "ACTOR_GEN", str(incarnation)
            place = _PLACE.match(actor) or _ACCOUNT.match(actor)
            for name, value in (place.groupdict() if place else {}).items():
                if value:
                    yield ("USER_ID" if name == "user" else name.upper()), value


def encode(fields: dict[str, str]) -> bytes:
    """Return one entry as journald reads it: `KEY=value`, or a length where there are lines."""
    parts = []
    for key, value in fields.items():
        data = value.encode(errors="replace")
        if b"\n" in data:
            parts.append(key.encode() + b"\n" + _LENGTH.pack(len(data)) + data + b"\n")
        else:
            parts.append(key.encode() + b"=" + data + b"\n")
    return b"".join(parts)
