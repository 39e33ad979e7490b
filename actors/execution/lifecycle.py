"""The life of an order as a table: one for all order types and venues.

    PENDING_SUBMIT ─▶ UNKNOWN ─▶ ABSENT ─(late appearance)─▶ OPEN
          │   └──────────┴─▶ OPEN ─────────▶ PENDING_CANCEL
          │                    ▲▼              ▲     │
          │               PENDING_AMEND ───────┘     │
          ▼                    ▼                     ▼
    DENIED, REJECTED     FILLED, CANCELLED, EXPIRED, REJECTED

A stop or take-profit order that rests at the venue is OPEN while it waits for its trigger, and
goes on as the market order that it becomes. Time in force, reduce-only, post-only and a time to
live change nothing of these moves: what they bring about is a CANCEL, an EXPIRY or a REJECTION.

A submit whose outcome is unknown is never sent again: nothing leads back to PENDING_SUBMIT.
"""

from messages.orders import TERMINAL, OrderState

_ENDS = frozenset(
    {OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REJECTED}
)
_NOWHERE: frozenset[OrderState] = frozenset()

MOVES: dict[OrderState, frozenset[OrderState]] = {
    OrderState.PENDING_SUBMIT: _ENDS | {OrderState.UNKNOWN, OrderState.OPEN, OrderState.DENIED},
    OrderState.UNKNOWN: _ENDS | {OrderState.OPEN, OrderState.ABSENT},
    OrderState.OPEN: _ENDS | {OrderState.PENDING_AMEND, OrderState.PENDING_CANCEL},
    OrderState.PENDING_AMEND: _ENDS | {OrderState.OPEN, OrderState.PENDING_CANCEL},
    OrderState.PENDING_CANCEL: _ENDS,
    # The venue had it after all: it lives again, and its money is accounted for as it comes.
    OrderState.ABSENT: frozenset({OrderState.OPEN}),
    OrderState.FILLED: _NOWHERE,
    OrderState.CANCELLED: _NOWHERE,
    OrderState.EXPIRED: _NOWHERE,
    OrderState.REJECTED: _NOWHERE,
    OrderState.DENIED: _NOWHERE,
}
assert set(MOVES) == set(OrderState), "every state has its row"
assert all(not MOVES[end] for end in TERMINAL - {OrderState.ABSENT}), "an end is an end"


class IllegalMoveError(Exception):
    """An order was to move where its life cycle does not lead: a bug, or a state by hand."""

    def __init__(self, client_order_id: str, before: OrderState, after: OrderState) -> None:
        self.client_order_id = client_order_id
        self.before = before
        self.after = after
        super().__init__(
            f"order {client_order_id} cannot go from {before.value} to {after.value}: "
            "look at its history with `bot replay`, then discard or retry the message"
        )


def checked_move(client_order_id: str, before: OrderState, after: OrderState) -> OrderState:
    """Return `after` if the table leads there from `before`, else raise `IllegalMoveError`."""
    if after not in MOVES[before]:
        raise IllegalMoveError(client_order_id, before, after)
    return after
