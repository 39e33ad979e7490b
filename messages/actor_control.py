"""What is asked of one actor, and done to it: `bot actor`, and the tree of the terminal UI."""

from enum import Enum
from typing import Annotated

import msgspec

from messages.control_base import Act, Address, Request, Text

# What a request of 64 KiB has room for; a larger state cannot be replaced by hand.
STATE_CHARACTERS_MAX = 60_000


class Aspect(Enum):
    """What to look at in one actor or port."""

    STATS = "stats"
    """One `ActorStats`."""
    STATE = "state"
    """One `ActorState`; actors only."""
    STEPS = "steps"
    """`ActorStep`s: what its trace kept, else the last it handled; oldest first. Actors only."""
    STACK = "stack"
    """`ActorFrame`s: where its tasks stand."""
    INBOX = "inbox"
    """`ActorWaiting`s: the first of what waits."""


class Inspect(Request, frozen=True, kw_only=True, tag="control.Inspect"):
    """Query: one aspect of the actor or port at `address`, as it stands in memory."""

    address: Address
    aspect: Aspect


class SuspendActor(Act, frozen=True, kw_only=True, tag="control.SuspendActor"):
    """Have the actor at `address` handle nothing but what the runtime says. Not durable.

    If so many messages wait that ports would stop reading, it is resumed by itself.
    """

    address: Address
    reason: Text = ""


class ResumeActor(Act, frozen=True, kw_only=True, tag="control.ResumeActor"):
    """End `SuspendActor`."""

    address: Address


class RestartActor(Act, frozen=True, kw_only=True, tag="control.RestartActor"):
    """Stop what stands at `address`, a supervisor too, in good order, and start it again."""

    address: Address
    reason: Text = ""


class TraceActor(Act, frozen=True, kw_only=True, tag="control.TraceActor"):
    """Keep the steps of the actor at `address` that match, for `Inspect(STEPS)`; `for_s` 0 ends it.

    The newest 512 are kept; more than `per_s` a second are counted and left out.
    """

    address: Address
    filter: Text = ""
    per_s: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 50
    for_s: Annotated[int, msgspec.Meta(ge=0, le=3_600)] = 60


class ReplaceState(Act, frozen=True, kw_only=True, tag="control.ReplaceState"):
    """Give the suspended or blocked actor at `address` another state: journalled, never undone.

    `state` is the whole state as JSON, as `Inspect(STATE)` showed it at message `at_seq`; if the
    actor is not there any more, or the document is not exactly a state, nothing happens.
    """

    address: Address
    at_seq: Annotated[int, msgspec.Meta(ge=0)]
    state: Annotated[str, msgspec.Meta(max_length=STATE_CHARACTERS_MAX)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


ActorAct = SuspendActor | ResumeActor | RestartActor | TraceActor | ReplaceState
