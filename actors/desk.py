"""The ledger's desk: what every message that moves money ends with.

Whoever handles a message takes a `Desk`, moves money with its pen, and calls `finish`: the books
are checked, sleeves and guard are told what changed for them, and the rows are recorded.
"""

from actors import books as bk
from actors.ledger_rows import record_rows
from actors.positions import lot_minor
from actors.vault import (
    LedgerState,
    Reservation,
    SleeveBook,
    cash_minor,
    configured,
    entry_ticks,
    held_coins,
    open_orders,
    position_lots,
)
from messages.amounts import short_text
from messages.money import Alert, Severity, SleeveStanding
from messages.orders import OrderState, Protect, SleeveUpdate
from supervisor.actor import Context


class Desk:
    """One message's hold on the vault."""

    def __init__(self, state: LedgerState, ctx: Context) -> None:
        self.state = state
        self.ctx = ctx
        self.config = configured(state)
        self.pen = bk.Pen(state.books, ctx)
        self._number = state.books.number

    def page(self, subject: str, text: str) -> None:
        """Wake a person."""
        self._alert(Severity.PAGE, subject, text)

    def notice(self, subject: str, text: str) -> None:
        """Tell a person."""
        self._alert(Severity.NOTICE, subject, text)

    def amount(self, asset: str, amount_minor: int) -> str:
        """Write an amount as a person reads it: `10.5 USDT`."""
        scale = self._scale(asset)
        if scale is None:
            return f"{amount_minor} minor units of {asset}"
        return f"{short_text(amount_minor, scale)} {asset}"

    def money(self, amount_minor: int) -> str:
        """Write an amount of the vault's asset without naming it."""
        return short_text(amount_minor, self.config.asset_scale)

    def _scale(self, asset: str) -> int | None:
        if asset == self.config.asset:
            return self.config.asset_scale
        for instrument in self.state.instruments.values():
            if asset == instrument.base:
                return instrument.base_scale
        return None

    def tell(
        self,
        sleeve: SleeveBook,
        intent_id: str,
        symbol: str,
        state: OrderState,
        reason: str = "",
        filled_lots: int = 0,
        price_ticks: int = 0,
        *,
        guarded: bool = False,
    ) -> None:
        """Tell a sleeve what became of an intent, and how it stands in that symbol."""
        if not sleeve.has_actor:
            return
        self.ctx.send(
            sleeve.address,
            SleeveUpdate(
                intent_id=intent_id,
                symbol=symbol,
                state=state,
                reason=reason,
                filled_lots=filled_lots,
                price_ticks=price_ticks,
                cash_minor=cash_minor(self.state, sleeve.name),
                position_lots=position_lots(self.state, sleeve.name, symbol),
                average_entry_ticks=entry_ticks(self.state, sleeve, symbol),
                guarded=guarded,
            ),
        )

    def tell_of(self, order: Reservation, reason: str, price_ticks: int = 0) -> None:
        """Tell an order's sleeve how it stands."""
        sleeve = self.state.sleeves[order.sleeve]
        self.tell(
            sleeve,
            order.intent_id,
            order.symbol,
            order.state,
            reason,
            order.filled_lots,
            price_ticks,
        )

    def finish(self) -> None:
        """Check the books and tell everybody whom the message concerned."""
        state = self.state
        state.books.check()
        self._check_reservations()
        listed = [allocation.sleeve for allocation in self.config.sleeves]
        for sleeve in state.sleeves.values():
            if sleeve.name in listed:
                # One that was taken out of the vault has left its books here, and nobody to tell.
                self._tell_standing(sleeve)
            for symbol in sleeve.positions:
                self._tell_guard(sleeve, symbol)
        record_rows(state, self.ctx, moved=state.books.number != self._number)

    def _alert(self, severity: Severity, subject: str, text: str) -> None:
        subject = f"{self.config.vault}: {subject}"
        self.ctx.send(self.config.alerts, Alert(severity=severity, subject=subject, text=text))

    def _check_reservations(self) -> None:
        """Assert that what orders hold is exactly what lies in the reserved accounts."""
        held: dict[tuple[str, str], int] = {}
        for order in self.state.orders.values():
            key = (order.asset, bk.reserved_of(order.sleeve))
            held[key] = held.get(key, 0) + order.signed_minor
        for asset, accounts in self.state.books.balances.items():
            for account, balance in accounts.items():
                if account.endswith("/reserved"):
                    assert balance == held.get((asset, account), 0), f"{account} is not its orders'"

    def _tell_standing(self, sleeve: SleeveBook) -> None:
        if not sleeve.has_actor:
            return
        standing = SleeveStanding(
            sleeve=sleeve.name,
            allocated_minor=sleeve.allocated_minor,
            cash_minor=cash_minor(self.state, sleeve.name),
            slippage_bps=self.config.slippage_bps,
            edge_bps_min=self.config.edge_bps_min,
            symbols=tradable(self.state, sleeve),
            idle_reason=idle_reason(self.state, sleeve),
        )
        if standing != sleeve.told:
            sleeve.told = standing
            self.ctx.send(sleeve.address, standing)

    def _tell_guard(self, sleeve: SleeveBook, symbol: str) -> None:
        instrument = self.state.instruments[symbol]
        position = sleeve.positions[symbol]
        lots = position_lots(self.state, sleeve.name, symbol)
        if lots == 0:
            position.stop_ticks = position.take_ticks = position.trail_ticks = 0
        wanted = lots != 0 and position.is_guarded
        if not wanted and symbol not in sleeve.guarded:
            return
        sells = [
            order
            for order in open_orders(self.state, sleeve.name)
            if order.symbol == symbol and order.leaves
        ]
        protect = Protect(
            sleeve=sleeve.name,
            symbol=symbol,
            position_lots=abs(lots) if wanted else 0,
            stop_ticks=position.stop_ticks,
            take_ticks=position.take_ticks,
            trail_ticks=position.trail_ticks,
            base=instrument.base,
            base_minor=abs(held_coins(self.state, sleeve.name, instrument.base)) if wanted else 0,
            selling_lots=sum(order.reserved_minor for order in sells) // lot_minor(instrument),
            open_sells=tuple(order.client_order_id for order in sells),
            short=wanted and lots < 0,
        )
        if protect == sleeve.guarded.get(symbol):
            return
        self.ctx.send(self.config.guard, protect)
        if wanted:
            sleeve.guarded[symbol] = protect
        else:
            del sleeve.guarded[symbol]


def idle_reason(state: LedgerState, sleeve: SleeveBook) -> str:
    """Return why a sleeve may not enter at all; "" when it may (V3, V4)."""
    asset = configured(state).asset
    if not tradable(state, sleeve):
        wanted = ", ".join(sleeve.symbols) or "nothing"
        return (
            f"no listed pair of this sleeve is quoted in {asset} ({wanted}): "
            f"give it a symbol that ends in /{asset}"
        )
    if state.pool_minor == 0:
        return "Tradeable Coins are 0: raise the vault's pool to let its sleeves enter"
    if sleeve.wanted_minor == 0 and sleeve.allocated_minor == 0:
        return "nothing is allocated to this sleeve: allocate some of the Tradeable Coins"
    return ""


def tradable(state: LedgerState, sleeve: SleeveBook) -> tuple[str, ...]:
    """Return those of a sleeve's symbols that are listed and quoted in the vault's asset."""
    asset = configured(state).asset
    return tuple(
        symbol
        for symbol in sleeve.symbols
        if symbol in state.instruments and state.instruments[symbol].quote == asset
    )
