"""What is on the screen: five views, and a pump that decides when anything is painted.

Data flows from the client's task into the store and stays there. Twice a second `pump` moves what
changed to the visible widgets, unless the terminal is behind. It is the one place that decides the
frame rate. What a person can do is in `tui/program.py`.
"""

import asyncio
import gc

from textual.app import App, ComposeResult
from textual.containers import Container, Horizontal
from textual.widgets import ContentSwitcher, Input

from messages import control
from messages.control import View, Welcome
from tui import terminal, themes
from tui.actions import ACTIONS, Action, Grade, key_label
from tui.client import Client, Link
from tui.screens.log import LogPage
from tui.screens.orders import FillsPage, OrdersPage
from tui.screens.page import Page
from tui.screens.tree import TreePage
from tui.screens.vaults import VaultsPage
from tui.store import WINDOWS, Store
from tui.terminal import Terminal
from tui.text import ASCII, UNICODE, clean, clock, span
from tui.travel import Travel
from tui.widgets.board import Board
from tui.widgets.logview import LogView
from tui.widgets.painted import Lines, Run
from tui.widgets.statusline import Facts, StatusLine

# Twice a second: what a person can follow, and what a slow line can carry.
PUMP_S = 0.5
# After the terminal fell behind, paint at half the rate for this long.
CAREFUL_S = 10.0
# A message stays this long in the bottom line, then the permanent text is back.
FLASH_S = 5.0
ALERT_S = 20.0
# How often we look whether the terminal is still there.
HANGUP_CHECK_S = 0.4
CRUMBS_MAX = 16
# Below this the log would repaint every line twice a second; once is enough for reading.
LOG_EVERY_TICKS = 2


class Shell(App[int]):
    """What is on the screen. Everything it knows of the bot is in `store`."""

    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    CSS_PATH = "app.tcss"

    def __init__(
        self,
        client: Client,
        store: Store,
        *,
        read_only: bool = False,
        basic: bool = False,
        theme: str = "dark",
        view: str = "tree",
        start_with: str = "bot start",
    ) -> None:
        super().__init__(driver_class=Terminal)
        self.HORIZONTAL_BREAKPOINTS = [
            (0, "-tiny"),
            (60, "-narrow"),
            (100, "-normal"),
            (160, "-wide"),
        ]
        self.VERTICAL_BREAKPOINTS = [(0, "-flat"), (15, "-short"), (20, "-tall")]
        self.client = client
        self.store = store
        self.travel = Travel(client)
        self.glyphs = ASCII if basic else UNICODE
        self.pages: dict[str, Page] = {
            page.name: page(self.glyphs)
            for page in (TreePage, VaultsPage, OrdersPage, FillsPage, LogPage)
        }
        assert view in self.pages, "the first view must be one of the pages"
        self.page = self.pages[view]
        self.filters = dict.fromkeys(self.pages, "")
        self._boards = {page.name: _board(page) for page in self.pages.values()}
        self._tail = LogView(LogPage.columns, glyphs=self.glyphs, identity="tail")
        self._read_only = read_only
        self._theme_name = "ansi" if basic else theme
        self._basic = basic
        self._start_with = start_with
        self._trail: list[tuple[str, str]] = []
        self._armed_until_s = 0.0
        self._flash: tuple[str, bool, float] = ("", False, 0.0)
        self._frozen = False
        self._ticks = 0
        self._careful_until_s = 0.0
        self.skipped_frames = 0
        client.on_restart = self._restarted
        # The answer to animation over a slow line is none at all.
        self.animation_level = "none"
        for name in themes.THEMES:
            self.register_theme(themes.load(name))
        self.theme = f"canopy-{self._theme_name}"

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return what our styles call by name, for Textual's own themes."""
        return themes.load("dark").variables

    # --- the screen

    def compose(self) -> ComposeResult:
        yield StatusLine("status")
        yield Lines("banner")
        with Container(id="main"):
            with ContentSwitcher(initial=self.page.name, id="views"):
                yield from self._boards.values()
            yield Lines("detail")
        yield self._tail
        with Horizontal(id="bottom"):
            yield Lines("sign")
            prompt = Input(id="prompt", compact=True, select_on_focus=False)
            prompt.cursor_blink = False
            yield prompt
            yield Lines("crumbs")
        yield Lines("keys")

    def on_mount(self) -> None:
        """Start the connection and the pump."""
        self._parts = (
            self.query_one(StatusLine), self.query_one("#banner", Lines),
            self.query_one("#detail", Lines), self.query_one("#crumbs", Lines),
            self.query_one("#keys", Lines),
        )  # fmt: skip
        self._views = self.query_one("#views", ContentSwitcher)
        if not self.is_headless:
            self.set_interval(HANGUP_CHECK_S, self._check_terminal)
        self.run_worker(self.client.run(), name="client")
        self._subscribe()
        self.set_interval(PUMP_S, self.pump)
        self.call_after_refresh(self._painted)

    def _painted(self) -> None:
        """Show the first rows; then garbage is collected again (`tui/__main__.py` paused it)."""
        self.paint()
        gc.freeze()
        gc.enable()

    def on_resize(self) -> None:
        """Subscribe to what the new size shows, and fill it."""
        self.call_after_refresh(self._resized)

    def _resized(self) -> None:
        self._subscribe()
        self.paint(refill=True)

    def _check_terminal(self) -> None:
        if terminal.hung_up():
            terminal.end_now()

    def _restarted(self, former: Welcome, welcome: Welcome) -> None:
        up = span((welcome.started_ns - former.started_ns) / 1e9)
        self.flash(f"daemon restarted {clock(welcome.started_ns)}Z, was up {up}", alert=True)

    # --- painting

    def pump(self) -> None:
        """Paint what changed, unless the terminal is behind: what waits there is old already."""
        self._ticks += 1
        now_s = self._now_s()
        driver = self._driver
        if isinstance(driver, Terminal) and driver.backlog:
            self.skipped_frames += 1
            self._careful_until_s = now_s + CAREFUL_S
            return
        if now_s < self._careful_until_s and self._ticks % 2:
            return
        self.paint()

    def paint(self, *, refill: bool = False) -> None:
        """Bring the visible widgets up to date; `refill` after another view or size was chosen."""
        if len(self.screen_stack) == 0 or not hasattr(self, "_parts"):
            return
        now_s = self._now_s()
        with self.batch_update():
            status, banner, detail, crumbs, keys = self._parts
            status.tell(self._facts(now_s), self.glyphs)
            self._paint_banner(banner)
            if refill or not self._frozen:
                self._paint_views(now_s, refill=refill)
                key = self._board.selected
                about = self.page.detail(self.shown, key) if key is not None else []
                detail.show_wrapped(about)
            crumbs.show([self._crumbs(now_s)])
            keys.show([self._key_line()])

    def _paint_views(self, now_s: float, *, refill: bool) -> None:
        store = self.shown
        changed = store.changed
        board, page = self._board, self.page
        # What was, stays so, whether the daemon answers or not.
        gone = self.client.link() in (Link.STALE, Link.DOWN) and not self.travel.is_past
        board.dim(gone)
        self._tail.dim(gone)
        due = refill or not page.follow or self._ticks % LOG_EVERY_TICKS == 0
        query = self.filters[page.name]
        is_told = board.note != self._note(query) and board.position[1] == 0
        if refill or is_told or (due and page.view in changed):
            board.note = self._note(query)
            board.belong(to_past=self.travel.is_past)
            board.show(page.lines(store, query), now_s)
            changed.discard(page.view)
        else:
            board.expire(now_s)
        if self._tail_shown and (refill or View.LOG in changed) and page.view is not View.LOG:
            self._tail.show(self.pages["log"].lines(store, ""), now_s)
            changed.discard(View.LOG)

    def _note(self, query: str) -> str:
        """Return what an empty table says: what to do about it."""
        if self.client.link() is Link.DOWN:
            return f"no bot answers: start it with `{self._start_with}`, this screen waits for it"
        if self.page.view not in self.shown.loaded:
            return "waiting for the bot's answer"
        if self.travel.is_past and not query:
            return "nothing of this was recorded by then"
        return f"no line matches /{query}: Esc clears the filter" if query else self.page.empty

    def _paint_banner(self, banner: Lines) -> None:
        link, welcome = self.client.link(), self.store.welcome
        text = ""
        if link is Link.STALE:
            text = f"STALE: no word for {span(self.client.silence_s())}; what you see is old"
        elif link is Link.DOWN:
            pong = self.store.pong
            seen = f" What you see is from {clock(pong.now_ns)}Z." if pong else ""
            text = f"DOWN, trying again.{seen} {clean(self.client.down_reason)}"
        elif welcome is not None and welcome.protocol != control.PROTOCOL_VERSION:
            text = f"version {clean(welcome.daemon_version)} speaks another protocol: read-only"
        if self.travel.is_past:
            banner.display = True
            banner.show([self.banner_of_then()])
            return
        banner.display = bool(text)
        banner.show([[Run(f" {text} ".ljust(banner.size.width), "alert")]] if text else [])

    def _facts(self, now_s: float) -> Facts:
        return Facts(
            link=self.client.link(),
            round_trip_s=self.client.round_trip_s,
            doubts=self.client.doubts(),
            armed_s=max(0.0, self._armed_until_s - now_s),
            frozen=self._frozen,
            # What the bot does now says nothing of then.
            status=None if self.travel.is_past else self.store.status(),
            welcome=self.store.welcome,
            pong=self.store.pong,
        )

    def _crumbs(self, now_s: float) -> list[Run]:
        text, alert, until_s = self._flash
        if text and now_s < until_s:
            return [Run(clean(text), "warn" if alert else "accent")]
        at, total = self._board.position
        trail = [name for name, _ in self._trail[-3:]] + [self.page.name]
        runs = [Run(" > ".join(trail)), Run(f"  {at} of {total}", "dim")]
        if self.page.view in self.shown.partial:
            runs.append(Run("  more than can be shown: use the verb", "warn"))
        if self.filters[self.page.name]:
            runs.append(Run(f"  /{clean(self.filters[self.page.name])}", "accent"))
        if self.page.follow and self._board.below:
            runs.append(Run(f"  +{self._board.below} lines below, End follows", "warn"))
        return runs

    def _key_line(self) -> list[Run]:
        actions = [
            action
            for action in ACTIONS
            if action.label
            and (not action.views or self.page.name in action.views)
            and action.in_past in (None, self.travel.is_past)
        ]
        # The keys of where one is come first: the way back to now is among them.
        actions.sort(key=lambda action: not action.in_past)
        # The way out is never left out, whatever else has no room.
        room = self.size.width + 1 - _key_width(actions[-1])
        runs: list[Run] = []
        for action in actions:
            if action is not actions[-1]:
                if _key_width(action) > room:
                    continue
                room -= _key_width(action)
            # A key that is refused now stays in its place, greyed: its use says why.
            refused = action.grade in (Grade.CONFIRM, Grade.TYPED) and not self._armed()
            runs += [
                Run(key_label(action.keys[0]), "dim" if refused else "accent"),
                Run(f" {action.label} ", "dim" if refused else "plain"),
            ]
        return runs

    @property
    def shown(self) -> Store:
        """Return the rows on the screen: those of now, or of the moment that was travelled to."""
        return self.travel.store if self.travel.is_past else self.store

    def banner_of_then(self) -> list[Run]:
        """Return what stands over a screen of the past."""
        raise NotImplementedError("`tui/travelling.py` knows the past")

    def show_then(self) -> None:
        """Ask for what the page shows, if another moment than now is shown."""

    @property
    def _board(self) -> Board:
        return self._boards[self.page.name]

    @property
    def _tail_shown(self) -> bool:
        return self.screen_stack[0].has_class("-wide") and not self._basic

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    # --- views

    def go(self, name: str, query: str | None = None, *, drilled: bool = False) -> None:
        """Show a page, filtered by `query` if given; Escape leads back from where one drilled."""
        if drilled:
            self._trail.append((self.page.name, self.filters[self.page.name]))
            del self._trail[:-CRUMBS_MAX]
        else:
            self._trail.clear()
        self._show(name, query)

    def climb(self) -> bool:
        """Go back to where one drilled from; say whether there was such a place."""
        if not self._trail:
            return False
        name, query = self._trail.pop()
        self.filters[self.page.name] = ""
        self._show(name, query)
        return True

    def _show(self, name: str, query: str | None) -> None:
        self.page = self.pages[name]
        if query is not None:
            self.filters[name] = query
        self._views.current = name
        self._tail.display = self._tail_shown and name != "log"
        self._subscribe()
        self.show_then()
        self.call_after_refresh(self._refill)

    def _refill(self) -> None:
        self.paint(refill=True)

    def _subscribe(self) -> None:
        rates = {View.STATUS: 1.0, View.VAULTS: 1.0}
        rates |= dict.fromkeys(self.page.also, 1.0)
        if self._tail_shown:
            rates[View.LOG] = 1.0
        rates[self.page.view] = 1 / PUMP_S
        self.client.show(
            control.Subscribe(view=view, rate_hz=rate_hz, limit=WINDOWS.get(view, control.ROWS_MAX))
            for view, rate_hz in rates.items()
        )

    def flash(self, text: str, *, alert: bool = False) -> None:
        """Show a text in the bottom line for a few seconds."""
        self._flash = (text, alert, self._now_s() + (ALERT_S if alert else FLASH_S))
        self.paint()

    def _armed(self) -> bool:
        return self._now_s() < self._armed_until_s


def _key_width(action: Action) -> int:
    return len(key_label(action.keys[0])) + len(action.label) + 2


def _board(page: Page) -> Board:
    kind = LogView if page.follow else Board
    return kind(page.columns, glyphs=page.glyphs, identity=page.name)
