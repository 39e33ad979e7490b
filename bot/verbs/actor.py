"""`bot actor retry|discard`."""

import click

from bot.shared import act, data_dir_option, finish, json_option, new_request_id
from messages.control import Release


@click.group("actor")
def command() -> None:
    """Decide about an actor that is blocked by a message it cannot handle.

    Actors that handle money do not skip a message that crashed them: they wait, their account may
    only reduce, and you are asked. `bot tree` shows which are blocked, `bot log` the error.
    """


@command.command("retry")
@click.argument("address")
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
@click.argument("address")
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
