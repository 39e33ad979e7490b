"""Orders, executions, positions and balances as Bybit shows them, by REST and on sockets alike."""

from venue.accounts import Account
from venue.engine import Engine
from venue.instruments import format_units
from venue.listing import Listing
from venue.orders import Fill, Order
from venue.positions import Position, liquidation_ticks
from venue.protocols.bybit_names import (
    LINEAR,
    SPOT,
    Numbers,
    cancel_type,
    category_of,
    milliseconds,
    plain,
    reject_reason,
    rises,
    side_name,
    status_name,
    stop_order_type,
    symbol_id,
    time_in_force,
    venue_id,
)

Json = dict[str, object]

PPM_DECIMALS = 6
RATIO_DECIMALS = 4
_EMPTY = (
    "blockTradeId",
    "orderIv",
    "takeProfit",
    "stopLoss",
    "tpTriggerBy",
    "slTriggerBy",
    "lastPriceOnCreated",
    "placeType",
    "smpOrderId",
)


class Views:
    """Of one listing."""

    def __init__(self, engine: Engine, listing: Listing) -> None:
        self._engine = engine
        self._listing = listing
        self.category = category_of(listing)
        self.id = symbol_id(listing.instrument)
        self.numbers = Numbers(listing.instrument)

    def order_id(self, order: Order) -> str:
        """Return the id of an order."""
        return venue_id(self.category, "order", order.number)

    def ids(self, order: Order) -> Json:
        """Return what changing an order is answered with: it was taken, no more."""
        return {"orderId": self.order_id(order), "orderLinkId": order.client_order_id}

    def order(self, order: Order) -> Json:
        """Return an order."""
        row = self.ids(order) | self._terms(order) | self._progress(order)
        if self.category == SPOT:
            return row | ({"marketUnit": "baseCoin"} if order.is_market else {})
        row |= {"tpslMode": "", "tpLimitPrice": "", "slLimitPrice": ""}
        if order.trigger_ticks:
            by = "MarkPrice" if order.trigger_by.value == "mark" else "LastPrice"
            row |= {"triggerDirection": 1 if rises(order) else 2, "triggerBy": by}
        return row

    def _terms(self, order: Order) -> Json:
        numbers = self.numbers
        return {
            "symbol": self.id,
            "side": side_name(order.side),
            "orderType": "Market" if order.is_market else "Limit",
            "price": numbers.price(order.price_ticks),
            "qty": numbers.quantity(order.quantity_lots),
            "timeInForce": time_in_force(order),
            "stopOrderType": stop_order_type(order),
            "triggerPrice": numbers.price(order.trigger_ticks) if order.trigger_ticks else "",
            "triggerDirection": 0,
            "triggerBy": "",
            "reduceOnly": order.reduce_only,
            "closeOnTrigger": False,
            "positionIdx": 0,
            "isLeverage": "0" if self.category == SPOT else "",
            "createType": "CreateByUser",
            # What Bybit has beside that, and the box does not.
            **dict.fromkeys(_EMPTY, ""),
            "smpType": "None",
            "smpGroup": 0,
        }

    def _progress(self, order: Order) -> Json:
        numbers = self.numbers
        left_lots = order.remaining_lots if order.is_open else 0
        left_cost = self._listing.instrument.cost_units(order.price_ticks, left_lots)
        fee = self.fee_text(order, order.fee_units)
        return {
            "orderStatus": status_name(order, self.category),
            "cancelType": cancel_type(order),
            "rejectReason": reject_reason(order),
            "avgPrice": numbers.average(order.cost_units, order.filled_lots),
            "leavesQty": numbers.quantity(left_lots),
            "leavesValue": numbers.quote(left_cost),
            "cumExecQty": numbers.quantity(order.filled_lots),
            "cumExecValue": numbers.quote(order.cost_units),
            "cumExecFee": fee,
            "cumFeeDetail": {self._fee_asset(order): fee} if order.filled_lots else {},
            "createdTime": milliseconds(order.opened_ns),
            "updatedTime": milliseconds(order.changed_ns),
        }

    def fill(self, fill: Fill, order: Order | None) -> Json:
        """Return an execution; what is told of its order is left out once that is forgotten."""
        numbers = self.numbers
        account = self._engine.exchange.accounts[fill.account]
        is_contract = self.category == LINEAR
        rate_ppm = account.rate_ppm(is_contract=is_contract, is_maker=fill.is_maker)
        asset = self._engine.assets[fill.fee_asset]
        row: Json = {
            "symbol": self.id,
            "orderId": venue_id(self.category, "order", fill.order_number),
            "orderLinkId": order.client_order_id if order else "",
            "side": side_name(fill.side),
            "orderPrice": numbers.price(order.price_ticks if order else 0),
            "orderQty": numbers.quantity(order.quantity_lots if order else 0),
            "leavesQty": numbers.quantity(order.remaining_lots if order else 0),
            "createType": "CreateByUser",
            "orderType": "Market" if fill.is_market else "Limit",
            "stopOrderType": stop_order_type(order) if order else "",
            "execFee": format_units(fill.fee_units, asset.decimals),
            "execId": venue_id(self.category, "exec", fill.number),
            "execPrice": numbers.price(fill.price_ticks),
            "execQty": numbers.quantity(fill.quantity_lots),
            "execType": "Trade",
            "execValue": numbers.quote(fill.cost_units),
            "execTime": milliseconds(fill.at_ns),
            "feeCurrency": fill.fee_asset,
            "isMaker": fill.is_maker,
            "feeRate": format_units(rate_ppm, PPM_DECIMALS),
            "tradeIv": "",
            "markIv": "",
            "markPrice": "",
            "indexPrice": "",
            "underlyingPrice": "",
            "blockTradeId": "",
            "closedSize": "",
            "marketUnit": "",
            "seq": fill.number,
        }
        if self.category == LINEAR:
            row["execPnl"] = numbers.quote(fill.realised_units)
        return row

    def fee_text(self, order: Order, units: int) -> str:
        """Return a fee in the asset in which the order pays it."""
        return plain(units, self._engine.assets[self._fee_asset(order)].decimals)

    def _fee_asset(self, order: Order) -> str:
        return self._engine.exchange.funds.fee_asset(order)

    def position(self, account: Account, position: Position) -> Json:
        """Return a position, or that there is none."""
        derivatives, numbers = self._engine.exchange.derivatives, self.numbers
        instrument = self._listing.instrument
        margin = derivatives.margin_units(position)
        unrealised = derivatives.unrealised_units(position)
        backing = margin
        if not position.is_isolated:
            quote = instrument.quote.name
            backing = account.balances.get(quote, 0) - account.holds.get(quote, 0)
        side = {1: "Buy", -1: "Sell"}.get((position.lots > 0) - (position.lots < 0), "")
        end_ticks = liquidation_ticks(instrument, position, backing) if position.lots else 0
        return {
            "positionIdx": 0,
            "riskId": 1,
            "riskLimitValue": "2000000",
            "symbol": self.id,
            "side": side,
            "size": numbers.quantity(abs(position.lots)),
            "avgPrice": numbers.average(abs(position.cost_units), abs(position.lots)) or "0",
            "positionValue": numbers.quote(abs(position.cost_units)),
            "tradeMode": int(position.is_isolated),
            "positionStatus": "Normal",
            "autoAddMargin": 0,
            "adlRankIndicator": 0,
            "leverage": str(position.leverage),
            "positionBalance": numbers.quote(margin if position.is_isolated else 0),
            "markPrice": numbers.price(derivatives.mark_ticks(position.symbol)),
            "liqPrice": numbers.price(end_ticks) if end_ticks else "",
            "bustPrice": "",
            "positionMM": numbers.quote(derivatives.maintenance_units(position)),
            "positionIM": numbers.quote(margin),
            "tpslMode": "Full",
            "takeProfit": "",
            "stopLoss": "",
            "trailingStop": "0",
            "unrealisedPnl": numbers.quote(unrealised),
            "curRealisedPnl": numbers.quote(position.realised_units),
            "cumRealisedPnl": numbers.quote(position.realised_units),
            "sessionAvgPrice": "",
            "isReduceOnly": False,
            "mmrSysUpdatedTime": "",
            "leverageSysUpdatedTime": "",
            "createdTime": milliseconds(position.changed_ns),
            "updatedTime": milliseconds(position.changed_ns),
            "seq": 0,
        }


class Wallet:
    """The unified account's balances. Totals are in USD, of which every quote asset is one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def row(self, account: Account, names: list[str]) -> Json:
        """Return an account with these coins."""
        derivatives = self._engine.exchange.derivatives
        quotes = {each.instrument.quote.name for each in self._engine.listings.values()}
        equity, margin, maintenance, unrealised, free = 0, 0, 0, 0, 0
        coins = [self._coin(account, name) for name in names]
        for name in quotes & account.balances.keys():
            scale = 10 ** (8 - self._engine.assets[name].decimals)
            positions = list(derivatives.positions_of(account.number, name))
            own = sum(map(derivatives.unrealised_units, positions))
            equity += (account.balances[name] + own) * scale
            unrealised += own * scale
            margin += sum(map(derivatives.margin_units, positions)) * scale
            maintenance += sum(map(derivatives.maintenance_units, positions)) * scale
            free += self._engine.exchange.funds.available_units(account, name) * scale
        return {
            "accountType": "UNIFIED",
            "accountLTV": "0",
            "accountIMRate": _ratio(margin, equity),
            "accountMMRate": _ratio(maintenance, equity),
            "totalEquity": plain(equity, 8),
            "totalWalletBalance": plain(equity - unrealised, 8),
            "totalMarginBalance": plain(equity, 8),
            "totalAvailableBalance": plain(max(0, free), 8),
            "totalPerpUPL": plain(unrealised, 8),
            "totalInitialMargin": plain(margin, 8),
            "totalMaintenanceMargin": plain(maintenance, 8),
            "coin": coins,
        }

    def _coin(self, account: Account, name: str) -> Json:
        derivatives, asset = self._engine.exchange.derivatives, self._engine.assets[name]
        positions = list(derivatives.positions_of(account.number, name))
        unrealised = sum(map(derivatives.unrealised_units, positions))
        balance = account.balances.get(name, 0)

        def text(units: int) -> str:
            return plain(units, asset.decimals)

        # What spot orders hold is `locked`, what linear orders do is margin.
        margin, locked = self._held(account, name)
        return {
            "coin": name,
            "equity": text(balance + unrealised),
            "usdValue": text(balance + unrealised),
            "walletBalance": text(balance),
            "locked": text(locked),
            "spotHedgingQty": "0",
            "borrowAmount": "0",
            "availableToBorrow": "",
            # As at Bybit since 2025: what may be used is told for the account only.
            "availableToWithdraw": "",
            "accruedInterest": "0",
            "totalOrderIM": text(margin),
            "totalPositionIM": text(sum(map(derivatives.margin_units, positions))),
            "totalPositionMM": text(sum(map(derivatives.maintenance_units, positions))),
            "unrealisedPnl": text(unrealised),
            "cumRealisedPnl": "0",
            "bonus": "0",
            "collateralSwitch": True,
            "marginCollateral": True,
        }

    def _held(self, account: Account, name: str) -> tuple[int, int]:
        margin = sum(
            order.held_units
            for order in self._engine.records.open_orders_of(account.number)
            for instrument in [self._engine.listings[order.symbol].instrument]
            if instrument.contract is not None and instrument.quote.name == name
        )
        return margin, account.holds.get(name, 0) - margin


def _ratio(part: int, whole: int) -> str:
    return format_units(part * 10**RATIO_DECIMALS // whole if whole > 0 else 0, RATIO_DECIMALS)
