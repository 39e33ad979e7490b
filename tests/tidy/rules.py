"""The house rules that a machine can see, each a function from a file to its findings.

Types, names and formatting are ruff's and mypy's; what imports what is import-linter's.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from tests.tidy.bans import banned_names
from tests.tidy.sources import PACKAGES, ROOT, Finding, Source

LINE_COLUMNS_MAX = 100
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 50

Rule = Callable[[Source], Iterator[Finding]]
_Function = ast.FunctionDef | ast.AsyncFunctionDef

_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")
_SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|ruff:|mypy:)", re.IGNORECASE)
_REASONED = re.compile(
    r"#\s*noqa: [A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)* - \w.{4}"
    r"|#\s*type: ignore\[[a-z0-9, -]+\]\s+# \w.{4}"
)
_UNITLESS = re.compile(r"(^|_)(timeout|delay|age|latency)$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)\s]*)?\)")
_TITLE = re.compile(r"# \S")


def long_lines(source: Source) -> Iterator[Finding]:
    """Find lines over 100 columns; prose in documents and recipes may be longer."""
    if source.path.endswith((".md", "Makefile")):
        return
    for number, line in enumerate(source.lines, 1):
        if len(line) > LINE_COLUMNS_MAX:
            yield Finding(source.path, number, f"{len(line)} columns: break it at 100")


def long_files(source: Source) -> Iterator[Finding]:
    """Find files over 500 lines."""
    if not source.path.endswith(".md") and len(source.lines) > FILE_LINES_MAX:
        message = f"{len(source.lines)} lines, 500 is the most: split the file by subject"
        yield Finding(source.path, FILE_LINES_MAX + 1, message)


def long_functions(source: Source) -> Iterator[Finding]:
    """Find functions over 50 lines, docstring included, decorators not."""
    for node in source.nodes:
        if isinstance(node, _Function):
            assert node.end_lineno is not None, "ast.parse sets line numbers"
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                message = f"{node.name} has {lines} lines, 50 is the most: pull out a named step"
                yield Finding(source.path, node.lineno, message)


def unfinished(source: Source) -> Iterator[Finding]:
    """Find marks of unfinished work."""
    if source.path.startswith("tests/tidy/"):
        return
    for number, line in enumerate(source.lines, 1):
        if match := _UNFINISHED.search(line):
            yield Finding(source.path, number, f"{match[0]}: finish it, or file an issue")


def broad_excepts(source: Source) -> Iterator[Finding]:
    """Find handlers that catch everything, outside the supervisor."""
    if source.package == "supervisor":
        return
    for node in source.nodes:
        if isinstance(node, ast.ExceptHandler):
            caught = [node.type] if not isinstance(node.type, ast.Tuple) else node.type.elts
            names = {name.id if isinstance(name, ast.Name) else name for name in caught}
            if names & {None, "Exception", "BaseException"}:
                message = "catches everything: name the errors; a bug is the supervisor's to catch"
                yield Finding(source.path, node.lineno, message)


def unexplained_suppressions(source: Source) -> Iterator[Finding]:
    """Find lint and type suppressions without codes or without a reason."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if (
            token.type == tokenize.COMMENT
            and _SUPPRESSION.search(token.string)
            and not _REASONED.search(token.string)
        ):
            message = "say why: `# noqa: CODE - reason` or `# type: ignore[code]  # reason`"
            yield Finding(source.path, token.start[0], message)


def compound_asserts(source: Source) -> Iterator[Finding]:
    """Find asserts of two conditions: a failure must tell which one."""
    for node in source.nodes:
        if (
            isinstance(node, ast.Assert)
            and isinstance(node.test, ast.BoolOp)
            and isinstance(node.test.op, ast.And)
        ):
            yield Finding(source.path, node.lineno, "one condition per assert: write two")


def unnamed_bounds(source: Source) -> Iterator[Finding]:
    """Find memory channels whose bound is a bare number."""
    for node in source.nodes:
        if (
            isinstance(node, ast.Call)
            and _called_name(node) == "open_memory_channel"
            and not source.is_test
            and (not node.args or isinstance(node.args[0], ast.Constant))
        ):
            message = "give the bound a named constant with its reason"
            yield Finding(source.path, node.lineno, message)


def mutable_messages(source: Source) -> Iterator[Finding]:
    """Find public message classes that could be changed after they were made."""
    if source.package != "messages":
        return
    for node in source.nodes:
        if isinstance(node, ast.ClassDef) and {"Struct", "Message"} & {
            base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
            for base in node.bases
        }:
            options = {option.arg: option.value for option in node.keywords}
            frozen = options.get("frozen")
            sealed = isinstance(frozen, ast.Constant) and frozen.value is True
            if not sealed and not node.name.startswith("_"):
                yield Finding(source.path, node.lineno, f"{node.name}: pass frozen=True")


def missing_units(source: Source) -> Iterator[Finding]:
    """Find durations without a unit in what a file names: arguments, variables, fields."""
    if source.is_test:
        return
    for node in source.nodes:
        name, line = "", 0
        if isinstance(node, ast.arg):
            name, line = node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name, line = node.id, node.lineno
        if _UNITLESS.search(name.lower()):
            yield Finding(source.path, line, f"{name}: put the unit last, as in {name}_ns")


def foreign_imports_in_messages(source: Source) -> Iterator[Finding]:
    """Find what messages import beyond msgspec and the standard library."""
    if source.package != "messages":
        return
    ground = {"messages", "msgspec", *sys.stdlib_module_names}
    imports = {(line, module.partition(".")[0]) for line, module in imported_modules(source)}
    for line, package in sorted(imports):
        if package not in ground:
            yield Finding(source.path, line, f"{package}: messages stand on msgspec alone")


def document_titles(source: Source) -> Iterator[Finding]:
    """Find documents that do not have exactly one `# Title`, on their first line."""
    if not source.path.endswith(".md"):
        return
    titles = [number for number, line in _prose(source) if _TITLE.match(line)]
    if titles[:1] != [1]:
        yield Finding(source.path, 1, "begin the document with its `# Title`")
    for number in titles[1:]:
        yield Finding(source.path, number, "one `# Title` per document: use `##`")


def dead_links(source: Source) -> Iterator[Finding]:
    """Find relative links to files that are not there."""
    if not source.path.endswith(".md"):
        return
    folder = ROOT / PurePosixPath(source.path).parent
    for number, line in _prose(source):
        for match in _LINK.finditer(line):
            target = match[1]
            remote = "://" in target or target.startswith("mailto:")
            if not remote and not (folder / target).exists():
                yield Finding(source.path, number, f"{target} does not exist: mend the link")


def _prose(source: Source) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a document that stand outside code fences."""
    fenced = False
    for number, line in enumerate(source.lines, 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def _called_name(node: ast.Call) -> str:
    """Return the last name of what is called, through a type subscript."""
    called = node.func.value if isinstance(node.func, ast.Subscript) else node.func
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def imported_modules(source: Source) -> Iterator[tuple[int, str]]:
    """Yield the line and dotted name of each import; `from a import b` yields `a` and `a.b`."""
    for node in source.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.lineno, node.module
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def untracked_imports(source: Source, tracked: set[str], existing: set[str]) -> Iterator[Finding]:
    """Find imports of our own modules whose file exists here and was never added to git."""
    for line, module in imported_modules(source):
        if module.partition(".")[0] not in {*PACKAGES, "tests"}:
            continue
        stem = module.replace(".", "/")
        for path in (f"{stem}.py", f"{stem}/__init__.py"):
            if path in existing and path not in tracked:
                yield Finding(source.path, line, f"{path} is imported and untracked: git add it")


def mirrors(path: str, modules: set[str]) -> bool:
    """Whether the test file at `path` is named after a module of `modules`.

    tests/state/test_store.py stands for state/store.py, and so does test_store_crash.py, which
    tests one subject of it.
    """
    test = PurePosixPath(path)
    words = test.stem.removeprefix("test_").split("_")
    folder = PurePosixPath(*test.parts[1:-1])
    names = ("_".join(words[:count]) for count in range(1, len(words) + 1))
    return any({f"{folder / name}.py", f"{folder / name}/__init__.py"} & modules for name in names)


PYTHON_RULES: tuple[Rule, ...] = (
    long_functions,
    banned_names,
    broad_excepts,
    unexplained_suppressions,
    compound_asserts,
    unnamed_bounds,
    mutable_messages,
    missing_units,
    foreign_imports_in_messages,
)
TEXT_RULES: tuple[Rule, ...] = (long_lines, long_files, unfinished, document_titles, dead_links)
