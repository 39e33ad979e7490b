"""What the two sides of the parity and wire suites have in common, and where they differ.

Every difference must be explained here by a reason; one that is not is a failure.
"""

import json
import re
from collections import defaultdict
from typing import NamedTuple

from exchanges.json_text import Json
from tests.exchanges.parity_calls import split_key

Sides = dict[str, Json]

GATHER = """Each of these ends in the same error on both sides. In ccxt a failing `asyncio.gather`
leaves its siblings running, and they send their requests although the call has failed; here they
are cancelled with it. So there are fewer requests, and none that ccxt does not send."""
# Which calls may differ, and why.
EXPLAINED: dict[str, tuple[re.Pattern[str], str]] = {
    "parity": (re.compile(r"htx\.(fetch|load)_markets\|"), GATHER),
    "wire": (re.compile(r"[\w/]+\.(fetch|load)_markets$"), GATHER),
}
AGENTS = re.compile(r"^(Python/[\d.]+ aiohttp/[\d.]+|canopy)$")


class Methods(NamedTuple):
    """How many methods there are, and how many of them are the same in every call."""

    total: int
    identical: int

    def __str__(self) -> str:
        return f"{self.identical:,} of {self.total:,}".replace(",", " ")


class Parity(NamedTuple):
    """The figures of one run."""

    exchanges: int
    pairs: Methods
    implemented: Methods
    traffic: Methods
    watching: Methods
    calls: Methods
    messages: int


def differences(stock: Sides, ours: Sides) -> dict[str, tuple[Json, Json]]:
    """Return the calls that differ, or that only one side has made."""
    return {
        key: (stock.get(key), ours.get(key))
        for key in sorted({*stock, *ours})
        if stock.get(key) != ours.get(key)
    }


def parity_figures(stock: Sides, ours: Sides) -> Parity:
    """Count; `traffic` are the methods that sent something, `watching` those of them that watch."""
    differing = differences(stock, ours)
    calls_of: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key in stock:
        calls_of[split_key(key)].append(key)
    bad = {split_key(key) for key in differing}
    implemented = {
        name
        for name, keys in calls_of.items()
        if not all(stock[key][1].startswith("NotSupported") for key in keys)
    }
    traffic = {name for name, keys in calls_of.items() if any(stock[key][0] for key in keys)}
    watching = {name for name in traffic if name[1].startswith(("watch_", "un_watch_"))}
    return Parity(
        exchanges=len({exchange for exchange, _ in calls_of}),
        pairs=Methods(len(calls_of), len(calls_of.keys() - bad)),
        implemented=Methods(len(implemented), len(implemented - bad)),
        traffic=Methods(len(traffic), len(traffic - bad)),
        watching=Methods(len(watching), len(watching - bad)),
        calls=Methods(len(stock), len(stock) - len(differing)),
        messages=sum(len(log) for log, _ in stock.values()),
    )


class Wire(NamedTuple):
    """The figures of one run, in requests."""

    calls: int
    requests: int
    identical: int
    by_agent: int


def without_agent(requests: list[Json]) -> list[Json]:
    """Leave out the User-Agent of those whose exchange has left it to the client."""
    return [
        [line, [each for each in headers if not _is_agent(each)], body]
        for line, headers, body in requests
    ]


def _is_agent(header: list[str]) -> bool:
    return header[0].lower() == "user-agent" and bool(AGENTS.match(header[1]))


def wire_figures(stock: Sides, ours: Sides) -> Wire:
    """Count requests: byte for byte the same, and the same but for the client's own name."""
    identical = by_agent = 0
    for key, requests in stock.items():
        theirs, mine = requests, ours.get(key, [])
        if len(theirs) != len(mine):
            continue
        for one, other in zip(theirs, mine, strict=True):
            identical += one == other
            by_agent += one != other and without_agent([one]) == without_agent([other])
    return Wire(len(stock), sum(len(each) for each in stock.values()), identical, by_agent)


def wire_differences(stock: Sides, ours: Sides) -> dict[str, tuple[Json, Json]]:
    """Return the calls that differ in more than the client's own name."""
    return differences(
        {key: without_agent(each) for key, each in stock.items()},
        {key: without_agent(each) for key, each in ours.items()},
    )


def unexplained(suite: str, differing: dict[str, tuple[Json, Json]]) -> list[str]:
    """Return the calls whose difference is none of those explained."""
    pattern, _ = EXPLAINED[suite]
    return [
        key
        for key, (theirs, mine) in differing.items()
        if not pattern.match(key) or not _sends_less(suite, theirs, mine)
    ]


def _sends_less(suite: str, theirs: Json, mine: Json) -> bool:
    """Whether ours sends some of what ccxt sends, nothing else, and comes to the same end."""
    if theirs is None or mine is None:
        return False
    if suite == "parity":
        if theirs[1] != mine[1]:
            return False
        theirs, mine = theirs[0], mine[0]
    sent = [json.dumps(each) for each in theirs]
    for each in mine:
        if json.dumps(each) not in sent:
            return False
        sent.remove(json.dumps(each))
    return True
