"""`bot bench`."""

import importlib
import pkgutil
from typing import TYPE_CHECKING

import click

import bot.bench
from bot.shared import json_option, print_json
from bot.text import table

if TYPE_CHECKING:
    from bot.measuring import Benchmark, Figures


def names() -> list[str]:
    """Return the benchmarks there are."""
    modules = pkgutil.iter_modules(bot.bench.__path__)
    return sorted(m.name.replace("_", "-") for m in modules if not m.name.startswith("_"))


@click.command("bench")
@click.argument("name", required=False)
@click.option("--list", "only_list", is_flag=True, help="List what can be measured.")
@click.option(
    "--data-dir",
    metavar="DIR",
    help="Measure on the disk of this folder; default: the system's folder for temporary files.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 3_600),
    help="How long to measure, of a benchmark that lasts a time of its own (feeds).",
)
@json_option
def command(
    name: str | None,
    data_dir: str | None,
    seconds: float | None,
    *,
    only_list: bool,
    as_json: bool,
) -> None:
    r"""Measure what NAME stands for on this machine; without NAME, list what can be measured.

    Each figure is printed beside what it must reach and what it is compared with, measured in the
    same run. Other work on the machine makes the figures worse: see load_average.

    \b
    Example:
      bot bench
      bot bench bus --json
      bot bench feeds --seconds 600

    \b
    JSON: an object with name, figures, compared_with, environment; units are in the figures' names.
    Exit codes: 0 measured, whether it met what it must reach or not; 2 no such benchmark.
    """
    if name is None or only_list:
        _list(as_json=as_json)
        return
    if name not in names():
        raise click.BadParameter(f"{name} is none of {', '.join(names())}", param_hint="NAME")
    benchmark = _load(name)
    result = _measure(benchmark, data_dir, _scale(benchmark, seconds))
    if as_json:
        print_json(result)
    else:
        _print(benchmark, result)


def _load(name: str) -> "Benchmark":
    from typing import cast

    module: object = importlib.import_module(f"bot.bench.{name.replace('-', '_')}")
    return cast("Benchmark", module)


def _scale(benchmark: "Benchmark", seconds: float | None) -> float:
    if seconds is None:
        return 1.0
    usual: float | None = getattr(benchmark, "SECONDS", None)
    if usual is None:
        raise click.BadParameter("only `feeds` is told how long", param_hint="--seconds")
    return seconds / usual


def _measure(benchmark: "Benchmark", data_dir: str | None, scale: float) -> "Figures":
    import tempfile
    from pathlib import Path

    if data_dir is not None and not Path(data_dir).is_dir():
        raise click.BadParameter(f"{data_dir} is no folder: make it first", param_hint="--data-dir")
    # A folder of its own: what runs below --data-dir is neither read nor touched.
    with tempfile.TemporaryDirectory(prefix="bot-bench-", dir=data_dir) as folder:
        return benchmark.run(Path(folder), scale)


def _list(*, as_json: bool) -> None:
    if as_json:
        print_json(names())
        return
    rows = [(name, (_load(name).__doc__ or "").partition("\n")[0]) for name in names()]
    click.echo(table(("name", "measures"), rows))


def _print(benchmark: "Benchmark", result: "Figures") -> None:
    required = {one.figure: one for one in benchmark.REQUIRED}
    rows = []
    for figure, value in result.figures.items():
        bound = required.get(figure)
        met = "" if bound is None else "yes" if bound.is_met(value) else "NO"
        rows.append(
            (figure, f"{value:,.4g}" if value < 1 else f"{value:,.1f}", str(bound or ""), met)
        )
    rows += [(f"beside it: {n}", f"{v:,.1f}", "", "") for n, v in result.compared_with.items()]
    click.echo(table((result.name, "measured", "required", "met"), rows, right=(1, 2)))
    where = result.environment
    click.echo(
        f"\n{where.cpu}, {where.cores} cores, load {where.load_average}; Python {where.python}, "
        f"trio {where.trio}, SQLite {where.sqlite}, Linux {where.kernel}"
    )
