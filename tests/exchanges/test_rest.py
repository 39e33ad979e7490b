from collections.abc import Callable
from urllib.parse import parse_qs

import pytest

from exchanges.ccxt_names import ExchangeNotAvailable, NotSupported
from exchanges.exchange import TrioExchange
from tests.exchanges.fake_kraken import FakeKraken, status

MakeExchange = Callable[..., TrioExchange]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirection_is_not_followed_and_says_where_to(
    fake: FakeKraken, make_exchange: MakeExchange, code: int
) -> None:
    fake.faults["Time"].append(status(code, "<html>", Location=f"{fake.rest}/elsewhere"))
    async with make_exchange() as exchange:
        with pytest.raises(ExchangeNotAvailable, match=r"/elsewhere.*set `urls`"):
            await exchange.fetch_time()
    assert len(fake.requests) == 1


async def test_a_form_of_fields_goes_out_as_aiohttp_sends_it(
    fake: FakeKraken, make_exchange: MakeExchange
) -> None:
    async with make_exchange() as exchange:
        headers = {"Content-Type": "multipart/form-data", "X": "y"}
        await exchange.fetch(f"{fake.rest}/0/public/Time", "POST", headers, {"a": 1, "b": "ä&"})
    (request,) = fake.requests
    assert b"content-type: application/x-www-form-urlencoded\r\n" in request.head.lower()
    assert b"multipart" not in request.head
    assert parse_qs(request.body.decode()) == {"a": ["1"], "b": ["ä&"]}


async def test_two_ways_out_are_refused(make_exchange: MakeExchange) -> None:
    async with make_exchange(aiohttp_proxy="http://a", httpProxy="http://b") as exchange:
        with pytest.raises(NotSupported, match="several proxies"):
            await exchange.fetch_time()
