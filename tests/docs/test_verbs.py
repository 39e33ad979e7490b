"""The pages name verbs and options that exist, and the operator's guide names all of them."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from bot.cli import VERBS, bot
from tests.docs.pages import PAGES, ROOT, blocks, commands, prose

# Named on purpose though they do not exist: the plan.
ABSENT: dict[str, set[str]] = {}
# `bot → research` in the architecture is the folder.
_SPAN = re.compile(r"`((?:\.venv/bin/)?bot (?!→)[^`]+)`")
_TUI_OPTION = re.compile(r'"(--[a-z-]+)"')


def mentions() -> Iterator[tuple[str, str]]:
    """Yield (page, command) for each `bot …` on a page, in prose and in blocks."""
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix()
        for match in _SPAN.finditer(prose(page)):
            yield name, match[1]
    for block in blocks("console"):
        for command in commands(block):
            for part in command.text.split("&&"):
                if re.match(r"(\.venv/bin/)?bot ", part.strip()):
                    yield block.page, part.strip()


def alternatives(command: str) -> Iterator[list[str]]:
    """Yield the words of a command; `bot pause|resume` stands for two."""
    words = shlex.split(re.sub(r"\[[^\]]*\]", "", command))[1:]
    choice = next((at for at, word in enumerate(words[:2]) if "|" in word), None)
    if choice is None:
        yield words
        return
    for one in words[choice].split("|"):
        yield [*words[:choice], one, *words[choice + 1 :]]


def options_of(command: click.Command) -> set[str]:
    found = {option for parameter in command.params for option in parameter.opts}
    if command.name == "tui":
        # The terminal UI is a program of its own with a parser of its own.
        sources = (*(ROOT / "tui").glob("*.py"), *(ROOT / "bot").glob("attach.py"))
        found |= {option for path in sources for option in _TUI_OPTION.findall(path.read_text())}
    return found | {"--help", "-h"}


def problem_with(page: str, words: list[str]) -> str:
    """Return what is wrong with a mention of a command, "" if nothing is."""
    if not words or words[0].isupper() or words[0] == "--help":
        return ""
    if words[0] not in VERBS:
        return "" if words[0] in ABSENT.get(page, set()) else f"there is no verb {words[0]}"
    command = bot.get_command(click.Context(bot), words[0])
    assert command is not None
    if isinstance(command, click.Group) and len(words) > 1 and words[1][0] != "-":
        below = command.get_command(click.Context(command), words[1])
        if below is None:
            return f"{words[0]} has no {words[1]}"
        command = below
    known = options_of(command)
    given = [word.partition("=")[0] for word in words if word.startswith("-")]
    strange = [option for option in given if option not in known]
    return f"{' '.join(words[:2])} has no {', '.join(strange)}" if strange else ""


@pytest.mark.parametrize(("page", "command"), sorted(set(mentions())))
def test_what_a_page_names_exists(page: str, command: str) -> None:
    for words in alternatives(command):
        assert problem_with(page, words) == ""


def test_absent_verbs_are_still_absent() -> None:
    assert not {verb for verbs in ABSENT.values() for verb in verbs} & set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_the_operators_guide_has_each_verb(verb: str) -> None:
    text = (ROOT / "docs" / "operator.md").read_text()
    heading = rf"^### bot {verb}$|^\$ bot {verb}\b"
    assert f"`bot {verb}`" in text or re.search(heading, text, re.MULTILINE)


@pytest.mark.parametrize("verb", VERBS)
def test_the_operators_guide_has_each_option(verb: str) -> None:
    text = (ROOT / "docs" / "operator.md").read_text()
    command = bot.get_command(click.Context(bot), verb)
    assert command is not None
    commands_below = [command, *getattr(command, "commands", {}).values()]
    long = {o for c in commands_below for o in options_of(c) if o.startswith("--")}
    assert {option for option in long - {"--help"} if f"{option}" not in text} == set()
