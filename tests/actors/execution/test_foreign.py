"""What the venue tells of and this bot did not place: flagged, or handed to a ledger, once."""

from msgspec.structs import replace

from messages.money import Alert, Severity
from messages.orders import (
    Exposure,
    Fill,
    FillReported,
    OrderState,
    Side,
    SubmitResult,
    VenueFill,
)
from supervisor.probe import Probe
from tests.actors.execution.test_orders import orders, place, seen, stand, submitted
from tests.actors.trading import (
    ACCOUNT,
    ALERTS,
    LEDGER,
    RISK,
    SECOND_NS,
    fill,
    sent_to,
    venue_order,
)


def opened() -> Probe:
    """Return an account that was read once: what is executed from now on is new."""
    probe = orders()
    seen(probe)
    probe.now_ns += SECOND_NS
    return probe


def by_hand(probe: Probe, exec_id: str, side: Side = Side.SELL) -> VenueFill:
    return fill(exec_id, "", venue_order_id=f"X-{exec_id}", side=side, at_ns=probe.now_ns)


def test_foreign_orders_and_purchases_are_flagged_once() -> None:
    probe = opened()
    foreign = venue_order("", venue_order_id="X1", state=OrderState.OPEN)
    bought = by_hand(probe, "x", Side.BUY)
    outcomes = seen(probe, open_orders=(foreign,), fills=(bought,))
    assert len(sent_to(outcomes, ALERTS)) == 1
    assert (stand(outcomes).foreign, stand(outcomes).unsettled) == (("X1",), ("x",))
    outcomes = probe.fire("agenda")
    assert len(sent_to(outcomes, ALERTS)) == 1
    assert sent_to(outcomes, LEDGER) == []
    outcomes = seen(probe, open_orders=(foreign,), fills=(bought,))
    assert sent_to(outcomes, ALERTS) == []
    assert (stand(outcomes).foreign, stand(outcomes).unsettled) == (("X1", "x"), ())


def test_where_it_is_adopted_a_purchase_goes_to_the_ledger_and_nobody_is_woken() -> None:
    probe = opened()
    probe.handle(replace(ACCOUNT, adopts=True))
    foreign = venue_order("", venue_order_id="X1", state=OrderState.OPEN)
    bought = by_hand(probe, "x", Side.BUY)
    (alert,) = sent_to(seen(probe, open_orders=(foreign,), fills=(bought,)), ALERTS)
    assert isinstance(alert, Alert)
    assert alert.severity is Severity.NOTICE
    outcomes = probe.fire("agenda")
    assert sent_to(outcomes, LEDGER) == [Fill(client_order_id="", fill=bought)]
    assert sent_to(outcomes, ALERTS) == []
    assert sent_to(seen(probe, fills=(bought,)), LEDGER) == [], "once"


def test_a_sale_by_hand_goes_to_the_ledger_of_its_quote_once() -> None:
    probe = opened()
    sold = by_hand(probe, "x")
    assert sent_to(probe.handle(FillReported(fill=sold)), LEDGER) == []
    assert stand(seen(probe)).unsettled == ("x",)
    outcomes = probe.fire("agenda")
    assert probe.now_ns > sold.at_ns + 2 * ACCOUNT.visibility_lag_ns
    assert sent_to(outcomes, LEDGER) == [Fill(client_order_id="", fill=sold)]
    (exposure,) = sent_to(outcomes, RISK)
    assert isinstance(exposure, Exposure)
    assert (exposure.vault, exposure.side, exposure.filled_lots) == (
        "kraken-sim-usdt", Side.SELL, 400
    )  # fmt: skip
    assert sent_to(outcomes, ALERTS) == []
    outcomes = seen(probe, fills=(sold,)) + probe.handle(FillReported(fill=sold))
    assert sent_to(outcomes, LEDGER) == []
    assert stand(outcomes).unsettled == ()
    assert probe.state.unmatched == {}


def test_a_sale_by_hand_waits_while_an_order_of_ours_might_be_its() -> None:
    probe = opened()
    place(probe)
    probe.handle(FillReported(fill=by_hand(probe, "x")))
    probe.now_ns += 60 * SECOND_NS
    assert sent_to(seen(probe), LEDGER) == []
    submitted(probe, SubmitResult.ACCEPTED)
    probe.now_ns += SECOND_NS
    assert len(probe.sent(probe.fire("agenda"), Fill)) == 1


def test_what_was_executed_before_the_first_reading_is_in_the_opening_balance() -> None:
    probe = orders()
    early = by_hand(probe, "x")
    assert probe.handle(FillReported(fill=early)) == []
    probe.now_ns += SECOND_NS
    seen(probe, fills=(early, by_hand(probe, "y", Side.BUY)))
    probe.now_ns += 60 * SECOND_NS
    outcomes = seen(probe, fills=(early,))
    assert (sent_to(outcomes, LEDGER), sent_to(outcomes, ALERTS)) == ([], [])


def test_of_many_sales_by_hand_none_is_told_twice() -> None:
    probe = opened()
    sold = []
    for number in range(300):
        probe.now_ns += SECOND_NS
        sold.append(by_hand(probe, f"x{number}"))
    told = seen(probe, fills=tuple(sold))
    probe.now_ns += 60 * SECOND_NS
    told += seen(probe, fills=tuple(sold))
    probe.now_ns += 60 * SECOND_NS
    told += seen(probe, fills=tuple(sold))
    assert [each.fill for each in probe.sent(told, Fill)] == sold
