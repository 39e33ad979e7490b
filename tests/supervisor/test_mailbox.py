"""A mailbox loses nothing durable, counts everything, and serves the runtime first."""

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from supervisor import limits
from supervisor.journal import STREAMED, Envelope
from supervisor.mailbox import Mailbox, MailboxOverflowError


def envelope(position: int, *, key: str = "", streamed: bool = False) -> Envelope:
    return (position, 1, 5, 0, b"", key, STREAMED if streamed else 0)


def mailbox() -> Mailbox:
    return Mailbox("/a", lambda by: None)


async def drained(box: Mailbox) -> list[int]:
    taken: list[int] = []
    while box.queued:
        await box.wait()
        batch = box.take()
        box.handled += len(batch)
        taken += [item[0] for item in batch]
    return taken


async def test_system_messages_come_first_but_starve_nobody() -> None:
    box = mailbox()
    box.put([envelope(n) for n in range(100)])
    for n in range(1_000, 1_000 + 2 * limits.SYSTEM_BURST_MAX):
        box.put_system(envelope(n))
    await box.wait()
    first = [item[0] for item in box.take()]
    assert len(first) == limits.TURN_MESSAGES_MAX
    assert first[: limits.SYSTEM_BURST_MAX] == list(range(1_000, 1_000 + limits.SYSTEM_BURST_MAX))
    assert first[limits.SYSTEM_BURST_MAX] == 0


async def test_only_system_messages_when_blocked() -> None:
    box = mailbox()
    box.put([envelope(1)])
    box.put_system(envelope(2))
    await box.wait(system_only=True)
    assert [item[0] for item in box.take(system_only=True)] == [2]
    assert box.queued == 1


async def test_what_is_put_back_comes_first() -> None:
    box = mailbox()
    box.put([envelope(n) for n in range(5)])
    await box.wait()
    batch = box.take()
    box.handled += 2
    box.put_back(batch[2:])
    box.put([envelope(5)])
    assert await drained(box) == [2, 3, 4, 5]
    assert box.statistics().conserved


async def test_what_is_put_back_goes_to_the_lane_from_which_it_came() -> None:
    box = mailbox()
    box.put([envelope(1)])
    box.put_system(envelope(2))
    box.put_system(envelope(3))
    await box.wait()
    batch = box.take()
    box.handled += 1
    box.put_back(batch[1:])
    # Whoever is blocked by a message still hears what the runtime has to say.
    await box.wait(system_only=True)
    assert [item[0] for item in box.take(system_only=True)] == [3]
    assert await drained(box) == [1]


def test_the_hard_limit_is_a_halt() -> None:
    box = mailbox()
    with pytest.raises(MailboxOverflowError, match="the hard limit is"):
        box.put([envelope(n) for n in range(limits.MAILBOX_HARD + 1)])


async def test_crowding_is_told_once_each_way() -> None:
    told: list[int] = []
    box = Mailbox("/a", told.append)
    box.put([envelope(n) for n in range(limits.MAILBOX_SOFT + 1)])
    box.put([envelope(1)])
    assert told == [1]
    await drained(box)
    assert told == [1, -1]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 80)),
        st.tuples(st.just("stream"), st.integers(0, 3)),
        st.tuples(st.just("system"), st.just(0)),
        st.tuples(st.just("take"), st.integers(0, 1)),
        st.tuples(st.just("put back"), st.integers(0, 64)),
    ),
    max_size=60,
)


@given(steps)
def test_every_message_is_accounted_for(script: list[tuple[str, int]]) -> None:
    """Sent = handled + dead + dropped + conflated + queued, whatever happens in whatever order."""

    async def run() -> None:
        box = mailbox()
        position = 0
        durable_in: list[int] = []
        durable_out: list[int] = []
        for act, amount in script:
            position += 1
            if act == "put":
                batch = [envelope(position + n) for n in range(amount)]
                durable_in += [item[0] for item in batch]
                position += amount
                box.put(batch)
            elif act == "stream":
                key = f"5 {amount}" if amount else ""
                box.put_stream(envelope(position, key=key, streamed=True))
            elif act == "system":
                box.put_system(envelope(position))
            elif box.queued:
                await box.wait()
                batch = box.take()
                kept = amount if act == "put back" else len(batch)
                box.handled += len(batch[:kept])
                durable_out += [i[0] for i in batch[:kept] if i[0] in durable_in]
                box.put_back(batch[kept:])
            assert box.statistics().conserved
        while box.queued:
            await box.wait()
            batch = box.take()
            box.handled += len(batch)
            durable_out += [i[0] for i in batch if i[0] in durable_in]
        assert durable_out == durable_in
        assert box.statistics().conserved

    trio.run(run)


async def test_under_a_flood_of_system_messages_every_turn_serves_a_normal_one() -> None:
    box = mailbox()
    box.put([envelope(n) for n in range(20)])
    served: list[int] = []
    for turn in range(20):
        for n in range(2 * limits.SYSTEM_BURST_MAX):
            box.put_system(envelope(10_000 * (turn + 1) + n))
        await box.wait()
        batch = [item[0] for item in box.take()]
        box.handled += len(batch)
        assert sum(position >= 10_000 for position in batch) == limits.SYSTEM_BURST_MAX
        served += [position for position in batch if position < 10_000]
        if len(served) == 20:
            break
    assert served == list(range(20))
    assert turn == 0, "all that there was room for was served in the first turn"


async def test_a_marked_message_begins_its_turn() -> None:
    box = mailbox()
    box.put([envelope(n) for n in range(6)])
    box.mark(2)
    box.mark(3)
    turns = []
    while box.queued:
        await box.wait()
        turns.append([item[0] for item in box.take()])
    assert turns == [[0, 1], [2], [3, 4, 5]]


async def test_a_marked_message_that_is_put_back_is_still_one() -> None:
    box = mailbox()
    box.put([envelope(n) for n in (1, 2, 3)])
    box.mark(1)
    await box.wait()
    box.put_back(box.take())
    assert box.recall(1)
    assert not box.recall(1)
    assert await drained(box) == [2, 3]
    assert box.statistics().conserved


async def test_what_is_recalled_is_not_taken_and_counts_as_dead() -> None:
    box = mailbox()
    box.put([envelope(n) for n in range(3)])
    box.mark(1)
    assert box.recall(1)
    assert not box.recall(2), "only what was marked"
    assert await drained(box) == [0, 2]
    assert not box.recall(0), "it was taken"
    assert box.statistics().dead == 1
    assert box.statistics().conserved


async def test_a_stash_holds_less_and_buries_the_rest() -> None:
    box = mailbox()
    buried: list[Envelope] = []
    box.stash(buried.append)
    box.put([envelope(n) for n in range(300)])
    taken = [box.put_stream(envelope(1_000 + n, streamed=True)) for n in range(200)]
    assert taken == [True] * limits.STASH_MAX + [False] * (200 - limits.STASH_MAX)
    assert [item[0] for item in buried] == list(range(1_000 + limits.STASH_MAX, 1_200))
    assert box.gap(5) == 0, "no room for it yet"
    box.stash(None)
    assert box.gap(5) == 200 - limits.STASH_MAX
    assert box.put_stream(envelope(2_000, streamed=True))
    await drained(box)
    assert box.statistics().conserved


async def test_what_is_discarded_is_returned_and_counts_as_dead() -> None:
    box = mailbox()
    box.put_stream(envelope(1, key="k", streamed=True))
    box.put([envelope(2)])
    box.put_system(envelope(3))
    assert sorted(item[0] for item in box.discard()) == [1, 2, 3]
    assert box.queued == 0
    assert box.statistics().conserved


async def test_what_crashed_its_actor_is_taken_up_again_before_others_have_their_turn() -> None:
    box = mailbox()
    box.put([envelope(n) for n in range(3)])
    await box.wait()
    turns: list[str] = []

    async def other() -> None:
        turns.append("other")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        box.put_back(box.take(), at_once=True)
        await box.wait()
        turns.append("again")
        box.put_back(box.take())
        await box.wait()
    assert turns == ["again", "other"]
