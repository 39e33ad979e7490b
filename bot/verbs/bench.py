"""`bot bench`."""

import importlib
import pkgutil
from typing import Protocol

import click
import msgspec

import bot.bench
from bot.shared import json_option, print_json


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a benchmark measured, beside what it is compared with in the same run."""

    name: str
    figures: dict[str, float]
    compared_with: dict[str, float]
    environment: dict[str, str]


class Benchmark(Protocol):
    """A module of `bot/bench`: one benchmark. Its docstring's first line is its description."""

    __doc__: str | None

    def run(self) -> Result:
        """Measure."""


def names() -> list[str]:
    """Return the benchmarks there are."""
    modules = pkgutil.iter_modules(bot.bench.__path__)
    return sorted(m.name.replace("_", "-") for m in modules if not m.name.startswith("_"))


@click.command("bench")
@click.argument("name", required=False)
@json_option
def command(name: str | None, *, as_json: bool) -> None:
    r"""Measure what NAME stands for on this machine; without NAME, list what can be measured.

    Each figure is printed beside what it is compared with, measured in the same run.

    \b
    Example:
      bot bench
      bot bench bus --json

    \b
    JSON: an object with name, figures, compared_with, environment; units are in the figures' names.
    Exit codes: 0 measured, 2 no such benchmark.
    """
    if name is None:
        if as_json:
            print_json(names())
            return
        for known in names():
            click.echo(known)
        return
    if name not in names():
        raise click.BadParameter(f"{name} is none of {', '.join(names())}", param_hint="NAME")
    module = importlib.import_module(f"bot.bench.{name.replace('-', '_')}")
    result: Result = module.run()
    if as_json:
        print_json(result)
        return
    click.echo(result.name)
    for label, figures in (("", result.figures), ("compared with ", result.compared_with)):
        for figure, value in figures.items():
            click.echo(f"  {label}{figure:<40}{value:>16,.3f}")
