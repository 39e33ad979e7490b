"""The life of single orders, step by step, on time that the test sets."""

import pytest
from msgspec.structs import replace

from actors.execution.orders import Orders
from messages.account import AccountSeen, OrdersStand
from messages.money import Alert, Severity
from messages.orders import (
    Cancel,
    CancelOrder,
    CancelOutcome,
    CancelResult,
    Exposure,
    Fill,
    FillReported,
    Inquire,
    InquiryOutcome,
    Order,
    OrderReported,
    OrderState,
    OrderUpdate,
    Submit,
    SubmitOutcome,
    SubmitResult,
)
from supervisor.probe import Outcome, Probe
from tests.actors.trading import (
    ACCOUNT,
    ALERTS,
    LEDGER,
    LINE,
    LISTED,
    RECONCILE,
    RISK,
    SECOND_NS,
    START_NS,
    fill,
    rows,
    sent_to,
    terms,
    venue_order,
)


def orders() -> Probe:
    probe = Probe(Orders(), "/orders", now_ns=START_NS)
    probe.handle(ACCOUNT)
    probe.handle(LISTED)
    return probe


def place(probe: Probe, client_order_id: str = "order-1", *, ttl_ns: int = 0) -> list[Outcome]:
    order = Order(terms=terms(client_order_id), time_to_live_ns=ttl_ns, approved_ns=START_NS)
    return probe.handle(order)


def submitted(probe: Probe, result: SubmitResult, reason: str = "") -> list[Outcome]:
    venue_order_id = "V-order-1" if result is SubmitResult.ACCEPTED else ""
    outcome = SubmitOutcome(
        client_order_id="order-1", result=result, venue_order_id=venue_order_id, reason=reason
    )
    return probe.handle(outcome)


def inquired(probe: Probe, **changes: object) -> list[Outcome]:
    outcome = InquiryOutcome(
        client_order_id="order-1", complete=True, order=None, read_ns=probe.now_ns
    )
    return probe.handle(replace(outcome, **changes))


def filled(probe: Probe, exec_id: str, **changes: object) -> list[Outcome]:
    return probe.handle(FillReported(fill=replace(fill(exec_id), **changes)))


def reported(probe: Probe, state: OrderState, **changes: object) -> list[Outcome]:
    return probe.handle(OrderReported(order=replace(venue_order(), state=state, **changes)))


def states(outcomes: list[Outcome]) -> list[OrderState]:
    """Return the states that the ledger was told of."""
    return [m.state for m in sent_to(outcomes, LEDGER) if isinstance(m, OrderUpdate)]


def state_of(probe: Probe, client_order_id: str = "order-1") -> OrderState:
    found = probe.state.live.get(client_order_id) or probe.state.closed[client_order_id]
    state = found.state
    assert isinstance(state, OrderState)
    return state


def test_an_order_is_submitted_acknowledged_filled_in_parts_and_ends() -> None:
    probe = orders()
    outcomes = place(probe)
    assert sent_to(outcomes, LINE) == [Submit(terms=terms(), expires_ns=START_NS + 10 * SECOND_NS)]
    assert [row.state for row in rows(outcomes)] == ["pending_submit"]

    assert states(submitted(probe, SubmitResult.ACCEPTED)) == [OrderState.OPEN]
    outcomes = filled(probe, "e1")
    assert sent_to(outcomes, LEDGER) == [Fill(client_order_id="order-1", fill=fill("e1"))]
    (exposure,) = sent_to(outcomes, RISK)
    assert isinstance(exposure, Exposure)
    assert (exposure.filled_lots, exposure.working_lots) == (400, 600)

    outcomes = filled(probe, "e2", quantity_lots=600)
    assert states(outcomes) == [OrderState.FILLED]
    assert [getattr(m, "working_lots", -1) for m in sent_to(outcomes, RISK)] == [0, 0]
    (row,) = rows(outcomes)
    assert (row.state, row.filled_lots, row.cost_minor, row.venue_order_id) == (
        "filled",
        1_000,
        160_000_000,
        "V-order-1",
    )
    assert probe.fold.timers == {}


def test_duplicates_of_a_fill_are_passed_on_once_even_after_the_end() -> None:
    probe = orders()
    place(probe)
    submitted(probe, SubmitResult.ACCEPTED)
    filled(probe, "e1", quantity_lots=1_000)
    assert sent_to(filled(probe, "e1", quantity_lots=1_000), LEDGER) == []
    assert sent_to(inquired(probe, fills=(fill("e1"),)), LEDGER) == []


def test_a_fill_before_the_acknowledgement_opens_the_order() -> None:
    probe = orders()
    place(probe)
    assert states(filled(probe, "e1")) == [OrderState.OPEN]
    assert states(submitted(probe, SubmitResult.ACCEPTED)) == []
    assert state_of(probe) is OrderState.OPEN


def test_a_fill_that_only_has_the_venues_id_waits_for_the_acknowledgement() -> None:
    probe = orders()
    place(probe)
    assert (
        sent_to(filled(probe, "e1", client_order_id="", venue_order_id="V-order-1"), LEDGER) == []
    )
    outcomes = submitted(probe, SubmitResult.ACCEPTED)
    assert [type(m).__name__ for m in sent_to(outcomes, LEDGER)] == ["Fill", "OrderUpdate"]
    assert sent_to(filled(probe, "e1"), LEDGER) == []


def test_what_is_provably_not_sent_is_retried_five_times_with_backoff() -> None:
    probe = orders()
    place(probe)
    waits = []
    for _ in range(5):
        before_ns = probe.now_ns
        assert states(submitted(probe, SubmitResult.NOT_SENT, reason="no connection")) == []
        assert len(sent_to(probe.fire("agenda"), LINE)) == 1
        waits.append(probe.now_ns - before_ns)
    for wait_ns, nominal_ns in zip(waits, (200, 400, 800, 1_600, 3_200), strict=True):
        assert 0.8 <= wait_ns / (nominal_ns * 1_000_000) <= 1.2
    outcomes = submitted(probe, SubmitResult.NOT_SENT, reason="no connection")
    (update,) = sent_to(outcomes, LEDGER)
    assert isinstance(update, OrderUpdate)
    assert update.state is OrderState.DENIED
    assert update.reason == "not sent after 6 attempts: no connection"


@pytest.mark.parametrize(
    ("result", "end"),
    [
        (SubmitResult.REJECTED, OrderState.REJECTED),
        (SubmitResult.DENIED, OrderState.DENIED),
    ],
)
def test_a_refused_submit_ends_the_order(result: SubmitResult, end: OrderState) -> None:
    probe = orders()
    place(probe)
    assert states(submitted(probe, result, reason="no")) == [end]
    assert probe.fold.timers == {}


def test_an_unknown_outcome_is_asked_for_and_found() -> None:
    probe = orders()
    place(probe)
    outcomes = submitted(probe, SubmitResult.UNKNOWN, reason="time-out")
    assert states(outcomes) == [OrderState.UNKNOWN]
    (inquiry,) = sent_to(outcomes, LINE)
    assert isinstance(inquiry, Inquire)
    outcomes = inquired(probe, order=venue_order(state=OrderState.OPEN))
    assert states(outcomes) == [OrderState.OPEN]
    assert probe.sent(outcomes, Submit) == []


def test_absent_needs_expiry_and_lag_and_two_readings_a_second_apart() -> None:
    probe = orders()
    place(probe)
    submitted(probe, SubmitResult.UNKNOWN)
    readings = []
    outcomes: list[Outcome] = []
    for _ in range(40):
        outcomes = inquired(probe)
        readings.append(probe.now_ns - START_NS)
        if states(outcomes):
            break
        assert len(sent_to(probe.fire("agenda"), LINE)) == 1
    assert states(outcomes) == [OrderState.ABSENT]
    counted = [at_ns for at_ns in readings if at_ns >= 15 * SECOND_NS]
    assert len(counted) == 2
    assert counted[1] - counted[0] >= SECOND_NS
    assert len(readings) < 15


def test_incomplete_readings_never_prove_absence() -> None:
    probe = orders()
    place(probe)
    submitted(probe, SubmitResult.UNKNOWN)
    for _ in range(20):
        assert states(inquired(probe, complete=False)) == []
        probe.fire("agenda")
    assert state_of(probe) is OrderState.UNKNOWN


def absent() -> Probe:
    probe = orders()
    place(probe)
    submitted(probe, SubmitResult.UNKNOWN)
    probe.now_ns = START_NS + 15 * SECOND_NS
    inquired(probe)
    probe.fire("agenda")
    assert states(inquired(probe)) == [OrderState.ABSENT]
    return probe


def test_a_late_appearance_pages_is_cancelled_and_its_fills_are_booked() -> None:
    probe = absent()
    outcomes = reported(probe, OrderState.OPEN)
    (alert,) = sent_to(outcomes, ALERTS)
    assert isinstance(alert, Alert)
    assert alert.severity is Severity.PAGE
    (cancel,) = sent_to(outcomes, LINE)
    assert cancel == Cancel(
        client_order_id="order-1", venue_order_id="V-order-1", symbol="ETH/USDT"
    )
    assert state_of(probe) is OrderState.PENDING_CANCEL
    outcomes = filled(probe, "e1")
    assert [type(m) for m in sent_to(outcomes, LEDGER)] == [Fill]
    outcomes = reported(probe, OrderState.CANCELLED, filled_lots=400)
    assert sent_to(outcomes, LEDGER) == []
    assert state_of(probe) is OrderState.CANCELLED


def test_a_late_fill_of_an_absent_order_adopts_it() -> None:
    probe = absent()
    outcomes = filled(probe, "e1", quantity_lots=1_000)
    assert [type(m) for m in sent_to(outcomes, LEDGER)] == [Fill]
    assert state_of(probe) is OrderState.FILLED


def test_an_end_waits_for_the_fills_it_speaks_of() -> None:
    probe = orders()
    place(probe)
    submitted(probe, SubmitResult.ACCEPTED)
    assert states(reported(probe, OrderState.CANCELLED, filled_lots=400)) == []
    (inquiry,) = sent_to(probe.fire("agenda"), LINE)
    assert isinstance(inquiry, Inquire)
    order = venue_order(state=OrderState.CANCELLED, filled_lots=400)
    assert states(inquired(probe, order=order)) == []
    outcomes = inquired(probe, order=order, fills=(fill("e1"),))
    assert [type(m) for m in sent_to(outcomes, LEDGER)] == [Fill, OrderUpdate]
    assert state_of(probe) is OrderState.CANCELLED


def test_a_cancel_is_sent_once_open_and_repeated_while_the_venue_shows_the_order() -> None:
    probe = orders()
    place(probe)
    assert sent_to(probe.handle(CancelOrder(client_order_id="order-1", reason="stop")), LINE) == []
    outcomes = submitted(probe, SubmitResult.ACCEPTED)
    assert states(outcomes) == [OrderState.OPEN, OrderState.PENDING_CANCEL]
    assert len(probe.sent(outcomes, Cancel)) == 1
    probe.handle(CancelOutcome(client_order_id="order-1", result=CancelResult.UNKNOWN))
    probe.fire("agenda")
    outcomes = inquired(probe, order=venue_order(state=OrderState.OPEN))
    assert len(probe.sent(outcomes, Cancel)) == 1
    probe.handle(CancelOutcome(client_order_id="order-1", result=CancelResult.ACCEPTED))
    assert states(reported(probe, OrderState.CANCELLED)) == [OrderState.CANCELLED]


def test_a_cancel_that_lost_to_a_fill_ends_filled() -> None:
    probe = orders()
    place(probe)
    submitted(probe, SubmitResult.ACCEPTED)
    probe.handle(CancelOrder(client_order_id="order-1", reason="stop"))
    outcomes = probe.handle(CancelOutcome(client_order_id="order-1", result=CancelResult.NOT_FOUND))
    assert len(probe.sent(outcomes, Inquire)) == 1
    assert states(filled(probe, "e1", quantity_lots=1_000)) == [OrderState.FILLED]
    assert inquired(probe, order=venue_order(state=OrderState.FILLED, filled_lots=1_000)) == []


def test_a_time_to_live_cancels() -> None:
    probe = orders()
    place(probe, ttl_ns=30 * SECOND_NS)
    submitted(probe, SubmitResult.ACCEPTED)
    outcomes = probe.fire("agenda")
    assert probe.now_ns == START_NS + 30 * SECOND_NS
    assert states(outcomes) == [OrderState.PENDING_CANCEL]
    assert len(probe.sent(outcomes, Cancel)) == 1


def test_an_order_cancelled_between_retries_never_leaves() -> None:
    probe = orders()
    place(probe)
    submitted(probe, SubmitResult.NOT_SENT)
    outcomes = probe.handle(CancelOrder(client_order_id="order-1", reason="stop"))
    assert states(outcomes) == [OrderState.CANCELLED]
    assert probe.fold.timers == {}


def test_an_over_fill_is_booked_and_pages() -> None:
    probe = orders()
    place(probe)
    submitted(probe, SubmitResult.ACCEPTED)
    filled(probe, "e1")
    outcomes = filled(probe, "e2", quantity_lots=700)
    assert [type(m) for m in sent_to(outcomes, LEDGER)] == [Fill, OrderUpdate]
    (alert,) = sent_to(outcomes, ALERTS)
    assert isinstance(alert, Alert)
    assert "filled 1100 lots of the 1000 ordered" in alert.text


def test_a_fill_after_the_end_is_passed_on_and_pages() -> None:
    probe = orders()
    place(probe)
    submitted(probe, SubmitResult.ACCEPTED)
    reported(probe, OrderState.CANCELLED)
    outcomes = filled(probe, "e1")
    assert [type(m) for m in sent_to(outcomes, LEDGER)] == [Fill]
    assert len(sent_to(outcomes, ALERTS)) == 1


def test_a_late_acknowledgement_or_stale_report_does_not_wake_an_ended_order() -> None:
    probe = orders()
    place(probe)
    filled(probe, "e1", quantity_lots=1_000)
    assert sent_to(submitted(probe, SubmitResult.ACCEPTED), LEDGER) == []
    assert sent_to(reported(probe, OrderState.OPEN), LEDGER) == []
    assert sent_to(submitted(probe, SubmitResult.REJECTED), LEDGER) == []
    assert state_of(probe) is OrderState.FILLED


def seen(probe: Probe, **changes: object) -> list[Outcome]:
    reading = AccountSeen(
        request_id="q", reply_to=RECONCILE, open_orders=(), fills=(), read_ns=probe.now_ns
    )
    return probe.handle(replace(reading, **changes))


def stand(outcomes: list[Outcome]) -> OrdersStand:
    (message,) = sent_to(outcomes, RECONCILE)
    assert isinstance(message, OrdersStand)
    return message


def test_an_order_missing_from_the_open_ones_is_inquired_about() -> None:
    probe = orders()
    place(probe)
    submitted(probe, SubmitResult.ACCEPTED)
    assert stand(seen(probe)).unsettled == ()
    probe.now_ns += 6 * SECOND_NS
    outcomes = seen(probe)
    assert len(probe.sent(outcomes, Inquire)) == 1
    assert stand(outcomes).unsettled == ("order-1",)
    outcomes = inquired(
        probe, order=venue_order(state=OrderState.FILLED, filled_lots=1_000), fills=()
    )
    assert stand(seen(probe)).unsettled == ("order-1",)
    inquired(
        probe,
        order=venue_order(state=OrderState.FILLED, filled_lots=1_000),
        fills=(fill("e1", quantity_lots=1_000),),
    )
    settled = stand(seen(probe))
    assert settled.unsettled == ()
    assert settled.newest_fill_ns == probe.now_ns


def test_an_instrument_that_is_not_listed_denies() -> None:
    probe = Probe(Orders(), "/orders", now_ns=START_NS)
    probe.handle(ACCOUNT)
    assert states(place(probe)) == [OrderState.DENIED]


def test_what_is_forgotten_is_not_taken_for_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.execution.order_state.CLOSED_KEPT_MAX", 2)
    probe = orders()
    for number in range(4):
        place(probe, f"o{number}")
        reported_fill = fill(f"e{number}", f"o{number}", quantity_lots=1_000)
        probe.handle(FillReported(fill=reported_fill))
    assert list(probe.state.closed) == ["o2", "o3"]
    assert sorted(probe.state.by_venue_id) == ["V-o2", "V-o3"]
    assert filled(probe, "e0", client_order_id="o0", quantity_lots=1_000) == []
    assert probe.state.unmatched == {}


def test_a_second_order_at_the_venue_with_our_id_pages() -> None:
    probe = orders()
    place(probe)
    submitted(probe, SubmitResult.ACCEPTED)
    outcomes = reported(probe, OrderState.OPEN, venue_order_id="V-twin")
    (alert,) = sent_to(outcomes, ALERTS)
    assert isinstance(alert, Alert)
    assert "two orders with our id order-1: V-order-1 and V-twin" in alert.text


def test_too_many_live_orders_are_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.execution.orders.LIVE_MAX", 1)
    probe = orders()
    place(probe, "o1")
    assert states(place(probe, "o2")) == [OrderState.DENIED]
