"""What must hold at the end of a cell: our books beside the venue's."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from actors.books import FUNDING
from actors.execution.order_state import Record
from actors.vault import funding_minor
from messages.money import Mode
from messages.orders import TERMINAL, OrderState
from tests.whole.matrix.cells import Cell, Operation
from tests.whole.matrix.life import LEDGER, ORDERS, RECONCILE, Life
from tests.whole.matrix.venue import OUTSIDE_ETH, Venue


def records(life: Life) -> dict[str, Record]:
    """Return every order that the orders actor knows, by our id, oldest first."""
    state = life.state(ORDERS)
    return {**state.closed, **state.live}


def unsettled(life: Life) -> bool:
    """Whether something still moves, or the books were not yet found to agree."""
    orders, reconcile = life.state(ORDERS), life.state(RECONCILE)
    return bool(orders.live or orders.unmatched) or reconcile.mode is not Mode.ACTIVE


@dataclass
class Findings:
    """What was found, and what of it is wrong."""

    problems: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    flagged: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    """Orders that a person had to cancel at the venue, of which they were told."""
    foreign: bool = False
    """The bot was restored from before the operation: it may have to flag what it cannot know."""

    def look(self, cell: Cell, life: Life, venue: Venue) -> None:
        """Compare everything."""
        self._orders(life, venue)
        self._money(life, venue)
        ledger = life.state(LEDGER)
        if ledger.orders:
            self.problems.append(f"{len(ledger.orders)} orders still hold money in the ledger")
        if life.store.statistics().quarantined:
            self.problems.append("a message lies in quarantine")
        left = venue.balances.get("ETH", 0) - OUTSIDE_ETH
        if cell.operation is Operation.STOP and left:
            self.problems.append(f"the stop left {left} units, and should leave none")
        if cell.operation is Operation.STOP:
            self._one_exit_at_a_time(venue)

    def _orders(self, life: Life, venue: Venue) -> None:
        known = records(life)
        counted = Counter(order.ticket.client_order_id for order in venue.orders)
        self.problems += [f"{ours} was placed {n} times" for ours, n in counted.items() if n > 1]
        wishes = Counter(order.ticket.side for order in venue.orders)
        if wishes["buy"] > 1:
            self.problems.append(f"one wish became {wishes['buy']} orders")
        alerts = life.state(ORDERS).foreign
        for order in venue.orders:
            record = known.get(order.ticket.client_order_id)
            if order.is_open:
                self.problems.append(f"{order.venue_id} is still open at the venue")
            if record is None:
                if self.foreign and self._is_flagged(order.venue_id, life, venue):
                    self.flagged.append(order.venue_id)
                else:
                    self.problems.append(f"{order.venue_id} is lost: we do not know it")
            elif record.filled_lots != order.filled_lots:
                self.problems.append(
                    f"{order.venue_id} filled {order.filled_lots} lots, by our books "
                    f"{record.filled_lots}"
                )
        if self.by_hand and not set(self.by_hand) <= set(alerts):
            self.problems.append(f"nobody was told of {self.by_hand}")
        for ours, record in known.items():
            if record.state not in TERMINAL:
                self.problems.append(f"{ours} is {record.state.value}")
            if record.state is not OrderState.ABSENT and record.filled_lots and ours not in counted:
                self.problems.append(f"{ours} filled and the venue has no such order")
            self.states.append(f"{record.state.value} {record.filled_lots}")

    def _is_flagged(self, venue_id: str, life: Life, venue: Venue) -> bool:
        """Whether a person was told of an order, or of each of its fills, or a sleeve got them."""
        state = life.state(ORDERS)
        fills = [f.exec_id for f in venue.fills if f.order.venue_id == venue_id]
        known = {*state.foreign, *state.by_hand}
        return venue_id in known or (bool(fills) and set(fills) <= known)

    def _money(self, life: Life, venue: Venue) -> None:
        ledger = life.state(LEDGER)
        ledger.books.check()
        reconcile = life.state(RECONCILE)
        for asset, theirs in venue.balances.items():
            ours = ledger.books.held(asset) + (OUTSIDE_ETH if asset == "ETH" else 0)
            if ours == theirs:
                continue
            text = f"{asset}: venue {theirs}, books {ours}"
            told = reconcile.mode is Mode.EXITS_ONLY and asset in reconcile.reason
            if self.foreign and told:
                self.flagged.append(text)
            else:
                self.problems.append(text)
        settled = sum(each.amount for each in venue.funding)
        if ledger.books.balance("USDT", FUNDING) != -settled:
            self.problems.append("what was settled is not what lies in the account of funding")
        if funding_minor(ledger) != settled:
            self.problems.append("funding was not booked to the sleeve that held the position")
        if not self.flagged and reconcile.mode is not Mode.ACTIVE:
            self.problems.append(f"the account is {reconcile.mode.value}: {reconcile.reason}")

    def _one_exit_at_a_time(self, venue: Venue) -> None:
        sells = [order for order in venue.orders if order.ticket.side == "sell"]
        for before, after in pairwise(sells):
            if not before.closed_ns or before.closed_ns > after.accepted_ns:
                self.problems.append(f"{before.venue_id} and {after.venue_id} were live at once")

    def outcome(self, venue: Venue) -> str:
        """Say in a few words what became of it."""
        if self.problems:
            return "FAILED: " + "; ".join(self.problems)
        moved = [f"moved {each.amount}" for each in (*venue.transfers, *venue.funding)]
        if self.flagged:
            return "flagged: " + ", ".join(dict.fromkeys(self.flagged))
        return ", ".join([*self.states, *moved]) or "no order"
