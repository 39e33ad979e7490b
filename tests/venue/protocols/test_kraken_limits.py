from venue.config import RateTier
from venue.protocols.kraken_limits import RateLimits, amend_cost, cancel_cost

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS


def test_the_api_counter_fills_and_decays() -> None:
    limits = RateLimits(RateTier.STARTER)
    allowed = [limits.allows_request(1, "Balance", START_NS) for _ in range(16)]
    assert allowed == [True] * 15 + [False]
    assert limits.allows_request(2, "Balance", START_NS)
    assert not limits.allows_request(1, "Balance", START_NS + 2 * SECOND_NS)
    assert limits.allows_request(1, "Balance", START_NS + 4 * SECOND_NS)
    assert limits.allows_request(1, "AddOrder", START_NS + 4 * SECOND_NS)


def test_many_small_steps_decay_as_much_as_one_large() -> None:
    often, once = RateLimits(RateTier.STARTER), RateLimits(RateTier.STARTER)
    for limits in (often, once):
        for _ in range(60):
            assert limits.allows_order(1, "ETH/USDT", START_NS)
        assert not limits.allows_order(1, "ETH/USDT", START_NS)
    for step in range(1, 10):
        often.allows_order(1, "ETH/USDT", START_NS + step * SECOND_NS // 10)
    assert often.allows_order(1, "ETH/USDT", START_NS + SECOND_NS)
    assert once.allows_order(1, "ETH/USDT", START_NS + SECOND_NS)


def test_young_orders_are_dear_to_cancel() -> None:
    costs = [cancel_cost(age_s * SECOND_NS) for age_s in (0, 5, 10, 15, 45, 90, 300)]
    assert costs == [8, 6, 5, 4, 2, 1, 0]
    assert [amend_cost(age_s * SECOND_NS) for age_s in (0, 5, 10, 15)] == [4, 3, 2, 1]
    limits = RateLimits(RateTier.STARTER)
    limits.count(1, "ETH/USDT", 60, START_NS)
    assert not limits.allows_order(1, "ETH/USDT", START_NS)
    assert limits.allows_order(1, "BTC/USDT", START_NS)


def test_no_tier_no_limits() -> None:
    limits = RateLimits(RateTier.NONE)
    assert all(limits.allows_request(1, "Ledgers", START_NS) for _ in range(1_000))
