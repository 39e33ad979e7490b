"""Who hears of a feed's trust and troubles."""

from collections.abc import Iterable

from messages.market import StreamTrust, topic
from messages.money import Alert, Severity
from supervisor.port import PortContext


class Telling:
    """Publishes trust, and alerts people, for one venue's feed."""

    def __init__(self, venue: str, alerts: str, ctx: PortContext) -> None:
        self.venue = venue
        self._alerts = alerts
        self._ctx = ctx

    def trust(self, changes: Iterable[StreamTrust]) -> None:
        """Publish changes of trust."""
        for change in changes:
            self._ctx.publish(topic(self.venue, change.symbol, "trust"), change)

    def alert(self, text: str, severity: Severity = Severity.PAGE) -> None:
        """Tell a person."""
        alert = Alert(severity=severity, subject=self._ctx.address, text=text)
        self._ctx.send(self._alerts, alert)
