"""From the start of a process to its running again, after another was killed with SIGKILL."""

from pathlib import Path

import apsw
import msgspec
import trio

from bot.bench._children import child
from bot.bench._ledgers import Times
from bot.measuring import NANOSECONDS_PER_MS, Figures, Required, machine, scaled
from state.database import DATABASE_NAME
from state.sql import fetch_all, fill
from supervisor.clock import perf_ns

REQUIRED = (Required("running_again_ms", 3_000),)
ACTORS = 1_000
# Each makes four rows: with the rest of the database, a million.
OLD_MESSAGES = 200
NEW_MESSAGES = 50
_LEDGERS = "bot.bench._ledgers"


def run(folder: Path, scale: float = 1.0) -> Figures:
    """Fill a store with ledgers, kill, and time the next start from its very beginning.

    All rows are the ledger's, which a start checks; rows of other kinds it would leave for later.
    """
    before = machine()
    actors = scaled(ACTORS, scale)
    start_ns, times, bare_ns = trio.run(_kill_and_recover, folder, actors)
    expected = actors * (OLD_MESSAGES + NEW_MESSAGES)
    assert times.messages == expected, f"{times.messages} of {expected} messages are there again"
    checked_ns = times.running_ns - times.opened_ns - times.reading_ns
    return Figures(
        name="recovery",
        figures={
            "running_again_ms": _ms(times.running_ns - start_ns),
            "imports_ms": _ms(times.imported_ns - start_ns),
            "open_and_check_ms": _ms(times.opened_ns - times.imported_ns),
            "read_back_ms": _ms(times.reading_ns),
            "fold_and_start_ms": _ms(checked_ns),
            "actors": actors,
            "rows": _rows(folder / DATABASE_NAME),
            "messages_folded": actors * NEW_MESSAGES,
            "database_mb": (folder / DATABASE_NAME).stat().st_size / 1_000_000,
        },
        compared_with={"empty_process_ms": _ms(bare_ns)},
        environment=before,
    )


async def _kill_and_recover(folder: Path, actors: int) -> tuple[int, Times, int]:
    arguments = (str(actors), str(OLD_MESSAGES), str(NEW_MESSAGES))
    # An installed bot has its bytecode cached; here the first of the two processes writes it.
    cache = folder / "bytecode"
    async with child(_LEDGERS, [str(folder), "fill", *arguments], cache) as filling:
        await filling.next()
    start_ns = perf_ns()
    async with child(_LEDGERS, [str(folder), "recover", *arguments], cache) as recovering:
        times = msgspec.json.decode(await recovering.next(), type=Times)
    bare_ns = perf_ns()
    async with child("this", []) as bare:
        await bare.next()
        return start_ns, times, perf_ns() - bare_ns


def _rows(path: Path) -> int:
    """Return how many rows all tables have together."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    tables = fetch_all(connection, "SELECT name FROM sqlite_schema WHERE type = 'table'")
    counts = [
        fetch_all(connection, fill("SELECT count(*) FROM {table}", table=name))
        for (name,) in tables
    ]
    connection.close()
    return sum(count for ((count,),) in counts)


def _ms(duration_ns: int) -> float:
    return duration_ns / NANOSECONDS_PER_MS
