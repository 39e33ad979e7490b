from hypothesis import given
from hypothesis import strategies as st

from venue.config import FaultProfileName
from venue.faults import FRAME_FAULTS, PPM, PROFILES, Fault, FaultPlan


@given(st.integers(0, 2**64 - 1), st.integers(1, 200))
def test_the_same_seed_misbehaves_the_same(seed: int, decisions: int) -> None:
    first, second = (FaultPlan(seed, FaultProfileName.NASTY) for _ in range(2))
    for number in range(decisions):
        if number % 2:
            assert first.for_request("AddOrder") == second.for_request("AddOrder")
        else:
            assert first.for_frame("book") == second.for_frame("book")


def test_rates_are_what_the_profile_says() -> None:
    plan = FaultPlan(1, FaultProfileName.NASTY)
    decided = [plan.for_request("AddOrder") for _ in range(100_000)]
    for fault, rate_ppm in PROFILES[FaultProfileName.NASTY].items():
        count = sum(decision is not None and decision.fault is fault for decision in decided)
        if fault in FRAME_FAULTS:
            assert count == 0
        else:
            assert 0.8 < count / (100_000 * rate_ppm / PPM) < 1.2


def test_commands_come_first_match_their_target_and_are_used_up() -> None:
    plan = FaultPlan(1)
    plan.arm(Fault.LOSE_ACK, "AddOrder", count=2, duration_ms=5)
    plan.arm(Fault.GAP, "book")
    assert plan.for_request("Balance") is None
    assert plan.for_frame("trade") is None
    for _ in range(2):
        decision = plan.for_request("AddOrder")
        assert decision is not None
        assert (decision.fault, decision.duration_ms) == (Fault.LOSE_ACK, 5)
    assert plan.for_request("AddOrder") is None
    decision = plan.for_frame("book")
    assert decision is not None
    assert decision.fault is Fault.GAP
    assert plan.counts == {Fault.LOSE_ACK: 2, Fault.GAP: 1}


def test_nothing_goes_wrong_without_a_profile() -> None:
    plan = FaultPlan(7)
    assert all(plan.for_request("AddOrder") is None for _ in range(1_000))
    assert all(plan.for_frame("book") is None for _ in range(1_000))


def test_disarming_forgets_commands() -> None:
    plan = FaultPlan(7)
    plan.arm(Fault.HANG, count=3)
    plan.disarm()
    assert plan.armed() == []
    assert plan.for_request("AddOrder") is None
