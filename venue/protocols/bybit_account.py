"""The unified account: its key, balances, fees and coins; positions, leverage and margin mode."""

from collections.abc import Mapping

from venue.accounts import Account
from venue.engine import Engine
from venue.instruments import MalformedNumberError, format_units
from venue.listing import Listing
from venue.orders import LedgerEntry
from venue.protocols.bybit_errors import BybitError, parameter
from venue.protocols.bybit_names import LINEAR, milliseconds, plain, side_name
from venue.protocols.bybit_private import Method, limit_of, page_of, span_of
from venue.protocols.bybit_public import PublicEndpoints, required, whole_number
from venue.protocols.bybit_views import PPM_DECIMALS, Views, Wallet
from venue.refusals import Refusal, RefusedError

Json = dict[str, object]
Parameters = Mapping[str, str]

CROSS, ISOLATED, PORTFOLIO = "REGULAR_MARGIN", "ISOLATED_MARGIN", "PORTFOLIO_MARGIN"
ONE_WAY = "0"
LOG_MAX, LOG_DEFAULT = 50, 20
_LOGGED = {
    "deposit": "TRANSFER_IN",
    "withdrawal": "TRANSFER_OUT",
    "funding": "SETTLEMENT",
    "insurance": "BONUS",
}
UTA_2_PRO = 6


class AccountEndpoints:
    """The caller has authenticated and advanced the market."""

    def __init__(self, engine: Engine, public: PublicEndpoints, views: dict[str, Views]) -> None:
        self._engine = engine
        self._public = public
        self._views = views
        self._derivatives = engine.exchange.derivatives
        self.wallet = Wallet(engine)
        self.methods: dict[tuple[str, str], Method] = {
            ("GET", "user/query-api"): self._key,
            ("GET", "account/info"): self._info,
            ("GET", "account/wallet-balance"): self._wallet_balance,
            ("GET", "account/fee-rate"): self._fee_rates,
            ("GET", "account/transaction-log"): self._log,
            ("POST", "account/set-margin-mode"): self._set_margin_mode,
            ("GET", "asset/coin/query-info"): self._coins,
            ("GET", "asset/deposit/query-record"): self._deposits,
            ("GET", "asset/withdraw/query-record"): self._withdrawals,
            ("GET", "position/list"): self._positions,
            ("POST", "position/set-leverage"): self._set_leverage,
            ("POST", "position/switch-mode"): self._switch_mode,
            ("POST", "position/switch-isolated"): self._switch_isolated,
            ("POST", "position/add-margin"): self._add_margin,
        }

    # --- the account ---------------------------------------------------------------------------

    def _key(self, account: Account, given: Parameters, now_ns: int) -> Json:
        trading = ["Order", "Position"] if account.may_trade else []
        return {
            "id": str(account.number),
            "note": account.name,
            "apiKey": account.api_key,
            "readOnly": int(not account.may_trade),
            "secret": "",
            "permissions": {"ContractTrade": trading, "Spot": ["SpotTrade"], "Wallet": []},
            "ips": ["*"],
            "type": 1,
            "expiredAt": "2100-01-01T00:00:00Z",
            "createdAt": "2020-01-01T00:00:00Z",
            "unified": 0,
            "uta": 1,
            "userID": account.number,
            "inviterID": 0,
            "vipLevel": "No VIP",
            "isMaster": True,
        }

    def _info(self, account: Account, given: Parameters, now_ns: int) -> Json:
        return {
            "marginMode": ISOLATED if self._is_isolated(account) else CROSS,
            "updatedTime": milliseconds(now_ns),
            "unifiedMarginStatus": UTA_2_PRO,
            "dcpStatus": "OFF",
            "timeWindow": 10,
            "smpGroup": 0,
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
        }

    def _wallet_balance(self, account: Account, given: Parameters, now_ns: int) -> Json:
        if required(given, "accountType") != "UNIFIED":
            raise BybitError(10001, "accountType only support UNIFIED.")
        wanted = [name for name in given.get("coin", "").split(",") if name]
        names = wanted or [name for name in self._engine.assets if account.balances.get(name)]
        unknown = [name for name in names if name not in self._engine.assets]
        if unknown:
            raise parameter(f"coin {unknown[0]} invalid")
        return {"list": [self.wallet.row(account, names)]}

    def _fee_rates(self, account: Account, given: Parameters, now_ns: int) -> Json:
        category = self._public.category(given)
        listings = self._public.listings_of(category)
        if given.get("symbol"):
            listings = [self._public.listing_of(given)]
        is_contract = category == LINEAR
        maker, taker = (
            format_units(account.rate_ppm(is_contract=is_contract, is_maker=is_maker), PPM_DECIMALS)
            for is_maker in (True, False)
        )
        rows = [
            {
                "symbol": self._views[each.symbol].id,
                "baseCoin": "",
                "takerFeeRate": taker,
                "makerFeeRate": maker,
            }
            for each in listings
        ]
        return {"category": category, "list": rows}

    def _log(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Return every change of a balance, newest first."""
        start_ns, end_ns = span_of(given, now_ns)
        wanted, coin = given.get("type", ""), given.get("currency", "")
        rows: list[tuple[int, Json]] = []
        for entry in reversed(self._engine.records.ledger.values()):
            kind = _LOGGED.get(entry.kind, "TRADE")
            if (
                entry.account == account.number
                and wanted in ("", kind)
                and coin in ("", entry.asset)
                and start_ns <= entry.at_ns < end_ns
                and self._engine.is_visible(entry.at_ns, now_ns)
            ):
                rows.append((entry.number, self._log_row(entry, kind)))
        return page_of(rows, given, limit_of(given, LOG_DEFAULT, LOG_MAX))

    def _log_row(self, entry: LedgerEntry, kind: str) -> Json:
        decimals = self._engine.assets[entry.asset].decimals
        fill = self._engine.records.fills.get(entry.reference)
        symbol = fill.symbol if fill is not None else entry.reference.partition(" ")[0]
        views = self._views.get(symbol)
        change = entry.amount_units - entry.fee_units
        return {
            "id": entry.txid,
            "symbol": views.id if views is not None else "",
            "category": views.category if views is not None else "",
            "side": side_name(fill.side) if fill is not None else "None",
            "transactionTime": milliseconds(entry.at_ns),
            "type": kind,
            "currency": entry.asset,
            "cashFlow": plain(entry.amount_units, decimals),
            "fee": plain(entry.fee_units, decimals),
            "change": plain(change, decimals),
            "cashBalance": plain(entry.balance_units, decimals),
            "tradeId": entry.reference if fill is not None else "",
        }

    # --- the wallet ----------------------------------------------------------------------------

    def _coins(self, account: Account, given: Parameters, now_ns: int) -> Json:
        rows = [
            {
                "name": name,
                "coin": name,
                "remainAmount": "0",
                "chains": [
                    {
                        "chain": "BOX",
                        "chainType": "Box",
                        "chainDeposit": "0",
                        "chainWithdraw": "0",
                        "confirmation": "1",
                        "minAccuracy": str(asset.decimals),
                        "withdrawFee": "0",
                        "depositMin": "0",
                        "withdrawMin": "0",
                        "withdrawPercentageFee": "0",
                        "contractAddress": "",
                    }
                ],
            }
            for name, asset in self._engine.assets.items()
        ]
        return {"rows": rows}

    def _deposits(self, account: Account, given: Parameters, now_ns: int) -> Json:
        rows = [
            {
                "id": entry.txid,
                "coin": entry.asset,
                "chain": "BOX",
                "amount": plain(entry.amount_units, self._engine.assets[entry.asset].decimals),
                "txID": entry.txid,
                "status": 3,
                "toAddress": "",
                "tag": "",
                "depositFee": "",
                "successAt": milliseconds(entry.at_ns),
                "confirmations": "1",
                "txIndex": "",
                "blockHash": "",
            }
            for entry in reversed(self._engine.records.ledger.values())
            if (entry.account, entry.kind) == (account.number, "deposit")
        ]
        return {"rows": rows, "nextPageCursor": ""}

    def _withdrawals(self, account: Account, given: Parameters, now_ns: int) -> Json:
        rows = [
            {
                "withdrawId": entry.txid,
                "txID": entry.txid,
                "coin": entry.asset,
                "chain": "BOX",
                "amount": plain(-entry.amount_units, self._engine.assets[entry.asset].decimals),
                "withdrawFee": "0",
                "status": "success",
                "toAddress": "",
                "tag": "",
                "withdrawType": 0,
                "createTime": milliseconds(entry.at_ns),
                "updateTime": milliseconds(entry.at_ns),
            }
            for entry in reversed(self._engine.records.ledger.values())
            if (entry.account, entry.kind) == (account.number, "withdrawal")
        ]
        return {"rows": rows, "nextPageCursor": ""}

    # --- positions -----------------------------------------------------------------------------

    def _positions(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Return the position in a symbol, open or not; without one, the open ones."""
        category = self._public.category(given)
        if given.get("symbol"):
            wanted = [self._perpetual(given)]
        else:
            if not given.get("settleCoin") and category == LINEAR:
                text = "Missing some parameters that must be filled in, symbol or settleCoin"
                raise BybitError(10001, text)
            settle = given.get("settleCoin")
            wanted = [
                each
                for each in self._public.listings_of(category)
                if category == LINEAR
                and each.instrument.quote.name == settle
                and self._derivatives.position(account.number, each.symbol).lots
            ]
        rows = [
            self._views[each.symbol].position(
                account, self._derivatives.position(account.number, each.symbol)
            )
            for each in wanted
        ]
        return {"category": category, "list": rows, "nextPageCursor": ""}

    def _set_leverage(self, account: Account, given: Parameters, now_ns: int) -> Json:
        listing = self._perpetual(given)
        buy, sell = _leverage(given, "buyLeverage"), _leverage(given, "sellLeverage")
        if buy != sell:
            raise parameter("buy leverage not equal sell leverage")
        if self._derivatives.position(account.number, listing.symbol).leverage == buy:
            raise BybitError(110043, "leverage not modified")
        self._engine.exchange.set_leverage(account, listing.symbol, buy)
        return {}

    def _switch_mode(self, account: Account, given: Parameters, now_ns: int) -> Json:
        if self._public.category(given) != LINEAR:
            raise parameter("category invalid")
        if required(given, "mode") == ONE_WAY:
            raise BybitError(110025, "Position mode is not modified")
        raise BybitError(110029, "This symbol does not support hedge mode")

    def _switch_isolated(self, account: Account, given: Parameters, now_ns: int) -> Json:
        raise BybitError(100028, "unified account is forbidden")

    def _add_margin(self, account: Account, given: Parameters, now_ns: int) -> Json:
        listing = self._perpetual(given)
        text = required(given, "margin")
        try:
            units = listing.instrument.quote.parse(text.removeprefix("-"))
        except MalformedNumberError as error:
            raise parameter("margin invalid") from error
        if not self._is_isolated(account):
            raise BybitError(110015, "The position is in cross margin mode")
        signed = -units if text.startswith("-") else units
        self._engine.exchange.add_margin(account, listing.symbol, signed)
        position = self._derivatives.position(account.number, listing.symbol)
        return {"category": LINEAR, **self._views[listing.symbol].position(account, position)}

    def _set_margin_mode(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Change the margin mode of the account: all positions have one at Bybit."""
        mode = required(given, "setMarginMode")
        if mode not in (CROSS, ISOLATED):
            raise BybitError(3400045, "Set margin mode failed")
        if (mode == ISOLATED) == self._is_isolated(account):
            raise BybitError(110026, "Cross/isolated margin mode is not modified")
        orders = self._engine.records.open_orders_of(account.number)
        if any(self._derivatives.positions_of(account.number)) or orders:
            raise RefusedError(Refusal.HAS_POSITION)
        for symbol in self._derivatives.symbols:
            self._derivatives.set_isolated(account, symbol, isolated=mode == ISOLATED)
        return {"reasons": []}

    def _is_isolated(self, account: Account) -> bool:
        return any(
            self._derivatives.position(account.number, symbol).is_isolated
            for symbol in self._derivatives.symbols
        )

    def _perpetual(self, given: Parameters) -> Listing:
        listing = self._public.listing_of(given)
        if listing.instrument.contract is None:
            raise parameter("category only support linear or inverse or option")
        return listing


def _leverage(given: Parameters, name: str) -> int:
    text = required(given, name)
    whole, _, fraction = text.partition(".")
    if fraction.strip("0"):
        raise parameter(f"{name} invalid")
    return whole_number({name: whole}, name, 0)
