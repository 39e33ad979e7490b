"""The roster in force: the one in the database, or on the first run the configuration's."""

from collections.abc import Callable, Mapping

import msgspec

from messages.base import encode
from messages.settings import Roster
from state.store import Store

# The roster lies among the journal's configurations, under a name that no actor can have.
NAME = "//roster"
_decode = msgspec.msgpack.Decoder(Roster).decode


def read_roster(
    names: Mapping[str, int], configuration: Callable[[int], bytes | None]
) -> Roster | None:
    """Return the roster in a database with these names and configurations; None if it has none."""
    number = names.get(NAME)
    document = configuration(number) if number is not None else None
    return _decode(document) if document is not None else None


def store_roster(store: Store, roster: Roster) -> None:
    """Make `roster` the one in force from the next commit on."""
    store.configured(store.enroll(NAME), encode(roster))


def apply_first_run(store: Store, first_run: Roster, now_ns: int) -> tuple[Roster, bool]:
    """Return the roster in force, and whether it was applied now."""
    found = read_roster(store.names(), store.configuration)
    if found is not None:
        return found, False
    store_roster(store, first_run)
    names = ", ".join(f"{vault.user}/{vault.name}" for vault in first_run.vaults)
    store.audit(now_ns, "bot start", "first_run", "roster", names)
    return first_run, True


def differences(stored_roster: Roster, configured: Roster) -> list[str]:
    """Say how the configuration's roster differs from the one in force."""
    found = []
    for what in ("users", "vaults"):
        ours = {_name(item): item for item in getattr(stored_roster, what)}
        theirs = {_name(item): item for item in getattr(configured, what)}
        found += [f"{name} is only in bot.toml" for name in theirs if name not in ours]
        found += [f"{name} is only in the database" for name in ours if name not in theirs]
        found += [
            f"{name} is not the same in both"
            for name, item in theirs.items()
            if name in ours and ours[name] != item
        ]
    return found


def _name(item: object) -> str:
    user = getattr(item, "user", "")
    return f"{user}/{getattr(item, 'name', '')}" if user else str(getattr(item, "name", ""))
