"""A vault that trades a perpetual, and a plain account of it as the venue keeps one.

As in `vaults`: one tick times one lot is one minor unit of USDT, a lot is 0.0001 ETH.
"""

from msgspec.structs import replace

from actors.vault import contracts
from messages.market import Instrument, InstrumentListed
from messages.money import Direction, FundingSettled, VaultConfigured
from messages.orders import Fill, Intent, OrderRequest, OrderType, Side, VenueFill
from supervisor.probe import Outcome
from tests.actors.vaults import USDT, VENUE, Vault, config, instrument
from venue.positions import Position

SYMBOL = "ETH/USDT:USDT"
LEVERAGE = 5


def perpetual() -> Instrument:
    return replace(
        instrument("ETH/USDT"), symbol=SYMBOL, base=SYMBOL, base_scale=4, taker_fee_ppm=500
    )


def perpetual_config(direction: Direction = Direction.BOTH, **changes: int) -> VaultConfigured:
    settings = config(**changes)
    sleeves = tuple(
        replace(each, symbols=(SYMBOL,), direction=direction) for each in settings.sleeves
    )
    return replace(settings, sleeves=sleeves, leverage=LEVERAGE)


class PerpetualVault(Vault):
    """A ledger and the venue's account: position, wallet, what was realised."""

    symbol = SYMBOL

    def __init__(self, direction: Direction = Direction.BOTH, cap: int = 0) -> None:
        self.venue = Position(account=1, symbol=SYMBOL, leverage=LEVERAGE)
        self.wallet = 0
        self.settlements = self.wishes = 0
        super().__init__(perpetual_config(direction, cap=cap))
        self.do(InstrumentListed(venue=VENUE, instrument=perpetual()))

    def fund(self, amount: int, asset: str = "USDT") -> None:
        self.wallet += amount * USDT
        super().fund(amount, asset)

    def enter(
        self, side: Side, lots: int = 0, limit: int = 0, sleeve: str = "flash", **more: int
    ) -> OrderRequest | None:
        """Send an intent; return the order request it became, if it did."""
        self.wishes += 1
        self.do(
            Intent(
                intent_id=f"i{self.wishes}",
                sleeve=sleeve,
                symbol=SYMBOL,
                side=side,
                type=OrderType.LIMIT if limit else OrderType.MARKET,
                quantity_lots=lots,
                limit_ticks=limit,
                reference_ticks=more.get("reference", 200_000),
                stop_ticks=more.get("stop", 0),
            )
        )
        requests = self.sent(OrderRequest)
        return requests[0] if requests else None

    def execute(
        self,
        order: str,
        side: Side,
        lots: int,
        ticks: int,
        fee: int = 0,
        at_ns: int = 1,
        forced: bool = False,
    ) -> list[Outcome]:
        """Have the venue execute, and tell the ledger of it."""
        self.fills += 1
        cost = lots * ticks
        realised = self.venue.fill(1 if side is Side.BUY else -1, lots, cost, at_ns)
        self.wallet += realised - fee
        fill = VenueFill(
            exec_id=f"E{self.fills}",
            client_order_id=order,
            venue_order_id="O1",
            symbol=SYMBOL,
            side=side,
            price_ticks=ticks,
            quantity_lots=lots,
            cost_minor=cost,
            fee_minor=fee,
            fee_asset="USDT",
            maker=False,
            at_ns=at_ns,
            realised_minor=realised,
            forced=forced,
        )
        return self.do(Fill(client_order_id=order, fill=fill))

    def settle(self, amount: int, at_ns: int = 1, *, insurance: bool = False) -> list[Outcome]:
        """Have the venue pay (or take) funding, or make good a loss, and tell the ledger of it."""
        self.settlements += 1
        self.wallet += amount
        return self.do(
            FundingSettled(
                symbol=SYMBOL,
                amount_minor=amount,
                reference=f"F{self.settlements}",
                at_ns=at_ns,
                insurance=insurance,
            )
        )

    def lots(self, sleeve: str) -> int:
        """Return a sleeve's signed position."""
        return contracts(self.state, sleeve, self.state.instruments[SYMBOL])
