from venue.limits import BanRule, Limiter, Window

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_040 * SECOND_NS  # a whole minute


def test_weights_add_up_until_the_window_ends() -> None:
    limiter = Limiter((Window(60, 10), Window(3_600, 12)))
    assert limiter.charge("a", 10, START_NS).used == (10, 10)
    refused = limiter.charge("a", 1, START_NS + 20 * SECOND_NS)
    assert (refused.is_allowed, refused.retry_after_s, refused.is_banned) == (False, 40, False)
    assert limiter.charge("b", 10, START_NS).is_allowed
    later = limiter.charge("a", 1, START_NS + 60 * SECOND_NS)
    assert (later.is_allowed, later.used) == (True, (1, 12))
    assert limiter.used("a", START_NS + 61 * SECOND_NS) == (1, 12)


def test_who_goes_on_is_banned_longer_each_time() -> None:
    limiter = Limiter((Window(60, 1),), BanRule(refusals=2, first_s=120, longest_s=300))
    now_ns = START_NS
    lasted = []
    for _ in range(3):
        verdicts = [limiter.charge("a", 1, now_ns) for _ in range(5)]
        assert [v.is_allowed for v in verdicts] == [True, False, False, False, False]
        assert [v.is_banned for v in verdicts] == [False, False, False, True, True]
        lasted.append(verdicts[-1].retry_after_s)
        now_ns = verdicts[-1].banned_until_ns + 60 * SECOND_NS
    assert lasted == [120, 240, 300]


def test_without_windows_nothing_is_refused() -> None:
    limiter = Limiter(())
    assert all(limiter.charge("a", 10**6, START_NS).is_allowed for _ in range(100))
