from typing import Any

from actors.guard import Guard
from messages.base import Message
from messages.market import BookTop, StreamTrust
from messages.money import Alert
from messages.orders import (
    CancelOrder,
    ExitUpdate,
    Fill,
    Order,
    OrderRequest,
    OrderState,
    OrderType,
    OrderUpdate,
    Protect,
    ProtectiveExit,
    Side,
    VenueFill,
)
from messages.runtime import Blocked, Booted, Unblocked
from supervisor.probe import Outcome, Probe, Sent
from tests.actors.vaults import GUARD, LEDGER, SYMBOL, VENUE, Vault, config

SECOND_NS = 10**9
ORDERS = config().orders


class Watch:
    """A guard alone, with a trusted market."""

    def __init__(self) -> None:
        self.probe = Probe(Guard(), GUARD, now_ns=1_000 * SECOND_NS)
        self.last: list[Outcome] = []
        self.do(config())
        self.trust()

    def do(self, message: Message, now_ns: int | None = None, at_ns: int | None = None) -> None:
        self.last = self.probe.handle(message, now_ns=now_ns, at_ns=at_ns)

    def trust(self, *, trusted: bool = True) -> None:
        self.do(StreamTrust(venue=VENUE, symbol=SYMBOL, trusted=trusted, reason=""))

    def trail(self, lots: int, distance: int, stop: int = 0, *, short: bool = False) -> None:
        """Hold a position whose stop follows the price."""
        self.do(
            Protect(
                sleeve="flash",
                symbol=SYMBOL,
                position_lots=lots,
                stop_ticks=stop,
                take_ticks=0,
                trail_ticks=distance,
                short=short,
            )
        )

    def protect(self, lots: int, selling: int = 0, sells: tuple[str, ...] = ()) -> None:
        self.do(
            Protect(
                sleeve="flash",
                symbol=SYMBOL,
                position_lots=lots,
                base="ETH",
                base_minor=lots * 10_000,
                stop_ticks=190_000,
                take_ticks=220_000,
                selling_lots=selling,
                open_sells=sells,
            )
        )

    def top(self, bid: int, later_ns: int = 0, late_ns: int = 0) -> list[Any]:
        """Let a price come; return the exits asked for."""
        now = self.probe.now_ns + later_ns
        self.do(
            BookTop(
                venue=VENUE,
                symbol=SYMBOL,
                bid_ticks=bid,
                bid_lots=1,
                ask_ticks=bid + 1,
                ask_lots=1,
                venue_ns=0,
            ),
            now_ns=now,
            at_ns=now - late_ns,
        )
        return self.sent(ProtectiveExit)

    def answer(self, exit_id: str, state: OrderState, order: str = "") -> None:
        self.do(
            ExitUpdate(
                exit_id=exit_id,
                sleeve="flash",
                symbol=SYMBOL,
                client_order_id=order,
                state=state,
                reason="why",
            )
        )

    def block(self, address: str) -> None:
        self.do(Blocked(address=address, position=1, error="boom"))

    def sent(self, kind: type, address: str = "") -> list[Any]:
        return [
            o.message
            for o in self.last
            if isinstance(o, Sent) and isinstance(o.message, kind) and address in ("", o.address)
        ]


def own_fill(order: str, lots: int) -> Fill:
    return Fill(
        client_order_id=order,
        fill=VenueFill(
            exec_id="G1",
            client_order_id=order,
            venue_order_id="O",
            symbol=SYMBOL,
            side=Side.SELL,
            price_ticks=189_000,
            quantity_lots=lots,
            cost_minor=189_000 * lots,
            fee_minor=0,
            fee_asset="USDT",
            maker=False,
            at_ns=1,
        ),
    )


def test_it_closes_at_the_stop_and_at_the_take_and_nowhere_between() -> None:
    watch = Watch()
    watch.protect(100)
    assert watch.top(190_001) == []
    assert watch.top(219_999) == []
    (exit_asked,) = watch.top(190_000)
    assert (exit_asked.quantity_lots, exit_asked.reference_ticks) == (100, 190_000)
    assert watch.sent(ProtectiveExit, LEDGER) == [exit_asked]
    other = Watch()
    other.protect(100)
    assert other.top(220_000)[0].reason == "take 220000 reached at 220000 ticks"


def test_one_exit_per_position_is_under_way() -> None:
    watch = Watch()
    watch.protect(100)
    (asked,) = watch.top(180_000)
    watch.answer(asked.exit_id, OrderState.PENDING_SUBMIT, "C1")
    assert watch.top(179_000, 60 * SECOND_NS) == []
    watch.protect(0)
    watch.answer(asked.exit_id, OrderState.FILLED, "C1")
    assert watch.probe.state.positions == {}
    assert watch.top(170_000) == []


def test_it_never_acts_on_untrusted_or_stale_prices() -> None:
    watch = Watch()
    watch.protect(100)
    watch.trust(trusted=False)
    assert watch.top(180_000) == []
    watch.trust()
    assert watch.top(180_000, late_ns=2 * SECOND_NS) == []
    watch.do(Booted(boot=2))
    assert watch.top(180_000) == []
    watch.trust()
    assert len(watch.top(180_000)) == 1


def test_a_refused_exit_is_tried_again_later_and_later_and_pages_once() -> None:
    watch = Watch()
    watch.protect(100)
    pages = 0
    for wait_s in (1, 2, 4, 8):
        (asked,) = watch.top(180_000)
        watch.answer(asked.exit_id, OrderState.DENIED)
        pages += len(watch.sent(Alert))
        assert watch.top(180_000, wait_s * SECOND_NS - 1) == []
        watch.probe.now_ns += 1
    assert pages == 1


def test_an_exit_behind_the_sleeves_own_order_pages_only_if_that_lasts() -> None:
    watch = Watch()
    watch.protect(100, selling=100, sells=("S1",))
    pages: list[Alert] = []
    for second in range(31):
        (asked,) = watch.top(180_000)
        watch.answer(asked.exit_id, OrderState.DENIED)
        pages += watch.sent(Alert)
        assert bool(pages) == (second == 30), second
        assert watch.top(180_000, SECOND_NS - 1) == []
        watch.probe.now_ns += 1
    assert len(pages) == 1
    assert "orders of the sleeve have held the coins for 30 s" in pages[0].text
    assert "(S1)" in pages[0].text
    (asked,) = watch.top(180_000)
    watch.answer(asked.exit_id, OrderState.DENIED)
    assert watch.sent(Alert) == [], "once is enough"


def test_coins_that_are_free_again_are_sold_at_once() -> None:
    watch = Watch()
    watch.protect(100, selling=100, sells=("S1",))
    (asked,) = watch.top(180_000)
    watch.answer(asked.exit_id, OrderState.DENIED)
    watch.protect(100)
    (again,) = watch.sent(ProtectiveExit)
    assert again.quantity_lots == 100
    watch.answer(again.exit_id, OrderState.REJECTED)
    assert watch.probe.state.positions["flash ETH/USDT"].refusals == 1


def test_an_exit_that_found_no_buyer_is_tried_again_later_not_at_once() -> None:
    watch = Watch()
    watch.protect(100)
    (asked,) = watch.top(180_000)
    watch.answer(asked.exit_id, OrderState.PENDING_SUBMIT, order="G")
    watch.protect(100, selling=100, sells=("G",))
    watch.answer(asked.exit_id, OrderState.CANCELLED, order="G")
    watch.protect(100)
    assert watch.sent(ProtectiveExit) == []
    assert watch.probe.state.positions["flash ETH/USDT"].refusals == 1


def test_an_exit_that_the_ledger_never_answered_is_asked_for_again() -> None:
    watch = Watch()
    watch.protect(100)
    (first,) = watch.top(180_000)
    watch.last = watch.probe.fire("retry flash ETH/USDT")
    assert watch.sent(ProtectiveExit) == [], "its answer may lie behind the timer"
    assert watch.probe.now_ns > first.expires_ns
    (second,) = watch.top(180_000, SECOND_NS)
    assert second.exit_id != first.exit_id


def test_while_the_ledger_is_blocked_it_sells_by_way_of_risk() -> None:
    watch = Watch()
    watch.protect(100)
    watch.block(LEDGER)
    (note,) = watch.top(180_000)
    (request,) = watch.sent(OrderRequest, "/risk")
    terms = request.terms
    assert (terms.side, terms.type, terms.quantity_lots) == (Side.SELL, OrderType.MARKET, 100)
    assert terms.reduces
    assert terms.protective
    assert terms.ledger == GUARD
    assert note.client_order_id == terms.client_order_id
    assert (request.reserved_minor, request.reserved_asset) == (1_000_000, "ETH")
    assert len(watch.sent(Alert)) == 1


def test_what_it_hears_of_its_own_order_it_passes_on() -> None:
    watch = Watch()
    watch.protect(100)
    watch.block(LEDGER)
    watch.top(180_000)
    order = watch.sent(OrderRequest)[0].terms.client_order_id
    watch.do(own_fill(order, 60))
    assert len(watch.sent(Fill, LEDGER)) == 1
    watch.do(OrderUpdate(client_order_id=order, state=OrderState.CANCELLED, filled_lots=60))
    assert len(watch.sent(OrderUpdate, LEDGER)) == 1
    watch.top(180_000, 2 * SECOND_NS)
    (request,) = watch.sent(OrderRequest)
    assert request.terms.quantity_lots == 40, "never more than what is left"


def test_with_risk_blocked_too_it_goes_to_orders_and_then_to_nobody() -> None:
    watch = Watch()
    watch.protect(100)
    watch.block(LEDGER)
    watch.block("/risk")
    watch.top(180_000)
    assert watch.sent(OrderRequest) == []
    (order,) = watch.sent(Order, ORDERS)
    assert order.terms.quantity_lots == 100
    stuck = Watch()
    stuck.protect(100)
    stuck.block(LEDGER)
    stuck.block(ORDERS)
    stuck.top(180_000)
    assert stuck.sent(Order) == stuck.sent(OrderRequest) == []


def test_with_risk_blocked_alone_it_goes_to_orders() -> None:
    watch = Watch()
    watch.protect(100)
    watch.block("/risk")
    (note,) = watch.top(180_000)
    (order,) = watch.sent(Order, ORDERS)
    assert note.client_order_id == order.terms.client_order_id


def test_an_accepted_exit_behind_a_blocked_actor_pages_and_is_not_doubled() -> None:
    watch = Watch()
    watch.protect(100)
    (asked,) = watch.top(180_000)
    watch.answer(asked.exit_id, OrderState.PENDING_SUBMIT, "C1")
    watch.block("/risk")
    subjects = [alert.subject for alert in watch.sent(Alert)]
    assert subjects == ["/risk is blocked", "kraken-sim-usdt guard: exit behind a blocked actor"]
    watch.top(180_000, 60 * SECOND_NS)
    assert watch.sent(Order) == []


def test_coins_that_the_sleeve_offers_are_not_sold_twice() -> None:
    watch = Watch()
    watch.protect(100, selling=70, sells=("S1",))
    watch.block(LEDGER)
    watch.top(180_000)
    assert watch.sent(OrderRequest)[0].terms.quantity_lots == 30
    assert [c.client_order_id for c in watch.sent(CancelOrder)] == ["S1"]


def test_an_exit_that_the_blocked_ledger_may_still_act_on_is_not_doubled() -> None:
    watch = Watch()
    watch.protect(100)
    (asked,) = watch.top(180_000)
    watch.block(LEDGER)
    assert watch.sent(OrderRequest) == []
    watch.top(180_000, 4 * SECOND_NS)
    assert watch.sent(OrderRequest) == []
    watch.top(180_000, SECOND_NS + 1)
    assert watch.sent(OrderRequest) == []
    watch.top(180_000, SECOND_NS)
    assert len(watch.sent(OrderRequest)) == 1
    assert watch.probe.now_ns > asked.expires_ns


def test_an_unblocked_ledger_is_asked_again() -> None:
    watch = Watch()
    watch.protect(100)
    watch.block(LEDGER)
    watch.do(Unblocked(address=LEDGER, position=1))
    watch.top(180_000)
    assert watch.sent(OrderRequest) == []
    assert len(watch.sent(ProtectiveExit, LEDGER)) == 1


def test_what_guard_sold_stays_sold_until_the_ledger_has_booked_it() -> None:
    watch = Watch()
    watch.protect(100)
    watch.block(LEDGER)
    watch.top(180_000)
    order = watch.sent(OrderRequest)[0].terms.client_order_id
    watch.do(own_fill(order, 100))
    watch.do(OrderUpdate(client_order_id=order, state=OrderState.FILLED, filled_lots=100))
    # The ledger goes on, speaks of the position as it was, and is blocked again.
    watch.do(Unblocked(address=LEDGER, position=1))
    watch.protect(100)
    watch.block(LEDGER)
    watch.top(180_000, 90 * SECOND_NS)
    assert watch.sent(OrderRequest) == []


def held(vault: Vault, lots: int = 1_000) -> None:
    request = vault.wish(Side.BUY, lots, limit=200_000, stop=190_000)
    assert request is not None
    vault.fill(request.terms.client_order_id, Side.BUY, lots, 200_000)


def exit_of(lots: int, expires_ns: int = 0, client_order_id: str = "") -> ProtectiveExit:
    return ProtectiveExit(
        sleeve="flash",
        symbol=SYMBOL,
        quantity_lots=lots,
        reason="stop",
        exit_id="x",
        reference_ticks=190_000,
        expires_ns=expires_ns,
        client_order_id=client_order_id,
    )


def test_the_ledger_makes_an_order_of_an_exit_and_never_of_more_than_is_held() -> None:
    vault = Vault()
    held(vault)
    vault.do(exit_of(5_000))
    (request,) = vault.sent(OrderRequest)
    assert request.terms.quantity_lots == 1_000
    assert request.terms.protective
    (update,) = vault.sent(ExitUpdate)
    assert update.state is OrderState.PENDING_SUBMIT
    vault.fill(request.terms.client_order_id, Side.SELL, 1_000, 190_000)
    assert vault.sent(ExitUpdate)[0].state is OrderState.FILLED
    assert vault.sent(Protect)[0].position_lots == 0


def test_the_ledger_refuses_an_exit_that_came_too_late() -> None:
    vault = Vault()
    held(vault)
    vault.do(exit_of(1_000, expires_ns=50), now_ns=51)
    assert vault.sent(OrderRequest) == []
    assert vault.sent(ExitUpdate)[0].state is OrderState.EXPIRED


def test_the_ledger_frees_coins_that_a_resting_sell_offers() -> None:
    vault = Vault()
    held(vault)
    sell = vault.wish(Side.SELL, 1_000, limit=210_000)
    assert sell is not None
    vault.update(sell.terms.client_order_id, OrderState.OPEN)
    vault.do(exit_of(1_000))
    assert [c.client_order_id for c in vault.sent(CancelOrder)] == [sell.terms.client_order_id]
    assert vault.sent(ExitUpdate)[0].state is OrderState.DENIED
    vault.update(sell.terms.client_order_id, OrderState.CANCELLED)
    vault.do(exit_of(1_000))
    assert len(vault.sent(OrderRequest)) == 1


def test_guard_hears_of_an_exit_that_ends_before_its_fills_come() -> None:
    vault = Vault()
    held(vault)
    vault.do(exit_of(1_000))
    order = vault.sent(OrderRequest)[0].terms.client_order_id
    vault.update(order, OrderState.CANCELLED, 400, "no buyer")
    assert vault.sent(ExitUpdate) == []
    vault.fill(order, Side.SELL, 400, 190_000)
    (update,) = vault.sent(ExitUpdate)
    assert update.state is OrderState.CANCELLED
    assert vault.sent(Protect)[0].position_lots == 600


def test_the_ledger_books_what_guard_placed_itself() -> None:
    vault = Vault()
    held(vault)
    vault.do(exit_of(1_000, client_order_id="G"))
    assert vault.sent(OrderRequest) == []
    assert vault.pages() == ["guard sold on its own"]
    vault.fill("G", Side.SELL, 1_000, 189_000)
    assert vault.pages() == []
    assert vault.sent(ExitUpdate)[0].state is OrderState.FILLED
    assert vault.account("sleeve/flash/cash") == 3_989 * 10**6


def test_a_trailing_stop_follows_the_best_price_and_never_goes_back() -> None:
    watch = Watch()
    watch.trail(5, 1_000)
    assert [watch.top(bid) for bid in (200_000, 201_000, 200_001, 205_000, 204_001)] == [[]] * 5
    (exit_,) = watch.top(204_000)
    assert (exit_.quantity_lots, exit_.reason) == (5, "stop 204000 reached at 204000 ticks")


def test_a_trailing_stop_begins_at_the_stop_that_is_there() -> None:
    watch = Watch()
    watch.trail(5, 1_000, stop=199_800)
    assert watch.top(200_000) == []
    assert len(watch.top(199_800)) == 1


def test_of_a_short_position_it_follows_the_ask_down() -> None:
    watch = Watch()
    watch.trail(5, 1_000, short=True)
    assert [watch.top(bid) for bid in (200_000, 195_000, 195_998)] == [[]] * 3
    (exit_,) = watch.top(196_000)
    assert exit_.reason == "stop 196001 reached at 196001 ticks"


def test_a_trailing_stop_follows_no_price_that_cannot_be_believed_and_outlives_a_restart() -> None:
    watch = Watch()
    watch.trail(5, 1_000)
    assert watch.top(200_000) == []
    watch.trust(trusted=False)
    watch.top(250_000)
    watch.trust()
    assert watch.top(199_500) == []
    watch.do(Booted(boot=2))
    watch.trust()
    assert len(watch.top(199_000)) == 1
    # Another position begins anew, at the price of now.
    watch.trail(0, 0)
    watch.answer(watch.probe.state.positions["flash ETH/USDT"].exit.exit_id, OrderState.FILLED)
    watch.trail(7, 1_000)
    assert [watch.top(bid) for bid in (198_500, 198_001)] == [[], []]
