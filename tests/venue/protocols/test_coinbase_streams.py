"""Coinbase's sockets: frames numbered over the connection, books, channels, the user's orders."""

import json

import pytest
import trio

from tests.venue.coinbase_client import PRODUCT, Client, Untyped, hear, running, subscribe

CHANNELS = ("level2", "market_trades", "ticker", "ticker_batch", "candles", "heartbeats")
WIRE = {"level2": "l2_data"}


async def moved(alice: Client, by_ns: int = 300_000_000) -> None:
    """Let the market act and a tick of the box pass."""
    alice.clock.advance(by_ns)
    await trio.sleep(0.03)


def follow(sides: dict[str, dict[str, str]], event: Untyped) -> None:
    """Apply an event of a book."""
    if event["type"] == "snapshot":
        sides |= {"bid": {}, "offer": {}}
    for update in event["updates"]:
        side, price = sides[update["side"]], update["price_level"]
        if update["new_quantity"] == "0":
            side.pop(price, None)
        else:
            side[price] = update["new_quantity"]
    assert max(map(float, sides["bid"])) < min(map(float, sides["offer"]))


@pytest.mark.check
async def test_a_book_goes_on_from_its_snapshot() -> None:
    async with running() as alice, alice.socket() as early, alice.socket() as late:
        await subscribe(early, "level2")
        await trio.sleep(0.03)
        for _ in range(3):
            alice.clock.advance(200_000_000)
            # Between two ticks: differences wait that the snapshot has already.
            await alice.public("market/product_book", product_id=PRODUCT)
        await subscribe(late, "level2")
        await moved(alice)
        await moved(alice)
        for socket in (early, late):
            book = await alice.public("market/product_book", product_id=PRODUCT, limit=1000)
            wanted = [
                {row["price"]: row["size"] for row in book["pricebook"][side]}
                for side in ("bids", "asks")
            ]
            sides: dict[str, dict[str, str]] = {}
            with trio.move_on_after(0.3):
                while True:
                    follow(sides, (await hear(socket, channel="l2_data"))["events"][0])
            assert [sides["bid"], sides["offer"]] == wanted


async def test_every_channel_speaks_and_frames_are_numbered_over_all_of_them() -> None:
    missing = {WIRE.get(name, name) for name in CHANNELS}
    async with running() as alice, alice.socket() as socket:
        numbers: list[int] = []
        snapshots: set[str] = set()
        for channel in CHANNELS:
            await subscribe(socket, channel)
        with trio.fail_after(10):
            while missing:
                await moved(alice, 1_000_000_000)
                with trio.move_on_after(0.03):
                    while True:
                        message = json.loads(await socket.recv())
                        numbers.append(message["sequence_num"])
                        kind = message["events"][0].get("type")
                        if kind == "snapshot":
                            snapshots.add(message["channel"])
                        else:
                            missing.discard(message["channel"])
        assert numbers == list(range(len(numbers)))
        assert snapshots == {"l2_data", "market_trades", "ticker", "ticker_batch", "candles"}


@pytest.mark.check
async def test_trades_come_newest_first_and_none_is_missing() -> None:
    async with running() as alice, alice.socket() as socket:
        await subscribe(socket, "market_trades")
        ids: list[int] = []
        while len(ids) < 150:
            message = await hear(socket, channel="market_trades")
            found = [int(trade["trade_id"]) for trade in message["events"][0]["trades"]]
            assert found == sorted(found, reverse=True)
            ids = found[::-1] + ids if not ids else ids + found[::-1]
            await moved(alice)
        assert ids == list(range(ids[0], ids[-1] + 1))


async def test_a_frame_that_is_lost_leaves_a_gap() -> None:
    async with running() as alice, alice.socket() as socket:
        await subscribe(socket, "heartbeats")
        await hear(socket, channel="subscriptions")
        await moved(alice, 1_000_000_000)
        first = (await hear(socket, channel="heartbeats"))["sequence_num"]
        await alice.admin("faults/arm", {"fault": "gap", "target": "heartbeats"})
        await moved(alice, 1_000_000_000)
        await moved(alice, 1_000_000_000)
        assert (await hear(socket, channel="heartbeats"))["sequence_num"] == first + 2


async def test_what_cannot_be_subscribed_is_refused() -> None:
    async with running() as alice, alice.socket() as socket:
        wrong = [
            "not json",
            json.dumps({"type": "dance"}),
            json.dumps({"type": "subscribe", "channel": "nothing", "product_ids": []}),
            json.dumps({"type": "subscribe", "channel": "level2", "product_ids": []}),
            json.dumps({"type": "subscribe", "channel": "level2", "product_ids": ["NO-PE"]}),
            json.dumps({"type": "subscribe", "channel": "user", "product_ids": [PRODUCT]}),
            json.dumps({"type": "subscribe", "channel": "user", "product_ids": [], "jwt": "junk"}),
        ]
        for message in wrong:
            await socket.send(message)
            assert (await hear(socket))["type"] == "error"
        late = alice.jwt(nbf=alice.now_s - 200, exp=alice.now_s - 100)
        await subscribe(socket, "user", jwt=late)
        assert "authentication" in (await hear(socket))["message"]
        await subscribe(socket, "level2")
        await hear(socket, channel="subscriptions")
        await subscribe(socket, "level2", "unsubscribe")
        told = await hear(socket, channel="subscriptions")
        assert told["events"] == [{"subscriptions": {}}]


async def test_an_account_hears_of_its_orders() -> None:
    async with running() as alice, alice.socket() as socket:
        before = await alice.limit("BUY", "2399.00", "before")
        await subscribe(socket, "user", jwt=alice.jwt())
        snapshot = (await hear(socket, channel="user"))["events"][0]
        assert snapshot["type"] == "snapshot"
        assert [order["order_id"] for order in snapshot["orders"]] == [before]
        placed = await alice.limit("BUY", "2400.00", "mine")
        order = await told(socket)
        assert (order["order_id"], order["status"], order["client_order_id"]) == (
            placed,
            "OPEN",
            "mine",
        )
        await alice.ok("POST", "orders/batch_cancel", order_ids=[placed])
        assert (await told(socket))["status"] == "CANCELLED"
        await alice.sell("sold")
        sums: list[float] = []
        while not sums or order["status"] != "FILLED":
            order = await told(socket)
            sums.append(float(order["cumulative_quantity"]))
        assert sums == sorted(sums)
        assert sums[-1] == pytest.approx(0.1)
        fills = (await alice.ok("GET", "orders/historical/fills"))["fills"]
        assert order["number_of_fills"] == str(len(fills))
        await alice.admin("tokens/revoke", {})
        await alice.limit("BUY", "2398.00", "unheard")
        with trio.move_on_after(0.2) as patience:
            await told(socket)
        assert patience.cancelled_caught


async def told(socket: Untyped) -> Untyped:
    """Return the next order that the user channel tells of."""
    return (await hear(socket, channel="user"))["events"][0]["orders"][0]
