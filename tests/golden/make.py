"""Record the golden journals of a release; done once, at the release, and never changed again.

    python -m tests.golden.make 0.1.0

It lives a life in which everything crashes once and is killed once, and keeps what each kind of
actor handled in it.
"""

import sys
import tempfile
from pathlib import Path

import trio

from state.look import Look
from supervisor.fold import Fold
from supervisor.journal import RecordedTurn
from tests.golden.journals import FOLDER, SUFFIX, Golden, write
from tests.whole.fold_all import production_actor
from tests.whole.lives import record
from tests.whole.world import ACCOUNT, VAULT

KINDS = {
    "alerts": "/alerts",
    "risk": "/risk",
    "orders": f"{ACCOUNT}/orders",
    "reconcile": f"{ACCOUNT}/reconcile",
    "ledger": f"{VAULT}/ledger",
    "guard": f"{VAULT}/guard",
    "sleeve-quiet": f"{VAULT}/sleeves/quiet",
    "sleeve-flash": f"{VAULT}/sleeves/flash",
}
# A few hundred kilobytes for all of them.
MESSAGES_MAX = 600


def kept(folder: Path, address: str) -> Golden:
    """Return the past of the actor at `address` in a data folder."""
    with Look(folder) as look:
        numbers = look.names()
        number = numbers[address]
        turns: list[RecordedTurn] = []
        for turn in look.history().turns(number, 1, 2**62):
            if turn.first_seq > MESSAGES_MAX:
                break
            turns.append(turn)
        names = {number: name for name, number in numbers.items()}
        fold = Fold(production_actor(address), look.lineage, number, address)
    for turn in turns[: len(turns) // 2]:
        divergence = fold.replay(turn, names)
        assert divergence is None, f"{address}: {divergence}"
    used = {effect[1] for turn in turns for effect in turn.effects if effect[1]}
    return Golden(
        address=address,
        actor_id=number,
        lineage=fold.context._lineage,
        names={each: names[each] for each in sorted(used)},
        snapshot=fold.snapshot(fold.context.now_ns),
        turns=turns,
    )


def main(release: str) -> None:
    """Record a life and write its journals."""
    target = FOLDER / release
    target.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        recording = trio.run(record, Path(folder))
        for kind, address in KINDS.items():
            size = write(kept(recording.killed, address), target / f"{kind}{SUFFIX}")
            sys.stdout.write(f"{kind}: {size} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1])
