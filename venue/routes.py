"""Endpoints by their paths, some parts of which are parameters: `hf/orders/{orderId}`."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Route(NamedTuple):
    """Which endpoint a request is for, and the parts of its path that are parameters."""

    endpoint: str
    parameters: dict[str, str]


class Routes:
    """All endpoints of a protocol. What is named in full goes before what has parameters."""

    def __init__(self, endpoints: Iterable[str]) -> None:
        self._routes = sorted(
            (endpoint.split("/") for endpoint in set(endpoints)),
            key=lambda parts: "{" in str(parts),
        )

    def find(self, asked: Sequence[str]) -> Route | None:
        """Return the endpoint at the parts of a path, None when there is none."""
        for route in self._routes:
            found = _matched(route, asked)
            if found is not None:
                return Route("/".join(route), found)
        return None


def _matched(route: list[str], asked: Sequence[str]) -> dict[str, str] | None:
    """Return the parameters in a path, None when it is not this route's."""
    if len(route) != len(asked):
        return None
    found: dict[str, str] = {}
    for wanted, part in zip(route, asked, strict=True):
        if wanted.startswith("{"):
            found[wanted.strip("{}")] = part
        elif wanted != part:
            return None
    return found
