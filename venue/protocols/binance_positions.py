"""Positions, margins and balances of a USD-M account, as its REST API shows them."""

from typing import NamedTuple

from venue.accounts import Account
from venue.engine import Engine
from venue.instruments import Asset
from venue.listing import Listing
from venue.positions import Position, liquidation_ticks
from venue.protocols.binance_names import Numbers, decimal, milliseconds, symbol_id

Json = dict[str, object]


class Figures(NamedTuple):
    """What the exchange reckons of one position now, in units of quote."""

    mark_ticks: int
    unrealised: int
    notional: int
    margin: int
    maintenance: int


class Collateral(NamedTuple):
    """What the exchange reckons of one asset of an account now, in its units."""

    wallet: int
    unrealised: int
    position_margin: int
    order_margin: int
    maintenance: int
    available: int


class AccountFigures:
    """Reckons for one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._derivatives = engine.exchange.derivatives

    def of(self, position: Position) -> Figures:
        """Return the figures of a position."""
        derivatives = self._derivatives
        return Figures(
            derivatives.mark_ticks(position.symbol),
            derivatives.unrealised_units(position),
            derivatives.notional_units(position),
            derivatives.margin_units(position),
            derivatives.maintenance_units(position),
        )

    def collateral(self, account: Account, asset: str) -> Collateral:
        """Return the figures of an asset."""
        figures = [self.of(each) for each in self._derivatives.positions_of(account.number, asset)]
        return Collateral(
            account.balances.get(asset, 0),
            sum(each.unrealised for each in figures),
            sum(each.margin for each in figures),
            account.holds.get(asset, 0),
            sum(each.maintenance for each in figures),
            max(0, self._engine.exchange.funds.available_units(account, asset)),
        )

    def risk(self, account: Account, listing: Listing) -> Json:
        """Return a row of positionRisk."""
        position = self._derivatives.position(account.number, listing.symbol)
        figures, instrument = self.of(position), listing.instrument
        numbers = Numbers(instrument, is_futures=True)
        quote = instrument.quote.name
        backing = figures.margin
        if not position.is_isolated:
            whole = self.collateral(account, quote)
            backing = whole.wallet - whole.order_margin
        entry = numbers.average(abs(position.cost_units), abs(position.lots))
        sign = "-" if position.lots < 0 else ""
        isolated = numbers.quote(figures.margin if position.is_isolated else 0)
        return {
            "symbol": symbol_id(instrument),
            "positionSide": "BOTH",
            "positionAmt": sign + numbers.quantity(abs(position.lots)),
            "entryPrice": entry,
            "breakEvenPrice": entry,
            "markPrice": numbers.price(figures.mark_ticks),
            "unRealizedProfit": numbers.quote(figures.unrealised),
            "liquidationPrice": numbers.price(liquidation_ticks(instrument, position, backing)),
            "isolatedMargin": isolated,
            "notional": sign + numbers.quote(figures.notional),
            "marginAsset": quote,
            "isolatedWallet": isolated,
            "initialMargin": numbers.quote(figures.margin),
            "maintMargin": numbers.quote(figures.maintenance),
            "positionInitialMargin": numbers.quote(figures.margin),
            "openOrderInitialMargin": numbers.quote(0),
            "adl": 0,
            "bidNotional": "0",
            "askNotional": "0",
            "leverage": str(position.leverage),
            "marginType": "isolated" if position.is_isolated else "cross",
            "updateTime": milliseconds(position.changed_ns),
        }

    def asset(self, account: Account, asset: Asset, now_ns: int) -> Json:
        """Return a row of the account's assets."""
        figures = self.collateral(account, asset.name)

        def text(units: int) -> str:
            return decimal(units, asset.decimals)

        return {
            "asset": asset.name,
            "walletBalance": text(figures.wallet),
            "unrealizedProfit": text(figures.unrealised),
            "marginBalance": text(figures.wallet + figures.unrealised),
            "maintMargin": text(figures.maintenance),
            "initialMargin": text(figures.position_margin + figures.order_margin),
            "positionInitialMargin": text(figures.position_margin),
            "openOrderInitialMargin": text(figures.order_margin),
            "crossWalletBalance": text(figures.wallet),
            "crossUnPnl": text(figures.unrealised),
            "availableBalance": text(figures.available),
            "maxWithdrawAmount": text(figures.available),
            "updateTime": milliseconds(now_ns),
        }
