"""`docs/kill-point-matrix.md`, from what every cell became."""

from collections.abc import Iterable

from tests.whole.matrix.cells import Cell, Fault, Operation, Step, inapplicable
from tests.whole.matrix.play import Result

_HEAD = """# The kill-point matrix

Made by `make matrix`; do not edit it. Each operation is brought to each step and hit there by each
fault. Then everything behaves, what is still open is cancelled, and our books are compared with the
venue's: **no order lost, none doubled, no money unaccounted**. {counts}

How: the production tree on a real store and virtual time, against a venue of a few lines in
`tests/whole/matrix` whose books outlive the bot. A process that is killed leaves what was
committed, and another one goes on with it. The same with real processes and `bot venue`, at moments
drawn by chance, is `tests/whole/test_kill_bot.py`; orders go over the WebSocket there. In a WS
submit everything from the order desk down to the frames is the bot's own, over a connection in
memory; when that is cut or says nothing, later orders and cancels take the other way.

A cell says how the orders ended and how many lots filled (1 000 were wished for, 1 500 after an
amendment; a stop trigger and funding begin with 1 000 bought).

- *absent*: it never reached the venue, which was proved by asking; its money is free again.
- *no order*: the wish was not yet on the disk when the process died; nobody has heard of it.
- *flagged*: a backup was restored that cannot know what came after it. The books differ from the
  venue's, a person was paged with every order and execution, and the account may only exit.
- *moved*: money that came or went, booked once.
"""


def page(results: dict[Cell, Result]) -> str:
    """Return the page."""
    failed = [cell for cell, result in results.items() if result.problems]
    left_out = sum(1 for o in Operation for s in Step for f in Fault if inapplicable(Cell(o, s, f)))
    counts = (
        f"{len(results)} cells were played, {len(failed)} failed; {left_out} cannot be, for the "
        "reasons given."
    )
    parts = [_HEAD.format(counts=counts)]
    for operation in Operation:
        parts.append(f"## {operation.value[0].upper()}{operation.value[1:]}\n")
        parts.append("\n".join(_section(operation, results)) + "\n")
    if failed:
        parts.append("## Failures\n")
        parts += [f"- {cell}: {'; '.join(results[cell].problems)}" for cell in failed]
    return "\n".join(parts).rstrip() + "\n"


def _section(operation: Operation, results: dict[Cell, Result]) -> Iterable[str]:
    reasons = {step: inapplicable(Cell(operation, step, Fault.KILL)) for step in Step}
    steps = [step for step in Step if not reasons[step]]
    if steps:
        yield f"| step | {' | '.join(fault.value for fault in Fault)} |"
        yield "| --- |" + " --- |" * len(Fault)
    for step in steps:
        said = [_said(results.get(Cell(operation, step, fault))) for fault in Fault]
        yield f"| {step.value} | {' | '.join(said)} |"
    by_reason: dict[str, list[str]] = {}
    for step, reason in reasons.items():
        if reason:
            by_reason.setdefault(reason, []).append(step.value)
    if steps and by_reason:
        yield ""
    if by_reason:
        yield "Not applicable:"
        yield ""
    for reason, names in by_reason.items():
        which = "all steps" if len(names) == len(Step) else ", ".join(names)
        yield f"- {which}: {reason}"


def _said(result: Result | None) -> str:
    if result is None:
        return "not played"
    return f"**{result.outcome}**" if result.problems else result.outcome
