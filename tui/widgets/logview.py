"""The log: a board that stays at its newest line until the person scrolls up."""

from tui.widgets.board import Board


class LogView(Board):
    """Follows the end of the log; moving the cursor up stops that, End resumes it."""

    follow = True

    @property
    def following(self) -> bool:
        """Whether the newest line is kept in the window."""
        return self._cursor.key is None
