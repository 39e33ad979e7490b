"""What the private streams say.

Spot: executionReport, outboundAccountPosition, balanceUpdate. Futures: ORDER_TRADE_UPDATE,
ALGO_UPDATE, ACCOUNT_UPDATE.
"""

from venue.changes import Changes, PositionRow
from venue.engine import Engine
from venue.orders import Order, Report, ReportKind
from venue.positions import position_of
from venue.protocols.binance_flavor import Flavor
from venue.protocols.binance_names import (
    decimal,
    futures_type,
    milliseconds,
    side_name,
    spot_type,
    status_name,
    time_in_force,
)
from venue.protocols.binance_views import Views, algo_status, client_id, working_type

Json = dict[str, object]

_EXECUTION = {
    ReportKind.NEW: "NEW",
    ReportKind.TRADE: "TRADE",
    ReportKind.CANCELED: "CANCELED",
    ReportKind.EXPIRED: "EXPIRED",
    ReportKind.AMENDED: "AMENDMENT",
}


class Events:
    """For one engine."""

    def __init__(self, engine: Engine, flavor: Flavor) -> None:
        self._engine = engine
        self._flavor = flavor
        self._views = {symbol: Views(flavor, each) for symbol, each in engine.listings.items()}

    def of_report(self, report: Report, now_ns: int) -> list[Json]:
        """Return the events of one report."""
        if not self._flavor.is_futures:
            if report.kind is ReportKind.TRIGGERED:
                return []
            return [self._execution(report, now_ns)]
        return self._futures_events(report, now_ns)

    def of_account(self, number: int, changes: Changes, now_ns: int) -> list[Json]:
        """Return the events of balances and positions."""
        if self._flavor.is_futures:
            return self._account_update(number, changes, now_ns)
        return self._account_position(number, changes, now_ns)

    # --- spot ----------------------------------------------------------------------------------

    def _execution(self, report: Report, now_ns: int) -> Json:
        order, fill, views = report.order, report.fill, self._views[report.order.symbol]
        numbers = views.numbers
        execution = _EXECUTION[report.kind]
        if execution == "CANCELED" and status_name(order).startswith("EXPIRED"):
            execution = "EXPIRED"
        is_cancel = report.kind is ReportKind.CANCELED
        return {
            "e": "executionReport",
            "E": milliseconds(now_ns),
            "s": views.id,
            "c": f"c{order.number}" if is_cancel and execution == "CANCELED" else client_id(order),
            "S": side_name(order.side),
            "o": spot_type(order),
            "f": time_in_force(order, is_futures=False),
            "q": numbers.quantity(order.quantity_lots),
            "p": numbers.price(order.price_ticks),
            "P": numbers.price(order.trigger_ticks),
            "F": numbers.quantity(0),
            "g": -1,
            "C": client_id(order) if is_cancel and execution == "CANCELED" else "",
            "x": execution,
            "X": status_name(order),
            "r": "NONE",
            "i": order.number,
            "l": numbers.quantity(fill.quantity_lots if fill else 0),
            "z": numbers.quantity(order.filled_lots),
            "L": numbers.price(fill.price_ticks if fill else 0),
            "n": views.fee(fill) if fill else "0",
            "N": fill.fee_asset if fill else None,
            "T": milliseconds(report.at_ns),
            "t": fill.trade_number if fill else -1,
            "I": fill.number if fill else order.number,
            "w": order.is_open and not order.is_waiting,
            "m": fill.is_maker if fill else False,
            "M": False,
            "O": milliseconds(order.opened_ns),
            "Z": numbers.quote(order.cost_units),
            "Y": numbers.quote(fill.cost_units if fill else 0),
            "Q": numbers.quote(0),
            "W": milliseconds(order.triggered_ns or order.opened_ns),
            "V": "EXPIRE_MAKER",
        }

    def _account_position(self, number: int, changes: Changes, now_ns: int) -> list[Json]:
        """Return all balances that orders or ledger entries of this turn may have changed."""
        names = {entry.asset for entry in changes.ledger if entry.account == number}
        for report in changes.reports:
            if report.order.account == number:
                instrument = self._engine.listings[report.order.symbol].instrument
                names |= {instrument.base.name, instrument.quote.name}
        if not names:
            return []
        account = self._engine.exchange.accounts[number]
        events: list[Json] = [
            {
                "e": "balanceUpdate",
                "E": milliseconds(now_ns),
                "a": entry.asset,
                "d": decimal(entry.amount_units, self._engine.assets[entry.asset].decimals),
                "T": milliseconds(entry.at_ns),
            }
            for entry in changes.ledger
            if entry.account == number and entry.kind in ("deposit", "withdrawal")
        ]
        balances: list[Json] = []
        for name in sorted(names):
            asset = self._engine.assets[name]
            free = decimal(account.available_units(name), asset.decimals)
            locked = decimal(account.holds.get(name, 0), asset.decimals)
            balances.append({"a": name, "f": free, "l": locked})
        now_ms = milliseconds(now_ns)
        position: Json = {"e": "outboundAccountPosition", "E": now_ms, "u": now_ms, "B": balances}
        return [*events, position]

    # --- futures -------------------------------------------------------------------------------

    def _futures_events(self, report: Report, now_ns: int) -> list[Json]:
        order = report.order
        stamp: Json = {"E": milliseconds(now_ns), "T": milliseconds(report.at_ns)}
        if order.trigger_ticks and not order.triggered_ns:
            return [{"e": "ALGO_UPDATE", **stamp, "o": self._algo(order)}]
        if report.kind is ReportKind.TRIGGERED:
            events: list[Json] = [{"e": "ALGO_UPDATE", **stamp, "o": self._algo(order)}]
            begun = report._replace(kind=ReportKind.NEW)
            return [*events, {"e": "ORDER_TRADE_UPDATE", **stamp, "o": self._order(begun)}]
        return [{"e": "ORDER_TRADE_UPDATE", **stamp, "o": self._order(report)}]

    def _order(self, report: Report) -> Json:
        order, fill, views = report.order, report.fill, self._views[report.order.symbol]
        numbers = views.numbers
        execution = _EXECUTION[report.kind]
        if execution == "CANCELED" and status_name(order).startswith("EXPIRED"):
            execution = "EXPIRED"
        data: Json = {
            "s": views.id,
            "c": client_id(order),
            "S": side_name(order.side),
            "o": "MARKET" if order.is_market else "LIMIT",
            "f": time_in_force(order, is_futures=True),
            "q": numbers.quantity(order.quantity_lots),
            "p": numbers.price(order.price_ticks),
            "ap": numbers.average(order.cost_units, order.filled_lots),
            "sp": numbers.price(order.trigger_ticks),
            "x": execution,
            "X": status_name(order),
            "i": order.number,
            "l": numbers.quantity(fill.quantity_lots if fill else 0),
            "z": numbers.quantity(order.filled_lots),
            "L": numbers.price(fill.price_ticks if fill else 0),
            "T": milliseconds(report.at_ns),
            "t": fill.trade_number if fill else 0,
            "b": "0",
            "a": "0",
            "m": fill.is_maker if fill else False,
            "R": order.reduce_only,
            "wt": working_type(order),
            "ot": futures_type(order),
            "ps": "BOTH",
            "cp": False,
            "rp": numbers.quote(fill.realised_units if fill else 0),
            "pP": False,
            "si": 0,
            "ss": 0,
            "V": "EXPIRE_MAKER",
            "pm": "NONE",
            "gtd": 0,
        }
        if fill is not None:
            data |= {"n": views.fee(fill), "N": fill.fee_asset}
        return data

    def _algo(self, order: Order) -> Json:
        views = self._views[order.symbol]
        numbers = views.numbers
        return {
            "caid": client_id(order),
            "aid": order.number,
            "at": "CONDITIONAL",
            "o": futures_type(order),
            "s": views.id,
            "S": side_name(order.side),
            "ps": "BOTH",
            "f": time_in_force(order, is_futures=True),
            "q": numbers.quantity(order.quantity_lots),
            "X": algo_status(order),
            "ai": str(order.number) if order.triggered_ns else "",
            "ap": numbers.average(order.cost_units, order.filled_lots),
            "aq": numbers.quantity(order.filled_lots),
            "act": "0",
            "tp": numbers.price(order.trigger_ticks),
            "p": numbers.price(order.price_ticks),
            "V": "EXPIRE_MAKER",
            "wt": working_type(order),
            "pm": "NONE",
            "cp": False,
            "pP": False,
            "R": order.reduce_only,
            "tt": milliseconds(order.triggered_ns),
            "gtd": 0,
        }

    def _account_update(self, number: int, changes: Changes, now_ns: int) -> list[Json]:
        entries = [entry for entry in changes.ledger if entry.account == number]
        rows = [row for row in changes.positions if row.account == number]
        if not entries:
            return []
        kinds = {entry.kind for entry in entries}
        reason = "FUNDING_FEE" if kinds == {"funding"} else "ORDER"
        if kinds & {"deposit", "withdrawal"}:
            reason = "DEPOSIT" if "deposit" in kinds else "WITHDRAW"
        # The last entry of each asset has the balance after all of them.
        last = {entry.asset: entry for entry in entries}
        balances: list[Json] = [
            {
                "a": name,
                "wb": decimal(entry.balance_units, self._engine.assets[name].decimals),
                "cw": decimal(entry.balance_units, self._engine.assets[name].decimals),
                "bc": "0",
            }
            for name, entry in last.items()
        ]
        update: Json = {"m": reason, "B": balances, "P": [self._position(row) for row in rows]}
        stamp: Json = {"E": milliseconds(now_ns), "T": milliseconds(entries[-1].at_ns)}
        return [{"e": "ACCOUNT_UPDATE", **stamp, "a": update}]

    def _position(self, row: PositionRow) -> Json:
        views = self._views[row.symbol]
        numbers, position = views.numbers, position_of(row)
        sign = "-" if row.lots < 0 else ""
        unrealised = self._engine.exchange.derivatives.unrealised_units(position)
        margin = self._engine.exchange.derivatives.margin_units(position)
        return {
            "s": views.id,
            "pa": sign + numbers.quantity(abs(row.lots)),
            "ep": numbers.average(abs(row.cost_units), abs(row.lots)),
            "bep": numbers.average(abs(row.cost_units), abs(row.lots)),
            "cr": numbers.quote(row.realised_units),
            "up": numbers.quote(unrealised),
            "mt": "isolated" if row.is_isolated else "cross",
            "iw": numbers.quote(margin if row.is_isolated else 0),
            "ps": "BOTH",
        }
