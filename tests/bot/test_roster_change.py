"""What differs between two rosters, and what money and orders forbid."""

from msgspec.structs import replace

from bot.board import Board
from bot.roster_change import Change, accounts_of, roster_changes
from messages.money import SleeveStyle
from messages.rows import OrderRow, SleeveRow, VaultRow
from messages.settings import Roster, SleeveSettings, UserSettings, VaultSettings

VAULT = "/users/alice/vaults/kraken-sim-usdt"
FLASH = f"{VAULT}/sleeves/flash"
SLEEVE = SleeveSettings(
    name="flash",
    style=SleeveStyle.FLASH,
    strategy="buy_low_sell_high",
    symbols=("ETH/USDT",),
    allocated="250",
    parameters={"dip_ppm": 1.0},
)
USDT = VaultSettings(
    user="alice", venue="kraken-sim", asset="USDT", tradeable="5000", sleeves=(SLEEVE,)
)
ROSTER = Roster(users=(UserSettings(name="alice"),), vaults=(USDT,))
VAULT_ROW = VaultRow(
    user="alice", vault="kraken-sim-usdt", venue="kraken-sim", environment="sim", asset="USDT",
    asset_scale=6, total_minor=0, tradeable_minor=0, remaining_minor=0, reserve_minor=0,
    realised_minor=0, unrealised_minor=0, fees_minor=0, mode="active", address=f"{VAULT}/ledger",
)  # fmt: skip
SLEEVE_ROW = SleeveRow(
    user="alice", vault="kraken-sim-usdt", sleeve="flash", style="flash", strategy="x",
    asset_scale=6, allocated_minor=0, cash_minor=0, reserved_minor=0, symbol="ETH/USDT",
    position_lots=0, lot="0.0001", average_entry_ticks=0, tick="0.01", realised_minor=0,
    unrealised_minor=0, fees_minor=0, swept_minor=0, address=FLASH,
)  # fmt: skip


def board(*rows: VaultRow | SleeveRow | OrderRow) -> Board:
    found = Board()
    for row in (VAULT_ROW, SLEEVE_ROW, *rows):
        found.put(row)
    return found


def order(state: str) -> OrderRow:
    return OrderRow(
        client_order_id="C1", venue_order_id="", environment="sim", venue="kraken-sim",
        user="alice", vault="kraken-sim-usdt", sleeve="flash", symbol="ETH/USDT", side="sell",
        type="limit", quantity_lots=1, filled_lots=0, cost_minor=0, limit_ticks=1, lot="0.0001",
        tick="0.01", quote_scale=6, state=state, reason="", created_ns=1, updated_ns=1,
    )  # fmt: skip


def with_sleeves(*sleeves: SleeveSettings) -> Roster:
    return replace(ROSTER, vaults=(replace(USDT, sleeves=sleeves),))


def test_a_roster_does_not_differ_from_itself() -> None:
    assert roster_changes(ROSTER, ROSTER, board()) == []


def test_what_comes_is_never_refused() -> None:
    bob = replace(ROSTER, users=(*ROSTER.users, UserSettings(name="bob")))
    assert roster_changes(ROSTER, bob, board()) == [Change("/users/bob", "added")]
    more = with_sleeves(SLEEVE, replace(SLEEVE, name="more"))
    assert roster_changes(ROSTER, more, board()) == [
        Change(f"{VAULT}/sleeves/more", "added", "allocated 250 USDT")
    ]
    eth = replace(USDT, asset="ETH")
    wider = replace(ROSTER, vaults=(USDT, eth))
    subjects = [change.subject for change in roster_changes(ROSTER, wider, board())]
    assert subjects == [
        "/users/alice/vaults/kraken-sim-eth",
        "/users/alice/vaults/kraken-sim-eth/sleeves/flash",
    ]


def test_a_change_names_what_was_and_what_is() -> None:
    after = replace(USDT, tradeable="4000", sleeves=(replace(SLEEVE, parameters={"dip_ppm": 2.0}),))
    assert roster_changes(ROSTER, replace(ROSTER, vaults=(after,)), board()) == [
        Change(VAULT, "changed", "tradeable 5000 -> 4000"),
        Change(FLASH, "changed", "parameters {dip_ppm = 1.0} -> {dip_ppm = 2.0}"),
    ]


def test_an_empty_sleeve_goes_and_one_with_anything_stays() -> None:
    def refusal(*rows: SleeveRow | OrderRow) -> str:
        (change,) = roster_changes(ROSTER, with_sleeves(), board(*rows))
        assert (change.subject, change.what) == (FLASH, "removed")
        return change.refusal

    assert refusal() == ""
    assert refusal(order("filled")) == ""
    close = f"`bot close {FLASH}` first"
    assert refusal(order("open")) == f"it has an open order: {close}"
    assert refusal(order("unknown")) == f"it has an open order: {close}"
    held = replace(SLEEVE_ROW, position_lots=7, allocated_minor=1)
    assert refusal(held) == f"it has a position of 7 lots of ETH/USDT: {close}"
    assert refusal(held, order("open")).startswith("it has a position of 7 lots of ETH/USDT and an")
    money = replace(SLEEVE_ROW, allocated_minor=250_000_000)
    assert refusal(money) == f"250 are allocated to it: `bot allocate {FLASH} 0` first"


def test_a_vault_goes_only_without_money() -> None:
    nobody = Roster()

    def refusals(*rows: VaultRow | SleeveRow) -> list[str]:
        found = roster_changes(ROSTER, nobody, board(*rows))
        assert [change.subject for change in found] == ["/users/alice", VAULT]
        return [change.refusal for change in found]

    assert refusals() == ["", ""]
    (_, text) = refusals(replace(VAULT_ROW, total_minor=5_000_000))
    assert text.startswith("it holds 5 USDT, which nobody would watch over: withdraw them")
    (_, text) = refusals(replace(SLEEVE_ROW, position_lots=1))
    assert text.startswith(f"{FLASH}: it has a position of 1 lots")


def test_what_a_position_was_entered_by_is_not_exchanged_under_it() -> None:
    other = with_sleeves(replace(SLEEVE, strategy="other", symbols=("BTC/USDT",)))
    (change,) = roster_changes(ROSTER, other, board())
    assert change.refusal == ""
    (change,) = roster_changes(ROSTER, other, board(replace(SLEEVE_ROW, position_lots=3)))
    assert change.refusal == (
        "it has a position of 3 lots of ETH/USDT, and another strategy and symbols would not know "
        f"what to do with that: `bot close {FLASH}` first"
    )
    tuned = with_sleeves(replace(SLEEVE, parameters={}, allocated="300"))
    (change,) = roster_changes(ROSTER, tuned, board(replace(SLEEVE_ROW, position_lots=3)))
    assert change.refusal == "", "parameters may change while it holds"


def test_accounts_are_of_users_at_venues() -> None:
    assert accounts_of(replace(ROSTER, vaults=(USDT, replace(USDT, asset="ETH")))) == {
        ("alice", "kraken-sim")
    }
