import pytest
from msgspec.structs import replace

from actors.vault import realised_minor, total_minor, unrealised_minor
from messages.market import InstrumentListed
from messages.money import (
    AccountMode,
    Alert,
    Allocate,
    BooksReported,
    Mode,
    ReportBalances,
    SetTradeable,
    SleeveStanding,
)
from messages.orders import (
    CancelIntent,
    CancelOrder,
    OrderRequest,
    OrderState,
    OrderType,
    Protect,
    Side,
    SleeveUpdate,
    TimeInForce,
)
from messages.rows import BalanceRow, FillRow, SleeveRow, TransferRow, VaultRow
from messages.runtime import Booted, Undeliverable
from supervisor.probe import Armed
from tests.actors.vaults import SYMBOL, USDT, VENUE, Vault, config, instrument


def figures(vault: Vault) -> tuple[int, ...]:
    """Reserve, holdings, tradeable, quiet and flash cash, in whole USDT."""
    names = ("reserve", "holdings", "tradeable", "sleeve/quiet/cash", "sleeve/flash/cash")
    return tuple(vault.account(name) // USDT for name in names)


def test_the_first_deposit_fills_reserve_pool_and_slices_in_that_order() -> None:
    vault = Vault(funds=0)
    assert figures(vault) == (0, 0, 0, 0, 0)
    vault.fund(10_000)
    assert figures(vault) == (1_000, 0, 1_000, 4_000, 4_000)
    (row,) = vault.rows(VaultRow)
    assert row.total_minor == 10_000 * USDT
    assert row.tradeable_minor == 1_000 * USDT
    (alert,) = vault.sent(Alert)
    assert "Total 10000, Tradeable 1000" in alert.text
    assert "flash 4000" in alert.text


def test_money_outside_pool_and_reserve_is_untouched() -> None:
    vault = Vault(config(pool=5_000, quiet=1_000, flash=500))
    assert figures(vault) == (1_000, 4_000, 3_500, 1_000, 500)


def test_a_deposit_raises_tradeable_up_to_the_cap_and_moves_no_profit() -> None:
    vault = Vault(config(cap=2_500))
    vault.trade(Side.BUY, 1_000, 200_000, 0)
    before = realised_minor(vault.state), unrealised_minor(vault.state)
    vault.fund(1_000)
    assert figures(vault)[:3] == (1_100, 0, 1_900)
    vault.fund(1_000)
    assert figures(vault)[:3] == (1_200, 300, 2_500)
    assert (realised_minor(vault.state), unrealised_minor(vault.state)) == before
    assert total_minor(vault.state) == 12_000 * USDT


def test_a_withdrawal_takes_holdings_then_tradeable_then_reserve_and_never_a_sleeve() -> None:
    vault = Vault(config(cap=2_500))
    vault.fund(2_000)
    assert figures(vault) == (1_200, 300, 2_500, 4_000, 4_000)
    vault.fund(-1_000)
    assert figures(vault) == (1_100, 100, 1_800, 4_000, 4_000)
    vault.fund(-3_200)
    assert vault.account("withdrawn") == -200 * USDT
    assert vault.pages() == ["withdrawal of money in use"]
    assert figures(vault)[3:] == (4_000, 4_000)
    vault.fund(500)
    assert vault.account("withdrawn") == 0


def test_funding_told_twice_is_booked_once() -> None:
    vault = Vault()
    vault.funds_moved -= 1
    vault.fund(10_000)
    assert total_minor(vault.state) == 10_000 * USDT
    assert [a.subject for a in vault.sent(Alert)] == ["kraken-sim-usdt: funding told twice"]


def test_a_flash_profit_goes_back_and_a_loss_is_earned_back_first() -> None:
    vault = Vault()
    vault.trade(Side.BUY, 10_000, 200_000, 2 * USDT)
    vault.trade(Side.SELL, 10_000, 201_000, 2 * USDT)
    # 10 USDT gained, 4 USDT of fees.
    assert vault.account("tradeable") == 1_006 * USDT
    assert vault.account("sleeve/flash/cash") == 4_000 * USDT
    assert vault.state.sleeves["flash"].swept_minor == 6 * USDT
    vault.trade(Side.BUY, 10_000, 200_000, 2 * USDT)
    vault.trade(Side.SELL, 10_000, 199_000, 2 * USDT)
    # 14 USDT lost: nothing is topped up.
    assert vault.account("tradeable") == 1_006 * USDT
    assert vault.account("sleeve/flash/cash") == 3_986 * USDT
    vault.trade(Side.BUY, 10_000, 200_000, 0)
    vault.trade(Side.SELL, 10_000, 201_000, 0)
    assert vault.account("tradeable") == 1_006 * USDT, "10 of the 14 are earned back"
    vault.trade(Side.BUY, 10_000, 200_000, 0)
    vault.trade(Side.SELL, 10_000, 201_000, 0)
    assert vault.account("tradeable") == 1_012 * USDT
    assert vault.account("sleeve/flash/cash") == 4_000 * USDT
    assert total_minor(vault.state) == 10_012 * USDT
    assert realised_minor(vault.state) == 12 * USDT


def test_a_flash_position_closed_in_part_is_not_swept() -> None:
    vault = Vault()
    vault.trade(Side.BUY, 10_000, 200_000, 0)
    vault.trade(Side.SELL, 9_999, 210_000, 0)
    assert vault.account("tradeable") == 1_000 * USDT
    vault.trade(Side.SELL, 1, 210_000, 0)
    assert vault.account("tradeable") == 1_100 * USDT


def test_a_quiet_profit_stays() -> None:
    vault = Vault()
    vault.trade(Side.BUY, 10_000, 200_000, 0, sleeve="quiet")
    vault.trade(Side.SELL, 10_000, 201_000, 0, sleeve="quiet")
    assert vault.account("tradeable") == 1_000 * USDT
    assert vault.account("sleeve/quiet/cash") == 4_010 * USDT


def test_allocations_move_at_once_when_flat_and_at_the_next_buy_otherwise() -> None:
    vault = Vault()
    vault.do(Allocate(sleeve="flash", allocated_minor=4_500 * USDT, operator="ann"))
    assert figures(vault) == (1_000, 0, 500, 4_000, 4_500)
    vault.trade(Side.BUY, 10_000, 200_000, 0)
    vault.do(Allocate(sleeve="flash", allocated_minor=4_800 * USDT, operator="ann"))
    assert figures(vault) == (1_000, 0, 500, 4_000, 2_500)
    assert vault.rows(VaultRow) == [], "nothing has moved, the rows can wait"
    vault.trade(Side.BUY, 10, 200_000, 0)
    assert figures(vault) == (1_000, 0, 200, 4_000, 2_798)
    assert vault.state.sleeves["flash"].principal_minor == 4_800 * USDT


def test_giving_up_a_slice_returns_its_profit_and_a_loss_is_not_taken_twice() -> None:
    vault = Vault()
    vault.trade(Side.BUY, 10_000, 200_000, 0, sleeve="quiet")
    vault.trade(Side.SELL, 10_000, 201_000, 0, sleeve="quiet")
    vault.do(Allocate(sleeve="quiet", allocated_minor=0, operator="ann"))
    assert figures(vault) == (1_000, 0, 5_010, 0, 4_000)
    vault.trade(Side.BUY, 10_000, 200_000, 0)
    vault.trade(Side.SELL, 10_000, 190_000, 0)
    vault.do(Allocate(sleeve="flash", allocated_minor=3_950 * USDT, operator="ann"))
    assert figures(vault) == (1_000, 0, 5_010, 0, 3_900), "the loss was 100 already"
    assert vault.wish(Side.BUY, 100, sleeve="quiet") is None
    (update,) = vault.sent(SleeveUpdate)
    assert "nothing is allocated" in update.reason


def test_more_than_remains_cannot_be_allocated() -> None:
    vault = Vault()
    vault.do(Allocate(sleeve="flash", allocated_minor=5_001 * USDT, operator="ann"))
    assert figures(vault) == (1_000, 0, 1_000, 4_000, 4_000)
    assert "1000 of Tradeable Coins remain" in vault.sent(Alert)[0].text


def test_a_pool_of_nothing_idles_the_sleeves_and_touches_no_holding() -> None:
    vault = Vault()
    vault.trade(Side.BUY, 10_000, 200_000, 0)
    vault.do(SetTradeable(tradeable_minor=0, operator="ann"))
    assert figures(vault) == (1_000, 1_000, 0, 4_000, 2_000)
    assert all("Tradeable Coins are 0" in s.idle_reason for s in vault.sent(SleeveStanding))
    assert vault.wish(Side.BUY, 100) is None
    assert vault.wish(Side.SELL, 100) is not None, "exits go on"


def test_the_pool_is_what_is_allocated_and_what_is_not() -> None:
    vault = Vault(config(pool=8_500))
    assert figures(vault) == (1_000, 500, 500, 4_000, 4_000)
    vault.do(SetTradeable(tradeable_minor=8_800 * USDT, operator="ann"))
    assert figures(vault) == (1_000, 200, 800, 4_000, 4_000)
    vault.do(SetTradeable(tradeable_minor=20_000 * USDT, operator="ann"))
    assert figures(vault) == (1_000, 0, 1_000, 4_000, 4_000)
    assert [a.subject for a in vault.sent(Alert)] == ["kraken-sim-usdt: pool not covered"]


def test_a_market_buy_reserves_slippage_and_fee_and_gets_the_rest_back() -> None:
    vault = Vault()
    request = vault.wish(Side.BUY, 10_000)
    assert request is not None
    # 2 000 USDT, 10 bps of slippage, 0.1 % fee on it.
    assert request.reserved_minor == 2_004_002_000
    assert request.reserved_asset == "USDT"
    assert request.terms.type is OrderType.MARKET
    assert request.terms.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL
    assert not request.terms.reduces
    assert vault.account("sleeve/flash/reserved") == 2_004_002_000
    (update,) = vault.sent(SleeveUpdate)
    assert (update.state, update.cash_minor) == (OrderState.PENDING_SUBMIT, 1_995_998_000)
    order = request.terms.client_order_id
    vault.fill(order, Side.BUY, 4_000, 200_000, 800_000)
    (update,) = vault.sent(SleeveUpdate)
    assert (update.position_lots, update.average_entry_ticks) == (4_000, 200_000)
    assert update.price_ticks == 200_000
    assert vault.account("sleeve/flash/reserved") == 2_004_002_000 - 800_800_000
    vault.update(order, OrderState.CANCELLED, 4_000, "the rest found no seller")
    (update,) = vault.sent(SleeveUpdate)
    assert (update.state, update.reason) == (OrderState.CANCELLED, "the rest found no seller")
    assert update.cash_minor == 4_000 * USDT - 800_800_000
    assert vault.account("sleeve/flash/reserved") == 0


@pytest.mark.parametrize("end", [OrderState.DENIED, OrderState.REJECTED, OrderState.ABSENT])
def test_what_never_filled_gives_everything_back(end: OrderState) -> None:
    vault = Vault()
    request = vault.wish(Side.BUY, limit=200_000)
    assert request is not None
    assert request.terms.quantity_lots == 19_980, "as much as 4 000 USDT buy with the fee"
    vault.update(request.terms.client_order_id, end, 0, "why")
    assert vault.account("sleeve/flash/cash") == 4_000 * USDT
    assert vault.sent(SleeveUpdate)[0].state is end


def test_no_sleeve_commits_more_than_it_has() -> None:
    vault = Vault()
    assert vault.wish(Side.BUY, 15_000, limit=200_000) is not None
    assert vault.wish(Side.BUY, 10_000, limit=200_000, intent_id="j") is None
    assert vault.sent(SleeveUpdate)[0].state is OrderState.DENIED
    assert vault.wish(Side.SELL, 1) is None, "it has nothing to sell"


def test_a_sell_reserves_coins_and_reduces() -> None:
    vault = Vault()
    vault.trade(Side.BUY, 1_000, 200_000, 0)
    request = vault.wish(Side.SELL)
    assert request is not None
    assert request.terms.reduces
    assert (request.terms.quantity_lots, request.reserved_asset) == (1_000, "ETH")
    assert vault.account("sleeve/flash/reserved", "ETH") == 10_000_000
    assert vault.account("sleeve/flash/ETH", "ETH") == 0
    assert vault.wish(Side.SELL, intent_id="j") is None


def test_only_pairs_quoted_in_the_vaults_asset_are_traded() -> None:
    settings = config()
    quiet, flash = settings.sleeves
    wrong = type(quiet)(
        **{f: getattr(quiet, f) for f in quiet.__struct_fields__} | {"symbols": ("ETH/EUR",)}
    )
    fields = {f: getattr(settings, f) for f in settings.__struct_fields__}
    vault = Vault(type(settings)(**fields | {"sleeves": (wrong, flash)}))
    vault.do(InstrumentListed(venue=VENUE, instrument=instrument("ETH/EUR")))
    standing = vault.state.sleeves["quiet"].told
    assert standing is not None
    assert "no listed pair of this sleeve is quoted in USDT (ETH/EUR)" in standing.idle_reason
    assert vault.wish(Side.BUY, 100, sleeve="quiet") is None


def test_an_account_that_is_not_active_refuses_entries_only() -> None:
    vault = Vault()
    vault.trade(Side.BUY, 1_000, 200_000, 0)
    vault.do(AccountMode(user="ann", venue=VENUE, mode=Mode.EXITS_ONLY, reason="books differ"))
    assert vault.rows(VaultRow)[0].mode == "exits_only"
    assert vault.wish(Side.BUY, 100) is None
    assert "books differ" in vault.sent(SleeveUpdate)[0].reason
    assert vault.wish(Side.SELL, 100) is not None


def test_a_cancel_waits_until_orders_knows_the_order() -> None:
    vault = Vault()
    request = vault.wish(Side.BUY, 100, limit=200_000)
    assert request is not None
    order = request.terms.client_order_id
    vault.do(CancelIntent(intent_id="i", sleeve="flash"))
    assert vault.sent(CancelOrder) == []
    vault.update(order, OrderState.OPEN)
    assert [c.client_order_id for c in vault.sent(CancelOrder)] == [order]
    vault.do(CancelIntent(intent_id="gone", sleeve="flash"))
    assert vault.sent(SleeveUpdate)[0].state is OrderState.CANCELLED


def test_an_end_told_before_its_fills_keeps_their_money_until_they_come() -> None:
    vault = Vault()
    request = vault.wish(Side.BUY, 10_000, limit=200_000)
    assert request is not None
    order = request.terms.client_order_id
    vault.update(order, OrderState.CANCELLED, 4_000)
    assert vault.sent(SleeveUpdate) == []
    assert vault.account("sleeve/flash/reserved") == 2_002 * USDT * 4 // 10
    vault.fill(order, Side.BUY, 4_000, 200_000, 800_000)
    assert vault.pages() == []
    assert vault.sent(SleeveUpdate)[0].state is OrderState.CANCELLED
    assert vault.account("sleeve/flash/reserved") == 0


def test_an_over_fill_is_booked_and_pages() -> None:
    vault = Vault()
    request = vault.wish(Side.BUY, 1_000, limit=200_000)
    assert request is not None
    vault.fill(request.terms.client_order_id, Side.BUY, 1_500, 200_000)
    assert vault.pages() == ["over-fill"]
    assert vault.sent(SleeveUpdate)[0].position_lots == 1_500


def test_a_fill_after_the_end_is_booked_and_pages() -> None:
    vault = Vault()
    request = vault.wish(Side.BUY, 1_000, limit=200_000)
    assert request is not None
    order = request.terms.client_order_id
    vault.update(order, OrderState.ABSENT)
    vault.fill(order, Side.BUY, 1_000, 200_000)
    assert vault.pages() == ["late fill"]
    assert vault.account("sleeve/flash/cash") == 3_800 * USDT


def test_a_late_appearance_is_adopted_and_pages() -> None:
    vault = Vault()
    vault.top(200_000)
    request = vault.wish(Side.BUY, 1_000, limit=200_000)
    assert request is not None
    order = request.terms.client_order_id
    vault.update(order, OrderState.ABSENT)
    vault.update(order, OrderState.OPEN)
    assert vault.pages() == ["late appearance"]
    assert vault.account("sleeve/flash/reserved") == 200 * USDT
    vault.fill(order, Side.BUY, 1_000, 200_000)
    assert vault.account("sleeve/flash/reserved") == 0


def test_an_execution_told_twice_is_booked_once_and_pages() -> None:
    vault = Vault()
    request = vault.wish(Side.BUY, 1_000, limit=200_000)
    assert request is not None
    order = request.terms.client_order_id
    vault.fill(order, Side.BUY, 500, 200_000, exec_id="X")
    vault.fill(order, Side.BUY, 500, 200_000, exec_id="X")
    assert vault.pages() == ["execution told twice"]
    assert vault.state.orders[order].filled_lots == 500


def test_a_fill_beyond_the_balance_is_advanced_by_suspense_and_paid_back() -> None:
    vault = Vault()
    request = vault.wish(Side.BUY)
    assert request is not None
    lots = request.terms.quantity_lots
    vault.fill(request.terms.client_order_id, Side.BUY, lots, 210_000)
    assert vault.pages() == ["fill beyond the balance"]
    assert vault.account("sleeve/flash/cash") == 0
    owed = -vault.account("suspense")
    assert owed == lots * 210_000 - 4_000 * USDT
    assert total_minor(vault.state) == 10_000 * USDT
    vault.trade(Side.SELL, lots, 210_000, 0)
    assert vault.account("suspense") == 0
    assert vault.account("sleeve/flash/cash") == 4_000 * USDT


def test_a_trade_that_nobody_ordered_lies_in_suspense_and_pages() -> None:
    vault = Vault()
    vault.fill("", Side.BUY, 1_000, 200_000, 100)
    assert vault.pages() == ["trade that nobody ordered"]
    assert vault.account("suspense") == -200 * USDT - 100
    assert vault.account("suspense", "ETH") == 10_000_000
    assert total_minor(vault.state) == 10_000 * USDT - 100
    assert vault.rows(FillRow)[0].sleeve == ""


def test_a_position_closed_by_hand_is_its_sleeves() -> None:
    vault = Vault()
    vault.trade(Side.BUY, 1_000, 200_000, 0, sleeve="quiet")
    vault.trade(Side.BUY, 500, 200_000, 0)
    vault.fill("", Side.SELL, 500, 210_000)
    assert vault.pages() == []
    assert [each.subject for each in vault.sent(Alert)] == [
        "kraken-sim-usdt: position closed by hand"
    ]
    (update,) = vault.sent(SleeveUpdate)
    assert (update.position_lots, update.state) == (0, OrderState.FILLED)
    assert vault.state.sleeves["flash"].swept_minor == 5 * USDT


def test_fees_in_coins_and_in_other_assets() -> None:
    vault = Vault()
    request = vault.wish(Side.BUY, 1_000, limit=200_000)
    assert request is not None
    order = request.terms.client_order_id
    vault.fill(order, Side.BUY, 500, 200_000, 5_000, fee_asset="ETH")
    vault.fill(order, Side.BUY, 500, 200_000, 7, fee_asset="KFEE")
    assert vault.account("fees", "ETH") == 5_000
    assert vault.account("fees", "KFEE") == 7
    position = vault.state.sleeves["flash"].positions[SYMBOL]
    assert position.fees_minor == 100_000, "0.00005 ETH at 2 000"
    assert position.basis_minor == 200 * USDT - 100_000
    assert vault.state.books.held("KFEE") == 0


def test_what_a_venue_rounds_away_goes_to_rounding() -> None:
    vault = Vault()
    request = vault.wish(Side.BUY, 1_000, limit=200_000)
    assert request is not None
    vault.fill(request.terms.client_order_id, Side.BUY, 1_000, 200_000, cost=200 * USDT - 1)
    assert vault.account("rounding") == -1
    assert vault.account("market") == 200 * USDT


def test_every_movement_has_its_rows() -> None:
    vault = Vault()
    vault.wish(Side.BUY, 1_000, limit=200_000)
    (transfer,) = vault.rows(TransferRow)
    assert (transfer.debit, transfer.credit) == ("sleeve/flash/cash", "sleeve/flash/reserved")
    assert (transfer.kind, transfer.amount_minor) == ("reserve", 200_200_000)
    balances = {row.account: row.balance_minor for row in vault.rows(BalanceRow)}
    assert balances == {
        "sleeve/flash/cash": 4_000 * USDT - 200_200_000,
        "sleeve/flash/reserved": 200_200_000,
    }


def test_rows_of_moving_prices_come_once_a_second_and_the_last_is_caught_up() -> None:
    vault = Vault()
    vault.trade(Side.BUY, 1_000, 200_000, 0)
    second = 10**9
    vault.top(201_000, now_ns=10 * second)
    assert vault.rows(VaultRow)[0].unrealised_minor == USDT
    vault.top(202_000, now_ns=10 * second + 1)
    assert vault.rows(VaultRow) == []
    assert [o for o in vault.last if isinstance(o, Armed)] == [Armed("rows", 11 * second, 0)]
    vault.top(203_000, now_ns=10 * second + 2)
    assert vault.last == []
    vault.last = vault.probe.fire("rows")
    assert vault.rows(VaultRow)[0].unrealised_minor == 3 * USDT
    assert vault.rows(SleeveRow)[1].unrealised_minor == 3 * USDT


def test_guard_is_told_of_every_change_of_a_protected_position() -> None:
    vault = Vault()
    request = vault.wish(Side.BUY, 1_000, limit=200_000, stop=190_000)
    assert request is not None
    order = request.terms.client_order_id
    vault.fill(order, Side.BUY, 400, 200_000)
    (protect,) = vault.sent(Protect)
    assert (protect.position_lots, protect.stop_ticks) == (400, 190_000)
    assert (protect.base, protect.base_minor) == ("ETH", 4_000_000)
    vault.fill(order, Side.BUY, 600, 200_000)
    sell = vault.wish(Side.SELL, 1_000, limit=210_000)
    assert sell is not None
    (protect,) = vault.sent(Protect)
    assert protect.selling_lots == 1_000
    assert protect.open_sells == (sell.terms.client_order_id,)
    vault.fill(sell.terms.client_order_id, Side.SELL, 1_000, 210_000)
    (protect,) = vault.sent(Protect)
    assert (protect.position_lots, protect.stop_ticks) == (0, 0)


def test_balances_are_reported_with_reservations() -> None:
    vault = Vault()
    vault.trade(Side.BUY, 1_000, 200_000, 5)
    vault.wish(Side.SELL, 400, limit=210_000)
    vault.do(ReportBalances(request_id="r", reply_to="/reconcile"))
    (report,) = vault.sent(BooksReported)
    assert report.totals_minor == {"USDT": 9_800 * USDT - 5, "ETH": 10_000_000}


def test_a_restart_checks_the_books_and_shows_them() -> None:
    vault = Vault()
    vault.do(Booted(boot=2))
    assert len(vault.rows(VaultRow)) == 1
    vault.state.books.balances["USDT"]["tradeable"] += 1
    with pytest.raises(AssertionError, match="do not balance"):
        vault.do(Booted(boot=3))


def test_a_new_configuration_changes_what_it_changes() -> None:
    vault = Vault()
    vault.do(Allocate(sleeve="quiet", allocated_minor=4_200 * USDT, operator="ann"))
    vault.do(config(flash=4_100))
    assert figures(vault) == (1_000, 0, 700, 4_200, 4_100), "what was set by hand stays"
    alone = config(flash=4_100)
    vault.do(replace(alone, sleeves=alone.sleeves[1:], tradeable_minor=8_500 * USDT))
    assert figures(vault) == (1_000, 500, 4_400, 0, 4_100), "8 500 are in the pool"
    assert vault.account("external") == -10_000 * USDT


def test_what_nobody_received_pages() -> None:
    vault = Vault()
    vault.do(Undeliverable(address="/risk", tag_sent="orders.OrderRequest"))
    assert vault.pages() == ["nobody there"]


def test_the_same_messages_give_the_same_orders() -> None:
    first, second = Vault(), Vault()
    one, two = first.wish(Side.BUY, 10), second.wish(Side.BUY, 10)
    assert one == two
    assert isinstance(one, OrderRequest)
    assert len(one.terms.client_order_id) == 36
