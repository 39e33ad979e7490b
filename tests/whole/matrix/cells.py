"""Which cells the matrix has: operations × steps × faults, and why some of them cannot be."""

from enum import Enum
from typing import NamedTuple


class Operation(Enum):
    """What is under way when it is hit."""

    SUBMIT = "REST submit"
    WS_SUBMIT = "WS submit"
    CANCEL = "cancel"
    AMEND = "amend"
    STOP = "stop trigger"
    FUNDING = "funding"
    TRANSFER = "transfer"


class Step(Enum):
    """How far it has come."""

    BUILT = "intent built"
    RESERVED = "reserved"
    APPROVED = "approved"
    DURABLE = "durable"
    SENT = "bytes sent"
    ACCEPTED = "venue accepted but not yet visible"
    ACK_LOST = "ack lost"
    ACK = "ack received"
    PARTIAL = "partial fill"
    LOST_FILL = "fill lost then found"
    FILLED = "filled before the retry"
    CANCELLED = "cancelled"
    SNAPSHOT = "snapshot"
    BACKUP = "restore of an old backup"


class Fault(Enum):
    """What hits it."""

    KILL = "process SIGKILL"
    CRASH = "actor crash"
    CUT = "socket cut"
    LATE = "reply delayed past the time-out"
    DUPLICATE = "duplicate reply"
    SERVER_ERROR = "venue 5xx after acceptance"
    SKEW = "clock skew"
    JOURNAL = "journal write error"


class Cell(NamedTuple):
    """One of them."""

    operation: Operation
    step: Step
    fault: Fault

    def __str__(self) -> str:
        return " · ".join(part.value for part in self)


_NO_ORDER = dict.fromkeys(
    (Step.PARTIAL, Step.LOST_FILL, Step.FILLED, Step.CANCELLED), "no order is part of it"
)
_VENUE_ACTS = {
    Step.BUILT: "the venue acts, not we: nothing is wished for",
    Step.RESERVED: "nothing is reserved for what the venue does",
    Step.APPROVED: "risk is not asked about what the venue does",
    Step.SENT: "we send nothing",
}
_INAPPLICABLE: dict[Operation, dict[Step, str]] = {
    Operation.CANCEL: {
        Step.RESERVED: "a cancel reserves nothing",
        Step.APPROVED: "a cancel does not pass risk: it is always allowed",
    },
    Operation.FUNDING: {**_NO_ORDER, **_VENUE_ACTS},
    Operation.TRANSFER: {**_NO_ORDER, **_VENUE_ACTS},
}


def inapplicable(cell: Cell) -> str:
    """Return why a cell cannot be; "" for one that can."""
    return _INAPPLICABLE.get(cell.operation, {}).get(cell.step, "")


def all_cells() -> list[Cell]:
    """Return all of them, those that cannot be included."""
    return [Cell(o, s, f) for o in Operation for s in Step for f in Fault]


def sample(every: int) -> list[Cell]:
    """Return every so many-th of those that can be."""
    able = [cell for cell in all_cells() if not inapplicable(cell)]
    return able[::every]
