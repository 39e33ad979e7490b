"""The pages that people read, and the fenced blocks in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))
_FENCE = re.compile(r"^```(\S*) ?(.*)$")
NOT_RUN = "not run:"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what else its first line says, its lines."""

    page: str
    line: int
    language: str
    info: str
    lines: tuple[str, ...]

    @property
    def where(self) -> str:
        """Page and line, for messages and test ids."""
        return f"{self.page}:{self.line}"

    @property
    def is_run(self) -> bool:
        """Whether the block is executed."""
        return not self.info.startswith(NOT_RUN)

    @property
    def reason(self) -> str:
        """Why it is not."""
        return self.info.removeprefix(NOT_RUN).strip()

    @property
    def exit_code(self) -> int:
        """What its commands exit with: `exit=N`, or 0."""
        found = re.fullmatch(r"exit=(\d+)", self.info)
        return int(found[1]) if found else 0


@dataclass(frozen=True)
class Command:
    """A `$ ` line of a console block, and the output that the page shows below it."""

    block: Block
    text: str
    shown: tuple[str, ...]


def blocks(language: str) -> list[Block]:
    """Return the blocks of one language on all pages."""
    return [block for page in PAGES for block in _blocks_of(page) if block.language == language]


def _blocks_of(page: Path) -> Iterator[Block]:
    opened: tuple[int, str, str] | None = None
    lines: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if fence is None:
            lines.append(line)
        elif opened is None:
            opened, lines = (number, fence[1], fence[2].strip()), []
        else:
            at, language, info = opened
            name = page.relative_to(ROOT).as_posix()
            yield Block(name, at, language, info, tuple(lines))
            opened = None
    assert opened is None, f"{page}: a fence is not closed"


def commands(block: Block) -> list[Command]:
    """Return the commands of a console block, in order."""
    found: list[tuple[str, list[str]]] = []
    for line in block.lines:
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            assert found, f"{block.where}: output stands before the first command"
            found[-1][1].append(line)
    return [Command(block, text, tuple(shown)) for text, shown in found]


def prose(page: Path) -> str:
    """Return the page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
