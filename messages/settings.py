"""What is configured: venues, limits, and the roster of users, vaults and sleeves.

`bot.toml` is decoded to these structs and the roster is stored in the database in this form.
Amounts and prices are decimal strings in the unit that their key or the neighbouring asset names.
The descriptions are what a person is told when a value is not allowed.
"""

from enum import Enum
from typing import Annotated

import msgspec

from messages.money import Direction, SleeveStyle

# Room for 15 digits before the point and 10 after it: what an int64 of minor units can hold.
Amount = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9]{1,15}(\.[0-9]{1,10})?$", description='a decimal in quotes, like "250.50"'
    ),
]
Name = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}$",
        description="1 to 32 of a-z, 0-9 and -, not beginning with -",
    ),
]
Symbol = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Z0-9]{2,12}/[A-Z0-9]{2,12}(:[A-Z0-9]{2,12})?$",
        description='a pair like "ETH/USDT", or a perpetual like "ETH/USDT:USDT"',
    ),
]
Asset = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Z0-9]{2,12}$", description='an asset like "USDT"')
]
HttpAddress = Annotated[
    str, msgspec.Meta(pattern=r"^(https?://\S+)?$", description="an http:// or https:// address")
]
SocketAddress = Annotated[
    str, msgspec.Meta(pattern=r"^(wss?://\S+)?$", description="a ws:// or wss:// address")
]
ProxyAddress = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^((https?|socks5h?)://[^\s@/]+)?$",
        description="a proxy like socks5://HOST:PORT or http://HOST:PORT, without a password",
    ),
]
BasisPoints = Annotated[int, msgspec.Meta(ge=0, le=10_000)]


class Protocol(Enum):
    """The protocols that adapters speak."""

    KRAKEN = "kraken"
    KUCOIN = "kucoin"
    COINBASE = "coinbase"
    BINANCE = "binance"
    BINANCE_US = "binanceus"
    BINANCE_USDM = "binanceusdm"
    BYBIT = "bybit"
    OKX = "okx"


WITH_PASSPHRASE = frozenset({Protocol.KUCOIN, Protocol.OKX})
"""Whose keys have a passphrase beside the secret, chosen when the key is made."""


class Environment(Enum):
    """Whose money it is."""

    SIM = "sim"
    """Nobody's: an exchange in a box."""
    PAPER = "paper"
    """Nobody's: the venue's prices, orders that an exchange of our own fills by them."""
    TESTNET = "testnet"
    """Nobody's: the venue's own test system."""
    DEMO = "demo"
    """Nobody's: an account for practice at the venue itself."""
    LIVE = "live"
    """The user's."""


KEYLESS = frozenset({Environment.SIM, Environment.PAPER})
"""Whose accounts are at an exchange of our own: their keys are made, not given."""


class OrderEntry(Enum):
    """By which way orders, amendments and cancellations go to a venue."""

    REST = "rest"
    WEBSOCKET = "websocket"
    """Over the account's socket only: while that is down only cancellations leave."""
    AUTO = "auto"
    """Over the socket while it is up, else over REST."""


class Faults(Enum):
    """How badly a box behaves on its own account."""

    NONE = "none"
    MILD = "mild"
    NASTY = "nasty"


class ByHand(Enum):
    """What becomes of orders that a person places at the venue."""

    REPORT = "report"
    """A person is paged, and what they bought is nobody's: only exits until it is undone."""
    ADOPT = "adopt"
    """They belong to the vault's sleeve `manual`."""


class RateTier(Enum):
    """Whose request limits a box applies: those of Kraken's three tiers, or none at all."""

    NONE = "none"
    STARTER = "starter"
    INTERMEDIATE = "intermediate"
    PRO = "pro"


class Margin(Enum):
    """What stands behind a position in a perpetual."""

    CROSS = "cross"
    """All of the account's balance."""
    ISOLATED = "isolated"
    """What was put up for it."""


class TriggerBy(Enum):
    """Which price fires an order that waits at a venue of perpetuals."""

    MARK = "mark"
    LAST = "last"


class AtEnd(Enum):
    """What becomes of a market when its record is at its end."""

    HALT = "halt"
    """The last book stays; only cancels are taken."""
    REPEAT = "repeat"
    """The record begins again."""


FileName = Annotated[str, msgspec.Meta(min_length=1, max_length=4_096, description="a file")]


class MarketSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One market of a box: exactly one of `open_price`, `recorded` and `candles` says of what.

    Recorded time runs from the first start of the box. Relative files are looked for where the
    bot is started; `~` is the home folder.
    """

    symbol: Symbol
    open_price: Amount | None = None
    """A market generated from the seed: around which the price swings, in the quote asset."""
    recorded: Annotated[tuple[FileName, ...], msgspec.Meta(max_length=64)] = ()
    """Recorded depth and trades (hftbacktest's gzip files), in order of time."""
    candles: FileName | None = None
    """One-minute candles, expanded into ticks: JSON rows `[time, o, h, l, c, v]`, or CSV."""
    at_end: AtEnd = AtEnd.HALT
    """What becomes of the market when its record is at its end."""
    tick: Amount = "0.01"
    lot: Amount = "0.00001"
    order_minimum: Amount = "0.002"
    """Smallest order, in the base asset."""
    cost_minimum: Amount = "0.5"
    """Smallest order, in the quote asset."""
    events_per_second: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 50
    cycle_period_s: Annotated[int, msgspec.Meta(ge=2, le=86_400)] = 20
    cycle_amplitude_bps: Annotated[float, msgspec.Meta(ge=0, le=2_000)] = 70.0


class BoxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange in a box, embedded in the daemon or standing alone."""

    markets: Annotated[tuple[MarketSettings, ...], msgspec.Meta(min_length=1, max_length=64)]
    balances: dict[Asset, Amount] = {}
    """What each account holds when it is first seen."""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 1
    fee_tier: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    faults: Faults = Faults.NONE
    rate_tier: RateTier = RateTier.PRO
    visibility_lag_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 0
    """An accepted order, and a fill, appear in queries only this much later."""
    funding_interval_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 28_800
    """Of perpetuals: funding is settled at multiples of it, in UTC."""
    tick_interval_ms: Annotated[int, msgspec.Meta(ge=5, le=5_000)] = 50
    """How often the market moves on."""


class PaperSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Accounts of a paper venue."""

    balances: dict[Asset, Amount] = {}
    """What each holds when it is first seen; what is not named here holds `PAPER_BALANCE`."""
    fee_tier: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    """Row of the venue's fee schedule: 0 is what a beginner pays."""


# Of each asset that a vault there is in.
PAPER_BALANCE = "10000"


class CaptureSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long the frames of a venue's public connection are kept on disk, for `bot capture`."""

    keep_gb: Annotated[float, msgspec.Meta(ge=0.01, le=1_000)] = 2.0
    keep_hours: Annotated[int, msgspec.Meta(ge=1, le=8_760)] = 48
    segment_minutes: Annotated[int, msgspec.Meta(ge=1, le=1_440)] = 10


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One venue: embedded in the daemon if it has a `box`, else found at its addresses."""

    protocol: Protocol
    environment: Environment
    symbols: Annotated[tuple[Symbol, ...], msgspec.Meta(min_length=1, max_length=256)]
    """The pairs that may be traded here."""
    box: BoxSettings | None = None
    paper: PaperSettings = PaperSettings()
    """Of the environment `paper`."""
    rest: HttpAddress = ""
    websocket_public: SocketAddress = ""
    websocket_private: SocketAddress = ""
    proxy: ProxyAddress = ""
    """What all connections to it go through. A password would be in the journal: use none."""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 1
    """Without a box: the seed of the `bot venue` there, from which its accounts' keys follow."""
    rate_tier: RateTier = RateTier.INTERMEDIATE
    """Without a box: whose request limits the account has there. Too high a tier gets refusals."""
    visibility_lag_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 5_000
    submit_expiry_ms: Annotated[int, msgspec.Meta(ge=3_000, le=60_000)] = 5_000
    """Kraken takes no deadline nearer than two seconds: with less, no order would ever leave."""
    reconcile_every_s: Annotated[int, msgspec.Meta(ge=5, le=86_400)] = 300
    merged: bool = False
    """Books and trades are also published in order of the venue's stamps, on one topic."""
    capture: CaptureSettings | None = None
    """Keep what its public connection sends; None: do not."""
    by_hand: ByHand = ByHand.REPORT
    """What becomes of orders that a person places at the venue."""
    leverage: Annotated[int, msgspec.Meta(ge=1, le=125)] = 1
    """Of positions in perpetuals: set at the venue at each start."""
    margin: Margin = Margin.CROSS
    trigger_by: TriggerBy = TriggerBy.MARK
    order_entry: OrderEntry = OrderEntry.AUTO
    """By which way orders go there."""


class RiskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the one gate before every venue lets through, per quote asset."""

    order_notional_max: dict[Asset, Amount]
    position_notional_max: dict[Asset, Amount]
    orders_per_minute_max: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 60
    stale_ms_max: Annotated[int, msgspec.Meta(ge=50, le=60_000)] = 2_000
    """An entry whose cause is older than this is denied."""


class Isolation(Enum):
    """Where a sleeve's code runs."""

    NONE = "none"
    """In the bot's own process, like all else."""
    PROCESS = "process"
    """In a process of its own: what it does with memory or with C code concerns it alone."""


class SleeveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One sleeve of a vault."""

    name: Name
    style: SleeveStyle
    strategy: Annotated[
        str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="the name of a strategy")
    ]
    symbols: Annotated[tuple[Symbol, ...], msgspec.Meta(min_length=1, max_length=64)]
    allocated: Amount
    """In the vault's asset, taken from its tradeable pool."""
    parameters: dict[str, float] = {}
    direction: Direction = Direction.LONG
    """Of perpetuals: which positions it may open."""
    isolation: Isolation = Isolation.NONE
    step_budget_ms: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 50
    """Processor time for one message, after which the sleeve is struck; not in its own process,
    which has a minute."""


class VaultSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One vault: a user's money in one asset at one venue."""

    user: Name
    venue: Name
    asset: Asset
    tradeable: Amount
    """The pool that sleeves are given their allocations from."""
    tradeable_cap: Amount = "0"
    """Deposits raise the pool up to this; 0 for no raise."""
    reserve_bps: Annotated[int, msgspec.Meta(ge=0, le=2_000)] | None = None
    slippage_bps: BasisPoints | None = None
    edge_bps_min: BasisPoints | None = None
    sleeves: Annotated[tuple[SleeveSettings, ...], msgspec.Meta(max_length=64)] = ()

    @property
    def name(self) -> str:
        """The vault's name below its user: venue and asset."""
        return f"{self.venue}-{self.asset.lower()}"


class UserSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One user."""

    name: Name


class Roster(msgspec.Struct, frozen=True, kw_only=True):
    """Who trades what: applied once to an empty database, durable from then on."""

    users: Annotated[tuple[UserSettings, ...], msgspec.Meta(max_length=256)] = ()
    vaults: Annotated[tuple[VaultSettings, ...], msgspec.Meta(max_length=1_024)] = ()


class Defaults(msgspec.Struct, frozen=True, kw_only=True):
    """What a vault has that does not say otherwise."""

    reserve_bps: Annotated[int, msgspec.Meta(ge=0, le=2_000)] = 1_000
    slippage_bps: BasisPoints = 5
    edge_bps_min: BasisPoints = 5


Scale = Annotated[int, msgspec.Meta(ge=0, le=12)]


class FundingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Perpetuals of one exchange whose funding is watched; nothing is traded there by it."""

    exchange: Annotated[
        str, msgspec.Meta(pattern=r"^[a-z0-9]{2,32}$", description="ccxt's name of an exchange")
    ]
    symbols: Annotated[tuple[Symbol, ...], msgspec.Meta(min_length=1, max_length=256)]
    rest: HttpAddress = ""
    """Where it is, if not at the addresses that ccxt knows."""
    every_s: Annotated[int, msgspec.Meta(ge=5, le=3_600)] = 60
    alert_yearly_percent: Annotated[float, msgspec.Meta(ge=0, le=100_000)] = 50.0
    """A person is told when holding costs or brings more than this a year; 0: never."""


class ArbitrageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The same pair at several of the venues: who is told of a gain."""

    alert_bps: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = 20.0
    """A person is told of a net gain from here on."""
    extra_bps: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = 0.0
    """What a round costs beyond both takers' fees: slippage, transfer."""
    stale_ms: Annotated[int, msgspec.Meta(ge=100, le=60_000)] = 2_000
    """A side that is older is left out. Books are told anew every second while they live."""


class MonitorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is watched and not traded on."""

    funding: dict[Name, FundingSettings] = {}
    arbitrage: ArbitrageSettings | None = None
    """Of all pairs that two or more venues have; None: do not."""


class TreeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the trading tree is built from."""

    venues: dict[Name, VenueSettings]
    limits: RiskSettings
    defaults: Defaults
    assets: dict[Asset, Scale]
    """Decimals of an asset's minor unit; what is not named has 8."""
    roster: Roster
    monitors: MonitorSettings = MonitorSettings()
