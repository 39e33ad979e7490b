"""An operator's wish to have every open order of an account cancelled (R10).

It is answered when all orders that were live then have ended; what is placed later is not meant.
"""

from collections import Counter

from actors.execution.order_state import CancelWait, OrdersState
from actors.execution.order_steps import want_cancel
from messages.money import Acknowledged, CancelAll
from supervisor.actor import Context

# Operators that wait for their orders to end; more are told to wait their turn.
WAITING_MAX = 16


def begin(state: OrdersState, message: CancelAll, ctx: Context) -> None:
    """Cancel all that is live."""
    waits = list(state.live)
    for record in list(state.live.values()):
        want_cancel(state, record, f"cancel-all by {message.operator}", ctx)
    if not message.reply_to:
        return
    if len(state.cancel_waits) >= WAITING_MAX:
        text = "the orders are being cancelled, but too many wait to hear of it: see `bot orders`"
        ctx.send(message.reply_to, Acknowledged(request_id=message.request_id, ok=False, text=text))
        return
    state.cancel_waits.append(CancelWait(message.reply_to, message.request_id, waits))


def answer(state: OrdersState, ctx: Context) -> None:
    """Answer those whose orders have all ended."""
    if not state.cancel_waits:
        return
    done = [w for w in state.cancel_waits if not any(ours in state.live for ours in w.orders)]
    state.cancel_waits = [w for w in state.cancel_waits if w not in done]
    for wait in done:
        ends = Counter(
            state.closed[ours].state.value for ours in wait.orders if ours in state.closed
        )
        counts = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
        text = counts or "no order was open"
        ctx.send(wait.reply_to, Acknowledged(request_id=wait.request_id, ok=True, text=text))
