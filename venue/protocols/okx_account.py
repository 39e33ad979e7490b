"""The account: balances, positions, leverage, modes, bills, fees. One trading account, in net mode.

Everything lies in the trading account; the funding account is empty. What the box's administration
pays in or out comes as a transfer between the two.
"""

from venue.accounts import Account
from venue.instruments import MalformedNumberError, format_units
from venue.listing import Listing
from venue.orders import BUY, LedgerEntry
from venue.positions import liquidation_ticks
from venue.protocols.okx_errors import (
    LEVERAGE_REFUSALS,
    OkxError,
    empty,
    incorrect,
    refused,
)
from venue.protocols.okx_names import (
    SPOT,
    SWAP,
    decimal,
    inst_id,
    inst_type,
    milliseconds,
    trimmed,
)
from venue.protocols.okx_public import PAGE_MAX, Json, Parameters, page_size
from venue.protocols.okx_trade import Query, Rows, TradeEndpoints, chosen, id_span, time_span
from venue.refusals import RefusedError

PPM_DECIMALS = 6
RATIO_DECIMALS = 4
MODES = ("cross", "isolated")
# (type, subtype) of bills; a trade's subtype follows its side, funding's its sign.
_BILLS = {
    "trade": ("2", "1"),
    "deposit": ("1", "11"),
    "withdrawal": ("1", "12"),
    "funding": ("8", "173"),
    "insurance": ("10", "117"),
}


class AccountEndpoints:
    """Queries, and changes of settings; the caller has authenticated and advanced the market."""

    def __init__(self, trade: TradeEndpoints) -> None:
        self._trade = trade
        self._engine = trade.engine
        self._exchange = trade.exchange
        self._derivatives = trade.exchange.derivatives
        self._records = trade.records
        self._public = trade.public
        self.queries: dict[str, Query] = {
            "account/balance": self._balance,
            "account/positions": self._positions,
            "account/config": self._config,
            "account/leverage-info": self._leverage_info,
            "account/trade-fee": self._trade_fee,
            "account/bills": self._bills,
            "account/bills-archive": self._bills,
            "account/instruments": self._instruments,
            "asset/currencies": self._currencies,
            "asset/balances": self._funding_balances,
        }
        self.acts: dict[str, Query] = {
            "account/set-leverage": self._set_leverage,
            "account/set-position-mode": self._set_position_mode,
            "account/position/margin-balance": self._margin_balance,
            "trade/cancel-all-after": trade.cancel_all_after,
        }

    # --- balances ------------------------------------------------------------------------------

    def _balance(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        names = [each for each in given.get("ccy", "").split(",") if each]
        return [self.balance(account, names, now_ns)]

    def balance(self, account: Account, names: list[str], now_ns: int) -> Json:
        """Return the account with its assets, of `names` if there are any."""
        details = [
            self._detail(account, name, now_ns)
            for name in self._engine.assets
            if name in account.balances and name in (names or (name,))
        ]
        return {
            "adjEq": "",
            "availEq": "",
            "details": details,
            "imr": "",
            "isoEq": "0",
            "mgnRatio": "",
            "mmr": "",
            "notionalUsd": "",
            "ordFroz": "",
            "totalEq": "",
            "uTime": milliseconds(now_ns),
            "upl": "",
        }

    def cash(self, account: Account, name: str) -> str:
        """Return the balance of an asset without profits of positions."""
        return decimal(account.balances.get(name, 0), self._engine.assets[name].decimals)

    def _detail(self, account: Account, name: str, now_ns: int) -> Json:
        asset = self._engine.assets[name]
        positions = list(self._derivatives.positions_of(account.number, name))
        profit = sum(map(self._derivatives.unrealised_units, positions))
        isolated = sum(
            self._derivatives.margin_units(each) for each in positions if each.is_isolated
        )
        cash = account.balances.get(name, 0)
        free = max(0, self._exchange.funds.available_units(account, name))

        def text(units: int) -> str:
            return decimal(units, asset.decimals)

        return {
            "availBal": text(free),
            "availEq": text(free),
            "cashBal": text(cash),
            "ccy": name,
            "crossLiab": "",
            "eq": text(cash + profit),
            "eqUsd": "",
            "fixedBal": "0",
            "frozenBal": text(cash + profit - free),
            "interest": "",
            "isoEq": text(isolated),
            "liab": "",
            "ordFrozen": text(account.holds.get(name, 0)),
            "uTime": milliseconds(now_ns),
            "upl": text(profit),
        }

    def _funding_balances(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        return []

    # --- positions -----------------------------------------------------------------------------

    def _positions(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        names = [each for each in given.get("instId", "").split(",") if each]
        wanted = self._public.wanted({**given, "instId": ""})
        return [
            self.position(account, each, now_ns)
            for each in wanted
            if each.instrument.contract is not None
            and inst_id(each.instrument) in (names or (inst_id(each.instrument),))
            and self._derivatives.position(account.number, each.symbol).lots
        ]

    def position(self, account: Account, listing: Listing, now_ns: int) -> Json:
        """Return a position, with no contracts where it was closed."""
        instrument, derivatives = listing.instrument, self._derivatives
        contract = instrument.contract
        assert contract is not None, "pairs have no positions"
        position = derivatives.position(account.number, listing.symbol)
        numbers = self._public.numbers[listing.symbol]
        mark = derivatives.mark_ticks(listing.symbol)
        margin = derivatives.margin_units(position)
        profit = derivatives.unrealised_units(position)
        quote = instrument.quote.name
        backing = margin if position.is_isolated else account.available_units(quote)
        ratio = profit * 10**RATIO_DECIMALS // margin if margin else 0
        sign = "-" if position.lots < 0 else ""
        maintenance = derivatives.maintenance_units(position)
        equity = margin if position.is_isolated else account.balances.get(quote, 0)
        fraction = (equity + profit) * 10**RATIO_DECIMALS // maintenance if maintenance else 0
        liquidation = liquidation_ticks(instrument, position, backing)
        return {
            "adl": "1",
            "availPos": "",
            "avgPx": numbers.average(abs(position.cost_units), abs(position.lots)),
            "cTime": milliseconds(position.changed_ns),
            "ccy": quote,
            "fundingFee": numbers.quote(position.funding_units),
            "idxPx": numbers.price(derivatives.index_ticks(listing.symbol)),
            "imr": "" if position.is_isolated else numbers.quote(margin),
            "instId": inst_id(instrument),
            "instType": SWAP,
            "interest": "",
            "last": numbers.price(listing.last_ticks),
            "lever": str(position.leverage),
            "liqPx": numbers.price(liquidation) if liquidation else "",
            "margin": numbers.quote(margin) if position.is_isolated else "",
            "markPx": numbers.price(mark),
            "mgnMode": "isolated" if position.is_isolated else "cross",
            "mgnRatio": decimal(fraction, RATIO_DECIMALS) if fraction else "",
            "mmr": numbers.quote(maintenance),
            "notionalUsd": numbers.quote(derivatives.notional_units(position)),
            "pos": sign + numbers.size(abs(position.lots)),
            "posCcy": "",
            "posId": str(self._public.codes[inst_id(instrument)]),
            "posSide": "net",
            "realizedPnl": numbers.quote(position.realised_units + position.funding_units),
            "tradeId": "",
            "uTime": milliseconds(position.changed_ns),
            "upl": numbers.quote(profit),
            "uplRatio": trimmed(format_units(ratio, RATIO_DECIMALS)),
        }

    # --- settings ------------------------------------------------------------------------------

    def _config(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        return [
            {
                "acctLv": "2",
                "acctStpMode": "cancel_maker",
                "autoLoan": False,
                "ctIsoMode": "automatic",
                "greeksType": "PA",
                "ip": "",
                "label": account.name,
                "level": "Lv1",
                "mainUid": str(account.number),
                "mgnIsoMode": "automatic",
                "perm": "read_only,trade" if account.may_trade else "read_only",
                "posMode": "net_mode",
                "type": "0",
                "uid": str(account.number),
            }
        ]

    def _leverage_info(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        mode = _mode(given)
        rows: Rows = []
        for name in given.get("instId", "").split(","):
            listing = self._public.perpetual_of({"instId": name})
            position = self._derivatives.position(account.number, listing.symbol)
            rows.append(_leverage_row(name, mode, position.leverage))
        return rows

    def _set_leverage(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        """Set leverage and margin mode of a perpetual."""
        listing = self._public.perpetual_of(given)
        mode, text = _mode(given), given.get("lever", "")
        if given.get("posSide", "net") not in ("", "net"):
            raise incorrect("posSide")
        if not (text.isascii() and text.isdigit() and len(text) <= len("125")):
            raise incorrect("lever")
        try:
            isolated = mode == "isolated"
            self._derivatives.set_isolated(account, listing.symbol, isolated=isolated)
            self._exchange.set_leverage(account, listing.symbol, int(text))
        except RefusedError as error:
            raise refused(error.refusal, LEVERAGE_REFUSALS) from error
        return [_leverage_row(given["instId"], mode, int(text))]

    def _set_position_mode(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        """Take net mode, which there is; refuse hedge mode, which the box has not."""
        mode = given.get("posMode", "")
        if mode == "net_mode":
            return [{"posMode": mode}]
        if mode != "long_short_mode":
            raise incorrect("posMode")
        raise OkxError("51010", "Request unsupported under current account mode")

    def _margin_balance(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        """Add margin to an isolated position, or take some of what was added."""
        listing = self._public.perpetual_of(given)
        kind, text = given.get("type", ""), given.get("amt", "")
        if kind not in ("add", "reduce"):
            raise incorrect("type")
        try:
            units = listing.instrument.quote.parse(text)
        except MalformedNumberError as error:
            raise incorrect("amt") from error
        try:
            self._exchange.add_margin(account, listing.symbol, units if kind == "add" else -units)
        except RefusedError as error:
            raise OkxError("59300", "Margin call failed. Position does not exist.") from error
        position = self._derivatives.position(account.number, listing.symbol)
        return [
            {
                "amt": text,
                "ccy": listing.instrument.quote.name,
                "instId": given["instId"],
                "leverage": str(position.leverage),
                "posSide": "net",
                "type": kind,
            }
        ]

    # --- fees, bills, coins --------------------------------------------------------------------

    def _trade_fee(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        kind = given.get("instType", "")
        if kind not in (SPOT, SWAP):
            raise incorrect("instType") if kind else empty("instType")
        maker = "-" + trimmed(format_units(account.maker_ppm, PPM_DECIMALS))
        taker = "-" + trimmed(format_units(account.taker_ppm, PPM_DECIMALS))
        is_spot = kind == SPOT
        return [
            {
                "category": "1",
                "instType": kind,
                "level": "Lv1",
                "maker": maker if is_spot else "",
                "makerU": "" if is_spot else maker,
                "taker": taker if is_spot else "",
                "takerU": "" if is_spot else taker,
                "ts": milliseconds(now_ns),
            }
        ]

    def _bills(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        """Return changes of balances, newest first."""
        span, page = time_span(given), id_span(given)
        limit = page_size(given, PAGE_MAX, PAGE_MAX)
        rows: Rows = []
        for entry in reversed(self._records.ledger.values()):
            is_mine = entry.account == account.number and span[0] <= entry.at_ns <= span[1]
            if not is_mine or not page[0] < entry.number < page[1]:
                continue
            if self._engine.is_visible(entry.at_ns, now_ns):
                rows.append(self._bill(entry))
        wanted = {name: given.get(name, "") for name in ("type", "subType", "ccy", "instType")}
        found = [
            row for row in rows if all(text in ("", row[name]) for name, text in wanted.items())
        ]
        return chosen(found, given, limit)

    def _bill(self, entry: LedgerEntry) -> Json:
        asset = self._engine.assets[entry.asset]
        kind, detail = _BILLS[entry.kind]
        fill = self._records.fills.get(entry.reference)
        symbol = fill.symbol if fill is not None else entry.reference.partition(" ")[0]
        listing = self._engine.listings.get(symbol)
        if fill is not None:
            detail = "1" if fill.side == BUY else "2"
        elif entry.kind == "funding" and entry.amount_units > 0:
            detail = "174"
        change = entry.amount_units - entry.fee_units
        return {
            "bal": decimal(entry.balance_units, asset.decimals),
            "balChg": decimal(change, asset.decimals),
            "billId": str(entry.number),
            "ccy": entry.asset,
            "clOrdId": "",
            "execType": "" if fill is None else ("M" if fill.is_maker else "T"),
            "fee": decimal(-entry.fee_units, asset.decimals),
            "from": "",
            "instId": inst_id(listing.instrument) if listing is not None else "",
            "instType": inst_type(listing.instrument) if listing is not None else "",
            "notes": "",
            "ordId": "" if fill is None else str(fill.order_number),
            "pnl": "0",
            "posBal": "0",
            "posBalChg": "0",
            "subType": detail,
            "sz": decimal(abs(entry.amount_units), asset.decimals),
            "to": "",
            "tradeId": "" if fill is None else str(fill.trade_number),
            "ts": milliseconds(entry.at_ns),
            "type": kind,
        }

    def _instruments(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        rows = self._public.methods["public/instruments"](given, now_ns)
        return [row for row in rows if isinstance(row, dict)]

    def _currencies(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        names = given.get("ccy", "").split(",")
        return [
            {
                "canDep": True,
                "canInternal": False,
                "canWd": False,
                "ccy": asset.name,
                "chain": f"{asset.name}-Box",
                "fee": "0",
                "mainNet": True,
                "maxWd": "0",
                "minDep": "0",
                "minWd": "0",
                "name": asset.name,
                "wdTickSz": str(asset.decimals),
            }
            for asset in self._engine.assets.values()
            if not names[0] or asset.name in names
        ]


def _mode(given: Parameters) -> str:
    mode = given.get("mgnMode", "")
    if mode not in MODES:
        raise incorrect("mgnMode") if mode else empty("mgnMode")
    return mode


def _leverage_row(name: str, mode: str, leverage: int) -> Json:
    return {"instId": name, "mgnMode": mode, "posSide": "net", "lever": str(leverage)}
