"""`bot allocate`."""

import click

from bot.confirm import amount_argument, confirm, yes_option
from bot.shared import (
    act,
    data_dir_option,
    finish,
    json_option,
    new_request_id,
    seconds_option,
)
from messages.control import Allocate


@click.command("allocate")
@click.argument("sleeve_address")
@amount_argument
@yes_option
@data_dir_option
@seconds_option(10)
@json_option
def command(
    sleeve_address: str,
    amount: str,
    data_dir: str | None,
    wait_s: float,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    r"""Give the sleeve at SLEEVE_ADDRESS AMOUNT of its vault's asset to trade with.

    It is taken from the vault's Tradeable Coins, and what is no longer allocated goes back there;
    more than remains is refused. With a position open it counts from the next buy on. 0 lets the
    sleeve rest.

    \b
    Example:
      bot allocate /users/alice/vaults/kraken-sim-usdt/sleeves/flash 400

    \b
    JSON: an object with outcome and text, which names the allocation before and after.
    Exit codes: 0 done and durable, 1 refused or not confirmed, 5 not running, 6 not in time.
    """
    confirm(f"{sleeve_address} is allocated {amount}.", "yes", yes=yes)
    request = Allocate(
        request_id=new_request_id(),
        timeout_ms=int(wait_s * 1_000),
        address=sleeve_address,
        amount=amount,
    )
    finish(act(data_dir, request, "allocate", as_json=as_json))
