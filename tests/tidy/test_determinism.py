"""Pure actors are pure, as far as their text shows it; and the rule finds what it is there for."""

import inspect

import pytest

from supervisor.probe import Probe
from tests.tidy.determinism import impurities, pure_modules
from tests.tidy.sources import Source, sources
from tests.tidy.test_tidy import refuse

IMPURE = {
    "a clock": "import time",
    "a clock from afar": "from supervisor.clock import ProcessClock",
    "randomness": "from random import random",
    "the environment": "import os.path",
    "waiting": "import trio",
    "a file": "text = open('f').read()",
    "an address in memory": "key = id(state)",
    "a hash": "key = hash(name)",
    "a global": "def f():\n    global seen\n    seen = 1",
    "a loop over a set": "for x in {a, b}: f(x)",
    "a loop over a set by name": "seen = set(xs)\nfor x in seen: f(x)",
    "a list of a set": "xs = list({x for x in ys})",
    "a list comprehension over a set": "xs = [f(x) for x in set(ys)]",
    "a sum over a set": "s = sum(set(ys))",
    "a set of sets": "for x in {a} | others: f(x)",
    "an argument that is a set": "def f(xs: set[str]):\n    return tuple(xs)",
    "a module's memory": "seen = {}\ndef f(x):\n    seen[x] = 1",
    "a module's list": "seen = []\ndef f(x):\n    seen.append(x)",
}
PURE = {
    "a context": "def on_x(self, state, message, ctx): state.at_ns = ctx.now_ns",
    "a sorted set": "for x in sorted({a, b}): f(x)",
    "a question to a set": "is_in = x in {a, b}",
    "any of a set": "found = any(f(x) for x in {a, b})",
    "a constant": "ENDS = frozenset({1})\ndef f(x):\n    return x in ENDS",
    "its own list": "def f(x):\n    seen = []\n    seen.append(x)\n    return seen",
    "a dict": "seen = {}\nfor x in seen: f(x)",
}


def found_in(text: str) -> list[str]:
    return [finding.message for finding in impurities(Source("actors/a.py", text))]


@pytest.mark.parametrize("text", IMPURE.values(), ids=IMPURE.keys())
def test_it_finds(text: str) -> None:
    assert found_in(text) != []


@pytest.mark.parametrize("text", PURE.values(), ids=PURE.keys())
def test_it_lets_pass(text: str) -> None:
    assert found_in(text) == []


def test_every_kind_of_actor_is_looked_at_and_no_port() -> None:
    paths = {source.path for source in pure_modules(sources())}
    assert {
        "actors/alerts.py",
        "actors/guard.py",
        "actors/ledger.py",
        "actors/execution/orders.py",
        "actors/execution/reconcile.py",
        "actors/risk/gate.py",
        "actors/sleeves/sleeve.py",
        "actors/sleeves/strategies/buy_low_sell_high.py",
        "actors/books.py",
    } <= paths
    assert not paths & {
        "actors/execution/line.py",
        "actors/execution/stream.py",
        "actors/feeds/stream.py",
        "actors/tree.py",
    }


def test_the_actors_are_pure() -> None:
    refuse(f for source in pure_modules(sources()) for f in impurities(source))


def test_every_actor_suite_probes_in_paranoid_mode() -> None:
    assert inspect.signature(Probe).parameters["paranoid"].default is True
    suites = [source for source in sources() if source.path.startswith("tests/actors/")]
    assert any("Probe(" in source.text for source in suites)
    assert [source.path for source in suites if "paranoid=False" in source.text] == []
