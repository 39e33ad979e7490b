"""`bot actor`: look into one actor, and act on it."""

from typing import IO, TYPE_CHECKING

import click

from bot.actor_shown import frame_lines, stats_lines, step_lines, waiting_lines
from bot.confirm import confirm, yes_option
from bot.shared import (
    act,
    ask,
    data_dir_option,
    finish,
    json_option,
    new_request_id,
    print_json,
    print_row,
    print_rows,
)
from messages.actor_control import (
    Aspect,
    Inspect,
    ReplaceState,
    RestartActor,
    ResumeActor,
    SuspendActor,
    TraceActor,
)
from messages.control import Release
from messages.inspection import ActorFrame, ActorState, ActorStats, ActorStep, ActorWaiting

if TYPE_CHECKING:
    from messages.inspection import ActorRow


class AddressFirst(click.Group):
    """Takes `ADDRESS VERB` as well as `VERB ADDRESS`: an address begins with a slash."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the verb first."""
        if len(args) > 1 and args[0].startswith("/"):
            args = [args[1], args[0], *args[2:]]
        return super().parse_args(ctx, args)


@click.group("actor", cls=AddressFirst)
def command() -> None:
    """Look into one actor, and act on it; `bot actor ADDRESS state` is `bot actor state ADDRESS`.

    `bot tree` shows the addresses. Of a port (what touches the outside) stats, stack and inbox can
    be shown, and it can be restarted.

    Actors that handle money do not skip a message that crashed them: they wait, their account may
    only reduce, and you are asked: `retry` or `discard`. `bot log` has the error.
    """


_address = click.argument("address")
_why = click.option(
    "--reason", default="", metavar="TEXT", help="Why: it is recorded in the audit."
)


def _look(data_dir: str | None, address: str, aspect: Aspect) -> "list[ActorRow]":
    request = Inspect(request_id=new_request_id(), address=address, aspect=aspect)
    rows = ask(data_dir, request, "actor").rows
    kinds = ActorStats | ActorState | ActorStep | ActorFrame | ActorWaiting
    return [row for row in rows if isinstance(row, kinds)]


@command.command("stats")
@_address
@data_dir_option
@json_option
def stats(address: str, data_dir: str | None, *, as_json: bool) -> None:
    r"""Show the figures of the actor or port at ADDRESS.

    \b
    Example:
      bot actor stats /risk

    \b
    JSON: an object with handled, sent, queued, queued_max, step_p99_ns, restarts, last_exit, ...
    Exit codes: 0 ok, 1 no such address, 5 not running.
    """
    (row,) = _look(data_dir, address, Aspect.STATS)
    assert isinstance(row, ActorStats), "what was asked for"
    if as_json:
        print_row(row)
    else:
        click.echo(stats_lines(row))


@command.command("state")
@_address
@click.option(
    "--replace",
    "document",
    type=click.File("r"),
    metavar="FILE",
    help="Give it another state: an edited copy of what --json printed. Suspend it first.",
)
@click.option("--reason", default="", metavar="TEXT", help="Why it is replaced: for the audit.")
@yes_option
@data_dir_option
@json_option
def state(
    address: str,
    document: "IO[str] | None",
    reason: str,
    data_dir: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    r"""Show the state of the actor at ADDRESS, or replace it.

    A replaced state is a message in the actor's journal: it survives restarts, and `bot replay`
    shows it. It cannot be undone but by another one. Books that differ from the venue's since then
    are your doing: run `bot ledger reconcile`.

    \b
    Example:
      bot actor state /risk --json > state.json
      bot actor suspend /risk
      bot actor state /risk --replace state.json --reason 'a limit was lost, see #12'
      bot actor resume /risk

    \b
    JSON: an object with address, seq, version, chain, state (an object); --replace: outcome, text.
    Exit codes: 0 ok, 1 no such actor or refused, 5 not running.
    """
    if document is not None:
        _replace(address, document.read(), reason, data_dir, yes=yes, as_json=as_json)
        return
    (row,) = _look(data_dir, address, Aspect.STATE)
    assert isinstance(row, ActorState), "what was asked for"
    from msgspec import Raw, json, structs

    if as_json:
        whole = structs.asdict(row)
        print_json({**whole, "state": Raw(row.state.encode()) if row.complete else row.state})
        return
    click.echo(f"{row.address} after message {row.seq}, {row.state_bytes} bytes")
    click.echo(json.format(row.state).rstrip() if row.complete else row.state)


def _replace(
    address: str, text: str, reason: str, data_dir: str | None, *, yes: bool, as_json: bool
) -> None:
    from msgspec import DecodeError, Raw, Struct, json

    from messages.actor_control import STATE_CHARACTERS_MAX

    class Document(Struct):
        address: str
        seq: int
        state: Raw

    if not reason:
        raise click.UsageError("say why it is replaced: --reason TEXT")
    try:
        found = json.decode(text, type=Document)
    except DecodeError as error:
        raise click.UsageError(
            f"that is no document of `bot actor state --json`: {error}"
        ) from error
    if found.address != address:
        raise click.UsageError(f"the document is of {found.address}, not of {address}")
    state_text = bytes(found.state).decode()
    if len(state_text) > STATE_CHARACTERS_MAX:
        raise click.UsageError(f"states of more than {STATE_CHARACTERS_MAX} characters do not fit")
    word = address.rsplit("/", 1)[-1]
    confirm(f"{address} goes on from this state, and it cannot be undone.", word, yes=yes)
    request = ReplaceState(
        request_id=new_request_id(),
        address=address,
        at_seq=found.seq,
        state=state_text,
        reason=reason,
    )
    finish(act(data_dir, request, "actor", as_json=as_json))


@command.command("trace")
@_address
@click.option("--on", is_flag=True, help="Begin to keep what it handles, also what scrolls by.")
@click.option("--off", is_flag=True, help="End it.")
@click.option("--filter", "words", default="", metavar="TEXT", help="Words that must occur; !word.")
@click.option(
    "--rate",
    type=click.IntRange(1, 1_000),
    default=50,
    show_default=True,
    help="Steps a second that are kept; more are counted.",
)
@click.option(
    "--for",
    "for_s",
    type=click.IntRange(1, 3_600),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long.",
)
@data_dir_option
@json_option
def trace(
    address: str,
    words: str,
    rate: int,
    for_s: int,
    data_dir: str | None,
    *,
    on: bool,
    off: bool,
    as_json: bool,
) -> None:
    r"""Show what the actor at ADDRESS handled last and what it did then.

    That is the last 32 messages, or, since --on, up to 512 that match --filter.

    \b
    Example:
      bot actor trace /risk
      bot actor trace /risk --on --filter 'orders.' --rate 10

    \b
    JSON: a list of objects with seq, now_ns, sender, message, effects; --on, --off: outcome, text.
    Exit codes: 0 ok, 1 no such actor, 5 not running.
    """
    if on or off:
        request = TraceActor(
            request_id=new_request_id(),
            address=address,
            filter=words,
            per_s=rate,
            for_s=0 if off else for_s,
        )
        finish(act(data_dir, request, "actor", as_json=as_json))
        return
    rows = _look(data_dir, address, Aspect.STEPS)
    if as_json:
        print_rows(rows)
    else:
        click.echo(step_lines(rows))


@command.command("stack")
@_address
@data_dir_option
@json_option
def stack(address: str, data_dir: str | None, *, as_json: bool) -> None:
    r"""Show where the tasks of the actor or port at ADDRESS stand.

    \b
    Example:
      bot actor stack /control

    \b
    JSON: a list of objects with task, depth, where, function.
    Exit codes: 0 ok, 1 no such address or it does not run, 5 not running.
    """
    rows = _look(data_dir, address, Aspect.STACK)
    if as_json:
        print_rows(rows)
    else:
        click.echo(frame_lines(rows))


@command.command("inbox")
@_address
@data_dir_option
@json_option
def inbox(address: str, data_dir: str | None, *, as_json: bool) -> None:
    r"""Show the first 200 messages that wait for the actor or port at ADDRESS.

    \b
    Example:
      bot actor inbox /risk

    \b
    JSON: a list of objects with position, lane, sender, at_ns, message.
    Exit codes: 0 ok, 1 no such address, 5 not running.
    """
    rows = _look(data_dir, address, Aspect.INBOX)
    if as_json:
        print_rows(rows)
    else:
        click.echo(waiting_lines(rows))


@command.command("suspend")
@_address
@_why
@yes_option
@data_dir_option
@json_option
def suspend(address: str, reason: str, data_dir: str | None, *, yes: bool, as_json: bool) -> None:
    r"""Have the actor at ADDRESS handle nothing until `resume`; what comes in waits.

    Of an actor that holds money it asks first. It lasts until the bot ends, or until 8 192 messages
    wait. To stop a sleeve from trading, use `bot pause`: a suspended sleeve does not watch its stop
    either.

    \b
    Example:
      bot actor suspend /risk --reason 'looking at its state'

    \b
    JSON: an object with outcome and text.
    Exit codes: 0 done, 1 no such actor, 5 not running.
    """
    (row,) = _look(data_dir, address, Aspect.STATS)
    if isinstance(row, ActorStats) and row.holds_money:
        confirm(
            f"{address} holds money: until `bot actor resume`, what the venue reports is not "
            "booked here, and nothing that it has to decide is decided.",
            address.rsplit("/", 1)[-1],
            yes=yes,
        )
    request = SuspendActor(request_id=new_request_id(), address=address, reason=reason)
    finish(act(data_dir, request, "actor", as_json=as_json))


@command.command("resume")
@_address
@data_dir_option
@json_option
def resume(address: str, data_dir: str | None, *, as_json: bool) -> None:
    r"""Have the suspended actor at ADDRESS handle its messages again.

    \b
    Example:
      bot actor resume /risk

    \b
    JSON: an object with outcome and text.
    Exit codes: 0 done, 1 it is not suspended, 5 not running.
    """
    request = ResumeActor(request_id=new_request_id(), address=address)
    finish(act(data_dir, request, "actor", as_json=as_json))


@command.command("restart")
@_address
@_why
@data_dir_option
@json_option
def restart(address: str, reason: str, data_dir: str | None, *, as_json: bool) -> None:
    r"""Stop what stands at ADDRESS in good order and start it again; a supervisor with all below.

    An actor goes on from its journal. What is halted or waits is started now.

    \b
    Example:
      bot actor restart /users/alice

    \b
    JSON: an object with outcome and text.
    Exit codes: 0 done, 1 it could not be started, 5 not running, 6 not confirmed in time.
    """
    request = RestartActor(request_id=new_request_id(), address=address, reason=reason)
    finish(act(data_dir, request, "actor", as_json=as_json))


@command.command("retry")
@_address
@data_dir_option
@json_option
def retry(address: str, data_dir: str | None, *, as_json: bool) -> None:
    r"""Have the blocked actor at ADDRESS handle the message again, after what was wrong is mended.

    \b
    Example:
      bot actor retry /users/alice/vaults/kraken-sim-usdt/ledger

    \b
    JSON: an object with outcome and text.
    Exit codes: 0 done, 1 it is not blocked, 5 not running.
    """
    request = Release(request_id=new_request_id(), address=address, discard=False)
    finish(act(data_dir, request, "actor", as_json=as_json))


@command.command("discard")
@_address
@click.option("--reason", required=True, metavar="TEXT", help="Why: it is recorded in the audit.")
@data_dir_option
@json_option
def discard(address: str, reason: str, data_dir: str | None, *, as_json: bool) -> None:
    r"""Have the blocked actor at ADDRESS go on without the message. It is kept for inspection.

    Look at it first with `bot replay ADDRESS`: a discarded fill makes our books differ from the
    venue's.

    \b
    Example:
      bot actor discard /venues/kraken-sim/accounts/alice/orders --reason 'booked by hand, see #12'

    \b
    JSON: an object with outcome and text.
    Exit codes: 0 done, 1 it is not blocked, 5 not running.
    """
    request = Release(request_id=new_request_id(), address=address, discard=True, reason=reason)
    finish(act(data_dir, request, "actor", as_json=as_json))
