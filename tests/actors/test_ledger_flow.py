"""Sleeve, ledger and guard together, with a venue of a few lines: from a price to swept profit."""

from collections.abc import Iterator

import pytest

from actors.guard import Guard
from actors.ledger import Ledger
from actors.sleeves.sleeve import Sleeve
from actors.vault import LedgerState, realised_minor, total_minor, unrealised_minor
from messages.base import Message
from messages.market import BookTop, InstrumentListed, StreamTrust
from messages.money import (
    AccountMode,
    CloseNow,
    FundsMoved,
    Mode,
    Pause,
    Reconciled,
    SleeveConfigured,
    VaultConfigured,
)
from messages.orders import (
    CancelOrder,
    Fill,
    OrderRequest,
    OrderState,
    OrderType,
    OrderUpdate,
    Side,
    VenueFill,
)
from messages.rows import SleeveStateRow
from messages.runtime import Blocked, Booted, Unblocked
from supervisor.probe import Probe, Recorded, Sent
from tests.actors.vaults import (
    FLASH,
    GUARD,
    LEDGER,
    QUIET,
    SYMBOL,
    USDT,
    VENUE,
    config,
    instrument,
)

SECOND_NS = 10**9
FEE_PPM = 1_000


class World:
    """Four actors, a bus that delivers in order, and a venue that fills what crosses its price."""

    def __init__(self, settings: VaultConfigured | None = None) -> None:
        self.now = 1_000 * SECOND_NS
        self.bid = 200_000
        self.actors = {
            LEDGER: Probe(Ledger(), LEDGER, now_ns=self.now),
            GUARD: Probe(Guard(), GUARD, now_ns=self.now),
            QUIET: Probe(Sleeve(), QUIET, now_ns=self.now),
            FLASH: Probe(Sleeve(), FLASH, now_ns=self.now),
        }
        self.queue: list[tuple[str, Message, int]] = []
        self.blocked: list[str] = []
        self.held: list[tuple[str, Message, int]] = []
        self.resting: dict[str, OrderRequest] = {}
        self.fills: list[Fill] = []
        self.states: dict[str, str] = {}
        self.filling = True
        for address in self.actors:
            self.say(address, Booted(boot=1))
        settings = settings or config()
        self.say(LEDGER, settings)
        self.say(GUARD, settings)
        for name, address in (("quiet", QUIET), ("flash", FLASH)):
            self.say(address, self.sleeve(name))
        listed = InstrumentListed(venue=VENUE, instrument=instrument(taker_fee_ppm=FEE_PPM))
        for address in (LEDGER, QUIET, FLASH):
            self.say(address, listed)
        self.say(
            LEDGER,
            FundsMoved(asset="USDT", amount_minor=10_000 * USDT, reference="first", at_ns=1),
        )
        active = AccountMode(user="ann", venue=VENUE, mode=Mode.ACTIVE, reason="agreed")
        self.say(LEDGER, active)
        self.all_but_ledger(StreamTrust(venue=VENUE, symbol=SYMBOL, trusted=True, reason=""))
        for address in (QUIET, FLASH):
            self.say(address, Reconciled(user="ann", venue=VENUE, agreed=True))

    def sleeve(self, name: str) -> SleeveConfigured:
        return SleeveConfigured(
            user="ann",
            vault="kraken-sim-usdt",
            venue=VENUE,
            environment="sim",
            sleeve=name,
            strategy="buy_low_sell_high",
            symbols=(SYMBOL,),
            parameters={"window_ns": 5.0 * SECOND_NS, "dip_ppm": 4_000, "turn_ppm": 0},
            ledger=LEDGER,
        )

    def all_but_ledger(self, message: Message) -> None:
        for address in (GUARD, QUIET, FLASH):
            self.say(address, message)

    def say(self, address: str, message: Message, at_ns: int = 0) -> None:
        self.queue.append((address, message, at_ns or self.now))
        while self.queue:
            target, body, at = self.queue.pop(0)
            if target in self.blocked:
                self.held.append((target, body, at))
            elif target in self.actors:
                self._handle(target, body, at)
            elif isinstance(body, OrderRequest):
                self._accept(body)
            elif isinstance(body, CancelOrder):
                self._cancel(body.client_order_id)

    def unblock(self, address: str) -> None:
        self.blocked.remove(address)
        held, self.held = self.held, []
        for one in held:
            self.say(*one)
        self.say(GUARD, Unblocked(address=address, position=1))

    def price(self, bid: int) -> None:
        """Let a quarter of a second pass and a price come."""
        self.now += SECOND_NS // 4
        self.bid = bid
        top = BookTop(
            venue=VENUE,
            symbol=SYMBOL,
            bid_ticks=bid,
            bid_lots=10**6,
            ask_ticks=bid + 10,
            ask_lots=10**6,
            venue_ns=0,
        )
        for address in (LEDGER, GUARD, QUIET, FLASH):
            self.say(address, top)
        for order in list(self.resting):
            self._fill(order)

    def ledger(self) -> LedgerState:
        state = self.actors[LEDGER].state
        assert isinstance(state, LedgerState)
        return state

    def lots(self, address: str) -> int:
        lots: int = self.actors[address].state.legs[SYMBOL].lots
        return lots

    def check(self) -> None:
        """Assert that the books are whole and that everybody knows the same."""
        state = self.ledger()
        state.books.check()
        assert total_minor(state) == (
            state.deposited_minor + realised_minor(state) + unrealised_minor(state)
        )
        for name, address in (("quiet", QUIET), ("flash", FLASH)):
            held = state.books.balance("ETH", f"sleeve/{name}/ETH")
            held += state.books.balance("ETH", f"sleeve/{name}/reserved")
            assert self.lots(address) == held // 10_000

    def _handle(self, target: str, body: Message, at_ns: int) -> None:
        for effect in self.actors[target].handle(body, now_ns=self.now, at_ns=at_ns):
            if isinstance(effect, Sent):
                self.queue.append((effect.address, effect.message, at_ns))
            elif isinstance(effect, Recorded) and isinstance(effect.row, SleeveStateRow):
                self.states[target] = effect.row.state

    def _accept(self, request: OrderRequest) -> None:
        order = request.terms.client_order_id
        self.resting[order] = request
        self._tell(order, OrderState.OPEN)
        if request.terms.type is OrderType.MARKET:
            self._fill(order)

    def _cancel(self, order: str) -> None:
        if order in self.resting:
            self._tell(order, OrderState.CANCELLED)
            del self.resting[order]

    def _fill(self, order: str) -> None:
        terms = self.resting[order].terms
        price = self.bid if terms.side is Side.SELL else self.bid + 10
        crosses = {Side.BUY: price <= terms.limit_ticks, Side.SELL: price >= terms.limit_ticks}
        if not self.filling or (terms.type is OrderType.LIMIT and not crosses[terms.side]):
            return
        for part in self._parts(terms.quantity_lots):
            cost = price * part
            fill = Fill(
                client_order_id=order,
                fill=VenueFill(
                    exec_id=f"E{len(self.fills)}",
                    client_order_id=order,
                    venue_order_id="O",
                    symbol=SYMBOL,
                    side=terms.side,
                    price_ticks=price,
                    quantity_lots=part,
                    cost_minor=cost,
                    fee_minor=cost * FEE_PPM // 10**6,
                    fee_asset="USDT",
                    maker=False,
                    at_ns=self.now,
                ),
            )
            self.fills.append(fill)
            self.queue.append((terms.ledger, fill, self.now))
        self._tell(order, OrderState.FILLED)
        del self.resting[order]

    def sell_by_hand(self, lots: int) -> None:
        """Let a person sell at the venue, as the account's orders tell the ledger of it."""
        fill = VenueFill(
            exec_id="by-hand",
            client_order_id="",
            venue_order_id="H",
            symbol=SYMBOL,
            side=Side.SELL,
            price_ticks=self.bid,
            quantity_lots=lots,
            cost_minor=self.bid * lots,
            fee_minor=0,
            fee_asset="USDT",
            maker=False,
            at_ns=self.now,
        )
        self.say(LEDGER, Fill(client_order_id="", fill=fill))

    def _parts(self, lots: int) -> Iterator[int]:
        yield lots - lots // 3
        if lots // 3:
            yield lots // 3

    def _tell(self, order: str, state: OrderState) -> None:
        terms = self.resting[order].terms
        filled = terms.quantity_lots if state is OrderState.FILLED else 0
        update = OrderUpdate(client_order_id=order, state=state, filled_lots=filled)
        self.queue.append((terms.ledger, update, self.now))
        if not self.queue[1:]:
            self.say(*self.queue.pop(0))


def warmed(world: World) -> World:
    for _ in range(21):
        world.price(200_000)
    return world


def cycle(world: World) -> None:
    """Dip and come back, with room for both sleeves to get in and out."""
    for bid in (199_000, 198_990, 198_980, 199_500, 199_900, 199_950, 200_000, 200_000):
        world.price(bid)
        world.check()


def test_from_a_price_to_swept_profit() -> None:
    world = warmed(World())
    for _ in range(5):
        cycle(world)
        for _ in range(21):
            world.price(200_000)
    state = world.ledger()
    assert len(world.fills) == 5 * 2 * 2 * 2, "five cycles, two sleeves, in and out, in two parts"
    assert state.sleeves["flash"].swept_minor > 0
    assert state.sleeves["quiet"].swept_minor == 0
    assert state.books.balance("USDT", "sleeve/flash/cash") == 4_000 * USDT
    assert state.books.balance("USDT", "sleeve/quiet/cash") > 4_000 * USDT
    paid = sum(fill.fill.fee_minor for fill in world.fills)
    assert state.books.balance("USDT", "fees") == paid
    came = -state.books.balance("USDT", "external")
    assert came == 10_000 * USDT
    assert state.books.held("USDT") == came - state.books.balance("USDT", "market") - paid
    assert state.orders == {}
    assert world.actors[GUARD].state.positions == {}


def test_pause_in_a_position_exits_as_planned_and_then_rests() -> None:
    world = warmed(World())
    world.price(199_000)
    world.price(199_000)
    assert world.lots(FLASH) > 0
    world.say(FLASH, Pause(operator="ann"))
    assert world.states[FLASH] == "pausing"
    for bid in (199_500, 199_950, 200_000):
        world.price(bid)
    assert (world.lots(FLASH), world.states[FLASH]) == (0, "paused")
    before = len(world.fills)
    world.say(QUIET, Pause(operator="ann"))
    cycle(world)
    assert len(world.fills) == before


def test_a_position_closed_by_hand_ends_a_pause() -> None:
    world = warmed(World(config(quiet=3_000)))
    world.price(199_000)
    world.price(199_000)
    world.filling = False
    world.say(FLASH, Pause(operator="ann"))
    assert world.states[FLASH] == "pausing"
    world.sell_by_hand(world.lots(FLASH))
    assert (world.lots(FLASH), world.states[FLASH]) == (0, "paused")
    assert world.lots(QUIET) > 0
    world.check()


def test_close_now_sells_at_the_market() -> None:
    world = warmed(World())
    world.price(199_000)
    world.price(199_000)
    world.say(QUIET, CloseNow(operator="ann"))
    assert (world.lots(QUIET), world.states[QUIET]) == (0, "paused")
    assert world.lots(FLASH) > 0
    world.check()


def crash(world: World) -> None:
    for bid in (196_000, 194_500, 194_000, 193_900):
        world.price(bid)


@pytest.mark.parametrize("frozen", [FLASH, LEDGER])
def test_guard_closes_when_sleeve_or_ledger_is_blocked(frozen: str) -> None:
    world = warmed(World())
    world.price(199_000)
    world.price(199_000)
    held = world.lots(FLASH)
    assert held > 0
    world.blocked.append(frozen)
    if frozen == LEDGER:
        world.say(GUARD, Blocked(address=LEDGER, position=1, error="boom"))
    crash(world)
    sold = [f.fill for f in world.fills if f.fill.side is Side.SELL]
    assert sum(fill.quantity_lots for fill in sold) == 2 * held, "both positions, once"
    for _ in range(9):
        world.price(193_900)
    world.unblock(frozen)
    world.check()
    assert world.ledger().books.held("ETH") == 0
    assert (world.lots(FLASH), world.lots(QUIET)) == (0, 0)
