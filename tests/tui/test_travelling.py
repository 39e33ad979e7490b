"""Time travel: the screen shows another moment, says so, and lets nothing be done there."""

from pathlib import Path

from messages import control
from messages.control import Answer, Outcome, View
from messages.views import AnyView, MomentView, nest
from tests.tui.driving import Driven, scenario
from tests.tui.fake import NOON_NS, S_NS, FakeDaemon, order, plausible_tree, sleeve, vault
from tui.screens.dialogs import Halt
from tui.travel import SPEEDS, moment_text

THEN_NS = NOON_NS - 100 * S_NS


def history(server: FakeDaemon) -> None:
    """Have the fake daemon remember: a change every ten seconds, other figures at each time."""

    def answer(frame: control.ClientFrame) -> Answer | None:
        assert isinstance(frame, control.Request)
        rows: tuple[AnyView, ...] = ()
        match frame:
            case control.Moment(at_ns=at_ns, later=later):
                step_ns = 10 * S_NS
                at_ns = (at_ns // step_ns + 1 if later else (at_ns - 1) // step_ns) * step_ns
                rows = (MomentView(at_ns=at_ns),)
            case control.Tree():
                rows = (nest(plausible_tree()),)
            case control.Vaults(as_of_ns=at_ns):
                age_s = (NOON_NS - at_ns) // S_NS
                rows = (vault(sleeve("quiet", "quiet", cash=f"{age_s}.00")),)
            case control.Orders():
                rows = (order(1, state="open"),)
        return Answer(request_id=frame.request_id, outcome=Outcome.OK, rows=rows)

    server.answer = answer


def test_a_step_back_shows_then_with_a_banner_and_n_leads_back(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        history(it.server)
        await it.press("2")
        await it.until_shown("flash")
        await it.press("left_square_bracket")
        await it.until_shown("PAST ")
        await it.until_shown("7.00")
        assert "n is now" in it.line("banner")
        assert "▼" not in it.screen(), "a journey is no change"
        assert "flash" not in it.screen()
        await it.press("left_square_bracket")
        await it.until_shown("17.00")
        await it.press("right_square_bracket")
        await it.until_shown("7.00")
        await it.press("n")
        await it.until_shown("flash")
        assert "PAST" not in it.screen()

    scenario(tmp_path, body)


def test_nothing_can_be_done_to_the_past_and_the_kill_switch_leads_out_of_it(
    tmp_path: Path,
) -> None:
    async def body(it: Driven) -> None:
        history(it.server)
        await it.press("2")
        await it.until_shown("flash")
        await it.command("rw")
        await it.command("past -2m")
        await it.until_shown("PAST ")
        for key in ("P", "R", "C"):
            await it.press(key)
            assert len(it.app.screen_stack) == 1
        await it.command("stop")
        await it.command("release")
        await it.until_shown("this is the past, nothing can be done to it")
        assert it.server.acts() == []
        assert len(it.app.screen_stack) == 1
        await it.press("H")
        await it.until(lambda: isinstance(it.app.screen, Halt))
        assert not it.app.travel.is_past

    scenario(tmp_path, body)


def test_a_film_runs_at_its_speed_until_now(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        history(it.server)
        await it.press("2")
        await it.until_shown("flash")
        await it.press("v")
        await it.until_shown("this is now")
        await it.command("past -100s")
        await it.until_shown("100.00")
        for _ in SPEEDS[:-2]:
            await it.press("x")
        await it.press("v")
        await it.until_shown("playing 60x")
        await it.until(lambda: it.app.travel.at_ns > THEN_NS)
        await it.until_shown("this is now again")
        assert not it.app.travel.is_past

    scenario(tmp_path, body)


def test_another_page_shows_the_same_moment_and_a_refusal_is_told(tmp_path: Path) -> None:
    async def body(it: Driven) -> None:
        history(it.server)
        await it.command("past -1m")
        await it.until_shown("PAST ")
        at_ns = it.app.travel.at_ns
        await it.press("3")
        await it.until(lambda: View.ORDERS in it.app.travel.store.loaded, "the orders of then")
        asked = [one for one in it.server.requests if isinstance(one, control.Orders)]
        assert {one.as_of_ns for one in asked} == {at_ns}
        await it.press("comma")
        await it.until(lambda: it.app.travel.at_ns == at_ns - 60 * S_NS, "the jump")
        await it.command("past yesterday")
        await it.until_shown("is no time")

        def failed(frame: control.ClientFrame) -> Answer | None:
            assert isinstance(frame, control.Request)
            text = "the query took too long: ask for fewer rows"
            return Answer(request_id=frame.request_id, outcome=Outcome.ERROR, text=text)

        it.server.answer = failed
        await it.press("left_square_bracket")
        await it.until_shown("took too long")
        assert it.app.travel.at_ns == at_ns - 60 * S_NS, "a moment that was not told is not shown"
        history(it.server)
        await it.press("full_stop", "full_stop")
        await it.until_shown("this is now again")

    scenario(tmp_path, body)


def test_moments_are_written_to_the_millisecond() -> None:
    assert moment_text(THEN_NS + 7_000_000) == "2026-11-21 12:01:27.007Z"
