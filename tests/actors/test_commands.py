"""What an operator sets in a vault is answered: what was, what is, or why not."""

from msgspec.structs import replace

from actors.vault import MANUAL
from messages.money import Acknowledged, Allocate, SetTradeable
from messages.orders import Side
from tests.actors.vaults import USDT, Vault, config


def allocate(vault: Vault, amount: int, sleeve: str = "quiet") -> Acknowledged:
    message = Allocate(
        sleeve=sleeve,
        allocated_minor=amount * USDT,
        operator="ann",
        reply_to="/control",
        request_id="r",
    )
    vault.do(message)
    (answer,) = vault.sent(Acknowledged)
    assert isinstance(answer, Acknowledged)
    return answer


def tradeable(vault: Vault, amount: int) -> Acknowledged:
    message = SetTradeable(
        tradeable_minor=amount * USDT, operator="ann", reply_to="/control", request_id="r"
    )
    vault.do(message)
    (answer,) = vault.sent(Acknowledged)
    assert isinstance(answer, Acknowledged)
    return answer


def test_an_allocation_is_answered_with_before_and_after() -> None:
    vault = Vault()
    answer = allocate(vault, 4_500)
    assert answer.ok
    assert answer.text == "quiet has 4500 USDT allocated, before 4000; 500 remain"


def test_in_a_trade_the_answer_says_from_when_it_counts() -> None:
    vault = Vault()
    vault.trade(Side.BUY, 1_000, 200_000, 0, sleeve="quiet")
    answer = allocate(vault, 4_500)
    assert answer.ok
    assert "quiet has 4000 USDT allocated" in answer.text
    assert "4500 from its next buy on" in answer.text


def test_a_refused_allocation_says_what_would_help() -> None:
    vault = Vault()
    answer = allocate(vault, 6_000)
    assert not answer.ok
    assert "1000 of Tradeable Coins remain: free some, or raise the pool" in answer.text
    assert not allocate(vault, 1, "nobody").ok
    assert vault.state.sleeves["quiet"].allocated_minor == 4_000 * USDT


def test_what_is_traded_by_hand_is_allocated_nothing() -> None:
    vault = Vault()
    vault.state.sleeves[MANUAL] = replace(vault.state.sleeves["quiet"], name=MANUAL)
    answer = allocate(vault, 1, MANUAL)
    assert not answer.ok
    assert "no strategy runs it" in answer.text
    assert vault.state.sleeves[MANUAL].wanted_minor == vault.state.sleeves["quiet"].wanted_minor


def test_the_pool_is_answered_with_before_and_after() -> None:
    vault = Vault(config(pool=8_500))
    assert tradeable(vault, 9_000).text == "the pool is 9000 USDT, before 8500; 1000 remain"
    below = tradeable(vault, 5_000)
    assert below.ok
    assert "lower allocations to bring them within it" in below.text
    uncovered = tradeable(vault, 20_000)
    assert "they are added from the next deposit" in uncovered.text
