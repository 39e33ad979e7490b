"""The files that the tidy rules look at: what git tracks, parsed once."""

import ast
import subprocess
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "messages",
    "supervisor",
    "state",
    "exchanges",
    "venue",
    "actors",
    "research",
    "tui",
    "bot",
)
FOLDERS = (*PACKAGES, "tests", "docs", "deploy")


@dataclass(frozen=True)
class Source:
    """One file: its path from the root, with forward slashes, and its text."""

    path: str
    text: str

    @property
    def package(self) -> str:
        """The first folder of the path."""
        return self.path.partition("/")[0]

    @property
    def is_test(self) -> bool:
        """Whether the file belongs to the tests."""
        return self.package == "tests"

    @property
    def is_python(self) -> bool:
        """Whether the file holds Python."""
        return self.path.endswith(".py")

    @cached_property
    def lines(self) -> list[str]:
        """The text's lines."""
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed text of a Python file."""
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes of the tree."""
        return list(ast.walk(self.tree))


@dataclass(frozen=True)
class Finding:
    """One place where a rule is broken; the message says what to do instead."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@cache
def tracked_paths() -> tuple[str, ...]:
    """Return the paths that git tracks and that exist, sorted; without git, all that are ours."""
    if not (ROOT / ".git").exists():
        own = [*ROOT.glob("*.*"), *(path for name in FOLDERS for path in (ROOT / name).rglob("*"))]
        return tuple(sorted(path.relative_to(ROOT).as_posix() for path in own if path.is_file()))
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return tuple(path for path in sorted(listed.split("\0")) if path and (ROOT / path).is_file())


@cache
def sources() -> tuple[Source, ...]:
    """Return the tracked text files, lock files and pictures left out."""
    suffixes = {".py", ".sql", ".toml", ".tcss", ".md", ".sh"}
    names = {"Makefile", "run"}
    return tuple(
        Source(path, (ROOT / path).read_text(encoding="utf-8"))
        for path in tracked_paths()
        if Path(path).suffix in suffixes or Path(path).name in names
    )
