"""The words on the troubleshooting page are still said, and all refusals of the store are there."""

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
HEADINGS = re.findall(r"^### (.+)$", PAGE.read_text(), flags=re.MULTILINE)
SOURCES = ("bot", "state", "supervisor", "actors", "venue")
# They pass on another's words, or no verb of today can raise them.
UNSAID = {"FailedError", "NotBlockedError", "QueryTimedOutError"}


def text_of(node: ast.AST) -> str:
    """Return the words of a string, with `…` where a value is put in."""
    if isinstance(node, ast.Constant):
        return str(node.value) if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        parts = (text_of(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
        return "".join(parts)
    return ""


def texts_in(tree: ast.AST) -> Iterator[str]:
    yield from (text for text in map(text_of, ast.walk(tree)) if text)


@lru_cache(maxsize=1)
def said() -> tuple[str, ...]:
    """Return every string in the program's source."""
    files = [path for folder in SOURCES for path in sorted((ROOT / folder).rglob("*.py"))]
    return tuple(text for path in files for text in texts_in(ast.parse(path.read_text())))


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_program_still_says(heading: str) -> None:
    assert any(heading in text for text in said())


def refusals() -> list[ast.ClassDef]:
    files = (Path("state/errors.py"), Path("bot/errors.py"), Path("bot/config.py"))
    more = (Path("supervisor/clock.py"), Path("supervisor/cell.py"), Path("bot/origin.py"))
    trees = [ast.parse((ROOT / path).read_text()) for path in (*files, *more)]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return [
        node
        for node in classes
        if node.name.endswith("Error") and node.name not in UNSAID and _speaks(node)
    ]


def _speaks(node: ast.ClassDef) -> bool:
    return any(isinstance(part, ast.FunctionDef) and part.name == "__init__" for part in node.body)


@pytest.mark.parametrize("refusal", refusals(), ids=lambda node: node.name)
def test_the_page_has(refusal: ast.ClassDef) -> None:
    own = tuple(texts_in(refusal))
    assert any(heading in text for heading in HEADINGS for text in own)
