"""`bot venue`."""

import signal
from pathlib import Path

import click
from msgspec.structs import replace

from bot.config import Config, ConfigError, Environment, config_file, load
from bot.errors import FailedError, VerbError
from messages.settings import BoxSettings, Faults


@click.command("venue")
@click.argument("name", required=False)
@click.option("--config", "config_name", metavar="FILE", help="Configuration that has the box.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="0 takes a free one.")
@click.option(
    "--data-file", type=click.Path(path_type=Path), metavar="FILE",
    help="Where its orders, fills and accounts outlive it; without, they end with it.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Seed of the market and faults.")
@click.option("--user", "users", multiple=True, help="An account; by default the configured users.")
@click.option(
    "--faults", type=click.Choice([kind.value for kind in Faults]), help="How badly it behaves."
)
def command(
    name: str | None,
    config_name: str | None,
    port: int,
    data_file: Path | None,
    seed: int | None,
    users: tuple[str, ...],
    faults: str | None,
) -> None:
    r"""Run an exchange in a box on its own, on 127.0.0.1, until Ctrl-C: the one called NAME.

    It speaks its venue's real protocol, REST and WebSocket, to anybody. The first line it prints is
    `listening on http://127.0.0.1:PORT`. A bot uses it when its venue has no box but these:

    \b
      rest = "http://127.0.0.1:PORT"
      websocket_public = "ws://127.0.0.1:PORT/v2"
      websocket_private = "ws://127.0.0.1:PORT/v2"
      seed = SEED

    The keys of its accounts follow from venue, user and seed.

    \b
    Example:
      bot venue kraken-sim --port 8090 --data-file /tmp/box.db --faults nasty

    \b
    Exit codes: 0 stopped, 1 the port is taken, 4 wrong configuration.
    """
    environment = Environment()
    try:
        config = load(config_file(environment, config_name), environment)
    except ConfigError as error:
        raise FailedError(error) from error
    name, box = _box(config, name)
    box = replace(
        box,
        seed=box.seed if seed is None else seed,
        faults=box.faults if faults is None else Faults(faults),
    )
    own = users or tuple(user.name for user in config.first_run.users)
    _serve(name, box, own, data_file, port)


def _box(config: Config, name: str | None) -> tuple[str, BoxSettings]:
    boxes = {known: venue.box for known, venue in config.venues.items() if venue.box is not None}
    chosen = name or next(iter(boxes), "")
    if chosen not in boxes:
        raise VerbError(f"no venue {chosen} with a box; there are: {', '.join(boxes) or 'none'}")
    return chosen, boxes[chosen]


def _serve(
    name: str, box: BoxSettings, users: tuple[str, ...], data_file: Path | None, port: int
) -> None:
    import trio

    from supervisor.clock import ProcessClock
    from venue.box import serve_venue
    from venue.config import VenueConfigError
    from venue.kernels import warm
    from venue.settings import box_config

    async def main() -> None:
        config = box_config(name, box, users, data_file=data_file, port=port)
        async with trio.open_nursery() as nursery:
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
                bound = await nursery.start(serve_venue, config, ProcessClock())
                click.echo(f"listening on http://127.0.0.1:{bound}")
                async for _ in received:
                    nursery.cancel_scope.cancel()
                    break

    try:
        warm()
        trio.run(main)
    except* (VenueConfigError, ValueError, OSError) as group:
        raise VerbError("; ".join(str(error) for error in group.exceptions)) from group
