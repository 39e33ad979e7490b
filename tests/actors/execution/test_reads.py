"""What a reading of an account brings beside its books."""

from collections.abc import Sequence

from msgspec.structs import replace

from actors.execution.reads import read_account
from actors.execution.translate import Scales
from exchanges import types
from exchanges.errors import Code, VenueError
from messages.account import AccountFee, AccountRead, VenueFunding
from messages.money import ReadAccount, VenueBalance
from tests.actors.trading import SYMBOL
from tests.actors.venue_client import LISTED, TinyClient


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


PERPETUAL = "ETH/USDT:USDT"


class Funded(TinyClient):
    """An account with a short position in a perpetual, which paid funding."""

    def __init__(self) -> None:
        super().__init__()
        self.listed = [replace(LISTED, symbol=PERPETUAL)]
        self.balances = (
            types.Balance(asset="USDT", total="12.5"),
            types.Balance(asset=PERPETUAL, total="-0.0250"),
        )

    def instrument(self, symbol: str) -> types.Instrument:
        return self.listed[0]

    async def fetch_funding(self, since_ns: int) -> list[types.FundingReport]:
        paid = types.FundingReport(
            symbol=PERPETUAL, asset="USDT", amount="-0.00000123", reference="F1", at_ns=7
        )
        return [paid]


async def test_a_reading_of_perpetuals_brings_positions_and_funding() -> None:
    question = ReadAccount(request_id="r", fills_since_ns=0)
    scales = Scales({"USDT": 6})
    reading = await read_account(Funded(), scales, question, 1, no_turn, (PERPETUAL,))
    assert reading.balances == (
        VenueBalance(asset="USDT", total_minor=12_500_000, free_minor=12_500_000),
        VenueBalance(asset=PERPETUAL, total_minor=-250, free_minor=0, scale=4),
    )
    # Cut off below a minor unit, as venues do themselves.
    assert reading.funding == (
        VenueFunding(symbol=PERPETUAL, asset="USDT", amount_minor=-1, reference="F1", at_ns=7),
    )
