"""Alerts: what a person should know, kept as rows; repetitions within a minute are only counted.

Routes to the outside (mail, messengers) hang on the rows, so that none can hold this actor up.
"""

import msgspec

from messages.money import Alert
from messages.rows import AlertRow
from messages.runtime import Booted
from supervisor.actor import Actor, Context, State

REPEAT_NS = 60 * 1_000_000_000
# Different alerts remembered for repetition: more at once and a person reads none of them.
REMEMBERED_MAX = 256


class Told(msgspec.Struct):
    """When something was last told, and how often it was raised since."""

    at_ns: int
    repeated: int = 0


class AlertsState(State):
    """What was told lately, oldest first."""

    told: dict[str, Told] = msgspec.field(default_factory=dict)


class Alerts(Actor[AlertsState]):
    """One per process; everybody's alerts come here."""

    def on_booted(self, state: AlertsState, message: Booted, ctx: Context) -> None:
        """Start counting anew: what was told before a restart is told again."""
        state.told.clear()

    def on_alert(self, state: AlertsState, message: Alert, ctx: Context) -> None:
        what = f"{message.severity.value} {message.subject} {message.text}"
        known = state.told.get(what)
        if known is not None and ctx.now_ns - known.at_ns < REPEAT_NS:
            known.repeated += 1
            return
        text = message.text
        if known is not None and known.repeated:
            text = f"{text} (and {known.repeated} more times since)"
        state.told.pop(what, None)
        state.told[what] = Told(ctx.now_ns)
        while len(state.told) > REMEMBERED_MAX:
            del state.told[next(iter(state.told))]
        ctx.record(
            AlertRow(
                alert_id=ctx.new_id(),
                severity=message.severity.value,
                subject=message.subject,
                text=text,
                at_ns=ctx.now_ns,
            )
        )
