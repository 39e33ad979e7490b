"""The terminal UI: the screen, and everything that a person can do on it."""

from collections.abc import Coroutine
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input

from tui import acts, themes
from tui.actions import ACTIONS, BY_NAME, COMMANDS, Action, parse
from tui.inspecting import Inspecting
from tui.screens.dialogs import Dialog, Halt, Help
from tui.text import span
from tui.travelling import Travelling
from tui.widgets.painted import Lines, Run

ARMED_S = 600.0
_ACTION_OF = {key: action.name for action in ACTIONS for key in action.keys}
HISTORY_MAX = 100


class Tui(Travelling):
    """The whole program; `actions.ACTIONS` says which `do_` method belongs to which key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # Ctrl+x must work while something is being typed.
        Binding(key, f"do('{action.name}')", action.help, show=False, priority=key == "ctrl+x")
        for action in ACTIONS
        for key in action.keys
    ]

    _prompt_mode = ""
    _recalled = 0

    def on_mount(self) -> None:
        """Remember the parts of the bottom line."""
        self._history: list[str] = []
        self._prompt = self.query_one("#prompt", Input)
        self._sign = self.query_one("#sign", Lines)
        self._crumbs_line = self.query_one("#crumbs", Lines)
        asking = Inspecting(self.client, self.store, self._looked_at, self.paint)
        self.run_worker(asking.run(), name="inspecting")

    def _looked_at(self) -> str | None:
        """Return the address whose details are on the screen, while the tree is."""
        is_seen = self.page.name == "tree" and not self._frozen and not self.travel.is_past
        return self._board.selected if is_seen else None

    # --- the desk of `acts`

    async def put(self, dialog: Dialog) -> bool:
        """Show a dialog and return its answer."""
        answer: bool = await self.push_screen_wait(dialog)
        return answer

    def may_act(self) -> bool:
        """Say whether acts are allowed now; tell the person why if they are not."""
        if not self._armed():
            self.flash("read-only: type :rw to allow acts for ten minutes", alert=True)
        return self._armed()

    # --- actions

    async def on_event(self, event: events.Event) -> None:
        """Do what a key means at once, unless something is being typed or asked.

        By way of bindings a key goes to the screen and comes back, and is overtaken by those behind
        it: of `:pause` in one packet (a slow line), `p` would act before `:` opened the line.
        """
        if (
            isinstance(event, events.Key)
            and not event.is_forwarded
            and self.focused is None
            and event.key in _ACTION_OF
            and not isinstance(self.screen, ModalScreen)
        ):
            self.action_do(_ACTION_OF[event.key])
        else:
            await super().on_event(event)

    def action_do(self, name: str) -> None:
        """Do the action of a key."""
        if isinstance(self.screen, ModalScreen) and name != "halt":
            return
        self.do(BY_NAME[name], "")

    def do(self, action: Action, argument: str) -> None:
        """Do an action; those of a dangerous grade ask first."""
        if self.refuses(action):
            return
        if action.views and self.page.name not in action.views and not argument:
            self.flash(f"{action.name} works in: {', '.join(action.views)}")
            return
        if action.name in self.pages:
            self.go(action.name, argument or ("" if self.page.name == action.name else None))
            return
        method = getattr(self, f"do_{action.name}")
        method(argument)
        self.paint()

    def do_up(self, _: str) -> None:
        """One line up; in the command line, the command before."""
        self._recall(-1) if self._prompt_mode == "command" else self._board.move(-1)

    def do_down(self, _: str) -> None:
        """One line down; in the command line, the command after."""
        self._recall(1) if self._prompt_mode == "command" else self._board.move(1)

    def do_page_up(self, _: str) -> None:
        """One page up."""
        self._board.page(-1)

    def do_page_down(self, _: str) -> None:
        """One page down."""
        self._board.page(1)

    def do_first(self, _: str) -> None:
        """To the first line."""
        self._board.jump(end=False)

    def do_last(self, _: str) -> None:
        """To the last line."""
        self._board.jump(end=True)

    def do_open(self, _: str) -> None:
        """Follow the line under the cursor."""
        key = self._board.selected
        jump = self.page.leads_to(self.shown, key) if key is not None else None
        if jump is not None:
            self.go(jump.page, jump.filter, drilled=True)
        else:
            self.paint(refill=True)

    def do_back(self, _: str) -> None:
        """Close the bottom line, else clear the filter, else go back one page, else to now.

        Never quits.
        """
        if self._prompt_mode:
            self._close_prompt()
        elif self.climb():
            return
        elif self.filters[self.page.name]:
            self.filters[self.page.name] = ""
            self.paint(refill=True)
        else:
            self.do_now("")

    def do_fold(self, _: str) -> None:
        """Fold or unfold the line under the cursor."""
        key = self._board.selected
        if key is not None:
            self.page.toggle(key)
            self.paint(refill=True)

    def do_log_of(self, _: str) -> None:
        """Show the log of the actor under the cursor."""
        key = self._board.selected
        target = self.page.target(self.shown, key) if key is not None else ""
        if target:
            self.go("log", target, drilled=True)
        else:
            self.flash("this line belongs to no actor that is shown")

    def do_filter(self, _: str) -> None:
        """Open the bottom line for a filter."""
        self._open_prompt("filter", self.filters[self.page.name])

    def do_command(self, _: str) -> None:
        """Open the bottom line for a command."""
        self._open_prompt("command", "")

    def do_freeze(self, _: str) -> None:
        """Pause or resume painting."""
        self._frozen = not self._frozen
        if not self._frozen:
            self.paint(refill=True)

    def do_refresh(self, _: str) -> None:
        """Ask the daemon for this view again."""
        self.show_then()
        self.client.refresh(self.page.view)
        self.flash(f"{self.page.name}: asked for again")

    def do_yank(self, _: str) -> None:
        """Copy the line's identity to the clipboard of the person's own terminal (OSC 52)."""
        key = self._board.selected
        if key is not None:
            self.copy_to_clipboard(key)
            self.flash(f"copied {key}")

    def do_redraw(self, _: str) -> None:
        """Draw everything again."""
        self.screen.refresh(layout=True)

    def do_help(self, _: str) -> None:
        """Show the keys of this view."""
        self.push_screen(Help(self.page.name))

    def do_theme(self, argument: str) -> None:
        """Choose a theme, or the next one."""
        names = themes.THEMES
        if argument and argument not in names:
            self.flash(f"there is no theme {argument}; there are {', '.join(names)}", alert=True)
            return
        following = names[(names.index(self._theme_name) + 1) % len(names)]
        self._theme_name = argument or following
        self.theme = f"canopy-{self._theme_name}"
        self.flash(f"theme {self._theme_name}")

    def do_arm(self, _: str) -> None:
        """Allow acts for ten minutes."""
        welcome = self.store.welcome
        if self._read_only or (welcome is not None and welcome.read_only):
            reason = welcome.read_only_reason if welcome is not None else ""
            self.flash(f"read-only for good: {reason or 'started with --read-only'}", alert=True)
            return
        self._armed_until_s = self._now_s() + ARMED_S
        self.flash(f"acts are allowed for {span(ARMED_S)}; :ro ends it")

    def do_disarm(self, _: str) -> None:
        """Be read-only again."""
        self._armed_until_s = 0.0

    def do_pause(self, argument: str) -> None:
        """Pause a sleeve."""
        self._act(acts.pause(self, argument or self._target()))

    def do_resume(self, argument: str) -> None:
        """Resume a sleeve."""
        self._act(acts.resume(self, argument or self._target()))

    def do_close(self, argument: str) -> None:
        """Close a sleeve now."""
        self._act(acts.close(self, argument or self._target()))

    def do_state(self, _: str) -> None:
        """Show or hide the state of the actor under the cursor."""
        self.store.unfolds_state = not self.store.unfolds_state
        self.query_one("#detail").set_class(self.store.unfolds_state, "-unfolded")
        self.flash("the state is shown below" if self.store.unfolds_state else "")

    def do_suspend(self, argument: str) -> None:
        """Suspend an actor."""
        self._act(acts.suspend(self, argument or self._target()))

    def do_unsuspend(self, argument: str) -> None:
        """Have a suspended actor go on."""
        self._act(acts.unsuspend(self, argument or self._target()))

    def do_restart(self, argument: str) -> None:
        """Restart an actor, a port, or a supervisor with all below."""
        self._act(acts.restart(self, argument or self._target()))

    def do_halt(self, _: str) -> None:
        """Engage the kill switch."""
        if isinstance(self.screen, Halt):
            self.screen.dismiss(True)
            return
        self._close_prompt()
        self._act(acts.halt(self))

    def do_release(self, _: str) -> None:
        """Release the kill switch."""
        self._act(acts.release(self))

    def do_stop(self, _: str) -> None:
        """Stop the daemon."""
        self._act(acts.stop(self))

    def do_screenshot(self, argument: str) -> None:
        """Save the screen."""
        if not argument:
            self.flash("say where: :screenshot FILE.svg", alert=True)
            return
        try:
            self.save_picture(Path(argument).expanduser())
        except OSError as error:
            self.flash(f"{argument}: {error.strerror}; choose another file", alert=True)
        else:
            self.flash(f"saved {argument}")

    def do_quit(self, _: str) -> None:
        """Detach."""
        self.exit(0)

    def save_picture(self, path: Path) -> None:
        """Write the screen as SVG, whole or not at all."""
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(self.export_screenshot(title="bot tui"), encoding="utf-8")
        partial.replace(path)

    def _target(self) -> str:
        key = self._board.selected
        return self.page.acts_on(self.store, key) if key is not None else ""

    def _act(self, act: Coroutine[None, None, None]) -> None:
        self.run_worker(act, name="act")

    # --- the bottom line

    def _open_prompt(self, mode: str, value: str) -> None:
        self._prompt_mode = mode
        self._prompt.suggester = (
            SuggestFromList(COMMANDS, case_sensitive=False) if mode == "command" else None
        )
        self._recalled = len(self._history)
        self._show_prompt(shown=True)
        self._sign.show([[Run(":" if mode == "command" else "/", "accent")]])
        self._prompt.value = value
        self._prompt.cursor_position = len(value)
        # At once: what was typed together with the key that opened it must not be lost.
        self.screen.set_focus(self._prompt)

    def _close_prompt(self) -> None:
        self._prompt_mode = ""
        self._show_prompt(shown=False)
        self.set_focus(None)
        self.paint(refill=True)

    def _show_prompt(self, *, shown: bool) -> None:
        self._prompt.display = self._sign.display = shown
        self._crumbs_line.display = not shown

    def _recall(self, by: int) -> None:
        if self._history:
            self._recalled = max(0, min(self._recalled + by, len(self._history) - 1))
            self._prompt.value = self._history[self._recalled]
            self._prompt.cursor_position = len(self._prompt.value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the person types."""
        if event.input is self._prompt and self._prompt_mode == "filter":
            self.filters[self.page.name] = event.value
            self.paint(refill=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter, or run the command."""
        if event.input is not self._prompt:
            return
        mode, text = self._prompt_mode, event.value.strip()
        self._close_prompt()
        if mode != "command" or not text:
            return
        self._history.append(text)
        del self._history[:-HISTORY_MAX]
        try:
            action, argument = parse(text)
        except ValueError as error:
            self.flash(str(error), alert=True)
        else:
            self.do(action, argument)
