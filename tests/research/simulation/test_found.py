"""Seeds that failed once: what was wrong, and the run that showed it.

A change anywhere makes another run of a seed, so each has a test of its own beside what it mended.
"""

from msgspec.structs import replace

from bot.simulating import kinds_of, shipped_settings
from research.simulation.plan import Plan, draw
from research.simulation.run import simulate


def plan_of(seed: int, seconds: float, faults: str) -> Plan:
    return replace(draw(seed, seconds, kinds_of("all")), kinds=kinds_of(faults))


def test_orders_are_placed_after_an_unreadable_list_of_instruments() -> None:
    """`tests/exchanges/test_venue_client_faults.py`: every order was refused from then on."""
    plan = plan_of(125, 5.0, "exchange.nasty,exchange.late-sight")
    result = simulate(plan, shipped_settings())
    assert result.violations == []
    assert result.fills > 0


def test_two_actors_cannot_handle_the_same_market_message() -> None:
    """`tests/state/test_store.py`: the second was lost without a trace, and its cell crashed."""
    plan = replace(plan_of(549, 6.0, "scheduler.buggify,actor.poison"), fault_every_s=0.1)
    result = simulate(plan, shipped_settings())
    assert result.violations == []
    assert result.sometimes["quarantine"] > 1


def test_a_deposit_during_the_first_reading_is_booked_once() -> None:
    """`tests/actors/execution/test_reconcile.py`: the account never agreed with the venue's."""
    result = simulate(plan_of(146, 12.0, "exchange.deposit"), shipped_settings())
    assert result.violations == []
    assert result.fills > 0
