"""The box without any protocol: configuration and file become an exchange that moves with a clock.

On start the markets continue at the event they had reached; missed time, at most one hour of it,
is made up for with the resting orders in the books, before anybody can connect.
"""

import logging
from collections.abc import Callable
from decimal import Decimal

from supervisor.clock import NANOSECONDS_PER_SECOND, Clock
from venue.accounts import Account, account_from
from venue.changes import Changes, TermsRow
from venue.commits import CommitQueue, Outgoing
from venue.config import (
    MarketConfig,
    VenueConfig,
    VenueConfigError,
    asset_named,
    instrument_of,
)
from venue.exchange import Exchange
from venue.faults import FaultPlan
from venue.instruments import Asset
from venue.listing import MINUTES_KEPT_MAX, Listing
from venue.live import LiveMarket
from venue.market import Market, MarketSpec
from venue.matching import OrderBook
from venue.orders import Fill
from venue.records import (
    CLOSED_ORDERS_KEPT_MAX,
    FILLS_KEPT_MAX,
    LEDGER_KEPT_MAX,
    Records,
)
from venue.rules import KRAKEN_RULES, Rules
from venue.sources import GENERATED, first_epoch_ns, open_market, source_mark
from venue.storage import Storage, StoredState

# Longer absences are not lived through order by order: the market is somewhere else by then.
CATCH_UP_NS_MAX = 3_600 * NANOSECONDS_PER_SECOND
# How much of a market's progress a kill may repeat when no account did anything.
MARKET_SAVE_INTERVAL_NS = 5 * NANOSECONDS_PER_SECOND

logger = logging.getLogger("venue")

Formatter = Callable[[Changes], list[Outgoing]]


class Engine:
    """Everything behind the protocols."""

    def __init__(
        self,
        config: VenueConfig,
        clock: Clock,
        storage: Storage,
        started_ns: int,
        rules: Rules = KRAKEN_RULES,
    ) -> None:
        """Read records and catch up to `started_ns`: seconds at worst, in any thread."""
        self.config = config
        self._rules = rules
        self.clock = clock
        self.storage = storage
        self.commits = CommitQueue(storage)
        self.visibility_lag_ms = config.visibility_lag_ms
        self.faults = FaultPlan(config.seed, config.fault_profile)
        state = storage.load(CLOSED_ORDERS_KEPT_MAX, FILLS_KEPT_MAX, LEDGER_KEPT_MAX)
        self.started_ns = started_ns
        _check_known(config, state)
        self.records = Records(
            config.seed,
            state.counters,
            state.balances,
            state.orders,
            [self._with_fee_asset(fill) for fill in state.fills],
            state.ledger,
            state.positions,
            state.funding,
        )
        self._changes = Changes()
        self._market_saved_ns = self.started_ns
        self.listings = {
            market.spec.symbol: self._listing(market, state) for market in config.markets
        }
        accounts = self._accounts(state)
        self.exchange = Exchange(self.listings, accounts, self.records, rules)
        self.accounts_by_key = {account.api_key: account for account in accounts}
        self.assets = self._assets()
        self.format_reports: Formatter = _tell_nobody
        self._frames: list[Outgoing] = []
        self._halted: set[str] = set()
        self._deposit_opening_balances()
        self.exchange.advance(self.started_ns)

    def now_ns(self) -> int:
        return self.clock.now_ns()

    def advance(self) -> int:
        """Begin a turn: let the markets act up to now, and return now.

        What that did to accounts is formatted at once, so that a request of this turn which
        subscribes does not get it twice.
        """
        now_ns = self.clock.now_ns()
        self.exchange.advance(now_ns)
        self._note_halts()
        self._gather()
        return now_ns

    async def settle(self, outgoing: list[Outgoing] | None = None) -> None:
        """End a turn: commit what it changed, tell the accounts, then send `outgoing`."""
        self._gather()
        changes, self._changes = self._changes, Changes()
        frames, self._frames = self._frames, []
        self._save_markets(changes)
        await self.commits.submit(changes, frames + (outgoing or []))

    def account_named(self, name: str) -> Account | None:
        """Return the account called `name`."""
        for account in self.exchange.accounts.values():
            if account.name == name:
                return account
        return None

    def is_visible(self, since_ns: int, now_ns: int) -> bool:
        """Whether what happened at `since_ns` already shows in queries."""
        return now_ns - since_ns >= self.visibility_lag_ms * 1_000_000

    # --- the rest is private -------------------------------------------------------------------

    def _note_halts(self) -> None:
        for symbol, listing in self.listings.items():
            is_record = not isinstance(listing.market, LiveMarket)
            if is_record and listing.is_halted and symbol not in self._halted:
                self._halted.add(symbol)
                logger.warning(
                    "the record of %s is at its end: the market takes cancels only; "
                    'with at_end = "repeat" it would begin again',
                    symbol,
                )

    def _gather(self) -> None:
        """Move what the exchange changed into the turn that is going on."""
        changes = self.exchange.take_changes()
        if changes.reports or changes.ledger:
            self._frames += self.format_reports(changes)
        if not changes.is_empty:
            self._changes.add(changes)

    def _save_markets(self, changes: Changes) -> None:
        """Store the books together with the orders in them, and now and then on their own."""
        now_ns = self.clock.now_ns()
        is_due = now_ns - self._market_saved_ns >= MARKET_SAVE_INTERVAL_NS
        if not (changes.orders or is_due):
            return
        self._market_saved_ns = now_ns
        for listing in self.listings.values():
            changes.markets.append(listing.market_row())
            changes.candles.extend(listing.take_candle_rows())

    def _listing(self, config: MarketConfig, state: StoredState) -> Listing:
        instrument = instrument_of(config, self._rules.asset_decimals)
        symbol = config.spec.symbol
        row = state.markets.get(symbol)
        is_known = self._note_terms(config, state)
        seed = self.config.seed * 1_000_003 + config.spec.seed
        if row is None or not is_known:
            warm_up_ns = self.config.warm_up_s * NANOSECONDS_PER_SECOND
            epoch_ns = first_epoch_ns(config, self.started_ns, warm_up_ns)
        else:
            epoch_ns = row.epoch_ns
        market = open_market(config, instrument, seed, epoch_ns)
        if row is None:
            return Listing(instrument, market, epoch_ns, market.rebuild(0), 0, 1)
        index = market.index_at(self.started_ns - CATCH_UP_NS_MAX)
        if is_known and row.event_index >= index:
            book, index = OrderBook.restore(row.book), row.event_index
        else:
            book = self._rebuilt(market, symbol, index)
        minutes = self.storage.minutes(symbol, MINUTES_KEPT_MAX)
        return Listing(instrument, market, epoch_ns, book, index, row.next_trade_id, minutes)

    def _note_terms(self, config: MarketConfig, state: StoredState) -> bool:
        """Remember what the market's integers mean; return whether the file's index is its own."""
        spec = config.spec
        terms = TermsRow(spec.symbol, spec.tick, spec.lot, source_mark(config))
        stored = state.terms.get(spec.symbol)
        if stored == terms:
            return True
        self._changes.terms.append(terms)
        # With the terms goes the index that they give a meaning to.
        self._market_saved_ns -= MARKET_SAVE_INTERVAL_NS
        return terms.source == (GENERATED if stored is None else stored.source)

    def _rebuilt(self, market: Market, symbol: str, index: int) -> OrderBook:
        book = market.rebuild(index)
        for order in self.records.open_orders.values():
            if order.symbol == symbol and not order.is_waiting:
                book.place_resting(
                    order.book_id,
                    order.account,
                    order.side,
                    order.price_ticks,
                    order.remaining_lots,
                )
        return book

    def _with_fee_asset(self, fill: Fill) -> Fill:
        """Name the asset of a fee that was stored before it could be another than quote."""
        if fill.fee_asset:
            return fill
        (quote,) = (
            market.spec.quote for market in self.config.markets if market.spec.symbol == fill.symbol
        )
        return fill._replace(fee_asset=quote)

    def _accounts(self, state: StoredState) -> list[Account]:
        """Match configured accounts with stored ones by name; new names get new numbers."""
        stored = {row.name: row for row in state.accounts}
        highest = max((row.number for row in state.accounts), default=0)
        accounts = []
        for config in self.config.accounts:
            row = stored.get(config.name)
            if row is None:
                highest += 1
            account = account_from(
                highest if row is None else row.number,
                config,
                self._rules.fee_schedule,
                self._rules.contract_fee_schedule,
            )
            if row is not None:
                account.last_nonce = row.last_nonce
                account.cancel_after_ns = row.cancel_after_ns
            else:
                self.records.touch_account(account)
            account.balances = self.records.balances.setdefault(account.number, {})
            accounts.append(account)
        by_number = {account.number: account for account in accounts}
        for order in self.records.open_orders.values():
            owner, instrument = by_number[order.account], self.listings[order.symbol].instrument
            owner.hold(instrument.held_asset(order.side).name, order.held_units)
        self._new_accounts = [a for a in accounts if a.name not in stored]
        return accounts

    def _deposit_opening_balances(self) -> None:
        configs = {config.name: config for config in self.config.accounts}
        for account in self._new_accounts:
            for name, amount in configs[account.name].balances.items():
                units = asset_named(name, self._rules.asset_decimals).parse(amount)
                if units:
                    self.exchange.deposit(account, name, units, self.started_ns)

    def _assets(self) -> dict[str, Asset]:
        assets: dict[str, Asset] = {}
        for listing in self.listings.values():
            for asset in (listing.instrument.base, listing.instrument.quote):
                assets[asset.name] = asset
        for config in self.config.accounts:
            assets.update(
                {name: asset_named(name, self._rules.asset_decimals) for name in config.balances}
            )
        return assets


def _check_known(config: VenueConfig, state: StoredState) -> None:
    """Raise `VenueConfigError` when the file knows accounts or markets that are gone."""
    symbols = {market.spec.symbol for market in config.markets}
    names = {account.name for account in config.accounts}
    lost = [row.name for row in state.accounts if row.name not in names]
    lost += [order.symbol for order in state.orders if order.symbol not in symbols]
    if lost:
        raise VenueConfigError(
            f"{config.data_file} holds books of {', '.join(sorted(set(lost)))}, which the "
            "configuration no longer has: put them back, or name another data_file"
        )
    for market in config.markets:
        spec, terms = market.spec, state.terms.get(market.spec.symbol)
        if terms is not None and not _same_grid(terms, spec):
            raise VenueConfigError(
                f"{config.data_file} counts {spec.symbol} in ticks of {terms.tick} and lots of "
                f"{terms.lot}, the configuration in ticks of {spec.tick} and lots of {spec.lot}: "
                "put the old ones back, or name another data_file"
            )


def _same_grid(terms: TermsRow, spec: MarketSpec) -> bool:
    now, then = (spec.tick, spec.lot), (terms.tick, terms.lot)
    return all(Decimal(a) == Decimal(b) for a, b in zip(now, then, strict=True))


def _tell_nobody(changes: Changes) -> list[Outgoing]:
    return []
