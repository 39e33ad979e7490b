"""What `bot key` does."""

from pathlib import Path

import click
import trio

from actors.doors import endpoints_of
from actors.execution.keys import StoredKey
from bot.config import Config, ConfigError, config_file, data_folder, load
from bot.environment import Environment
from bot.errors import ERROR, OK, FailedError, VerbError
from bot.key_store import KeyStore, KeyStoreError, with_key, without_key
from bot.keys import account_of, opened
from bot.shared import print_json
from exchanges.errors import Code, VenueError
from exchanges.types import KeyRights
from exchanges.venue_client import VenueClient, open_venue
from messages.settings import WITH_PASSPHRASE, VenueSettings
from supervisor.clock import ProcessClock, wall_ns

# Enough of an API key, which is no secret but may name the account, to tell two apart.
END_CHARACTERS = 4
CHECK_S = 20.0
PEM_BEGINS = "-----BEGIN "


def add_key(
    user: str, venue: str, prefix: str | None, config_name: str | None, data_dir: str | None
) -> None:
    """Store a key that is typed, or taken from the environment this once."""
    environment = Environment()
    config, store = _context(environment, config_name, data_dir)
    whose = account_of(config, user, venue)
    keys, passphrase = opened(store, environment, is_new=not store.exists())
    needs = config.venues[venue].protocol in WITH_PASSPHRASE
    api_key, secret, passphrase_there = _given(environment, prefix, with_passphrase=needs)
    new = StoredKey(
        user=user,
        venue=venue,
        environment=whose,
        api_key=api_key,
        secret=secret,
        passphrase=passphrase_there,
        added_ns=wall_ns(),
    )
    try:
        store.write(with_key(keys, new), passphrase)
    except KeyStoreError as error:
        raise VerbError(str(error)) from error
    click.echo(
        f"stored for {user} at {venue} ({whose}) in {store.path}; `bot key check {user} {venue}` "
        "asks the venue, and the bot takes it at its next start"
    )


def show_keys(config_name: str | None, data_dir: str | None, *, as_json: bool) -> None:
    """Show which accounts have a key."""
    environment = Environment()
    _, store = _context(environment, config_name, data_dir)
    keys = opened(store, environment)[0] if store.exists() else []
    rows = [
        {
            "user": key.user,
            "venue": key.venue,
            "environment": key.environment,
            "api_key_end": key.api_key[-END_CHARACTERS:],
            "added_ns": key.added_ns,
        }
        for key in keys
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(
            f"{row['user']}  {row['venue']}  {row['environment']}  key …{row['api_key_end']}"
        )
    if not rows:
        click.echo("no keys are stored: simulations need none, `bot key add` stores one")


def check_key(user: str, venue: str, config_name: str | None, data_dir: str | None) -> int:
    """Ask the venue with an account's key; return the exit code."""
    environment = Environment()
    config, store = _context(environment, config_name, data_dir)
    whose = account_of(config, user, venue)
    key = _find(opened(store, environment)[0], user, venue)
    if key.environment != whose:
        raise VerbError(
            f"the stored key is of environment {key.environment}, {venue} is {whose}: "
            f"`bot key remove {user} {venue}`, then add the {whose} key"
        )
    problem, warning = trio.run(ask_venue, config.venues[venue], key)
    if problem:
        click.echo(problem, err=True)
        return ERROR
    click.echo(f"{venue} takes the key of {user}")
    if warning:
        click.echo(warning, err=True)
    return OK


def remove_key(user: str, venue: str, config_name: str | None, data_dir: str | None) -> None:
    """Forget an account's key."""
    environment = Environment()
    _, store = _context(environment, config_name, data_dir)
    keys, passphrase = opened(store, environment)
    _find(keys, user, venue)
    try:
        store.write(without_key(keys, user, venue), passphrase)
    except KeyStoreError as error:
        raise VerbError(str(error)) from error
    click.echo(f"the key of {user} at {venue} is forgotten here; revoke it at the venue too")


def _context(
    environment: Environment, config_name: str | None, data_dir: str | None
) -> tuple[Config, KeyStore]:
    try:
        config = load(config_file(environment, config_name), environment)
    except ConfigError as error:
        raise FailedError(error) from error
    folder: Path = data_folder(environment, data_dir, config.data.folder)
    return config, KeyStore(folder)


def _given(
    environment: Environment, prefix: str | None, *, with_passphrase: bool
) -> tuple[str, str, str]:
    """Return API key, secret and the key's own passphrase, "" where the venue has none."""
    if prefix is not None:
        names = [f"{prefix}_API_KEY", f"{prefix}_SECRET"]
        names += [f"{prefix}_PASSPHRASE"] if with_passphrase else []
        values = [environment.get(name).strip() for name in names]
        if not all(values):
            raise VerbError(f"{' and '.join(names)} must all be set, for this one command")
    else:
        values = _typed(with_passphrase=with_passphrase)
    api_key, secret, passphrase = [*values, ""][:3]
    if secret.startswith(PEM_BEGINS):
        # A private key of many lines, as it stands in the venue's JSON file and fits on one.
        secret = secret.replace("\\n", "\n")
    return api_key, secret, passphrase


def _typed(*, with_passphrase: bool) -> list[str]:
    hidden = ["Secret (not shown)"]
    hidden += ["Passphrase of the key (not shown)"] if with_passphrase else []
    try:
        values = [click.prompt("API key", err=True)]
        values += [click.prompt(each, hide_input=True, err=True) for each in hidden]
    except click.Abort:
        raise VerbError("nothing was stored: nobody typed a key") from None
    return [str(value).strip() for value in values]


def _find(keys: list[StoredKey], user: str, venue: str) -> StoredKey:
    for key in keys:
        if (key.user, key.venue) == (user, venue):
            return key
    stored = ", ".join(f"{key.user} at {key.venue}" for key in keys) or "none"
    raise VerbError(f"no key of {user} at {venue} is stored; there are: {stored}")


async def ask_venue(venue: VenueSettings, key: StoredKey) -> tuple[str, str]:
    """Return why the key is of no use, "" when it is; and what is amiss with it all the same."""
    client = open_venue(
        venue.protocol.value,
        ProcessClock(),
        credentials=key.credentials(),
        endpoints=endpoints_of(venue),
    )
    try:
        with trio.fail_after(CHECK_S):
            async with client:
                await client.fetch_balances()
                return _judged(key.venue, await _rights(client))
    except trio.TooSlowError:
        return (
            f"{key.venue} did not answer within {CHECK_S:g} s: try again, or check the network",
            "",
        )
    except VenueError as error:
        if error.code is Code.AUTHENTICATION:
            text = (
                f"{key.venue} refuses the key ({error.detail}): it is of another environment, was "
                "revoked, or lacks the right to read balances; make a new one and add it"
            )
            return text, ""
        return str(error), ""


async def _rights(client: VenueClient) -> KeyRights:
    try:
        return await client.fetch_key_rights()
    except VenueError:
        # That it reads balances is known; what else it may do, this venue does not say.
        return KeyRights()


def _judged(venue: str, rights: KeyRights) -> tuple[str, str]:
    if rights.may_trade is False:
        text = (
            f"{venue} takes the key, but it may not trade: make one that may read and trade, and "
            "not withdraw, and add it"
        )
        return text, ""
    if rights.may_withdraw:
        warning = (
            "warning: this key may withdraw money, which the bot never needs: take that right from "
            f"it at {venue}, or make another"
        )
        return "", warning
    if rights.may_trade is None:
        return "", f"whether it may trade, and withdraw, {venue} does not tell: look there"
    return "", ""
