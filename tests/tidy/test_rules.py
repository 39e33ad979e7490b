"""Each rule finds what it is there for, and lets the right way pass."""

import pytest

from tests.tidy import rules
from tests.tidy.bans import BANS, banned_names
from tests.tidy.sources import Source

LONG_FUNCTION = "def f():\n" + "    pass\n" * 50
FIT_FUNCTION = "def f():\n" + "    pass\n" * 49

SAMPLES: list[tuple[rules.Rule, str, str, str]] = [
    # rule, path, a text that breaks it, a text that keeps it
    (rules.long_lines, "state/a.py", "#" * 101, "#" * 100),
    (rules.long_files, "state/a.py", "\n" * 501, "\n" * 500),
    (rules.long_functions, "state/a.py", LONG_FUNCTION, FIT_FUNCTION),
    (rules.unfinished, "state/a.sql", "-- TODO: index", "-- a mastodon"),
    (rules.broad_excepts, "state/a.py", "try: f()\nexcept Exception: g()", "except_ = 1"),
    (rules.broad_excepts, "state/a.py", "try: f()\nexcept: g()", "try: f()\nexcept E: g()"),
    (
        rules.broad_excepts,
        "state/a.py",
        "try: f()\nexcept (OSError, BaseException): g()",
        "try: f()\nexcept (OSError, ValueError): g()",
    ),
    (
        rules.unexplained_suppressions,
        "state/a.py",
        "x = f()  # noqa: S314",
        "x = f()  # noqa: S314 - our own file",
    ),
    (
        rules.unexplained_suppressions,
        "state/a.py",
        "x = f()  # type: ignore[attr-defined]",
        "x = f()  # type: ignore[attr-defined]  # apsw has no stub for it",
    ),
    (rules.unexplained_suppressions, "state/a.py", "# ruff: noqa", "text = '# noqa'"),
    (rules.compound_asserts, "state/a.py", "assert a and b", "assert a or b"),
    (
        rules.unnamed_bounds,
        "state/a.py",
        "trio.open_memory_channel[bytes](100)",
        "trio.open_memory_channel[bytes](QUEUE_MAX)",
    ),
    (
        rules.mutable_messages,
        "messages/a.py",
        "class Fill(Message, tag='orders.Fill'): pass",
        "class Fill(Message, frozen=True, tag='orders.Fill'): pass",
    ),
    (
        rules.mutable_messages,
        "messages/a.py",
        "class Fill(msgspec.Struct, frozen=False): pass",
        "class Filled(Enum): pass",
    ),
    (rules.missing_units, "state/a.py", "def f(timeout: int): ...", "def f(timeout_ns: int): ..."),
    (rules.missing_units, "state/a.py", "MAX_AGE = 5", "AGE_NS_MAX = 5"),
    (rules.missing_units, "state/a.py", "retry_delay = 1", "pages = 1\nmessage = 2"),
    (rules.foreign_imports_in_messages, "messages/a.py", "import numpy", "import msgspec, enum"),
    (
        rules.foreign_imports_in_messages,
        "messages/a.py",
        "from state.store import x",
        "from messages.base import Message",
    ),
    (rules.document_titles, "docs/a.md", "Text\n# Title", "# Title\n```\n# a comment\n```"),
    (rules.document_titles, "docs/a.md", "# One\n# Two", "# One\n## Two"),
    (rules.dead_links, "a.md", "[x](nowhere.md)", "[x](README.md) [y](https://e.org)"),
]


@pytest.mark.parametrize(
    ("rule", "path", "bad", "good"),
    SAMPLES,
    ids=[f"{rule.__name__}-{bad[:20]!r}" for rule, _, bad, _ in SAMPLES],
)
def test_rule_finds_the_bad_and_passes_the_good(
    rule: rules.Rule, path: str, bad: str, good: str
) -> None:
    assert len(list(rule(Source(path, bad)))) == 1
    assert list(rule(Source(path, good))) == []


def test_every_rule_has_a_sample() -> None:
    sampled = {rule for rule, _, _, _ in SAMPLES} | {banned_names}
    assert sampled == {*rules.PYTHON_RULES, *rules.TEXT_RULES}


BANNED = [
    # a path, and code that the path may not hold
    ("state/a.py", "import time\ntime.time()"),
    ("state/a.py", "from time import monotonic as now"),
    ("state/a.py", "import time as t\nt.perf_counter_ns()"),
    ("tests/state/test_a.py", "import datetime\ndatetime.datetime.now(datetime.UTC)"),
    ("state/a.py", "from datetime import datetime\ndatetime.utcnow()"),
    ("tests/state/test_a.py", "import time\ntime.sleep(1)"),
    ("actors/a.py", "import random\nrandom.random()"),
    ("actors/a.py", "from random import choice"),
    ("actors/a.py", "import uuid\nuuid.uuid4()"),
    ("state/a.py", "import threading"),
    ("state/a.py", "import trio\ntrio.to_thread.run_sync(f)"),
    ("venue/a.py", "import socket\nsocket.socket()"),
    ("venue/a.py", "import trio\ntrio.open_tcp_stream('127.0.0.1', 1)"),
    ("exchanges/a.py", "import asyncio"),
    ("state/a.py", "import os\nos.environ['HOME']"),
    ("state/a.py", "from os import getenv"),
    ("state/a.py", "print('hello')"),
]


@pytest.mark.parametrize(("path", "code"), BANNED)
def test_banned_name_is_found_once_with_its_replacement(path: str, code: str) -> None:
    findings = list(banned_names(Source(path, code)))
    assert len(findings) == 1
    assert any(findings[0].message.endswith(ban.instead) for ban in BANS)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("supervisor/clock.py", "import time\ntime.time_ns()"),
        ("supervisor/threads.py", "import trio\ntrio.to_thread.run_sync(f)"),
        ("supervisor/net.py", "import trio\ntrio.open_tcp_stream('127.0.0.1', 1)"),
        ("bot/environment.py", "import os\nos.environ['HOME']"),
        ("bot/cli.py", "print('hello')"),
        ("tui/client.py", "import asyncio"),
        ("tests/state/test_a.py", "import random\nrandom.Random(7)"),
        ("tests/state/test_a.py", "import time\ntime.monotonic()"),
        ("state/a.py", "import socket\nsocket.gethostname()"),
        ("state/a.py", "row.time.time()\nself.random.bits()"),
    ],
)
def test_owner_and_namesake_are_free(path: str, code: str) -> None:
    assert list(banned_names(Source(path, code))) == []


def test_every_ban_has_a_sample() -> None:
    hit = {
        finding.message.partition(": ")[2]
        for path, code in BANNED
        for finding in banned_names(Source(path, code))
    }
    assert hit == {ban.instead for ban in BANS}


def test_untracked_import_is_found() -> None:
    source = Source("state/a.py", "from state.b import f\nimport state.c\nimport numpy")
    existing = {"state/a.py", "state/b.py", "state/c.py"}
    findings = list(rules.untracked_imports(source, {"state/a.py", "state/c.py"}, existing))
    assert [finding.line for finding in findings] == [1]


@pytest.mark.parametrize(
    ("path", "mirrored"),
    [
        ("tests/state/test_store.py", True),
        ("tests/state/test_store_crash.py", True),
        ("tests/state/test_crash_vfs.py", True),
        ("tests/state/test_migrations.py", True),
        ("tests/state/test_sto.py", False),
        ("tests/venue/test_store.py", False),
    ],
)
def test_mirror(path: str, mirrored: bool) -> None:
    modules = {"state/store.py", "state/crash_vfs.py", "state/migrations/__init__.py"}
    assert rules.mirrors(path, modules) is mirrored
