"""Asking before an act that cannot be taken back: a word is typed, or `--yes` was said."""

import re

import click

from bot.errors import VerbError

_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,12})?")


class Amount(click.ParamType[str]):
    """A decimal amount, as it is written: `250.50`."""

    name = "amount"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text if it is one."""
        if not _AMOUNT.fullmatch(value):
            self.fail(f"{value!r} is no amount: write it like 250.50", param, ctx)
        return value


amount_argument = click.argument("amount", type=Amount())

yes_option = click.option("--yes", is_flag=True, help="Do not ask; for scripts.")


def confirm(what: str, word: str, *, yes: bool) -> None:
    """Return when `word` was typed; raise `VerbError` otherwise. The question goes to stderr."""
    if yes:
        return
    click.echo(what, err=True)
    try:
        typed = click.prompt(f"Type {word!r} to do it", default="", show_default=False, err=True)
    except click.Abort:
        raise VerbError(f"nothing was done: nobody typed {word!r}; scripts say --yes") from None
    if typed.strip() != word:
        raise VerbError(f"nothing was done: that was not {word!r}")
