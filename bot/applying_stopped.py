"""`bot apply` while the bot is stopped: what is stored for the next start is compared and changed.

Only the roster (users, vaults, sleeves) is stored; all else of `bot.toml` is read by the start.
What money and open orders forbid is judged by the newest rows of the database.
"""

import getpass
from functools import partial
from pathlib import Path

import trio

from bot.applying import NEXT_START, audit_changes, change_row
from bot.board import ENTITIES_MAX, Board
from bot.config import Config
from bot.errors import CONFIGURATION, FailedError, VerbError
from bot.roster import read_roster, store_roster
from bot.roster_change import Change, roster_changes
from bot.start_checks import start_problems
from messages.control import ROWS_MAX, Answer, Outcome
from messages.rows import OrderRow, SleeveRow, VaultRow
from messages.settings import Roster
from state.errors import StateError
from state.look import Look
from state.store import Store

_FIRST = "nothing is stored yet: the first start takes users, vaults and sleeves from bot.toml"
_SAME = (
    "users, vaults and sleeves are stored as bot.toml says: nothing to do; all else of it is read "
    "by the start"
)
_WOULD = "nothing was changed; the bot is stopped: `bot apply` stores this for the next start"
_DONE = "stored; it takes effect at the next start: `bot start`"


def apply_stopped(folder: Path, config: Config, *, dry_run: bool) -> Answer:
    """Compare `config` with what is stored in `folder`, and store it unless `dry_run`.

    Raises `FailedError` for a folder or a configuration that cannot be used: exit codes 4, 7, 8.
    """
    problems = start_problems(config.venues, config.first_run)
    if problems:
        wrong = VerbError("the configuration cannot work:\n  " + "\n  ".join(problems))
        wrong.ends_with(CONFIGURATION)
        raise wrong
    try:
        # Looked at first: a folder without a database is not to get one.
        answer, changes = _compared(folder, config)
        if dry_run or not changes or answer.outcome is not Outcome.OK:
            return answer
        return trio.run(partial(_stored, folder, config))
    except StateError as error:
        raise FailedError(error) from error


def _compared(folder: Path, config: Config) -> tuple[Answer, list[Change]]:
    """Return what `--dry-run` says, and what differs."""
    with Look(folder) as look:
        roster = read_roster(look.names(), look.configuration)
        if roster is None:
            return _answer(_FIRST), []
        changes = _changes(look, roster, config.first_run)
    refused = [change for change in changes if change.refusal]
    if refused:
        said = "; ".join(f"{change.subject}: {change.refusal}" for change in refused)
        text = f"nothing was applied: {said}"
        return _answer(text, changes, outcome=Outcome.DENIED), changes
    return _answer(_WOULD if changes else _SAME, changes), changes


async def _stored(folder: Path, config: Config) -> Answer:
    store = Store.open(folder)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.run)
            # Compared again: now nobody else can change it.
            answer, changes = _compared(folder, config)
            if changes and answer.outcome is Outcome.OK:
                who = f"{getpass.getuser()} (the bot was stopped)"
                audit_changes(store, store.newest_ns(), who, changes)
                store_roster(store, config.first_run)
                await store.committed()
                answer = _answer(_DONE, changes)
            nursery.cancel_scope.cancel()
        return answer
    finally:
        await store.aclose()


def _changes(look: Look, stored: Roster, wanted: Roster) -> list[Change]:
    board = Board()
    for kind in (VaultRow, SleeveRow):
        for row in look.newest(kind, ENTITIES_MAX):
            board.put(row)
    for order in reversed(look.newest(OrderRow, ROWS_MAX)):
        board.put(order)
    return roster_changes(stored, wanted, board)


def _answer(
    text: str, changes: list[Change] | None = None, *, outcome: Outcome = Outcome.OK
) -> Answer:
    rows = tuple(change_row(change, NEXT_START) for change in changes or ())
    return Answer(request_id="", outcome=outcome, text=text, rows=rows)
