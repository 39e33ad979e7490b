"""`bot bundle`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.errors import FailedError, VerbError
from bot.shared import as_of_ns, data_dir_option, folder_of, json_option, print_json

if TYPE_CHECKING:
    from actors.execution.keys import StoredKey
    from bot.bundle import Bundle


@click.command("bundle")
@click.argument("address")
@click.option("--around", metavar="TIME", required=True, help="The moment, as `bot replay --at`.")
@click.option("--config", "config_name", metavar="FILE", help="Configuration, as of `bot start`.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; default: named after the actor and the moment, here.",
)
@click.option("--no-key-check", is_flag=True, help="Without the stored keys' passphrase.")
@data_dir_option
@json_option
def command(
    address: str,
    around: str,
    config_name: str | None,
    out: Path | None,
    data_dir: str | None,
    *,
    no_key_check: bool,
    as_json: bool,
) -> None:
    r"""Write one file with all that it takes to replay a moment of the actor at ADDRESS elsewhere.

    It holds the actor's state of a minute before, what it handled from then to ten seconds after,
    what that did, the configuration, the alerts of the hour before, and which Canopy it was.
    Secrets are not in it: nothing is written if one were, plainly or in base64, hexadecimal or URL
    encoding. For that the stored keys are opened; without their passphrase say --no-key-check, and
    of them nothing is proven. The bot may run meanwhile.

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
    folder = folder_of(data_dir)
    try:
        keys = () if no_key_check else _keys(folder)
        bundle, size_bytes = bundle_file(folder, address, around_ns, file, config_name, keys)
    except StateError as error:
        raise FailedError(error) from error
    except (BundleError, PastError) as error:
        raise VerbError(str(error)) from error
    _say(bundle, file, size_bytes, as_json=as_json)


def _say(bundle: "Bundle", file: Path, size_bytes: int, *, as_json: bool) -> None:
    last = bundle.turns[-1]
    first_seq, last_seq = bundle.turns[0].first_seq, last.first_seq + len(last.inputs) - 1
    if as_json:
        print_json(
            {"file": str(file), "bytes": size_bytes, "address": bundle.address,
             "first_seq": first_seq, "last_seq": last_seq, "complete": not bundle.is_cut}
        )  # fmt: skip
        return
    cut = "; the end is left out, it was too much" if bundle.is_cut else ""
    click.echo(
        f"{file}: {size_bytes / 1_000:.1f} kB, messages {first_seq} to {last_seq}{cut}\n"
        f"replay it anywhere: bot replay --bundle {file}"
    )


def _keys(folder: Path) -> "Sequence[StoredKey]":
    from bot.environment import Environment
    from bot.key_store import KeyStore
    from bot.keys import opened

    store = KeyStore(folder)
    return opened(store, Environment())[0] if store.exists() else ()
