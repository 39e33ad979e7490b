"""The private REST endpoints of Binance spot and Binance.US."""

from venue.accounts import Account
from venue.engine import Engine
from venue.instruments import format_units
from venue.protocols.binance_errors import BinanceError
from venue.protocols.binance_flavor import Flavor
from venue.protocols.binance_names import date_text, decimal, milliseconds, symbol_id
from venue.protocols.binance_private import Answer, Json, Method, OrderEndpoints, Parameters
from venue.protocols.binance_public import PublicEndpoints
from venue.refusals import RefusedError

PPM_DECIMALS = 6


class SpotEndpoints(OrderEndpoints):
    """By method and endpoint."""

    def __init__(self, engine: Engine, flavor: Flavor, public: PublicEndpoints) -> None:
        super().__init__(engine, flavor, public)
        self.methods: dict[tuple[str, str], Method] = {
            ("POST", "order"): self.place,
            ("POST", "order/test"): self.test_order,
            ("POST", "order/cancelReplace"): self.cancel_replace,
            ("DELETE", "order"): self.cancel,
            ("DELETE", "openOrders"): self.cancel_all,
            ("GET", "order"): self.order,
            ("GET", "openOrders"): self.open_orders,
            ("GET", "allOrders"): self.all_orders,
            ("GET", "myTrades"): self.my_trades,
            ("GET", "account"): self.account,
            ("GET", "account/commission"): self._commission,
        }
        # Of `/sapi/v1`, what ccxt asks for by itself.
        self.wallet_methods: dict[tuple[str, str], Method] = {
            ("GET", "capital/config/getall"): self._coins,
            ("GET", "margin/allPairs"): self._no_pairs,
            ("GET", "margin/isolated/allPairs"): self._no_pairs,
            ("GET", "asset/tradeFee"): self._trade_fees,
            ("GET", "account/apiRestrictions"): self._restrictions,
            ("GET", "capital/deposit/hisrec"): self._deposits,
            ("GET", "capital/withdraw/history"): self._withdrawals,
        }

    def _restrictions(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Return what the key may do."""
        return {
            "ipRestrict": False,
            "createTime": milliseconds(now_ns),
            "enableReading": True,
            "enableWithdrawals": account.may_withdraw,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": False,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableSpotAndMarginTrading": account.may_trade,
        }

    def account(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Return the balances."""
        rates = {"maker": account.maker_ppm, "taker": account.taker_ppm, "buyer": 0, "seller": 0}
        return {
            "makerCommission": account.maker_ppm // 100,
            "takerCommission": account.taker_ppm // 100,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {name: decimal(ppm, PPM_DECIMALS) for name, ppm in rates.items()},
            "canTrade": account.may_trade,
            "canWithdraw": account.may_withdraw,
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": milliseconds(now_ns),
            "accountType": "SPOT",
            "balances": [
                {
                    "asset": name,
                    "free": decimal(account.available_units(name), asset.decimals),
                    "locked": decimal(account.holds.get(name, 0), asset.decimals),
                }
                for name, asset in self.engine.assets.items()
                if name in account.balances
            ],
            "permissions": ["SPOT"],
            "uid": account.number,
        }

    def cancel_replace(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Cancel one order and place another: STOP_ON_FAILURE, or ALLOW_FAILURE."""
        mode = given.get("cancelReplaceMode", "")
        if mode not in ("STOP_ON_FAILURE", "ALLOW_FAILURE"):
            raise BinanceError(-1102, "Mandatory parameter 'cancelReplaceMode' was not sent.")
        names = {
            "symbol": given.get("symbol", ""),
            "orderId": given.get("cancelOrderId", ""),
            "origClientOrderId": given.get("cancelOrigClientOrderId", ""),
            "newClientOrderId": given.get("cancelNewClientOrderId", ""),
        }
        cancelled, cancel_error = self._attempt(self.cancel, account, names, now_ns)
        if cancel_error and mode == "STOP_ON_FAILURE":
            data: Json = {"cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED"}
            data |= {"cancelResponse": cancelled, "newOrderResponse": None}
            raise CancelReplaceError(-2022, "Order cancel-replace failed.", data)
        placed, place_error = self._attempt(self.place, account, given, now_ns)
        results: Json = {
            "cancelResult": "FAILURE" if cancel_error else "SUCCESS",
            "newOrderResult": "FAILURE" if place_error else "SUCCESS",
            "cancelResponse": cancelled,
            "newOrderResponse": placed,
        }
        if cancel_error or place_error:
            code = -2022 if cancel_error and place_error else -2021
            text = "failed" if code == -2022 else "partially failed"  # noqa: PLR2004 - as above
            raise CancelReplaceError(code, f"Order cancel-replace {text}.", results)
        return results

    def _attempt(
        self, method: Method, account: Account, given: Parameters, now_ns: int
    ) -> tuple[Answer, bool]:
        try:
            return method(account, given, now_ns), False
        except RefusedError as error:
            code, text = self.flavor.refusals[error.refusal]
            return {"code": code, "msg": text}, True
        except BinanceError as error:
            return {"code": error.code, "msg": error.text}, True

    def _commission(self, account: Account, given: Parameters, now_ns: int) -> Json:
        listing = self.public.listing_of(given)
        rates = {"maker": account.maker_ppm, "taker": account.taker_ppm, "buyer": 0, "seller": 0}
        zeros = {name: decimal(0, PPM_DECIMALS) for name in rates}
        return {
            "symbol": symbol_id(listing.instrument),
            "standardCommission": {n: decimal(ppm, PPM_DECIMALS) for n, ppm in rates.items()},
            "taxCommission": zeros,
            "discount": {"enabledForAccount": False, "enabledForSymbol": False},
        }

    # --- the wallet ----------------------------------------------------------------------------

    def _no_pairs(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        return []

    def _trade_fees(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        rows = self.public.many(
            given,
            lambda listing: {
                "symbol": symbol_id(listing.instrument),
                "makerCommission": format_units(account.maker_ppm, PPM_DECIMALS),
                "takerCommission": format_units(account.taker_ppm, PPM_DECIMALS),
            },
        )
        return rows if isinstance(rows, list) else [rows]

    def _coins(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        return [
            {
                "coin": name,
                "name": name,
                "depositAllEnable": False,
                "withdrawAllEnable": False,
                "free": decimal(account.available_units(name), asset.decimals),
                "locked": decimal(account.holds.get(name, 0), asset.decimals),
                "freeze": "0",
                "withdrawing": "0",
                "trading": True,
                "isLegalMoney": False,
                "networkList": [],
            }
            for name, asset in self.engine.assets.items()
        ]

    def _deposits(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        return [
            {
                "id": entry.txid,
                "amount": decimal(entry.amount_units, self.engine.assets[entry.asset].decimals),
                "coin": entry.asset,
                "network": "BOX",
                "status": 1,
                "address": "",
                "txId": entry.txid,
                "insertTime": milliseconds(entry.at_ns),
                "completeTime": milliseconds(entry.at_ns),
                "transferType": 0,
            }
            for entry in self.records.ledger.values()
            if (entry.account, entry.kind) == (account.number, "deposit")
        ]

    def _withdrawals(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        return [
            {
                "id": entry.txid,
                "amount": decimal(-entry.amount_units, self.engine.assets[entry.asset].decimals),
                "transactionFee": "0",
                "coin": entry.asset,
                "network": "BOX",
                "status": 6,
                "address": "",
                "txId": entry.txid,
                "applyTime": date_text(entry.at_ns),
                "completeTime": date_text(entry.at_ns),
                "transferType": 0,
            }
            for entry in self.records.ledger.values()
            if (entry.account, entry.kind) == (account.number, "withdrawal")
        ]


class CancelReplaceError(BinanceError):
    """Half of it, or nothing, was done; `data` says what."""

    def __init__(self, code: int, text: str, data: Json) -> None:
        super().__init__(code, text)
        self.data = data
