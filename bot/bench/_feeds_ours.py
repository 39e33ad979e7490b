"""The bot's feed at many books: python -m bot.bench._feeds_ours SYMBOLS RATE SECONDS REST SOCKET.

The production port, on a journal that is committed to disk, publishes to actors that note when
they were told.
"""

import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import trio

from actors.alerts import Alerts
from actors.execution.translate import Scales
from actors.feeds.stream import MarketFeed
from bot.bench._canned_books import symbols
from bot.bench._feeds_sides import PERIODS, POLL_S, Ages, Meter
from bot.tuning import settle, tune
from exchanges.types import Endpoints
from exchanges.venue_client import VenueClient, open_venue
from messages.market import BookTop, topic
from state.database import Database
from state.port import store_child
from state.store import Store
from supervisor.actor import Actor, Context, State
from supervisor.clock import ProcessClock
from supervisor.spec import AutoShutdown, ChildSpec, SupervisorSpec
from supervisor.system import System

VENUE = "kraken-sim"
# Actors among which the symbols are spread: sleeves with some pairs each.
WATCHERS = 20


class Nothing(State):
    """A watcher remembers nothing: what is measured lies outside of it."""


class Watcher(Actor[Nothing]):
    """Notes how old each top is by the time it arrives."""

    def __init__(self, ages: Ages) -> None:
        self._ages = ages

    def on_top(self, state: Nothing, message: BookTop, ctx: Context) -> None:
        """Note one top; a snapshot has no stamp of its own."""
        if message.venue_ns:
            self._ages.ns.append(ctx.now_ns - message.venue_ns)


def tree(names: Sequence[str], ports: Sequence[str], store: Store, ages: Ages) -> SupervisorSpec:
    """Return a feed, those who read it, and the store."""
    socket = f"ws://127.0.0.1:{ports[1]}/v2"
    there = Endpoints(
        rest=f"http://127.0.0.1:{ports[0]}", websocket_public=socket, websocket_private=socket
    )
    clock = ProcessClock()

    def opened() -> VenueClient:
        return open_venue("kraken", clock, endpoints=there, rate_limited=False)

    feed = partial(MarketFeed, VENUE, tuple(names), opened, Scales({"USDT": 8}), (), "/alerts")
    watchers = tuple(
        ChildSpec(
            name=f"watcher-{number}",
            start=partial(Watcher, ages),
            topics=tuple(topic(VENUE, symbol, "top") for symbol in names[number::WATCHERS]),
        )
        for number in range(min(WATCHERS, len(names)))
    )
    alerts = ChildSpec(name="alerts", start=Alerts)
    feed_child = ChildSpec(name="feed", start=feed)
    return SupervisorSpec(
        name="",
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
        children=(store_child(store), alerts, *watchers, feed_child),
    )


async def main(names: Sequence[str], rate: int, seconds: float, ports: Sequence[str]) -> None:
    """Run the tree until it was measured."""
    ages = Ages(len(names))
    with tempfile.TemporaryDirectory(prefix="bot-bench-feeds-") as folder:
        store = Store(Database.open(Path(folder)))
        system = System(tree(names, ports, store, ages), store, ProcessClock())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(system.run)
            while not ages.warm:  # noqa: ASYNC110 - an event would be set in what is measured
                await trio.sleep(POLL_S)
            # As the daemon does once it has started.
            settle()
            meter = Meter(ages)
            for _ in range(PERIODS):
                await trio.sleep(seconds / PERIODS)
                meter.end_period()
            meter.say(rate)
            system.request_stop()


if __name__ == "__main__":
    tune()
    trio.run(main, symbols(int(sys.argv[1])), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
