"""`bot replay`'s own work: finding the actor and its past, and showing the steps."""

import difflib
import inspect
import json
import pdb  # noqa: T100 - what `bot replay --pdb` is for
from collections.abc import Iterable
from pathlib import Path
from types import CodeType
from typing import Any

import click
import msgspec

from actors.tree import build
from bot.config import config_file, load
from bot.environment import Environment
from bot.roster import read_roster
from bot.shared import print_json
from bot.text import time_of
from state.history import History
from state.look import Look
from supervisor.actor import Actor, handlers
from supervisor.clock import ManualClock
from supervisor.fold import Fold, Ran
from supervisor.journal import Input, RecordedTurn
from supervisor.replay import Before, Replay, Step, Verdict, Watcher
from supervisor.spec import ChildSpec, SupervisorSpec

# What the daemon puts before the trading tree.
FRONT = ("/store", "/control")
# More addresses than this are no help to who mistyped one.
NAMED_MAX = 8


class ReplayError(Exception):
    """There is nothing to replay; the text says why."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for."""

    address: str
    from_seq: int | None = None
    to_seq: int | None = None
    break_on: str | None = None
    with_pdb: bool = False
    quiet: bool = False
    as_json: bool = False


class _Failed(msgspec.Struct, frozen=True):
    """A divergence, for JSON."""

    seq: int
    ordinal: int
    recorded: str
    found: str


def replay(folder: Path, wanted: Wanted, config_name: str | None) -> bool:
    """Replay and show; return whether all was as recorded. Raises `ReplayError`, `StateError`."""
    with Look(folder) as look:
        spec = _tree(look, folder, config_name)
        return replay_in(look, spec, wanted)


def replay_in(look: Look, spec: SupervisorSpec, wanted: Wanted) -> bool:
    """Replay an actor of the tree `spec` from the database that `look` shows."""
    actor = actor_at(spec, wanted.address)
    names = look.names()
    number = names.get(wanted.address)
    if number is None:
        raise ReplayError(f"{wanted.address} has never run here: `bot tree` shows what does")
    history = look.history()
    fold = Fold(actor, look.lineage, number, wanted.address)
    from_seq = wanted.from_seq or history.horizon(number)
    snapshot = history.snapshot_before(number, from_seq)
    if snapshot is not None:
        fold.load(snapshot)
    watcher = _Printer(wanted, actor)
    by_number = {n: name for name, n in names.items()}
    replaying = Replay(fold, by_number, watcher, from_seq=from_seq, to_seq=wanted.to_seq)
    verdict = replaying.run(_turns_after(history, number, fold.seq))
    watcher.conclude(verdict)
    return verdict.divergence is None


def _turns_after(history: History, actor: int, seq: int) -> Iterable[RecordedTurn]:
    return history.turns(actor, seq + 1, 2**62)


def _tree(look: Look, folder: Path, config_name: str | None) -> SupervisorSpec:
    environment = Environment()
    config = load(config_file(environment, config_name), environment)
    roster = read_roster(look.names(), look.configuration) or config.first_run
    return build(config.tree_settings(roster), folder, ManualClock(), ())


def actor_at(spec: SupervisorSpec, address: str) -> Actor[Any]:
    """Return a new actor as it stands at `address`; raise `ReplayError` if none does."""
    leaves = dict(_leaves(spec, ""))
    found = leaves.get(address)
    if address in FRONT or (found is not None and not isinstance(found.start(), Actor)):
        raise ReplayError(f"{address} is a port: it touches the outside and cannot be run again")
    if found is None:
        below = [leaf for leaf in leaves if leaf.startswith(f"{address.rstrip('/')}/")]
        if below:
            hint = f"a supervisor stands there; below it stand {', '.join(below[:NAMED_MAX])}"
        else:
            near = difflib.get_close_matches(address, leaves, n=1, cutoff=0.0)
            hint = f"the nearest is {near[0]}" if near else "there are none"
        raise ReplayError(f"no actor stands at {address}: {hint}; `bot tree` shows all")
    started = found.start()
    assert isinstance(started, Actor), "ports were refused"
    return started


def _leaves(spec: SupervisorSpec, at: str) -> Iterable[tuple[str, ChildSpec]]:
    for child in spec.children:
        address = f"{at}/{child.name}"
        if isinstance(child, SupervisorSpec):
            yield from _leaves(child, address)
        else:
            yield address, child


class _Printer(Watcher):
    """Shows each step, stops where it was told to, and hands over to the debugger there."""

    def __init__(self, wanted: Wanted, actor: Actor[Any]) -> None:
        self._wanted = wanted
        self._handlers = handlers(actor)
        self._break_on: CodeType | None = None
        if wanted.break_on is not None:
            self._break_on = compile(wanted.break_on, "--break-on", "eval")
        self._hit: Before | None = None
        self._was_hit = False
        self.steps: list[Step] = []

    def before(self, before: Before) -> bool:
        if self._break_on is None:
            return False
        known = {"state": before.state, "message": before.message, "seq": before.seq}
        try:
            is_hit = bool(eval(self._break_on, {}, known))  # noqa: S307 - the operator's own words
        except (AttributeError, KeyError, IndexError, TypeError):
            # Most expressions are about one kind of message: of the others it is not true.
            is_hit = False
        self._hit = before if is_hit else None
        self._was_hit = self._was_hit or is_hit
        return is_hit

    def handle(self, fold: Fold, one: Input, now_ns: int) -> Ran:
        if self._hit is None or not self._wanted.with_pdb:
            return fold.run([one], now_ns, timed=False)
        debugger = pdb.Pdb()
        handler = self._handlers.get(type(self._hit.message))
        if handler is not None:
            lines, first = inspect.getsourcelines(handler)
            body = first + next(at for at, line in enumerate(lines) if line.rstrip().endswith(":"))
            debugger.set_break(inspect.getsourcefile(handler) or "", body + 1)
            debugger.rcLines.append("continue")
        ran = debugger.runcall(fold.run, [one], now_ns, timed=False)
        assert ran is not None, "the fold returns what became of the message"
        return ran

    def after(self, step: Step) -> None:
        if self._wanted.as_json:
            self.steps.append(step)
        elif not self._wanted.quiet:
            click.echo(words(step))

    def conclude(self, verdict: Verdict) -> None:
        """Say what the replay showed."""
        found = verdict.divergence
        if self._wanted.as_json:
            self._print_json(verdict)
        elif found is not None:
            click.echo(
                f"DIVERGED at message {found.seq}, effect {found.ordinal}:\n"
                f"  recorded: {found.recorded}\n  now:      {found.found}"
            )
        elif self._was_hit:
            # The rest of its turn was not run, and the record has one hash per turn.
            click.echo(f"stopped at message {verdict.last_seq}: --break-on is true for it")
        elif not verdict.turns:
            click.echo("nothing to replay: no message of it is kept in this range")
        else:
            click.echo(
                f"identical: messages {verdict.first_seq} to {verdict.last_seq} in "
                f"{verdict.turns} turns, chain {verdict.chain.hex()}"
            )
        if self._break_on is not None and not self._was_hit and not self._wanted.as_json:
            click.echo(f"--break-on was true for none of them: {self._wanted.break_on}")

    def _print_json(self, verdict: Verdict) -> None:
        found = verdict.divergence
        print_json(
            {
                "address": self._wanted.address,
                "first_seq": verdict.first_seq,
                "last_seq": verdict.last_seq,
                "turns": verdict.turns,
                "identical": found is None,
                "chain": verdict.chain.hex(),
                "divergence": _Failed(*found) if found is not None else None,
                "steps": [] if self._wanted.quiet else [step._asdict() for step in self.steps],
            }
        )


def words(step: Step) -> str:
    """Write one step for a person: the message, what it changed in the state, its effects."""
    milliseconds = step.now_ns // 1_000_000 % 1_000
    at = f"{time_of(step.now_ns)[:-1]}.{milliseconds:03d}Z"
    head = f"#{step.seq}  {at}  from {step.sender}\n  {plain(step.message)}"
    lines = [f"    {change}" for change in step.changes]
    lines += [f"  → {plain(effect)}" for effect in step.effects]
    return "\n".join([head, *lines])


def plain(text: str) -> str:
    """Write the JSON object in `text` as `tag name=value …`; the rest of the text stays."""
    before, brace, _ = text.partition("{")
    if not brace:
        return text
    try:
        document, end = json.JSONDecoder().raw_decode(text, len(before))
    except json.JSONDecodeError:
        return text
    parts = [str(document.pop("tag", ""))]
    parts += [f"{name}={_value(value)}" for name, value in document.items() if value != ""]
    return f"{before}{' '.join(part for part in parts if part)}{text[end:]}"


def _value(value: object) -> str:
    if isinstance(value, str) and value and not value.isspace() and " " not in value:
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
