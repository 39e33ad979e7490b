"""A sleeve alone, and short ways to say what happens to it."""

from actors.sleeves.sleeve import Sleeve
from messages.market import BookTop, Instrument, InstrumentListed, StreamTrust
from messages.money import Direction, Reconciled, SleeveConfigured, SleeveStanding
from messages.orders import Intent, OrderState, SleeveUpdate
from messages.rows import SleeveStateRow
from messages.runtime import Booted
from supervisor.probe import Outcome, Probe, Recorded, Sent
from tests.actors.vaults import FLASH, LEDGER, USDT, VENUE, instrument

SECOND_NS = 10**9
PARAMETERS = {"window_ns": 10.0 * SECOND_NS, "dip_ppm": 4_000, "turn_ppm": 0}


class Scene:
    """A configured sleeve, reconciled and with a trusted market unless told otherwise."""

    def __init__(
        self,
        *,
        ready: bool = True,
        listed: Instrument | None = None,
        strategy: str = "buy_low_sell_high",
        direction: Direction = Direction.LONG,
    ) -> None:
        listed = listed or instrument()
        self.symbol = listed.symbol
        self.probe = Probe(Sleeve(), FLASH, now_ns=1_000 * SECOND_NS)
        self.last: list[Outcome] = []
        self.history: list[Outcome] = []
        self.do(Booted(boot=1))
        self.do(
            SleeveConfigured(
                user="ann",
                vault="kraken-sim-usdt",
                venue=VENUE,
                environment="sim",
                sleeve="flash",
                strategy=strategy,
                symbols=(self.symbol,),
                parameters=PARAMETERS if strategy == "buy_low_sell_high" else {},
                ledger=LEDGER,
                direction=direction,
            )
        )
        self.do(InstrumentListed(venue=VENUE, instrument=listed))
        self.standing()
        if ready:
            self.reconcile()
            self.trust()

    def do(self, message: object, **when: int) -> list[Outcome]:
        self.last = self.probe.handle(message, **when)  # type: ignore[arg-type] # any message
        self.history += self.last
        return self.last

    def standing(self, idle: str = "", edge: int = 5) -> None:
        self.do(
            SleeveStanding(
                sleeve="flash",
                allocated_minor=4_000 * USDT,
                cash_minor=4_000 * USDT,
                slippage_bps=5,
                edge_bps_min=edge,
                symbols=(self.symbol,),
                idle_reason=idle,
            )
        )

    def reconcile(self, *, agreed: bool = True) -> None:
        self.do(Reconciled(user="ann", venue=VENUE, agreed=agreed, differences=("ETH 1",)))

    def trust(self, *, trusted: bool = True) -> None:
        self.do(StreamTrust(venue=VENUE, symbol=self.symbol, trusted=trusted, reason="a gap"))

    def top(self, bid: int, later_ns: int = SECOND_NS // 4, late_ns: int = 0) -> list[Intent]:
        """Let time pass and a price come; return what the sleeve wishes."""
        now = self.probe.now_ns + later_ns
        self.do(
            BookTop(
                venue=VENUE,
                symbol=self.symbol,
                bid_ticks=bid,
                bid_lots=5_000,
                ask_ticks=bid + 10,
                ask_lots=5_000,
                venue_ns=0,
            ),
            now_ns=now,
            at_ns=now - late_ns,
        )
        return self.sent(Intent)

    def warm(self, bid: int = 200_000) -> None:
        """Watch a quiet market until the window is full."""
        for _ in range(45):
            assert self.top(bid) == []

    def told(
        self,
        intent_id: str,
        state: OrderState,
        lots: int = 0,
        entry: int = 0,
        cash: int = 4_000 * USDT,
        reason: str = "",
        *,
        guarded: bool = False,
    ) -> list[Outcome]:
        """Hear from the ledger."""
        return self.do(
            SleeveUpdate(
                intent_id=intent_id,
                symbol=self.symbol,
                state=state,
                reason=reason,
                filled_lots=lots,
                price_ticks=entry,
                cash_minor=cash,
                position_lots=lots,
                average_entry_ticks=entry,
                guarded=guarded,
            )
        )

    def bought(self) -> None:
        """Warm up, dip, buy, and hold 1 000 lots at 1 990.10."""
        self.warm()
        (intent,) = self.top(199_000)
        self.told(intent.intent_id, OrderState.FILLED, 1_000, 199_010, 3_800 * USDT)

    def sent(self, kind: type) -> list:  # type: ignore[type-arg] # messages of that kind
        return [o.message for o in self.last if isinstance(o, Sent) and isinstance(o.message, kind)]

    @property
    def shown(self) -> tuple[str, str]:
        """State and reason of the newest row."""
        rows = [
            o.row
            for o in self.history
            if isinstance(o, Recorded) and isinstance(o.row, SleeveStateRow)
        ]
        return rows[-1].state, rows[-1].reason
