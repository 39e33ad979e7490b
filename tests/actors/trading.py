"""Figures that the tests of risk and execution share: one user, one venue, one instrument."""

from typing import Any

from msgspec.structs import replace

from messages.base import Message
from messages.market import Instrument, InstrumentListed
from messages.money import AccountConfigured, RiskAccount, RiskConfigured
from messages.orders import OrderRequest, OrderState, OrderType, Side, Terms, VenueFill, VenueOrder
from supervisor.probe import Outcome, Recorded, Sent

SECOND_NS = 1_000_000_000
START_NS = 1_000 * SECOND_NS
SYMBOL = "ETH/USDT"
LEDGER = "/users/alice/vaults/kraken-sim-usdt/ledger"
ORDERS = "/venues/kraken-sim/accounts/alice/orders"
LINE = "/venues/kraken-sim/accounts/alice/line"
RECONCILE = "/venues/kraken-sim/accounts/alice/reconcile"
SLEEVE = "/users/alice/vaults/kraken-sim-usdt/sleeves/flash"
RISK = "/risk"
ALERTS = "/alerts"

# One tick is 0.01 USDT, one lot 0.0001 ETH: 2 000.00 USDT × 1 ETH is 200_000 ticks × 10_000 lots.
INSTRUMENT = Instrument(
    symbol=SYMBOL,
    base="ETH",
    quote="USDT",
    tick="0.01",
    lot="0.0001",
    base_scale=8,
    quote_scale=6,
    quantity_lots_min=10,
    quantity_lots_max=1_000_000,
    notional_minor_min=5_000_000,
    maker_fee_ppm=1_600,
    taker_fee_ppm=2_600,
)
LISTED = InstrumentListed(venue="kraken-sim", instrument=INSTRUMENT)
RISK_ACCOUNT = RiskAccount(
    user="alice",
    venue="kraken-sim",
    orders=ORDERS,
    line=LINE,
    sleeves=(SLEEVE,),
    guarded=(LEDGER, ORDERS),
)
ACCOUNT = AccountConfigured(
    user="alice",
    venue="kraken-sim",
    environment="sim",
    line=LINE,
    orders=ORDERS,
    reconcile=RECONCILE,
    risk=RISK,
    ledgers={"kraken-sim-usdt": LEDGER},
    sleeves=(SLEEVE,),
    alerts=ALERTS,
    visibility_lag_ns=5 * SECOND_NS,
    submit_expiry_ns=10 * SECOND_NS,
    reconcile_every_ns=60 * SECOND_NS,
    vault_assets={"kraken-sim-usdt": "USDT"},
)


_RISK_CONFIGURED = RiskConfigured(
    lines=(LINE,),
    order_notional_max={"USDT": 1_000_000_000},
    position_notional_max={"USDT": 3_000_000_000},
    orders_per_minute_max=5,
    symbols_allowed={"kraken-sim": (SYMBOL,)},
    stale_ns_max=2 * SECOND_NS,
    accounts=(RISK_ACCOUNT,),
    alerts=ALERTS,
)
_TERMS = Terms(
    client_order_id="order-1",
    user="alice",
    vault="kraken-sim-usdt",
    sleeve="flash",
    venue="kraken-sim",
    environment="sim",
    symbol=SYMBOL,
    side=Side.BUY,
    type=OrderType.LIMIT,
    quantity_lots=1_000,
    limit_ticks=200_000,
    ledger=LEDGER,
)
_FILL = VenueFill(
    exec_id="e1",
    client_order_id="order-1",
    venue_order_id="V-order-1",
    symbol=SYMBOL,
    side=Side.BUY,
    price_ticks=200_000,
    quantity_lots=400,
    cost_minor=80_000_000,
    fee_minor=208_000,
    fee_asset="USDT",
    maker=False,
    at_ns=START_NS,
)
_VENUE_ORDER = VenueOrder(
    client_order_id="order-1",
    venue_order_id="V-order-1",
    symbol=SYMBOL,
    side=Side.BUY,
    type=OrderType.LIMIT,
    quantity_lots=1_000,
    limit_ticks=200_000,
    filled_lots=0,
    state=OrderState.OPEN,
)


def risk_configured(**changes: object) -> RiskConfigured:
    """Return limits: 1 000 USDT an order, 3 000 USDT a position, five orders a minute."""
    return replace(_RISK_CONFIGURED, **changes)


def terms(client_order_id: str = "order-1", **changes: object) -> Terms:
    """Return a limit buy of 0.1 ETH at 2 000.00 USDT: 200 USDT."""
    return replace(_TERMS, client_order_id=client_order_id, **changes)


def request(
    client_order_id: str = "order-1", *, reference_ticks: int = 200_000, **changes: object
) -> OrderRequest:
    """Return the ledger's request for `terms`."""
    return OrderRequest(
        terms=terms(client_order_id, **changes),
        reference_ticks=reference_ticks,
        reserved_minor=201_000_000,
        reserved_asset="USDT",
    )


def fill(exec_id: str, client_order_id: str = "order-1", **changes: object) -> VenueFill:
    """Return an execution of 0.04 ETH at 2 000.00 USDT."""
    ids = {"exec_id": exec_id, "client_order_id": client_order_id}
    named = replace(_FILL, **ids, venue_order_id=f"V-{client_order_id}")
    return replace(named, **changes)


def venue_order(client_order_id: str = "order-1", **changes: object) -> VenueOrder:
    """Return the order of `terms` as the venue tells it."""
    ids = {"client_order_id": client_order_id, "venue_order_id": f"V-{client_order_id}"}
    return replace(replace(_VENUE_ORDER, **ids), **changes)


def sent_to(outcomes: list[Outcome], address: str) -> list[Message]:
    """Return what was sent to one address, in order."""
    return [o.message for o in outcomes if isinstance(o, Sent) and o.address == address]


def rows(outcomes: list[Outcome]) -> list[Any]:
    """Return the rows that were recorded, in order."""
    return [o.row for o in outcomes if isinstance(o, Recorded)]
