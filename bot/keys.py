"""What verbs do with keys and with real money: ask for passphrases, confirm, list, import."""

from pathlib import Path

import click

from actors.execution.keys import StoredKey
from bot.checking import nearest
from bot.config import Config
from bot.confirm import confirm
from bot.environment import Environment
from bot.errors import FailedError, VerbError
from bot.key_store import KeyStore, KeyStoreError, passphrase_credential
from messages.settings import KEYLESS
from messages.settings import Environment as Whose

LIVE_WORD = "trade live"


def confirm_live(venues: list[str], *, yes: bool) -> None:
    """Return when the person wants to trade with real money; raise `VerbError` otherwise."""
    if not venues:
        return
    what = (
        f"REAL MONEY: {', '.join(venues)} will be traded at. Orders placed there are real, whatever"
        " the strategy. Under systemd, say --yes-live."
    )
    confirm(what, LIVE_WORD, yes=yes)


def credentials_folder(environment: Environment) -> Path | None:
    """Return the folder of systemd's credentials; None where there are none."""
    folder = environment.get("CREDENTIALS_DIRECTORY")
    return Path(folder) if folder else None


def stored_keys(config: Config, folder: Path, environment: Environment) -> tuple[StoredKey, ...]:
    """Return the stored keys that a start needs; simulations need none, and nothing is asked."""
    store = KeyStore(folder)
    simulated = all(venue.environment in KEYLESS for venue in config.venues.values())
    if simulated or not store.exists():
        return ()
    return tuple(opened(store, environment)[0])


def opened(
    store: KeyStore, environment: Environment, *, is_new: bool = False
) -> tuple[list[StoredKey], str]:
    """Return the keys and the passphrase, asked for if systemd does not give it."""
    try:
        passphrase = passphrase_credential(credentials_folder(environment)) or asked(is_new=is_new)
        return store.read(passphrase), passphrase
    except KeyStoreError as error:
        raise FailedError(error) from error


def asked(*, is_new: bool) -> str:
    """Return a passphrase that was typed, twice for a new store."""
    question = "New passphrase for the keys" if is_new else "Passphrase of the keys"
    try:
        typed: str = click.prompt(question, hide_input=True, confirmation_prompt=is_new, err=True)
    except click.Abort:
        raise VerbError(
            "nobody typed the passphrase: under systemd give it with "
            "LoadCredential=canopy-keys:/path/to/file"
        ) from None
    return typed


def account_of(config: Config, user: str, venue: str) -> str:
    """Return the environment of an account's venue; raise `VerbError` naming what there is."""
    if venue not in config.venues:
        known = ", ".join(config.venues)
        hint = nearest(venue, list(config.venues))
        raise VerbError(f"there is no venue {venue} in bot.toml; there are {known}{hint}")
    environment = config.venues[venue].environment
    if environment in KEYLESS:
        what = "a simulation" if environment is Whose.SIM else "paper trading"
        raise VerbError(f"{venue} is {what}: its keys are made from its seed, none is needed")
    users = [each.name for each in config.first_run.users]
    if user not in users:
        hint = nearest(user, users)
        raise VerbError(f"there is no user {user} in bot.toml; there are {', '.join(users)}{hint}")
    return str(environment.value)
