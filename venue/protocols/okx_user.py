"""The private channels: sockets that are logged in, and what they are told of their account."""

from collections.abc import Callable
from copy import copy

import msgspec

from venue.accounts import Account
from venue.changes import Changes
from venue.commits import Outgoing
from venue.engine import Engine
from venue.orders import OrderStatus, Report, ReportKind
from venue.protocols.okx_account import AccountEndpoints
from venue.protocols.okx_algo import AlgoEndpoints
from venue.protocols.okx_names import SWAP, family, inst_id, inst_type, milliseconds
from venue.protocols.okx_public import INSTRUMENT_TYPES, PublicEndpoints
from venue.protocols.okx_streams import Arg, no_channel
from venue.protocols.okx_trade import TradeEndpoints, is_algo_only
from venue.streams import Streams
from venue.websocket import WebSocketSession

Json = dict[str, object]

# Channel -> the end of its address.
CHANNELS = {
    "account": "private",
    "positions": "private",
    "balance_and_position": "private",
    "orders": "private",
    "orders-algo": "business",
}
_WITH_TYPE = ("positions", "orders", "orders-algo")
_UNTOLD = (ReportKind.PENDING_NEW, ReportKind.FILLED)


class UserStreams:
    """Every socket that is logged in."""

    def __init__(
        self,
        engine: Engine,
        public: PublicEndpoints,
        trade: TradeEndpoints,
        algo: AlgoEndpoints,
        account: AccountEndpoints,
    ) -> None:
        self._engine = engine
        self._public = public
        self._trade = trade
        self._algo = algo
        self._endpoints = account
        self._accounts: dict[WebSocketSession, Account] = {}
        self.subscriptions: Streams[Arg] = Streams()
        self._tellers: dict[str, Callable[[Account, Arg, Changes], list[list[Json]]]] = {
            "account": self._balances,
            "positions": self._positions,
            "balance_and_position": self._both,
            "orders": self._orders,
            "orders-algo": self._algos,
        }

    # --- logging in ----------------------------------------------------------------------------

    def log_in(self, session: WebSocketSession, account: Account) -> None:
        """Let a socket act for an account."""
        self._accounts[session] = account

    def account_of(self, session: WebSocketSession) -> Account | None:
        """Return whose socket it is, None before it has logged in."""
        return self._accounts.get(session)

    def forget(self, session: WebSocketSession) -> None:
        """Forget a socket that is gone."""
        self._accounts.pop(session, None)
        self.subscriptions.forget(session)

    def revoke_all(self) -> None:
        """Cut everybody who is logged in, as OKX does when a key is deleted."""
        for session in list(self._accounts):
            session.abort()
            self.forget(session)

    # --- subscribing ---------------------------------------------------------------------------

    def check(self, arg: Arg, path: str) -> None:
        """Raise `OkxError` unless the channel is there, at this address."""
        if CHANNELS[arg.channel] != path:
            raise no_channel(arg)
        if arg.channel in _WITH_TYPE and arg.inst_type not in INSTRUMENT_TYPES:
            raise no_channel(arg)

    def subscribe(self, session: WebSocketSession, arg: Arg, now_ns: int) -> list[Outgoing]:
        """Add a subscription that was checked; return the snapshot that it starts with."""
        self.subscriptions.subscribe(session, arg)
        account = self._accounts[session]
        rows: list[Json] = []
        more: Json = {"eventType": "snapshot", "curPage": 1, "lastPage": True}
        if arg.channel == "account":
            names = [arg.ccy] if arg.ccy else []
            rows = [self._endpoints.balance(account, names, now_ns)]
        elif arg.channel == "positions":
            given = {"instType": arg.inst_type, "instId": arg.inst_id}
            rows = self._endpoints.queries["account/positions"](account, given, now_ns)
        elif arg.channel == "balance_and_position":
            rows, more = [self._whole(account, "snapshot", now_ns)], {}
        else:
            return []
        return [Outgoing(session, self._frame(arg, account, rows, more), arg.channel)]

    # --- telling -------------------------------------------------------------------------------

    def format_reports(self, changes: Changes) -> list[Outgoing]:
        """Return the frames that tell accounts what a turn did to them."""
        outgoing: list[Outgoing] = []
        for session, account in self._accounts.items():
            for arg in self.subscriptions.of(session):
                for rows in self._tellers[arg.channel](account, arg, changes):
                    more: Json = {"eventType": "event_update"}
                    if arg.channel in ("orders", "orders-algo", "balance_and_position"):
                        more = {}
                    frame = self._frame(arg, account, rows, more)
                    outgoing.append(Outgoing(session, frame, arg.channel))
        return outgoing

    @staticmethod
    def _frame(arg: Arg, account: Account, rows: list[Json], more: Json) -> bytes:
        return msgspec.json.encode(
            {"arg": {**arg.json(), "uid": str(account.number)}, **more, "data": rows}
        )

    def _reports(self, account: Account, arg: Arg, changes: Changes) -> list[Report]:
        return [
            report
            for report in changes.reports
            if report.order.account == account.number
            and report.kind not in _UNTOLD
            and self._is_wanted(arg, report.order.symbol)
        ]

    def _is_wanted(self, arg: Arg, symbol: str) -> bool:
        instrument = self._engine.listings[symbol].instrument
        return (
            arg.inst_type in ("ANY", inst_type(instrument))
            and arg.family in ("", family(instrument))
            and arg.inst_id in ("", inst_id(instrument))
        )

    def _orders(self, account: Account, arg: Arg, changes: Changes) -> list[list[Json]]:
        rows: list[list[Json]] = []
        for report in self._reports(account, arg, changes):
            if is_algo_only(report.order):
                continue
            told = _completed(report)
            view = self._trade.views[told.order.symbol]
            is_amended = told.kind is ReportKind.AMENDED
            row = view.told(self._trade.row(told.order), told.fill, amended=is_amended)
            rows.append([row])
        return rows

    def _algos(self, account: Account, arg: Arg, changes: Changes) -> list[list[Json]]:
        """Tell of algo orders until they fire; what becomes of them then is told as of orders."""
        return [
            [self._algo.row(report.order)]
            for report in self._reports(account, arg, changes)
            if is_algo_only(report.order) or report.kind is ReportKind.TRIGGERED
        ]

    def _balances(self, account: Account, arg: Arg, changes: Changes) -> list[list[Json]]:
        names = self._touched(account, changes)
        names = [name for name in names if arg.ccy in ("", name)]
        now_ns = self._engine.now_ns()
        return [[self._endpoints.balance(account, names, now_ns)]] if names else []

    def _touched(self, account: Account, changes: Changes) -> list[str]:
        """Return the assets of which a turn moved or reserved something."""
        names: dict[str, None] = {}
        for entry in changes.ledger:
            if entry.account == account.number:
                names[entry.asset] = None
        for report in changes.reports:
            if report.order.account == account.number:
                instrument = self._engine.listings[report.order.symbol].instrument
                names[instrument.held_asset(report.order.side).name] = None
        return [name for name in names if name in account.balances]

    def _positions(self, account: Account, arg: Arg, changes: Changes) -> list[list[Json]]:
        rows = self._changed_positions(account, changes)
        found = [row for symbol, row in rows if self._is_wanted(arg, symbol)]
        return [found] if found else []

    def _changed_positions(self, account: Account, changes: Changes) -> list[tuple[str, Json]]:
        now_ns = self._engine.now_ns()
        return [
            (
                row.symbol,
                self._endpoints.position(account, self._engine.listings[row.symbol], now_ns),
            )
            for row in changes.positions
            if row.account == account.number
        ]

    def _both(self, account: Account, arg: Arg, changes: Changes) -> list[list[Json]]:
        fills = [
            report.fill
            for report in changes.reports
            if report.order.account == account.number and report.fill is not None
        ]
        moved = any(entry.account == account.number for entry in changes.ledger)
        if not moved:
            return []
        kinds = {entry.kind for entry in changes.ledger if entry.account == account.number}
        kind = "filled" if fills else ("funding_fee" if "funding" in kinds else "transferred")
        row = self._whole(account, kind, self._engine.now_ns())
        row["trades"] = [
            {
                "instId": inst_id(self._engine.listings[fill.symbol].instrument),
                "tradeId": str(fill.trade_number),
            }
            for fill in fills
        ]
        return [[row]]

    def _whole(self, account: Account, kind: str, now_ns: int) -> Json:
        names = [name for name in self._engine.assets if name in account.balances]
        positions = self._endpoints.queries["account/positions"](
            account, {"instType": SWAP}, now_ns
        )
        fields = ("posId", "instId", "instType", "mgnMode", "posSide", "pos", "ccy", "avgPx")
        balances = [
            {
                "ccy": name,
                "cashBal": self._endpoints.cash(account, name),
                "uTime": milliseconds(now_ns),
            }
            for name in names
        ]
        return {
            "pTime": milliseconds(now_ns),
            "eventType": kind,
            "balData": balances,
            "posData": [
                {**{name: row[name] for name in fields}, "uTime": row["uTime"]} for row in positions
            ],
            "trades": [],
        }


def _completed(report: Report) -> Report:
    """Return a report whose order says filled when this trade was its last, as OKX does."""
    order = report.order
    if report.kind is not ReportKind.TRADE or order.remaining_lots or not order.is_open:
        return report
    done = copy(order)
    done.status = OrderStatus.CLOSED
    return report._replace(order=done)
