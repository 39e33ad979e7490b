"""From settings, as people write them, to a box's configuration; and the keys of its accounts.

An account of a box needs a key as at a real venue. It is nobody's secret: it follows from the name
of the venue, the user's and the seed, so that a bot and a box standing alone agree without
being told.
"""

import base64
import hashlib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from messages.settings import BoxSettings, MarketSettings
from venue.config import AccountConfig, FaultProfileName, MarketConfig, VenueConfig
from venue.market import MarketSpec

# Kraken's own: 56 characters of key, 64 bytes of secret in base64.
_KEY_BYTES = 42
_SECRET_BYTES = 64
# Each market of a box has a seed of its own: one after the other's.
_SEED_MAX = 2**63 - 1


def account_key(venue: str, user: str, seed: int) -> tuple[str, str]:
    """Return the API key and the secret of `user` at the box `venue`."""
    name = f"{venue} {user} {seed}".encode()
    key = hashlib.blake2b(name, digest_size=_KEY_BYTES, person=b"canopy-box-key").digest()
    secret = hashlib.blake2b(name, digest_size=_SECRET_BYTES, person=b"canopy-box-sec").digest()
    return base64.b64encode(key).decode(), base64.b64encode(secret).decode()


def box_config(
    venue: str,
    settings: BoxSettings,
    users: Sequence[str],
    *,
    data_file: Path | None,
    port: int = 0,
) -> VenueConfig:
    """Return the configuration of the box `venue` with an account for each of `users`.

    Raises `ValueError` for a market that cannot be.
    """
    return VenueConfig(
        port=port,
        data_file=str(data_file) if data_file is not None else None,
        markets=tuple(
            _market(market, settings.seed, at) for at, market in enumerate(settings.markets)
        ),
        accounts=tuple(_account(venue, user, settings) for user in users),
        seed=settings.seed,
        fault_profile=FaultProfileName(settings.faults.value),
        visibility_lag_ms=settings.visibility_lag_ms,
        tick_interval_ms=settings.tick_interval_ms,
    )


def _account(venue: str, user: str, settings: BoxSettings) -> AccountConfig:
    api_key, secret = account_key(venue, user, settings.seed)
    return AccountConfig(
        name=user,
        api_key=api_key,
        api_secret=secret,
        balances=dict(settings.balances),
        fee_tier=settings.fee_tier,
    )


def _market(settings: MarketSettings, seed: int, at: int) -> MarketConfig:
    base, _, quote = settings.symbol.partition("/")
    spec = MarketSpec(
        symbol=settings.symbol,
        base=base,
        quote=quote,
        tick=settings.tick,
        lot=settings.lot,
        open_price_ticks=int(Decimal(settings.open_price) / Decimal(settings.tick)),
        seed=(seed + at) % _SEED_MAX,
        events_per_second=settings.events_per_second,
        cycle_period_s=settings.cycle_period_s,
        cycle_amplitude_bps=settings.cycle_amplitude_bps,
    )
    return MarketConfig(
        spec=spec,
        order_minimum=settings.order_minimum,
        cost_minimum=settings.cost_minimum,
    )
