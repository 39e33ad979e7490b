"""A sleeve before a desk on paper: the recorded market, other parameters, other money."""

import msgspec

from actors.sleeves.sleeve import Sleeve
from actors.sleeves.view import SleeveState
from messages.base import Message, encode
from messages.market import BookTop, InstrumentListed, StreamTrust
from messages.money import Reconciled, SleeveConfigured, SleeveStanding
from messages.orders import OrderState, SleeveUpdate
from messages.runtime import Booted
from research.counterfactual import Counterfactual, Rewrite
from research.paper_desk import Result
from supervisor.actor import Context
from supervisor.fold import Fold
from supervisor.journal import Input, RecordedTurn
from tests.actors.vaults import FLASH, LEDGER, SYMBOL, USDT, VENUE, instrument

SECOND_NS = 10**9
START_NS = 1_000 * SECOND_NS
CASH = 4_000 * USDT
SETTINGS = SleeveConfigured(
    user="ann", vault="kraken-sim-usdt", venue=VENUE, environment="sim", sleeve="flash",
    strategy="buy_low_sell_high", symbols=(SYMBOL,), ledger=LEDGER,
    parameters={"window_ns": 10.0 * SECOND_NS, "dip_ppm": 9_000, "turn_ppm": 0},
)  # fmt: skip
STANDING = SleeveStanding(
    sleeve="flash", allocated_minor=CASH, cash_minor=CASH, slippage_bps=5, edge_bps_min=5,
    symbols=(SYMBOL,),
)  # fmt: skip
# Quiet for eleven seconds, a dip of half a per cent, and up again.
PRICES = [200_000] * 45 + [199_000, 199_000] + [202_000] * 8


def recorded(prices: list[int]) -> list[RecordedTurn]:
    """Return a sleeve's past in which it was told something of a life that is not lived here."""
    messages: list[Message] = [
        Booted(boot=1),
        SETTINGS,
        InstrumentListed(venue=VENUE, instrument=instrument()),
        msgspec.structs.replace(STANDING, cash_minor=0, allocated_minor=0),
        STANDING,
        Reconciled(user="ann", venue=VENUE, agreed=True),
        StreamTrust(venue=VENUE, symbol=SYMBOL, trusted=True, reason=""),
    ]
    messages += [
        BookTop(
            venue=VENUE, symbol=SYMBOL, bid_ticks=price, bid_lots=9, ask_ticks=price + 10,
            ask_lots=9, venue_ns=0,
        )
        for price in prices
    ]  # fmt: skip
    messages.append(
        SleeveUpdate(
            intent_id="x", symbol=SYMBOL, state=OrderState.FILLED, reason="", filled_lots=7,
            price_ticks=1, cash_minor=1, position_lots=7, average_entry_ticks=1,
        )
    )  # fmt: skip
    turns = []
    for seq, message in enumerate(messages, start=1):
        now_ns = START_NS + seq * SECOND_NS // 4
        one = Input(seq, 0 if isinstance(message, Booted) else 9, 1, now_ns, encode(message))
        turns.append(RecordedTurn(seq, now_ns, [one], [0], [], bytes(16)))
    return turns


def with_dip(dip_ppm: int) -> Rewrite:
    def rewrite(message: Message) -> Message:
        assert isinstance(message, SleeveConfigured)
        return msgspec.structs.replace(
            message, parameters=message.parameters | {"dip_ppm": dip_ppm}
        )

    return rewrite


def run(rewrite: Rewrite) -> tuple[Result, Counterfactual]:
    it = Counterfactual(Fold(Sleeve(), bytes(16), 1, FLASH), rewrite)
    return it.run(recorded(PRICES)), it


def test_without_a_change_nothing_is_bought_and_the_recorded_answer_is_left_out() -> None:
    result, it = run(lambda message: message)
    assert (result.fills, result.position_lots, result.total_minor) == (0, 0, 0)
    assert it.desk.cash_minor == CASH


def test_with_another_dip_it_buys_and_sells_at_the_next_tops() -> None:
    result, it = run(with_dip(4_000))
    bought, sold = it.desk.fills
    assert (bought.side, bought.price_ticks) == ("buy", 199_010)
    assert (sold.side, sold.price_ticks) == ("sell", 202_000)
    assert bought.at_ns == START_NS + (7 + 47) * SECOND_NS // 4, "the top after the dip's"
    assert result.fills == 2
    assert result.position_lots == 0
    coin = instrument()
    gain = coin.notional_minor(202_000, sold.quantity_lots)
    gain -= coin.notional_minor(199_010, bought.quantity_lots)
    assert result.realised_minor == gain - bought.fee_minor - sold.fee_minor
    assert result.realised_minor > 0
    assert it.desk.cash_minor == CASH + result.realised_minor


def test_code_that_crashes_is_counted_and_leaves_the_state_as_it_was() -> None:
    class Fragile(Sleeve):
        def on_top(self, state: SleeveState, message: BookTop, ctx: Context) -> None:
            state.cash_minor = -1
            raise RuntimeError("told to")

    it = Counterfactual(Fold(Fragile(), bytes(16), 1, FLASH), lambda message: message)
    result = it.run(recorded(PRICES))
    assert (result.crashes, result.fills) == (len(PRICES), 0)
    assert it._fold.state.cash_minor == CASH
