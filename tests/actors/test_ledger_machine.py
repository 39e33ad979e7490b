"""Whatever happens to a vault, in whatever order: the books equal a plain count of money."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.allocation import tradeable_minor
from actors.vault import realised_minor, total_minor, unrealised_minor
from messages.money import Allocate, BooksReported, ReportBalances, SetTradeable
from messages.orders import (
    TERMINAL,
    CancelIntent,
    OrderState,
    ProtectiveExit,
    Side,
)
from tests.actors.vaults import SYMBOL, USDT, Vault, config

SLEEVES = st.sampled_from(("quiet", "flash"))
PRICES = st.integers(100_000, 300_000)
ENDS = st.sampled_from(sorted(TERMINAL, key=lambda state: state.value))
LOT_MINOR = 10_000


class LedgerMachine(RuleBasedStateMachine):
    """A vault, and beside it what the venue would say."""

    def __init__(self) -> None:
        super().__init__()
        self.vault = Vault(config(cap=3_000))
        self.orders: list[tuple[str, Side]] = []
        self.usdt = 10_000 * USDT
        self.deposited = 10_000 * USDT
        self.coins = 0
        self.untraded = 0
        self.mark = 0
        self.ids = 0

    def _book(self, side: Side, lots: int, price: int, fee: int, fee_asset: str) -> None:
        sign = 1 if side is Side.BUY else -1
        self.usdt -= sign * lots * price
        self.coins += sign * lots * LOT_MINOR
        if fee_asset == "USDT":
            self.usdt -= fee
        else:
            self.coins -= fee

    @rule(
        sleeve=SLEEVES,
        side=st.sampled_from(Side),
        lots=st.integers(0, 20_000),
        limit=st.one_of(st.just(0), PRICES),
        stop=st.sampled_from((0, 90_000)),
    )
    def wish(self, sleeve: str, side: Side, lots: int, limit: int, stop: int) -> None:
        self.ids += 1
        request = self.vault.wish(side, lots, limit, sleeve, stop, intent_id=f"i{self.ids}")
        if request is not None:
            self.orders.append((request.terms.client_order_id, side))

    @precondition(lambda self: self.orders)
    @rule(
        data=st.data(),
        lots=st.integers(1, 9_000),
        price=PRICES,
        fee=st.integers(-50, 5_000),
        fee_asset=st.sampled_from(("USDT", "USDT", "ETH")),
    )
    def fill(self, data: st.DataObject, lots: int, price: int, fee: int, fee_asset: str) -> None:
        """Fill any order: open, ended, or beyond its quantity."""
        order, side = data.draw(st.sampled_from(self.orders))
        self.vault.fill(order, side, lots, price, fee, fee_asset=fee_asset)
        self._book(side, lots, price, fee, fee_asset)

    @precondition(lambda self: self.vault.fills)
    @rule(data=st.data())
    def told_twice(self, data: st.DataObject) -> None:
        known = data.draw(st.integers(1, self.vault.fills))
        self.vault.fill("", Side.BUY, 5, 200_000, exec_id=f"E{known}")
        self.vault.fills -= 1
        assert self.vault.pages() == ["execution told twice"]

    @rule(side=st.sampled_from(Side), lots=st.integers(1, 500), price=PRICES)
    def trade_by_hand(self, side: Side, lots: int, price: int) -> None:
        self.vault.fill("", side, lots, price)
        self._book(side, lots, price, 0, "USDT")

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

    @rule(sleeve=SLEEVES)
    def cancel(self, sleeve: str) -> None:
        self.vault.do(CancelIntent(intent_id=f"i{self.ids}", sleeve=sleeve))

    @rule(amount=st.integers(-4_000, 4_000))
    def fund(self, amount: int) -> None:
        self.vault.fund(amount)
        self.usdt += amount * USDT
        self.deposited += amount * USDT

    @rule(amount=st.integers(-3, 3))
    def move_coins(self, amount: int) -> None:
        """Coins that come and go are not part of Total Coins, which is of the vault's asset."""
        self.vault.fund(amount, "ETH")
        self.coins += amount * USDT
        self.untraded += amount * USDT

    @rule(sleeve=SLEEVES, amount=st.integers(0, 8_000))
    def allocate(self, sleeve: str, amount: int) -> None:
        self.vault.do(Allocate(sleeve=sleeve, allocated_minor=amount * USDT, operator="ann"))

    @rule(amount=st.integers(0, 20_000))
    def pool(self, amount: int) -> None:
        self.vault.do(SetTradeable(tradeable_minor=amount * USDT, operator="ann"))

    @rule(bid=PRICES)
    def price(self, bid: int) -> None:
        self.vault.top(bid)
        self.mark = bid

    @rule(sleeve=SLEEVES, lots=st.integers(1, 20_000), own=st.booleans())
    def protect(self, sleeve: str, lots: int, own: bool) -> None:
        self.ids += 1
        self.vault.do(
            ProtectiveExit(
                sleeve=sleeve,
                symbol=SYMBOL,
                quantity_lots=lots,
                reason="stop",
                exit_id=f"x{self.ids}",
                reference_ticks=200_000,
                client_order_id=f"g{self.ids}" if own else "",
            )
        )
        for order in self.vault.state.orders:
            if all(order != known for known, _ in self.orders):
                self.orders.append((order, Side.SELL))

    @invariant()
    def books_equal_the_venue(self) -> None:
        state = self.vault.state
        state.books.check()
        self.vault.do(ReportBalances(request_id="r", reply_to="/reconcile"))
        (report,) = self.vault.sent(BooksReported)
        assert report.totals_minor.get("USDT", 0) == self.usdt
        assert report.totals_minor.get("ETH", 0) == self.coins

    @invariant()
    def total_is_what_was_put_in_and_what_was_earned(self) -> None:
        state = self.vault.state
        total = total_minor(state)
        assert total == self.deposited + realised_minor(state) + unrealised_minor(state)
        assert state.deposited_minor == self.deposited
        if self.mark:
            # Coins of two sleeves and of suspense are valued apart, each rounded down.
            assert 0 <= self.usdt + (self.coins - self.untraded) * self.mark / LOT_MINOR - total < 4

    @invariant()
    def no_slice_is_counted_twice(self) -> None:
        state = self.vault.state
        assert tradeable_minor(state) >= 0
        for order in state.orders.values():
            assert order.reserved_minor >= 0
            assert order.client_order_id not in state.closed
        for sleeve in state.sleeves.values():
            assert sleeve.allocated_minor >= 0
            assert all(owed > 0 for owed in sleeve.owed.values())


class LongLedgerMachine(LedgerMachine):
    """The same for longer."""


LedgerMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
LongLedgerMachine.TestCase.settings = settings(
    max_examples=250, stateful_step_count=60, deadline=None
)
TestLedger = LedgerMachine.TestCase
TestLedgerForLonger = pytest.mark.check(LongLedgerMachine.TestCase)
