"""`bot start`."""

import click

from bot.config import ConfigError, config_file, data_folder, load
from bot.environment import Environment
from bot.errors import FailedError
from bot.shared import data_dir_option, finish
from bot.verbs.version import own_version


@click.command("start")
@click.option("--config", "config_name", metavar="FILE", help="Configuration, instead of bot.toml.")
@data_dir_option
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), help="Seed of the embedded exchange's market."
)
@click.option(
    "--for", "for_s", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
    help="Stop in good order after so long.",
)  # fmt: skip
@click.option(
    "--yes-live", is_flag=True, help="Do not ask before trading with real money; for systemd."
)
def command(
    config_name: str | None,
    data_dir: str | None,
    seed: int | None,
    for_s: float | None,
    *,
    yes_live: bool,
) -> None:
    r"""Run the bot, in the foreground, until `bot stop`, SIGTERM or Ctrl-C.

    The configuration is --config, else $CANOPY_CONFIG, else ~/.config/canopy/bot.toml, else the
    shipped one, which trades on an exchange in a box: no keys, no internet. What the bot must not
    lose lies in the data folder; after a crash, start it again: it goes on where it was.

    A venue whose environment is live trades with real money. It needs `live = true` in bot.toml, a
    key (`bot key add`), and a word that is typed at each start, or --yes-live.

    A second Ctrl-C stops at once; nothing that was acknowledged is lost by that either.

    \b
    Example:
      bot start
      bot start --data-dir /tmp/trial --seed 7 --for 60

    \b
    Exit codes: 0 stopped in good order, 1 error, 4 wrong configuration or data folder, 7 another
    process holds the data folder, 8 data refused, 9 store lost or disk full, 70 an invariant broke.
    """
    environment = Environment()
    try:
        config = load(config_file(environment, config_name), environment)
    except ConfigError as error:
        raise FailedError(error) from error
    from actors.tree import Assembler
    from bot.daemon import Options, run
    from bot.keys import confirm_live, credentials_folder, stored_keys

    confirm_live(config.live_venues, yes=yes_live)
    folder = data_folder(environment, data_dir, config.data.folder)
    options = Options(
        folder=folder,
        version=own_version(),
        assemble=Assembler(
            stored_keys(config, folder, environment), credentials_folder(environment)
        ),
        seed=seed,
        for_s=for_s,
        reload=lambda: load(config_file(environment, config_name), environment),
    )
    finish(run(config, options, environment))
