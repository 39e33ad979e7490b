"""What the interpreter is told."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from bot.tuning import settle


@pytest.fixture
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("thawed")
def test_what_there_is_when_all_has_started_is_not_looked_through_again() -> None:
    settle()
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < 1_000


@pytest.mark.usefixtures("thawed")
def test_garbage_there_is_by_then_is_freed_first() -> None:
    node = Node()
    node.itself = node
    found = weakref.ref(node)
    del node
    settle()
    assert found() is None


class Node:
    """What may hold itself."""

    itself: "Node | None" = None
