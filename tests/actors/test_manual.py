"""What is traded by hand at the venue, where that is adopted."""

from msgspec.structs import replace

from messages.money import Alert
from messages.orders import Side
from messages.rows import SleeveRow
from tests.actors.vaults import USDT, Vault, config

CASH, COINS = "sleeve/manual/cash", "sleeve/manual/ETH"


def adopting() -> Vault:
    return Vault(replace(config(), adopts=True))


def test_a_purchase_by_hand_is_the_manual_sleeves_and_its_sale_gives_the_money_back() -> None:
    vault = adopting()
    before = vault.account("holdings") + vault.account("tradeable") + vault.account("reserve")
    vault.fill("", Side.BUY, 1_000, 200_000, fee=200_000)
    assert vault.pages() == []
    assert vault.account(COINS, "ETH") == 1_000 * 10_000
    assert vault.account(CASH) == 0
    (row,) = [row for row in vault.rows(SleeveRow) if row.sleeve == "manual"]
    assert (row.position_lots, row.average_entry_ticks) == (1_000, 200_000)
    (alert,) = vault.sent(Alert)
    assert "adopted into the sleeve manual" in alert.text

    vault.fill("", Side.SELL, 1_000, 210_000, fee=210_000)
    assert vault.pages() == []
    assert vault.account(COINS, "ETH") == 0
    assert vault.account(CASH) == 0
    after = vault.account("holdings") + vault.account("tradeable") + vault.account("reserve")
    assert after == before + 10 * USDT - 410_000


def test_what_the_vault_has_not_free_is_advanced_and_pages() -> None:
    vault = adopting()
    vault.fill("", Side.BUY, 50_000, 200_000)
    assert "fill beyond the balance" in vault.pages()
    for sleeve in ("quiet", "flash"):
        assert vault.account(f"sleeve/{sleeve}/cash") == 4_000 * USDT, "no slice is touched"


def test_where_it_is_not_adopted_it_is_nobodys() -> None:
    vault = Vault()
    vault.fill("", Side.BUY, 1_000, 200_000)
    assert (
        vault.pages() == ["fill beyond the balance"] or "trade that nobody ordered" in vault.pages()
    )
    assert "manual" not in vault.state.sleeves
