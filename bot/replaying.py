"""`bot replay`'s own work: finding actors and their past, and showing the steps."""

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

import click
import msgspec

from actors.tree import build
from bot.config import config_file, load
from bot.environment import Environment
from bot.past import Past, PastError, last_crash, sender_of, seq_at
from bot.replay_debug import Poison, Session
from bot.replay_words import words
from bot.roster import read_roster
from bot.shared import print_json
from bot.text import time_of
from bot.what_if import Change, what_if
from messages.runtime import Quarantined
from messages.settings import TreeSettings
from state.look import Look
from supervisor.actor import Actor
from supervisor.clock import ManualClock
from supervisor.journal import Input
from supervisor.replay import Before, Replay, Step, Verdict, Watcher, decode_input
from supervisor.spec import ChildSpec, SupervisorSpec

# What the daemon puts before the trading tree.
FRONT = ("/store", "/control")
# More addresses than this are no help to who mistyped one.
NAMED_MAX = 8
# What `--at` shows without `--to`: about a screen.
SHOWN_FROM_A_TIME = 20


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for."""

    address: str = ""
    """An address, or a pattern of several."""
    from_seq: int | None = None
    to_seq: int | None = None
    at_ns: int | None = None
    last_crash: bool = False
    dead_letter: int | None = None
    break_on: str | None = None
    code: str | None = None
    parameters: dict[str, float] = {}
    with_pdb: bool = False
    quiet: bool = False
    as_json: bool = False

    @property
    def is_pattern(self) -> bool:
        """Whether several actors are meant."""
        return any(each in self.address for each in "*?[")


class _Failed(msgspec.Struct, frozen=True):
    """A divergence, for JSON."""

    seq: int
    ordinal: int
    recorded: str
    found: str


def replay(folder: Path, wanted: Wanted, config_name: str | None) -> bool:
    """Replay and show; return whether all was as recorded. Raises `PastError`, `StateError`."""
    with Look(folder) as look:
        return replay_in(look, tree_of(look, folder, config_name), wanted)


def replay_in(look: Look, spec: SupervisorSpec, wanted: Wanted) -> bool:
    """Replay actors of the tree `spec` from the database that `look` shows."""
    names = {number: name for name, number in look.names().items()}
    if wanted.dead_letter is not None:
        sent = sender_of(look.history(), wanted.dead_letter)
        start = {"from_seq": sent.seq, "to_seq": sent.seq}
        wanted = msgspec.structs.replace(wanted, address=names[sent.actor], **start)
    if wanted.is_pattern:
        return _several(look, spec, wanted)
    return replay_past(past_of(look, spec, wanted.address), wanted)


def replay_past(past: Past, wanted: Wanted) -> bool:
    """Replay one actor's past and show it; return whether all was as recorded."""
    if wanted.code is not None or wanted.parameters:
        _what_if(past, wanted)
        return True
    wanted, poison = _range(past, wanted)
    if wanted.with_pdb or poison is not None:
        condition = None if wanted.break_on is None else _condition(wanted.break_on)
        start_seq = poison.seq if poison else wanted.from_seq or past.horizon()
        if wanted.with_pdb:
            Session(past, condition, wanted.to_seq).run(start_seq, poison)
            return True
        assert poison is not None, "without a debugger only a crash ends here"
        return _show_crash(past, wanted, poison)
    printer = _Printer(wanted)
    verdict = _verdict(past, wanted, printer if printer.looks else Watcher())
    printer.conclude(verdict, past.restores(verdict.first_seq, verdict.last_seq))
    return verdict.divergence is None


def _what_if(past: Past, wanted: Wanted) -> None:
    if wanted.with_pdb or wanted.last_crash or wanted.at_ns is not None or wanted.break_on:
        raise PastError("--code and --param go with --from and --to, not with other ways to stop")
    code = None if wanted.code is None else Path(wanted.code)
    change = Change(code=code, parameters=wanted.parameters)
    what_if(past, change, wanted.from_seq, wanted.to_seq, as_json=wanted.as_json)


def past_of(look: Look, spec: SupervisorSpec, address: str) -> Past:
    """Return the past of the actor at `address`; raise `PastError` if none stands there."""
    make = partial(actor_at, spec, address)
    make()
    names = look.names()
    number = names.get(address)
    if number is None:
        raise PastError(f"{address} has never run here: `bot tree` shows what does")
    by_number = {number: name for name, number in names.items()}
    return Past(address, number, look.lineages(), by_number, make, look.history())


def _range(past: Past, wanted: Wanted) -> tuple[Wanted, Poison | None]:
    """Put the message numbers in the place of a time or a crash."""
    if wanted.at_ns is not None:
        first = seq_at(past.source, past.number, wanted.at_ns)
        last = wanted.to_seq or first + SHOWN_FROM_A_TIME - 1
        return msgspec.structs.replace(wanted, from_seq=first, to_seq=last), None
    if not wanted.last_crash:
        return wanted, None
    item = last_crash(past.source, past.number)
    one = Input(item.position, item.sender, item.actor, item.at_ns, item.body)
    seq, now_ns = past.horizon(), item.at_ns
    for turn in past.turns(past.horizon() - 1):
        seq, now_ns = turn.first_seq, turn.now_ns
        for each in turn.inputs:
            told = decode_input(each)
            if isinstance(told, Quarantined) and told.position == item.position:
                return wanted, Poison(seq, now_ns, one)
            seq += 1
    return wanted, Poison(seq, now_ns, one)


def _show_crash(past: Past, wanted: Wanted, poison: Poison) -> bool:
    """Run the message that crashed the actor again, in the state of then, and say what happens."""
    fold = past.begin(poison.seq)
    for turn in past.turns(fold.seq):
        for one in turn.inputs[: max(0, poison.seq - turn.first_seq)]:
            fold.run([one], turn.now_ns, timed=False)
    ran = fold.run([poison.input], poison.now_ns, timed=False)
    error = "" if ran.crash is None else f"{type(ran.crash).__name__}: {ran.crash}"
    message = decode_input(poison.input)
    if wanted.as_json:
        print_json(
            {"address": past.address, "after_seq": poison.seq - 1, "error": error,
             "position": poison.input.position, "message": message}
        )  # fmt: skip
        return True
    click.echo(f"after message {poison.seq - 1} came\n  {type(message).__name__}: {message}")
    if error:
        click.echo(f"and crashed it again: {error}\nlook inside: add --pdb")
    else:
        click.echo("and does not crash it any more: `bot actor ADDRESS retry` handles it")
    return True


def _several(look: Look, spec: SupervisorSpec, wanted: Wanted) -> bool:
    """Replay every actor whose address matches, a line each."""
    if wanted.with_pdb or wanted.last_crash or wanted.at_ns is not None:
        raise PastError("--pdb, --at and --last-crash are about one actor: give its whole address")
    printers: list[_Printer] = []
    known = look.names()
    for address, child in leaves(spec, ""):
        matches = fnmatchcase(address, wanted.address) and address in known
        if matches and isinstance(child.start(), Actor):
            one = msgspec.structs.replace(wanted, address=address, quiet=True)
            printers.append(_Printer(one))
            watcher = printers[-1] if printers[-1].looks else Watcher()
            verdict = _verdict(past_of(look, spec, address), one, watcher)
            printers[-1].verdict = verdict
            if not wanted.as_json:
                click.echo(f"{address}: {_summary(verdict)}")
    if not printers:
        raise PastError(f"no actor that has run matches {wanted.address}: `bot tree` shows all")
    is_identical = all(each.verdict and not each.verdict.divergence for each in printers)
    if wanted.as_json:
        documents = [each.document() for each in printers]
        print_json({"identical": is_identical, "actors": documents})
    return is_identical


def _verdict(past: Past, wanted: Wanted, watcher: Watcher) -> Verdict:
    from_seq = wanted.from_seq or past.horizon()
    fold = past.begin(from_seq)
    replaying = Replay(fold, past.names, watcher, from_seq=from_seq, to_seq=wanted.to_seq)
    return replaying.run(past.turns(fold.seq))


def tree_of(look: Look, folder: Path, config_name: str | None) -> SupervisorSpec:
    """Return the tree of actors that ran on `folder`."""
    return build(settings_of(look, config_name), folder, ManualClock(), ())


def settings_of(look: Look, config_name: str | None) -> TreeSettings:
    """Return what that tree is built from."""
    environment = Environment()
    config = load(config_file(environment, config_name), environment)
    roster = read_roster(look.names(), look.configuration) or config.first_run
    return config.tree_settings(roster)


def actor_at(spec: SupervisorSpec, address: str) -> Actor[Any]:
    """Return a new actor as it stands at `address`; raise `PastError` if none does."""
    known = dict(leaves(spec, ""))
    found = known.get(address)
    if address in FRONT or (found is not None and not isinstance(found.start(), Actor)):
        raise PastError(f"{address} is a port: it touches the outside and cannot be run again")
    if found is None:
        below = [leaf for leaf in known if leaf.startswith(f"{address.rstrip('/')}/")]
        if below:
            hint = f"a supervisor stands there; below it stand {', '.join(below[:NAMED_MAX])}"
        else:
            near = difflib.get_close_matches(address, known, n=1, cutoff=0.0)
            hint = f"the nearest is {near[0]}" if near else "there are none"
        raise PastError(f"no actor stands at {address}: {hint}; `bot tree` shows all")
    started = found.start()
    assert isinstance(started, Actor), "ports were refused"
    return started


def leaves(spec: SupervisorSpec, at: str) -> Iterable[tuple[str, ChildSpec]]:
    """Yield the address and spec of everything below `at` that is no supervisor."""
    for child in spec.children:
        address = f"{at}/{child.name}"
        if isinstance(child, SupervisorSpec):
            yield from leaves(child, address)
        else:
            yield address, child


def _condition(expression: str) -> "_Condition":
    return _Condition(compile(expression, "--break-on", "eval"))


class _Condition:
    """`--break-on`."""

    def __init__(self, code: CodeType) -> None:
        self._code = code

    def __call__(self, before: Before) -> bool:
        known = {"state": before.state, "message": before.message, "seq": before.seq}
        try:
            return bool(eval(self._code, {}, known))  # noqa: S307 - the operator's own words
        except (AttributeError, KeyError, IndexError, TypeError):
            # Most expressions are about one kind of message: of the others it is not true.
            return False


class _Printer(Watcher):
    """Shows each step, and stops where it was told to."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._break_on = None if wanted.break_on is None else _condition(wanted.break_on)
        self._was_hit = False
        self.steps: list[Step] = []
        self.restores: list[int] = []
        self.verdict: Verdict | None = None

    @property
    def looks(self) -> bool:
        """Whether steps are shown or looked for."""
        return not self._wanted.quiet or self._break_on is not None

    def before(self, before: Before) -> bool:
        is_hit = self._break_on is not None and self._break_on(before)
        self._was_hit = self._was_hit or is_hit
        return is_hit

    def after(self, step: Step) -> None:
        if self._wanted.quiet:
            return
        if self._wanted.as_json:
            self.steps.append(step)
        else:
            click.echo(words(step))

    def conclude(self, verdict: Verdict, restores: list[int]) -> None:
        """Say what the replay showed, and which moments before a restore it went past."""
        self.verdict = verdict
        self.restores = restores
        if self._wanted.as_json:
            print_json(self.document())
            return
        if self._was_hit and verdict.divergence is None:
            # The rest of its turn was not run, and the record has one hash per turn.
            click.echo(f"stopped at message {verdict.last_seq}: --break-on is true for it")
        else:
            click.echo(_summary(verdict))
        for until_ns in restores:
            click.echo(
                f"a backup was restored that ends at {time_of(until_ns)}: what is older was "
                "replayed under the lineage of then, since ids follow from it"
            )
        if self._break_on is not None and not self._was_hit:
            click.echo(f"--break-on was true for none of them: {self._wanted.break_on}")

    def document(self) -> dict[str, object]:
        """Return the verdict as `--json` prints it."""
        verdict = self.verdict
        assert verdict is not None, "the replay is done"
        found = verdict.divergence
        return {
            "address": self._wanted.address,
            "first_seq": verdict.first_seq,
            "last_seq": verdict.last_seq,
            "turns": verdict.turns,
            "identical": found is None,
            "chain": verdict.chain.hex(),
            "divergence": _Failed(*found) if found is not None else None,
            "restores": self.restores,
            "steps": [step._asdict() for step in self.steps],
        }


def _summary(verdict: Verdict) -> str:
    found = verdict.divergence
    if found is not None:
        return (
            f"DIVERGED at message {found.seq}, effect {found.ordinal}:\n"
            f"  recorded: {found.recorded}\n  now:      {found.found}"
        )
    if not verdict.turns:
        return "nothing to replay: no message of it is kept in this range"
    return (
        f"identical: messages {verdict.first_seq} to {verdict.last_seq} in "
        f"{verdict.turns} turns, chain {verdict.chain.hex()}"
    )
