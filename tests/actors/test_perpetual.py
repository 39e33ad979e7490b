"""A vault of perpetuals: margin, sides, funding, liquidation; the venue's account beside it."""

import pytest

from actors import books as bk
from actors.allocation import tradeable_minor
from actors.vault import margin_held, total_minor
from messages.money import Direction
from messages.orders import ExitUpdate, OrderState, Protect, ProtectiveExit, Side, SleeveUpdate
from tests.actors.perpetual_vaults import SYMBOL, PerpetualVault
from tests.actors.vaults import USDT


@pytest.fixture
def vault() -> PerpetualVault:
    return PerpetualVault()


def traded(vault: PerpetualVault, side: Side, lots: int, ticks: int, sleeve: str = "flash") -> None:
    """Send a whole market order: wish, one fill, end."""
    request = vault.enter(side, lots, sleeve=sleeve, reference=ticks)
    assert request is not None, vault.last
    order = request.terms.client_order_id
    vault.execute(order, side, lots, ticks, fee=lots * ticks // 2_000)
    vault.update(order, OrderState.FILLED, lots)


def reason(vault: PerpetualVault) -> str:
    update: SleeveUpdate = vault.sent(SleeveUpdate)[-1]
    assert update.state is OrderState.DENIED
    return update.reason


def test_an_entry_holds_margin_and_fee_and_a_position_its_margin(vault: PerpetualVault) -> None:
    request = vault.enter(Side.BUY, 10_000, limit=200_000)
    assert request is not None
    # 2 000 USDT at five times: 400, and half a thousandth of fee.
    assert (request.reserved_minor, request.reserved_asset) == (401 * USDT, "USDT")
    assert not request.terms.reduces
    vault.execute(request.terms.client_order_id, Side.BUY, 10_000, 200_000, fee=USDT)
    vault.update(request.terms.client_order_id, OrderState.FILLED, 10_000)
    assert margin_held(vault.state, "flash") == 400 * USDT
    assert vault.account(bk.cash_of("flash")) == 3_599 * USDT
    assert total_minor(vault.state) == 9_999 * USDT
    assert vault.lots("flash") == 10_000


def test_all_that_a_sleeve_has_opens_as_much_as_its_leverage_carries(vault: PerpetualVault) -> None:
    request = vault.enter(Side.BUY, limit=200_000)
    assert request is not None
    assert 4_000 * USDT - 40_100 < request.reserved_minor <= 4_000 * USDT


def test_flash_sweeps_what_is_realised_and_never_what_is_not(vault: PerpetualVault) -> None:
    before = tradeable_minor(vault.state)
    traded(vault, Side.BUY, 1_000, 200_000)
    vault.top(220_000)
    assert vault.state.sleeves["flash"].swept_minor == 0
    assert total_minor(vault.state) == 10_000 * USDT + 20 * USDT - 100_000
    traded(vault, Side.SELL, 1_000, 220_000)
    # 20 USDT, less 0.1 and 0.11 of fees.
    assert vault.state.sleeves["flash"].swept_minor == 19_790_000
    assert tradeable_minor(vault.state) == before + 19_790_000
    assert margin_held(vault.state, "flash") == 0


def test_a_short_position_earns_when_the_price_falls(vault: PerpetualVault) -> None:
    traded(vault, Side.SELL, 1_000, 200_000, "quiet")
    vault.top(189_990)
    assert vault.lots("quiet") == -1_000
    # It would be bought back at the ask.
    assert total_minor(vault.state) == 10_000 * USDT + 10 * USDT - 100_000
    request = vault.enter(Side.BUY, sleeve="quiet")
    assert request is not None
    assert (request.terms.reduces, request.terms.quantity_lots) == (True, 1_000)
    assert vault.lots("quiet") == -1_000
    vault.execute(request.terms.client_order_id, Side.BUY, 1_000, 190_000)
    assert vault.state.sleeves["quiet"].positions[SYMBOL].realised_minor == 10 * USDT - 100_000


def test_sleeves_stand_on_one_side_and_where_they_may(vault: PerpetualVault) -> None:
    traded(vault, Side.BUY, 1_000, 200_000, "quiet")
    assert vault.enter(Side.SELL, 500) is None
    assert reason(vault).startswith("quiet is on the other side of ETH/USDT:USDT")
    long_only = PerpetualVault(Direction.LONG)
    assert long_only.enter(Side.SELL, 500) is None
    assert reason(long_only).startswith("the sleeve's direction is long")


def test_two_sleeves_realise_by_their_own_prices_and_the_books_equal_the_wallet(
    vault: PerpetualVault,
) -> None:
    traded(vault, Side.BUY, 1_000, 200_000, "quiet")
    traded(vault, Side.BUY, 1_000, 100_000, "flash")
    traded(vault, Side.SELL, 1_000, 150_000, "flash")
    positions = {name: sleeve.positions[SYMBOL] for name, sleeve in vault.state.sleeves.items()}
    assert positions["flash"].realised_minor == 50 * USDT - 50_000 - 75_000
    # The venue's mean entry is 1 500.00: it has realised nothing but fees.
    assert vault.account(bk.netting_of(SYMBOL)) == -50 * USDT
    assert vault.state.books.held("USDT") == vault.wallet == 10_000 * USDT - 225_000
    traded(vault, Side.SELL, 1_000, 150_000, "quiet")
    assert vault.account(bk.netting_of(SYMBOL)) == 0


def test_funding_is_shared_by_what_was_held_when_it_was_settled(vault: PerpetualVault) -> None:
    for sleeve, lots, at_ns in (("quiet", 3_000, 10), ("flash", 1_000, 20)):
        request = vault.enter(Side.BUY, lots, sleeve=sleeve)
        assert request is not None
        vault.execute(request.terms.client_order_id, Side.BUY, lots, 200_000, at_ns=at_ns)
    closing = vault.enter(Side.SELL, sleeve="flash")
    assert closing is not None
    vault.execute(closing.terms.client_order_id, Side.SELL, 1_000, 200_000, at_ns=40)
    vault.settle(-401, at_ns=30)
    funded = {n: s.positions[SYMBOL].funding_minor for n, s in vault.state.sleeves.items()}
    assert funded == {"quiet": -301, "flash": -100}
    vault.settle(-50, at_ns=15)
    assert vault.state.sleeves["quiet"].positions[SYMBOL].funding_minor == -351
    vault.settle(70, at_ns=5)
    assert vault.pages() == ["funding of nobody's position"]
    assert vault.account(bk.SUSPENSE) == 70


def test_a_liquidation_closes_every_sleeve_and_pages(vault: PerpetualVault) -> None:
    traded(vault, Side.BUY, 3_000, 200_000, "quiet")
    traded(vault, Side.BUY, 1_000, 200_000, "flash")
    vault.execute("autoclose-1", Side.SELL, 4_000, 120_000, fee=8_001, forced=True)
    assert vault.pages() == ["liquidated by the venue"] * 2
    assert (vault.lots("quiet"), vault.lots("flash")) == (0, 0)
    fees = [sleeve.positions[SYMBOL].fees_minor for sleeve in vault.state.sleeves.values()]
    assert sum(fees) == 400_000 + 8_001
    assert vault.state.books.held("USDT") == vault.wallet


def test_a_loss_beyond_cash_takes_margin_and_then_suspense(vault: PerpetualVault) -> None:
    traded(vault, Side.BUY, 90_000, 200_000)
    vault.execute("", Side.SELL, 90_000, 150_000, forced=True)
    # 4 500 USDT are lost, and the sleeve had 4 000 less the fee of 9.
    assert "loss beyond the balance" in vault.pages()
    assert vault.state.sleeves["flash"].owed == {"USDT": 509 * USDT}
    assert vault.account(bk.SUSPENSE) == -509 * USDT
    assert vault.state.books.held("USDT") == vault.wallet
    # The venue's insurance pays some of it: what suspense had advanced comes back.
    vault.settle(500 * USDT, insurance=True)
    assert vault.state.sleeves["flash"].owed == {"USDT": 9 * USDT}
    assert vault.account(bk.SUSPENSE) == -9 * USDT
    assert vault.state.books.held("USDT") == vault.wallet
    assert vault.account(bk.FUNDING) == 0


def test_guard_is_told_of_a_short_and_its_exit_buys(vault: PerpetualVault) -> None:
    request = vault.enter(Side.SELL, 1_000, stop=210_000)
    assert request is not None
    vault.execute(request.terms.client_order_id, Side.SELL, 1_000, 200_000)
    (protect,) = vault.sent(Protect)
    assert (protect.short, protect.position_lots, protect.base) == (True, 1_000, SYMBOL)
    vault.do(
        ProtectiveExit(
            sleeve="flash", symbol=SYMBOL, quantity_lots=1_000, reason="stop", exit_id="x",
            reference_ticks=210_000,
        )
    )  # fmt: skip
    (update,) = vault.sent(ExitUpdate)
    order = vault.state.orders[update.client_order_id]
    assert (order.side, order.quantity_lots) == (Side.BUY, 1_000)
    assert vault.account(bk.reserved_of("flash"), SYMBOL) == -1_000
