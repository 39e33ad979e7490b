"""The log: lines on a terminal, JSON on a pipe, fields in journald; a file; the newest in memory.

Lines hold what the code says and never what a message holds, so no secret can be in one.
"""

import logging
from collections import deque
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

import msgspec

from bot.config import LogSettings
from bot.journald import JournalHandler
from bot.log_records import address_of, text_of
from bot.text import log_line
from messages.control import ROWS_MAX
from messages.views import LogLine

FILE_NAME = "bot.log"
_MEGABYTE = 1_000_000


class _Line(msgspec.Struct, frozen=True):
    """One line as JSON."""

    at_ns: int
    level: str
    address: str
    text: str
    environment: str


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
    settings: LogSettings, environment: str, now_ns: Callable[[], int], out: TextIO, journal: str
) -> Memory:
    """Have everything logged to `out` and to memory; return the memory.

    On a terminal `out` gets lines for people, else one JSON object a line. With `journal`, the
    address of journald's socket, it gets nothing: journald would store each line twice.
    """
    outward: logging.Handler
    if journal:
        outward = JournalHandler(journal, environment)
    else:
        outward = logging.StreamHandler(out)
        is_terminal = out.isatty()
        outward.setFormatter(_PlainFormatter() if is_terminal else _JsonFormatter(environment))
    memory = Memory(now_ns)
    root = logging.getLogger()
    root.handlers = [outward, memory]
    set_level(settings)
    # Libraries tell of every request at a level that is for their own authors.
    for name in ("ccxt", "httpx2", "httpcore2", "websockets", "numba"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return memory


def set_level(settings: LogSettings) -> None:
    """Log from the level in `settings` on."""
    logging.getLogger().setLevel(settings.level.value.upper())


def name_incarnations(incarnation_of: Callable[[str], int]) -> None:
    """Have journald told the incarnation of each actor that a line is about; 0 stands for no."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, JournalHandler):
            handler.incarnation_of = incarnation_of


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
