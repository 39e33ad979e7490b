"""Every kind of actor and port crashes in the middle of trading, and nothing comes of it."""

import msgspec
import pytest

from state.look import Look
from supervisor.fold import Fold
from tests.whole.fold_all import production_actor
from tests.whole.lives import EXPECTED, Recording
from tests.whole.world import ACTORS, PORTS

# The recorded run waits for the budget of reads after a line crashed: up to a minute.
pytestmark = pytest.mark.check


@pytest.mark.parametrize("address", [*ACTORS, *PORTS])
def test_only_who_must_is_started_again(recording: Recording, address: str) -> None:
    assert recording.restarted[address] == {address, *EXPECTED.get(address, set())}


@pytest.mark.parametrize("address", [*ACTORS, *PORTS])
def test_trading_goes_on(recording: Recording, address: str) -> None:
    assert recording.fills_after[address] > 0


@pytest.mark.parametrize("address", ACTORS)
def test_its_state_equals_that_of_a_run_in_which_nothing_crashed(
    recording: Recording, address: str
) -> None:
    # Folding the journalled inbox is that run: crashes are no part of it.
    for folder, kept in recording.kept.items():
        with Look(folder) as look:
            number = kept[address].actor_id
            fold = Fold(production_actor(address), look.lineage, number, address)
            names = {number: name for name, number in look.names().items()}
            for turn in look.history().turns(number, 1, 2**62):
                assert fold.replay(turn, names) is None
        assert (fold.seq, fold.chain) == (kept[address].seq, kept[address].chain)
        assert msgspec.msgpack.encode(fold.state) == kept[address].state


def test_the_books_agree_with_the_venue(recording: Recording) -> None:
    assert recording.differences == []
