"""Whatever line, venue and network do within their promises, orders and money come out right."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.execution.orders import Orders
from messages.account import AccountSeen
from messages.amends import Amend, AmendOrder, OrderAmended
from messages.base import Message
from messages.orders import (
    TERMINAL,
    Cancel,
    CancelOrder,
    Fill,
    Inquire,
    Order,
    OrderState,
    OrderUpdate,
    Submit,
    SubmitOutcome,
    SubmitResult,
)
from supervisor.probe import Probe
from tests.actors.execution.adversary import FATES, Adversary
from tests.actors.trading import (
    ACCOUNT,
    LEDGER,
    LINE,
    LISTED,
    RECONCILE,
    SECOND_NS,
    START_NS,
    sent_to,
    terms,
)

# The venue may take this long to settle once nobody misbehaves any more.
SETTLE_STEPS_MAX = 400
picks = st.integers(min_value=0, max_value=1_000)


class OrdersAgainstAdversary(RuleBasedStateMachine):
    """The actor on one side, the adversary on the other, a ledger that checks what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.venue = Adversary()
        self.probe = Probe(Orders(), "/orders", now_ns=START_NS)
        self.placed: dict[str, int] = {}
        self.fills: dict[str, int] = {}
        self.ended: dict[str, OrderUpdate] = {}
        self.wanted: dict[str, str] = {}
        """Amendment → its order."""
        self.amended: dict[str, bool] = {}

    @initialize()
    def configure(self) -> None:
        self.probe.handle(ACCOUNT)
        self.probe.handle(LISTED)

    def tell(self, message: Message) -> None:
        outcomes = self.probe.handle(message)
        for command in sent_to(outcomes, LINE):
            assert isinstance(command, Submit | Amend | Cancel | Inquire)
            self.venue.take(command)
        for message_to_ledger in sent_to(outcomes, LEDGER):
            self.book(message_to_ledger)

    def book(self, message: Message) -> None:
        if isinstance(message, Fill):
            assert message.fill.exec_id not in self.fills, "a fill was booked twice"
            self.fills[message.fill.exec_id] = message.fill.quantity_lots
        elif isinstance(message, OrderAmended):
            assert message.amend_id not in self.amended, "an amendment was concluded twice"
            assert not (message.applied and message.client_order_id in self.ended)
            self.amended[message.amend_id] = message.applied
        elif isinstance(message, OrderUpdate):
            assert message.client_order_id not in self.ended, "the ledger was told after the end"
            if message.state in TERMINAL:
                self.ended[message.client_order_id] = message

    def open_orders(self) -> list[str]:
        return self.venue.open_orders(self.probe.now_ns)

    # --- what people want

    @precondition(lambda self: len(self.placed) < 4)
    @rule(lots=st.integers(min_value=1, max_value=9), ttl_s=st.sampled_from([0, 0, 3, 20]))
    def place(self, lots: int, ttl_s: int) -> None:
        ours = f"o{len(self.placed)}"
        self.placed[ours] = lots
        wanted = terms(ours, quantity_lots=lots)
        order = Order(
            terms=wanted, time_to_live_ns=ttl_s * SECOND_NS, approved_ns=self.probe.now_ns
        )
        self.tell(order)

    @precondition(lambda self: self.placed)
    @rule(
        pick=picks,
        lots=st.integers(min_value=1, max_value=12),
        limit=st.sampled_from([199_000, 201_000]),
    )
    def want_amend(self, pick: int, lots: int, limit: int) -> None:
        ours = list(self.placed)[pick % len(self.placed)]
        amend_id = f"a{len(self.wanted)}"
        self.wanted[amend_id] = ours
        wanted = terms(ours, quantity_lots=lots, limit_ticks=limit)
        self.tell(AmendOrder(amend_id=amend_id, terms=wanted))

    @precondition(lambda self: self.placed)
    @rule(pick=picks)
    def want_cancel(self, pick: int) -> None:
        ours = list(self.placed)[pick % len(self.placed)]
        self.tell(CancelOrder(client_order_id=ours, reason="wanted"))

    # --- what the line and the network do

    @precondition(lambda self: self.venue.commands)
    @rule(pick=picks, fate=st.sampled_from(FATES), good=st.booleans())
    def answer(self, pick: int, fate: str, good: bool) -> None:
        command = self.venue.commands.pop(pick % len(self.venue.commands))
        if isinstance(command, Amend):
            self.tell(self.venue.amend(command, fate, self.probe.now_ns))
        elif isinstance(command, Submit):
            self.tell(self.venue.submitted(command, fate, self.probe.now_ns))
        elif isinstance(command, Cancel):
            self.tell(self.venue.cancelled(command, heard=good))
        else:
            self.tell(self.venue.inquired(command, self.probe.now_ns, complete=good))

    @precondition(lambda self: any(isinstance(c, Submit) for c in self.venue.commands))
    @rule(arrived=st.booleans())
    def line_restarts(self, arrived: bool) -> None:
        """Conclude what the line held as unknown, whether or not it had left."""
        held = [c for c in self.venue.commands if isinstance(c, Submit)]
        self.venue.commands = [c for c in self.venue.commands if not isinstance(c, Submit)]
        for command in held:
            fate = "ack lost" if arrived else "bytes lost"
            outcome = self.venue.submitted(command, fate, self.probe.now_ns)
            assert outcome.result is SubmitResult.UNKNOWN
            self.tell(SubmitOutcome(client_order_id=outcome.client_order_id, result=outcome.result))

    @precondition(lambda self: self.venue.reports)
    @rule(pick=picks, again=st.booleans())
    def deliver(self, pick: int, again: bool) -> None:
        index = pick % len(self.venue.reports)
        report = self.venue.reports[index]
        if not again:
            del self.venue.reports[index]
        self.tell(report)

    @precondition(lambda self: self.venue.reports)
    @rule()
    def lose_reports(self) -> None:
        self.venue.reports.clear()

    # --- what the venue does

    @precondition(lambda self: self.open_orders())
    @rule(pick=picks, lots=st.integers(min_value=1, max_value=9), named=st.booleans())
    def execute(self, pick: int, lots: int, named: bool) -> None:
        ours = self.open_orders()[pick % len(self.open_orders())]
        self.venue.execute(ours, lots, self.probe.now_ns, named=named)

    @precondition(lambda self: self.open_orders())
    @rule(pick=picks, state=st.sampled_from([OrderState.CANCELLED, OrderState.EXPIRED]))
    def end(self, pick: int, state: OrderState) -> None:
        ours = self.open_orders()[pick % len(self.open_orders())]
        self.venue.end(ours, state)

    # --- time, and readings of the account

    @rule(milliseconds=st.sampled_from([1, 300, 1_100, 6_000, 20_000]))
    def wait(self, milliseconds: int) -> None:
        until_ns = self.probe.now_ns + milliseconds * 1_000_000
        while self.fire_due(until_ns):
            pass
        self.probe.now_ns = until_ns

    @rule(seconds=st.sampled_from([2, 7, 12]))
    def behave(self, seconds: int) -> None:
        """Answer every question honestly as it comes, for a while."""
        until_ns = self.probe.now_ns + seconds * SECOND_NS
        while True:
            questions = [c for c in self.venue.commands if isinstance(c, Cancel | Inquire)]
            for question in questions:
                self.answer(pick=self.venue.commands.index(question), fate="", good=True)
            if not questions and not self.fire_due(until_ns):
                break
        self.probe.now_ns = until_ns

    def fire_due(self, until_ns: int) -> bool:
        timer = self.probe.fold.timers.get("agenda")
        if timer is None or timer[0] > until_ns:
            return False
        for outcome in [self.probe.fire("agenda")]:
            for command in sent_to(outcome, LINE):
                assert isinstance(command, Submit | Amend | Cancel | Inquire)
                self.venue.take(command)
            for message in sent_to(outcome, LEDGER):
                self.book(message)
        return True

    @rule()
    def read_account(self) -> None:
        visible_ns = self.probe.now_ns - ACCOUNT.visibility_lag_ns
        orders = [o for o in self.venue.orders.values() if o.arrived_ns <= visible_ns]
        seen = AccountSeen(
            request_id="q",
            reply_to=RECONCILE,
            open_orders=tuple(o.report(visible_ns) for o in orders if o.state is OrderState.OPEN),
            fills=tuple(f for o in orders for f in o.fills if f.at_ns <= visible_ns),
            read_ns=self.probe.now_ns,
        )
        self.tell(seen)

    # --- what must hold

    @invariant()
    def books_hold_only_what_the_venue_filled(self) -> None:
        known = {f.exec_id: f.quantity_lots for o in self.venue.orders.values() for f in o.fills}
        assert self.fills.items() <= known.items()

    @invariant()
    def what_was_concluded_of_an_amendment_is_so(self) -> None:
        applied = {each[3] for order in self.venue.orders.values() for each in order.amended}
        for amend_id, said in self.amended.items():
            assert said == (amend_id in applied)

    @invariant()
    def absent_means_absent(self) -> None:
        absent = {ours for ours, end in self.ended.items() if end.state is OrderState.ABSENT}
        assert not (absent & set(self.venue.orders)), "the venue has it"

    @invariant()
    def what_has_ended_is_not_live(self) -> None:
        assert not (set(self.ended) & set(self.probe.state.live)), "none came late here"

    def teardown(self) -> None:
        """Let everybody behave: every order ends, and the books are the venue's."""
        for _ in range(SETTLE_STEPS_MAX):
            if set(self.ended) == set(self.placed):
                break
            self.settle_a_little()
        assert set(self.ended) == set(self.placed), "an order never ended"
        known = {f.exec_id: f.quantity_lots for o in self.venue.orders.values() for f in o.fills}
        assert self.fills == known
        for ours, update in self.ended.items():
            order = self.venue.orders.get(ours)
            assert update.filled_lots == (order.filled_lots if order else 0)

    def settle_a_little(self) -> None:
        while self.venue.commands:
            self.answer(pick=0, fate="rejected", good=True)
        for ours in self.open_orders():
            self.venue.end(ours, OrderState.CANCELLED)
        while self.venue.reports:
            self.deliver(pick=0, again=False)
        if not self.fire_due(self.probe.now_ns + 60 * SECOND_NS):
            self.probe.now_ns += SECOND_NS
        if not self.venue.commands and not self.probe.fold.timers:
            self.probe.now_ns += 10 * SECOND_NS
            self.read_account()


TestOrdersAgainstAdversary = OrdersAgainstAdversary.TestCase
TestOrdersAgainstAdversary.settings = settings(max_examples=150, stateful_step_count=40)
