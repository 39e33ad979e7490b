"""The control protocol: what the daemon and its clients (`bot tui`, the verbs) say to each other.

It is spoken over the daemon's Unix socket; the codec is `messages/framing.py`.

A frame is a length (u32, big endian) and that many bytes of msgpack: one tagged struct of this
module. `ClientFrame` travels to the daemon, `ServerFrame` from it. Who says what when:

1. The client connects and sends `Hello` at once. The daemon answers `Welcome`. Anything else first,
   or nothing for `HELLO_WAIT_S`, gets `Goodbye(PROTOCOL)` and the connection is closed.
2. The client sends `Subscribe` per view. The daemon answers each with one `Snapshot` (also when
   there are no rows), then sends a `Delta` when rows of that view changed, at most `rate_hz` times
   a second. Several changes of a row between two deltas are one: the latest value wins. Nothing is
   sent for a view that did not change.
3. The client sends `Ping` every `PING_EVERY_S`; the daemon answers `Pong` at once, ahead of what
   waits in the outbox. A client that sent nothing for `IDLE_MAX_S` gets `Goodbye(IDLE)`; a client
   that heard nothing for 3 s calls what it shows stale.
4. The client sends requests, each with an id of its own making; the daemon answers each with
   exactly one `Answer` with that id, in any order. Queries are answered from memory or read models;
   acts are answered after their commit (a kill switch also after every line has confirmed), or with
   UNKNOWN when `timeout_ms` is over.
5. Either side closes. The daemon says why first, if the client still reads: `Goodbye`.

Acts are idempotent by id: the daemon keeps the last `FATES_KEPT` answers of acts, and an act whose
id it knows is answered again and not done again. A client that lost the connection asks for the
`Fate` of its ids and never sends an act again by itself.

The daemon never waits for a client. Each has an outbox of at most `OUTBOX_FRAMES_MAX` frames and
`OUTBOX_BYTES_MAX` bytes; a `Delta` that does not fit is dropped and its view marked, and as soon as
there is room that view gets a fresh `Snapshot` instead. A client that accepted no byte for
`STALL_MAX_S` is cut.

Evolution: fields are only added, with defaults. The daemon refuses fields it does not know (a
misspelt limit must not be ignored; only `Hello` is exempt); clients ignore them, and skip frames
whose tag they do not know. If the two protocol versions differ, `Welcome.read_only` is true: the
client shows what it can and says so.
"""

from enum import Enum
from typing import Annotated

import msgspec

from messages.actor_control import (
    Inspect,
    ReplaceState,
    RestartActor,
    ResumeActor,
    SuspendActor,
    TraceActor,
)
from messages.control_base import Act, Address, FromClient, Request, RequestId, Text
from messages.framing import FRAME_BYTES_MAX
from messages.inspection import ActorRow
from messages.market_views import MarketRow, Monitor
from messages.views import AnyView

__all__ = ["Act", "Address", "FromClient", "Request", "RequestId", "Text"]

PROTOCOL_VERSION = 1

# To the daemon: the longest request is a reason of 500 characters; 64 KiB bounds what a stranger
# can make us hold.
REQUEST_BYTES_MAX = 65_536
# Rows in one frame: more than any screen shows, and half a megabyte of orders. Longer lists are
# paged by `after`.
ROWS_MAX = 1_000
# Twice a second is what a person can read; ten is for a local terminal. Below 0.1 a view would look
# dead.
RATE_HZ_MAX = 10.0
RATE_HZ_MIN = 0.1
# A fraction of a second of a busy tree for a client that is scheduled late; beyond it a snapshot is
# cheaper.
OUTBOX_FRAMES_MAX = 256
# One frame of the largest size always fits, and a thousand stalled clients are not possible
# (CLIENTS_MAX).
OUTBOX_BYTES_MAX = FRAME_BYTES_MAX + 1_048_576
# People and scripts of one bot; each costs at most an outbox.
CLIENTS_MAX = 16
# Requests of one client that wait for their answers: a script that sends without reading is stopped
# here.
REQUESTS_MAX = 32
# Answers of acts kept for `Fate`: an operator's month.
FATES_KEPT = 1_024
# Client and daemon are on one machine: what takes longer is broken, not slow.
HELLO_WAIT_S = 5
PING_EVERY_S = 1
# Ten missed pings; the same patience for a terminal that does not read.
IDLE_MAX_S = 10
STALL_MAX_S = 10

assert REQUEST_BYTES_MAX <= FRAME_BYTES_MAX, "a request is a small frame"
assert FRAME_BYTES_MAX < OUTBOX_BYTES_MAX, "an outbox holds at least one frame of any size"
assert PING_EVERY_S * 3 <= IDLE_MAX_S, "one late ping must not end a connection"

# As `messages.settings.Amount`: what an int64 of minor units can hold.
Amount = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,12})?$")]
Limit = Annotated[int, msgspec.Meta(ge=1, le=ROWS_MAX)]
Rate = Annotated[float, msgspec.Meta(ge=RATE_HZ_MIN, le=RATE_HZ_MAX)]
AsOf = Annotated[int, msgspec.Meta(ge=0)]
"""A moment of the past in UTC nanoseconds: rows as they were then. 0 is now."""


class View(Enum):
    """What can be subscribed to, and the row each view consists of."""

    STATUS = "status"
    """One `StatusView`."""
    TREE = "tree"
    """`TreeRow`s, flat, all of them, parents before their children."""
    VAULTS = "vaults"
    """`VaultView`s with their sleeves; a change of one sleeve sends its vault."""
    ORDERS = "orders"
    """The `limit` newest `OrderView`s by `created_ns`, newest first in a snapshot."""
    FILLS = "fills"
    """The `limit` newest `FillView`s by `at_ns`, newest first in a snapshot."""
    LOG = "log"
    """The `limit` newest `LogLine`s, oldest first; deltas hold new lines and remove none."""


class Outcome(Enum):
    """What became of a request."""

    OK = "ok"
    """Done, and durable. The rows are the answer."""
    DENIED = "denied"
    """Refused before anything happened; `text` says why and what would be needed."""
    UNKNOWN = "unknown"
    """Not known: an act without confirmation in time, or a `Fate` of an id that left no record."""
    ERROR = "error"
    """It failed; `text` says what and what to do next."""


class LedgerQuery(Enum):
    """What to ask of the books."""

    BALANCES = "balances"
    """`BalanceView`s of every account."""
    CHECK = "check"
    """`CheckView`s: sums are zero, balances equal the sums of transfers, no negative account."""
    RECONCILE = "reconcile"
    """Compare with the venue now: `CheckView`s, one per account at a venue."""


class SwitchAction(Enum):
    """What to do with the kill switch."""

    ENGAGE = "engage"
    RELEASE = "release"


class GoodbyeReason(Enum):
    """Why the daemon closes a connection."""

    STOPPING = "stopping"
    PROTOCOL = "protocol"
    """The client sent what the protocol does not have; `text` says what."""
    IDLE = "idle"
    CROWDED = "crowded"
    """`CLIENTS_MAX` clients are connected."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds that this daemon keeps; a client stays inside them."""

    frame_bytes_max: int = FRAME_BYTES_MAX
    request_bytes_max: int = REQUEST_BYTES_MAX
    rows_max: int = ROWS_MAX
    rate_hz_max: float = RATE_HZ_MAX
    requests_max: int = REQUESTS_MAX
    idle_max_s: int = IDLE_MAX_S


class FromServer(msgspec.Struct, frozen=True, kw_only=True, tag_field="tag", omit_defaults=True):
    """The base of what the daemon sends."""


# --- the connection


class Hello(
    FromClient, frozen=True, kw_only=True, tag="control.Hello", forbid_unknown_fields=False
):
    """First frame of a client. The one in which unknown fields are ignored: versions may differ."""

    protocol: int = PROTOCOL_VERSION
    client: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """Name and version, for the log: `tui 0.1.0`, `verb status`."""
    read_only: bool = False
    """Ask to be refused every act for the whole connection."""


class Welcome(FromServer, frozen=True, kw_only=True, tag="control.Welcome"):
    """The answer to `Hello`."""

    protocol: int
    daemon_version: str
    boot_id: str
    """Differs between any two starts of the daemon: a new one means that it was restarted."""
    pid: int
    started_ns: int
    now_ns: int
    config_hash: str
    environment: str
    read_only: bool
    """Acts will be DENIED: asked for, another user's socket peer, or versions that differ."""
    read_only_reason: str = ""
    limits: Limits = Limits()


class Goodbye(FromServer, frozen=True, kw_only=True, tag="control.Goodbye"):
    """Last frame before the daemon closes; best effort."""

    reason: GoodbyeReason
    text: str


class Ping(FromClient, frozen=True, kw_only=True, tag="control.Ping"):
    """Are you there?"""

    number: int
    sent_ns: int
    """The client's monotonic clock; returned untouched."""


class Pong(FromServer, frozen=True, kw_only=True, tag="control.Pong"):
    """Yes."""

    number: int
    sent_ns: int
    now_ns: int
    """The daemon's clock (UTC), for ages on the screen."""
    loop_lag_ns: int
    """How late the daemon's event loop last woke up."""


# --- views


class Subscribe(FromClient, frozen=True, kw_only=True, tag="control.Subscribe"):
    """Show `view` until `Unsubscribe`; for a view already shown this replaces the former wish.

    Always answered by a fresh `Snapshot`: it is also how a client that missed a sequence number
    resyncs.
    """

    view: View
    rate_hz: Rate = 2.0
    filter: Text = ""
    """Only rows that `messages.views.matches`; empty for all."""
    limit: Limit = ROWS_MAX
    """For orders, fills and log."""


class Unsubscribe(FromClient, frozen=True, kw_only=True, tag="control.Unsubscribe"):
    """Stop showing `view`. Not answered; frames already on their way are ignored by the client."""

    view: View


class Snapshot(FromServer, frozen=True, kw_only=True, tag="control.Snapshot"):
    """All rows of a view as they are now: whatever the client had before is replaced.

    `complete` is false when the view has more rows than fit (`ROWS_MAX`): then these are the first
    ones.
    """

    view: View
    seq: int
    """The next `Delta` of this view has `seq + 1`."""
    rows: tuple[AnyView, ...] = ()
    complete: bool = True


class Delta(FromServer, frozen=True, kw_only=True, tag="control.Delta"):
    """What changed in a view since the frame with `seq - 1`.

    A client whose last frame of the view had another number ignores the delta and sends `Subscribe`
    again.
    """

    view: View
    seq: int
    changed: tuple[AnyView, ...] = ()
    """New and changed rows, whole, by `key()`."""
    removed: tuple[str, ...] = ()
    """Keys of rows that no longer exist or no longer match."""


# --- requests


class Status(Request, frozen=True, kw_only=True, tag="control.Status"):
    """Query: one `StatusView`."""


class Tree(Request, frozen=True, kw_only=True, tag="control.Tree"):
    """Query: one `TreeNode`, the tree at and below `address`.

    Of the past is known what was recorded: which actors there were and what they had handled.
    """

    address: Address = "/"
    as_of_ns: AsOf = 0


class Vaults(Request, frozen=True, kw_only=True, tag="control.Vaults"):
    """Query: `VaultView`s by address."""

    as_of_ns: AsOf = 0


class Orders(Request, frozen=True, kw_only=True, tag="control.Orders"):
    """Query: `OrderView`s, newest first; the next page by `after=Answer.next`."""

    filter: Text = ""
    only_open: bool = False
    limit: Limit = ROWS_MAX
    after: Text = ""
    as_of_ns: AsOf = 0


class Fills(Request, frozen=True, kw_only=True, tag="control.Fills"):
    """Query: `FillView`s, newest first; the next page by `after=Answer.next`."""

    filter: Text = ""
    limit: Limit = ROWS_MAX
    after: Text = ""
    as_of_ns: AsOf = 0


class Ledger(Request, frozen=True, kw_only=True, tag="control.Ledger"):
    """Query of the books; RECONCILE asks the venue, reads only, and may take seconds."""

    query: LedgerQuery


class Log(Request, frozen=True, kw_only=True, tag="control.Log"):
    """Query: the `tail` newest `LogLine`s, oldest first. To follow, subscribe to `View.LOG`.

    Of the past the lines are the alerts raised by then: those are recorded, the log is not.
    """

    tail: Limit = 100
    filter: Text = ""
    as_of_ns: AsOf = 0


class Moment(Request, frozen=True, kw_only=True, tag="control.Moment"):
    """Query: when what `view` shows was recorded last before `at_ns`, or next after.

    One `MomentView`, or none if there is no such moment. Of the tree and the status those are
    what sleeves say of themselves, orders, fills, alerts and the kill switch.
    """

    view: View
    at_ns: Annotated[int, msgspec.Meta(ge=0)]
    later: bool = False


class Fate(Request, frozen=True, kw_only=True, tag="control.Fate"):
    """Query: what became of the act `of`; its recorded outcome and text, or UNKNOWN."""

    of: RequestId


class Pause(Act, frozen=True, kw_only=True, tag="control.Pause"):
    """Stop entering: the sleeves at or below `address`, or all. Positions are exited as planned."""

    address: Address | None = None


class Resume(Act, frozen=True, kw_only=True, tag="control.Resume"):
    """Trade again: the sleeves at or below `address`, or all."""

    address: Address | None = None


class Close(Act, frozen=True, kw_only=True, tag="control.Close"):
    """Cancel the orders of the sleeves at or below `address` (or all), sell what they hold, pause.

    OK says that every sleeve has begun; `View.VAULTS` shows when they are paused.
    """

    address: Address | None = None


class CancelAll(Act, frozen=True, kw_only=True, tag="control.CancelAll"):
    """Cancel every open order of this bot, at all accounts; OK says that each of them has ended."""


class Allocate(Act, frozen=True, kw_only=True, tag="control.Allocate"):
    """Set what the sleeve at `address` is allocated; in a position, from the next buy on."""

    address: Address
    amount: Amount


class SetTradeable(Act, frozen=True, kw_only=True, tag="control.SetTradeable"):
    """Set the pool of the vault at `address`, from which its sleeves are allocated."""

    address: Address
    amount: Amount


class CheckVault(Act, frozen=True, kw_only=True, tag="control.CheckVault"):
    """Preflight of the vault at `address`, or of all: `CheckView`s, one per question.

    An act, since in simulated environments it places an order that cannot fill, and cancels it. OK
    says that the questions were asked; the rows say whether all is well.
    """

    address: Address | None = None


class Apply(Act, frozen=True, kw_only=True, tag="control.Apply"):
    """Take over what differs between the configuration file and what runs: `ChangeView`s.

    All of the roster's changes or none: DENIED with a change that money or open orders forbid.
    """

    dry_run: bool = False
    """Only say what would be done."""


class KillSwitch(Act, frozen=True, kw_only=True, tag="control.KillSwitch"):
    """Stop all new orders everywhere, or allow them again.

    OK for ENGAGE means: committed, and every line has confirmed that it sends no order bytes but
    cancels and reductions. UNKNOWN means committed perhaps, not confirmed by every line: `text`
    names which.
    """

    action: SwitchAction
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class Release(Act, frozen=True, kw_only=True, tag="control.Release"):
    """Decide about the message that blocks the actor at `address`: handle it again, or never."""

    address: Address
    discard: bool
    reason: Text = ""
    """Needed to discard."""


class Stop(Act, frozen=True, kw_only=True, tag="control.Stop"):
    """Stop the daemon in order. OK says that it began; `Goodbye(STOPPING)` follows."""

    reason: Text = ""


class Answer(FromServer, frozen=True, kw_only=True, tag="control.Answer"):
    """The one answer to a request."""

    request_id: str
    outcome: Outcome
    text: str = ""
    """For a person: what was done, or what to do next. May be empty for a query that is OK."""
    rows: tuple[AnyView | ActorRow | MarketRow, ...] = ()
    next: str = ""
    """`after` of the next page; empty on the last."""


AnyRequest = (
    Status
    | Tree
    | Vaults
    | Orders
    | Fills
    | Ledger
    | Log
    | Inspect
    | Monitor
    | Moment
    | Fate
    | Pause
    | Resume
    | Close
    | CancelAll
    | Allocate
    | SetTradeable
    | CheckVault
    | Apply
    | KillSwitch
    | Release
    | SuspendActor
    | ResumeActor
    | RestartActor
    | TraceActor
    | ReplaceState
    | Stop
)
ClientFrame = Hello | Ping | Subscribe | Unsubscribe | AnyRequest
ServerFrame = Welcome | Goodbye | Pong | Snapshot | Delta | Answer
