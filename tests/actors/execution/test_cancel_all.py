"""Every open order of an account is cancelled, and who asked hears of the end of the last."""

from actors.execution.cancel_all import WAITING_MAX
from messages.money import Acknowledged, CancelAll
from messages.orders import Cancel, OrderState, SubmitResult
from supervisor.probe import Outcome, Probe
from tests.actors.execution.test_orders import orders, place, reported, submitted
from tests.actors.trading import LINE, sent_to

ASKED = CancelAll(operator="ann", reply_to="/control", request_id="r")


def told(outcomes: list[Outcome]) -> list[Acknowledged]:
    return [m for m in sent_to(outcomes, "/control") if isinstance(m, Acknowledged)]


def cancels(probe: Probe, outcomes: list[Outcome]) -> int:
    return len(probe.sent(outcomes, Cancel))


def test_without_orders_it_is_done_at_once() -> None:
    (answer,) = told(orders().handle(ASKED))
    assert (answer.ok, answer.text) == (True, "no order was open")


def test_it_is_answered_when_all_have_ended() -> None:
    probe = orders()
    place(probe)
    submitted(probe, SubmitResult.ACCEPTED)
    place(probe, "order-2")
    outcomes = probe.handle(ASKED)
    assert (cancels(probe, outcomes), told(outcomes)) == (1, [])
    assert told(reported(probe, OrderState.CANCELLED)) == []
    # The other was on its way: it is cancelled when it has arrived.
    outcomes = reported(
        probe, OrderState.OPEN, client_order_id="order-2", venue_order_id="V-order-2"
    )
    assert len(sent_to(outcomes, LINE)) == 1
    place(probe, "order-3")
    outcomes = reported(
        probe, OrderState.CANCELLED, client_order_id="order-2", venue_order_id="V-order-2"
    )
    (answer,) = told(outcomes)
    assert (answer.ok, answer.text) == (True, "2 cancelled")


def test_too_many_who_wait_are_told_so() -> None:
    probe = orders()
    place(probe)
    for _ in range(WAITING_MAX):
        assert told(probe.handle(ASKED)) == []
    (answer,) = told(probe.handle(ASKED))
    assert not answer.ok
    outcomes = submitted(probe, SubmitResult.REJECTED, "no")
    assert [each.text for each in told(outcomes)] == ["1 rejected"] * WAITING_MAX
