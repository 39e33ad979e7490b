"""Fifty pairs at a lively exchange, and the process that is that exchange.

python -m bot.bench._market SYMBOLS      serve, having printed the port
"""

import sys

import trio

from messages.money import SleeveStyle
from messages.settings import (
    BoxSettings,
    Defaults,
    Environment,
    MarketSettings,
    OrderEntry,
    Protocol,
    RateTier,
    RiskSettings,
    Roster,
    SleeveSettings,
    TreeSettings,
    UserSettings,
    VaultSettings,
    VenueSettings,
)
from supervisor.clock import ProcessClock

VENUE, ASSET, SEED = "kraken-sim", "USDT", 1
# Each pair has a sleeve of its own, and so many sleeves are one user's vault.
SLEEVES_PER_VAULT = 5
# Twenty updates a second of each, at times of its own: each event is one, and markets move one by
# one. (With longer steps all would speak at once, and what is measured were that queue.)
TICK_INTERVAL_MS = 5
EVENTS_PER_SECOND = 20
# Orders in the budget of five a second that a real account has: so many pairs are traded, the
# others only watched.
TRADED = 2
CYCLE_S = 2
# As quick as a cycle allows, without patience and without a rest.
_QUICK = {
    "window_ns": 1_000_000_000.0,
    "dip_ppm": 1_500.0,
    "turn_ppm": 0.0,
    "target_ppm": 1_500.0,
    "stop_ppm": 3_000.0,
    "guard_ppm": 500.0,
    "rest_ns": 0.0,
    "patience_ns": 400_000_000.0,
}
_WATCHING = {"dip_ppm": 500_000.0}


def symbols(count: int) -> tuple[str, ...]:
    """Return the pairs."""
    return tuple(f"COIN{number}/{ASSET}" for number in range(count))


def users(count: int) -> tuple[str, ...]:
    """Return the users who have the sleeves of `count` pairs."""
    return tuple(f"user-{number}" for number in range(-(-count // SLEEVES_PER_VAULT)))


def box(count: int) -> BoxSettings:
    """Return the exchange with `count` markets."""
    return BoxSettings(
        markets=tuple(
            MarketSettings(
                symbol=symbol,
                open_price="2500.00",
                events_per_second=EVENTS_PER_SECOND,
                cycle_period_s=CYCLE_S,
                cycle_amplitude_bps=80.0,
            )
            for symbol in symbols(count)
        ),
        balances={ASSET: "1000000"},
        seed=SEED,
        fee_tier=9,
        rate_tier=RateTier.NONE,
        tick_interval_ms=TICK_INTERVAL_MS,
    )


def settings(count: int, port: int, order_entry: OrderEntry = OrderEntry.AUTO) -> TreeSettings:
    """Return a bot's settings: a sleeve on every pair, at the exchange that listens on `port`."""
    venue = VenueSettings(
        protocol=Protocol.KRAKEN,
        environment=Environment.SIM,
        symbols=symbols(count),
        rest=f"http://127.0.0.1:{port}",
        websocket_public=f"ws://127.0.0.1:{port}/v2",
        websocket_private=f"ws://127.0.0.1:{port}/v2",
        seed=SEED,
        order_entry=order_entry,
    )
    sleeves = tuple(
        SleeveSettings(
            name=f"sleeve-{number}",
            style=SleeveStyle.QUIET,
            strategy="buy_low_sell_high",
            symbols=(symbol,),
            allocated="500",
            parameters=_QUICK if number < TRADED else _WATCHING,
        )
        for number, symbol in enumerate(symbols(count))
    )
    vaults = tuple(
        VaultSettings(
            user=user,
            venue=VENUE,
            asset=ASSET,
            tradeable="500000",
            sleeves=sleeves[number :: len(users(count))],
        )
        for number, user in enumerate(users(count))
    )
    return TreeSettings(
        venues={VENUE: venue},
        limits=RiskSettings(
            order_notional_max={ASSET: "1000"},
            position_notional_max={ASSET: "2500"},
            orders_per_minute_max=6_000,
        ),
        defaults=Defaults(slippage_bps=2, edge_bps_min=1),
        assets={ASSET: 8},
        roster=Roster(users=tuple(UserSettings(name=user) for user in users(count)), vaults=vaults),
    )


async def _serve(count: int) -> None:
    from venue.box import serve_venue
    from venue.kernels import warm
    from venue.settings import box_config

    warm()
    config = box_config(VENUE, box(count), users(count), data_file=None)
    async with trio.open_nursery() as nursery:
        print(await nursery.start(serve_venue, config, ProcessClock()), flush=True)


if __name__ == "__main__":
    trio.run(_serve, int(sys.argv[1]))
