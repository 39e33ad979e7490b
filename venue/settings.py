"""From settings, as people write them, to a box's configuration."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from messages.settings import BoxSettings, MarketSettings
from venue.config import (
    AccountConfig,
    AtEnd,
    FaultProfileName,
    MarketConfig,
    PerpetualConfig,
    RateTier,
    VenueConfig,
)
from venue.keys import account_passphrase, key_for
from venue.market import MarketSpec
from venue.protocols import PROTOCOLS, protocol_named

# Each market of a box has a seed of its own: one after the other's.
_SEED_MAX = 2**63 - 1


def box_config(
    venue: str,
    settings: BoxSettings,
    users: Sequence[str],
    *,
    data_file: Path | None,
    port: int = 0,
    protocol: str = "kraken",
) -> VenueConfig:
    """Return the configuration of the box `venue` with an account for each of `users`.

    A market whose symbol is like `ETH/USDT:USDT` is a perpetual; at a venue of perpetuals all are.

    Raises `ValueError` for a market that cannot be.
    """
    return VenueConfig(
        port=port,
        protocol=protocol,
        data_file=str(data_file) if data_file is not None else None,
        markets=tuple(
            _market(_listed(market, protocol), settings, at)
            for at, market in enumerate(settings.markets)
        ),
        accounts=tuple(_account((venue, protocol), user, settings) for user in users),
        seed=settings.seed,
        fault_profile=FaultProfileName(settings.faults.value),
        rate_tier=RateTier(settings.rate_tier.value),
        visibility_lag_ms=settings.visibility_lag_ms,
        tick_interval_ms=settings.tick_interval_ms,
    )


def _account(at: tuple[str, str], user: str, settings: BoxSettings) -> AccountConfig:
    venue, protocol = at
    api_key, secret = key_for(protocol, venue, user, settings.seed)
    return AccountConfig(
        name=user,
        api_key=api_key,
        api_secret=secret,
        passphrase=account_passphrase(venue, user, settings.seed),
        balances=dict(settings.balances),
        fee_tier=settings.fee_tier,
    )


def _listed(market: MarketSettings, protocol: str) -> MarketSettings:
    """Return the market as the venue lists it."""
    if ":" in market.symbol or protocol not in PROTOCOLS:
        return market
    if not protocol_named(protocol).perpetuals_only:
        return market
    return replace(market, symbol=f"{market.symbol}:{market.symbol.partition('/')[2]}")


def _market(settings: MarketSettings, box: BoxSettings, at: int) -> MarketConfig:
    base, _, rest = settings.symbol.partition("/")
    quote, _, settle = rest.partition(":")
    spec = MarketSpec(
        symbol=settings.symbol,
        base=base,
        quote=quote,
        tick=settings.tick,
        lot=settings.lot,
        seed=(box.seed + at) % _SEED_MAX,
    )
    if settings.open_price is not None:
        spec = replace(
            spec,
            open_price_ticks=int(Decimal(settings.open_price) / Decimal(settings.tick)),
            events_per_second=settings.events_per_second,
            cycle_period_s=settings.cycle_period_s,
            cycle_amplitude_bps=settings.cycle_amplitude_bps,
        )
    return MarketConfig(
        spec=spec,
        order_minimum=settings.order_minimum,
        cost_minimum=settings.cost_minimum,
        recorded=tuple(str(Path(name).expanduser()) for name in settings.recorded),
        candles=str(Path(settings.candles).expanduser()) if settings.candles else "",
        at_end=AtEnd(settings.at_end.value),
        perpetual=PerpetualConfig(funding_interval_s=box.funding_interval_s) if settle else None,
    )
