"""Orders on paper: real prices, an exchange of our own that fills by them, money that is nobody's.

The venue's public streams move the markets of an embedded box (`venue/live.py` says how orders fill
there), and lines, streams and reconcile speak to that box as to any venue. It needs no key of the
venue's. What the accounts hold is in a file of its own and outlives every restart.

While the venue's prices are out of sight the box takes cancels only.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import trio
from msgspec.structs import replace

from actors.doors import Door
from exchanges.errors import VenueError
from exchanges.types import Book, Instrument, PublicTrade
from exchanges.venue_client import VenueClient
from messages.settings import BoxSettings, MarketSettings, PaperSettings, RateTier
from supervisor.clock import Clock
from supervisor.port import Port, PortContext
from supervisor.threads import threads

if TYPE_CHECKING:
    from venue.config import VenueConfig
    from venue.live import LiveMarket

# What every venue's public book offers.
DEPTH = 20
RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)
# The smallest that can be counted, where a venue names no smallest cost.
COST_MINIMUM = "0.00000001"

OpenPublic = Callable[[], AbstractAsyncContextManager[VenueClient]]


class PaperPlace(NamedTuple):
    """Which paper venue this is, and where its books lie."""

    name: str
    protocol: str
    symbols: tuple[str, ...]
    users: Sequence[str]
    settings: PaperSettings
    balances: Mapping[str, str]
    """What an account holds when it is first seen."""
    seed: int
    data_file: Path


class PaperPort(Port):
    """One paper venue; see the module's docstring."""

    def __init__(
        self, place: PaperPlace, open_public: OpenPublic, clock: Clock, door: Door
    ) -> None:
        # Nothing is imported once the tree runs.
        from venue.box import serve_venue  # noqa: PLC0415 - numba: a second and 80 MB
        from venue.kernels import warm  # noqa: PLC0415 - as above
        from venue.live import LiveMarket  # noqa: PLC0415 - as above

        self._serve_venue = serve_venue
        self._warm = warm
        self._new_market = LiveMarket
        self._place = place
        self._open_public = open_public
        self._clock = clock
        self._door = door
        self._markets: dict[str, LiveMarket] = {}

    async def run(self, ctx: PortContext) -> None:
        await threads().run(self._warm)
        try:
            async with trio.open_nursery() as nursery:
                for attempt in itertools.count():
                    try:
                        async with self._open_public() as client:
                            await self._live(client, nursery)
                    except* VenueError:
                        self._distrust()
                        wait_s = RETRY_S[min(attempt, len(RETRY_S) - 1)]
                        await trio.sleep(wait_s * (0.8 + 0.4 * ctx.random()))
        finally:
            self._door.closed()

    async def _live(self, client: VenueClient, nursery: trio.Nursery) -> None:
        """Open the box once the venue has said what it lists; then keep telling it of prices."""
        listed = {each.symbol: each for each in await client.load_instruments()}
        if not self._markets:
            await self._open_box(listed, nursery)
        async with trio.open_nursery() as readers:
            for symbol, market in self._markets.items():
                readers.start_soon(self._show_books, client, symbol, market)
                readers.start_soon(self._tell_trades, client, symbol, market)

    async def _open_box(self, listed: dict[str, Instrument], nursery: trio.Nursery) -> None:
        # What is not listed the feed tells of.
        traded = [listed[symbol] for symbol in self._place.symbols if symbol in listed]
        self._markets = {each.symbol: self._new_market() for each in traded}
        config = paper_config(self._place, traded, self._markets)
        if traded:
            config = replace(config, port=self._door.port)
            self._door.opened_at(await nursery.start(self._serve_venue, config, self._clock))

    async def _show_books(self, client: VenueClient, symbol: str, market: "LiveMarket") -> None:
        try:
            async with client.watch_book(symbol, DEPTH) as feed:
                async for event in feed:
                    if isinstance(event, Book):
                        market.show(event.bids, event.asks, self._clock.now_ns())
                    else:
                        # A whole book follows, whether it was lost or begins.
                        market.distrust()
        finally:
            market.distrust()

    async def _tell_trades(self, client: VenueClient, symbol: str, market: "LiveMarket") -> None:
        # A trade that was missed fills nobody: that is the cautious side, and needs no doubt.
        async with client.watch_trades(symbol) as feed:
            async for event in feed:
                if isinstance(event, PublicTrade) and not event.snapshot:
                    side = 1 if event.side == "buy" else -1
                    now_ns = self._clock.now_ns()
                    market.trade(side, event.price_ticks, event.quantity_lots, now_ns)

    def _distrust(self) -> None:
        for market in self._markets.values():
            market.distrust()


def paper_config(
    place: PaperPlace, traded: Sequence[Instrument], markets: Mapping[str, "LiveMarket"]
) -> "VenueConfig":
    """Return the box whose markets are the venue's: its ticks, lots, minimums and fees."""
    from venue.settings import box_config  # noqa: PLC0415 - numba, see PaperPort

    settings = BoxSettings(
        markets=tuple(_market(each) for each in traded),
        balances=dict(place.balances),
        seed=place.seed,
        fee_tier=place.settings.fee_tier,
        rate_tier=RateTier.NONE,
    )
    config = box_config(
        place.name, settings, place.users, data_file=place.data_file, protocol=place.protocol
    )
    return replace(
        config,
        markets=tuple(replace(each, live=markets[each.spec.symbol]) for each in config.markets),
    )


def _market(listed: Instrument) -> MarketSettings:
    return MarketSettings(
        symbol=listed.symbol,
        tick=listed.tick_size,
        lot=listed.lot_size,
        order_minimum=listed.quantity_text(max(listed.min_quantity_lots, 1)),
        cost_minimum=listed.min_notional if Decimal(listed.min_notional) else COST_MINIMUM,
    )
