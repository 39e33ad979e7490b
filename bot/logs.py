"""The log: lines on the terminal or JSON on a pipe, a rotating file, and the newest in memory.

Lines hold what the code says and never what a message holds, so no secret can be in one.
"""

import logging
from collections import deque
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path

import msgspec

from bot.config import LogSettings
from bot.text import log_line
from messages.control import ROWS_MAX
from messages.views import LogLine

FILE_NAME = "bot.log"
# A traceback can be long; more of one line helps nobody and would fill the clients' outboxes.
TEXT_CHARACTERS_MAX = 8_000
_MEGABYTE = 1_000_000


class _Line(msgspec.Struct, frozen=True):
    """One line as JSON."""

    at_ns: int
    level: str
    address: str
    text: str
    environment: str


def address_of(record: logging.LogRecord) -> str:
    """Return the actor that a record is about: its `address`, or a first argument that is one."""
    named = getattr(record, "address", "")
    if named:
        return str(named)
    arguments = record.args if isinstance(record.args, tuple) else ()
    first = arguments[0] if arguments else ""
    return first if isinstance(first, str) and first.startswith("/") else ""


def text_of(record: logging.LogRecord) -> str:
    """Return a record's message with its traceback, cut to a sensible length."""
    text = record.getMessage()
    address = address_of(record)
    if address:
        # The address is a field of its own.
        text = text.removeprefix(address).removeprefix(": ")
    if record.exc_info and record.exc_info[0] is not None:
        text = f"{text}\n{logging.Formatter().formatException(record.exc_info)}"
    return text if len(text) <= TEXT_CHARACTERS_MAX else f"{text[:TEXT_CHARACTERS_MAX]} …"


class _JsonFormatter(logging.Formatter):
    def __init__(self, environment: str) -> None:
        super().__init__()
        self._environment = environment

    def format(self, record: logging.LogRecord) -> str:
        line = _Line(
            at_ns=int(record.created * 1_000_000_000),
            level=record.levelname.lower(),
            address=address_of(record),
            text=text_of(record),
            environment=self._environment,
        )
        return msgspec.json.encode(line).decode()


class _PlainFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at_ns = int(record.created * 1_000_000_000)
        return log_line(at_ns, record.levelname.lower(), address_of(record), text_of(record))


class Memory(logging.Handler):
    """The newest lines, for the control socket."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        super().__init__()
        self._now_ns = now_ns
        self.lines: deque[LogLine] = deque(maxlen=ROWS_MAX)
        self.number = 0
        """The newest line's."""

    def emit(self, record: logging.LogRecord) -> None:
        self.number += 1
        line = LogLine(
            number=self.number,
            at_ns=self._now_ns(),
            level=record.levelname.lower(),
            address=address_of(record),
            text=text_of(record),
        )
        self.lines.append(line)


def set_up(
    settings: LogSettings, environment: str, now_ns: Callable[[], int], *, is_terminal: bool
) -> Memory:
    """Have everything logged to standard error and to memory; return the memory."""
    to_console = logging.StreamHandler()
    formatter = _PlainFormatter() if is_terminal else _JsonFormatter(environment)
    to_console.setFormatter(formatter)
    memory = Memory(now_ns)
    root = logging.getLogger()
    root.handlers = [to_console, memory]
    root.setLevel(settings.level.value.upper())
    # Libraries tell of every request at a level that is for their own authors.
    for name in ("ccxt", "httpx2", "httpcore2", "websockets", "numba"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return memory


def add_file(settings: LogSettings, folder: Path, environment: str) -> None:
    """Have everything logged to the rotating file too; once the data folder is ours alone.

    Raises `OSError` when the file cannot be written.
    """
    log_folder = folder / "log"
    log_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    to_file = RotatingFileHandler(
        log_folder / FILE_NAME,
        maxBytes=settings.file_mb_max * _MEGABYTE,
        backupCount=settings.files_kept,
        encoding="utf-8",
    )
    to_file.setFormatter(_JsonFormatter(environment))
    logging.getLogger().addHandler(to_file)


def drop_handlers() -> None:
    """Close what `set_up` opened."""
    root = logging.getLogger()
    for handler in root.handlers:
        handler.close()
    root.handlers = []
