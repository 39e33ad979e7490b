"""How one symbol stands: trusted, or which of its streams speaks against it."""

from messages.market import StreamTrust

BOOK = "book"


class Health:
    """The trust of one symbol. Methods return the changes to publish: one or none.

    A symbol is trusted while none of its streams (`book`, `trades`, `candles`) is distrusted.
    """

    def __init__(self, venue: str, symbol: str) -> None:
        self._venue = venue
        self._symbol = symbol
        self._alerted = ""
        self._against = {BOOK: "no data yet"}

    @property
    def reason(self) -> str:
        """Why it is untrusted; "" while it is trusted."""
        for stream, reason in self._against.items():
            return reason if stream == BOOK else f"{stream}: {reason}"
        return ""

    def heard(self, stream: str) -> tuple[StreamTrust, ...]:
        """Note that a stream can be believed."""
        if self._against.pop(stream, None) is None:
            return ()
        if not self._against:
            self._alerted = ""
        return (self.standing(),)

    def distrust(self, stream: str, reason: str) -> tuple[StreamTrust, ...]:
        """Note why a stream cannot be believed; told once until the symbol is trusted again."""
        was_trusted = not self._against
        self._against[stream] = reason
        return (self.standing(),) if was_trusted else ()

    def distrusted(self, stream: str) -> bool:
        """Return whether one of the streams speaks against the symbol."""
        return stream in self._against

    def why(self, stream: str) -> str:
        """Return what speaks against a stream; "" if nothing."""
        return self._against.get(stream, "")

    def standing(self) -> StreamTrust:
        """Return how the symbol stands."""
        reason = self.reason
        return StreamTrust(
            venue=self._venue, symbol=self._symbol, trusted=not reason, reason=reason
        )

    def first_alert(self, text: str) -> bool:
        """Return whether nobody has been told of this yet."""
        if text == self._alerted:
            return False
        self._alerted = text
        return True
