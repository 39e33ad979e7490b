"""What `bot doctor` looks at: one function per question, each answering with a sentence.

Nothing is changed and nothing is held, so it can be run beside a running bot.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from bot.config import Config, ConfigError, config_file, data_folder, load
from bot.environment import Environment
from bot.errors import VerbError
from bot.ledger_checks import checks_of
from bot.origin import ForeignPackageError, check_origin
from bot.roster import differences, read_roster
from bot.text import time_of
from messages.views import CheckView, StatusView
from state.audit import verify
from state.database import SQLITE_VERSION_MIN, check_sqlite_version
from state.errors import StateError
from state.lock import holder
from state.look import Look
from state.sql import fetch_one
from supervisor.clock import CLOCK_BEHIND_NS_MAX, wall_ns

# A day of market data at the default retention is a few gigabytes; below this the first day ends
# with a full disk.
FREE_BYTES_MIN = 1_000_000_000


def examine(
    environment: Environment, config_name: str | None, named: str | None
) -> list[CheckView]:
    """Ask every question; those that need an answer which was no good are left out."""
    now_ns = wall_ns()
    found: list[CheckView] = []

    def add(name: str, wrong: str, right: str) -> bool:
        detail = wrong or right
        found.append(CheckView(name=name, agreed=not wrong, detail=detail, at_ns=now_ns))
        return not wrong

    config = _check_config(environment, config_name, add)
    folder = None
    if config is not None or named is not None:
        folder = data_folder(environment, named, config.data.folder if config else "")
    add("packages", *_packages())
    add("sqlite", *_sqlite())
    add("kernels", *_kernels())
    if folder is None:
        return found
    if add("folder", *_folder(folder)):
        add("disk", *_disk(folder))
    status = _status(folder)
    add("daemon", *_daemon(folder, status))
    if isinstance(status, StatusView):
        add("shadow", *_shadow(status))
        add("feeds", *_feeds(status))
    found += _database(folder, config, now_ns)
    return found


def _check_config(
    environment: Environment, name: str | None, add: Callable[[str, str, str], bool]
) -> Config | None:
    path = config_file(environment, name)
    try:
        config = load(path, environment)
    except ConfigError as error:
        add("configuration", str(error), "")
        return None
    from bot.start_checks import start_problems

    wrong = "; ".join(start_problems(config.venues, config.first_run))
    add("configuration", wrong, f"{path} is right, {config.digest}")
    return config


def _packages() -> tuple[str, str]:
    try:
        check_origin()
    except ForeignPackageError as error:
        return str(error), ""
    return "", "all of ours are from this installation"


def _sqlite() -> tuple[str, str]:
    try:
        check_sqlite_version()
    except StateError as error:
        return str(error), ""
    return "", f"{'.'.join(str(part) for part in SQLITE_VERSION_MIN)} or newer"


def _kernels() -> tuple[str, str]:
    from venue.kernels import cache_folder

    folder = cache_folder()
    if folder is None:
        remedy = "give the service a home folder, or set NUMBA_CACHE_DIR to one it may write"
        return f"compiled kernels cannot be kept, each start takes 20 s longer: {remedy}", ""
    compiled = len(list(folder.rglob("*.nbc")))
    if not compiled:
        return "", f"{folder} is empty: the first start compiles for about 20 s"
    return "", f"{compiled} compiled in {folder}"


def _folder(folder: Path) -> tuple[str, str]:
    if not folder.exists():
        parent = next(above for above in folder.parents if above.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            return f"{folder} cannot be made: {parent} is not writable; chown or use --data-dir", ""
        return "", f"{folder} does not exist yet: `bot start` makes it"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return f"{folder} is not writable for this user: chown it, or name another", ""
    return "", f"{folder} is writable"


def _disk(folder: Path) -> tuple[str, str]:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free_bytes = shutil.disk_usage(there).free
    said = f"{free_bytes / 1e9:.1f} GB are free"
    if free_bytes < FREE_BYTES_MIN:
        return f"only {said}: make room, or the bot stops entering when it is full", ""
    return "", said


def _status(folder: Path) -> StatusView | VerbError:
    """Ask whoever holds the folder, over its socket."""
    from bot.client import ask
    from bot.shared import new_request_id
    from messages.control import Status

    try:
        answer = ask(folder, Status(request_id=new_request_id(), timeout_ms=3_000), "verb doctor")
    except VerbError as error:
        return error
    (row,) = answer.rows
    assert isinstance(row, StatusView), "the answer to Status is a StatusView"
    return row


def _daemon(folder: Path, status: StatusView | VerbError) -> tuple[str, str]:
    if isinstance(status, VerbError):
        pointer = folder / "socket"
        if pointer.exists() and Path(f"/proc/{holder(folder)}").exists() and holder(folder):
            return f"process {holder(folder)} holds the folder and does not answer: {status}", ""
        return "", "no bot runs on this folder"
    if status.state == "degraded":
        return "it runs and is degraded: `bot tree` shows what is halted or blocked", ""
    return "", f"it is {status.state}, process {status.pid}"


def _shadow(status: StatusView) -> tuple[str, str]:
    """Say what the shadow replay of the running bot found."""
    if status.shadow_diverged:
        return f"{status.shadow}: `bot log --filter 'shadow replay'` says who and what to do", ""
    return "", status.shadow


def _feeds(status: StatusView) -> tuple[str, str]:
    """Say how market data stands."""
    if status.feeds_ill:
        return f"{status.feeds}: `bot feeds` says which streams and why", ""
    return "", status.feeds


def _database(folder: Path, config: Config | None, now_ns: int) -> Iterator[CheckView]:
    def view(name: str, wrong: str, right: str) -> CheckView:
        return CheckView(name=name, agreed=not wrong, detail=wrong or right, at_ns=now_ns)

    if not (folder / "canopy.db").exists():
        yield view("database", "", "there is none yet")
        return
    try:
        with Look(folder) as look:
            damage = "; ".join(look.damage())
            remedy = f"{damage}: keep a copy of the folder, then restore a backup"
            yield view("database", remedy if damage else "", f"sound, version {look.version}")
            if damage:
                return
            entries, wrong = verify(look.connection)
            yield view("audit", wrong, f"{entries} entries, unbroken")
            yield view("clock", *_clock(look, now_ns))
            yield from checks_of(look.connection, now_ns)
            yield view("roster", *_roster(look, config))
    except StateError as error:
        yield view("database", str(error), "")


def _clock(look: Look, now_ns: int) -> tuple[str, str]:
    row = fetch_one(look.connection, "SELECT max(at_ns) FROM durable")
    newest_ns = int(row[0] or 0) if row is not None else 0
    if newest_ns - now_ns > CLOCK_BEHIND_NS_MAX:
        said = f"the clock says {time_of(now_ns)}, the journal already {time_of(newest_ns)}"
        return f"{said}: set the clock (timedatectl set-ntp true)", ""
    return "", f"{time_of(now_ns)}, not behind the journal"


def _roster(look: Look, config: Config | None) -> tuple[str, str]:
    roster = read_roster(look.names(), look.configuration)
    if roster is None or config is None:
        return "", "nothing to compare"
    found = differences(roster, config.first_run)
    if found:
        # It is no fault: the database's counts, and a person may want to know.
        said = "; ".join(found)
        return "", f"[first_run] differs, the database's counts: {said}: see `bot apply --dry-run`"
    return "", "[first_run] and the database are the same"
