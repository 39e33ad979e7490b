"""Amending single orders, step by step: one question, and what is made of the answer."""

import pytest
from msgspec.structs import replace

from actors.execution.orders import Orders
from messages.amends import Amend, AmendOrder, AmendOutcome, AmendResult, OrderAmended
from messages.money import Alert, Severity
from messages.orders import (
    Cancel,
    CancelOrder,
    FillReported,
    Inquire,
    InquiryOutcome,
    Order,
    OrderReported,
    OrderState,
    OrderUpdate,
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
    SECOND_NS,
    START_NS,
    fill,
    rows,
    sent_to,
    terms,
    venue_order,
)

NEW = terms(limit_ticks=199_000, quantity_lots=1_500)


def resting() -> Probe:
    probe = Probe(Orders(), "/orders", now_ns=START_NS)
    probe.handle(ACCOUNT)
    probe.handle(LISTED)
    probe.handle(Order(terms=terms(), approved_ns=START_NS))
    accepted = SubmitResult.ACCEPTED
    probe.handle(
        SubmitOutcome(client_order_id="order-1", result=accepted, venue_order_id="V-order-1")
    )
    return probe


def amend(probe: Probe) -> list[Outcome]:
    return probe.handle(AmendOrder(amend_id="a1", terms=NEW))


def answered(probe: Probe, result: AmendResult) -> list[Outcome]:
    outcome = AmendOutcome(amend_id="a1", client_order_id="order-1", result=result, reason="said")
    return probe.handle(outcome)


def told(outcomes: list[Outcome]) -> list[OrderAmended]:
    return [m for m in sent_to(outcomes, LEDGER) if isinstance(m, OrderAmended)]


def states(outcomes: list[Outcome]) -> list[OrderState]:
    return [m.state for m in sent_to(outcomes, LEDGER) if isinstance(m, OrderUpdate)]


def inquired(probe: Probe, **changes: object) -> list[Outcome]:
    order = replace(venue_order(), **changes)
    return probe.handle(
        InquiryOutcome(client_order_id="order-1", complete=True, order=order, read_ns=probe.now_ns)
    )


def test_an_order_is_amended_once_and_goes_on_under_its_new_terms() -> None:
    probe = resting()
    outcomes = amend(probe)
    assert sent_to(outcomes, LINE) == [
        Amend(
            amend_id="a1",
            venue_order_id="V-order-1",
            terms=NEW,
            expires_ns=START_NS + 10 * SECOND_NS,
        )
    ]
    assert states(outcomes) == [OrderState.PENDING_AMEND]
    outcomes = answered(probe, AmendResult.ACCEPTED)
    (said,) = told(outcomes)
    assert (said.applied, said.limit_ticks, said.quantity_lots) == (True, 199_000, 1_500)
    assert states(outcomes) == [OrderState.OPEN]
    assert [(r.limit_ticks, r.quantity_lots) for r in rows(outcomes)] == [(199_000, 1_500)]
    assert states(probe.handle(FillReported(fill=fill("e1", quantity_lots=1_000)))) == []
    assert states(probe.handle(FillReported(fill=fill("e2", quantity_lots=500)))) == [
        OrderState.FILLED
    ]


@pytest.mark.parametrize("result", [AmendResult.REJECTED, AmendResult.NOT_SENT])
def test_an_amendment_that_was_refused_leaves_the_order_as_it_was(result: AmendResult) -> None:
    probe = resting()
    amend(probe)
    outcomes = answered(probe, result)
    (said,) = told(outcomes)
    assert (said.applied, said.limit_ticks, said.quantity_lots) == (False, 200_000, 1_000)
    assert said.reason == "not amended: said"
    assert sent_to(outcomes, LINE) == []


def test_one_of_unknown_outcome_is_settled_by_asking_and_never_sent_again() -> None:
    probe = resting()
    amend(probe)
    (question,) = sent_to(answered(probe, AmendResult.UNKNOWN), LINE)
    assert isinstance(question, Inquire)
    assert told(inquired(probe)) == [], "it may still arrive"
    probe.now_ns += 16 * SECOND_NS
    (question,) = sent_to(probe.fire("agenda"), LINE)
    assert isinstance(question, Inquire)
    (said,) = told(inquired(probe))
    assert not said.applied


def test_a_reading_with_the_new_terms_proves_it() -> None:
    probe = resting()
    amend(probe)
    answered(probe, AmendResult.UNKNOWN)
    (said,) = told(inquired(probe, limit_ticks=199_000, quantity_lots=1_500))
    assert said.applied
    assert told(answered(probe, AmendResult.REJECTED)) == [], "what is proved stays"


def test_a_fill_beyond_the_old_quantity_proves_it_before_it_is_booked() -> None:
    probe = resting()
    amend(probe)
    outcomes = probe.handle(FillReported(fill=fill("e1", quantity_lots=1_200)))
    kinds = [type(message).__name__ for message in sent_to(outcomes, LEDGER)]
    assert kinds.index("OrderAmended") < kinds.index("Fill")
    assert told(outcomes)[0].applied


def test_a_cancel_does_not_wait_for_the_amendment() -> None:
    probe = resting()
    amend(probe)
    outcomes = probe.handle(CancelOrder(client_order_id="order-1", reason="enough"))
    (command,) = sent_to(outcomes, LINE)
    assert isinstance(command, Cancel)
    ended = replace(venue_order(), state=OrderState.CANCELLED)
    assert states(probe.handle(OrderReported(order=ended))) == [OrderState.CANCELLED]
    assert told(answered(probe, AmendResult.ACCEPTED)) == []


def test_what_fills_at_a_smaller_size_has_ended() -> None:
    probe = resting()
    smaller = replace(NEW, quantity_lots=400)
    probe.handle(AmendOrder(amend_id="a1", terms=smaller))
    probe.handle(FillReported(fill=fill("e1", quantity_lots=400)))
    filled = replace(
        venue_order(), state=OrderState.FILLED, filled_lots=400, quantity_lots=400,
        limit_ticks=199_000,
    )  # fmt: skip
    outcomes = probe.handle(OrderReported(order=filled))
    assert told(outcomes)[0].applied
    assert states(outcomes)[-1] is OrderState.FILLED


def test_what_is_not_resting_is_not_amended() -> None:
    probe = resting()
    amend(probe)
    (said,) = told(probe.handle(AmendOrder(amend_id="a2", terms=NEW)))
    assert (said.amend_id, said.applied) == ("a2", False)
    assert "pending_amend" in said.reason
    gone = AmendOrder(amend_id="a3", terms=replace(NEW, client_order_id="order-9"))
    (said,) = told(probe.handle(gone))
    assert said.reason == "not amended: the order has ended"


def test_terms_that_a_reading_shows_are_taken_over_and_page() -> None:
    probe = resting()
    outcomes = inquired(probe, limit_ticks=199_000, quantity_lots=1_500)
    (said,) = told(outcomes)
    assert (said.amend_id, said.applied, said.quantity_lots) == ("", True, 1_500)
    (alert,) = sent_to(outcomes, ALERTS)
    assert isinstance(alert, Alert)
    assert alert.severity is Severity.PAGE
    assert told(inquired(probe, limit_ticks=199_000, quantity_lots=1_500)) == []


def test_a_reading_that_may_be_older_than_the_amendment_changes_nothing() -> None:
    probe = resting()
    amend(probe)
    answered(probe, AmendResult.ACCEPTED)
    assert told(inquired(probe)) == [], "it may not be visible yet"
    probe.now_ns += 6 * SECOND_NS
    (said,) = told(inquired(probe))
    assert (said.limit_ticks, said.quantity_lots) == (200_000, 1_000)


def test_an_order_that_is_gone_at_the_venue_is_asked_for() -> None:
    probe = resting()
    amend(probe)
    outcomes = answered(probe, AmendResult.NOT_FOUND)
    assert not told(outcomes)[0].applied
    assert isinstance(sent_to(outcomes, LINE)[0], Inquire)
