"""Making a bundle: the moment is cut out of the journal, and nothing secret goes with it."""

import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec
from msgspec.structs import replace

from actors.execution.keys import StoredKey
from actors.tree import build
from bot.bundle import (
    UNPACKED_BYTES_MAX,
    Bundle,
    BundleError,
    BundleSource,
    Made,
    Noted,
    encoded,
    pack,
    read,
    write,
)
from bot.environment import Environment
from bot.keys import credentials_folder
from bot.past import LAST_SEQ, Past, PastError
from bot.replaying import Wanted, actor_at, past_of, replay_past, settings_of
from bot.secret_search import SECRET_CHARACTERS_MIN, holds_any
from bot.text import time_of
from messages.rows import AlertRow, SleeveStateRow
from messages.settings import TreeSettings
from state.lineages import Lineages
from state.look import Look
from state.moments import last_id
from state.sql import fetch_all
from supervisor.clock import NANOSECONDS_PER_SECOND, ManualClock, wall_ns
from supervisor.fold import Fold
from supervisor.journal import RecordedTurn, Snapshot
from venue.keys import account_passphrase, key_for

LIBRARIES = ("trio", "msgspec", "apsw", "numpy", "numba", "ccxt")
# A person who looks into a moment wants what led to it, and what came of it.
BEFORE_NS = 60 * NANOSECONDS_PER_SECOND
AFTER_NS = 10 * NANOSECONDS_PER_SECOND
# What turns may take: the rest of a bundle is small, and all of it must be unpacked again.
TURN_BYTES_MAX = UNPACKED_BYTES_MAX // 2
# Alerts repeat at most once a minute: a bad day's worth.
TOLD_MAX = 200
TOLD_NS = 3_600 * NANOSECONDS_PER_SECOND
_SECRET_WORDS = ("SECRET", "TOKEN", "PASSWORD", "PASSPHRASE", "APIKEY", "API_KEY", "PRIVATE_KEY")
_GIT_WAIT_S = 5


class Cut(NamedTuple):
    """A stretch of an actor's past, and the state before it."""

    snapshot: Snapshot | None
    turns: list[RecordedTurn]
    is_cut: bool


def bundle_file(
    folder: Path,
    address: str,
    around_ns: int,
    file: Path,
    config_name: str | None,
    keys: Iterable[StoredKey] = (),
) -> tuple[Bundle, int]:
    """Write the bundle of a moment to `file`; return it and the file's size in bytes.

    Nothing of `keys`, beside all else that is secret here, may be in it.

    Raises `PastError`, `StateError`, `BundleError`.
    """
    with Look(folder) as look:
        settings = settings_of(look, config_name)
        past = past_of(look, build(settings, folder, ManualClock(), ()), address)
        bundle = collect(look, past, settings, around_ns, wall_ns())
    environment = Environment()
    check_absent(bundle, [*secrets(settings, environment), *secrets_of_keys(keys, environment)])
    document = pack(bundle)
    write(file, document)
    return bundle, len(document)


def default_name(address: str, around_ns: int) -> str:
    """Return a file name that tells which actor and when: `quiet-20260701T031200Z.bundle`."""
    at = datetime.fromtimestamp(around_ns // NANOSECONDS_PER_SECOND, UTC)
    return f"{address.rpartition('/')[2] or 'root'}-{at:%Y%m%dT%H%M%SZ}.bundle"


def replay_bundle(file: Path, wanted: Wanted) -> bool:
    """Replay what a bundle holds and show it; return whether all was as recorded.

    Raises `BundleError`, `PastError`, `StateError`.
    """
    bundle = read(file)
    past = past_in(bundle)
    if not wanted.as_json:
        click.echo(about(bundle))
        if (version := past.make().version) != bundle.class_version:
            click.echo(
                f"its code was version {bundle.class_version} and is version {version} here: "
                "what differs may be that"
            )
    return replay_past(past, replace(wanted, address=bundle.address))


def past_in(bundle: Bundle) -> Past:
    """Return the past that a bundle holds. Raises `PastError`."""
    spec = build(bundle.settings, Path(), ManualClock(), ())
    make = partial(actor_at, spec, bundle.address)
    make()
    source = BundleSource(bundle)
    lineages = Lineages(bundle.lineage, bundle.lineages_before)
    return Past(bundle.address, bundle.number, lineages, bundle.names, make, source)


def about(bundle: Bundle) -> str:
    """Say what a bundle is of, by what it was made, and what people were told then."""
    made = bundle.made
    commit = f", commit {made.commit}" if made.commit else ""
    when, who = time_of(bundle.around_ns), f"Canopy {made.canopy}{commit}"
    lines = [f"{bundle.address} around {when}, made by {who}, Python {made.python}"]
    lines += [f"  {time_of(each.at_ns)}  {each.subject}: {each.text}" for each in bundle.told]
    return "\n".join(lines)


def collect(look: Look, past: Past, settings: TreeSettings, around_ns: int, made_ns: int) -> Bundle:
    """Return the bundle of the moment `around_ns`. Raises `PastError`, `HistoryRetiredError`."""
    cut = _stretch(past, around_ns - BEFORE_NS, around_ns + AFTER_NS)
    if not cut.turns:
        raise PastError("it handled no message around that time: `bot replay` shows when it did")
    actor = past.make()
    return Bundle(
        made=_made(made_ns),
        address=past.address,
        number=past.number,
        around_ns=around_ns,
        class_name=f"{type(actor).__module__}.{type(actor).__qualname__}",
        class_version=actor.version,
        lineage=past.lineages.now,
        lineages_before=past.lineages.before,
        names=_names(past, cut),
        settings=without_secrets(settings),
        snapshot=cut.snapshot,
        turns=cut.turns,
        set_aside=[item for item in look.history().quarantined() if item.actor == past.number],
        told=list(_told(look, around_ns)),
        is_cut=cut.is_cut,
    )


def check_absent(bundle: Bundle, known: Iterable[str]) -> None:
    """Raise `BundleError` if any of the `known` secrets is in the bundle, in any form."""
    if holds_any(encoded(bundle), known):
        raise BundleError(
            "nothing was written: the bundle would hold a secret, which no message may hold. "
            "Please report it: it is an error of Canopy's"
        )


def secrets(settings: TreeSettings, environment: Environment) -> list[str]:
    """Return the secrets that follow from settings, and those in the environment."""
    found = [
        text
        for name, venue in settings.venues.items()
        for user in settings.roster.users
        for seed in {venue.seed, venue.box.seed if venue.box else venue.seed}
        for text in (
            *key_for(venue.protocol.value, name, user.name, seed),
            account_passphrase(name, user.name, seed),
        )
    ]
    found += [
        value
        for name, value in environment.variables.items()
        if any(word in name.upper() for word in _SECRET_WORDS)
    ]
    return [text for text in found if len(text) >= SECRET_CHARACTERS_MIN]


def secrets_of_keys(keys: Iterable[StoredKey], environment: Environment) -> list[str]:
    """Return the secrets of stored keys, and those that systemd gives in files."""
    found = [text for key in keys for text in (key.api_key, key.secret, key.passphrase) if text]
    folder = credentials_folder(environment)
    for path in sorted(folder.iterdir()) if folder is not None and folder.is_dir() else ():
        found += path.read_text(errors="replace").splitlines()
    return [text.strip() for text in found if len(text.strip()) >= SECRET_CHARACTERS_MIN]


def without_secrets(settings: TreeSettings) -> TreeSettings:
    """Return settings that build the same actors, without what opens anything.

    Seeds go (keys of simulated accounts follow from them), and so do the venues' addresses (a
    proxy's or a venue's may hold a password).
    """
    venues = {}
    for name, venue in settings.venues.items():
        box = replace(venue.box, seed=0) if venue.box is not None else None
        plain: dict[str, Any] = {
            field.name: "" for field in msgspec.structs.fields(venue)
            if isinstance(getattr(venue, field.name), str)
        }  # fmt: skip
        venues[name] = replace(venue, **plain, box=box, seed=0)
    return replace(settings, venues=venues)


def _stretch(past: Past, start_ns: int, end_ns: int) -> Cut:
    """Return what was handled from `start_ns` to `end_ns`, and the state before it.

    The state is made by folding; where the code of today acts otherwise than then, it is the kept
    snapshot's, and what followed it is part of the stretch.
    """
    fold = _begin(past, start_ns)
    first = fold.snapshot(0) if fold.seq else None
    names = dict(past.names)
    for turn in past.turns(fold.seq):
        if turn.now_ns >= start_ns:
            made = fold.snapshot(start_ns) if fold.seq else None
            return _up_to(past, made, end_ns)
        if fold.replay(turn, names) is not None:
            break
    return _up_to(past, first, end_ns)


def _up_to(past: Past, first: Snapshot | None, end_ns: int) -> Cut:
    turns: list[RecordedTurn] = []
    room = TURN_BYTES_MAX
    for turn in past.turns(first.seq if first else 0):
        if turn.now_ns > end_ns:
            break
        room -= len(msgspec.msgpack.encode(turn))
        if room < 0:
            return Cut(first, turns, is_cut=True)
        turns.append(turn)
    return Cut(first, turns, is_cut=False)


def _begin(past: Past, at_ns: int) -> Fold:
    """Return a fold in the newest state kept from before `at_ns`."""
    since = past.source.turns_since(past.number, at_ns)
    seq = next((turn.first_seq for turn in since if turn.now_ns >= at_ns), LAST_SEQ)
    return past.begin(max(past.horizon(), seq))


def _names(past: Past, cut: Cut) -> dict[int, str]:
    """Return the names that the turns speak of: a bundle need not tell who else there is."""
    used = {past.number}
    for turn in cut.turns:
        used |= {number for one in turn.inputs for number in (one.sender, one.target)}
        used |= {effect[1] for effect in turn.effects}
    return {number: past.names[number] for number in sorted(used) if number in past.names}


def _told(look: Look, around_ns: int) -> Iterable[Noted]:
    edge = last_id(look.connection, AlertRow.table, around_ns + AFTER_NS)
    query = (
        "SELECT at_ns, subject, text FROM alerts WHERE id <= ? AND at_ns >= ? "
        "ORDER BY id DESC LIMIT ?"
    )
    found = fetch_all(look.connection, query, (edge, around_ns - TOLD_NS, TOLD_MAX))
    alerts = [Noted(*row) for row in reversed(found)]
    edge = last_id(look.connection, SleeveStateRow.table, around_ns + AFTER_NS)
    query = (
        "SELECT recorded_ns, address, state || ': ' || reason FROM sleeve_states "
        "WHERE id <= ? AND recorded_ns >= ? ORDER BY id DESC LIMIT ?"
    )
    found = fetch_all(look.connection, query, (edge, around_ns - BEFORE_NS, TOLD_MAX))
    words = [Noted(*row) for row in reversed(found)]
    return sorted(chain(alerts, words), key=lambda noted: noted.at_ns)


def _made(at_ns: int) -> Made:
    from bot.verbs.version import own_version

    return Made(
        at_ns=at_ns,
        canopy=own_version(),
        commit=_commit(Path(__file__).resolve().parent.parent),
        python=platform.python_version(),
        libraries={name: metadata.version(name) for name in LIBRARIES},
    )


def _commit(root: Path) -> str:
    """Return the commit of the working tree that Canopy runs from, `-dirty` if it was changed."""
    if not (root / ".git").exists():
        return ""
    command = ("git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40")
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, on the folder that we stand in
            command, capture_output=True, text=True, check=True, timeout=_GIT_WAIT_S
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
