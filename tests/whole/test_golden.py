"""What a release wrote, every later one reads and would have done the same."""

from pathlib import Path

import msgspec
import pytest

from messages.base import all_messages, tag_in, tag_of
from supervisor.fold import Fold
from tests.golden.journals import Golden, paths, read
from tests.golden.make import KINDS
from tests.whole.fold_all import production_actor

PATHS = paths()
IDS = [f"{path.parent.name}-{path.stem}" for path in PATHS]
BYTES_MAX = 400_000


def fold_of(golden: Golden) -> Fold:
    actor = production_actor(golden.address)
    return Fold(actor, golden.lineage, golden.actor_id, golden.address)


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_from_its_first_message_it_does_the_same(path: Path) -> None:
    golden = read(path)
    fold = fold_of(golden)
    for turn in golden.turns:
        assert fold.replay(turn, golden.names) is None
    assert fold.seq > 1


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_from_its_snapshot_it_does_the_same(path: Path) -> None:
    golden = read(path)
    fold = fold_of(golden)
    fold.load(golden.snapshot)
    rest = [turn for turn in golden.turns if turn.first_seq > golden.snapshot.seq]
    assert rest
    for turn in rest:
        assert fold.replay(turn, golden.names) is None


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_every_tag_in_it_is_still_known(path: Path) -> None:
    known = {tag_of(kind) for kind in all_messages()}
    golden = read(path)
    assert {tag_in(item.body) for turn in golden.turns for item in turn.inputs} <= known


def test_each_release_has_all_kinds_and_is_small() -> None:
    releases = {path.parent for path in PATHS}
    assert "0.1.0" in {release.name for release in releases}
    for release in releases:
        found = {path.stem: path.stat().st_size for path in PATHS if path.parent == release}
        assert set(found) >= set(KINDS)
        assert sum(found.values()) <= BYTES_MAX


def test_a_changed_past_would_be_seen() -> None:
    golden = read(next(path for path in PATHS if path.stem == "ledger"))
    at = next(n for n, turn in enumerate(golden.turns) if turn.effects)
    turn = golden.turns[at]
    golden.turns[at] = turn._replace(chain=bytes(16))
    fold = fold_of(golden)
    found = [fold.replay(each, golden.names) for each in golden.turns[: at + 1]]
    assert found[:-1] == [None] * at
    assert found[-1] is not None
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(golden), type=Golden) == golden
