"""Driving the program in tests: headless, against the fake daemon, waiting for what must come."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input

from messages.control import View
from tests.tui.fake import FakeDaemon, daemon
from tui.client import Client, Link
from tui.program import Tui
from tui.store import Store
from tui.widgets.board import Board
from tui.widgets.painted import Lines, Painted

# Far above what anything here takes; only a bug waits this long.
PATIENCE_S = 8.0
LOOK_S = 0.02


async def eventually(condition: Callable[[], bool], what: str = "it") -> None:
    """Wait until `condition` holds; fail with `what` when it does not come."""
    for _ in range(int(PATIENCE_S / LOOK_S)):
        if condition():
            return
        await asyncio.sleep(LOOK_S)
    raise AssertionError(f"{what} did not happen within {PATIENCE_S} s")


def client_for(path: Path, store: Store | None = None, *, read_only: bool = False) -> Client:
    return Client(
        path,
        store or Store(),
        read_only=read_only,
        name="test",
        session="test",
        jitter=lambda: 0.0,
    )


@dataclass
class Driven:
    """The program under test and what it is attached to."""

    app: Tui
    pilot: Pilot[int]
    server: FakeDaemon

    async def press(self, *keys: str) -> None:
        """Press keys one after another; wait for rest once, after the last."""
        for key in keys:
            self.app.simulate_key(key)
            await asyncio.sleep(LOOK_S / 4)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Enter text as a paste does: one event, not a key press per letter."""
        field = self.app.focused
        assert isinstance(field, Input), "something to type into must have the focus"
        field.insert_text_at_cursor(text)
        await self.pilot.pause()

    async def command(self, text: str) -> None:
        await self.press("colon")
        await self.type(text)
        await self.press("enter")

    async def until(self, condition: Callable[[], bool], what: str = "it") -> None:
        await eventually(condition, what)

    def has(self, view: View) -> Callable[[], bool]:
        """Return whether the rows of `view` have arrived, as a condition to wait for."""
        return lambda: view in self.app.store.loaded

    async def until_shown(self, text: str) -> None:
        """Wait until the screen shows `text`, painting as the pump would."""

        def shown() -> bool:
            self.app.paint()
            return text in self.screen()

        await eventually(shown, f"{text!r} on the screen")

    def screen(self) -> str:
        """Return the visible text of our own widgets, and of a dialog above them."""
        parts = [
            "".join(run.text for run in widget.runs(y))
            for widget in self.app.screen_stack[0].query(Painted)
            if widget.is_on_screen
            for y in range(widget.size.height)
        ]
        for dialog in self.app.screen_stack[1:]:
            parts += [str(static.render()) for static in dialog.query("Static")]
        return "\n".join(parts)

    @property
    def board(self) -> Board:
        return self.app._board

    def line(self, name: str) -> str:
        return self.app.query_one(f"#{name}", Lines).text()


@asynccontextmanager
async def driven(
    folder: Path, size: tuple[int, int] = (80, 24), *, read_only: bool = False, basic: bool = False
) -> AsyncIterator[Driven]:
    async with daemon(folder / "control.sock") as server:
        server.read_only = read_only
        store = Store()
        client = client_for(server.path, store, read_only=read_only)
        app = Tui(client, store, read_only=read_only, basic=basic)
        async with app.run_test(size=size) as pilot:
            await eventually(lambda: client.link() is Link.LIVE, "the connection")
            await eventually(lambda: View.TREE in store.loaded, "the tree")
            app.paint(refill=True)
            yield Driven(app, pilot, server)


def run(scenario: Coroutine[None, None, None]) -> None:
    """Run one scenario on asyncio (the suite's own async tests are trio's)."""
    asyncio.run(scenario)


def scenario(
    folder: Path, body: Callable[[Driven], Awaitable[None]], size: tuple[int, int] = (80, 24),
    *, read_only: bool = False, basic: bool = False,
) -> None:  # fmt: skip
    async def inner() -> None:
        async with driven(folder, size, read_only=read_only, basic=basic) as it:
            await body(it)

    run(inner())


def paints(it: Driven) -> bool:
    """Paint, as part of a condition to wait for."""
    it.app.paint()
    return True


@asynccontextmanager
async def running(task: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run `task` beside the body."""
    handle = asyncio.create_task(task)
    try:
        yield
    finally:
        handle.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await handle
