"""The preflight of a vault: what it says, and the order that it sends out to be cancelled."""

from msgspec.structs import replace

from messages.account import AccountFee, FeesTold
from messages.money import AccountMode, Check, CheckVault, Mode, VaultChecked
from messages.orders import CancelOrder, OrderRequest, OrderState, Side
from tests.actors.vaults import SYMBOL, USDT, VENUE, Vault, config

CHECK = CheckVault(operator="ann", reply_to="/control", request_id="r")


def ready(**settings: int) -> Vault:
    vault = Vault(config(**settings))
    vault.top(200_000)
    return vault


def checks(vault: Vault) -> dict[str, Check]:
    (answer,) = vault.sent(VaultChecked)
    assert isinstance(answer, VaultChecked)
    assert answer.request_id == "r"
    return {each.name: each for each in answer.checks}


def asked(vault: Vault) -> OrderRequest:
    vault.do(CHECK)
    assert vault.sent(VaultChecked) == [], "it waits for the order's end"
    (request,) = vault.sent(OrderRequest)
    assert isinstance(request, OrderRequest)
    return request


def test_an_order_far_away_is_placed_cancelled_and_told_of() -> None:
    vault = ready()
    request = asked(vault)
    terms = request.terms
    assert (terms.side, terms.limit_ticks, terms.post_only) == (Side.BUY, 100_000, True)
    assert 0 < request.reserved_minor < 3 * USDT
    order = terms.client_order_id
    vault.update(order, OrderState.OPEN)
    assert [each.client_order_id for each in vault.sent(CancelOrder)] == [order]
    vault.update(order, OrderState.PENDING_CANCEL)
    assert vault.sent(VaultChecked) == []
    vault.update(order, OrderState.CANCELLED)
    told = checks(vault)
    assert all(each.ok for each in told.values()), told
    assert told["round trip"].text.startswith("an order that cannot fill was placed and cancelled")
    assert "listed as maker 0 bps, taker 10 bps" in told["fees of ETH/USDT"].text
    assert "the smallest order takes 4.004 USDT" in told["quiet: minimum in ETH/USDT"].text
    assert vault.state.trip is None
    assert vault.account("sleeve/quiet/cash") == 4_000 * USDT


def test_a_refusal_is_the_answer() -> None:
    vault = ready()
    order = asked(vault).terms.client_order_id
    vault.update(order, OrderState.DENIED, reason="the kill switch is on")
    trip = checks(vault)["round trip"]
    assert (trip.ok, trip.text) == (
        False, "its order ended as denied: the kill switch is on"
    )  # fmt: skip


def test_an_order_that_stays_away_is_not_waited_for_for_ever() -> None:
    vault = ready()
    order = asked(vault).terms.client_order_id
    vault.last = vault.probe.fire("preflight")
    assert not checks(vault)["round trip"].ok
    vault.update(order, OrderState.OPEN)
    assert len(vault.sent(CancelOrder)) == 1, "it is cancelled all the same"
    vault.update(order, OrderState.CANCELLED)
    assert vault.sent(VaultChecked) == []


def test_one_preflight_at_a_time() -> None:
    vault = ready()
    asked(vault)
    vault.do(CHECK)
    assert "another preflight runs" in checks(vault)["round trip"].text
    assert vault.sent(OrderRequest) == []


def test_what_keeps_a_vault_from_trading_is_said() -> None:
    vault = ready(quiet=0)
    vault.do(AccountMode(user="ann", venue=VENUE, mode=Mode.EXITS_ONLY, reason="books differ"))
    vault.do(CHECK)
    told = checks(vault)
    assert not told["account"].ok
    assert "books differ" in told["round trip"].text
    assert not told["quiet: pairs"].ok
    assert not told["quiet: minimum in ETH/USDT"].ok
    assert told["flash: pairs"].text == "ETH/USDT can be traded"


def test_without_a_price_or_money_nothing_is_tried() -> None:
    vault = Vault()
    vault.do(CHECK)
    told = checks(vault)
    assert not told["round trip"].ok
    assert "no price" in told["quiet: minimum in ETH/USDT"].text


def test_with_everything_in_use_orders_are_known_to_arrive() -> None:
    vault = ready(quiet=0, flash=100)
    assert vault.wish(Side.BUY, limit=200_000) is not None
    vault.do(CHECK)
    trip = checks(vault)["round trip"]
    assert trip.ok
    assert "so orders do arrive" in trip.text


def test_where_the_money_is_somebodys_no_order_is_sent() -> None:
    vault = Vault(replace(config(), environment="live"))
    vault.top(200_000)
    vault.do(CHECK)
    assert vault.sent(OrderRequest) == []
    trip = checks(vault)["round trip"]
    assert (trip.ok, "not in live" in trip.text) == (True, True)


def test_the_preflight_says_what_the_account_pays() -> None:
    vault = ready()
    own = AccountFee(symbol=SYMBOL, maker_ppm=0, taker_ppm=400)
    vault.do(FeesTold(user="ann", venue=VENUE, fees=(own,)))
    vault.do(CHECK)
    vault.last = vault.probe.fire("preflight")
    (answer,) = vault.sent(VaultChecked)
    (said,) = [check.text for check in answer.checks if check.name.startswith("fees of")]
    assert said.startswith("the account pays maker 0 bps, taker 4 bps")
