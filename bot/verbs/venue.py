"""`bot venue`."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from bot.config import Config, ConfigError, config_file, load
from bot.environment import Environment
from bot.errors import CONFIGURATION, ERROR, FailedError, VerbError
from messages.settings import AtEnd, BoxSettings, Faults, MarketSettings

if TYPE_CHECKING:
    import trio

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("venue")
@click.argument("name", required=False)
@click.option("--config", "config_name", metavar="FILE", help="Configuration that has the box.")
@click.option(
    "--protocol", metavar="NAME", help="What it speaks; by default what its venue is configured to."
)
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
@click.option(
    "--recorded", multiple=True, type=_FILE, metavar="FILE",
    help="Depth and trades to replay (hftbacktest's gzip); once per file, in order of time.",
)  # fmt: skip
@click.option(
    "--candles", type=_FILE, metavar="FILE",
    help="One-minute candles to expand into ticks there: JSON rows or CSV.",
)  # fmt: skip
@click.option(
    "--at-end", type=click.Choice([kind.value for kind in AtEnd]),
    help="At the record's end, begin again or take cancels only.",
)  # fmt: skip
def command(  # noqa: PLR0913, PLR0917 - one argument per option
    name: str | None,
    config_name: str | None,
    protocol: str | None,
    port: int,
    data_file: Path | None,
    seed: int | None,
    users: tuple[str, ...],
    faults: str | None,
    recorded: tuple[Path, ...],
    candles: Path | None,
    at_end: str | None,
) -> None:
    r"""Run an exchange in a box on its own, on 127.0.0.1, until Ctrl-C: the one called NAME.

    It speaks its venue's real protocol, REST and WebSocket, to anybody. The first line it prints is
    `listening on http://127.0.0.1:PORT`. A bot uses it when its venue has no box but these:

    \b
      rest = "http://127.0.0.1:PORT"
      websocket_public = "ws://127.0.0.1:PORT/v2"
      websocket_private = "ws://127.0.0.1:PORT/v2"
      seed = SEED

    The keys of its accounts follow from venue, user and seed. Records replay from its first start.

    \b
    Example:
      bot venue kraken-sim --port 8090 --data-file /tmp/box.db --faults nasty
      bot venue --recorded ethusdt_20240718.gz --recorded ethusdt_20240719.gz --at-end repeat

    \b
    Exit codes: 0 stopped, 1 the port is taken or the data file in use, 4 wrong configuration.
    """
    if recorded and candles is not None:
        raise click.UsageError("choose --recorded or --candles")
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
        markets=(_market(box.markets[0], recorded, candles, at_end), *box.markets[1:]),
    )
    own = users or tuple(user.name for user in config.first_run.users)
    _serve(name, box, own, data_file, (protocol or config.venues[name].protocol.value, port))


def _box(config: Config, name: str | None) -> tuple[str, BoxSettings]:
    boxes = {known: venue.box for known, venue in config.venues.items() if venue.box is not None}
    chosen = name or next(iter(boxes), "")
    if chosen not in boxes:
        raise VerbError(f"no venue {chosen} with a box; there are: {', '.join(boxes) or 'none'}")
    return chosen, boxes[chosen]


def _market(
    market: MarketSettings, recorded: tuple[Path, ...], candles: Path | None, at_end: str | None
) -> MarketSettings:
    """Return the market with what the command line says of its source instead of its own."""
    if at_end is not None:
        market = replace(market, at_end=AtEnd(at_end))
    if not recorded and candles is None:
        return market
    return replace(
        market,
        open_price=None,
        recorded=tuple(str(path) for path in recorded),
        candles=str(candles) if candles is not None else None,
    )


def _serve(
    name: str,
    box: BoxSettings,
    users: tuple[str, ...],
    data_file: Path | None,
    door: tuple[str, int],
) -> None:
    import trio

    from supervisor.clock import ProcessClock
    from venue.box import serve_venue
    from venue.config import VenueConfigError
    from venue.kernels import warm
    from venue.settings import box_config
    from venue.storage import StorageError

    protocol, port = door
    try:
        config = box_config(name, box, users, data_file=data_file, port=port, protocol=protocol)
    except ValueError as error:
        raise _failure(CONFIGURATION, str(error)) from error

    async def main() -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_stop_on_signal, received, nursery.cancel_scope)
                bound = await nursery.start(serve_venue, config, ProcessClock())
                click.echo(f"listening on http://127.0.0.1:{bound}")

    failure: VerbError | None = None
    warm()
    try:
        trio.run(main)
    except* VenueConfigError as group:
        failure = _failure(CONFIGURATION, _text(group))
    except* StorageError as group:
        failure = _failure(ERROR, _text(group))
    except* OSError as group:
        text = f"port {port} cannot be listened on ({_text(group)}): free it, or choose another"
        failure = _failure(ERROR, f"{text} with --port")
    if failure is not None:
        raise failure


async def _stop_on_signal(received: AsyncIterator[int], scope: "trio.CancelScope") -> None:
    async for _ in received:
        scope.cancel()


def _failure(exit_code: int, text: str) -> VerbError:
    error = VerbError(text)
    error.ends_with(exit_code)
    return error


def _text(error: BaseException) -> str:
    """Return what the first error says, however deep in groups it lies."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
