"""A message that nobody can handle: what it stops, what it does not, and how an operator ends it.

The rules are those of docs/architecture.md, "Journal, snapshots, recovery".
"""

import json
from pathlib import Path

import msgspec
import pytest
import trio

from actors.sleeves.life import Life
from messages.base import Message, tag_in
from messages.market import BookTop
from messages.money import Mode
from messages.orders import Fill, OrderRequest, SubmitOutcome
from state.look import Look
from supervisor.actor import AnyState
from tests.whole.fold_all import fold_all
from tests.whole.two_books import differences, our_books
from tests.whole.world import ACCOUNT, SLEEVES, VAULT, Json, World, rows, running

LEDGER = f"{VAULT}/ledger"
ORDERS = f"{ACCOUNT}/orders"
RISK = "/risk"
GUARD = f"{VAULT}/guard"
QUIET, FLASH = SLEEVES
ALWAYS = 1_000
# As many tries as a message has.
TRIES = 2


def fills_of(world: World, sleeve: str) -> int:
    """Return how many fills a sleeve has on the disk."""
    [(count,)] = rows(world.folder, f"SELECT count(*) FROM fills WHERE sleeve = '{sleeve}'")
    return int(count)


def inbox_tags(folder: Path, address: str) -> list[str]:
    """Return the tags of all that an actor has handled, in order."""
    with Look(folder) as look:
        turns = look.history().turns(look.names()[address], 1, 2**62)
        return [tag_in(item.body) for turn in turns for item in turn.inputs]


async def finish(world: World) -> Json:
    """Trade on, then end flat and reconciled; return the venue's books."""
    await world.trades(2)
    await world.pause()
    await world.reconciled()
    return await world.venue_books()


def left_in_inboxes(folder: Path) -> set[str]:
    """Return the tags of what was sent and not handled."""
    with Look(folder) as look:
        return {tag_in(pending.body) for pending in look.history().inbox()}


def check(folder: Path, theirs: Json) -> None:
    """Check what a poison message may not have harmed."""
    assert differences(our_books(folder), theirs) == []
    assert not any(tag.startswith("orders.") for tag in left_in_inboxes(folder))
    # What was set aside is set aside in every fold.
    assert fold_all(folder)


async def test_in_a_sleeve_it_freezes_the_sleeve_alone(tmp_path: Path) -> None:
    def holds(message: Message, state: AnyState) -> bool:
        return isinstance(message, BookTop) and state.legs["ETH/USDT"].lots > 0

    folder = tmp_path / "data"
    async with running(folder) as world:
        fault = world.faults.arm(QUIET, holds, ALWAYS)
        await world.until(lambda: world.state(QUIET) and world.state(QUIET).life is Life.FROZEN)
        assert fault.failures == TRIES
        held = world.state(GUARD).positions["quiet ETH/USDT"].protect
        assert held.position_lots > 0
        assert held.stop_ticks > 0
        # The rest goes on, and guard closes the position at its stop.
        flash_fills = fills_of(world, "flash")
        await world.until(lambda: fills_of(world, "flash") > flash_fills)
        await world.until(lambda: world.state(QUIET).flat)
        assert world.state(QUIET).life is Life.FROZEN
    assert "orders.ProtectiveExit" in inbox_tags(folder, LEDGER)
    [(error, blocking)] = rows(folder, "SELECT error, blocking FROM quarantine")
    assert "InjectedError" in error
    assert not blocking
    async with running(folder) as world:
        assert world.state(QUIET).life is Life.FROZEN
        code, said = await world.verb("replay", QUIET, "--last-crash", "--json")
        assert code == 0, said
        # It was this test that crashed it, so its own code gets over that message.
        crash = json.loads(said)
        assert (crash["error"], crash["message"]["tag"]) == ("", "market.BookTop")
        assert crash["after_seq"] > 0
        await world.trades(1)
        code, said = await world.verb("resume", QUIET)
        assert code == 0, said
        before = fills_of(world, "quiet")
        await world.until(lambda: fills_of(world, "quiet") > before)
        books = await finish(world)
    ours = our_books(folder)
    assert ours.problems == ["1 messages in quarantine"]
    ours.problems.clear()
    assert differences(ours, books) == []
    assert fold_all(folder)


async def assert_exits_only(world: World, address: str) -> None:
    """Check what holds while `address` is blocked."""
    standing = world.state("/risk").standings["alice@kraken-sim"]
    await world.until(lambda: list(standing.blocked) == [address])
    await world.until(
        lambda: all(world.state(sleeve).mode is Mode.EXITS_ONLY for sleeve in SLEEVES)
    )
    code, said = await world.verb("tree", address, "--json")
    assert (code, json.loads(said)["state"]) == (0, "blocked")
    status = world.answers.status()
    assert (status.state, status.quarantined) == ("degraded", 1)
    handled = world.system.cells[address].mailbox.handled
    newest_ns = world.clock.now_ns()
    await trio.sleep(0.8)
    assert world.system.cells[address].mailbox.handled == handled
    await world.store.committed()
    query = f"SELECT count(*) FROM orders_current WHERE side = 'buy' AND created_ns > {newest_ns}"
    assert rows(world.folder, query + " AND state != 'denied'") == [(0,)]


async def test_in_the_ledger_it_blocks_until_it_is_retried(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    async with running(first) as world:
        await world.trades(1)
        fault = world.faults.arm(LEDGER, lambda m, s: isinstance(m, Fill), ALWAYS)
        await world.until(lambda: world.blocked(LEDGER))
        assert fault.failures == TRIES
        await assert_exits_only(world, LEDGER)
        [(severity, text), *_] = world.alerts("cannot handle message")
        assert severity == "page"
        assert LEDGER in text
        # It is mended, but not by itself: to retry is to try once, and to fail once more.
        code, said = await world.verb("actor", "retry", LEDGER)
        assert code == 0, said
        await world.until(lambda: fault.failures == TRIES + 1 and world.blocked(LEDGER))
        await world.store.committed()
        world.copy_as_killed(second)
    async with running(second) as world:
        assert world.blocked(LEDGER)
        await world.reconciles_its_part()
        await assert_exits_only(world, LEDGER)
        code, said = await world.verb("actor", "retry", LEDGER)
        assert code == 0, said
        assert not world.blocked(LEDGER)
        code, said = await world.verb("actor", "retry", LEDGER)
        assert code == 1, said
        books = await finish(world)
    acts = rows(second, "SELECT act FROM audit WHERE act != 'first_run' ORDER BY number")
    assert acts == [("quarantine.retry",), ("release",), ("quarantine.retry",), ("release",)]
    check(second, books)


async def test_in_orders_it_blocks_until_it_is_discarded(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with running(folder) as world:
        await world.trades(1)
        fault = world.faults.arm(ORDERS, lambda m, s: isinstance(m, SubmitOutcome), ALWAYS)
        await world.until(lambda: world.blocked(ORDERS))
        assert fault.failures == TRIES
        await assert_exits_only(world, ORDERS)
        code, said = await world.verb("actor", "discard", ORDERS)
        assert code == 2, said
        outcome = msgspec.msgpack.decode(fault.message)["client_order_id"]
        words = ("actor", "discard", ORDERS, "--reason", f"looked {outcome} up at the venue")
        code, said = await world.verb(*words)
        assert code == 0, said
        # What was discarded is learned from the venue in other ways.
        books = await finish(world)
    [(detail,)] = rows(folder, "SELECT detail FROM audit WHERE act = 'quarantine.discard'")
    assert detail == f"looked {outcome} up at the venue"
    check(folder, books)


@pytest.mark.check
async def test_an_outcome_that_blocks_orders_is_retried_after_a_restart(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    async with running(first) as world:
        await world.trades(1)
        fault = world.faults.arm(ORDERS, lambda m, s: isinstance(m, SubmitOutcome), ALWAYS)
        await world.until(lambda: world.blocked(ORDERS))
        await world.store.committed()
        world.copy_as_killed(second)
    order = msgspec.msgpack.decode(fault.message)["client_order_id"]
    async with running(second) as world:
        # The outcome waits, so its command is concluded: nobody asks the line a second time.
        assert world.blocked(ORDERS)
        await world.reconciles_its_part()
        await assert_exits_only(world, ORDERS)
        code, said = await world.verb("actor", "retry", ORDERS)
        assert code == 0, said
        await world.until(lambda: not world.blocked(ORDERS))
        books = await finish(world)
    assert outcomes_of(second, order) == 1
    check(second, books)


def outcomes_of(folder: Path, order: str) -> int:
    """Count the outcomes of an order's submit that orders has handled."""
    with Look(folder) as look:
        turns = look.history().turns(look.names()[ORDERS], 1, 2**62)
        bodies = [item.body for turn in turns for item in turn.inputs]
    outcomes = [body for body in bodies if tag_in(body) == "orders.SubmitOutcome"]
    return sum(msgspec.msgpack.decode(body)["client_order_id"] == order for body in outcomes)


@pytest.mark.check
async def test_in_risk_it_stops_every_entry_until_it_is_retried(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with running(folder) as world:
        await world.trades(1)
        fault = world.faults.arm(RISK, lambda m, s: isinstance(m, OrderRequest), ALWAYS)
        await world.until(lambda: world.blocked(RISK))
        assert fault.failures == TRIES
        # Guard knows that the way is blocked, and goes past risk if a level is reached.
        await world.until(lambda: list(world.state(GUARD).blocked) == [RISK])
        await world.until(lambda: bool(world.alerts("nothing enters")))
        [(severity, text)] = world.alerts("nothing enters")
        assert (severity, "`bot actor retry /risk`" in text) == ("page", True)
        code, said = await world.verb("tree", RISK, "--json")
        assert (code, json.loads(said)["state"]) == (0, "blocked")
        status = world.answers.status()
        assert (status.state, status.quarantined) == ("degraded", 1)
        await world.store.committed()
        placed = rows(folder, "SELECT count(*) FROM orders_current")
        await trio.sleep(0.8)
        await world.store.committed()
        assert rows(folder, "SELECT count(*) FROM orders_current") == placed
        world.faults.disarm(RISK)
        code, said = await world.verb("actor", "retry", RISK)
        assert code == 0, said
        await world.until(lambda: not world.state(GUARD).blocked)
        books = await finish(world)
    check(folder, books)
