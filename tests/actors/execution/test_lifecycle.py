import pytest

from actors.execution.lifecycle import MOVES, IllegalMoveError, checked_move
from messages.orders import TERMINAL, OrderState


def test_an_illegal_move_raises_and_names_order_and_states() -> None:
    with pytest.raises(IllegalMoveError) as caught:
        checked_move("order-1", OrderState.FILLED, OrderState.OPEN)
    assert str(caught.value).startswith("order order-1 cannot go from filled to open")
    assert (caught.value.before, caught.value.after) == (OrderState.FILLED, OrderState.OPEN)


def test_nothing_leads_back_to_a_submit() -> None:
    assert all(OrderState.PENDING_SUBMIT not in after for after in MOVES.values())


def test_ends_are_final_but_for_a_late_appearance() -> None:
    leaving = {state for state in TERMINAL if MOVES[state]}
    assert leaving == {OrderState.ABSENT}
    assert MOVES[OrderState.ABSENT] == {OrderState.OPEN}


def test_every_end_can_be_reached() -> None:
    reached = {after for row in MOVES.values() for after in row}
    assert reached >= TERMINAL
