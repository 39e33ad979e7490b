"""One subscription over time: how long it may be silent, and what silence leads to."""

from typing import Any, ClassVar

from actors.feeds.readers import PublicClient, Reader
from exchanges.feed import Feed

NANOSECONDS_PER_SECOND = 1_000_000_000
# A market that is closed for the weekend is asked again every ten minutes.
SILENCE_S_MAX = 600.0
# A resubscription needs a round trip and a snapshot; a storm of them would earn a ban.
RESUBSCRIBE_S = 0.5
RESUBSCRIBE_S_MAX = 30.0


class Watch:
    """A stream's subscription, deadline and strikes, over all connections."""

    RECONNECT: ClassVar[int] = 2
    """The strike at which the connection is given up; at the first it is resubscribed."""
    ALERT: ClassVar[int] = 3
    """The strike at which a person is told."""

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._pause_s = RESUBSCRIBE_S
        self.feed: Feed[Any] | None = None
        self.heard_ns = 0
        """When it was last known to live, or subscribed."""
        self.data_ns = 0
        """When its newest data came; 0 for never."""
        self.reopen_ns = 0
        """While it is closed: when to subscribe anew."""
        self.strikes = 0
        self.events = 0
        self.gaps = 0
        self.resubscriptions = 0
        self.per_s = 0.0
        self._counted = 0

    @property
    def silence_s(self) -> float:
        """How long it may be silent now; longer once everything has been tried."""
        doublings = max(0, self.strikes - self.ALERT)
        return min(SILENCE_S_MAX, self._silence_s * float(1 << min(doublings, 16)))

    @property
    def due_ns(self) -> int:
        """When something has to be done, unless data comes before."""
        if self.feed is None:
            return self.reopen_ns
        return self.heard_ns + int(self.silence_s * NANOSECONDS_PER_SECOND)

    def open(self, reader: Reader, client: PublicClient, now_ns: int) -> Feed[Any]:
        """Subscribe."""
        assert self.feed is None, "a stream is subscribed once"
        self.heard_ns = now_ns
        self.feed = reader.open(client)
        return self.feed

    def close(self) -> Feed[Any] | None:
        """End the subscription, if there is one; return its feed."""
        feed, self.feed = self.feed, None
        if feed is not None:
            feed.close()
        return feed

    def alive(self, now_ns: int) -> None:
        """Note data."""
        self.heard_ns = self.data_ns = now_ns
        self.events += 1
        self.strikes = 0

    def measure(self, period_s: float) -> None:
        """Note how many events came in the period that ends."""
        self.per_s = (self.events - self._counted) / period_s
        self._counted = self.events

    def resubscribe(self, now_ns: int, *, patiently: bool) -> None:
        """Note that it has to be subscribed anew, soon; later and later while that is no use."""
        self._pause_s = min(2 * self._pause_s, RESUBSCRIBE_S_MAX) if patiently else RESUBSCRIBE_S
        self.reopen_ns = now_ns + int(self._pause_s * NANOSECONDS_PER_SECOND)
        self.resubscriptions += 1
