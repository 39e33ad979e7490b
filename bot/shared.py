"""What verbs have in common: options, asking the daemon, printing what it said."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from bot.environment import Environment
from bot.errors import ERROR, OK, TIMED_OUT, FailedError, VerbError
from messages.control import Answer, Outcome, Request
from messages.views import ViewRow, json_document

Function = TypeVar("Function", bound=Callable[..., Any])

data_dir_option = click.option(
    "--data-dir",
    metavar="DIR",
    help="The bot's data folder; by it the running bot is found. Default: as in bot.toml.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print exactly one JSON document, for scripts."
)

at_option = click.option(
    "--at",
    metavar="TIME",
    help="As it was at TIME (UTC): `2026-07-01T03:12:00Z`, `03:12` (the last time), `-5m`.",
)


def as_of_ns(at: str | None, option: str = "--at") -> int:
    """Return the moment that an option names, or 0 for now."""
    if at is None:
        return 0
    from messages.times import TimeTextError, time_ns
    from supervisor.clock import wall_ns

    try:
        return time_ns(at, wall_ns())
    except TimeTextError as error:
        raise click.UsageError(f"{option}: {error}") from error


def say_then(moment_ns: int) -> None:
    """Begin what is shown of the past with a line that says so."""
    if moment_ns:
        from bot.text import time_of

        click.echo(f"As it was at {time_of(moment_ns)}:")


def seconds_option(default_s: float) -> Callable[[Function], Function]:
    """Return the option `--timeout`, in seconds."""
    return click.option(
        "--timeout",
        "wait_s",
        type=click.FloatRange(0.1, 120),
        default=default_s,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for the answer; then the exit code is 6.",
    )


def folder_of(data_dir: str | None) -> Path:
    """Return the data folder that the options name, or the configuration does."""
    environment = Environment()
    if data_dir:
        return environment.expand(data_dir)
    from bot.config import ConfigError, data_folder

    try:
        return data_folder(environment, None)
    except ConfigError as error:
        raise FailedError(error) from error


def new_request_id() -> str:
    """Return an id for a request: nobody else's."""
    return os.urandom(12).hex()


def ask(data_dir: str | None, request: Request, verb: str) -> Answer:
    """Ask the daemon; raise what the verb ends with if the answer is not OK."""
    from bot.client import ask as ask_daemon

    answer = ask_daemon(folder_of(data_dir), request, f"verb {verb}")
    if answer.outcome is not Outcome.OK:
        raise AnswerError(answer)
    return answer


class AnswerError(VerbError):
    """The daemon answered, and the answer is not OK."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.text or answer.outcome.value)
        self.answer = answer
        self.ends_with(TIMED_OUT if answer.outcome is Outcome.UNKNOWN else ERROR)


def print_rows(rows: Sequence[ViewRow]) -> None:
    """Print a list of rows as the one document of `--json`."""
    click.echo(json_document(rows))


def print_row(row: ViewRow) -> None:
    """Print one row as the one document of `--json`."""
    click.echo(json_document(row))


def print_json(document: object) -> None:
    """Print anything as the one document of `--json`."""
    click.echo(msgspec.json.encode(document))


def act(data_dir: str | None, request: Request, verb: str, *, as_json: bool) -> int:
    """Have the daemon do something, print what it said, and return the exit code."""
    from bot.client import ask as ask_daemon

    answer = ask_daemon(folder_of(data_dir), request, f"verb {verb}")
    if as_json:
        print_json({"outcome": answer.outcome.value, "text": answer.text})
    else:
        click.echo(answer.text or answer.outcome.value, err=answer.outcome is not Outcome.OK)
    if answer.outcome is Outcome.OK:
        return OK
    return TIMED_OUT if answer.outcome is Outcome.UNKNOWN else ERROR


def finish(exit_code: int) -> None:
    """End the verb with an exit code."""
    if exit_code:
        raise click.exceptions.Exit(exit_code)
