"""Whatever happens to a vault of perpetuals: its books equal the venue's account, to the unit."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors import books as bk
from actors.allocation import tradeable_minor
from actors.vault import funding_minor, margin_held, realised_minor, total_minor, unrealised_minor
from messages.money import Allocate, BooksReported, ReportBalances
from messages.orders import TERMINAL, OrderState, ProtectiveExit, Side
from tests.actors.perpetual_vaults import SYMBOL, PerpetualVault
from tests.actors.vaults import USDT

SLEEVES = st.sampled_from(("quiet", "flash"))
PRICES = st.integers(100_000, 300_000)
SIDES = st.sampled_from(Side)
ENDS = st.sampled_from(sorted(TERMINAL, key=lambda state: state.value))


class PerpetualMachine(RuleBasedStateMachine):
    """A vault, and beside it the venue's one position and wallet."""

    def __init__(self) -> None:
        super().__init__()
        self.vault = PerpetualVault(cap=3_000)
        self.orders: list[tuple[str, Side]] = []
        self.deposited = 10_000 * USDT
        self.received = 0
        self.mark = 0
        self.now = 1
        self.ids = 0

    @rule(
        sleeve=SLEEVES,
        side=SIDES,
        lots=st.integers(0, 40_000),
        limit=st.one_of(st.just(0), PRICES),
        stop=st.sampled_from((0, 90_000)),
    )
    def wish(self, sleeve: str, side: Side, lots: int, limit: int, stop: int) -> None:
        held = {name: self.vault.lots(name) for name in ("quiet", "flash")}
        request = self.vault.enter(side, lots, limit, sleeve, stop=stop)
        if request is None:
            return
        self.orders.append((request.terms.client_order_id, side))
        sign = 1 if side is Side.BUY else -1
        assert request.terms.reduces == (held[sleeve] * sign < 0)
        if not request.terms.reduces:
            assert all(lots * sign >= 0 for lots in held.values()), "one side for all"

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), lots=st.integers(1, 9_000), price=PRICES, fee=st.integers(-50, 90_000))
    def fill(self, data: st.DataObject, lots: int, price: int, fee: int) -> None:
        """Fill any order: open, ended, or beyond its quantity."""
        order, side = data.draw(st.sampled_from(self.orders))
        self.now += 1
        self.vault.execute(order, side, lots, price, fee, at_ns=self.now)

    @rule(side=SIDES, lots=st.integers(1, 9_000), price=PRICES)
    def trade_by_hand(self, side: Side, lots: int, price: int) -> None:
        self.now += 1
        self.vault.execute("", side, lots, price, 7, at_ns=self.now)

    @precondition(lambda self: self.vault.venue.lots)
    @rule(price=PRICES)
    def liquidate(self, price: int) -> None:
        """Close all that the account holds, by the venue's own order; it pages."""
        lots = self.vault.venue.lots
        side = Side.SELL if lots > 0 else Side.BUY
        self.now += 1
        self.vault.execute("", side, abs(lots), price, 11, at_ns=self.now, forced=True)
        assert "liquidated by the venue" in self.vault.pages()

    @rule(amount=st.integers(-5_000_000, 5_000_000), ago=st.integers(0, 3))
    def funding(self, amount: int, ago: int) -> None:
        self.vault.settle(amount, at_ns=self.now - ago)
        self.received += amount

    @rule(amount=st.integers(0, 5_000_000))
    def insurance(self, amount: int) -> None:
        self.vault.settle(amount, insurance=True)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), state=st.sampled_from(OrderState), filled=st.integers(0, 9_000))
    def update(self, data: st.DataObject, state: OrderState, filled: int) -> None:
        order, _ = data.draw(st.sampled_from(self.orders))
        self.vault.update(order, state, filled)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), end=ENDS)
    def end(self, data: st.DataObject, end: OrderState) -> None:
        """End an order with all its fills told."""
        order, _ = data.draw(st.sampled_from(self.orders))
        known = self.vault.state.orders.get(order)
        if known is not None and known.told_lots <= known.filled_lots:
            self.vault.update(order, end, known.filled_lots)
            assert order not in self.vault.state.orders

    @rule(amount=st.integers(-4_000, 4_000))
    def fund(self, amount: int) -> None:
        self.vault.fund(amount)
        self.deposited += amount * USDT

    @rule(sleeve=SLEEVES, amount=st.integers(0, 8_000))
    def allocate(self, sleeve: str, amount: int) -> None:
        self.vault.do(Allocate(sleeve=sleeve, allocated_minor=amount * USDT, operator="ann"))

    @rule(bid=PRICES)
    def price(self, bid: int) -> None:
        self.vault.top(bid)

    @rule(sleeve=SLEEVES, lots=st.integers(1, 20_000), own=st.booleans())
    def protect(self, sleeve: str, lots: int, own: bool) -> None:
        self.ids += 1
        exit_id = f"x{self.ids}"
        self.vault.do(
            ProtectiveExit(
                sleeve=sleeve,
                symbol=SYMBOL,
                quantity_lots=lots,
                reason="stop",
                exit_id=exit_id,
                reference_ticks=200_000,
                client_order_id=f"g{self.ids}" if own else "",
            )
        )
        for order in self.vault.state.orders.values():
            if all(order.client_order_id != known for known, _ in self.orders):
                self.orders.append((order.client_order_id, order.side))

    @invariant()
    def books_equal_the_venue(self) -> None:
        self.vault.state.books.check()
        self.vault.do(ReportBalances(request_id="r", reply_to="/reconcile"))
        (report,) = self.vault.sent(BooksReported)
        assert report.totals_minor.get("USDT", 0) == self.vault.wallet
        assert report.totals_minor.get(SYMBOL, 0) == self.vault.venue.lots

    @invariant()
    def money_is_conserved(self) -> None:
        """Total is what was put in and what was earned, and the venue's equity."""
        state = self.vault.state
        total = total_minor(state)
        assert total == self.deposited + realised_minor(state) + unrealised_minor(state)
        assert funding_minor(state) == self.received
        assert self.vault.account(bk.FUNDING) == -self.received
        mark = state.marks.get(SYMBOL, 0)
        venue = self.vault.venue
        unrealised = venue.lots * mark - venue.cost_units if mark else 0
        if mark:
            assert total == self.vault.wallet + unrealised

    @invariant()
    def what_is_closed_leaves_nothing_behind(self) -> None:
        state = self.vault.state
        held = {name: self.vault.lots(name) for name in state.sleeves}
        nobody = state.books.balance(SYMBOL, bk.SUSPENSE)
        for name, lots in held.items():
            position = state.sleeves[name].positions.get(SYMBOL)
            if lots == 0 and position is not None:
                assert position.basis_minor == 0
                assert margin_held(state, name) == 0
        if not any(held.values()) and not nobody:
            assert self.vault.account(bk.netting_of(SYMBOL)) == 0

    @invariant()
    def no_slice_is_counted_twice(self) -> None:
        state = self.vault.state
        assert tradeable_minor(state) >= 0
        for order in state.orders.values():
            assert order.reserved_minor >= 0
        for sleeve in state.sleeves.values():
            assert margin_held(state, sleeve.name) >= 0
            assert all(owed > 0 for owed in sleeve.owed.values())


class LongPerpetualMachine(PerpetualMachine):
    """The same for longer."""


PerpetualMachine.TestCase.settings = settings(
    max_examples=20, stateful_step_count=40, deadline=None
)
LongPerpetualMachine.TestCase.settings = settings(
    max_examples=200, stateful_step_count=60, deadline=None
)
TestPerpetuals = PerpetualMachine.TestCase
TestPerpetualsForLonger = pytest.mark.check(LongPerpetualMachine.TestCase)
