"""The REST endpoints that only USD-M has: positions, margin, funding, algo orders."""

from venue.accounts import Account
from venue.engine import Engine
from venue.instruments import MalformedNumberError, format_units
from venue.listing import Listing
from venue.orders import Order
from venue.protocols import binance_orders as parsing
from venue.protocols.binance_errors import BinanceError
from venue.protocols.binance_flavor import Flavor
from venue.protocols.binance_names import MS_NS, Numbers, decimal, milliseconds, symbol_id
from venue.protocols.binance_positions import AccountFigures
from venue.protocols.binance_private import (
    Answer,
    Json,
    Method,
    OrderEndpoints,
    Parameters,
    required,
)
from venue.protocols.binance_public import PublicEndpoints, whole_number

PPM_DECIMALS = 6
PPB_DECIMALS = 9
ROWS_MAX = 1_000
_INCOME = {
    "deposit": "TRANSFER",
    "withdrawal": "TRANSFER",
    "funding": "FUNDING_FEE",
    "insurance": "INSURANCE_CLEAR",
}


class FuturesEndpoints(OrderEndpoints):
    """By method and endpoint; versions 2 and 3 of an endpoint answer alike here."""

    def __init__(self, engine: Engine, flavor: Flavor, public: PublicEndpoints) -> None:
        super().__init__(engine, flavor, public)
        self._derivatives = engine.exchange.derivatives
        self.figures = AccountFigures(engine)
        public.methods |= {
            "premiumIndex": self._premium_index,
            "fundingRate": self._funding_rates,
            "fundingInfo": self._funding_info,
        }
        self.methods: dict[tuple[str, str], Method] = {
            ("POST", "order"): self.place,
            ("POST", "order/test"): self.test_order,
            ("PUT", "order"): self.amend,
            ("DELETE", "order"): self.cancel,
            ("DELETE", "allOpenOrders"): self.cancel_all,
            ("GET", "order"): self.order,
            ("GET", "openOrder"): self.order,
            ("GET", "openOrders"): self.open_orders,
            ("GET", "allOrders"): self.all_orders,
            ("GET", "userTrades"): self.my_trades,
            ("POST", "algoOrder"): self.place_algo,
            ("DELETE", "algoOrder"): self.cancel_algo,
            ("DELETE", "algoOpenOrders"): self._cancel_all_algo,
            ("GET", "algoOrder"): self._algo_order,
            ("GET", "openAlgoOrders"): self._open_algo_orders,
            ("GET", "allAlgoOrders"): self._all_algo_orders,
            ("GET", "account"): self.account,
            ("GET", "balance"): self.balance,
            ("GET", "positionRisk"): self.position_risk,
            ("POST", "leverage"): self._set_leverage,
            ("POST", "marginType"): self._set_margin_type,
            ("POST", "positionMargin"): self._position_margin,
            ("GET", "positionSide/dual"): self._position_mode,
            ("POST", "positionSide/dual"): self._set_position_mode,
            ("GET", "multiAssetsMargin"): self._multi_assets,
            ("GET", "leverageBracket"): self._leverage_brackets,
            ("GET", "income"): self._income,
            ("GET", "commissionRate"): self._commission_rate,
            ("GET", "symbolConfig"): self._symbol_configs,
        }

    # --- conditional orders --------------------------------------------------------------------

    def place_algo(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Place an order that waits for its trigger."""
        if given.get("algoType") != "CONDITIONAL":
            raise BinanceError(-1102, "Mandatory parameter 'algoType' was not sent.")
        listing = self.public.listing_of(given)
        request = parsing.order_request(self.flavor, self.exchange, listing, given, is_algo=True)
        order = self.exchange.place(account, request, now_ns)
        return self.views[order.symbol].algo_order(order)

    def cancel_algo(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Cancel an order that still waits."""
        order = self._named(self._waiting(account, ""), given)
        if order is None:
            raise BinanceError(-2011, "Unknown order sent.")
        self.exchange.cancel(order, now_ns)
        return {
            "algoId": order.number,
            "clientAlgoId": order.client_order_id,
            "code": "200",
            "msg": "success",
        }

    def _cancel_all_algo(self, account: Account, given: Parameters, now_ns: int) -> Json:
        for order in self._waiting(account, self.public.listing_of(given).symbol):
            self.exchange.cancel(order, now_ns)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def _algo_order(self, account: Account, given: Parameters, now_ns: int) -> Json:
        mine = (
            order
            for order in reversed(self.records.orders.values())
            if order.account == account.number and order.trigger_ticks
        )
        order = self._named(mine, given)
        if order is None or not self.engine.is_visible(order.opened_ns, now_ns):
            raise BinanceError(-2013, "Order does not exist.")
        return self.views[order.symbol].algo_order(order)

    def _open_algo_orders(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        wanted = self.public.listing_of(given).symbol if given.get("symbol") else ""
        return [
            self.views[order.symbol].algo_order(order)
            for order in self._waiting(account, wanted)
            if self.engine.is_visible(order.opened_ns, now_ns)
        ]

    def _all_algo_orders(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        orders = self.orders_of(account, self.public.listing_of(given), given, now_ns)
        return [self.views[each.symbol].algo_order(each) for each in orders if each.trigger_ticks]

    def _waiting(self, account: Account, symbol: str) -> list[Order]:
        orders = self.open_of(account)
        return [each for each in orders if each.is_waiting and symbol in ("", each.symbol)]

    def amend(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Change price and quantity of a resting limit order."""
        order = self._open_order(account, given)
        if order.is_market or order.is_waiting:
            raise BinanceError(-4176, "Only limit orders can be modified.")
        wanted = {"type": "LIMIT", "timeInForce": "GTC", **given}
        listing = self.engine.listings[order.symbol]
        request = parsing.order_request(self.flavor, self.exchange, listing, wanted)
        if request.side != order.side:
            raise BinanceError(-1117, "Invalid side.")
        self.exchange.amend(order, request.price_ticks, request.quantity_lots, now_ns)
        return self.views[order.symbol].placed(order, [], "RESULT")

    # --- the account ---------------------------------------------------------------------------

    def account(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Return assets and positions."""
        assets = [
            self.figures.asset(account, self.engine.assets[name], now_ns)
            for name in self._collaterals(account)
        ]
        names = (
            "totalInitialMargin:initialMargin",
            "totalMaintMargin:maintMargin",
            "totalWalletBalance:walletBalance",
            "totalUnrealizedProfit:unrealizedProfit",
            "totalMarginBalance:marginBalance",
            "totalPositionInitialMargin:positionInitialMargin",
            "totalOpenOrderInitialMargin:openOrderInitialMargin",
            "totalCrossWalletBalance:crossWalletBalance",
            "totalCrossUnPnl:crossUnPnl",
            "availableBalance:availableBalance",
            "maxWithdrawAmount:maxWithdrawAmount",
        )
        # Totals are in USD, of which all quote assets of a box are one as a rule.
        quote = next(iter(self.engine.listings.values())).instrument.quote
        main = self.figures.asset(account, quote, now_ns)
        totals: Json = {}
        for pair in names:
            total, _, name = pair.partition(":")
            totals[total] = main[name]
        return {
            **totals,
            "feeTier": 0,
            "canTrade": account.may_trade,
            "canDeposit": True,
            "canWithdraw": False,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "assets": assets,
            "positions": [
                {**row, "isolated": row["marginType"] == "isolated"}
                for row in self.position_risk(account, {}, now_ns)
            ],
        }

    def balance(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        """Return the assets."""
        rows = []
        for name in self._collaterals(account):
            row = self.figures.asset(account, self.engine.assets[name], now_ns)
            rows.append({**row, "accountAlias": "box", "balance": row["walletBalance"]})
        return rows

    def position_risk(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        """Return the positions; all symbols in older versions, open ones in the newest."""
        listings = self._wanted(given)
        return [
            self.figures.risk(account, each)
            for each in listings
            if self._derivatives.position(account.number, each.symbol).lots
        ]

    def _collaterals(self, account: Account) -> list[str]:
        return [name for name in self.engine.assets if name in account.balances]

    def _wanted(self, given: Parameters) -> list[Listing]:
        if given.get("symbol"):
            return [self.public.listing_of(given)]
        return list(self.engine.listings.values())

    # --- settings ------------------------------------------------------------------------------

    def _set_leverage(self, account: Account, given: Parameters, now_ns: int) -> Json:
        listing = self.public.listing_of(given)
        leverage = whole_number(given, "leverage", 0)
        self.exchange.set_leverage(account, listing.symbol, leverage)
        symbol = symbol_id(listing.instrument)
        return {"leverage": leverage, "maxNotionalValue": "1000000", "symbol": symbol}

    def _set_margin_type(self, account: Account, given: Parameters, now_ns: int) -> Json:
        listing = self.public.listing_of(given)
        wanted = given.get("marginType", "")
        if wanted not in ("ISOLATED", "CROSSED"):
            raise BinanceError(-1130, "Data sent for parameter 'marginType' is not valid.")
        isolated = wanted == "ISOLATED"
        if self._derivatives.position(account.number, listing.symbol).is_isolated == isolated:
            raise BinanceError(-4046, "No need to change margin type.")
        self._derivatives.set_isolated(account, listing.symbol, isolated=isolated)
        return {"code": 200, "msg": "success"}

    def _position_margin(self, account: Account, given: Parameters, now_ns: int) -> Json:
        listing = self.public.listing_of(given)
        try:
            units = listing.instrument.quote.parse(required(given, "amount"))
        except MalformedNumberError as error:
            raise BinanceError(-1111, "Parameter 'amount' has too much precision.") from error
        kind = whole_number(given, "type", 0)
        if kind not in (1, 2):
            raise BinanceError(-1130, "Data sent for parameter 'type' is not valid.")
        self.exchange.add_margin(account, listing.symbol, units if kind == 1 else -units)
        text = decimal(units, listing.instrument.quote.decimals)
        return {
            "amount": text,
            "code": 200,
            "msg": "Successfully modify position margin.",
            "type": kind,
        }

    def _position_mode(self, account: Account, given: Parameters, now_ns: int) -> Json:
        return {"dualSidePosition": False}

    def _set_position_mode(self, account: Account, given: Parameters, now_ns: int) -> Json:
        if given.get("dualSidePosition", "").lower() == "false":
            raise BinanceError(-4059, "No need to change position side.")
        raise BinanceError(-4067, "The box has one-way positions only.")

    def _multi_assets(self, account: Account, given: Parameters, now_ns: int) -> Json:
        return {"multiAssetsMargin": False}

    def _leverage_brackets(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        rows: list[Json] = []
        for listing in self._wanted(given):
            contract = listing.instrument.contract
            assert contract is not None, "USD-M lists perpetuals only"
            bracket = {
                "bracket": 1,
                "initialLeverage": contract.leverage_max,
                "notionalCap": 1_000_000_000,
                "notionalFloor": 0,
                "maintMarginRatio": contract.maintenance_ppm / 1_000_000,
                "cum": 0.0,
            }
            rows.append({"symbol": symbol_id(listing.instrument), "brackets": [bracket]})
        return rows

    def _symbol_configs(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        rows: list[Json] = []
        for listing in self._wanted(given):
            position = self._derivatives.position(account.number, listing.symbol)
            rows.append(
                {
                    "symbol": symbol_id(listing.instrument),
                    "marginType": "ISOLATED" if position.is_isolated else "CROSSED",
                    "isAutoAddMargin": False,
                    "leverage": position.leverage,
                    "maxNotionalValue": "1000000",
                }
            )
        return rows

    # --- money that moved ----------------------------------------------------------------------

    def _income(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        wanted = given.get("incomeType", "")
        symbol = self.public.listing_of(given).symbol if given.get("symbol") else ""
        start_ns = whole_number(given, "startTime", 0) * MS_NS
        end_ns = whole_number(given, "endTime", 0) * MS_NS or 1 << 62
        rows: list[Json] = []
        for entry in self.records.ledger.values():
            if entry.account != account.number or not start_ns <= entry.at_ns <= end_ns:
                continue
            fill = self.records.fills.get(entry.reference)
            of = fill.symbol if fill is not None else entry.reference.partition(" ")[0]
            listing = self.engine.listings.get(of)
            name = symbol_id(listing.instrument) if listing is not None else ""
            if symbol and (listing is None or listing.symbol != symbol):
                continue
            parts = [(_INCOME.get(entry.kind, "REALIZED_PNL"), entry.amount_units)]
            if entry.kind == "trade":
                parts.append(("COMMISSION", -entry.fee_units))
            for kind, units in parts:
                if units and wanted in ("", kind):
                    rows.append(
                        {
                            "symbol": name,
                            "incomeType": kind,
                            "income": decimal(units, self.engine.assets[entry.asset].decimals),
                            "asset": entry.asset,
                            "time": milliseconds(entry.at_ns),
                            "info": kind,
                            "tranId": entry.number,
                            "tradeId": str(fill.trade_number) if fill is not None else "",
                        }
                    )
        limit = max(1, min(whole_number(given, "limit", 100), ROWS_MAX))
        return rows[:limit] if start_ns else rows[-limit:]

    def _commission_rate(self, account: Account, given: Parameters, now_ns: int) -> Json:
        return {
            "symbol": symbol_id(self.public.listing_of(given).instrument),
            "makerCommissionRate": format_units(account.maker_ppm, PPM_DECIMALS),
            "takerCommissionRate": format_units(account.taker_ppm, PPM_DECIMALS),
        }

    # --- public --------------------------------------------------------------------------------

    def _premium_index(self, given: Parameters, now_ns: int) -> Answer:
        return self.public.many(given, lambda listing: self.premium(listing, now_ns))

    def premium(self, listing: Listing, now_ns: int) -> Json:
        """Return mark price, index price and the coming funding."""
        numbers = Numbers(listing.instrument, is_futures=True)
        next_ns = self._derivatives.next_funding_ns(listing.symbol, now_ns)
        rate = self._derivatives.funding_rate_ppb(listing.symbol, next_ns)
        mark = self._derivatives.mark_ticks(listing.symbol)
        return {
            "symbol": symbol_id(listing.instrument),
            "markPrice": numbers.price(mark),
            "indexPrice": numbers.price(self._derivatives.index_ticks(listing.symbol)),
            "estimatedSettlePrice": numbers.price(mark),
            "lastFundingRate": decimal(rate, PPB_DECIMALS),
            "interestRate": "0.00010000",
            "nextFundingTime": milliseconds(next_ns),
            "time": milliseconds(now_ns),
        }

    def _funding_rates(self, given: Parameters, now_ns: int) -> list[Json]:
        wanted = self.public.listing_of(given).symbol if given.get("symbol") else ""
        start_ns = whole_number(given, "startTime", 0) * MS_NS
        end_ns = whole_number(given, "endTime", 0) * MS_NS or 1 << 62
        rows: list[Json] = [
            {
                "symbol": symbol_id(self.engine.listings[row.symbol].instrument),
                "fundingTime": milliseconds(row.at_ns),
                "fundingRate": decimal(row.rate_ppb, PPB_DECIMALS),
                "markPrice": self.views[row.symbol].numbers.price(row.mark_ticks),
            }
            for row in self.records.funding
            if wanted in ("", row.symbol) and start_ns <= row.at_ns <= end_ns
        ]
        limit = max(1, min(whole_number(given, "limit", 100), ROWS_MAX))
        return rows[:limit] if start_ns else rows[-limit:]

    def _funding_info(self, given: Parameters, now_ns: int) -> list[Json]:
        rows: list[Json] = []
        for listing in self.engine.listings.values():
            contract = listing.instrument.contract
            assert contract is not None, "USD-M lists perpetuals only"
            rows.append(
                {
                    "symbol": symbol_id(listing.instrument),
                    "adjustedFundingRateCap": "0.02000000",
                    "adjustedFundingRateFloor": "-0.02000000",
                    "fundingIntervalHours": max(1, contract.funding_interval_s // 3_600),
                    "disclaimer": False,
                }
            )
        return rows
