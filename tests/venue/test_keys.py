"""Keys that bots and boxes reckon alike, in the form of each venue."""

import base64

from venue.keys import account_key, ec_key, key_for
from venue.protocols.coinbase_auth import KEY_NAME, public_key


def test_a_key_follows_from_venue_user_and_seed() -> None:
    for make in (account_key, ec_key):
        first = make("sim", "alice", 1)
        assert make("sim", "alice", 1) == first
        others = [make("sim", "alice", 2), make("sim", "bob", 1), make("other", "alice", 1)]
        assert len({first, *others}) == 4


def test_each_venue_has_its_form() -> None:
    key, secret = key_for("kraken", "sim", "alice", 1)
    assert (len(base64.b64decode(key)), len(base64.b64decode(secret))) == (42, 64)
    name, pem = key_for("coinbase", "sim", "alice", 1)
    assert KEY_NAME.fullmatch(name)
    assert public_key(pem).curve.name == "secp256r1"
