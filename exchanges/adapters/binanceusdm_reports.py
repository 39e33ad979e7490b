"""USD-M's orders as rows of REST, and its error codes, in our words."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from exchanges.adapters.binance import spot_rules
from exchanges.adapters.binance_streams import STATUS, nanoseconds
from exchanges.adapters.binanceusdm_streams import ALGO_STATUS
from exchanges.errors import Code, Reason, Rule
from exchanges.types import Instrument, OrderReport

Row = Mapping[str, Any]


def usdm_rules() -> tuple[Rule, ...]:
    """Return the table of errors."""
    # Codes of USD-M. The order matters: the first match decides.
    words: list[tuple[str, Code, Reason]] = [
        (r"-2019|-4050|-4051", Code.INSUFFICIENT_FUNDS, ""),
        (r"-4116|-4111", Code.REJECTED, "duplicate_client_order_id"),
        (r"-5022", Code.REJECTED, "post_only_would_take"),
        (r"-5028", Code.REJECTED, "deadline_elapsed"),
        (r"-4164", Code.REJECTED, "minimum"),
        (r"-2025|-4045", Code.REJECTED, "limit_of_orders"),
        (r"-40(03|05|14|16|23|24)|-4131", Code.REJECTED, "off_grid"),
        (r"-4108|-4109", Code.REJECTED, "market_mode"),
        (r"-20(20|21|22|24|27)|-40(28|46|47|48|59|61|67|68)|-4136", Code.REJECTED, "other"),
    ]
    own = tuple(Rule(pattern=re.compile(p), code=c, reason=r) for p, c, r in words)
    return own + spot_rules()


def order_report(instrument: Instrument, row: Row) -> OrderReport:
    """Return an order as its row of REST has it."""
    is_market = row["type"] == "MARKET" or Decimal(row["price"]) == 0
    filled = str(row["executedQty"])
    return OrderReport(
        venue_order_id=f"{row['symbol']}-{row['orderId']}",
        client_order_id=row.get("clientOrderId") or None,
        symbol=instrument.symbol,
        side="buy" if row["side"] == "BUY" else "sell",
        type="market" if is_market else "limit",
        status=STATUS.get(row["status"], "unknown"),
        quantity=str(row["origQty"]),
        filled=filled,
        price=None if is_market else str(row["price"]),
        average_price=str(row["avgPrice"]) if Decimal(filled) else None,
        cost=str(row["cumQuote"]),
        fees=(),
        created_ns=nanoseconds(row.get("time") or row["updateTime"]),
        updated_ns=nanoseconds(row["updateTime"]),
    )


def algo_report(instrument: Instrument, row: Row) -> OrderReport:
    """Return an order that waits for its trigger, or ended without it."""
    return OrderReport(
        venue_order_id=f"{row['symbol']}-a{row['algoId']}",
        client_order_id=row.get("clientAlgoId") or None,
        symbol=instrument.symbol,
        side="buy" if row["side"] == "BUY" else "sell",
        type="market",
        status=ALGO_STATUS[row["algoStatus"]],
        quantity=str(row["quantity"]),
        filled="0",
        price=None,
        average_price=None,
        cost="0",
        fees=(),
        created_ns=nanoseconds(row["createTime"]),
        updated_ns=nanoseconds(row["updateTime"]),
    )
