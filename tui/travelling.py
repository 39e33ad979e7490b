"""Time travel on the screen: its keys, its banner, its film. Nothing can be done to the past."""

from collections.abc import Coroutine

from messages.control import View
from messages.times import NANOSECONDS_PER_SECOND, TimeTextError, time_ns
from tui.actions import Action, Grade
from tui.shell import PUMP_S, Shell
from tui.terminal import Terminal
from tui.text import span
from tui.travel import JUMP_NS, moment_text
from tui.widgets.painted import Run

GROUP = "travel"


class Travelling(Shell):
    """The part of the program that goes back in time."""

    def refuses(self, action: Action) -> bool:
        """Say whether an action is not for the past, and tell the person so.

        The kill switch is never out of reach: its key leads back to now, and asks there.
        """
        if not self.travel.is_past or action.grade is Grade.LOOK:
            return False
        if action.grade is Grade.HALT:
            self.do_now("")
            return False
        self.flash("this is the past, nothing can be done to it: n leads back to now", alert=True)
        return True

    def do_past(self, argument: str) -> None:
        """Go to a time, or to the last recorded change of this view."""
        if not argument:
            self._step(later=False)
            return
        try:
            at_ns = time_ns(argument, self._latest_ns())
        except TimeTextError as error:
            self.flash(str(error), alert=True)
            return
        self._jump(at_ns)

    def do_step_back(self, _: str) -> None:
        """To the change before."""
        self._step(later=False)

    def do_step_on(self, _: str) -> None:
        """To the change after."""
        self._step(later=True)

    def do_minute_back(self, _: str) -> None:
        """Go a minute back."""
        self._jump((self.travel.goal_ns or self._latest_ns()) - JUMP_NS)

    def do_minute_on(self, _: str) -> None:
        """Go a minute on."""
        if self._is_past():
            self._jump(self.travel.goal_ns + JUMP_NS)

    def do_play(self, _: str) -> None:
        """Play the past as a film, or stop it."""
        if self._is_past():
            self.travel.is_playing = not self.travel.is_playing

    def do_speed(self, _: str) -> None:
        """Let the film run at another speed."""
        if self._is_past():
            self.travel.faster()

    def do_now(self, _: str) -> None:
        """Leave the past."""
        if self.travel.is_past:
            self.workers.cancel_group(self, GROUP)
            self.travel.leave()
            self.paint(refill=True)

    def pump(self) -> None:
        """Paint, and let the film run on unless the terminal or the bot is behind."""
        super().pump()
        travel, driver = self.travel, self._driver
        is_behind = isinstance(driver, Terminal) and driver.backlog
        if travel.is_playing and not is_behind and not self._is_asking():
            step_ns = int(PUMP_S * travel.speed * NANOSECONDS_PER_SECOND)
            self._jump(travel.at_ns + step_ns)

    def show_then(self) -> None:
        """Ask for what the page shows, as it was."""
        if self.travel.is_past:
            self._jump(self.travel.goal_ns)

    def banner_of_then(self) -> list[Run]:
        """Return what stands over a screen of the past."""
        travel = self.travel
        ago_s = max(0, self._latest_ns() - travel.at_ns) / NANOSECONDS_PER_SECOND
        film = f"playing {travel.speed}x" if travel.is_playing else f"still, {travel.speed}x"
        text = f" PAST {moment_text(travel.at_ns)}, {span(ago_s)} ago, {film}; n is now "
        return [Run(text.ljust(self.size.width), "alert")]

    def _is_past(self) -> bool:
        if not self.travel.is_past:
            self.flash("this is now: [ goes back to the last change, :past TIME to a time")
        return self.travel.is_past

    def _latest_ns(self) -> int:
        """Return the daemon's time, as it last told."""
        pong, welcome = self.store.pong, self.store.welcome
        if pong is not None:
            return pong.now_ns
        return welcome.now_ns if welcome is not None else 0

    def _is_asking(self) -> bool:
        return any(worker.group == GROUP and not worker.is_finished for worker in self.workers)

    def _jump(self, at_ns: int) -> None:
        latest_ns = self._latest_ns()
        if not latest_ns or at_ns <= 0:
            self.flash("the bot has not told its time yet" if at_ns > 0 else "that is no time")
        elif at_ns >= latest_ns:
            self.do_now("")
            self.flash("this is now again")
        else:
            self.travel.goal_ns = at_ns
            self._travel(self._go(at_ns))

    def _step(self, *, later: bool) -> None:
        if later and not self._is_past():
            return
        self._travel(self._go_to_neighbour(later=later))

    def _travel(self, journey: Coroutine[None, None, None]) -> None:
        self.run_worker(journey, group=GROUP, exclusive=True)

    async def _go_to_neighbour(self, *, later: bool) -> None:
        travel = self.travel
        travel.is_playing = False
        from_ns = travel.goal_ns or self._latest_ns()
        found = await travel.neighbour_ns(self.page.view, from_ns, later=later)
        if isinstance(found, str):
            self.flash(found)
        else:
            await self._go(found)

    async def _go(self, at_ns: int) -> None:
        views = [self.page.view, *self.page.also, View.VAULTS]
        if self._tail_shown:
            views.append(View.LOG)
        problem = await self.travel.go(at_ns, views)
        if problem:
            self.travel.is_playing = False
            self.flash(problem, alert=True)
        self.paint(refill=True)
