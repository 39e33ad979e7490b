"""Accounts at one venue are bulkheads: one user's bad key restarts nothing of another's."""

import base64
from pathlib import Path

import pytest

from actors.execution.keys import Keys, MissingKeyError
from exchanges.types import Credentials
from messages.money import Mode
from tests.whole.processes import box_toml
from tests.whole.world import World, running
from venue.keys import key_for

BOB = """
[[first_run.vaults]]
user = "bob"
venue = "kraken-sim"
asset = "USDT"
tradeable = "500"
"""


def two_users() -> str:
    """Return the lively box's configuration with a second user."""
    user = '[[first_run.users]]\nname = "bob"\n[[first_run.vaults]]'
    return box_toml().replace("[[first_run.vaults]]", user, 1) + BOB


def refused(protocol: str, venue: str, user: str, seed: int) -> tuple[str, str]:
    """Return a key that the venue knows, with a secret that it does not, for all but alice."""
    key, secret = key_for(protocol, venue, user, seed)
    return key, secret if user == "alice" else base64.b64encode(b"x" * 64).decode()


def missing(keys: Keys, user: str, venue: str) -> Credentials:
    """Give out alice's key, always the same object, and no other."""
    if user != "alice":
        raise MissingKeyError(user, venue, "a test took it away")
    return keys._generated[user, venue]


def of(world: World, user: str) -> dict[str, int]:
    """Return how often each part of a user was started."""
    return {at: n for at, n in world.incarnations().items() if f"/{user}/" in at}


@pytest.mark.parametrize("fault", ["refused by the venue", "missing"])
async def test_one_users_bad_key_restarts_nothing_of_anothers(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "missing":
        monkeypatch.setattr(Keys, "credentials", missing)
    else:
        monkeypatch.setattr("actors.tree.key_for", refused)
    async with running(tmp_path, text=two_users()) as world:
        await world.trades(2)
        standings = world.state("/risk").standings
        if fault == "missing":
            await world.until(lambda: max(of(world, "bob").values()) > 1)
        else:
            reconcile = "/venues/kraken-sim/accounts/bob/reconcile"
            await world.until(lambda: world.state(reconcile).failures > 0)
        await world.trades(1)
        assert standings["alice@kraken-sim"].mode is Mode.ACTIVE
        assert standings["bob@kraken-sim"].mode is Mode.EXITS_ONLY
        assert set(of(world, "alice").values()) == {1}
