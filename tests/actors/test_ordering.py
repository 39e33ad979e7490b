"""Exits after a backup was restored: what it holds may have been sold since."""

from messages.money import AccountMode, Mode
from messages.orders import ExitUpdate, OrderRequest, OrderState, ProtectiveExit, Side
from messages.runtime import Booted
from tests.actors.vaults import SYMBOL, VENUE, Vault

SECOND_NS = 10**9


def holding(*, restored: bool) -> Vault:
    vault = Vault()
    vault.trade(Side.BUY, 1_000, 200_000, fee=0)
    vault.do(Booted(boot=2, restored=restored))
    return vault


def exits(vault: Vault) -> list[OrderRequest]:
    vault.do(
        ProtectiveExit(
            sleeve="flash",
            symbol=SYMBOL,
            quantity_lots=1_000,
            reason="stop",
            exit_id="e",
            reference_ticks=190_000,
        )
    )
    return vault.sent(OrderRequest)


def test_after_a_usual_start_an_exit_waits_for_nothing() -> None:
    assert len(exits(holding(restored=False))) == 1


def test_after_a_restore_it_waits_until_the_account_was_read() -> None:
    vault = holding(restored=True)
    assert exits(vault) == []
    (answer,) = vault.sent(ExitUpdate)
    assert answer.state is OrderState.DENIED
    assert "backup" in answer.reason
    vault.do(AccountMode(user="ann", venue=VENUE, mode=Mode.ACTIVE, reason="agreed"))
    assert len(exits(vault)) == 1


def test_an_account_that_cannot_be_read_is_protected_after_half_a_minute() -> None:
    vault = holding(restored=True)
    vault.probe.now_ns += 31 * SECOND_NS
    assert len(exits(vault)) == 1
