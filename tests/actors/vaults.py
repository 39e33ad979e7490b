"""A vault to test with: its settings, its instrument, and short ways to say what happens to it.

One ETH is 10**8 minor units, one USDT 10**6; a tick is 0.01, a lot 0.0001 ETH. So a lot at 2
000.00 USDT costs 0.2 USDT: 200 000 minor units, and one tick times one lot is exactly one minor
unit.
"""

from actors.ledger import Ledger
from actors.vault import LedgerState
from messages.market import BookTop, Instrument, InstrumentListed
from messages.money import (
    AccountMode,
    Alert,
    FundsMoved,
    Mode,
    SleeveAllocation,
    SleeveStyle,
    VaultConfigured,
)
from messages.orders import (
    Fill,
    Intent,
    OrderRequest,
    OrderState,
    OrderType,
    OrderUpdate,
    Side,
    VenueFill,
)
from supervisor.probe import Outcome, Probe, Recorded, Sent

USDT = 10**6
VENUE = "kraken-sim"
SYMBOL = "ETH/USDT"
LEDGER = "/users/ann/vaults/kraken-sim-usdt/ledger"
GUARD = "/users/ann/vaults/kraken-sim-usdt/guard"
QUIET = "/users/ann/vaults/kraken-sim-usdt/sleeves/quiet"
FLASH = "/users/ann/vaults/kraken-sim-usdt/sleeves/flash"


def instrument(symbol: str = SYMBOL, taker_fee_ppm: int = 1_000) -> Instrument:
    base, quote = symbol.split("/")
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        tick="0.01",
        lot="0.0001",
        base_scale=8,
        quote_scale=6,
        quantity_lots_min=20,
        quantity_lots_max=10**9,
        notional_minor_min=USDT // 2,
        maker_fee_ppm=0,
        taker_fee_ppm=taker_fee_ppm,
    )


def config(
    pool: int = 9_000,
    cap: int = 0,
    quiet: int = 4_000,
    flash: int = 4_000,
    reserve_bps: int = 1_000,
) -> VaultConfigured:
    return VaultConfigured(
        user="ann",
        vault="kraken-sim-usdt",
        venue=VENUE,
        environment="sim",
        asset="USDT",
        asset_scale=6,
        tradeable_minor=pool * USDT,
        tradeable_cap_minor=cap * USDT,
        reserve_bps=reserve_bps,
        slippage_bps=10,
        edge_bps_min=5,
        sleeves=(
            SleeveAllocation(
                sleeve="quiet",
                style=SleeveStyle.QUIET,
                address=QUIET,
                allocated_minor=quiet * USDT,
                symbols=(SYMBOL,),
                strategy="buy_low_sell_high",
            ),
            SleeveAllocation(
                sleeve="flash",
                style=SleeveStyle.FLASH,
                address=FLASH,
                allocated_minor=flash * USDT,
                symbols=(SYMBOL,),
                strategy="buy_low_sell_high",
            ),
        ),
        risk="/risk",
        orders="/venues/kraken-sim/accounts/ann/orders",
        guard=GUARD,
        ledger=LEDGER,
        alerts="/alerts",
    )


class Vault:
    """A ledger alone, and what it did last."""

    symbol = SYMBOL

    def __init__(self, settings: VaultConfigured | None = None, funds: int = 10_000) -> None:
        self.probe = Probe(Ledger(), LEDGER)
        self.fills = 0
        self.funds_moved = 0
        self.last: list[Outcome] = []
        self.do(settings or config())
        self.do(InstrumentListed(venue=VENUE, instrument=instrument()))
        self.do(AccountMode(user="ann", venue=VENUE, mode=Mode.ACTIVE, reason="agreed"))
        if funds:
            self.fund(funds)

    @property
    def state(self) -> LedgerState:
        state = self.probe.state
        assert isinstance(state, LedgerState)
        return state

    def do(self, message: object, **when: int) -> list[Outcome]:
        self.last = self.probe.handle(message, **when)  # type: ignore[arg-type] # any message
        return self.last

    def fund(self, amount: int, asset: str = "USDT") -> None:
        self.funds_moved += 1
        self.do(
            FundsMoved(
                asset=asset,
                amount_minor=amount * USDT,
                reference=f"F{self.funds_moved}",
                at_ns=1,
            )
        )

    def account(self, name: str, asset: str = "USDT") -> int:
        return self.state.books.balance(asset, name)

    def wish(
        self,
        side: Side,
        lots: int = 0,
        limit: int = 0,
        sleeve: str = "flash",
        stop: int = 0,
        reference: int = 200_000,
        intent_id: str = "i",
    ) -> OrderRequest | None:
        """Send an intent; return the order request it became, if it did."""
        self.do(
            Intent(
                intent_id=intent_id,
                sleeve=sleeve,
                symbol=SYMBOL,
                side=side,
                type=OrderType.LIMIT if limit else OrderType.MARKET,
                quantity_lots=lots,
                limit_ticks=limit,
                reference_ticks=reference,
                stop_ticks=stop,
            )
        )
        requests = self.sent(OrderRequest)
        return requests[0] if requests else None

    def fill(
        self,
        client_order_id: str,
        side: Side,
        lots: int,
        ticks: int,
        fee: int = 0,
        exec_id: str = "",
        fee_asset: str = "USDT",
        cost: int = -1,
    ) -> list[Outcome]:
        """Fill an order; the cost is price times quantity unless given."""
        self.fills += 1
        return self.do(
            Fill(
                client_order_id=client_order_id,
                fill=VenueFill(
                    exec_id=exec_id or f"E{self.fills}",
                    client_order_id=client_order_id,
                    venue_order_id="O1",
                    symbol=SYMBOL,
                    side=side,
                    price_ticks=ticks,
                    quantity_lots=lots,
                    cost_minor=ticks * lots if cost < 0 else cost,
                    fee_minor=fee,
                    fee_asset=fee_asset,
                    maker=False,
                    at_ns=1,
                ),
            )
        )

    def update(
        self, client_order_id: str, state: OrderState, filled: int = 0, reason: str = ""
    ) -> list[Outcome]:
        return self.do(
            OrderUpdate(
                client_order_id=client_order_id, state=state, filled_lots=filled, reason=reason
            )
        )

    def trade(self, side: Side, lots: int, ticks: int, fee: int, sleeve: str = "flash") -> None:
        """Send a whole market order: wish, request, one fill, end."""
        request = self.wish(side, lots, sleeve=sleeve, reference=ticks)
        assert request is not None, self.last
        order = request.terms.client_order_id
        self.fill(order, side, lots, ticks, fee)
        booked = self.last
        self.update(order, OrderState.FILLED, lots)
        self.last = booked + self.last

    def top(self, bid: int, now_ns: int | None = None) -> list[Outcome]:
        when = {} if now_ns is None else {"now_ns": now_ns}
        return self.do(
            BookTop(
                venue=VENUE,
                symbol=self.symbol,
                bid_ticks=bid,
                bid_lots=10_000,
                ask_ticks=bid + 10,
                ask_lots=10_000,
                venue_ns=0,
            ),
            **when,
        )

    def sent(self, kind: type) -> list:  # type: ignore[type-arg] # messages of that kind
        return [o.message for o in self.last if isinstance(o, Sent) and isinstance(o.message, kind)]

    def rows(self, kind: type) -> list:  # type: ignore[type-arg] # rows of that kind
        return [o.row for o in self.last if isinstance(o, Recorded) and isinstance(o.row, kind)]

    def pages(self) -> list[str]:
        return [a.subject.split(": ", 1)[1] for a in self.sent(Alert) if a.severity.value == "page"]
