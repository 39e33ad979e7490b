"""The kill switch: who was told, who has confirmed, who waits for the answer.

It is on from the moment its command is handled: risk denies entries at once. The command is
answered only when every line has confirmed: until then a line may still be writing an order.
"""

import msgspec

from messages.money import (
    Acknowledged,
    Alert,
    KillSwitch,
    Severity,
    SwitchConfirmed,
    SwitchSet,
)
from messages.rows import SwitchRow
from supervisor.actor import Context

TIMER = "switch-unconfirmed"
# A line confirms within a loop pass and a commit; five seconds mean that it is down.
CONFIRM_NS_MAX = 5 * 1_000_000_000
# Requests of operators that wait for one set of confirmations; more are told to wait their turn.
WAITING_MAX = 64


class Waiting(msgspec.Struct):
    """Who asked, and for what."""

    reply_to: str
    request_id: str
    engaged: bool


class Switch(msgspec.Struct):
    """The kill switch as risk keeps it; `generation` numbers the times the lines were told."""

    engaged: bool = False
    generation: int = 0
    operator: str = ""
    reason: str = ""
    at_ns: int = 0
    unconfirmed: list[str] = msgspec.field(default_factory=list)
    waiting: list[Waiting] = msgspec.field(default_factory=list)


def turn(switch: Switch, command: KillSwitch, lines: list[str], alerts: str, ctx: Context) -> None:
    """Do what an operator commands; the answer follows when all lines have confirmed."""
    changed = switch.engaged is not command.engaged
    if changed:
        _answer(switch, ctx, ok=False, text="overtaken by a later command: see `bot status`")
    switch.engaged = command.engaged
    switch.operator = command.operator
    switch.reason = command.reason
    switch.at_ns = ctx.now_ns
    if command.reply_to:
        _remember(switch, command, ctx)
    if changed and alerts:
        word = "ON" if command.engaged else "OFF"
        text = f"{command.operator} turned the kill switch {word}: {command.reason}"
        ctx.send(alerts, Alert(severity=Severity.PAGE, subject=ctx.address, text=text))
    tell(switch, lines, ctx)
    _record(switch, ctx)


def tell(switch: Switch, lines: list[str], ctx: Context) -> None:
    """Tell every line how the switch stands, as a new generation."""
    switch.generation += 1
    switch.unconfirmed = list(lines)
    for line in lines:
        ctx.send(line, SwitchSet(engaged=switch.engaged, generation=switch.generation))
    if lines:
        ctx.after(TIMER, CONFIRM_NS_MAX)
    _finish(switch, ctx)


def tell_again(switch: Switch, line: str, ctx: Context) -> None:
    """Tell a line that has just started how the switch stands."""
    ctx.send(line, SwitchSet(engaged=switch.engaged, generation=switch.generation))


def confirm(switch: Switch, message: SwitchConfirmed, ctx: Context) -> None:
    """Take in a line's confirmation; those of older generations say nothing about this one."""
    if message.generation != switch.generation or message.line not in switch.unconfirmed:
        return
    assert message.engaged is switch.engaged, "one generation is one position of the switch"
    switch.unconfirmed.remove(message.line)
    _finish(switch, ctx)
    if not switch.unconfirmed:
        _record(switch, ctx)


def forget_lines(switch: Switch, lines: list[str], ctx: Context) -> None:
    """Wait no longer for lines that are no longer configured."""
    switch.unconfirmed = [line for line in switch.unconfirmed if line in lines]
    _finish(switch, ctx)


def overdue(switch: Switch, alerts: str, ctx: Context) -> None:
    """Page: some line has not confirmed in time."""
    if not switch.unconfirmed or not alerts:
        return
    names = ", ".join(switch.unconfirmed)
    text = (
        f"the kill switch is not confirmed by {names}: it takes effect there when the line runs "
        "again; if orders must stop now, cancel them at the venue"
    )
    ctx.send(alerts, Alert(severity=Severity.PAGE, subject=ctx.address, text=text))


def _remember(switch: Switch, command: KillSwitch, ctx: Context) -> None:
    if len(switch.waiting) >= WAITING_MAX:
        text = "too many requests wait for the lines to confirm: ask again in a few seconds"
        ctx.send(command.reply_to, Acknowledged(request_id=command.request_id, ok=False, text=text))
        return
    waiting = Waiting(command.reply_to, command.request_id, command.engaged)
    switch.waiting.append(waiting)


def _finish(switch: Switch, ctx: Context) -> None:
    if switch.unconfirmed:
        return
    ctx.cancel(TIMER)
    word = "on: every line confirmed that nothing but cancels and reductions leaves"
    text = f"the kill switch is {word if switch.engaged else 'off: every line confirmed'}"
    _answer(switch, ctx, ok=True, text=text)


def _answer(switch: Switch, ctx: Context, *, ok: bool, text: str) -> None:
    for waiting in switch.waiting:
        ctx.send(waiting.reply_to, Acknowledged(request_id=waiting.request_id, ok=ok, text=text))
    switch.waiting = []


def _record(switch: Switch, ctx: Context) -> None:
    row = SwitchRow(
        engaged=switch.engaged,
        confirmed=not switch.unconfirmed,
        operator=switch.operator,
        reason=switch.reason,
        at_ns=ctx.now_ns,
    )
    ctx.record(row)
