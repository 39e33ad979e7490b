"""`bot replay --code` and `--param`: other code or parameters on a recorded past."""

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import msgspec

from actors.sleeves.sleeve import Sleeve
from actors.sleeves.strategy import ParameterError, Strategies, registered, strategy
from actors.sleeves.view import SleeveState
from bot.past import Past, PastError
from bot.replay_words import plain
from bot.shared import print_json
from messages.amounts import minor_text
from messages.base import Message
from messages.money import SleeveConfigured
from research.counterfactual import Counterfactual
from research.paper_desk import Result
from supervisor.actor import Actor
from supervisor.effects import readable, words
from supervisor.fold import Fold, Ran
from supervisor.journal import Input
from supervisor.replay import decode_input

ASSUMED = (
    "Both columns are on paper: each wish is filled at the first recorded top of book after it, "
    "whole, at the touch (a limit that rests: at its price, once reached); stops and takes at the "
    "bid. No sweeps, no changed allocations, no refusals by risk, no effect on the market."
)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be different."""

    code: Path | None = None
    parameters: dict[str, float] = {}


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Where the effects first differ."""

    seq: int
    message: str
    before: list[str]
    after: list[str]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """The recorded inbox, handled by both."""

    messages: int
    differing: int
    crashes: int
    """Messages that crash the changed code."""
    first: Difference | None


class _Changed:
    """The actor with other code."""

    def __init__(self, past: Past, change: Change) -> None:
        self._past = past
        self._strategies: Strategies = {}
        self._actor: type[Actor[Any]] | None = None
        self._parameters = change.parameters
        if change.code is not None:
            self._load(change.code)

    def past(self) -> Past:
        """Return the past as the changed actor meets it."""
        return self._past if self._actor is None else self._past._replace(make=self._actor)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Have the changed strategies stand under their names."""
        with _register(registered() | self._strategies):
            yield

    def rewrite(self, message: Message) -> Message:
        """Put the changed parameters into a sleeve's settings."""
        if not self._parameters or not isinstance(message, SleeveConfigured):
            return message
        parameters = message.parameters | self._parameters
        return msgspec.structs.replace(message, parameters=parameters)

    def begin(self, seq: int) -> Fold:
        """Return the changed actor's fold in the newest state kept from before message `seq`."""
        with self.in_force():
            fold = self.past().begin(seq)
            state = fold.state
            if isinstance(state, SleeveState) and state.config is not None:
                self._configure(fold, state.config)
        return fold

    def _configure(self, fold: Fold, config: SleeveConfigured) -> None:
        """Take the changed settings over, as live at a change; what it does there is not shown."""
        changed = self.rewrite(config)
        if changed == config:
            return
        one = Input(
            0, 1, fold.context.actor_id, fold.context.now_ns, msgspec.msgpack.encode(changed)
        )
        ran = fold.run([one], fold.context.now_ns, timed=False)
        if ran.crash is not None:
            raise PastError(f"it does not take the changed settings: {ran.crash}")
        fold.context.seq -= 1

    def _load(self, path: Path) -> None:
        # A second strategy of one name is refused: the copy's are registered apart.
        with _register({}) as found:
            module = _module(path)
        self._strategies = found
        original = type(self._past.make())
        kind = getattr(module, original.__name__, None)
        if inspect.isclass(kind) and issubclass(kind, Actor) and kind is not original:
            self._actor = kind
        if self._actor is None and not (found and original is Sleeve):
            raise PastError(
                f"{path} defines no class {original.__name__} and registers no strategy: "
                f"copy {inspect.getsourcefile(original)} (or the strategy's file) and change that"
            )


@contextmanager
def _register(others: Strategies) -> Iterator[Strategies]:
    """Have `others` registered for a block; at the end it holds what is registered then."""
    register = registered()
    before = dict(register)
    register.clear()
    register.update(others)
    try:
        yield others
    finally:
        others.update(register)
        register.clear()
        register.update(before)


def _module(path: Path) -> ModuleType:
    name = f"what_if_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise PastError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    # Type hints are looked up in the module that their class names.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError, NameError, AttributeError, TypeError, ValueError) as error:
        raise PastError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def what_if(
    past: Past, change: Change, from_seq: int | None, to_seq: int | None, *, as_json: bool
) -> None:
    """Show where the changed actor first does something else, and what that would have made."""
    first_seq = from_seq or past.horizon()
    changed = _Changed(past, change)
    _check_parameters(past, changed, change, first_seq)
    compared = _compare(past, changed, first_seq, to_seq)
    money = None
    if isinstance(past.make(), Sleeve):
        money = _money(past, changed, first_seq, to_seq)
    if as_json:
        print_json(_document(past.address, compared, money))
    else:
        _show(past, compared, money)


def _check_parameters(past: Past, changed: _Changed, change: Change, seq: int) -> None:
    """Raise `PastError` for parameters that the sleeve's strategy does not have."""
    if not change.parameters:
        return
    if not isinstance(past.make(), Sleeve):
        raise PastError(f"{past.address} is no sleeve: only sleeves have parameters")
    config = _configuration(past, seq)
    if config is not None:
        with changed.in_force():
            try:
                strategy(config.strategy).settings(config.parameters | change.parameters)
            except ParameterError as error:
                raise PastError(str(error)) from error


def _configuration(past: Past, seq: int) -> SleeveConfigured | None:
    fold = past.begin(seq)
    if fold.state.config is not None:
        config: SleeveConfigured = fold.state.config
        return config
    for turn in past.turns(fold.seq):
        for one in turn.inputs:
            message = decode_input(one)
            if isinstance(message, SleeveConfigured):
                return message
    return None


def _compare(past: Past, changed: _Changed, first_seq: int, to_seq: int | None) -> Compared:
    ours, theirs = past.begin(first_seq), changed.begin(first_seq)
    count = differing = crashes = 0
    first: Difference | None = None
    for turn in past.turns(ours.seq):
        for one in turn.inputs:
            if to_seq is not None and ours.seq >= to_seq:
                return Compared(messages=count, differing=differing, crashes=crashes, first=first)
            was = ours.run([one], turn.now_ns, timed=False)
            now = _run_changed(changed, theirs, one, turn.now_ns)
            if ours.seq < first_seq:
                continue
            count += 1
            crashes += now.crash is not None
            if was.effects != now.effects or now.crash is not None:
                differing += 1
                first = first or _difference(ours.seq, one, was, now)
    return Compared(messages=count, differing=differing, crashes=crashes, first=first)


def _run_changed(changed: _Changed, fold: Fold, one: Input, now_ns: int) -> Ran:
    message = decode_input(one)
    rewritten = changed.rewrite(message)
    if rewritten is not message:
        one = one._replace(body=msgspec.msgpack.encode(rewritten))
    before = msgspec.msgpack.encode(fold.state)
    with changed.in_force():
        ran = fold.run([one], now_ns, timed=False)
    if ran.crash is not None:
        fold.state = msgspec.msgpack.decode(before, type=type(fold.state))
        fold.context.seq += 1
    return ran


def _difference(seq: int, one: Input, was: Ran, now: Ran) -> Difference:
    after = [words(effect) for effect in now.effects]
    if now.crash is not None:
        after = [f"a crash: {type(now.crash).__name__}: {now.crash}"]
    return Difference(
        seq=seq,
        message=readable(one.body),
        before=[words(effect) for effect in was.effects],
        after=after,
    )


class _Money(msgspec.Struct, frozen=True, kw_only=True):
    as_it_is: Result
    changed: Result
    asset: str
    scale: int

    @property
    def difference_minor(self) -> int:
        return self.changed.total_minor - self.as_it_is.total_minor


def _money(past: Past, changed: _Changed, first_seq: int, to_seq: int | None) -> _Money:
    def keep(message: Message) -> Message:
        return message

    as_it_is, fold = _on_paper(past, past.begin(first_seq), keep, to_seq)
    with changed.in_force():
        other, _ = _on_paper(past, changed.begin(first_seq), changed.rewrite, to_seq)
    listed = [leg.instrument for leg in fold.state.legs.values() if leg.instrument is not None]
    asset, scale = (listed[0].quote, listed[0].quote_scale) if listed else ("", 0)
    return _Money(as_it_is=as_it_is, changed=other, asset=asset, scale=scale)


def _on_paper(
    past: Past, fold: Fold, rewrite: Callable[[Message], Message], to_seq: int | None
) -> tuple[Result, Fold]:
    turns = past.turns(fold.seq)
    kept = (turn for turn in turns if to_seq is None or turn.first_seq <= to_seq)
    return Counterfactual(fold, rewrite).run(kept), fold


def _document(address: str, compared: Compared, money: _Money | None) -> dict[str, object]:
    document: dict[str, object] = {"address": address, **msgspec.structs.asdict(compared)}
    document["money"] = None
    if money is not None:
        document["money"] = {
            "asset": money.asset,
            "as_it_is": _texts(money.as_it_is, money.scale),
            "changed": _texts(money.changed, money.scale),
            "difference": minor_text(money.difference_minor, money.scale),
            "assumed": ASSUMED,
        }
    return document


def _texts(result: Result, scale: int) -> dict[str, object]:
    return {
        "fills": result.fills,
        "realised": minor_text(result.realised_minor, scale),
        "fees": minor_text(result.fees_minor, scale),
        "unrealised": minor_text(result.unrealised_minor, scale),
        "position_lots": result.position_lots,
    }


def _show(past: Past, compared: Compared, money: _Money | None) -> None:
    first = compared.first
    if first is None:
        click.echo(f"no difference: {compared.messages} messages have the same effects")
    else:
        click.echo(f"first differs at message {first.seq}\n  {plain(first.message)}")
        for each in first.before or ["nothing"]:
            click.echo(f"  as it is: → {plain(each)}")
        for each in first.after or ["nothing"]:
            click.echo(f"  changed:  → {plain(each)}")
        click.echo(
            f"{compared.differing} of {compared.messages} messages have other effects"
            + (f", {compared.crashes} crash it" if compared.crashes else "")
        )
    if money is None:
        return
    before, after = _texts(money.as_it_is, money.scale), _texts(money.changed, money.scale)
    click.echo(f"\n{'':<16}{'as it is':>20}{'changed':>20}")
    for name, value in before.items():
        unit = money.asset if isinstance(value, str) else ""
        click.echo(f"{name:<16}{value!s:>20}{after[name]!s:>20}  {unit}")
    difference = minor_text(money.difference_minor, money.scale)
    click.echo(f"{'difference':<16}{'':>20}{difference:>20}  {money.asset}\n{ASSUMED}")
