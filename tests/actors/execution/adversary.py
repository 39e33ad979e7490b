"""A venue, a line and a network that do their worst within what they promise, for the orders actor.

The promises: an order that arrives does so before the submit's expiry; a reading shows all that is
older than the visibility lag; a final report counts all fills. Everything else may be lost,
late, twice, or out of order.
"""

from dataclasses import dataclass, field

from messages.amends import Amend, AmendOutcome, AmendResult
from messages.orders import (
    TERMINAL,
    Cancel,
    CancelOutcome,
    CancelResult,
    FillReported,
    Inquire,
    InquiryOutcome,
    OrderReported,
    OrderState,
    Submit,
    SubmitOutcome,
    SubmitResult,
    VenueFill,
    VenueOrder,
)
from tests.actors.trading import ACCOUNT, fill, venue_order

# What may become of the bytes of a submit, and what the line can say of it.
FATES = (
    "accepted",
    "ack lost",
    "arrives at its expiry",
    "bytes lost",
    "not sent",
    "rejected",
    "denied",
)
_SAID = {
    "accepted": SubmitResult.ACCEPTED,
    "ack lost": SubmitResult.UNKNOWN,
    "arrives at its expiry": SubmitResult.UNKNOWN,
    "bytes lost": SubmitResult.UNKNOWN,
    "not sent": SubmitResult.NOT_SENT,
    "rejected": SubmitResult.REJECTED,
    "denied": SubmitResult.DENIED,
}
_AMENDED = {
    "accepted": AmendResult.ACCEPTED,
    "not sent": AmendResult.NOT_SENT,
    "rejected": AmendResult.REJECTED,
    "denied": AmendResult.NOT_SENT,
}
Command = Submit | Amend | Cancel | Inquire
Report = OrderReported | FillReported


@dataclass
class Resting:
    """One order in the venue's books."""

    submit: Submit
    arrived_ns: int
    state: OrderState = OrderState.OPEN
    fills: list[VenueFill] = field(default_factory=list)
    amended: list[tuple[int, int, int, str]] = field(default_factory=list)
    """When, to which price and quantity, and by which amendment."""

    def terms_at(self, at_ns: int) -> tuple[int, int]:
        """Return price and quantity as they were at some moment."""
        terms = self.submit.terms
        known = [each[1:3] for each in self.amended if each[0] <= at_ns]
        return known[-1] if known else (terms.limit_ticks, terms.quantity_lots)

    @property
    def filled_lots(self) -> int:
        return sum(each.quantity_lots for each in self.fills)

    def report(self, at_ns: int = 2**62) -> VenueOrder:
        limit_ticks, quantity_lots = self.terms_at(2**62 if self.state in TERMINAL else at_ns)
        return venue_order(
            self.submit.terms.client_order_id,
            limit_ticks=limit_ticks,
            quantity_lots=quantity_lots,
            filled_lots=self.filled_lots,
            state=self.state,
        )


@dataclass
class Adversary:
    """The venue's books, the commands the line holds, and the reports under way."""

    orders: dict[str, Resting] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    fates: dict[str, str] = field(default_factory=dict)
    """What became of the newest submit of each order."""

    def take(self, command: Command) -> None:
        """Take a command from the actor; a submit must not follow one that may have arrived."""
        if isinstance(command, Submit):
            fate = self.fates.get(command.terms.client_order_id, "not sent")
            assert fate == "not sent", f"submitted again after: {fate}"
            self.fates[command.terms.client_order_id] = "under way"
        self.commands.append(command)

    def submitted(self, command: Submit, fate: str, now_ns: int) -> SubmitOutcome:
        """Decide what becomes of a submit; return what the line says of it."""
        ours = command.terms.client_order_id
        self.fates[ours] = fate
        if fate in ("accepted", "ack lost"):
            arrived_ns = min(now_ns, command.expires_ns)
            self.orders[ours] = Resting(command, arrived_ns)
            self._tell(ours)
        elif fate == "arrives at its expiry":
            # Nothing tells of it before a reading may show it.
            self.orders[ours] = Resting(command, command.expires_ns)
        venue_order_id = f"V-{ours}" if fate == "accepted" else ""
        return SubmitOutcome(
            client_order_id=ours, result=_SAID[fate], venue_order_id=venue_order_id, reason=fate
        )

    def amend(self, command: Amend, fate: str, now_ns: int) -> AmendOutcome:
        """Decide what becomes of an amendment; return what the line says of it."""
        terms = command.terms
        order = self.orders.get(terms.client_order_id)
        result = _AMENDED.get(fate, AmendResult.UNKNOWN)
        if fate in ("accepted", "ack lost", "arrives at its expiry"):
            if order is None or order.state is not OrderState.OPEN:
                result = AmendResult.NOT_FOUND
            elif terms.quantity_lots <= order.filled_lots:
                result = AmendResult.REJECTED
            else:
                # One that arrives late is not told of, and no reading shows it before its time.
                late = fate == "arrives at its expiry"
                at_ns = command.expires_ns if late else now_ns
                new = (at_ns, terms.limit_ticks, terms.quantity_lots, command.amend_id)
                order.amended.append(new)
                if not late:
                    self._tell(terms.client_order_id)
        return AmendOutcome(
            amend_id=command.amend_id,
            client_order_id=terms.client_order_id,
            result=result,
            reason=fate,
        )

    def execute(self, client_order_id: str, lots: int, now_ns: int, *, named: bool) -> None:
        """Fill up to `lots` of an open order; without `named`, tell only the venue's id of it."""
        order = self.orders[client_order_id]
        quantity_lots = order.terms_at(now_ns)[1]
        lots = min(lots, quantity_lots - order.filled_lots)
        each = fill(
            f"{client_order_id}/{len(order.fills)}",
            client_order_id if named else "",
            venue_order_id=f"V-{client_order_id}",
            quantity_lots=lots,
            at_ns=now_ns,
        )
        order.fills.append(each)
        self.reports.append(FillReported(fill=each))
        if order.filled_lots == quantity_lots:
            # What would have arrived later finds nothing any more.
            order.amended = [each for each in order.amended if each[0] <= now_ns]
            order.state = OrderState.FILLED
        self._tell(client_order_id)

    def end(self, client_order_id: str, state: OrderState) -> None:
        """End an open order by the venue's own decision, or a cancel's."""
        self.orders[client_order_id].state = state
        self._tell(client_order_id)

    def cancelled(self, command: Cancel, *, heard: bool) -> CancelOutcome:
        """Cancel if it is open; `heard` is whether the line gets the answer."""
        order = self.orders.get(command.client_order_id)
        is_open = order is not None and order.state is OrderState.OPEN
        if is_open:
            self.end(command.client_order_id, OrderState.CANCELLED)
        result = CancelResult.ACCEPTED if is_open else CancelResult.NOT_FOUND
        if not heard:
            result = CancelResult.UNKNOWN
        return CancelOutcome(client_order_id=command.client_order_id, result=result)

    def inquired(self, command: Inquire, now_ns: int, *, complete: bool) -> InquiryOutcome:
        """Read what is visible by now."""
        order = self.orders.get(command.client_order_id)
        since_ns = now_ns - ACCOUNT.visibility_lag_ns
        if not complete or order is None or order.arrived_ns > since_ns:
            return InquiryOutcome(
                client_order_id=command.client_order_id,
                complete=complete,
                order=None,
                read_ns=now_ns,
            )
        visible = tuple(each for each in order.fills if each.at_ns <= since_ns)
        return InquiryOutcome(
            client_order_id=command.client_order_id,
            complete=True,
            order=order.report(since_ns),
            fills=visible,
            read_ns=now_ns,
        )

    def open_orders(self, now_ns: int) -> list[str]:
        """Return our ids of what is open in the venue's books by now."""
        return [
            ours
            for ours, order in self.orders.items()
            if order.state not in TERMINAL and order.arrived_ns <= now_ns
        ]

    def _tell(self, client_order_id: str) -> None:
        self.reports.append(OrderReported(order=self.orders[client_order_id].report()))
