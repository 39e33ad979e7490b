"""The topic on which a symbol's books and trades come in the venue's order."""

from collections.abc import Callable, Iterable

import trio

from actors.feeds.merge import Merger
from actors.feeds.readers import Publish
from messages.base import Message
from messages.market import BookTop, Trade, topic

KIND = "merged"
# Who waits for the other stream is looked at so often: a quarter of the bound.
LOOK_S = 0.05
NowNs = Callable[[], int]


class Merging:
    """Publishes what readers publish, and books and trades once more, merged."""

    def __init__(self, venue: str, symbols: Iterable[str]) -> None:
        self._mergers = {symbol: Merger() for symbol in symbols}
        self._topics = {symbol: topic(venue, symbol, KIND) for symbol in self._mergers}

    @property
    def late(self) -> int:
        """How many came too late to be merged."""
        return sum(merger.late for merger in self._mergers.values())

    def through(self, publish: Publish, now_ns: NowNs) -> Publish:
        """Return what readers publish with."""

        def published(address: str, message: Message) -> None:
            publish(address, message)
            if isinstance(message, BookTop | Trade):
                merger = self._mergers[message.symbol]
                for ready in merger.put(message, now_ns()):
                    publish(self._topics[message.symbol], ready)

        return published

    async def run(self, publish: Publish, now_ns: NowNs) -> None:
        """Let go what has waited long enough, for ever."""
        while True:
            await trio.sleep(LOOK_S)
            for symbol, merger in self._mergers.items():
                due_ns = merger.due_ns()
                if due_ns is not None and due_ns <= now_ns():
                    for ready in merger.due(now_ns()):
                        publish(self._topics[symbol], ready)
