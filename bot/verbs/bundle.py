"""`bot bundle`."""

from pathlib import Path

import click

from bot.errors import FailedError, VerbError
from bot.shared import as_of_ns, data_dir_option, folder_of, json_option, print_json


@click.command("bundle")
@click.argument("address")
@click.option("--around", metavar="TIME", required=True, help="The moment, as `bot replay --at`.")
@click.option("--config", "config_name", metavar="FILE", help="Configuration, as of `bot start`.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; default: named after the actor and the moment, here.",
)
@data_dir_option
@json_option
def command(
    address: str,
    around: str,
    config_name: str | None,
    out: Path | None,
    data_dir: str | None,
    *,
    as_json: bool,
) -> None:
    r"""Write one file with all that it takes to replay a moment of the actor at ADDRESS elsewhere.

    It holds the actor's state of a minute before, what it handled from then to ten seconds after,
    what that did, the configuration, the alerts of the hour before, and which Canopy it was.
    Secrets are not in it: nothing is written if one were. The bot may run meanwhile.

    \b
    Example:
      bot bundle /users/alice/vaults/kraken-sim-usdt/ledger --around 03:12 --out moment.bundle
      bot replay --bundle moment.bundle

    \b
    JSON: an object with file, bytes, address, first_seq, last_seq, complete.
    Exit codes: 0 written, 1 no such actor or moment, 2 usage, 8 data refused.
    """
    from bot.bundle import BundleError
    from bot.bundling import bundle_file, default_name
    from bot.past import PastError
    from state.errors import StateError

    around_ns = as_of_ns(around, "--around")
    file = out or Path(default_name(address, around_ns))
    try:
        bundle, size_bytes = bundle_file(folder_of(data_dir), address, around_ns, file, config_name)
    except StateError as error:
        raise FailedError(error) from error
    except (BundleError, PastError) as error:
        raise VerbError(str(error)) from error
    last = bundle.turns[-1]
    first_seq, last_seq = bundle.turns[0].first_seq, last.first_seq + len(last.inputs) - 1
    if as_json:
        print_json(
            {"file": str(file), "bytes": size_bytes, "address": address, "first_seq": first_seq,
             "last_seq": last_seq, "complete": not bundle.is_cut}
        )  # fmt: skip
        return
    cut = "; the end is left out, it was too much" if bundle.is_cut else ""
    click.echo(
        f"{file}: {size_bytes / 1_000:.1f} kB, messages {first_seq} to {last_seq}{cut}\n"
        f"replay it anywhere: bot replay --bundle {file}"
    )
