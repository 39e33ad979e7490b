"""A sample of the kill-point matrix; `make matrix` plays all of it and writes the page."""

import pytest

from tests.tidy.sources import ROOT
from tests.whole.matrix.cells import Cell, Fault, Operation, Step, all_cells, inapplicable, sample
from tests.whole.matrix.play import play

# Coprime to the eight faults, so that it meets every fault, at other steps each time.
ONE_IN_TEST = 29
ONE_IN_CHECK = 5


@pytest.mark.parametrize("cell", sample(ONE_IN_TEST), ids=str)
def test_no_order_is_lost_none_doubled_no_money_unaccounted(cell: Cell) -> None:
    assert play(cell).problems == ()


@pytest.mark.check
@pytest.mark.parametrize("cell", sample(ONE_IN_CHECK), ids=str)
def test_nor_in_more_of_them(cell: Cell) -> None:
    assert play(cell).problems == ()


def test_a_cell_played_twice_becomes_the_same() -> None:
    cell = Cell(Operation.AMEND, Step.FILLED, Fault.KILL)
    assert play(cell) == play(cell)


def test_the_checks_see_a_venue_that_fills_without_telling() -> None:
    cell = Cell(Operation.SUBMIT, Step.ACK, Fault.CUT)
    result = play(cell, forge=True)
    assert any("books" in problem for problem in result.problems)


def test_every_cell_is_on_the_page() -> None:
    page = (ROOT / "docs" / "kill-point-matrix.md").read_text()
    able = sum(not inapplicable(cell) for cell in all_cells())
    assert f"{able} cells were played, 0 failed" in page
    for operation in Operation:
        assert f"## {operation.value[0].upper()}{operation.value[1:]}" in page
