from exchanges.types import OrderTicket
from tests.exchanges.boxed import box_clients, order_id
from tests.venue.boxes import SYMBOL, running_box

PAGE = 50


async def test_transfers_are_what_is_no_trade() -> None:
    async with running_box() as box:
        (client,) = box_clients(box)
        async with client:
            await client.load_instruments()
            opening = await client.fetch_transfers(0)
            assert {(each.asset, each.amount, each.kind) for each in opening} == {
                ("USDT", "10000", "deposit"),
                ("ETH", "5", "deposit"),
            }
            deposit = {"account": "alice", "asset": "USDT", "amount": "12.5"}
            await box.admin("deposit", deposit)
            await client.submit(
                OrderTicket(
                    client_order_id=order_id(1),
                    symbol=SYMBOL,
                    side="buy",
                    type="market",
                    quantity_lots=10_000,
                )
            )
            await box.admin("withdraw", {"account": "alice", "asset": "ETH", "amount": "0.25"})
            *before, came, went = await client.fetch_transfers(0)
            assert before == opening
            assert (came.asset, came.amount, came.kind) == ("USDT", "12.5", "deposit")
            assert (went.asset, went.amount, went.kind) == ("ETH", "-0.25", "withdrawal")
            assert len({each.reference for each in (*before, came, went)}) == 4
            assert came in await client.fetch_transfers(came.at_ns)
            assert await client.fetch_transfers(went.at_ns + 5_000_000_000) == []


async def test_all_pages_are_read() -> None:
    async with running_box() as box:
        (client,) = box_clients(box)
        async with client:
            await client.load_instruments()
            for _ in range(PAGE + 3):
                await box.admin("deposit", {"account": "alice", "asset": "USDT", "amount": "1"})
            assert len(await client.fetch_transfers(0)) == PAGE + 5
