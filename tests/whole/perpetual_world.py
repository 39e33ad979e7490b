"""A bot at a standing box that speaks Binance USD-M: its configurations, and the two books."""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from tests.whole.processes import Json, StandingVenue, box_toml, standing_toml
from tests.whole.two_books import OUTSIDE, OurBooks

LEVERAGE = 5
FUNDING_S = 10
SYMBOL = "ETH/USDT:USDT"
SCALE = 8
ENDS = {"filled": "closed", "cancelled": "canceled", "expired": "expired"}


def perpetual_toml(text: str) -> str:
    """Return a configuration of the tests of the whole, for a perpetual instead of a pair."""
    for old, new in (
        ("kraken", "binanceusdm"),
        ("ETH/USDT", SYMBOL),
        ('USDT = "1000"', 'USDT = "5000"'),
        ('USDT = "2500"', 'USDT = "9000"'),
        ("/v2", "/ws"),
        ("tick_interval_ms = 50", f"tick_interval_ms = 50\nfunding_interval_s = {FUNDING_S}"),
        ('environment = "sim"\n', f'environment = "sim"\nleverage = {LEVERAGE}\n'),
    ):
        text = text.replace(old, new)
    return text


def perpetual_bot_toml(port: int) -> str:
    """Return the configuration of a bot whose venue stands alone at `port`."""
    return perpetual_toml(standing_toml(port))


def risky_toml(text: str) -> str:
    """Return a configuration whose sleeves take all the leverage there is, and never leave."""
    for old, new in (
        (f"leverage = {LEVERAGE}", "leverage = 50"),
        ('USDT = "5000"', 'USDT = "40000"'),
        ('USDT = "9000"', 'USDT = "80000"'),
        ('USDT = "10000"', 'USDT = "1000"'),
        ('tradeable = "5000"', 'tradeable = "800"'),
        ("target_ppm = 1_500", "target_ppm = 500_000"),
        ("stop_ppm = 3_000", "stop_ppm = 400_000"),
        ("cycle_amplitude_bps = 80.0", "cycle_amplitude_bps = 400.0"),
    ):
        text = text.replace(old, new)
    return text


class PerpetualVenue(StandingVenue):
    """`bot venue` speaking USD-M, whose funding is settled every ten seconds."""

    def __init__(self, folder: Path, faults: str = "none", *, risky: bool = False) -> None:
        super().__init__(folder, faults, lag_ms=0)
        text = perpetual_toml(box_toml(faults))
        (folder / "venue.toml").write_text(risky_toml(text) if risky else text)

    def settlements(self) -> int:
        """Return how often alice paid or got funding."""
        entries = self.ask("books")["ledger"]
        return sum(1 for each in entries if (each["account"], each["kind"]) == ("alice", "funding"))


def perpetual_differences(ours: OurBooks, theirs: Json) -> list[str]:
    """Return one line for everything in which our books and the venue's differ."""
    return [*ours.problems, *_money(ours, theirs), *_position(ours, theirs), *_orders(ours, theirs)]


def _money(ours: OurBooks, theirs: Json) -> Iterable[str]:
    wallet = Decimal(theirs["balances"]["alice"]["USDT"])
    if (held := Decimal(_held(ours, "USDT")).scaleb(-SCALE)) != wallet:
        yield f"USDT: our books {held}, the venue's wallet {wallet}"
    entries = [each for each in theirs["ledger"] if each["account"] == "alice"]
    funding = sum(Decimal(each["amount"]) for each in entries if each["kind"] == "funding")
    booked = -Decimal(ours.balances.get(("USDT", "funding"), 0)).scaleb(-SCALE)
    if booked != funding:
        yield f"funding: our books {booked}, the venue's {funding}"
    fees = sum(Decimal(each["fee"]) for each in entries)
    if (paid := Decimal(ours.balances.get(("USDT", "fees"), 0)).scaleb(-SCALE)) != fees:
        yield f"fees: our books {paid}, the venue's {fees}"


def _position(ours: OurBooks, theirs: Json) -> Iterable[str]:
    there = {each["symbol"]: Decimal(each["quantity"]) for each in theirs["positions"]}
    lots = _held(ours, SYMBOL)
    if lots * Decimal("0.00001") != there.get(SYMBOL, 0):
        yield f"{SYMBOL}: our books {lots} lots, the venue's {there.get(SYMBOL, 0)}"


def _orders(ours: OurBooks, theirs: Json) -> Iterable[str]:
    for order in theirs["orders"]:
        if order["by_hand"]:
            continue
        row = ours.orders.get(order["client_order_id"])
        if row is None:
            yield f"{order['client_order_id']}: lost: we do not know it"
            continue
        filled = Decimal(row["filled_lots"]) * Decimal(row["lot"])
        found = (ENDS.get(row["state"], row["state"]), filled)
        if found != (order["status"], Decimal(order["filled"])):
            yield f"{order['client_order_id']}: ours {found}, the venue's {order}"


def _held(ours: OurBooks, asset: str) -> int:
    return sum(
        amount
        for (each, account), amount in ours.balances.items()
        if each == asset and account not in OUTSIDE
    )
