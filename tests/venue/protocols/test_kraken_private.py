"""Whatever a client sends, it gets an answer in Kraken's words and the box goes on."""

import string
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.clock import ManualClock
from tests.venue.boxes import config
from tests.venue.exchanges import check_invariants
from venue.engine import Engine
from venue.http import HttpRequest
from venue.protocols.kraken_auth import parameters_of
from venue.protocols.kraken_errors import KrakenError
from venue.protocols.kraken_private import PrivateEndpoints
from venue.protocols.kraken_public import PublicEndpoints
from venue.protocols.kraken_tokens import Tokens
from venue.protocols.kraken_ws import parse_request
from venue.refusals import RefusedError
from venue.storage import Storage

ENDPOINTS = tuple(
    """AddOrder AddOrder AmendOrder CancelOrder CancelAllOrdersAfter OpenOrders ClosedOrders
    QueryOrders TradesHistory QueryTrades Ledgers TradeVolume Trades Depth OHLC Ticker
    Assets""".split()  # noqa: SIM905 - a list of forty lines is no easier to read
)
NAMES = tuple(
    """pair type ordertype volume price oflags timeinforce expiretm deadline cl_ord_id userref txid
    start end ofs count since interval limit_price order_qty timeout asset
    validate""".split()  # noqa: SIM905 - as above
)
WORDS = tuple(
    """ETHUSDT buy sell limit market 0.1 2500.00 1 -1 --1 0 post viqc fciq,post IOC GTD GTC +10
    2020-01-01T00:00:00Z 1e5 1e999999 ² nan 1,2 all true USDT O-A
    """.split()  # noqa: SIM905 - as above
)
VALUES = st.one_of(
    st.sampled_from(WORDS),
    st.text(string.digits + ".-+", max_size=60),
    st.text(max_size=20),
    st.just("9" * 5_000),
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    clock = ManualClock(1_750_000_000 * 10**9)
    return Engine(config(warm_up_s=30), clock, Storage(None), clock.now_ns())


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ENDPOINTS), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=9))
def test_any_parameters_get_an_answer(
    engine: Engine, endpoint: str, parameters: dict[str, str]
) -> None:
    public = PublicEndpoints(engine)
    private = PrivateEndpoints(engine, public, Tokens(900))
    account = engine.exchange.accounts[1]
    given_parameters = {"pair": "ETHUSDT", "type": "buy", "ordertype": "limit", **parameters}
    with suppress(KrakenError, RefusedError):
        if endpoint in ("Trades", "Depth", "OHLC", "Ticker", "Assets"):
            public.answer(endpoint, given_parameters)
        else:
            private.answer(endpoint, account, given_parameters, engine.now_ns())
    engine.exchange.take_changes()
    check_invariants(engine.exchange)


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(str.encode),
        st.sampled_from(
            (
                b"[" * 60_000,
                b'{"method":"add_order","params":{"order_qty":1e999999999}}',
                b'{"method":["a"],"params":{}}',
                b'{"method":"ping","req_id":{"a":1}}',
                b'{"method":"ping","params":null}',
                b'{"method":"ping","params":7}',
                b'{"method":"ping","req_id":' + b"9" * 6_000 + b"}",
            )
        ),
    )
)
def test_any_message_is_a_request_or_none(message: bytes) -> None:
    request = parse_request(message)
    if request is not None:
        assert all(len(value) < 70_000 for value in request.parameters.values())


@given(st.binary(max_size=300), st.booleans())
def test_any_body_is_parameters_or_refused(body: bytes, json: bool) -> None:
    kind = "application/json" if json else "application/x-www-form-urlencoded"
    with suppress(KrakenError):
        parameters_of(HttpRequest("POST", "/0/private/X", "", {"content-type": kind}, body))
