"""`bot key add|list|check|remove`."""

import click

from bot.shared import data_dir_option, finish, json_option

config_option = click.option(
    "--config", "config_name", metavar="FILE", help="Configuration, instead of bot.toml."
)
user_argument = click.argument("user")
venue_argument = click.argument("venue")


@click.group("key")
def command() -> None:
    """Store the keys of accounts at real venues, encrypted, or look at which there are.

    A key is stored for one user at one venue of bot.toml, and with it the venue's environment: it
    is given out for no other. Make keys without the right to withdraw. Simulations need none.
    """


@command.command("add")
@user_argument
@venue_argument
@click.option(
    "--from-env",
    metavar="PREFIX",
    help="Take PREFIX_API_KEY, PREFIX_SECRET and, where the venue's keys have one, "
    "PREFIX_PASSPHRASE from the environment, this once.",
)
@config_option
@data_dir_option
def add(
    user: str,
    venue: str,
    from_env: str | None,
    config_name: str | None,
    data_dir: str | None,
) -> None:
    r"""Store the key of USER at VENUE; it is typed, and not shown.

    One that is there is replaced. The bot takes it at its next start.

    \b
    Example:
      bot key add alice kraken-live

    Exit codes: 0 stored, 1 refused, 4 wrong configuration or passphrase.
    """
    from bot.key_verbs import add_key

    add_key(user, venue, from_env, config_name, data_dir)


@command.command("list")
@config_option
@data_dir_option
@json_option
def list_keys(config_name: str | None, data_dir: str | None, *, as_json: bool) -> None:
    r"""Show which accounts have a key; never a secret.

    \b
    Example:
      bot key list

    \b
    JSON: a list of objects with user, venue, environment, api_key_end, added_ns.
    Exit codes: 0 ok, 4 wrong configuration or passphrase.
    """
    from bot.key_verbs import show_keys

    show_keys(config_name, data_dir, as_json=as_json)


@command.command("check")
@user_argument
@venue_argument
@config_option
@data_dir_option
def check(user: str, venue: str, config_name: str | None, data_dir: str | None) -> None:
    r"""Ask VENUE with the key of USER for the account's balances, and what the key may do.

    A key that may withdraw is warned of: the bot never needs that.

    \b
    Example:
      bot key check alice kraken-live

    Exit codes: 0 the venue takes it, 1 it does not, or the key may not trade,
    4 wrong configuration or passphrase.
    """
    from bot.key_verbs import check_key

    finish(check_key(user, venue, config_name, data_dir))


@command.command("remove")
@user_argument
@venue_argument
@config_option
@data_dir_option
def remove(user: str, venue: str, config_name: str | None, data_dir: str | None) -> None:
    r"""Forget the key of USER at VENUE.

    \b
    Example:
      bot key remove alice kraken-live

    Exit codes: 0 forgotten, 1 there was none, 4 wrong configuration or passphrase.
    """
    from bot.key_verbs import remove_key

    remove_key(user, venue, config_name, data_dir)
