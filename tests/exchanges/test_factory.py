"""Logins that several callers share, of every exchange that has them: see `_detached_flights`."""

import copy
from unittest.mock import patch

import pytest
import trio
import trio.testing

from exchanges import ccxt_names, factory
from exchanges.errors import CCXT_RAISES
from exchanges.json_text import Json
from supervisor.clock import ManualClock
from tests.exchanges.parity_calls import CONFIG, NOW_MS, all_ids, arguments, prepare
from tests.exchanges.parity_run import LOGS, dial, failed, mark_clients

PATIENCE_S = 1.0
ANSWER_AFTER_S = 0.5


def shared_flights() -> list[tuple[str, str]]:
    """Return exchange and method of every flight that ccxt's classes share."""
    return [
        (exchange, method)
        for exchange in all_ids()
        for method in factory._detached_flights(ccxt_names.exchange_class(exchange))
    ]


async def outcome(exchange: Json, method: str) -> str:
    values = arguments(getattr(type(exchange), method).__wrapped__)
    try:
        with trio.move_on_after(PATIENCE_S):
            await getattr(exchange, method)(*values)
            return "done"
    except CCXT_RAISES as error:
        return failed(error)
    return "pending"


async def outcomes(exchange_id: str, method: str, *, cancel_first: bool) -> list[str]:
    """Return how three calls end, one after another; the first may be cancelled on its way."""
    clock = ManualClock(NOW_MS * 1_000_000)
    async with factory.trio_class(exchange_id)(copy.deepcopy(CONFIG), clock=clock) as exchange:
        prepare(exchange)
        LOGS[str(id(exchange))] = []
        mark_clients(exchange)

        async def fetch(*_args: Json, **_options: Json) -> Json:
            await trio.sleep(ANSWER_AFTER_S)
            return {}

        exchange.__dict__["fetch"] = fetch
        with trio.move_on_after(ANSWER_AFTER_S / 2 if cancel_first else PATIENCE_S * 2):
            await outcome(exchange, method)
        await trio.sleep(PATIENCE_S)
        return [await outcome(exchange, method) for _ in range(2)]


def test_a_cancelled_leader_deafens_nobody_on_any_exchange() -> None:
    async def compare() -> dict[tuple[str, str], tuple[list[str], list[str]]]:
        return {
            flight: (
                await outcomes(*flight, cancel_first=False),
                await outcomes(*flight, cancel_first=True),
            )
            for flight in flights
        }

    flights = shared_flights()
    assert len(flights) >= 30
    with patch("exchanges.socket_client.dial", dial):
        found = trio.run(compare, clock=trio.testing.MockClock(autojump_threshold=0))
    different = {flight: both for flight, both in found.items() if both[0] != both[1]}
    assert not different
    # Those that wait for a frame of the venue's wait here as well; the others must have ended.
    ended = [flight for flight, both in found.items() if "pending" not in both[1]]
    assert len(ended) >= 10


def test_an_unknown_exchange_is_told_where_to_look() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"no exchange 'krakn': see ccxt\.exchanges"):
        factory.trio_class("krakn")
