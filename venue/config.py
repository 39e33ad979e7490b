"""What a box is configured with. Amounts and prices are decimal text; unknown keys are refused."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from venue.instruments import Asset, Contract, Instrument, MalformedNumberError, parse_units
from venue.live import LiveMarket
from venue.market import MarketSpec


class VenueConfigError(Exception):
    """The configuration contradicts itself; the text names the key and what is allowed."""


class FaultProfileName(StrEnum):
    """How badly the venue behaves on its own account."""

    NONE = "none"
    MILD = "mild"
    NASTY = "nasty"


class AtEnd(StrEnum):
    """What becomes of a market when its record is at its end."""

    HALT = "halt"
    """The last book stays and takes cancels only, as Kraken's `cancel_only` mode."""
    REPEAT = "repeat"
    """The record begins again, with a jump in price."""


class RateTier(StrEnum):
    """Whose request limits apply: Kraken's three verification tiers, or none at all."""

    NONE = "none"
    STARTER = "starter"
    INTERMEDIATE = "intermediate"
    PRO = "pro"


class AccountConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One customer. `balances` are deposited once, when the account is first seen."""

    name: str
    api_key: str
    api_secret: str
    """In the form that the venue issues it; `VenueProtocol.check_account` checks it."""
    passphrase: str = ""
    """What OKX and KuCoin want beside key and secret."""
    balances: dict[str, str] = {}
    fee_tier: int = 0
    """Row of the venue's fee schedule, `Rules.fee_schedule`."""
    may_trade: bool = True
    """False: queries only; orders get `EGeneral:Permission denied`."""
    may_withdraw: bool = False
    """What the venue says of the key; nothing can be withdrawn through a protocol here."""


class PerpetualConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The terms of a linear perpetual; `venue.instruments.Contract` explains them."""

    leverage_max: int = 50
    leverage_default: int = 20
    maintenance_ppm: int = 5_000
    funding_interval_s: int = 28_800
    funding_rate_ppb: int = 100_000


class MarketConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One listed pair: its market and the smallest order.

    The market is generated from `spec`, or else of `spec` only names, tick and lot count.
    """

    spec: MarketSpec = MarketSpec()
    order_minimum: str = "0.002"
    cost_minimum: str = "0.5"
    recorded: tuple[str, ...] = ()
    """hftbacktest's gzip files of depth and trades in order of time, instead of a generator."""
    candles: str = ""
    """A file of one-minute candles (JSON rows or CSV), instead of a generator."""
    at_end: AtEnd = AtEnd.HALT
    live: LiveMarket | None = None
    """Reported from outside while the box runs, instead of a generator."""
    perpetual: PerpetualConfig | None = None
    """Makes it a perpetual: the symbol is then `BASE/QUOTE:QUOTE`."""

    @property
    def files(self) -> tuple[str, ...]:
        """What the market is read from; nothing for a generated one."""
        return self.recorded or ((self.candles,) if self.candles else ())


# Decimals of an asset's minor unit where they differ from the common 8.
ASSET_DECIMALS: Mapping[str, int] = {"BTC": 10, "ETH": 10, "USD": 8}
ASSET_DECIMALS_COMMON = 8
LEVERAGE_MAX = 125  # the most that any of the venues grants
FUNDING_INTERVAL_S_MIN = 1  # real ones are hours; tests do not wait


class VenueConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One exchange in a box."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free port; `serve_venue` tells which."""
    protocol: str = "kraken"
    data_file: str | None = None
    data_vfs: str = ""
    """The SQLite file system that it lies in; "" for the machine's own."""
    """SQLite file that outlives a kill; None keeps everything in memory."""
    markets: tuple[MarketConfig, ...] = (MarketConfig(),)
    accounts: tuple[AccountConfig, ...] = ()
    seed: int = 1
    fault_profile: FaultProfileName = FaultProfileName.NONE
    rate_tier: RateTier = RateTier.PRO
    visibility_lag_ms: int = 0
    """An accepted order, and a fill, appear in queries only this much later."""
    tick_interval_ms: int = 50
    """How often the market moves on and differences are published."""
    token_lifetime_s: int = 900
    """A WebSocket token must be used within this time (Kraken: 15 minutes)."""
    warm_up_s: int = 3600
    """Market history made before the first start, so that candles exist."""


def asset_named(name: str, decimals: Mapping[str, int] = ASSET_DECIMALS) -> Asset:
    """Return the asset `name` with its minor unit."""
    return Asset(name, decimals.get(name, ASSET_DECIMALS_COMMON))


def _units(key: str, text: str, decimals: int) -> int:
    try:
        units = parse_units(text, decimals)
    except MalformedNumberError as error:
        raise VenueConfigError(f"{key}: {error}") from error
    if units == 0:
        raise VenueConfigError(f"{key}: was zero, must be positive")
    return units


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def instrument_of(market: MarketConfig, decimals: Mapping[str, int] = ASSET_DECIMALS) -> Instrument:
    """Return the instrument that `market` describes. Raises `VenueConfigError`."""
    spec = market.spec
    base, quote = asset_named(spec.base, decimals), asset_named(spec.quote, decimals)
    price_decimals, lot_decimals = _decimals(spec.tick), _decimals(spec.lot)
    key = f"market {spec.symbol}"
    symbol = f"{spec.base}/{spec.quote}" + (f":{spec.quote}" if market.perpetual else "")
    if spec.symbol != symbol:
        raise VenueConfigError(f"{key}: the symbol must be {symbol}")
    if base.decimals < lot_decimals:
        raise VenueConfigError(
            f"{key}, lot: was {spec.lot}, at most {base.decimals} decimals, those of {base.name}"
        )
    lot_units = _units(f"{key}, lot", spec.lot, lot_decimals)
    minimum_units = _units(f"{key}, order_minimum", market.order_minimum, lot_decimals)
    if minimum_units % lot_units:
        raise VenueConfigError(f"{key}, order_minimum: not a multiple of the lot {spec.lot}")
    return Instrument(
        symbol=spec.symbol,
        base=base,
        quote=quote,
        price_decimals=price_decimals,
        tick_units=_units(f"{key}, tick", spec.tick, price_decimals),
        lot_decimals=lot_decimals,
        lot_units=lot_units,
        order_minimum_lots=minimum_units // lot_units,
        cost_minimum_units=_units(f"{key}, cost_minimum", market.cost_minimum, quote.decimals),
        contract=_contract(key, market.perpetual),
    )


def _contract(key: str, terms: PerpetualConfig | None) -> Contract | None:
    if terms is None:
        return None
    if not 1 <= terms.leverage_default <= terms.leverage_max <= LEVERAGE_MAX:
        raise VenueConfigError(
            f"{key}, leverage: default {terms.leverage_default} of at most {terms.leverage_max},"
            f" allowed: 1 to {LEVERAGE_MAX}"
        )
    if terms.funding_interval_s < FUNDING_INTERVAL_S_MIN:
        raise VenueConfigError(
            f"{key}, funding_interval_s: was {terms.funding_interval_s}, at least "
            f"{FUNDING_INTERVAL_S_MIN}"
        )
    return Contract(
        terms.leverage_max,
        terms.leverage_default,
        terms.maintenance_ppm,
        terms.funding_interval_s,
        terms.funding_rate_ppb,
    )
