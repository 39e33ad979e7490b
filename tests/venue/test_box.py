"""Every fault, seen from outside: what the client gets, and what the venue's books say."""

import json
from uuid import UUID

import httpx2
import pytest
import trio
from websockets.exceptions import ConnectionClosed

from tests.venue.boxes import SYMBOL, RestClient, Untyped, config, hear, running_box, say
from venue.config import FaultProfileName

CLIENT_ID = str(UUID(int=3))
ORDER: dict[str, str | int] = {
    "pair": "ETHUSDT",
    "type": "buy",
    "ordertype": "limit",
    "price": "1500.00",
    "volume": "0.1",
    "cl_ord_id": CLIENT_ID,
}


async def arm(alice: RestClient, fault: str, target: str, **more: Untyped) -> None:
    answer = await alice.admin("faults/arm", {"fault": fault, "target": target, **more})
    assert answer["armed"], answer


async def listen(socket: Untyped) -> None:
    """Hear messages until that fails."""
    while True:
        await hear(socket)


async def is_accepted(alice: RestClient) -> bool:
    orders = (await alice.result("OpenOrders"))["open"]
    return [order["cl_ord_id"] for order in orders.values()] == [CLIENT_ID]


async def test_a_lost_ack_leaves_an_accepted_order() -> None:
    async with running_box() as alice:
        await arm(alice, "lose_ack", "AddOrder")
        with pytest.raises(httpx2.TransportError):
            await alice.raw("AddOrder", **ORDER)
        assert await is_accepted(alice)


async def test_a_hanging_reply_leaves_an_accepted_order() -> None:
    async with running_box() as alice:
        await arm(alice, "hang", "AddOrder")
        with trio.move_on_after(0.2) as patience:
            await alice.raw("AddOrder", **ORDER)
        assert patience.cancelled_caught
        assert await is_accepted(alice)


@pytest.mark.parametrize(
    ("fault", "statuses"), [("http_429", {429}), ("http_5xx", {502, 503, 520})]
)
async def test_an_error_status_after_acceptance(fault: str, statuses: set[int]) -> None:
    async with running_box() as alice:
        await arm(alice, fault, "AddOrder")
        response = await alice.raw("AddOrder", **ORDER)
        assert response.status_code in statuses
        assert await is_accepted(alice)


async def test_a_refused_request_changes_nothing() -> None:
    async with running_box() as alice:
        await arm(alice, "refuse", "AddOrder")
        assert await alice.error("AddOrder", **ORDER) == "EService:Unavailable"
        assert not await is_accepted(alice)


@pytest.mark.parametrize("fault", ["delay", "slow_reply"])
async def test_late_answers_are_right_answers(fault: str) -> None:
    async with running_box() as alice:
        await arm(alice, fault, "AddOrder", duration_ms=150)
        started_s = trio.current_time()
        await alice.result("AddOrder", **ORDER)
        assert trio.current_time() - started_s >= 0.15
        assert await is_accepted(alice)


async def test_a_deadline_passes_while_a_request_is_delayed() -> None:
    async with running_box() as alice:
        now_ns = (await alice.admin("status"))["now_ns"]
        from venue.protocols.kraken_names import timestamp

        await arm(alice, "delay", "AddOrder", duration_ms=300)
        deadline = timestamp(now_ns + 200_000_000)
        assert await alice.error("AddOrder", **ORDER, deadline=deadline) == (
            "EService:Deadline elapsed"
        )
        assert not await is_accepted(alice)


async def test_spoiled_bodies() -> None:
    async with running_box() as alice:
        await arm(alice, "garbage", "AddOrder")
        response = await alice.raw("AddOrder", **ORDER)
        with pytest.raises(ValueError, match=r"line \d+ column \d+"):
            response.json()
        assert await is_accepted(alice)
        await arm(alice, "truncate", "CancelAll")
        with pytest.raises(httpx2.TransportError):
            await alice.raw("CancelAll")
        assert not await is_accepted(alice)


async def test_frames_are_doubled_spoiled_and_left_out() -> None:
    async with running_box() as alice, alice.websocket() as socket:
        await alice.subscribe_private(socket, channel="executions")
        await hear(socket, channel="executions", type="snapshot")
        await arm(alice, "duplicate", "executions")
        await alice.limit("buy", "0.1", "1500.00")
        frames = [json.loads(await _text(socket, "executions")) for _ in range(3)]
        assert [frame["sequence"] for frame in frames] == [2, 2, 3]
        await arm(alice, "gap", "executions")
        await alice.result("CancelAll")
        await alice.limit("buy", "0.1", "1500.00")
        frame = json.loads(await _text(socket, "executions"))
        assert frame["sequence"] == 5
        await hear(socket, channel="executions", sequence=6)
        await arm(alice, "truncate_frame", "executions")
        await alice.result("CancelAll")
        with pytest.raises(json.JSONDecodeError):
            json.loads(await _text(socket, "executions"))


async def test_garbage_between_frames() -> None:
    async with running_box() as alice, alice.websocket() as socket:
        await say(socket, "subscribe", channel="book", symbol=[SYMBOL])
        await hear(socket, channel="book", type="snapshot")
        await arm(alice, "garbage_frame", "book")
        with pytest.raises(json.JSONDecodeError):
            await listen(socket)
        assert (await hear(socket, channel="book"))["type"] == "update"


async def test_sockets_are_dropped_by_fault_and_by_command() -> None:
    async with running_box() as alice:
        async with alice.websocket() as socket:
            await say(socket, "subscribe", channel="book", symbol=[SYMBOL])
            await arm(alice, "drop_socket", "book")
            with pytest.raises(ConnectionClosed):
                await listen(socket)
        async with alice.websocket() as socket:
            await hear(socket, channel="status")
            assert await alice.admin("sockets/drop", {}) == {"dropped": 1}
            with pytest.raises(ConnectionClosed):
                await hear(socket, channel="nothing")


async def test_an_order_over_the_socket_may_lose_its_ack() -> None:
    async with running_box() as alice, alice.websocket() as socket:
        token = await alice.subscribe_private(socket, channel="executions")
        await arm(alice, "lose_ack", "add_order")
        await arm(alice, "http_5xx", "add_order")
        order = {"order_type": "limit", "side": "buy", "symbol": SYMBOL, "token": token}
        more = {"order_qty": 0.1, "limit_price": 1500.0, "cl_ord_id": CLIENT_ID}
        await say(socket, "add_order", 5, **order, **more)
        await say(socket, "add_order", 6, **order, **{**more, "cl_ord_id": "two"})
        answer = await hear(socket, method="add_order")
        assert (answer["req_id"], answer["error"]) == (6, "EService:Unavailable")
        orders = (await alice.result("OpenOrders"))["open"].values()
        assert {info["cl_ord_id"] for info in orders} == {CLIENT_ID, "two"}


async def test_administration_is_never_disturbed() -> None:
    async with running_box(config(fault_profile=FaultProfileName.NASTY)) as alice:
        for _ in range(100):
            await alice.admin("faults/profile", {"profile": "nasty"})
        status = await alice.admin("status")
        assert status["counts"] == {}
        await alice.admin("faults/rates", {"rates": {"refuse": 1_000_000}})
        assert await alice.error("Balance") == "EService:Unavailable"


async def test_wrong_administrative_requests_say_what_is_wrong() -> None:
    async with running_box() as alice:
        wrong = await alice.admin("faults/arm", {"fault": "explode"})
        assert "explode" in wrong["error"]
        assert "there is no POST /_box/nothing" in (await alice.admin("nothing", {}))["error"]
        assert (
            "at most" in (await alice.admin("faults/arm", {"fault": "gap", "count": 5000}))["error"]
        )


async def _text(socket: Untyped, channel: str) -> str:
    """Return the next frame of `channel`, or the next that is not JSON."""
    with trio.fail_after(10):
        while True:
            text = str(await socket.recv())
            if f'"channel":"{channel}"' in text:
                return text
