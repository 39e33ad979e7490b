"""What a reading of an account brings beside its books."""

from collections.abc import Sequence

from actors.execution.reads import read_account
from actors.execution.translate import Scales
from exchanges import types
from exchanges.errors import Code, VenueError
from messages.account import AccountFee, AccountRead
from messages.money import ReadAccount
from tests.actors.trading import SYMBOL
from tests.actors.venue_client import TinyClient


async def no_turn(cost: int) -> None:
    """Wait for nothing."""


class Telling(TinyClient):
    """Tells the account's fees, or does not answer."""

    answers = True

    async def fetch_fees(self, symbols: Sequence[str]) -> tuple[types.AccountFee, ...]:
        if not self.answers:
            raise VenueError(Code.AMBIGUOUS, "tiny", "no answer")
        return tuple(types.AccountFee(symbol=s, maker="0.0016", taker="0.00255") for s in symbols)


async def read(client: TinyClient) -> AccountRead:
    question = ReadAccount(request_id="r", fills_since_ns=0)
    return await read_account(client, Scales({}), question, 1, no_turn, (SYMBOL,))


async def test_a_reading_brings_the_accounts_own_fees() -> None:
    client = Telling()
    reading = await read(client)
    assert reading.fees == (AccountFee(symbol=SYMBOL, maker_ppm=1_600, taker_ppm=2_550),)
    client.answers = False
    reading = await read(client)
    assert (reading.complete, reading.fees) == (True, ()), "the books matter more"
