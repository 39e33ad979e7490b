"""`bot key check`, asked of boxes that stand for real venues."""

import pytest
from msgspec.structs import replace

from actors.execution.keys import StoredKey
from bot.key_verbs import ask_venue
from messages.settings import Environment, Protocol, VenueSettings
from tests.venue import binance_client, boxes

PATHS = {"kraken": ("/v2", "/v2"), "binance": ("/stream/ws", "/ws-api/v3")}
ALICE = {"kraken": boxes.ALICE, "binance": binance_client.ALICE}


async def asked(
    protocol: str, given: dict[str, str] | None = None, **rights: bool
) -> tuple[str, str]:
    """Check alice's key, or another, at a box where hers has these rights."""
    alice = replace(ALICE[protocol], **rights)
    config = boxes.config if protocol == "kraken" else binance_client.config
    async with boxes.running_box(config(accounts=(alice,))) as box:
        public, private = (f"ws://127.0.0.1:{box.port}{path}" for path in PATHS[protocol])
        venue = VenueSettings(
            protocol=Protocol(protocol),
            environment=Environment.LIVE,
            symbols=("ETH/USDT",),
            rest=box.url,
            websocket_public=public,
            websocket_private=private,
        )
        key = StoredKey(
            user="alice",
            venue=f"{protocol}-live",
            environment="live",
            api_key=(given or {}).get("api_key", alice.api_key),
            secret=(given or {}).get("secret", alice.api_secret),
        )
        return await ask_venue(venue, key)


both = pytest.mark.parametrize(
    "protocol", ["kraken", pytest.param("binance", marks=pytest.mark.check)]
)


@both
async def test_a_right_key_and_one_that_may_do_too_much_or_too_little(protocol: str) -> None:
    assert await asked(protocol) == ("", "")
    problem, warning = await asked(protocol, may_withdraw=True)
    assert (problem, "may withdraw" in warning) == ("", True)
    problem, warning = await asked(protocol, may_trade=False)
    assert "may not trade" in problem


@both
async def test_a_wrong_secret_and_the_key_of_another_environment_are_refused(protocol: str) -> None:
    # Base64, as Kraken's are.
    wrong = "bm90IGEgc2VjcmV0IGF0IGFsbCwganVzdCBhIHRlc3Q="
    for given in ({"secret": wrong}, {"api_key": "MADE-AT-THE-TESTNET"}):
        problem, _ = await asked(protocol, given)
        assert f"{protocol}-live refuses the key" in problem
        assert "another environment" in problem
        assert wrong not in problem


async def test_a_venue_that_is_not_there() -> None:
    venue = VenueSettings(
        protocol=Protocol.KRAKEN,
        environment=Environment.LIVE,
        symbols=("ETH/USDT",),
        rest="http://127.0.0.1:9",
        websocket_public="ws://127.0.0.1:9",
        websocket_private="ws://127.0.0.1:9",
    )
    alice = boxes.ALICE
    key = StoredKey(
        user="alice",
        venue="kraken-live",
        environment="live",
        api_key=alice.api_key,
        secret=alice.api_secret,
    )
    problem, _ = await ask_venue(venue, key)
    assert "kraken" in problem
    assert "unavailable" in problem
