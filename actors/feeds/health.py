"""How one symbol's stream stands: trusted or why not, and how often it fell silent in a row."""

from typing import ClassVar

from messages.market import StreamTrust

# A market that is closed for the weekend is asked again every ten minutes.
SILENCE_S_MAX = 600.0


class Health:
    """Trust and strikes of one symbol. Methods return the changes to publish: one or none."""

    RECONNECT: ClassVar[int] = 2
    """The strike at which the connection is given up; at the first it is resubscribed."""
    ALERT: ClassVar[int] = 3
    """The strike at which a person is told."""

    def __init__(self, venue: str, symbol: str, silence_s: float) -> None:
        self._venue = venue
        self._symbol = symbol
        self._silence_s = silence_s
        self._alerted = ""
        self.strikes = 0
        self.reason = "no data yet"
        """Why it is untrusted; "" while it is trusted."""

    @property
    def silence_s(self) -> float:
        """How long it may be silent now; longer once everything has been tried."""
        doublings = max(0, self.strikes - self.ALERT)
        return min(SILENCE_S_MAX, self._silence_s * float(1 << min(doublings, 16)))

    def heard(self) -> tuple[StreamTrust, ...]:
        """Note a valid book."""
        self.strikes = 0
        if not self.reason:
            return ()
        self.reason = ""
        self._alerted = ""
        return (self.standing(),)

    def distrust(self, reason: str) -> tuple[StreamTrust, ...]:
        """Note why the stream cannot be believed; told once until it can again."""
        was_trusted = not self.reason
        self.reason = reason
        return (self.standing(),) if was_trusted else ()

    def strike(self) -> None:
        """Note one more silence."""
        self.strikes += 1

    def standing(self) -> StreamTrust:
        """Return how the stream stands."""
        return StreamTrust(
            venue=self._venue,
            symbol=self._symbol,
            trusted=not self.reason,
            reason=self.reason,
        )

    def first_alert(self, text: str) -> bool:
        """Return whether nobody has been told of this yet."""
        if text == self._alerted:
            return False
        self._alerted = text
        return True
