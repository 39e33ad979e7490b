"""`bot replay --pdb`: the debugger inside a recorded handler, forward and backward by message."""

import inspect
import pdb  # noqa: T100 - what `bot replay --pdb` is for
from collections.abc import Callable
from typing import NamedTuple

import click
import msgspec

from bot.past import Past
from bot.replay_words import words
from supervisor.actor import handlers
from supervisor.fold import Fold
from supervisor.journal import Input
from supervisor.replay import Before, changed_step, decode_input

Condition = Callable[[Before], bool]
MANUAL = (
    "beside pdb's own commands: `nm` runs on into the next message, `back [N]` goes N messages "
    "back (1), `goto SEQ` goes to any that is kept, `c` runs on to the next stop, `q` leaves"
)


class Debugger(pdb.Pdb):
    """pdb inside one handler; it says by `target` at which message to go on."""

    def __init__(self, seq: int) -> None:
        super().__init__()
        self.seq = seq
        self.target: int | None = None
        self.is_left = False
        """Whether the operator is done."""
        self.leaves_message = False
        """Whether this handler is not to be run to its end."""

    def do_nm(self, arg: str) -> bool:
        """Run this handler to its end and stop in the next message's."""
        self.target = self.seq + 1
        self.set_continue()
        return True

    do_nextmessage = do_nm

    def do_back(self, arg: str) -> bool | None:
        """Stop N messages earlier, in the state of then: `back [N]`."""
        return self._go(arg or "1", lambda number: self.seq - number)

    def do_goto(self, arg: str) -> bool | None:
        """Stop in message SEQ, in the state of then: `goto SEQ`."""
        return self._go(arg, lambda number: number)

    def do_quit(self, arg: str) -> bool | None:
        """Leave the replay."""
        self.is_left = self.leaves_message = True
        return super().do_quit(arg)

    do_q = do_exit = do_quit

    def do_EOF(self, arg: str) -> bool | None:  # noqa: N802 - pdb's name for it
        """Leave the replay, at the end of the input."""
        self.message("")
        return self.do_quit(arg)

    def _go(self, text: str, to: Callable[[int], int]) -> bool | None:
        if not text.strip().isdecimal() or to(int(text)) < 1:
            self.error(f"{text!r} is no message to go to: there is 1 and what comes after it")
            return None
        self.target = to(int(text))
        self.leaves_message = True
        self.set_quit()
        return True


class Session:
    """One conversation over one actor's past."""

    def __init__(self, past: Past, condition: Condition | None, to_seq: int | None) -> None:
        self._past = past
        self._condition = condition
        self._to_seq = to_seq
        self._handlers = handlers(past.make())
        self.stops = 0

    def run(self, start_seq: int, poison: "Poison | None" = None) -> None:
        """Talk until the operator leaves or the record ends; begin at `start_seq`.

        With a condition it stops where that is true; without, at `start_seq`. A `poison` message
        is run after the message before it, as it was live. Raises `HistoryRetiredError`.
        """
        click.echo(MANUAL)
        target: int | None = start_seq
        while target is not None:
            target = self._from(target, poison)

    def _from(self, start_seq: int, poison: "Poison | None") -> int | None:
        """Go forward from the state before `start_seq`; return where to go back to, or `None`."""
        start_seq = max(start_seq, self._past.horizon())
        fold = self._past.begin(start_seq)
        stop_at = 0 if self._condition is not None and not self.stops else start_seq
        for turn in self._past.turns(fold.seq):
            for one in turn.inputs:
                seq = fold.seq + 1
                if self._to_seq is not None and seq > self._to_seq:
                    return None
                if poison is not None and seq == poison.seq:
                    return self._poison(fold, poison)
                stops = seq >= start_seq and self._stops(fold, seq, one, stop_at)
                if not stops:
                    fold.run([one], turn.now_ns, timed=False)
                    continue
                debugger = self._debug(fold, one, turn.now_ns)
                if debugger.is_left:
                    return None
                if debugger.target is not None:
                    if debugger.target != fold.seq + 1:
                        return debugger.target
                    stop_at = debugger.target
        if poison is not None and poison.seq > fold.seq:
            return self._poison(fold, poison)
        click.echo(f"the record ends with message {fold.seq}")
        return None

    def _poison(self, fold: Fold, poison: "Poison") -> int | None:
        debugger = self._debug(fold, poison.input, poison.now_ns)
        return None if debugger.is_left else debugger.target

    def _stops(self, fold: Fold, seq: int, one: Input, stop_at: int) -> bool:
        if seq == stop_at:
            return True
        if self._condition is None:
            return False
        return self._condition(Before(seq, decode_input(one), fold.state))

    def _debug(self, fold: Fold, one: Input, now_ns: int) -> Debugger:
        """Run one message under the debugger, from its handler's first line on."""
        self.stops += 1
        debugger = Debugger(fold.seq + 1)
        message = decode_input(one)
        was = msgspec.to_builtins(fold.state)
        handler: Callable[..., object] | None = self._handlers.get(type(message))
        if handler is None:
            debugger.runcall(_nothing_handles_it, fold.state, message, fold.context)
            ran = None if debugger.leaves_message else fold.run([one], now_ns, timed=False)
        else:
            _stop_in(debugger, handler)
            ran = debugger.runcall(fold.run, [one], now_ns, timed=False)
        if debugger.leaves_message:
            return debugger
        assert ran is not None, "the fold returns what became of the message"
        if ran.crash is not None:
            click.echo(f"message {debugger.seq} crashes it: {ran.crash!r}")
            debugger.is_left = debugger.target is None
        else:
            click.echo(words(changed_step(fold, self._past.names, one, now_ns, was, ran)))
        return debugger


def _nothing_handles_it(state: object, message: object, ctx: object) -> None:
    """Stand for the handler of a message that the actor ignores."""
    seen = (state, message, ctx)
    assert seen, "a line to stop at"


def _stop_in(debugger: Debugger, handler: Callable[..., object]) -> None:
    code = inspect.unwrap(handler).__code__
    statements = [line for _, _, line in code.co_lines() if line and line > code.co_firstlineno]
    debugger.set_break(code.co_filename, min(statements))
    debugger.rcLines.append("continue")


class Poison(NamedTuple):
    """The message that crashed, and after which message it came."""

    seq: int
    now_ns: int
    input: Input
