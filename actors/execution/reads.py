"""The reads of an account that settle what is in doubt: one order's fate, or everything at once.

A number that is off the grid means that the answer cannot be believed: the read is not complete.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import trio
from msgspec.structs import replace
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

from actors.books import is_contract
from actors.execution.clients import AccountClient
from actors.execution.translate import (
    Scales,
    account_fee_of,
    balance_of,
    contracts_of,
    fill_of,
    order_of,
)
from exchanges.errors import Code, VenueError
from exchanges.grid import OffGridError
from exchanges.types import Balance, FillReport, FundingReport, OrderReport
from messages.account import AccountFee, AccountRead, VenueFunding, VenueTransfer
from messages.money import ReadAccount, VenueBalance
from messages.orders import Inquire, InquiryOutcome, VenueFill
from supervisor.buggify import buggify

Turn = Callable[[int], Awaitable[None]]
"""Waits until one more request that costs so much may be sent."""
# What venues count a look at what is, and one into the history: Kraken one and two.
LOOK, HISTORY = 1, 2
# A reading is several reads, and is complete only if all were answered: where one answer in five is
# lost, two readings in three would fail. After the third try it is more than a lost answer.
TRIES_MAX = 3
T = TypeVar("T")


async def inquire(
    client: AccountClient, scales: Scales, message: Inquire, read_ns: int, turn: Turn
) -> InquiryOutcome:
    """Ask for one order by our id: open orders, closed orders, trades. Raises `VenueError`."""
    ours = message.client_order_id
    reports = [
        *await _read(turn, LOOK, lambda: client.fetch_open_orders(ours)),
        *await _read(turn, LOOK, lambda: client.fetch_closed_orders(message.since_ns, ours)),
    ]
    trades = await _read(turn, HISTORY, lambda: client.fetch_my_trades(message.since_ns))
    venue_ids = {report.venue_order_id for report in reports} | {message.venue_order_id}
    mine = [t for t in trades if t.client_order_id == ours or t.venue_order_id in venue_ids]
    try:
        fills = tuple(_named_fill(each, ours, client, scales) for each in mine)
        report = _right_one(reports, message.venue_order_id)
        order = order_of(report, client.instrument(report.symbol)) if report else None
    except OffGridError:
        return InquiryOutcome(client_order_id=ours, complete=False, order=None)
    return InquiryOutcome(
        client_order_id=ours, complete=True, order=order, fills=fills, read_ns=read_ns
    )


async def read_account(
    client: AccountClient,
    scales: Scales,
    message: ReadAccount,
    read_ns: int,
    turn: Turn,
    symbols: Sequence[str] = (),
) -> AccountRead:
    """Read orders, balances, fills, transfers and funding, in this order. Raises `VenueError`.

    Fills come after balances: one that the balances hold is then among them. Of `symbols` the
    account's fees are read, too; without them a reading is complete all the same.
    """
    reports = await _read(turn, LOOK, client.fetch_open_orders)
    balances = await _read(turn, LOOK, client.fetch_balances)
    since_ns = message.fills_since_ns
    trades = await _read(turn, HISTORY, lambda: client.fetch_my_trades(since_ns))
    transfers = await _read(turn, HISTORY, lambda: client.fetch_transfers(since_ns))
    funding = await _funding(client, since_ns, symbols, turn)
    fees = await _fees(client, symbols, turn)
    names = {each.venue_order_id: each.client_order_id or "" for each in reports}
    try:
        return AccountRead(
            request_id=message.request_id,
            complete=True,
            open_orders=tuple(order_of(each, client.instrument(each.symbol)) for each in reports),
            fills=tuple(
                _named_fill(t, t.client_order_id or names.get(t.venue_order_id, ""), client, scales)
                for t in trades
            ),
            balances=tuple(_balance(each, client, scales) for each in balances.balances),
            transfers=tuple(
                VenueTransfer(
                    asset=each.asset,
                    amount_minor=scales.minor(each.asset, each.amount),
                    reference=each.reference,
                    at_ns=each.at_ns,
                )
                for each in transfers
            ),
            fees=fees,
            funding=tuple(_settled(each, scales) for each in funding),
            read_ns=read_ns,
        )
    except OffGridError as error:
        return AccountRead(request_id=message.request_id, complete=False, reason=str(error))


async def _funding(
    client: AccountClient, since_ns: int, symbols: Sequence[str], turn: Turn
) -> list[FundingReport]:
    if not any(map(is_contract, symbols)):
        return []
    return await _read(turn, HISTORY, lambda: client.fetch_funding(since_ns))


def _settled(report: FundingReport, scales: Scales) -> VenueFunding:
    return VenueFunding(
        symbol=report.symbol,
        asset=report.asset,
        amount_minor=scales.minor(report.asset, report.amount),
        reference=report.reference,
        at_ns=report.at_ns,
        insurance=report.insurance,
    )


def _balance(balance: Balance, client: AccountClient, scales: Scales) -> VenueBalance:
    if is_contract(balance.asset):
        return contracts_of(balance, client.instrument(balance.asset))
    return balance_of(balance, scales)


async def _fees(
    client: AccountClient, symbols: Sequence[str], turn: Turn
) -> tuple[AccountFee, ...]:
    if not symbols:
        return ()
    await turn(LOOK)
    try:
        found = await client.fetch_fees(symbols)
    except VenueError:
        # What was known before goes on to be taken for true; the books are what matters now.
        return ()
    return tuple(account_fee_of(each) for each in found)


async def _read(turn: Turn, cost: int, fetch: Callable[[], Awaitable[T]]) -> T:
    """Read by the one policy for what is safe to repeat: a lost answer is asked for again."""

    async def once() -> T:
        await turn(cost)
        found = await fetch()
        if buggify("reads.again"):
            # As after a lost answer: the second reading counts.
            await turn(cost)
            return await fetch()
        return found

    # The turn that each try waits for is the pause between them.
    policy = AsyncRetrying(
        sleep=trio.sleep,
        stop=stop_after_attempt(TRIES_MAX),
        retry=retry_if_exception(_is_lost),
        reraise=True,
    )
    return await policy(once)


def _is_lost(error: BaseException) -> bool:
    return isinstance(error, VenueError) and error.code is Code.AMBIGUOUS


def _right_one(reports: list[OrderReport], venue_order_id: str) -> OrderReport | None:
    """Return the order that we know under this id, else the first: open ones come first."""
    for report in reports:
        if report.venue_order_id == venue_order_id:
            return report
    return reports[0] if reports else None


def _named_fill(
    trade: FillReport, client_order_id: str, client: AccountClient, scales: Scales
) -> VenueFill:
    listed = client.instrument(trade.symbol)
    return replace(fill_of(trade, listed, scales), client_order_id=client_order_id)
