"""One actor in words, for `bot actor`."""

from collections.abc import Sequence

from bot.text import duration, table, time_of
from messages.inspection import ActorFrame, ActorRow, ActorStats, ActorStep, ActorWaiting

NANOSECONDS_PER_SECOND = 1_000_000_000
_UNITS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns"))


def stats_lines(row: ActorStats) -> str:
    """Return the figures, a name and a value a line."""
    marks = (("suspended", row.suspended), ("traced", row.traced), ("holds money", row.holds_money))
    backoff_s = row.backoff_left_ns // NANOSECONDS_PER_SECOND
    lines = [
        ("address", row.address),
        ("kind", row.kind),
        ("state", ", ".join([row.state, *(name for name, is_so in marks if is_so)])),
        ("up for", duration(row.uptime_ns // NANOSECONDS_PER_SECOND) if row.uptime_ns else "-"),
        ("starts", f"{row.incarnation}, {row.restarts} of them restarts"),
        ("last end", row.last_exit or "-"),
        ("next start in", duration(backoff_s) if row.backoff_left_ns else "-"),
        ("last message", str(row.seq)),
        ("in", f"{row.sent} since the bot started"),
        ("handled", str(row.handled)),
        ("lost", f"{row.dead} dead, {row.dropped} dropped, {row.conflated} conflated"),
        ("waiting", f"{row.queued}, at most {row.queued_max}"),
        ("timers", str(row.timers)),
        ("since snapshot", str(row.tail_messages)),
        ("a message takes", f"{_span(row.step_p99_ns)} (p99), {_span(row.step_max_ns)} at most"),
        ("turns", f"{row.reductions} of the event loop since this start"),
        ("circuit", row.circuit or "-"),
        ("budget", _budget(row)),
    ]
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in lines)


def _budget(row: ActorStats) -> str:
    if not row.step_budget_ns:
        return "none"
    return f"{_span(row.step_budget_ns)}; struck {row.struck}, over it {row.overruns}"


def step_lines(rows: Sequence[ActorRow]) -> str:
    """Return steps as people read them."""
    steps = [row for row in rows if isinstance(row, ActorStep)]
    lines = []
    for step in steps:
        lines.append(f"{step.seq}  {time_of(step.now_ns)}  from {step.sender}: {step.message}")
        lines += [f"    {effect}" for effect in step.effects]
        if step.state_hash:
            lines.append(f"    state {step.state_hash}")
    return "\n".join(lines) or "it has handled nothing since the bot started, or nothing matched"


def frame_lines(rows: Sequence[ActorRow]) -> str:
    """Return stacks, outermost frame first."""
    lines: list[str] = []
    task = ""
    for row in rows:
        assert isinstance(row, ActorFrame), "a stack consists of frames"
        if row.task != task:
            task = row.task
            lines.append(f"task {task}")
        lines.append(f"    {row.where} in {row.function}")
    return "\n".join(lines)


def waiting_lines(rows: Sequence[ActorRow]) -> str:
    """Return what waits."""
    cells = [
        (str(row.position), row.lane, time_of(row.at_ns), row.sender, row.message)
        for row in rows
        if isinstance(row, ActorWaiting)
    ]
    if not cells:
        return "nothing waits"
    return table(("position", "lane", "at", "from", "message"), cells, right=(0,))


def _span(span_ns: int) -> str:
    for size_ns, unit in _UNITS:
        if span_ns >= size_ns:
            return f"{span_ns / size_ns:.3g} {unit}"
    return "0"
