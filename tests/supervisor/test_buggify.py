"""The points where a simulation takes the rare way: inert unless one runs."""

import ast
from collections import Counter

from supervisor import buggify
from tests.tidy.determinism import pure_modules
from tests.tidy.sources import ROOT, sources

POINTS_MIN = 12
_ROOMS = ("actors", "exchanges", "state", "supervisor")


def points_in(tree: ast.AST) -> list[str]:
    return [
        ast.literal_eval(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == "buggify"
    ]


def test_points_are_inert() -> None:
    assert not buggify.buggify("cell.snapshot")


def test_a_simulation_decides() -> None:
    asked = []

    def decide(point: str) -> bool:
        asked.append(point)
        return point == "a"

    with buggify.use(decide):
        assert buggify.buggify("a")
        assert not buggify.buggify("b")
    assert asked == ["a", "b"]
    assert not buggify.buggify("a")


def test_there_are_points_where_it_matters_each_once_and_told_of() -> None:
    found = Counter(
        point
        for source in sources()
        if source.is_python and source.package in _ROOMS and source.path != "supervisor/buggify.py"
        for point in points_in(source.tree)
    )
    assert len(found) >= POINTS_MIN
    assert set(found.values()) == {1}
    page = (ROOT / "docs" / "simulation.md").read_text()
    assert [point for point in found if f"`{point}`" not in page] == []


def test_no_handler_of_a_pure_actor_has_one() -> None:
    """Its past is run again without the simulation that decided: it would come out otherwise."""
    assert [source.path for source in pure_modules(sources()) if points_in(source.tree)] == []
