"""The points where a simulation takes the rare way: inert unless one runs."""

from supervisor import buggify


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
