"""A venue that keeps failing is left alone: by entries only, and not for ever."""

import pytest
import trio
from trio.testing import MockClock

from actors.execution.circuit import SETTINGS, is_failure
from exchanges.errors import Code, VenueError
from messages.orders import Submit, SubmitResult
from tests.actors.execution.test_line import ACTIVE, OFF, line_of, result_of, submit
from tests.actors.port_context import running
from tests.actors.trading import LINE, SECOND_NS, START_NS, terms
from tests.actors.venue_client import TinyClient

FAILURES = SETTINGS.max_failures


def in_time(name: str) -> Submit:
    """Return an order that may leave long after the other ones."""
    return Submit(terms=terms(name), expires_ns=START_NS + 100 * SECOND_NS)


async def test_entries_stop_after_so_many_failures_and_exits_go_on(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    line = line_of(client)
    async with running(line, LINE) as context:
        for message in (OFF, ACTIVE):
            await context.outcome(message)
        client.fails("submit", Code.UNAVAILABLE, FAILURES)
        for number in range(FAILURES):
            outcome = await result_of(context, in_time(f"order-{number}"))
            assert outcome.result is SubmitResult.NOT_SENT
        outcome = await result_of(context, in_time("one more"))
        assert outcome.result is SubmitResult.NOT_SENT
        assert "failed too often: it is tried again in" in outcome.reason
        assert line.circuit(context.now_ns()).startswith("open, an entry is tried in 10 s")
        # It protects, so it is not held back; and it says nothing about entries.
        exit_ = await result_of(context, submit("exit", reduces=True))
        assert exit_.result is SubmitResult.ACCEPTED
        assert (await result_of(context, in_time("still"))).result is SubmitResult.NOT_SENT
        await trio.sleep(12)
        probe = await result_of(context, in_time("probe"))
        assert probe.result is SubmitResult.ACCEPTED
        assert line.circuit(context.now_ns()) == "closed; 2 entries refused"


async def test_a_venue_that_says_no_works(autojump_clock: MockClock) -> None:
    client = TinyClient()
    line = line_of(client)
    async with running(line, LINE) as context:
        for message in (OFF, ACTIVE):
            await context.outcome(message)
        client.fails("submit", Code.AMBIGUOUS, FAILURES - 1)
        client.fails("submit", Code.REJECTED)
        client.fails("submit", Code.AMBIGUOUS, FAILURES - 1)
        for number in range(2 * FAILURES - 1):
            await context.outcome(in_time(f"order-{number}"))
        assert line.circuit(context.now_ns()) == "closed; 0 entries refused"


@pytest.mark.parametrize("code", Code)
def test_only_silence_and_unreachability_are_failures(code: Code) -> None:
    error = VenueError(code, "tiny", "x")
    assert is_failure(error) is (code in (Code.AMBIGUOUS, Code.UNAVAILABLE))
    for reason in ("rate_limited", "nonce"):
        assert not is_failure(VenueError(code, "tiny", "x", reason=reason))
