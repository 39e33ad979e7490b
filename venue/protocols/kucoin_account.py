"""What needs a key and is no order: the account's balances, fees, transfers, and what it may."""

from collections.abc import Callable, Mapping

from venue.accounts import Account
from venue.engine import Engine
from venue.instruments import format_units
from venue.orders import LedgerEntry
from venue.protocols import kucoin_orders as parsing
from venue.protocols.kucoin_names import MS_NS, milliseconds
from venue.protocols.kucoin_public import Answer, Json, PublicEndpoints
from venue.protocols.kucoin_views import PPM_DECIMALS

Parameters = Mapping[str, str]
Method = Callable[[Account, Parameters, int], Answer]

ACCOUNT_TYPE = "trade_hf"
PAGE_ROWS = 50
PAGE_ROWS_MAX = 500
LEDGER_ROWS = 100
LEDGER_ROWS_MAX = 200


class AccountEndpoints:
    """By method and endpoint. The caller has authenticated and advanced the market."""

    def __init__(self, engine: Engine, public: PublicEndpoints) -> None:
        self._engine = engine
        self._records = engine.records
        self._public = public
        self.methods: dict[tuple[str, str], Method] = {
            ("GET", "market/orderbook/level2"): self._book,
            ("GET", "hf/accounts/opened"): self._opened,
            ("GET", "ua/account/mode"): self._mode,
            ("GET", "margin/symbols"): self._margin_symbols,
            ("GET", "isolated/symbols"): self._isolated_symbols,
            ("GET", "accounts"): self._accounts,
            ("GET", "hf/accounts/ledgers"): self._ledgers,
            ("GET", "base-fee"): self._base_fee,
            ("GET", "trade-fees"): self._trade_fees,
            ("GET", "deposits"): self._deposits,
            ("GET", "withdrawals"): self._withdrawals,
        }

    def _book(self, account: Account, given: Parameters, now_ns: int) -> Json:
        return self._public.book(given, now_ns)

    def _opened(self, account: Account, given: Parameters, now_ns: int) -> bool:
        """Whether the account is an upgraded one."""
        return True

    def _mode(self, account: Account, given: Parameters, now_ns: int) -> Json:
        return {"selfAccountMode": "CLASSIC"}

    def _margin_symbols(self, account: Account, given: Parameters, now_ns: int) -> Json:
        return {"timestamp": milliseconds(now_ns), "items": []}

    def _isolated_symbols(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        return []

    def _deposits(self, account: Account, given: Parameters, now_ns: int) -> Json:
        return self._moved(account, given, "deposit")

    def _withdrawals(self, account: Account, given: Parameters, now_ns: int) -> Json:
        return self._moved(account, given, "withdrawal")

    def _accounts(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        if given.get("type", ACCOUNT_TYPE) != ACCOUNT_TYPE:
            return []
        wanted = given.get("currency", "")
        return [
            {
                "id": account_id(account, name),
                "currency": name,
                "type": ACCOUNT_TYPE,
                "balance": asset.format(account.balances.get(name, 0)),
                "available": asset.format(account.available_units(name)),
                "holds": asset.format(account.holds.get(name, 0)),
            }
            for name, asset in self._engine.assets.items()
            if name in account.balances and wanted in ("", name)
        ]

    def _ledgers(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        """Return what moved the balances, newest first; `lastId` of one page asks for the next."""
        start_ns, end_ns = span(given)
        last_id = parsing.whole_number(given, "lastId", 0)
        limit = parsing.whole_number(given, "limit", LEDGER_ROWS)
        rows = [
            self._ledger(entry)
            for entry in reversed(self._records.ledger.values())
            if entry.account == account.number
            and (last_id == 0 or entry.number < last_id)
            and start_ns <= entry.at_ns < end_ns
            and given.get("bizType", "") in ("", _business(entry))
            and given.get("currency", "") in ("", entry.asset)
        ]
        return rows[: max(1, min(limit, LEDGER_ROWS_MAX))]

    def _ledger(self, entry: LedgerEntry) -> Json:
        asset = self._engine.assets[entry.asset]
        return {
            "id": str(entry.number),
            "currency": entry.asset,
            "amount": asset.format(abs(entry.amount_units)),
            "fee": asset.format(entry.fee_units),
            "tax": "0",
            "balance": asset.format(entry.balance_units),
            "accountType": "TRADE_HF",
            "bizType": _business(entry),
            "direction": "in" if entry.amount_units > 0 else "out",
            "createdAt": milliseconds(entry.at_ns),
            "context": "{}",
        }

    def _base_fee(self, account: Account, given: Parameters, now_ns: int) -> Json:
        return _rates(account)

    def _trade_fees(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        names = [name for name in given.get("symbols", "").split(",") if name]
        for name in names:
            self._public.listing_of({"symbol": name})
        return [{"symbol": name, **_rates(account)} for name in names]

    def _moved(self, account: Account, given: Parameters, kind: str) -> Json:
        start_ns, end_ns = span(given)
        entries = [
            entry
            for entry in reversed(self._records.ledger.values())
            if (entry.account, entry.kind) == (account.number, kind)
            and start_ns <= entry.at_ns < end_ns
        ]
        return page(given, [self._transfer(entry) for entry in entries])

    def _transfer(self, entry: LedgerEntry) -> Json:
        asset = self._engine.assets[entry.asset]
        return {
            "id": entry.txid,
            "currency": entry.asset,
            "chain": "box",
            "status": "SUCCESS",
            "address": "",
            "memo": "",
            "isInner": False,
            "amount": asset.format(abs(entry.amount_units)),
            "fee": "0",
            "walletTxId": entry.txid,
            "createdAt": milliseconds(entry.at_ns),
            "updatedAt": milliseconds(entry.at_ns),
            "remark": "",
        }


def account_id(account: Account, asset: str) -> str:
    """Return the id of an account's balance of one asset."""
    return f"5{account.number:07x}{asset.encode().hex()[:16]:0>16}"


def _business(entry: LedgerEntry) -> str:
    """Return KuCoin's word: what comes to an account for trading comes from another account."""
    return "TRADE_EXCHANGE" if entry.kind == "trade" else "TRANSFER"


def _rates(account: Account) -> Json:
    return {
        "takerFeeRate": format_units(account.taker_ppm, PPM_DECIMALS),
        "makerFeeRate": format_units(account.maker_ppm, PPM_DECIMALS),
    }


def span(given: Parameters) -> tuple[int, int]:
    """Return from when to before when a history is asked for, in ns."""
    end_ms = parsing.whole_number(given, "endAt", 0)
    end_ns = (end_ms + 1) * MS_NS if end_ms else 1 << 62
    return parsing.whole_number(given, "startAt", 0) * MS_NS, end_ns


def page(given: Parameters, rows: list[Json]) -> Json:
    """Return one of the numbered pages that older endpoints answer with."""
    number = max(1, parsing.whole_number(given, "currentPage", 1))
    size = min(max(1, parsing.whole_number(given, "pageSize", PAGE_ROWS)), PAGE_ROWS_MAX)
    return {
        "currentPage": number,
        "pageSize": size,
        "totalNum": len(rows),
        "totalPage": -(-len(rows) // size),
        "items": rows[(number - 1) * size : number * size],
    }
