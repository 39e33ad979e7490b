"""The page about a batch: `docs/simulation-report.md`."""

from research.simulation.batch import Tally
from research.simulation.plan import SECONDS_PER_HOUR


def page(tally: Tally) -> str:
    """Return the report of `tally` in Markdown."""
    hours = tally.seconds / SECONDS_PER_HOUR
    lines = [
        "# The latest batch of simulations",
        "",
        "Written by `bot sim --report`; what the words mean: [simulation](simulation.md).",
        "",
        "| figure | value |",
        "| --- | --- |",
        f"| commit | {tally.commit} |",
        f"| seeds | {tally.seeds}, up to {tally.next_seed - 1} |",
        f"| virtual time | {hours:.2f} h, {tally.seconds_each:.0f} s under faults each |",
        f"| speed | {tally.speed:.0f} times real time, by processor time |",
        f"| lives of the process | {tally.lives} |",
        f"| orders written, fills | {tally.orders}, {tally.fills} |",
        f"| commits after which the books were checked | {tally.checked} |",
        f"| seeds run twice to compare their traces | {tally.repeated} |",
        f"| seeds that failed | {tally.failed} |",
        "",
        "## Faults injected",
        "",
        "| kind | times |",
        "| --- | --- |",
        *[f"| {name} | {count} |" for name, count in sorted(tally.faults.items())],
        "",
        "## Rare states reached",
        "",
        "| state | seeds |",
        "| --- | --- |",
        *[f"| {name} | {count} |" for name, count in tally.sometimes.items()],
        *[f"| {name} | **never** |" for name in tally.unreached],
        "",
        "## Failures",
        "",
        *(_failures(tally) or ["None."]),
        "",
        "What earlier batches found, and what was done: [simulation](simulation.md#found-so-far).",
    ]
    return "\n".join(lines) + "\n"


def _failures(tally: Tally) -> list[str]:
    return [f"- seed {each.seed}: {each.violations[0]}" for each in tally.failures]
