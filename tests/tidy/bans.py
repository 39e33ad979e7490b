"""Names that one module owns and nobody else uses, each with what to use instead."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch

from tests.tidy.sources import Finding, Source


@dataclass(frozen=True)
class Ban:
    """Dotted `names`, or anything below them, are used only in files that match `allowed`.

    `granted` names are free all the same. Tests are free too unless `in_tests`.
    """

    names: tuple[str, ...]
    instead: str
    allowed: tuple[str, ...] = ()
    granted: tuple[str, ...] = ()
    in_tests: bool = False

    def forbids(self, name: str, source: Source) -> bool:
        """Whether `source` may not use the dotted `name`."""
        if source.is_test and not self.in_tests:
            return False
        if any(fnmatch(source.path, pattern) for pattern in self.allowed):
            return False
        if any(_within(name, granted) for granted in self.granted):
            return False
        return any(_within(name, banned) for banned in self.names)


def _within(name: str, banned: str) -> bool:
    return name == banned or name.startswith(f"{banned}.")


_CLOCKS = (
    "time",
    "time_ns",
    "monotonic",
    "monotonic_ns",
    "perf_counter",
    "perf_counter_ns",
    "process_time",
    "process_time_ns",
    "thread_time",
    "thread_time_ns",
    "localtime",
    "gmtime",
)

BANS = (
    Ban(
        names=tuple(f"time.{name}" for name in _CLOCKS),
        instead="take a Clock, or a function of supervisor/clock.py",
        # The terminal UI is a process of its own that may import nothing but messages.
        allowed=("supervisor/clock.py", "tui/clock.py", "tests/*"),
    ),
    Ban(
        names=(
            "datetime.datetime.now",
            "datetime.datetime.utcnow",
            "datetime.datetime.today",
            "datetime.date.today",
        ),
        instead="take a Clock (supervisor/clock.py) and convert its nanoseconds",
        in_tests=True,
    ),
    Ban(
        names=("time.sleep",),
        instead="use ctx.after in an actor, trio.sleep in a port or a test",
        in_tests=True,
    ),
    Ban(
        names=("random",),
        instead="use ctx.random in an actor, a random.Random(seed) in a test",
        allowed=("supervisor/determinism.py",),
        granted=("random.Random",),
        in_tests=True,
    ),
    Ban(
        names=("uuid.uuid1", "uuid.uuid4"),
        instead="use ctx.new_id(), which a replay draws again",
        in_tests=True,
    ),
    Ban(
        names=("threading", "_thread", "concurrent.futures", "trio.to_thread", "trio.from_thread"),
        instead="use supervisor.threads.threads(), which a simulation replaces",
        allowed=("supervisor/threads.py",),
    ),
    Ban(
        names=(
            "socket.socket",
            "socket.create_connection",
            "socket.create_server",
            "socketserver",
            "trio.socket.socket",
            "trio.open_tcp_stream",
            "trio.open_tcp_listeners",
            "trio.serve_tcp",
            "trio.open_unix_socket",
            "trio.open_ssl_over_tcp_stream",
        ),
        instead="use supervisor.net.network(), which a simulation replaces",
        allowed=("supervisor/net.py",),
    ),
    Ban(
        names=("asyncio", "anyio"),
        instead="use trio; asyncio belongs to the terminal UI's own process",
        # A process of its own as well: ccxt's own classes, which ours are measured against.
        allowed=("tui/*", "bot/bench/_ccxt_stock*.py"),
    ),
    Ban(
        names=("os.environ", "os.environb", "os.getenv", "os.putenv", "os.unsetenv"),
        instead="take the value as an argument; bot/environment.py reads the environment",
        allowed=("bot/environment.py",),
    ),
    Ban(
        names=("print", "input"),
        instead="log it or record a row; the command line alone prints",
        allowed=("bot/*",),
    ),
)


def banned_names(source: Source) -> Iterator[Finding]:
    """Find uses and imports of names that another module owns."""
    meanings = _meanings(source)
    seen: set[tuple[int, str]] = set()
    for line, name in [*_imported(source), *_used(source, meanings)]:
        for ban in BANS:
            if ban.forbids(name, source) and (line, ban.instead) not in seen:
                seen.add((line, ban.instead))
                yield Finding(source.path, line, f"{name} is banned here: {ban.instead}")


def _meanings(source: Source) -> dict[str, str]:
    """Map each imported name of the file to the dotted name that it stands for."""
    meanings: dict[str, str] = {"print": "print", "input": "input"}
    for node in source.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                meanings[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                meanings[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return meanings


def _imported(source: Source) -> Iterator[tuple[int, str]]:
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            # `import random` is judged by what is used of it; the others have nothing to grant.
            granted = {name.partition(".")[0] for ban in BANS for name in ban.granted}
            for alias in node.names:
                if alias.name not in granted:
                    yield node.lineno, alias.name


def _used(source: Source, meanings: dict[str, str]) -> Iterator[tuple[int, str]]:
    for node in source.nodes:
        if isinstance(node, ast.Attribute):
            name = _dotted(node, meanings)
            if name is not None:
                yield node.lineno, name
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.lineno, meanings.get(node.func.id, "")


def _dotted(node: ast.expr, meanings: dict[str, str]) -> str | None:
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value, meanings)
        return None if owner is None else f"{owner}.{node.attr}"
    return meanings.get(node.id) if isinstance(node, ast.Name) else None
