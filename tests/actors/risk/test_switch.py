"""The kill switch is answered when every line has confirmed, and survives."""

from actors.risk.gate import Risk
from messages.money import (
    Acknowledged,
    Alert,
    KillSwitch,
    LineStarted,
    Mode,
    Severity,
    SwitchConfirmed,
    SwitchSet,
)
from messages.runtime import Booted
from supervisor.probe import Outcome, Probe
from tests.actors.trading import ALERTS, LINE, START_NS, risk_configured, rows, sent_to

OTHER = "/venues/okx-sim/accounts/alice/line"
CONTROL = "/control"


def gate() -> Probe:
    probe = Probe(Risk(), "/risk", now_ns=START_NS)
    probe.handle(risk_configured(lines=(LINE, OTHER)))
    return probe


def engage(probe: Probe, request_id: str = "r1", *, engaged: bool = True) -> list[Outcome]:
    command = KillSwitch(
        engaged=engaged, operator="alice", reason="storm", reply_to=CONTROL, request_id=request_id
    )
    return probe.handle(command)


def confirm(probe: Probe, line: str, generation: int, *, engaged: bool = True) -> list[Outcome]:
    return probe.handle(SwitchConfirmed(line=line, engaged=engaged, generation=generation))


def test_the_switch_is_acknowledged_only_after_every_line_has_confirmed() -> None:
    probe = gate()
    outcomes = engage(probe)
    assert sent_to(outcomes, LINE) == [SwitchSet(engaged=True, generation=1)]
    assert sent_to(outcomes, OTHER) == [SwitchSet(engaged=True, generation=1)]
    assert sent_to(outcomes, CONTROL) == []
    (row,) = rows(outcomes)
    assert (row.engaged, row.confirmed, row.operator) == (True, False, "alice")

    assert sent_to(confirm(probe, LINE, 1), CONTROL) == []
    assert sent_to(confirm(probe, LINE, 1), CONTROL) == []
    outcomes = confirm(probe, OTHER, 1)
    assert sent_to(outcomes, CONTROL) == [
        Acknowledged(
            request_id="r1",
            ok=True,
            text="the kill switch is on: every line confirmed that nothing but cancels and "
            "reductions leaves",
        )
    ]
    (row,) = rows(outcomes)
    assert (row.engaged, row.confirmed) == (True, True)


def test_an_older_confirmation_counts_for_nothing() -> None:
    probe = gate()
    engage(probe, "r1")
    engage(probe, "r2")
    confirm(probe, LINE, 1)
    assert sent_to(confirm(probe, OTHER, 1), CONTROL) == []
    confirm(probe, LINE, 2)
    answers = sent_to(confirm(probe, OTHER, 2), CONTROL)
    assert [(a.request_id, a.ok) for a in answers if isinstance(a, Acknowledged)] == [
        ("r1", True),
        ("r2", True),
    ]


def test_a_command_that_is_overtaken_is_told_so() -> None:
    probe = gate()
    engage(probe, "on")
    outcomes = engage(probe, "off", engaged=False)
    assert sent_to(outcomes, CONTROL) == [
        Acknowledged(
            request_id="on", ok=False, text="overtaken by a later command: see `bot status`"
        )
    ]
    confirm(probe, LINE, 2, engaged=False)
    (answer,) = sent_to(confirm(probe, OTHER, 2, engaged=False), CONTROL)
    assert answer == Acknowledged(
        request_id="off", ok=True, text="the kill switch is off: every line confirmed"
    )


def test_a_line_that_does_not_confirm_pages() -> None:
    probe = gate()
    outcomes = engage(probe)
    assert [alert.severity for alert in probe.sent(outcomes, Alert)] == [Severity.PAGE]
    confirm(probe, LINE, 1)
    (alert,) = sent_to(probe.fire("switch-unconfirmed"), ALERTS)
    assert isinstance(alert, Alert)
    assert alert.text == (
        f"the kill switch is not confirmed by {OTHER}: it takes effect there when the line runs "
        "again; if orders must stop now, cancel them at the venue"
    )
    (answer,) = sent_to(confirm(probe, OTHER, 1), CONTROL)
    assert isinstance(answer, Acknowledged)
    assert answer.ok


def test_the_switch_survives_a_start_and_every_line_is_told_again() -> None:
    probe = gate()
    engage(probe)
    confirm(probe, LINE, 1)
    confirm(probe, OTHER, 1)
    outcomes = probe.handle(Booted(boot=2))
    assert SwitchSet(engaged=True, generation=2) in sent_to(outcomes, LINE)
    assert sent_to(outcomes, OTHER) == [SwitchSet(engaged=True, generation=2)]


def test_a_line_that_starts_alone_is_told_switch_and_mode() -> None:
    probe = gate()
    outcomes = sent_to(probe.handle(LineStarted(line=LINE)), LINE)
    assert outcomes[0] == SwitchSet(engaged=False, generation=0)
    assert getattr(outcomes[1], "mode", None) is Mode.EXITS_ONLY


def test_a_line_that_is_no_longer_configured_is_not_waited_for() -> None:
    probe = gate()
    engage(probe)
    confirm(probe, LINE, 1)
    (answer,) = sent_to(probe.handle(risk_configured(lines=(LINE,))), CONTROL)
    assert isinstance(answer, Acknowledged)
    assert answer.ok


def test_a_switch_without_lines_is_answered_at_once() -> None:
    probe = Probe(Risk(), "/risk", now_ns=START_NS)
    (answer,) = sent_to(engage(probe), CONTROL)
    assert isinstance(answer, Acknowledged)
    assert answer.ok


def test_too_many_waiting_requests_are_told_to_come_back() -> None:
    probe = gate()
    for number in range(64):
        assert sent_to(engage(probe, f"r{number}"), CONTROL) == []
    (answer,) = sent_to(engage(probe, "r64"), CONTROL)
    assert answer == Acknowledged(
        request_id="r64",
        ok=False,
        text="too many requests wait for the lines to confirm: ask again in a few seconds",
    )
