import pytest

from actors.sleeves.strategy import ParameterError, UnknownStrategyError
from messages.money import (
    AccountMode,
    Acknowledged,
    CloseNow,
    Mode,
    Pause,
    Resume,
    SleeveConfigured,
)
from messages.orders import CancelIntent, Intent, OrderState, OrderType, Side
from messages.runtime import Booted, Quarantined
from tests.actors.sleeves.scenes import SECOND_NS, Scene
from tests.actors.vaults import FLASH, LEDGER, SYMBOL, VENUE

PAUSE = Pause(operator="ann", reply_to="/control", request_id="r")
RESUME = Resume(operator="ann", reply_to="/control", request_id="r")
CLOSE = CloseNow(operator="ann", reply_to="/control", request_id="r")
POISON = Quarantined(position=1, tag_set_aside="market.BookTop", error="boom")


def ack(scene: Scene) -> Acknowledged:
    (answer,) = scene.sent(Acknowledged)
    assert isinstance(answer, Acknowledged)
    return answer


def test_it_buys_the_dip_and_sells_at_the_target() -> None:
    scene = Scene()
    scene.warm()
    (buy,) = scene.top(199_000)
    assert isinstance(buy, Intent)
    assert (buy.side, buy.type, buy.limit_ticks) == (Side.BUY, OrderType.LIMIT, 199_010)
    assert (buy.reference_ticks, buy.quantity_lots) == (199_010, 0)
    assert 0 < buy.stop_ticks < 199_010
    scene.told(buy.intent_id, OrderState.FILLED, 1_000, 199_010)
    assert scene.top(199_500, SECOND_NS) == []
    assert scene.shown == ("active", "holding until target or stop")
    (sell,) = scene.top(199_900)
    assert (sell.side, sell.type, sell.limit_ticks) == (Side.SELL, OrderType.LIMIT, 199_900)


def test_it_sells_at_the_market_at_its_stop() -> None:
    scene = Scene()
    scene.bought()
    (sell,) = scene.top(195_000)
    assert (sell.side, sell.type, sell.reference_ticks) == (Side.SELL, OrderType.MARKET, 195_000)


def test_no_entry_without_an_edge_above_all_costs() -> None:
    scene = Scene()
    scene.standing(edge=100)
    scene.warm()
    assert scene.top(199_000) == []
    assert scene.probe.state.said == 4
    scene.top(199_000, 2 * SECOND_NS)
    assert scene.shown[1] == "the dip does not pay for fees, slippage and the minimum edge"


def test_one_wish_per_symbol_and_side_is_in_flight() -> None:
    scene = Scene()
    scene.warm()
    assert len(scene.top(199_000)) == 1
    assert scene.top(198_900) == []


def test_after_a_refusal_it_waits_longer_each_time() -> None:
    scene = Scene()
    scene.warm()
    (first,) = scene.top(199_000)
    scene.told(first.intent_id, OrderState.DENIED, reason="too many")
    assert scene.top(199_000, SECOND_NS) == []
    (second,) = scene.top(199_000, SECOND_NS)
    scene.told(second.intent_id, OrderState.DENIED)
    assert scene.top(199_000, 3 * SECOND_NS) == []
    assert len(scene.top(199_000, SECOND_NS)) == 1


def test_untrusted_data_is_never_acted_on() -> None:
    scene = Scene()
    scene.warm()
    scene.trust(trusted=False)
    assert scene.shown == ("untrusted", "ETH/USDT is untrusted: a gap")
    assert scene.top(199_000) == []
    scene.trust()
    assert len(scene.top(199_000)) == 1


def test_stale_data_is_never_acted_on() -> None:
    scene = Scene()
    scene.warm()
    assert scene.top(199_000, late_ns=SECOND_NS + 1) == []
    assert len(scene.top(199_000, late_ns=SECOND_NS)) == 1


def test_after_a_start_it_waits_for_its_account_and_its_feed() -> None:
    scene = Scene(ready=False)
    scene.trust()
    scene.warm()
    assert scene.top(199_000) == []
    assert scene.shown[0] == "reconciling"
    scene.reconcile(agreed=False)
    assert scene.shown == ("reconciling", "the books differ: ETH 1")
    scene.reconcile()
    assert len(scene.top(199_000)) == 1
    scene.do(Booted(boot=2))
    assert scene.shown[0] == "reconciling"
    scene.reconcile()
    assert scene.shown[0] == "active" or scene.probe.state.legs[SYMBOL].trusted is False
    assert scene.top(198_000) == []


def test_it_says_why_it_is_idle_and_still_exits() -> None:
    scene = Scene()
    scene.standing(idle="Tradeable Coins are 0")
    assert scene.shown == ("idle", "Tradeable Coins are 0")
    scene.warm()
    assert scene.top(199_000) == []
    scene.standing()
    (buy,) = scene.top(199_000)
    scene.told(buy.intent_id, OrderState.FILLED, 1_000, 199_010)
    scene.standing(idle="Tradeable Coins are 0")
    assert len(scene.top(200_500)) == 1


def test_an_account_that_may_only_exit_only_exits() -> None:
    scene = Scene()
    scene.do(AccountMode(user="ann", venue=VENUE, mode=Mode.EXITS_ONLY, reason="books differ"))
    scene.warm()
    assert scene.top(199_000) == []
    assert scene.shown == ("idle", "the account is exits_only: books differ")
    scene.do(AccountMode(user="ann", venue=VENUE, mode=Mode.ACTIVE, reason=""))
    assert len(scene.top(199_000)) == 1


def test_pause_without_a_position_is_immediate_and_survives_a_restart() -> None:
    scene = Scene()
    scene.do(PAUSE)
    assert (ack(scene).ok, ack(scene).text, scene.shown[0]) == (True, "paused", "paused")
    scene.do(Booted(boot=2))
    scene.reconcile()
    scene.trust()
    assert scene.shown[0] == "paused"
    scene.warm()
    assert scene.top(199_000) == []
    scene.do(RESUME)
    assert len(scene.top(199_000)) == 1


def test_pause_waits_for_the_exit_of_the_open_position() -> None:
    scene = Scene()
    scene.bought()
    scene.do(PAUSE)
    assert scene.shown == ("pausing", "waiting for the exit of its position")
    (sell,) = scene.top(200_500)
    scene.told(sell.intent_id, OrderState.FILLED)
    assert scene.shown == ("paused", "")
    assert scene.top(199_000) == []


def test_pause_calls_an_open_entry_back() -> None:
    scene = Scene()
    scene.warm()
    (buy,) = scene.top(199_000)
    scene.do(PAUSE)
    assert scene.sent(CancelIntent) == [CancelIntent(intent_id=buy.intent_id, sleeve="flash")]
    assert scene.shown[0] == "pausing"
    scene.told(buy.intent_id, OrderState.CANCELLED)
    assert scene.shown[0] == "paused"


def test_a_position_closed_by_hand_ends_the_waiting() -> None:
    scene = Scene()
    scene.bought()
    scene.do(PAUSE)
    scene.told("", OrderState.FILLED, reason="closed by hand")
    assert scene.shown[0] == "paused"


def test_close_cancels_sells_at_the_market_and_pauses() -> None:
    scene = Scene()
    scene.bought()
    (sell,) = scene.top(199_900)
    scene.do(CLOSE)
    assert ack(scene).ok
    assert scene.sent(CancelIntent) == [CancelIntent(intent_id=sell.intent_id, sleeve="flash")]
    assert scene.sent(Intent) == [], "its coins are still offered"
    scene.told(sell.intent_id, OrderState.CANCELLED, 1_000, 199_010)
    (close,) = scene.sent(Intent)
    assert (close.type, close.quantity_lots) == (OrderType.MARKET, 0)
    scene.do(RESUME)
    assert not ack(scene).ok
    scene.told(close.intent_id, OrderState.FILLED)
    assert scene.shown[0] == "paused"


def test_a_refused_close_is_tried_again() -> None:
    scene = Scene()
    scene.bought()
    scene.do(CLOSE)
    (close,) = scene.sent(Intent)
    scene.told(close.intent_id, OrderState.REJECTED, 1_000, 199_010)
    assert scene.sent(Intent) == []
    scene.last = scene.probe.fire("close")
    assert len(scene.sent(Intent)) == 1


def test_poison_freezes_it_until_it_is_resumed() -> None:
    scene = Scene()
    scene.warm()
    (buy,) = scene.top(199_000)
    scene.do(POISON)
    assert scene.sent(CancelIntent) == [CancelIntent(intent_id=buy.intent_id, sleeve="flash")]
    assert scene.shown[0] == "frozen"
    scene.told(buy.intent_id, OrderState.CANCELLED)
    scene.do(Booted(boot=2))
    scene.reconcile()
    scene.trust()
    assert scene.shown[0] == "frozen"
    scene.do(PAUSE)
    assert not ack(scene).ok
    scene.do(RESUME)
    scene.warm()
    assert len(scene.top(199_000)) == 1


def test_a_wrong_configuration_is_refused_with_all_that_is_wrong() -> None:
    scene = Scene()
    settings = {
        "user": "ann",
        "vault": "v",
        "venue": VENUE,
        "environment": "sim",
        "sleeve": "flash",
        "symbols": (SYMBOL,),
        "ledger": LEDGER,
    }
    with pytest.raises(UnknownStrategyError, match="choose one of buy_low_sell_high"):
        scene.do(
            SleeveConfigured(
                strategy="none",
                parameters={},
                **settings,  # type: ignore[arg-type] # mixed
            )
        )
    with pytest.raises(
        ParameterError, match=r"dips: .* no such parameter.*; dip_ppm is 5.0: .* 100"
    ):
        scene.do(
            SleeveConfigured(
                strategy="buy_low_sell_high",
                parameters={"dips": 1.0, "dip_ppm": 5},
                **settings,  # type: ignore[arg-type] # mixed
            )
        )


def test_messages_of_others_are_not_its_own() -> None:
    scene = Scene()
    scene.do(AccountMode(user="bob", venue=VENUE, mode=Mode.HALTED, reason=""))
    assert scene.probe.state.mode is Mode.ACTIVE
    assert scene.probe.fold.context.address == FLASH
