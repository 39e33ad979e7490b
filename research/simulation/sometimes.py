"""Rare states that a batch must have been in: a mix of faults that never reaches them tests little.

Each has a name, and the counter of a run that shows it.
"""

from collections.abc import Iterable

from research.simulation.run import Result

# Smaller batches say what they reached and are not judged by it.
SEEDS_JUDGED_MIN = 200

SOMETIMES: dict[str, str] = {
    "an order whose answer was lost": "order.unknown",
    "an order that the venue never had": "order.absent",
    "an order refused by the kill switch or a limit": "order.denied",
    "an order cancelled": "order.cancelled",
    "an order filled in part": "order.partial",
    "a power cut": "power.cut",
    "a start with more in the journal than was acknowledged": "tail.unacknowledged",
    "a start with an order under way": "start.order",
    "the kill switch confirmed": "switch.confirmed",
    "the kill switch engaged with an order under way": "switch.order",
    "a market that could not be trusted": "market.distrusted",
    "a message in quarantine": "quarantine",
    "an actor of money blocked by a message": "blocked",
    "a part of the tree halted": "halted",
    "a disk that takes nothing": "store.degraded",
    "a start without the newest snapshots": "snapshot.lost",
    "a process that ended for lack of memory": "memory.none",
    "a task that no cancellation ended in time": "unkillable",
    "the books compared": "reconciliations",
    "an orderly restart": "stopped",
    "no fault at all": "calm",
}


def reached(results: Iterable[Result]) -> dict[str, int]:
    """Return in how many of the runs each rare state was reached."""
    found = dict.fromkeys(SOMETIMES, 0)
    for result in results:
        for name, counter in SOMETIMES.items():
            found[name] += result.sometimes[counter] > 0
    return found
