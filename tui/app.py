"""Starting the terminal UI: attached to a terminal, or without one to take its picture."""

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from messages.control import View
from tui.client import Client, Link
from tui.program import Tui
from tui.store import Store
from tui.terminal import take_signals

if TYPE_CHECKING:
    from textual.pilot import Pilot

# The exit codes of the command line (architecture.md section 11).
NOT_RUNNING = 5
TIMED_OUT = 6
# Wide enough that no vital column is missing, narrow enough to be read in a README.
PICTURE_SIZE = (120, 34)
PICTURE_WAIT_S = 10.0
PICTURE_LOOK_S = 0.1
_random = secrets.SystemRandom()


def main(
    socket_path: Path,
    *,
    read_only: bool = False,
    basic: bool = False,
    theme: str = "dark",
    view: str = "tree",
    screenshot: Path | None = None,
    start_with: str = "bot start",
) -> int:
    """Run the terminal UI until the person detaches; return the exit code.

    `start_with` is the command that starts the bot, for people who see that none runs. With
    `screenshot`, no terminal is needed: it connects, waits for the view's data, saves the
    screen as SVG and returns 0, or 5 if no daemon listens, or 6 if the data did not come.
    """
    take_signals()
    store = Store()
    client = Client(
        socket_path,
        store,
        read_only=read_only,
        name="tui",
        session=f"tui-{secrets.token_hex(6)}",
        jitter=_random.random,
    )
    app = Tui(
        client,
        store,
        read_only=read_only,
        basic=basic,
        theme=theme,
        view=view,
        start_with=start_with,
    )
    if screenshot is None:
        return _code(app.run(mouse=False))
    return _code(app.run(headless=True, size=PICTURE_SIZE, auto_pilot=_Picture(screenshot)))


def _code(result: int | None) -> int:
    # Without a result the program ended by an exception, which Textual has printed.
    return 1 if result is None else result


class _Picture:
    """Textual calls this once the screen is up."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __call__(self, pilot: "Pilot[object]") -> None:
        app = pilot.app
        assert isinstance(app, Tui), "the picture is of our own program"
        app.exit(await self._take(app))

    async def _take(self, app: Tui) -> int:
        try:
            async with asyncio.timeout(PICTURE_WAIT_S):
                # The store is a plain dictionary on purpose: it wakes nobody.
                while not self._ready(app):  # noqa: ASYNC110 - the store has no event
                    await asyncio.sleep(PICTURE_LOOK_S)
        except TimeoutError:
            return NOT_RUNNING if app.client.link() is Link.DOWN else TIMED_OUT
        app.paint(refill=True)
        await asyncio.sleep(PICTURE_LOOK_S)
        app.save_picture(self._path)
        return 0

    def _ready(self, app: Tui) -> bool:
        needed = {View.STATUS, app.page.view, *app.page.also}
        return needed <= app.store.loaded and app.store.pong is not None
