"""What risk asks of orders in perpetuals, beyond what it asks of every order."""

import pytest
from msgspec.structs import replace

from actors.risk.checks import Limits, Question, denial
from messages.money import Mode
from messages.orders import OrderRequest, Side
from tests.actors.trading import INSTRUMENT, request

SYMBOL = "ETH/USDT:USDT"
PERPETUAL = replace(INSTRUMENT, symbol=SYMBOL, base=SYMBOL, base_scale=4)
LIMITS = Limits(
    order_notional_max=10**12,
    position_notional_max=3_000_000_000,
    orders_per_minute_max=5,
    symbols_allowed=(SYMBOL,),
    stale_ns_max=10**9,
)


def asked(wish: OrderRequest, position_lots: int, adding_lots: int = 0) -> str | None:
    return denial(
        Question(
            request=wish,
            instrument=PERPETUAL,
            limits=LIMITS,
            switch_engaged=False,
            switch_reason="",
            mode=Mode.ACTIVE,
            mode_reason="",
            age_ns=0,
            position_lots=position_lots,
            adding_lots=adding_lots,
            orders_last_minute=0,
            working_orders=0,
            leverage=5,
        )
    )


@pytest.mark.parametrize(
    ("side", "reduces", "position", "lots", "words"),
    [
        (Side.BUY, False, 0, 1_000, ""),
        (Side.SELL, False, 0, 1_000, ""),
        (Side.SELL, False, -14_000, 1_000, ""),
        (Side.SELL, False, -14_001, 1_000, "could become 3000.2 USDT"),
        (Side.SELL, False, 500, 1_000, "which a sell would close first"),
        (Side.SELL, True, 1_000, 1_000, ""),
        (Side.BUY, True, -1_000, 1_000, ""),
        (Side.BUY, True, -999, 1_000, "it would buy 1000 lots of ETH/USDT:USDT to close"),
        (Side.SELL, True, -5_000, 1_000, "the vault holds -5000: close at most that"),
    ],
)
def test_a_perpetual_is_entered_both_ways_and_left_by_what_is_held(
    side: Side, reduces: bool, position: int, lots: int, words: str
) -> None:
    wish = request(symbol=SYMBOL, side=side, reduces=reduces, quantity_lots=lots)
    assert words in (asked(wish, position) or ("" if not words else "let through"))
    assert (asked(wish, position) is None) == (words == "")


def test_what_is_left_of_a_position_may_be_closed_however_small_it_is() -> None:
    small = request(symbol=SYMBOL, side=Side.SELL, reduces=True, quantity_lots=20)
    assert asked(small, 20) is None
    entry = asked(request(symbol=SYMBOL, quantity_lots=20), 0) or ""
    assert entry.startswith("it is worth 4 USDT, below the venue's minimum of 5 USDT")


def test_an_entry_without_its_margin_is_denied() -> None:
    wish = request(symbol=SYMBOL)
    # 200 USDT at five times.
    assert asked(replace(wish, reserved_minor=40_000_000), 0) is None
    said = asked(replace(wish, reserved_minor=39_999_999), 0)
    assert said == (
        "its margin at 5x is 40 USDT, and 39.999999 USDT are held for it: `leverage` of the venue "
        "in bot.toml and the ledger's differ"
    )
    coins = replace(wish, reserved_asset=SYMBOL)
    assert said is not None
    assert "its margin at 5x" in (asked(coins, 0) or "")
