"""What a sleeve would have done: its recorded market, other code or parameters, money on paper.

After the first different wish the recorded answers of the ledger are answers to something else. So
they are left out, and a desk on paper answers instead (`research/paper_desk.py`); what is compared
with the change is the unchanged code in front of the same desk, not the recorded life.
"""

from collections.abc import Callable, Iterable

import msgspec

from actors.sleeves.view import SleeveState
from messages.amends import AmendIntent
from messages.base import Message, decoder, encode, tag_in, tag_of
from messages.market import BookTop, InstrumentListed
from messages.money import SleeveConfigured, SleeveStanding
from messages.orders import CancelIntent, Intent, SleeveUpdate
from messages.runtime import TimerFired
from research.paper_desk import PaperDesk, Result
from supervisor.actor import SEND, Effect
from supervisor.fold import Fold
from supervisor.journal import RUNTIME, Input, RecordedTurn
from supervisor.replay import decode_input

Rewrite = Callable[[Message], Message]
_SENDER = 1
# One wish leads to an answer, which may lead to a wish: more than so many is a loop.
ANSWERS_MAX = 64
_asked = decoder((Intent, CancelIntent, AmendIntent))
_ASKED_TAGS = {tag_of(kind) for kind in (Intent, CancelIntent, AmendIntent)}


class Counterfactual:
    """One run of a sleeve, from the state that `fold` is in, before a desk on paper.

    It must hold a `Sleeve`. `rewrite` changes configurations on their way in.
    """

    def __init__(self, fold: Fold, rewrite: Rewrite) -> None:
        assert isinstance(fold.state, SleeveState), "only sleeves have money on paper"
        self._fold = fold
        self._rewrite = rewrite
        self._crashes = 0
        self._position = 0
        state = fold.state
        slippage_bps = state.standing.slippage_bps if state.standing else 0
        self.desk = PaperDesk(state.cash_minor, slippage_bps)
        self._is_funded = state.cash_minor > 0
        for view in state.legs.values():
            if view.instrument is not None:
                self.desk.enlist(view.instrument, view.lots, view.entry_ticks)
        # Orders of the recorded life are nobody's here.
        state.flights.clear()

    def run(self, turns: Iterable[RecordedTurn]) -> Result:
        """Handle the recorded market, answered by the desk; return what it made."""
        for turn in turns:
            for one in turn.inputs:
                self._take(one, turn.now_ns)
        return self.desk.result(self._crashes)

    def _take(self, one: Input, now_ns: int) -> None:
        message = decode_input(one)
        if isinstance(message, SleeveUpdate | TimerFired):
            return  # the desk's to say, and this run's own timers'
        self._fire_due(now_ns)
        if isinstance(message, InstrumentListed):
            self.desk.enlist(message.instrument)
        elif isinstance(message, SleeveStanding):
            message = self._standing(message)
        elif isinstance(message, SleeveConfigured):
            message = self._rewrite(message)
        if isinstance(message, BookTop):
            self._answer(self.desk.see(message, now_ns), now_ns)
        self._handle(message, now_ns, one.at_ns, one.sender)

    def _standing(self, standing: SleeveStanding) -> SleeveStanding:
        self.desk.slippage_bps = standing.slippage_bps
        if not self._is_funded:
            # Before the account was read for the first time, nothing is allocated.
            self.desk.cash_minor = standing.cash_minor
            self._is_funded = standing.cash_minor > 0
        return msgspec.structs.replace(standing, cash_minor=self.desk.cash_minor)

    def _fire_due(self, now_ns: int) -> None:
        due = [(due, name) for name, (due, _) in self._fold.timers.items() if due <= now_ns]
        for due_ns, name in sorted(due):
            self._handle(TimerFired(name=name, due_ns=due_ns), now_ns, due_ns, RUNTIME)

    def _answer(self, updates: list[SleeveUpdate], now_ns: int) -> None:
        for update in updates:
            self._handle(update, now_ns, now_ns, _SENDER)

    def _handle(
        self, message: Message, now_ns: int, at_ns: int, sender: int, depth: int = 0
    ) -> None:
        assert depth < ANSWERS_MAX, "a sleeve and its desk answer each other without end"
        fold = self._fold
        self._position += 1
        before = msgspec.msgpack.encode(fold.state)
        one = Input(self._position, sender, _SENDER, at_ns, encode(message))
        ran = fold.run([one], now_ns, timed=False)
        if ran.crash is not None:
            self._crashes += 1
            fold.state = msgspec.msgpack.decode(before, type=type(fold.state))
            fold.context.seq += 1
            return
        for effect in ran.effects:
            for update in self._asked(effect, now_ns):
                self._handle(update, now_ns, now_ns, _SENDER, depth + 1)

    def _asked(self, effect: Effect, now_ns: int) -> list[SleeveUpdate]:
        if effect[0] != SEND or tag_in(effect[2]) not in _ASKED_TAGS:
            return []
        wish = _asked.decode(effect[2])
        if isinstance(wish, Intent):
            return self.desk.wish(wish, now_ns)
        if isinstance(wish, AmendIntent):
            return self.desk.amend(wish)
        assert isinstance(wish, CancelIntent), "a sleeve asks three things"
        return self.desk.cancel(wish)
