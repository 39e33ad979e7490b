"""An exchange over one generated market, without clock, file or socket."""

from msgspec.structs import replace

from tests.venue.boxes import Untyped
from venue.accounts import account_from
from venue.config import AccountConfig, MarketConfig, PerpetualConfig, instrument_of
from venue.exchange import Exchange
from venue.listing import Listing
from venue.market import GeneratedMarket, MarketSpec
from venue.matching import OrderBook
from venue.orders import BUY, OrderRequest
from venue.records import Records
from venue.rules import KRAKEN_RULES, Rules

SECOND_NS = 1_000_000_000
EPOCH_NS = 1_700_000_000 * SECOND_NS
SYMBOL = "ETH/USDT"
PERPETUAL = "ETH/USDT:USDT"
SPEC = MarketSpec(events_per_second=50, taker_probability=0.2)
MARKET = MarketConfig(spec=SPEC)
UNITS = 10**8


def make_exchange(
    *,
    quiet: bool = False,
    accounts: int = 2,
    perpetual: PerpetualConfig | None = None,
    rules: Rules = KRAKEN_RULES,
) -> Exchange:
    """Return an exchange whose accounts 1, 2, … own 100 000 USDT and 50 ETH each.

    `quiet` leaves the book empty: nobody but the accounts. With `perpetual` it lists PERPETUAL
    instead of SYMBOL.
    """
    symbol = SYMBOL if perpetual is None else PERPETUAL
    spec = replace(SPEC, symbol=symbol)
    instrument = instrument_of(MarketConfig(spec=spec, perpetual=perpetual))
    market = GeneratedMarket(SPEC, EPOCH_NS if not quiet else EPOCH_NS * 2)
    book = OrderBook(4096) if quiet else market.rebuild(0)
    listing = Listing(instrument, market, EPOCH_NS, book, 0, 1)
    configs = [AccountConfig(name=f"a{n}", api_key=f"k{n}", api_secret="") for n in range(accounts)]
    members = [account_from(number + 1, config) for number, config in enumerate(configs)]
    records = Records(1, {}, [], [], [], [])
    for member in members:
        member.balances = records.balances.setdefault(member.number, {})
    exchange = Exchange({symbol: listing}, members, records, rules)
    for member in members:
        exchange.deposit(member, "USDT", 100_000 * UNITS, EPOCH_NS)
        exchange.deposit(member, "ETH", 50 * 10**10, EPOCH_NS)
    return exchange


def limit(side: int, price_ticks: int, lots: int, **more: Untyped) -> OrderRequest:
    return OrderRequest(SYMBOL, side, False, price_ticks, lots, **more)


def market(side: int, lots: int) -> OrderRequest:
    return OrderRequest(SYMBOL, side, True, 0, lots)


def check_invariants(exchange: Exchange) -> None:
    """Assert what must hold between any two calls."""
    records = exchange.records
    for asset in ("USDT", "ETH"):
        total = sum(balances.get(asset, 0) for balances in records.balances.values())
        assert total == 0, f"{asset} appeared or vanished"
    for account in exchange.accounts.values():
        held: dict[str, int] = {}
        for order in records.open_orders_of(account.number):
            asset = "USDT" if order.side == BUY else "ETH"
            held[asset] = held.get(asset, 0) + order.held_units
            assert order.is_waiting or exchange.is_resting(order)
        for asset in ("USDT", "ETH"):
            assert account.holds.get(asset, 0) == held.get(asset, 0)
            assert account.available_units(asset) >= 0
            entries = [
                entry
                for entry in records.ledger.values()
                if (entry.account, entry.asset) == (account.number, asset)
            ]
            moved = sum(entry.amount_units - entry.fee_units for entry in entries)
            assert moved == account.balances[asset]
            assert entries[-1].balance_units == account.balances[asset]
    for order in records.orders.values():
        fills = [records.fills[txid] for txid in order.fills]
        assert order.filled_lots == sum(fill.quantity_lots for fill in fills)
        assert order.cost_units == sum(fill.cost_units for fill in fills)
        assert order.fee_units == sum(fill.fee_units for fill in fills)
        assert order.filled_lots <= order.quantity_lots
